"""Chords under a melody: triads that fit it, near each other, on beats."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.arranging.chords import STEPS
from etude.live.bars import score_of
from etude.live.chords import FRAMES, MIDDLE, Chords, voiced
from etude.live.controls import Controls
from etude.live.harmony import HOLD_ON, SILENT

CELLS = st.integers(40, 90) | st.just(HOLD_ON) | st.just(SILENT)


@settings(max_examples=50)
@given(
    st.integers(0, 11),
    st.sampled_from([*STEPS.values(), (0, 7)]),
    st.lists(st.integers(40, 70), min_size=3, max_size=3),
)
def test_a_chord_is_complete_and_near_to_the_one_before(root: int, steps: tuple[int, ...], before: list[int]) -> None:
    chord = voiced(root, steps, sorted(before, reverse=True))
    assert len(set(chord)) == 3 and {pitch % 12 for pitch in chord} == {(root + step) % 12 for step in steps}
    assert chord == sorted(chord, reverse=True) and all(MIDDLE - 9 <= pitch <= MIDDLE + 18 for pitch in chord)
    assert voiced(root, steps, chord) == chord, "the same chord stays where it is"


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


def named(melody: list[tuple[int, int]]) -> list[tuple[float, set[str]]]:
    """The chords of a melody of pitches and quarter notes: the quarter note at which each starts, and its notes."""
    cells = [cell for pitch, length in melody for cell in (pitch, *[HOLD_ON] * (4 * length - 1))]
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"]
    made = play(Chords(), cells)
    return [(frame / 4, {names[pitch % 12] for pitch in one}) for frame, one in enumerate(made) if one[0] >= 0]


def test_a_minor_tune_starts_without_a_third_and_closes_on_its_downbeats() -> None:
    tune = [(69, 1), (71, 1), (72, 1), (74, 1), (76, 1), (72, 1), (69, 2), (74, 1), (72, 1), (71, 1), (68, 1), (69, 4)]
    found = dict(named(tune))
    assert found[0] == {"A", "E"}, "major or minor is not known yet"
    assert found[2] == {"A", "C", "E"}, "now it is"
    assert found[11] == {"E", "G#", "B"} and found[12] == {"A", "C", "E"}, "the close is on the downbeat"


@settings(max_examples=50)
@given(st.lists(st.integers(55, 84), min_size=1, max_size=24))
def test_each_note_on_a_beat_is_one_of_its_chord_in_the_key(pitches: list[int]) -> None:
    cells = [cell for pitch in pitches for cell in (pitch, HOLD_ON, HOLD_ON, HOLD_ON)]
    sounding: set[int] = set()
    scale = {0, 2, 4, 5, 7, 9, 11}
    for frame, made in enumerate(play(Chords(), cells, "C major")):
        sounding = {pitch % 12 for pitch in made} if made[0] >= 0 else sounding
        if not frame % 4 and pitches[frame // 4] % 12 in scale:
            assert pitches[frame // 4] % 12 in sounding


def test_a_bar_of_rest_holds_nothing() -> None:
    chords, bars = Chords(), []
    for number, cells in enumerate(([60, *[HOLD_ON] * 15], [SILENT] * 16, [HOLD_ON] * 16)):
        chords.open([], Controls(), number)
        for frame, cell in enumerate(cells):
            chords.step(frame, cell, False)
        bars.append(chords.end())
    assert [bar.holds for bar in bars] == [(0, 0, 0, 0)] * 3
    assert {note.duration for track in score_of(bars, chords.voices, 100).tracks for note in track.notes} == {96}


def test_a_skipped_step_holds() -> None:
    chords = Chords()
    chords.open([], Controls(), 0)
    chords.step(0, 60, False)
    chords.skip(1, 62)
    bar = chords.end()
    assert [note.onset for note in bar.notes] == [0, 0, 0] and all(note.length == 96 for note in bar.notes)
