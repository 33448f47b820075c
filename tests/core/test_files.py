import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.core.files import digest, digest_of, encode_entry, read_json, whole, write_json, write_text


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
    write_json(tmp_path / "a", {"b": [{"y": 1, "x": [2, 3]}, {}], "a": {"c": 1}, "é": []})
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
