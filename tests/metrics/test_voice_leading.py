"""Voice leading: each rule on a chord that breaks it, and music21's own word on the same steps."""

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.metrics.voice_leading import (
    KINDS,
    MOVES,
    STATES,
    count,
    leading_note,
    moves,
    parallels,
    pitches_of,
    rates,
    sounding,
    states,
)

# without tritones and semitones every interval has one name only, so that music21 reads from MIDI what we mean
PENTATONIC = [pitch for pitch in range(48, 80) if pitch % 12 in (0, 2, 4, 7, 9)]


def wrong(before: list[int], after: list[int]) -> dict[str, int]:
    """The moves that are found, without those that are not."""
    return {kind: int(number) for kind, number in moves(np.array(before), np.array(after)).items() if number}


def strict(before: list[int], after: list[int]) -> set[str]:
    return {kind for kind in wrong(before, after) if not kind.endswith("music21")}


def test_each_forbidden_move_is_found_and_similar_ones_are_not() -> None:
    assert strict([67, 60], [69, 62]) == {"parallel_fifths"}
    assert strict([72, 60], [74, 62]) == {"parallel_octaves"}
    assert strict([60, 60], [62, 62]) == {"parallel_octaves", "overlaps"}, "unisons too"
    assert strict([79, 60], [81, 62]) == {"parallel_fifths"}, "a twelfth is a fifth"
    assert strict([67, 60], [67, 60]) == set() and strict([67, 60], [67, 55]) == set(), "one stays"
    assert strict([67, 60], [69, 50]) == {"leaps"}, "apart"
    assert wrong([67, 60], [69, 50]) == {"parallel_fifths_music21": 1, "leaps": 1}
    assert strict([64, 60], [69, 62]) == {"hidden_fifths"}
    assert strict([67, 60], [69, 57]) == set(), "into an octave, and not in one direction"
    assert strict([64, 55], [72, 60]) == {"hidden_octaves"}
    assert strict([71, 55], [72, 60]) == set(), "the upper voice goes by step"
    assert strict([72, 64, 55], [71, 60, 50]) == set()
    assert strict([72, 57, 48], [72, 60, 53]) == set(), "of the inner voices none is hidden"
    assert strict([72, 60], [58, 57]) == {"overlaps", "leaps"}
    assert strict([72, 60], [74, 73]) == {"overlaps", "leaps"}
    for interval, found in ((5, False), (6, True), (7, False), (10, True), (11, True), (12, False), (13, True)):
        assert ("leaps" in strict([60], [60 + interval])) is found, interval
        assert ("leaps" in strict([72], [72 - interval])) is found, interval


def test_silence_is_no_voice() -> None:
    assert wrong([67, 0], [69, 62]) == wrong([67, 60], [0, 62]) == {}
    assert {kind for kind, number in states(np.array([0, 0, 60, 72]), 0).items() if number} == {
        "crossings",
        "doubled_leading_notes",
        "out_of_range",
    }
    assert not any(states(np.array([0, 0, 0, 0]), 0).values())


def test_each_forbidden_state_is_found() -> None:
    def found(pitches: list[int], leading: int | None = None) -> dict[str, int]:
        return {kind: int(number) for kind, number in states(np.array(pitches), leading).items() if number}

    assert found([72, 67, 60, 48], 11) == {}
    assert found([72, 59, 55, 48]) == {"wide_spacings": 1}
    assert found([72, 67, 52, 41]) == {"wide_spacings": 1}
    assert found([72, 67, 62, 42]) == {}, "the bass may be far below"
    assert found([67, 69, 60, 48]) == {"crossings": 1}
    assert found([71, 65, 59, 43], 11) == {"doubled_leading_notes": 1}
    assert found([71, 59, 59, 47], 11)["doubled_leading_notes"] == 3
    assert found([71, 65, 59, 43], None) == {}
    assert found([80, 75, 70, 63]) == {"out_of_range": 4} and found([60, 55, 48, 40]) == {}


