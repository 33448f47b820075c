from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.errors import EtudeError
from etude.representations.pianoroll import PianoRoll

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def learned(*pieces: ScoreTick) -> PianoRoll:
    roll = PianoRoll(4, 16)
    roll.learn(pieces or [make_piece(seed) for seed in range(5)], PROGRAMS)
    return roll


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 40))
def test_onsets_pitches_and_voices_come_back(seed: int, beats: int) -> None:
    piece = make_piece(seed, beats)
    assert learned(piece).notes_kept(piece) == (piece.note_num(), piece.note_num())


def test_a_repeated_note_differs_from_a_held_one() -> None:
    held, repeated = ScoreTick(24), ScoreTick(24)
    for piece, onsets, length in ((held, [0], 48), (repeated, [0, 24], 24)):
        track = TrackTick(name="Soprano", program=68)
        for onset in onsets:
            track.notes.append(NoteTick(onset, length, 70, 80))
        piece.tracks.append(track)
    roll = learned(held)
    assert not np.array_equal(roll.rolls(held), roll.rolls(repeated))
    assert roll.decode(roll.rolls(repeated)).note_num() == 2


def test_packing_loses_nothing() -> None:
    roll = learned()
    piece = make_piece(3, 40)
    packed = roll.encode(piece)
    assert packed.shape[0] == 3 and np.array_equal(roll.unpack(packed), roll.rolls(piece))


def test_one_pitch_a_voice_and_step() -> None:
    piece = make_piece(1)
    piece.tracks[0].notes.append(NoteTick(0, 96, 66, 80))
    assert learned(piece).rolls(piece).sum(-1).max() == 1


def test_saved_and_loaded(tmp_path: Path) -> None:
    roll = learned()
    roll.save(tmp_path)
    again = PianoRoll.load(tmp_path, {"steps_per_beat": 4, "beats": 16}, PROGRAMS)
    assert again.shape == roll.shape and np.array_equal(again.encode(make_piece(1)), roll.encode(make_piece(1)))


def test_a_held_note_ends_where_another_begins_and_does_not_come_back() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="Soprano", program=68))
    for onset, length, pitch in ((0, 96, 66), (24, 24, 70)):
        piece.tracks[0].notes.append(NoteTick(onset, length, pitch, 80))
    roll = learned()
    found = [(n.time, n.duration, n.pitch) for n in roll.decode(roll.rolls(piece)).tracks[0].notes]
    assert found == [(0, 24, 66), (24, 24, 70)]


def test_a_grid_that_would_change_the_speed_is_refused() -> None:
    with pytest.raises(EtudeError, match=r"steps_per_beat = 5 must divide 24"):
        PianoRoll(5, 16)
