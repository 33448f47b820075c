from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import make_band
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.core.errors import EtudeError
from etude.representations.base.round_trip import round_trip
from etude.representations.pianoroll import PianoRoll

VALUES = {"steps_per_beat": 4, "beats": 16, "max_voices": 4}
PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def learned(*pieces: ScoreTick) -> PianoRoll:
    roll = PianoRoll(4, 16, 4)
    roll.learn([roll.survey(pieces or [make_piece(seed) for seed in range(5)])], PROGRAMS)
    return roll


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 40))
def test_onsets_pitches_and_voices_come_back(seed: int, beats: int) -> None:
    piece = make_piece(seed, beats)
    roll = learned(piece)
    trip = round_trip(piece, roll.decode(roll.encode(piece)), roll.steps)
    assert (trip.kept, trip.extra, trip.onset_error) == (piece.note_num(), 0, 0)


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


@hypothesis(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(2, 6), st.sampled_from([None, 68, 69, 70])), min_size=1, max_size=30))
def test_lengths_come_back_also_of_repeated_notes(notes: list[tuple[int, int | None]]) -> None:
    piece, time = ScoreTick(24), 0
    piece.tracks.append(TrackTick(name="Soprano", program=68))
    for steps, pitch in notes:
        if pitch is not None:
            piece.tracks[0].notes.append(NoteTick(time, 6 * steps, pitch, 80))
        time += 6 * steps
    roll = learned()
    found = roll.decode(roll.rolls(piece))
    assert [(n.time, n.duration, n.pitch) for n in found.tracks[0].notes] == [
        (n.time, n.duration, n.pitch) for n in piece.tracks[0].notes
    ]


@hypothesis(deadline=None, max_examples=40)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=64))
def test_any_roll_comes_back_as_it_was(pitches: list[int]) -> None:
    roll = learned()
    sample_pieces = np.zeros((1, *roll.shape), dtype=np.uint8)
    for step, pitch in enumerate(pitches):
        if pitch >= 0:
            sample_pieces[0, 0, step, pitch] = 1
    assert np.array_equal(roll.rolls(roll.decode(sample_pieces)), sample_pieces)


def test_packing_loses_nothing() -> None:
    roll = learned()
    piece = make_piece(3, 40)
    packed = roll.encode(piece)
    assert packed.shape[0] == 3 and np.array_equal(roll.unpack(packed), roll.rolls(piece))


def test_one_pitch_a_voice_and_step_where_the_voices_of_train_have_one() -> None:
    piece = make_piece(1)
    piece.tracks[0].notes.append(NoteTick(0, 96, 66, 80))
    assert learned(make_piece(1)).rolls(piece).sum(-1).max() == 1


def test_all_notes_of_a_voice_sound_where_notes_of_train_overlap_in_it() -> None:
    piece = make_band(1)
    roll = PianoRoll(4, 16, 4)
    roll.learn([roll.survey([piece])], None)
    assert roll.polyphonic == ["Drums", "Piano"]
    trip = round_trip(piece, roll.decode(roll.encode(piece)), roll.steps)
    assert trip.kept > 0.97 * trip.notes and trip.extra == 0 and trip.onset_error == 0
    assert [track.is_drum for track in roll.decode(roll.encode(piece)).tracks] == [False, False, True]


def test_where_no_voices_are_given_those_with_the_most_notes_are_taken() -> None:
    roll = PianoRoll(4, 16, 2)
    roll.learn([roll.survey([make_band(seed)]) for seed in range(3)], None)
    assert list(roll.voices.items()) == [("Piano", 0), ("Drums", -1)] and roll.shape[0] == 2


def test_saved_and_loaded(tmp_path: Path) -> None:
    roll = learned()
    roll.save(tmp_path)
    again = PianoRoll.load(tmp_path, VALUES, PROGRAMS)
    assert (
        again.shape == roll.shape
        and again.polyphonic == roll.polyphonic
        and np.array_equal(again.encode(make_piece(1)), roll.encode(make_piece(1)))
    )


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
        PianoRoll(5, 16, 4)
