"""Small files after public reports of other programs' faults, with the notes that are right (inputs/expected.json)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from etude.config.sections import Reading
from etude.scores.readers import read

INPUTS = Path(__file__).parent / "inputs"
EXPECTED: dict[str, dict[str, Any]] = json.loads((INPUTS / "expected.json").read_text(encoding="utf-8"))
TICKS = 480


def test_every_file_has_its_notes() -> None:
    assert {file.name for file in INPUTS.iterdir()} == {*EXPECTED, "expected.json"}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_written_is_what_is_read(name: str) -> None:
    """Onset and length in quarter notes (null: any), MIDI pitch, and where it is stated the program (-1: drums)."""
    wanted = EXPECTED[name]["notes"]
    piece, _ = read(INPUTS / name, None, Reading(None, False, 120.0, True, TICKS, None, None))
    found: Counter[tuple[float | None, ...]] = Counter()
    free = {onset for onset, length, *_ in wanted if length is None}
    for track in piece.tracks:
        for note in track.notes:
            length = None if note.time / TICKS in free and track.is_drum else round(note.duration / TICKS, 3)
            program = -1 if track.is_drum else track.program
            assert note.duration > 0
            found[(round(note.time / TICKS, 3), length, note.pitch, program)[: len(wanted[0])]] += 1
    assert found == Counter(
        (round(onset, 3), length if length is None else round(length, 3), *rest) for onset, length, *rest in wanted
    )
