"""MAESTRO, from a small archive."""

from pathlib import Path
from typing import Any

import pytest

from etude.core.errors import EtudeError
from etude.core.files import digest


def maestro(made: Any, folder: Path) -> str:
    """Write an archive like MAESTRO's, and return the digest of its content."""
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
