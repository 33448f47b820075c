"""The melody of a piece that somebody brings: its notes, its place, its phrases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sampling.tunes import tune
from symusic.core import ScoreTick

from etude.core.errors import EtudeError
from etude.music.columns import columns_of
from etude.music.melody import find_melody, phrase_ends, shift_into, skyline


def test_phrases_end_on_long_notes_before_rests_and_at_the_end() -> None:
    notes = [(0, 24, 60), (24, 24, 62), (48, 48, 64), (96, 24, 65), (144, 24, 64), (168, 24, 62), (192, 24, 60)]
    assert phrase_ends(columns_of(tune(*notes).tracks[0]), 24) == [48, 96, 192]
    slow = [(96 * place, 96, 60) for place in range(3)]
    assert phrase_ends(columns_of(tune(*slow).tracks[0]), 24) == [192], "long notes among others as long end nothing"


def test_the_smallest_transposition_into_a_range() -> None:
    pitches = np.array([62, 70])
    assert [shift_into(low, low + 12, pitches) for low in (60, 58, 66, 40, 62)] == [0, 0, 4, -18, 0]
    with pytest.raises(EtudeError, match=r"span 14 semitones, more than the 12 of the first voice"):
        shift_into(60, 72, np.array([60, 74]))


def test_no_melody_is_said() -> None:
    with pytest.raises(EtudeError, match="no track with notes but percussion"):
        find_melody(ScoreTick(24))
    drums = tune((0, 24, 40))
    drums.tracks[0].is_drum = True
    with pytest.raises(EtudeError, match="percussion"):
        find_melody(drums)
    with pytest.raises(EtudeError, match=r"top_line=true"):
        find_melody(tune((0, 24, 60), (0, 24, 64)))
    with pytest.raises(EtudeError, match=r"\(tune\) has more than one note at a time, first 1\.5 quarter notes from"):
        find_melody(tune((0, 24, 60), (36, 24, 60), (36, 24, 64)))
    with pytest.raises(EtudeError, match=r"more than one note at a time, first 1 quarter notes"):
        find_melody(tune((0, 48, 60), (24, 24, 64)))
    assert len(find_melody(tune((0, 30, 60), (24, 24, 64))).notes) == 2, "legato is one voice"


def test_the_top_line_is_what_nothing_sounds_above() -> None:
    chords = tune((0, 24, 60), (0, 48, 64), (24, 24, 62), (48, 24, 65), (48, 24, 57), (60, 24, 67), (72, 24, 50))
    line = find_melody(chords, top_line=True)
    assert [(n.time, n.duration, n.pitch) for n in line.notes] == [(0, 48, 64), (48, 12, 65), (60, 24, 67)]
    assert len(chords.tracks[0].notes) == 7, "the piece stays as it was"


@hypothesis(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30), st.integers(40, 80)), min_size=1, max_size=20))
def test_a_top_line_is_one_voice_and_a_melody_its_own(notes: list[tuple[int, int, int]]) -> None:
    line = skyline(columns_of(tune(*notes).tracks[0]))
    onset, end = line.onset.tolist(), (line.onset + line.length).tolist()
    assert all(stop <= start for stop, start in zip(end, onset[1:], strict=False)) and all(line.length > 0)
    first = min(time for time, _, _ in notes)
    assert line.pitch[0] == max(pitch for time, _, pitch in notes if time == first)
    again = skyline(line)
    assert (
        (again.onset == line.onset).all() and (again.pitch == line.pitch).all() and (again.length == line.length).all()
    )
