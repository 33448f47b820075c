"""A terminal that knows ASCII alone: names with accents are read and written as they are, and printed as numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, make_piece

ASCII = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "0", "LC_ALL": "C"}
ASCII.pop("PYTHONIOENCODING", None)


def etude(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "etude", *arguments]
    return subprocess.run(command, cwd=cwd, env=ASCII, capture_output=True, timeout=120, check=False)


def test_files_with_accents_keep_their_names(tmp_path: Path) -> None:
    scores = tmp_path / "Lieder für Ömer"
    scores.mkdir()
    (scores / "Grüße.mid").write_bytes(make_piece(1).dumps_midi())
    done = etude(tmp_path, "download", "dataset=folder", f"dataset.path={scores.name}", "session.progress=false")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "data/download/files/Grüße.mid").is_file()
    manifest = json.loads((tmp_path / "data/download/manifest.json").read_text(encoding="utf-8"))
    assert [entry["id"] for entry in manifest["pieces"]] == ["Grüße"]


def test_a_sentence_about_such_a_name_is_printed(tmp_path: Path) -> None:
    done = etude(tmp_path, "compare", "pipeline", "output=Größe.txt")
    assert done.returncode == 2 and done.stderr.startswith(rb"etude: output = Gr\xf6\xdfe.txt must name a file")
    assert b"Traceback" not in done.stderr and done.stderr.isascii()
