import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from conftest import left_by_a_dead_process
from hypothesis import given
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.core.files import (
    digest,
    digest_of,
    discard,
    encode_entry,
    is_sealed,
    read_json,
    require_room,
    require_unchanged,
    whole,
    whole_folder,
    write_json,
    write_text,
)


def test_a_fault_midway_leaves_what_stood_there_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "out"
    write_text(place / "a", "old")
    with pytest.raises(ValueError, match="midway"), whole(place) as part:
        part.mkdir()
        (part / "a").write_text("new")
        raise ValueError("midway")
    assert [file.name for file in tmp_path.iterdir()] == ["out"] and (place / "a").read_text() == "old"


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    place = tmp_path / "out"
    write_text(place / "old", "1")
    with whole(place) as part:
        part.mkdir()
        (part / "new").write_text("2")
    assert [file.name for file in place.iterdir()] == ["new"] and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "out/mine", "1")
    monkeypatch.chdir(tmp_path / "out")
    for place in (tmp_path / "out", Path()):
        with pytest.raises(EtudeError, match="is a folder, and would be replaced by a file"):
            write_text(place, "2")
    assert (tmp_path / "out/mine").read_text() == "1" and len(list(tmp_path.iterdir())) == 1


def test_equal_values_give_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": [2]})
    write_json(tmp_path / "b", {"a": [2], "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1}) != digest_of({"a": 2, "b": 2})


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(value)
def test_what_is_written_as_json_is_read_again(given: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_json(Path(folder, "a"), given)
        assert read_json(Path(folder, "a"), "") == given
        write_json(Path(folder, "b"), {"key": [{"a": given}, {}]})
        write_json(Path(folder, "c"), {"key": [encode_entry({"a": given}), encode_entry({})]})
        assert digest(Path(folder, "b")) == digest(Path(folder, "c"))


def test_keys_and_the_entries_of_a_list_have_a_line_each(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": [{"y": 1, "x": [2, 3]}, {}], "a": {"c": 1}, "é": []}, sealed=False)
    expected = '{\n "a": {\n  "c": 1\n },\n "b": [\n  {"x": [2, 3], "y": 1},\n  {}\n ],\n "é": []\n}\n'
    assert (tmp_path / "a").read_text(encoding="utf-8") == expected


def test_a_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    for folder, name, text in (("x", "a", "1"), ("y", "a", "1"), ("z", "b", "1"), ("w", "a", "2")):
        write_text(tmp_path / folder / name, text)
    assert digest(tmp_path / "x") == digest(tmp_path / "y")
    assert len({digest(tmp_path / folder) for folder in "xyzw"}) == 3


def test_absent_and_damaged_files_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"does not exist\. Make it with: etude split"):
        read_json(tmp_path / "none", "etude split")
    (tmp_path / "torn").write_text('{"a":')
    with pytest.raises(EtudeError, match=r"damaged .* etude split"):
        read_json(tmp_path / "torn", "etude split")


def test_every_flipped_bit_of_a_sealed_file_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    given = {"pieces": [{"id": "bwv_1", "notes": 123}], "ratio": 0.25, "ö": None}
    write_json(tmp_path / "a", given)
    content = (tmp_path / "a").read_bytes()
    rest = content.index(b"\n", 2)  # where the first line, of the checksum, ends
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a").write_bytes(flipped)
        try:
            found = read_json(tmp_path / "a", "etude ingest")
        except EtudeError as error:
            assert "damaged" in str(error) and "etude ingest" in str(error)
        else:
            assert {name: found.get(name) for name in given} == given and bit // 8 <= rest


def test_a_sealed_file_without_its_first_line_may_be_changed(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1})
    lines = (tmp_path / "a").read_text().splitlines()
    (tmp_path / "a").write_text("\n".join([lines[0], *lines[2:]]).replace("1", "2"))
    assert read_json(tmp_path / "a", "") == {"x": 2}
    write_json(tmp_path / "b", {})
    assert read_json(tmp_path / "b", "") == {} and "checksum" in (tmp_path / "b").read_text()


def test_a_deeply_nested_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[" * 100_000)
    with pytest.raises(EtudeError, match="too deeply nested"):
        read_json(tmp_path / "a", "etude split")


def test_a_sealed_folder_knows_its_files(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "made") as part:
        (part / "inner").mkdir()
        (part / "inner/a").write_bytes(b"1")
    file = tmp_path / "made/inner/a"
    assert is_sealed(tmp_path / "made") and require_unchanged(file, "") == file
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "made", check=False).returncode == 0
    (tmp_path / "made/b").write_bytes(b"1")
    assert not is_sealed(tmp_path / "made")
    with pytest.raises(EtudeError, match=r"made/b is damaged or missing: .*Make it again with: etude arrange"):
        require_unchanged(tmp_path / "made/b", "etude arrange")
    (tmp_path / "made/b").unlink()
    file.write_bytes(b"2")
    assert not is_sealed(tmp_path / "made")
    with pytest.raises(EtudeError, match="made/inner/a is damaged or missing"):
        require_unchanged(file, "etude arrange")
    (tmp_path / "made/SHA256SUMS").unlink()
    assert not is_sealed(tmp_path / "made") and require_unchanged(file, "") == file


def test_what_dead_processes_left_is_removed_or_put_back(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "")  # this process looks at a folder once, and finds nothing yet
    half, gone, back, replaced = (
        left_by_a_dead_process(tmp_path / name, kind)
        for name, kind in (("a", "part"), ("b", "gone"), ("c", "old"), ("d", "old"))
    )
    for folder in (half, gone, back, replaced, tmp_path / "d"):
        write_text(folder / "file", folder.name)
    others = tmp_path / ".e.123456-1.part"  # of another machine
    others.mkdir()
    program = f"from etude.core.files import *; write_text(Path({str(tmp_path)!r}) / 'x', '1')"
    subprocess.run([sys.executable, "-c", program], check=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [others.name, "c", "d", "x"]
    assert (tmp_path / "c/file").read_text() == back.name and (tmp_path / "d/file").read_text() == "d"


def test_a_removal_that_is_killed_leaves_nothing_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a/b", "1")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        discard(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_file_that_does_not_fit_says_how_much_it_needs(tmp_path: Path) -> None:
    require_room(tmp_path / "a", 1)
    with pytest.raises(EtudeError, match=r"a needs 1 EB, and .* are free at .*Free some space"):
        require_room(tmp_path / "a", 10**18)


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            write_text(tmp_path / "a", "more than ten bytes")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "a") and not list(tmp_path.iterdir())
