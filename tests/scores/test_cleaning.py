"""Cleaning, compared with a plain statement of its rules."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from symusic.core import ControlChangeTick as ControlChange
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TextMetaTick as TextMeta
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.scores.cleaning import COUNTS, clean, clean_all

Line = list[tuple[int, int, int, int]]  # onset, length, pitch, velocity
Pedal = list[tuple[int, int]]  # time, value


def piece(lines: list[Line], pedals: list[Pedal] | None = None, drums: bool = False) -> Score:
    score = Score(24)
    for place, line in enumerate(lines):
        track = Track(f"t{place}", place, drums)
        for note in line:
            track.notes.append(Note(*note))
        for time, value in (pedals or [[]] * len(lines))[place]:
            track.controls.append(ControlChange(time, 64, value))
        score.tracks.append(track)
    return score


def notes(score: Score, track: int = 0) -> Line:
    return [(note.time, note.duration, note.pitch, note.velocity) for note in score.tracks[track].notes]


def plain(line: Line, pedal: Pedal) -> tuple[Line, dict[str, int]]:
    """The rules of ``clean`` for one pitched track, note by note."""
    count = dict.fromkeys(COUNTS[:5], 0)
    events = sorted(pedal, key=lambda event: event[0])
    last = max([onset + length for onset, length, _, _ in line] + [time for time, _ in events], default=0)
    sustained: Line = []
    for onset, length, pitch, velocity in line:
        end = onset + length
        before = [value for time, value in events if time < end]
        if before and before[-1] >= 64:
            release = min([time for time, value in events if value < 64 and time >= end], default=last)
            strike = min([other for other, _, same, _ in line if same == pitch and other > onset], default=last)
            count["pedal"] += max(end, min(release, strike)) != end
            end = max(end, min(release, strike))
        sustained.append((onset, end - onset, pitch, velocity))
    result: Line = []
    for onset, length, pitch, velocity in sorted(sustained, key=lambda note: (note[2], note[0], -note[1])):
        if onset < 0 or pitch < 0 or velocity < 1:
            count["out_of_range"] += 1
        elif length <= 0:
            count["zero_length"] += 1
        elif result and result[-1][2] == pitch and result[-1][0] == onset:
            count["duplicates"] += 1
        else:
            if result and result[-1][2] == pitch and result[-1][0] + result[-1][1] > onset:
                result[-1] = (result[-1][0], onset - result[-1][0], pitch, result[-1][3])
                count["cut"] += 1
            result.append((onset, length, pitch, velocity))
    return sorted(result, key=lambda note: (note[0], note[2])), count


note = st.tuples(st.integers(-2, 12), st.integers(-1, 8), st.integers(59, 62), st.integers(1, 3))
event = st.tuples(st.integers(0, 16), st.sampled_from([0, 63, 64, 127]))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.lists(note, max_size=12), st.lists(event, max_size=5)), max_size=3),
    st.booleans(),
)
def test_it_follows_the_plain_rules(tracks: list[tuple[Line, Pedal]], pedal: bool) -> None:
    score = piece([line for line, _ in tracks], [events for _, events in tracks])
    before = score.copy()
    tidy, counts = clean(score, pedal)
    expected = [plain(line, events if pedal else []) for line, events in tracks]
    assert [notes(tidy, place) for place in range(len(tracks))] == [line for line, _ in expected]
    for name in COUNTS[:5]:
        assert counts[name] == sum(count[name] for _, count in expected), name
    assert score == before  # the given piece is unchanged
    again, none = clean(tidy, pedal)
    assert [track.notes for track in again.tracks] == [track.notes for track in tidy.tracks] and not any(none.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.lists(note, max_size=8), max_size=3), max_size=5), st.booleans())
def test_many_pieces_are_cleaned_as_each_alone(pieces: list[list[Line]], drop_empty: bool) -> None:
    scores = [piece(lines) for lines in pieces]
    assert clean_all(scores, False, drop_empty) == [clean(score, False, drop_empty) for score in scores]


def test_notes_that_midi_cannot_hold_are_dropped() -> None:
    tidy, counts = clean(piece([[(0, 24, -1, 80), (0, 24, 60, -64), (-5, 24, 60, 80), (0, 24, 61, 80)]]), False)
    assert notes(tidy) == [(0, 24, 61, 80)] and counts["out_of_range"] == 3


def test_empty_tracks_are_dropped_on_request_and_an_empty_piece_stays_empty() -> None:
    score = piece([[(0, 24, 60, 80)], [(0, 0, 60, 80)]])
    assert [len(track.notes) for track in clean(score, False)[0].tracks] == [1, 0]
    tidy, counts = clean(score, False, drop_empty=True)
    assert [track.name for track in tidy.tracks] == ["t0"] and counts["empty_tracks"] == 1
    tidy, counts = clean(Score(24), True)
    assert len(tidy.tracks) == 0 and not any(counts.values()) and list(counts) == list(COUNTS)


def test_the_pedal_lengthens_pitched_tracks_only_and_is_dropped() -> None:
    line: Line = [(0, 12, 36, 80)]
    assert notes(clean(piece([line], [[(0, 100), (48, 0)]]), True)[0]) == [(0, 48, 36, 80)]
    drums, counts = clean(piece([line], [[(0, 100), (48, 0)]], drums=True), True)
    assert notes(drums) == line and drums.tracks[0].is_drum and counts["pedal"] == 0
    assert len(drums.tracks[0].controls) == 0
    assert notes(clean(piece([line], [[(0, 100)]]), True)[0]) == line  # never released: until the track's last event


def test_absurd_tempos_are_brought_in_range() -> None:
    score = piece([[(0, 24, 60, 80)]])
    for time, length in ((0, 0), (24, 500_000), (48, 16_000_000)):
        score.tempos.append(Tempo(time, mspq=length))
    tidy, counts = clean(score, False)
    assert [(tempo.time, tempo.qpm) for tempo in tidy.tempos] == [(0, 400), (24, 120), (48, 10)]
    assert counts["tempos"] == 2


@pytest.mark.parametrize(
    ("signs", "left", "count"),
    [
        ([(0, 3, 4), (72, 3, 4), (144, 4, 4)], [(0, 3, 4), (144, 4, 4)], 1),  # repeated
        ([(0, 0, 4), (0, 65, 4), (0, 3, 0), (0, 3, 3), (0, 3, 128)], [(0, 4, 4)], 5),  # absurd
        ([(0, 3, 4), (0, 6, 8)], [(0, 6, 8)], 1),  # the last at one time
        ([(96, 3, 4), (0, 2, 2)], [(0, 2, 2), (96, 3, 4)], 0),
        ([(96, 3, 4)], [(0, 4, 4), (96, 3, 4)], 0),
        ([], [(0, 4, 4)], 0),
    ],
)
def test_time_signatures(signs: list[Any], left: list[Any], count: int) -> None:
    score = piece([[(0, 24, 60, 80)]])
    for sign in signs:
        score.time_signatures.append(TimeSignature(*sign))
    tidy, counts = clean(score, False)
    assert [(sign.time, sign.numerator, sign.denominator) for sign in tidy.time_signatures] == left
    assert counts["time_signatures"] == count


def test_keys_and_markers() -> None:
    score = piece([[(0, 24, 60, 80)]])
    for key in ((0, 8, 0), (0, -3, 1), (24, 0, 2)):
        score.key_signatures.append(KeySignature(*key))
    score.markers.append(TextMeta(0, "chord:Am7"))
    tidy, counts = clean(score, False)
    assert [(key.key, key.tonality) for key in tidy.key_signatures] == [(-3, 1)] and counts["key_signatures"] == 2
    assert [marker.text for marker in tidy.markers] == ["chord:Am7"]
