"""Chords under a melody: triads that fit it, near each other, on beats."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.arranging.chords import STEPS
from etude.live.chords import FRAMES, MIDDLE, Chords, voiced
from etude.live.controls import Controls
from etude.live.harmony import HOLD_ON, SILENT

CELLS = st.integers(40, 90) | st.just(HOLD_ON) | st.just(SILENT)


@settings(max_examples=50)
@given(st.integers(0, 11), st.sampled_from(sorted(STEPS)), st.lists(st.integers(40, 70), min_size=3, max_size=3))
def test_a_triad_is_complete_and_near_to_the_one_before(root: int, quality: str, before: list[int]) -> None:
    if len(STEPS[quality]) != 3:
        return
    chord = voiced((root, quality), sorted(before, reverse=True))
    assert {pitch % 12 for pitch in chord} == {(root + step) % 12 for step in STEPS[quality]}
    assert chord == sorted(chord, reverse=True) and all(MIDDLE - 9 <= pitch <= MIDDLE + 18 for pitch in chord)
    assert voiced((root, quality), chord) == chord, "the same chord stays where it is"


def play(chords: Chords, cells: list[int], scale: str | None = None) -> list[list[int]]:
    made = []
    for start in range(0, len(cells), FRAMES):
        chords.open([], Controls(scale=scale), start // FRAMES)
        made += [chords.step(frame, cell, False) for frame, cell in enumerate(cells[start : start + FRAMES])]
    return made


@settings(max_examples=50)
@given(st.lists(CELLS, max_size=32))
def test_any_melody_has_chords_on_beats_that_end_with_it(cells: list[int]) -> None:
    chords, sounds = Chords(), False
    for frame, made in enumerate(play(chords, cells)):
        assert len(made) == 3
        if made[0] >= 0 and sounds:
            assert not frame % 4, "a chord changes on a beat"
        if made[0] != HOLD_ON:
            sounds = made[0] >= 0
        if cells[frame] == SILENT:
            assert not sounds
        elif cells[frame] >= 0:
            assert sounds, "no note is without a chord"
    bar = chords.end()
    assert all(
        note.length > 0 and note.onset + note.length <= bar.length and 1 <= note.voice <= 3 for note in bar.notes
    )
    assert len(bar.holds) == 4


@settings(max_examples=50)
@given(st.lists(st.tuples(CELLS, CELLS, st.booleans()), max_size=16))
def test_a_step_that_is_asked_for_again_is_as_if_asked_once(steps: list[tuple[int, int, bool]]) -> None:
    once, twice = Chords(), Chords()
    for chords in (once, twice):
        chords.open([], Controls(), 0)
    for frame, (cell, wrong, again) in enumerate(steps):
        if again:
            twice.step(frame, wrong, False)
        assert once.step(frame, cell, False) == twice.step(frame, cell, again)
    assert once.end() == twice.end()


@pytest.mark.parametrize(("scale", "root"), [("C major", 0), ("A minor", 9)])
def test_the_first_chord_is_the_tonic_of_the_scale_that_is_asked_for(scale: str, root: int) -> None:
    (made, *_) = play(Chords(), [64, *[HOLD_ON] * 15], scale)
    assert root in {pitch % 12 for pitch in made}


def test_a_skipped_step_holds() -> None:
    chords = Chords()
    chords.open([], Controls(), 0)
    chords.step(0, 60, False)
    chords.skip(1, 62)
    bar = chords.end()
    assert [note.onset for note in bar.notes] == [0, 0, 0] and all(note.length == 96 for note in bar.notes)
