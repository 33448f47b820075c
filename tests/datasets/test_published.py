"""The datasets that come as archives: the real ones where they are at hand, and small ones that the tests make."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest


def test_jsb(mirror: Path, tmp_path: Path, made: Any) -> None:
    manifest = made.dataset("jsb").fetch(tmp_path / "files", show=False)
    pieces = manifest["pieces"]
    assert Counter(piece["split"] for piece in pieces) == {"train": 229, "valid": 76, "test": 77}
    assert [piece["id"] for piece in pieces] == sorted(piece["id"] for piece in pieces) and manifest["left_out"] == []
    assert [file.name for file in (tmp_path / "files").iterdir()] == ["Jsb16thSeparated.json"]
    assert (pieces[-1]["id"], pieces[-1]["part"]) == ("valid-075", "valid/75")
    assert pieces[0]["sha256"] == digest(tmp_path / "files" / pieces[0]["file"])


@pytest.mark.parametrize(("grid", "file"), [("8th", "jsb-chorales-8th.json"), ("quarter", "jsb-chorales-quarter.json")])
def test_jsb_on_other_grids(mirror: Path, tmp_path: Path, made: Any, grid: str, file: str) -> None:
    manifest = made.dataset("jsb", grid=grid, limit=10).fetch(tmp_path / "files", show=False)
    assert [entry.name for entry in (tmp_path / "files").iterdir()] == [file]
    assert Counter(piece["split"] for piece in manifest["pieces"]) == {"train": 6, "valid": 2, "test": 2}
    with pytest.raises(EtudeError, match=r'dataset\.grid = "?\'8\'.*There are: 16th, 8th, quarter'):
        made.dataset("jsb", grid="8")


def test_nottingham(mirror: Path, tmp_path: Path, made: Any) -> None:
    manifest = made.dataset("nottingham").fetch(tmp_path / "files", show=False)
    assert len(manifest["pieces"]) == 1034 and manifest["pieces"][0]["id"] == "ashover1"
    assert {piece["file"] for piece in manifest["pieces"]} == {file.name for file in (tmp_path / "files").iterdir()}


def test_pop909(mirror: Path, tmp_path: Path, made: Any) -> None:
    folder = tmp_path / "files"
    manifest = made.dataset("pop909", limit=3).fetch(folder, show=False)
    assert [piece["id"] for piece in manifest["pieces"]] == ["001", "002", "003"]
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*.*")}
    names = ("{0}.mid", "beat_midi.txt", "chord_midi.txt")
    assert files == {f"{song}/{name.format(song)}" for song in ("001", "002", "003") for name in names}
    piece = manifest["pieces"][0]
    assert piece["beside"] == {name: digest(folder / name) for name in ("001/beat_midi.txt", "001/chord_midi.txt")}


def test_another_version_is_not_what_was_pinned(mirror: Path, tmp_path: Path, made: Any) -> None:
    with pytest.raises(EtudeError, match=r"have the digest 9e7678d4.*, but dataset\.digest = 0{64}"):
        made.dataset("nottingham", digest="0" * 64).fetch(tmp_path / "files", show=False)
    with pytest.raises(EtudeError, match=r"has no file nottingham-dataset-1\.zip"):
        made.dataset("nottingham", version="1").fetch(tmp_path / "files", show=False)


def test_annotations_that_only_some_archives_have(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    names = ("001.mid", "beat_midi.txt", "chord_midi.txt", "beat_audio.txt", "versions/001-v1.mid")
    files = {f"POP909-Dataset-1/POP909/001/{name}": name.encode() for name in names}
    made.zip(own_mirror / "POP909-Dataset-1.zip", files)
    plain = tmp_path / "plain"
    made.dataset("pop909", version="1", digest=None).fetch(plain, show=False)
    made.zip(own_mirror / "POP909-Dataset-1.zip", files | {"POP909-Dataset-1/POP909/001/key_audio.txt": b"key"})
    dataset = made.dataset("pop909", version="1", digest=digest(plain))
    piece = dataset.fetch(tmp_path / "more", show=False)["pieces"][0]
    assert sorted(piece["beside"]) == ["001/beat_midi.txt", "001/chord_midi.txt", "001/key_audio.txt"]


def maestro(made: Any, folder: Path) -> str:
    """Writes an archive as MAESTRO's, and returns the digest of its content."""
    rows = ["canonical_composer,canonical_title,split,year,midi_filename,audio_filename,duration"]
    for place, split in enumerate(["train", "train", "validation", "test"]):
        rows.append(f'A. Berg,"Sonata, Op. {place // 2}",{split},2018,2018/p {place}.midi,2018/p{place}.wav,1.5')
    files = {f"maestro-v3.0.0/2018/p {place}.midi": f"{place}".encode() for place in (0, 1, 2, 9)}
    files |= {"maestro-v3.0.0/maestro-v3.0.0.csv": "\n".join(rows).encode(), "maestro-v3.0.0/README": b""}
    made.zip(folder / "maestro-v3.0.0-midi.zip", files)
    (folder / "plain/2018").mkdir(parents=True)
    for name, data in files.items():
        if not name.endswith("README"):
            (folder / "plain" / name.partition("/")[2]).write_bytes(data)
    return digest(folder / "plain")


def test_maestro_is_read_by_its_table(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    content = maestro(made, own_mirror)
    with pytest.raises(EtudeError, match=r"has the sha256 .*, but the published one is 70470ee"):
        made.dataset("maestro").fetch(tmp_path / "files", show=False)
    manifest = made.dataset("maestro", digest=content).fetch(tmp_path / "again", show=False)
    assert [(piece["id"], piece["split"]) for piece in manifest["pieces"]] == [
        ("p_0", "train"),
        ("p_1", "train"),
        ("p_2", "valid"),
    ]
    assert manifest["pieces"][0]["origin"] == manifest["pieces"][1]["origin"] == "A. Berg: Sonata, Op. 0"
    assert (manifest["pieces"][0]["title"], manifest["pieces"][0]["year"]) == ("Sonata, Op. 0", 2018)
    assert manifest["left_out"] == [
        {"source": "2018/p 3.midi", "reason": "the archive does not hold it"},
        {"source": "2018/p 9.midi", "reason": "the dataset's table does not list it"},
    ]
    files = sorted(file.name for file in (tmp_path / "again").rglob("*.*"))
    assert files == ["p 0.midi", "p 1.midi", "p 2.midi"]


def test_lakh_comes_as_tar(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    names = [f"{sign}/{sign * 32}.mid" for sign in "0a"]
    files = {f"lmd_full/{name}": name.encode() for name in (*names, "0/readme.txt")}
    made.tar(own_mirror / "lmd_full.tar.gz", files)
    for name in names:
        (tmp_path / "plain" / name).parent.mkdir(parents=True)
        (tmp_path / "plain" / name).write_bytes(name.encode())
    manifest = made.dataset("lakh", digest=digest(tmp_path / "plain")).fetch(tmp_path / "files", show=False)
    assert [piece["file"] for piece in manifest["pieces"]] == names
    assert json.loads(json.dumps(manifest)) == manifest and str(tmp_path) not in json.dumps(manifest)
