"""Bars as a score and back."""

from hypothesis import given
from hypothesis import strategies as st
from live_music import BAR, VOICES

from etude.live.bars import Bar, Note, notes_in, score_of

NOTES = st.builds(Note, st.integers(0, BAR - 1), st.integers(1, 300), st.integers(0, 127), st.integers(1, 127),
                  st.integers(0, 1))  # fmt: skip


@given(st.lists(st.lists(NOTES, max_size=5), min_size=1, max_size=4))
def test_the_notes_of_each_bar_come_back(bars: list[list[Note]]) -> None:
    score = score_of([Bar(tuple(sorted(notes))) for notes in bars], VOICES, 100)
    for number, notes in enumerate(bars):
        assert notes_in(score, number * BAR, (number + 1) * BAR) == tuple(sorted(notes))


def test_meters_and_tempos_are_stated_where_they_change() -> None:
    bars = [Bar((), 96), Bar((), 72, (3, 4), 90.0), Bar((), 72, (3, 4)), Bar((), 96)]
    score = score_of(bars, VOICES, 100)
    assert [(one.time, one.numerator) for one in score.time_signatures] == [(0, 4), (96, 3), (240, 4)]
    assert [(one.time, round(one.qpm)) for one in score.tempos] == [(0, 100), (96, 90)]


def test_a_voice_holds_its_last_note_and_drums_are_drums() -> None:
    first = Bar((Note(48, 48, 60, 80, 0), Note(0, 24, 36, 80, 1)))
    score = score_of([first, Bar((), holds=(24, 0))], {"Top": 5, "Kit": -1}, 100)
    top, kit = score.tracks
    assert [(note.time, note.duration) for note in top.notes] == [(48, 72)] and top.program == 5
    assert kit.is_drum and [note.duration for note in kit.notes] == [24]
    held_by_nobody = score_of([Bar((), holds=(24, 24))], VOICES, 100)
    assert not held_by_nobody.note_num()


def test_a_bar_with_other_notes_is_by_nobody() -> None:
    bar = Bar((Note(0, 120, 60, 80, 0),), tokens=(1, 2), holds=(6, 0))
    assert bar.end() == 120 and Bar(()).end() == BAR
    changed = bar.with_notes([Note(24, 24, 62, 80, 0), Note(0, 24, 60, 80, 0)])
    assert [note.onset for note in changed.notes] == [0, 24] and changed.tokens is None and changed.holds == ()
