"""The voices of a model under a melody, step by step."""

from typing import Any

import numpy as np
import pytest

from etude.core.errors import EtudeError
from etude.live.controls import Controls
from etude.live.harmony import HOLD_ON, SILENT, FourVoices
from etude.live.replay import harmony_of
from etude.live.writers import writer_of

MELODY = [67, HOLD_ON, 69, HOLD_ON, 71, HOLD_ON, HOLD_ON, HOLD_ON, SILENT, SILENT, SILENT, SILENT, 72, HOLD_ON, 71, 69]


def harmony(voices: Any, seed: int = 1) -> FourVoices:
    made = FourVoices(writer_of(voices, seed), seed)  # type: ignore[arg-type]
    made.open([], Controls(temperature=0.5), 0)
    return made


def test_voices_enter_with_the_melody_and_are_silent_with_it(voices: Any) -> None:
    made = harmony(voices)
    cells = [made.step(frame, cell, False) for frame, cell in enumerate(MELODY)]
    assert all(len(one) == 3 for one in cells) and all(pitch >= 0 for pitch in cells[0]), "all three start"
    assert cells[8] == [SILENT] * 3 and all(pitch >= 0 for pitch in cells[12])
    bar = made.end()
    assert {note.voice for note in bar.notes} == {0, 1, 2, 3} and bar.length == 96
    assert [note.pitch for note in bar.notes if not note.voice] == [67, 69, 71, 72, 71, 69]
    again = harmony(voices)
    assert [again.step(frame, cell, False) for frame, cell in enumerate(MELODY)] == cells


def test_a_step_that_is_asked_for_again_is_as_if_asked_once(voices: Any) -> None:
    once, twice = harmony(voices), harmony(voices)
    for frame, cell in enumerate(MELODY[:8]):
        twice.step(frame, 60 + frame if frame % 2 else SILENT, False)
        assert once.step(frame, cell, False) == twice.step(frame, cell, True)
    assert once.end() == twice.end()


def test_a_skipped_step_holds_the_voices(voices: Any) -> None:
    made = harmony(voices)
    made.step(0, 67, False)
    made.skip(1, 69)
    made.skip(2, SILENT)
    made.skip(3, HOLD_ON)
    bar = made.end()
    assert len([note for note in bar.notes if note.voice]) == 3


@pytest.mark.parametrize("pitch", [0, 20, 60, 100, 127])
def test_any_pitch_of_a_player_is_moved_into_the_range_of_the_first_voice(voices: Any, pitch: int) -> None:
    made = harmony(voices)
    token = made.token(pitch)
    assert made.writer.observed[0][token] or made.low <= token - 5 + made.writer.representation.low <= made.high
    assert len(made.step(0, pitch, False)) == 3


def test_the_voices_keep_to_a_scale(voices: Any) -> None:
    made = harmony(voices)
    made.open([], Controls(scale="C major", temperature=0.3), 0)
    assert np.count_nonzero(made._tilt()) > 10


def test_a_model_of_another_kind_is_refused(lstm: Any) -> None:
    with pytest.raises(EtudeError, match="needs a model of the voice grid"):
        harmony_of("voices", writer_of(lstm, 1), 1)
