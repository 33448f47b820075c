"""Chorales as frames: the notes come back, and beat, key and fermatas are told."""

from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import learned, notes, values_of
from symusic.core import KeySignatureTick, ScoreTick, TimeSignatureTick

from etude.music.augmentation import Copy, alter
from etude.music.key import best_key, sharps_of
from etude.music.markers import fermatas, mark_fermatas
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.chorale import BAR, BEAT, FERMATA, MINOR, SHARPS, STEP, Chorale, key_signature

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def chorale(*pieces: ScoreTick) -> Chorale:
    made: Chorale = learned("chorale", *(pieces or [make_piece(seed) for seed in range(4)]), voices=PROGRAMS)
    return made


def late(piece: ScoreTick, ticks: int, *signs: tuple[int, int, int]) -> ScoreTick:
    """The piece ``ticks`` later, with time signatures."""
    moved = piece.shift_time(ticks)
    moved.time_signatures.clear()
    for sign in signs:
        moved.time_signatures.append(TimeSignatureTick(*sign))
    return moved


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 40), st.sampled_from([(4, 4), (3, 4), (3, 2), (6, 8)]))
def test_notes_and_meter_come_back(seed: int, beats: int, steps: int, sign: tuple[int, int]) -> None:
    piece = late(make_piece(seed, beats), 6 * steps, (0, *sign))
    made = chorale(piece)
    frames = made.encode(piece)
    assert frames.dtype == np.uint16 and frames.shape[1] == 4 + 6
    bar = 16 * sign[0] // sign[1]
    assert len(frames) == 4 * beats + (steps if steps >= bar else 0), "rests before a pickup are left out"
    back = made.decode(frames)
    assert notes(back) == notes(piece)
    assert set(frames[:, 4 + BAR].tolist()) == {bar}
    told = back.time_signatures[0]
    assert (len(back.time_signatures), 16 * told.numerator // told.denominator) == (1, bar)
    assert np.array_equal(made.encode(back), frames)


def test_beats_are_counted_in_each_bar_from_its_line() -> None:
    piece = late(make_piece(1, 8), 72, (0, 4, 4), (96, 2, 4), (144, 3, 4))
    known = chorale(piece).encode(piece)[:, 4:]
    assert known[:, STEP].tolist() == [0, 1, 2, 3] * 8
    assert known[::4, BEAT].tolist() == [3, 0, 1, 0, 1, 2, 0, 1]
    assert known[::4, BAR].tolist() == [16, 8, 8, 12, 12, 12, 12, 12]
    back = chorale(piece).decode(chorale(piece).encode(piece))
    signs = [(sign.time, sign.numerator, sign.denominator) for sign in back.time_signatures]
    assert signs == [(0, 4, 4), (96, 2, 4), (144, 3, 4)]


def test_stated_keys_hold_from_their_time_and_move_with_a_transposition() -> None:
    piece = make_piece(2, 8)
    for key in ((0, -3, 1), (96, 2, 0)):
        piece.key_signatures.append(KeySignatureTick(*key))
    made = chorale(piece, alter(piece, Copy("a", 2), True))
    known = made.encode(piece)[:, 4:]
    assert known[::16, [SHARPS, MINOR]].tolist() == [[4, 1], [9, 0]]
    higher = made.encode(alter(piece, Copy("a", 2), True))
    assert higher[::16, [4 + SHARPS, 4 + MINOR]].tolist() == [[6, 1], [11, 0]]
    back = made.decode(higher)
    assert [(key.time, key.key, key.tonality) for key in back.key_signatures] == [(0, -1, 1), (96, 4, 0)]


def test_a_piece_that_states_no_key_has_the_one_that_fits_it() -> None:
    piece = make_piece(5)
    durations = np.zeros(12)
    for track in piece.tracks:
        for note in track.notes:
            durations[note.pitch % 12] += note.duration
    found = best_key(durations)
    assert found is not None
    known = chorale(piece).encode(piece)[:, 4:]
    assert set(known[:, SHARPS].tolist()) == {sharps_of(*found) + 7}
    assert set(known[:, MINOR].tolist()) == {int(found[1] == "minor")}
    assert key_signature(ScoreTick(24)) == (0, 0)


@pytest.mark.parametrize(
    ("tonic", "mode", "sharps"),
    [(0, "major", 0), (9, "minor", 0), (7, "major", 1), (5, "major", -1), (2, "minor", -1), (6, "major", 6)],
)
def test_sharps_of_a_key(tonic: int, mode: str, sharps: int) -> None:
    assert sharps_of(tonic, mode) == sharps  # type: ignore[arg-type]


def test_a_fermata_lasts_as_long_as_its_note_in_the_first_voice() -> None:
    piece = late(make_piece(3, 16), 48, (0, 4, 4))
    held = [piece.tracks[0].notes[2], piece.tracks[0].notes[-1]]
    mark_fermatas(piece, [note.time for note in reversed(held)])
    made = chorale(piece)
    frames = made.encode(piece)
    wanted = {step for note in held for step in range((note.time - 48) // 6, (note.end - 48) // 6)}
    assert set(np.flatnonzero(frames[:, 4 + FERMATA]).tolist()) == wanted
    assert fermatas(made.decode(frames)) == [note.time for note in held]
    assert fermatas(made.decode(made.encode(make_piece(3)))) == []


def test_fermatas_on_notes_that_follow_each_other_stay_two() -> None:
    piece = make_piece(4)
    mark_fermatas(piece, [note.time for note in piece.tracks[0].notes[:2]])
    made = chorale(piece)
    assert fermatas(made.decode(made.encode(piece))) == [note.time for note in piece.tracks[0].notes[:2]]


def test_nothing_comes_back_of_nothing_and_a_hold_of_nothing_is_passed_over() -> None:
    made = chorale()
    empty = made.encode(ScoreTick(24))
    assert empty.shape == (0, 10) and made.decode(empty).note_num() == 0
    frames = made.encode(make_piece(0))[:8].copy()
    frames[:, 0] = HOLD
    frames[:, 1] = [REST, HOLD, FIRST, HOLD, REST, HOLD, HOLD, HOLD]
    back = made.decode(frames)
    assert len(back.tracks[0].notes) == 0
    assert [(note.time, note.duration, note.pitch) for note in back.tracks[1].notes] == [(12, 12, made.low)]


def test_saved_and_loaded_it_encodes_the_same(tmp_path: Path) -> None:
    made = chorale()
    made.save(tmp_path)
    again = Chorale.load(tmp_path, values_of("chorale"), PROGRAMS)
    assert np.array_equal(made.encode(make_piece(7)), again.encode(make_piece(7)))
    assert again.vocabulary == made.vocabulary
