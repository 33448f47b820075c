"""Altered copies: transposition inside the tracks' ranges, stretch of tempo or of time, velocity; drums stay."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TextMetaTick as TextMeta
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Augment
from etude.music.augmentation import Copy, alter, copies, ranges, transpose_key, transpositions
from etude.stages.ingest import tracks

ALL = Augment(seed=0, transpose=True, stretch=[0.9, 1.0, 1.1], velocity=[0], copies=None, at="disk")


def piece(*lines: list[int], key: int = 0, drums: int | None = None) -> Score:
    score = Score(24)
    score.tempos.append(Tempo(0, 80))
    score.time_signatures.append(TimeSignature(0, 3, 4))
    score.key_signatures.append(KeySignature(0, key, 1))
    for place, line in enumerate(lines):
        track = Track(f"voice {place}", place, place == drums)
        for at, pitch in enumerate(line):
            track.notes.append(Note(24 * at, 24, pitch, 80))
        score.tracks.append(track)
    return score


def pitches(score: Score) -> list[list[int]]:
    return [[note.pitch for note in track.notes] for track in score.tracks]


def all_copies(pieces: dict[str, Score], settings: Augment) -> list[Copy]:
    limits = ranges(tracks(score) for score in pieces.values())
    return [copy for name in sorted(pieces) for copy in copies(name, tracks(pieces[name]), limits, settings)]


PIECES = {"a": piece([60, 67], [40, 45]), "b": piece([62, 63], [44, 48])}


def test_ranges_are_those_of_each_track() -> None:
    limits = ranges(tracks(score) for score in PIECES.values())
    assert limits == {"voice 0": (60, 67), "voice 1": (40, 48)}
    assert transpositions(tracks(PIECES["a"]), limits) == [0]
    assert transpositions(tracks(PIECES["b"]), limits) == [-2, -1, 0]


@examples(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.lists(st.integers(30, 90), min_size=1, max_size=5)] * 2), min_size=1, max_size=4))
def test_copies_stay_inside_and_none_is_missing(lines: list[tuple[list[int], list[int]]]) -> None:
    pieces = {str(place): piece(*line) for place, line in enumerate(lines)}
    limits = ranges(tracks(score) for score in pieces.values())
    for name, score in pieces.items():
        inside = [
            semitones
            for semitones in range(-100, 100)
            if all(
                low <= pitch + semitones <= high
                for voice, (low, high) in zip(pitches(score), limits.values(), strict=True)
                for pitch in voice
            )
        ]
        assert transpositions(tracks(score), limits) == inside and 0 in inside
        assert [copy.semitones for copy in all_copies(pieces, ALL) if copy.origin == name] == inside


def test_only_pitch_key_and_tempo_of_a_copy_change() -> None:
    made = {copy.id: copy for copy in all_copies(PIECES, ALL)}
    assert len(made) == 4
    for copy in made.values():
        origin = PIECES[copy.origin]
        altered = alter(origin, copy, metrical=True)
        assert pitches(altered) == [[pitch + copy.semitones for pitch in line] for line in pitches(origin)]
        assert altered.tempos[0].qpm == pytest.approx(80 * copy.stretch)
        assert [note.time for note in altered.tracks[0].notes] == [note.time for note in origin.tracks[0].notes]
        assert altered.time_signatures == origin.time_signatures and copy.stretch in ALL.stretch
        assert [track.name for track in altered.tracks] == [track.name for track in origin.tracks]
    assert made["a_+0_1"] == Copy("a") and alter(PIECES["a"], Copy("a"), metrical=True) == PIECES["a"]
    assert pitches(PIECES["a"]) == [[60, 67], [40, 45]]  # what was given stays


def test_a_performance_is_stretched_in_time() -> None:
    fast = alter(PIECES["a"], Copy("a", 0, 2.0), metrical=False)
    assert [(note.time, note.duration) for note in fast.tracks[0].notes] == [(0, 12), (12, 12)]
    assert fast.tempos[0].qpm == 80
    slow = alter(PIECES["a"], Copy("a", 0, 0.75), metrical=False)
    assert [(note.time, note.duration) for note in slow.tracks[0].notes] == [(0, 32), (32, 32)]


def test_drums_keep_their_pitches_and_bound_no_transposition() -> None:
    band = piece([60, 67], [36, 38], drums=1)
    other = piece([65, 70], [36, 36], drums=1)
    made = all_copies({"a": band, "b": other}, ALL)
    assert [copy.semitones for copy in made if copy.origin == "a"] == [0, 1, 2, 3]
    assert pitches(alter(band, Copy("a", 3), metrical=True)) == [[63, 70], [36, 38]]


def test_a_range_of_semitones_goes_beyond_train_but_not_beyond_midi() -> None:
    wide = dataclasses.replace(ALL, transpose=[-3, 2])
    assert [copy.semitones for copy in all_copies({"a": piece([60])}, wide)] == [-3, -2, -1, 0, 1, 2]
    assert [copy.semitones for copy in all_copies({"a": piece([1, 126])}, wide)] == [-1, 0, 1]


def test_velocities_are_moved_within_their_range() -> None:
    louder = dataclasses.replace(ALL, transpose=[-5, 5], velocity=[-90, 20, 60])
    made = all_copies({"a": piece([60])}, louder)
    assert {copy.velocity for copy in made} == {0, -90, 20, 60}
    assert Copy("a", 1, 0.9, 20).id == "a_+1_0.9_+20"
    found = {copy.velocity: alter(piece([60]), copy, True).tracks[0].notes[0].velocity for copy in made}
    assert found == {0: 80, -90: 1, 20: 100, 60: 127}


def test_a_number_of_copies_is_not_exceeded_and_holds_the_piece_itself() -> None:
    few = dataclasses.replace(ALL, transpose=[-6, 6], copies=4)
    made = all_copies({"a": piece([60]), "b": piece([60])}, few)
    assert [copy.origin for copy in made] == ["a"] * 4 + ["b"] * 4
    assert {Copy("a"), Copy("b")} <= set(made)
    assert [copy.semitones for copy in made[:4]] != [copy.semitones for copy in made[4:]]
    assert all_copies({"a": piece([60])}, dataclasses.replace(few, copies=1)) == [Copy("a")]


def test_the_draw_depends_only_on_seed_and_copy() -> None:
    # ranges 60 to 81 and 40 to 50: every piece but the last has room
    many = {f"p{place}": piece([60, 62 + place], [40, 50 - place % 5]) for place in range(20)}
    made = set(all_copies(many, ALL))
    assert {copy.stretch for copy in made} == {0.9, 1.0, 1.1}
    assert set(all_copies({"p19": many["p19"], "p3": many["p3"]}, ALL)) <= made
    assert set(all_copies(many, dataclasses.replace(ALL, seed=1))) != made


def test_without_transposition() -> None:
    still = dataclasses.replace(ALL, transpose=False)
    made = all_copies(PIECES, still)
    assert len(made) == 4 and all(copy.semitones == 0 for copy in made)
    assert {copy.stretch for copy in made if copy.origin == "a"} & {0.9, 1.1}
    assert {Copy(origin) for origin in PIECES} <= set(made)
    plain = dataclasses.replace(still, stretch=[1.0])
    assert [copy.id for copy in all_copies(PIECES, plain)] == ["a_+0_1", "b_+0_1"]


@pytest.mark.parametrize(
    ("fifths", "semitones", "moved"),
    [(0, 2, 2), (0, -1, 5), (-1, 1, 6), (-3, 0, -3), (4, 12, 4), (2, -2, 0), (-6, 0, -6)],
)
def test_the_key_signature_moves_too(fifths: int, semitones: int, moved: int) -> None:
    assert transpose_key(fifths, semitones) == moved
    copy = alter(piece([60], key=fifths), Copy("a", semitones), metrical=True)
    assert (copy.key_signatures[0].key, copy.key_signatures[0].tonality) == (moved, 1)


def test_a_transposed_copy_keeps_its_fermatas_and_transposes_its_chord_symbols() -> None:
    score = piece([60, 62])
    for time, text in ((0, "chord:Am7/G"), (24, "fermata"), (24, "verse"), (48, "chord:N")):
        score.markers.append(TextMeta(time, text))
    moved = alter(score, Copy("a", 2, 0.9), metrical=True)
    assert [(mark.time, mark.text) for mark in moved.markers] == [(0, "chord:Bm7/A"), (24, "fermata"), (48, "chord:N")]
    assert len(alter(score, Copy("a", 0, 0.9), metrical=True).markers) == 4
