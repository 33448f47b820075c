"""POP909: the real archive where it is available, and a small one."""

from pathlib import Path
from typing import Any

from etude.core.files import digest


def test_pop909(mirror: Path, tmp_path: Path, made: Any) -> None:
    folder = tmp_path / "files"
    manifest = made.dataset("pop909", limit=3).fetch(folder, show=False)
    assert [piece["id"] for piece in manifest["pieces"]] == ["001", "002", "003"]
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*.*")}
    names = ("{0}.mid", "beat_midi.txt", "chord_midi.txt")
    assert files == {f"{song}/{name.format(song)}" for song in ("001", "002", "003") for name in names}
    piece = manifest["pieces"][0]
    assert piece["annotations"] == {name: digest(folder / name) for name in ("001/beat_midi.txt", "001/chord_midi.txt")}


def test_annotations_that_only_some_archives_have(own_mirror: Path, tmp_path: Path, made: Any) -> None:
    names = ("001.mid", "beat_midi.txt", "chord_midi.txt", "beat_audio.txt", "versions/001-v1.mid")
    files = {f"POP909-Dataset-1/POP909/001/{name}": name.encode() for name in names}
    made.zip(own_mirror / "POP909-Dataset-1.zip", files)
    plain = tmp_path / "plain"
    made.dataset("pop909", version="1", digest=None).fetch(plain, show=False)
    made.zip(own_mirror / "POP909-Dataset-1.zip", files | {"POP909-Dataset-1/POP909/001/key_audio.txt": b"key"})
    dataset = made.dataset("pop909", version="1", digest=digest(plain))
    piece = dataset.fetch(tmp_path / "more", show=False)["pieces"][0]
    assert sorted(piece["annotations"]) == ["001/beat_midi.txt", "001/chord_midi.txt", "001/key_audio.txt"]
