"""The Lakh MIDI dataset, from a small archive."""

import json
from pathlib import Path
from typing import Any

from etude.core.files import digest


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
