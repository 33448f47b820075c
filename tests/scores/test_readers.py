"""The readers by file format."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.readers import is_midi, pieces_of, read, sheet_of

READING = Reading(None, True, 100.0, True, 24, None, None)


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    for call in (lambda path: read(path, None, READING), pieces_of):
        with pytest.raises(EtudeError, match=r"a\.pdf: files ending in \.pdf cannot be read, only \.mid,"):
            call(tmp_path / "a.pdf")
    with pytest.raises(EtudeError, match=r"a\.mid holds no written score"):
        sheet_of(tmp_path / "a.mid", None)
    with pytest.raises(EtudeError, match="without an ending"):
        pieces_of(tmp_path / "README")


def test_suffixes_count_in_either_letter_case() -> None:
    assert [is_midi(Path(name)) for name in ("a.MID", "a.rmi", "a.xml", "a")] == [True, True, False, False]


def test_slow_modules_are_imported_only_where_they_are_needed() -> None:
    code = (
        "import sys; from etude.scores import readers\n"
        "print([name in sys.modules for name in ('music21', 'pretty_midi', 'torch', 'miditok')])\n"
        "readers.prepare(); print([name in sys.modules for name in ('music21', 'pretty_midi')])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        env={"PYTHONPATH": str(ROOT / "src")},
    ).stdout  # fmt: skip
    assert shown.splitlines() == ["[False, False, False, False]", "[False, True]"]