def test_a_piece_is_counted_once_a_change_and_a_bar() -> None:
    chord, other = [67, 69, 60, 48], [67, 65, 60, 48]
    piece = np.array([chord] * 5 + [other] * 3 + [chord] * 8)
    found = count(piece, 4)
    assert found["bars"] == 1 and found["crossings"] == 2
    assert found["crossings_music21"] == 2, "pairs that move"
    assert set(found) == {*KINDS, "bars"} and set(KINDS) == {*MOVES, *STATES}
    twice = rates([found, found])
    assert twice["crossings"] == 2 and set(twice) == set(KINDS)
    nothing = count(np.zeros((0, 4), dtype=int), 4)
    assert not any(nothing.values()) and np.isnan(rates([nothing])["crossings"]) and np.isnan(rates([])["leaps"])


def test_steps_are_those_of_frame_after_frame() -> None:
    piece = np.array([[67, 60], [67, 60], [69, 62], [69, 62], [71, 64]])
    assert count(piece, 1)["parallel_fifths"] == 2
    assert moves(piece[:-1], piece[1:])["parallel_fifths"].tolist() == [0, 1, 0, 1]
    many = np.stack([piece, piece[::-1]])
    assert moves(many[:, :-1], many[:, 1:])["parallel_fifths"].tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]


def test_the_leading_note_is_that_of_the_key() -> None:
    major = np.array([[60, 64, 67], [65, 69, 60], [67, 71, 62], [60, 64, 67]])
    assert leading_note(major) == 11 and leading_note(major + 2) == 1
    minor = np.array([[57, 60, 64], [62, 65, 57], [64, 68, 59], [57, 60, 64]])
    assert leading_note(minor) == 8
    assert leading_note(np.zeros((4, 4), dtype=int)) is None


def test_sounding_pitches_of_a_grid_and_of_a_piece() -> None:
    grid = np.array([[3, 5], [7, 3], [3, 4], [7, 3], [4, 6]])  # 3: hold, 4: rest, 5: the lowest pitch
    assert sounding(grid, 40).tolist() == [[0, 40], [42, 40], [42, 0], [42, 0], [0, 41]]
    piece = make_piece(3)
    programs = {name: program for name, (program, _) in VOICES.items()}
    pitches = pitches_of(piece, programs, 4)
    assert pitches.shape == (64, 4)
    for voice, track in enumerate(piece.tracks):
        for note in track.notes:
            assert (pitches[note.time // 6 : note.end // 6, voice] == note.pitch).all()


@hypothesis(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PENTATONIC), min_size=4, max_size=4))
def test_music21_agrees_on_two_voices(pitches: list[int]) -> None:
    from music21.note import Note
    from music21.voiceLeading import VoiceLeadingQuartet

    upper, after, lower, then = pitches
    quartet = VoiceLeadingQuartet(Note(upper), Note(after), Note(lower), Note(then))
    ours = moves(np.array([upper, lower]), np.array([after, then]))
    moving = upper != after or lower != then
    assert ours["parallel_fifths_music21"] == quartet.parallelFifth()
    assert ours["parallel_octaves_music21"] == quartet.parallelOctave()
    assert ours["hidden_fifths_music21"] == quartet.hiddenFifth()
    assert ours["hidden_octaves_music21"] == quartet.hiddenOctave()
    assert ours["overlaps_music21"] == (moving and quartet.voiceOverlap())
    assert ours["crossings_music21"] == (moving and quartet.voiceCrossing())
    assert ours["parallel_fifths"] <= ours["parallel_fifths_music21"]


@hypothesis(deadline=None, max_examples=300)
@given(st.lists(st.integers(48, 66) | st.just(0), min_size=8, max_size=8))
def test_parallels_are_those_of_either_definition(pitches: list[int]) -> None:
    before, after = np.array(pitches).reshape(2, 4)
    each = [moves(before[[i, j]], after[[i, j]]) for i in range(4) for j in range(i + 1, 4)]
    kinds = ("parallel_fifths", "parallel_octaves", "parallel_fifths_music21", "parallel_octaves_music21")
    assert parallels(before, after) == sum(any(pair[kind] for kind in kinds) for pair in each)


@pytest.mark.parametrize("transposed", [-5, 7])
def test_transposition_changes_no_rule_but_the_ranges(transposed: int) -> None:
    pitches = pitches_of(make_piece(5), {name: program for name, (program, _) in VOICES.items()}, 4)
    here, there = (count(found, 4) for found in (pitches, pitches + transposed))
    assert {**here, "out_of_range": 0} == {**there, "out_of_range": 0}
