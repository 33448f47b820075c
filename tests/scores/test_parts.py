"""Which part of a file becomes which track."""

import time

import pytest
from symusic.core import ControlChangeTick as ControlChange
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.parts import MOST_APART, add_instruments, assign, find_voices


def reading(voices: list[str], complete: bool) -> Reading:
    return Reading({name: place for place, name in enumerate(voices)}, complete, 120.0, True, 24, None, None)


def test_find_voices() -> None:
    assert find_voices(["Horn 1", "Bass", "alto\rViola"], ["Alto", "Bass"]) == ([2, 1], ["Horn 1"])
    assert find_voices(["Alto 1", "Alto 2", "Bass"], ["Alto", "Bass"])[0] is None
    assert find_voices([], ["Alto"])[0] is None
    assert find_voices(["Alto"], ["Alto", "Bass"])[0] is None
    assert find_voices(["Alto"], ["Alto", "Bass"], complete=False)[0] == [0, None]
    assert find_voices(["Bass"], ["Alto", "Bass"], complete=False)[0] is None


@pytest.mark.parametrize(
    ("parts", "complete", "chords", "places"),
    [
        (["MELODY", "x", "PIANO"], True, False, [0, 2, None]),  # by name; "Chords" is lacking
        (["", ""], False, False, [0, 1, None]),  # in order
        (["", "", ""], True, False, [0, 1, 2]),
        (["", ""], True, False, None),
        (["", "", "", ""], False, False, None),
        (["", ""], True, True, [0, 1, None]),  # the chords come from the chord symbols
        (["Piano", "Chords", "Melody"], True, False, [2, 0, 1]),
        (["Piano", "Chords"], False, False, None),  # the first voice is lacking
        (["Melody", "Melody"], False, False, None),
        ([], False, False, None),
    ],
)
def test_assign(parts: list[str], complete: bool, chords: bool, places: list[int | None] | None) -> None:
    voices = reading(["Melody", "Piano", "Chords"], complete)
    if places is None or (complete and not chords and None in places):
        with pytest.raises(EtudeError, match=r"not .*Melody"):
            assign(parts, voices, chords)
    else:
        assert assign(parts, voices, chords)[0] == places


def test_an_error_lists_no_endless_parts() -> None:
    with pytest.raises(EtudeError, match="and 2988 others"):
        assign(["x"] * 3000, reading(["Melody"], True), False)


def part(*notes: tuple[int, int, int], program: int = 52, drums: bool = False) -> Track:
    """A track of notes: onset, length, pitch."""
    track = Track("", program, drums)
    for note in notes:
        track.notes.append(Note(*note, 80))
    return track


def merged(*tracks: Track) -> list[tuple[int, list[tuple[int, int, int]]]]:
    score = Score(24)
    add_instruments(score, tracks, [])
    return [
        (-1 if track.is_drum else track.program, [(note.time, note.duration, note.pitch) for note in track.notes])
        for track in score.tracks
    ]


@pytest.mark.parametrize(
    ("lines", "groups"),
    [
        ([[(0, 48, 60)], [(24, 24, 60)]], [[0], [1]]),  # one starts while the other sounds
        ([[(24, 24, 60)], [(0, 48, 60)]], [[0], [1]]),
        ([[(0, 24, 60)], [(0, 24, 60)]], [[0], [1]]),  # a unison
        ([[(0, 24, 60)], [(24, 24, 60)]], [[0, 1]]),  # one after the other
        ([[(0, 24, 60)], [(0, 24, 61)]], [[0, 1]]),
        ([[(0, 96, 60), (24, 24, 60)], [(48, 24, 60)]], [[0], [1]]),  # within the first of two that sound
        ([[(0, 96, 60), (24, 24, 60)], [(96, 24, 60)]], [[0, 1]]),  # one track's own notes do not matter
        ([[(0, 24, 60)], [(0, 24, 60)], [(0, 24, 62)], [(0, 24, 60)], [(24, 24, 60)]], [[0, 2, 4], [1], [3]]),
        ([[(0, 24, 127)], [(2**30, 2**30, 127), (0, 1, 0)]], [[0, 1]]),
    ],
)
def test_tracks_of_one_instrument_stay_apart_where_they_meet_on_a_pitch(
    lines: list[list[tuple[int, int, int]]], groups: list[list[int]]
) -> None:
    for drums in (False, True):
        found = merged(*(part(*line, drums=drums) for line in lines))
        assert found == [(-1 if drums else 52, [note for place in group for note in lines[place]]) for group in groups]


def test_instruments_come_in_order_and_keep_their_pedal() -> None:
    held = part((0, 24, 60), program=3)
    held.controls.append(ControlChange(0, 64, 100))
    assert merged(part((0, 24, 36), drums=True), part((0, 24, 60)), part((0, 24, 60), program=3), held) == [
        (52, [(0, 24, 60)]),
        (3, [(0, 24, 60)]),
        (3, [(0, 24, 60)]),
        (-1, [(0, 24, 36)]),
    ]
    score = Score(24)
    assert add_instruments(score, [part((0, 24, 60), program=3), held], []) == 0
    assert [track.name for track in score.tracks] == ["Honky-tonk Piano"] * 2
    assert [len(track.controls) for track in score.tracks] == [0, 1]


def test_absurdly_many_tracks_are_merged_at_once() -> None:
    start = time.perf_counter()
    assert len(merged(*[part((0, 24, 60))] * MOST_APART)) == MOST_APART
    assert len(merged(*(part((0, 24, 60)) for _ in range(5000)))) == 1
    assert time.perf_counter() - start < 5


def test_a_track_that_sings_stays_one_of_its_own_where_that_is_asked_for() -> None:
    def named(melody: bool) -> list[tuple[str, int]]:
        piano, lead, low = part((0, 24, 60)), part((0, 24, 72)), part((0, 24, 48))
        lead.name = "lead vocal"
        score = Score(24)
        assert add_instruments(score, [piano, lead, low], [], melody) == 3 - len(score.tracks)
        return [(track.name, len(track.notes)) for track in score.tracks]

    assert named(True) == [("Melody", 1), ("Choir Aahs", 2)]
    assert named(False) == [("Choir Aahs", 3)]
