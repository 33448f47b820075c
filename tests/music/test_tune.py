"""Tunes: which notes are the melody, which chords go with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from lead_sheets import make_song
from symusic.core import NoteTick, ScoreTick, TempoTick, TextMetaTick, TrackTick

from etude.music.tune import MELODY, PROGRAMS, chords_of, is_sung, mean_tempo, melody_of, others_of, tune_of


def track(name: str, *notes: tuple[int, int, int], drums: bool = False) -> TrackTick:
    made = TrackTick(name, 0, drums)
    for onset, length, pitch in notes:
        made.notes.append(NoteTick(onset, length, pitch, 70))
    return made


def piece(*tracks: TrackTick, chords: dict[int, str] | None = None) -> ScoreTick:
    score = ScoreTick(24)
    for one in tracks:
        score.tracks.append(one)
    for time, text in (chords or {}).items():
        score.markers.append(TextMetaTick(time, f"chord:{text}"))
    return score


def notes(one: TrackTick) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in one.notes]


HIGH = track("Strings", (0, 96, 79), (0, 96, 76))
LOW = track("Vocal line", (0, 24, 60), (24, 24, 62), (24, 24, 55), (48, 48, 64))


def test_the_melody_is_the_top_line_of_the_track_that_says_so() -> None:
    assert notes(melody_of(piece(HIGH, LOW))) == [(0, 24, 60), (24, 24, 62), (48, 48, 64)]


def test_without_such_a_name_it_is_in_the_track_that_has_most_of_the_top_line() -> None:
    nameless = track("", *notes(LOW))
    assert notes(melody_of(piece(nameless, track("Pad", (24, 6, 80))))) == [(0, 24, 60), (24, 24, 62), (48, 48, 64)]
    assert not melody_of(piece(track("Melody", (0, 24, 38), drums=True))).notes, "drums sing nothing"


def test_chords_are_those_stated_in_any_notation_else_of_a_track_else_recognised() -> None:
    chords = track("Chords", *((0, 48, pitch) for pitch in (60, 64, 67)), *((48, 48, pitch) for pitch in (57, 60, 64)))
    stated = piece(LOW, chords, chords={0: "F#m7/E", 48: "no chord at all"})
    assert [(one.time, one.text) for one in chords_of(stated, LOW)] == [(0, "F#:min7/b7"), (48, "N")]
    assert [(one.time, one.text) for one in chords_of(piece(LOW, chords), LOW)] == [(0, "C:maj"), (48, "A:min")]
    guitar = track("Guitar", *notes(chords))
    assert next((one.time, one.text) for one in chords_of(piece(LOW, guitar), LOW)) == (0, "C:maj")
    assert chords_of(piece(LOW), LOW) == []


def test_a_tune_has_a_melody_and_block_chords_that_are_struck_on_each_bar_line() -> None:
    song = piece(LOW, HIGH, track("Drums", (0, 6, 36), drums=True), chords={0: "C:maj", 48: "G:maj"})
    song.tracks[1].notes.append(NoteTick(96, 96, 79, 50))
    tune = tune_of(song)
    assert [(one.name, one.program) for one in tune.tracks] == list(PROGRAMS.items())
    assert notes(tune.tracks[0]) == [(0, 24, 60), (24, 24, 62), (48, 48, 64)]
    struck = sorted({(time, length) for time, length, _ in notes(tune.tracks[1])})
    assert struck == [(0, 48), (48, 48), (96, 96)]
    assert {pitch % 12 for time, _, pitch in notes(tune.tracks[1]) if time == 96} == {7, 11, 2}
    assert {note.velocity for one in tune.tracks for note in one.notes} == {80}
    assert not tune.markers


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(2, 7), st.integers(1, 5))
def test_the_tune_of_a_tune_is_the_same(seed: int, beats: int, bars: int) -> None:
    tune = tune_of(make_song(seed, bars, beats))
    again = tune_of(tune)
    assert [notes(one) for one in again.tracks] == [notes(one) for one in tune.tracks]
    assert again.tempos[0].qpm == tune.tempos[0].qpm
    assert [(one.numerator, one.denominator) for one in again.time_signatures] == [(beats, 4)]
    assert len(tune.tracks[0].notes) == beats * bars and tune.tracks[0].name == MELODY


@pytest.mark.parametrize(
    ("tempos", "mean"), [([], 120), ([(0, 90)], 90), ([(0, 60), (48, 120)], 80), ([(0, 60), (96, 240)], 60)]
)
def test_the_mean_tempo_takes_as_long(tempos: list[tuple[int, float]], mean: float) -> None:
    song = piece(LOW)
    for time, qpm in tempos:
        song.tempos.append(TempoTick(time, qpm))
    assert mean_tempo(song, 96) == pytest.approx(mean)


def test_a_piece_without_notes_is_an_empty_tune() -> None:
    tune = tune_of(piece(track("Melody"), chords={0: "C:maj"}))
    assert [len(one.notes) for one in tune.tracks] == [0, 0] and np.isclose(tune.tempos[0].qpm, 120)


def test_what_is_not_in_the_melody_accompanies_it_even_in_its_own_track() -> None:
    one = track("Acoustic Grand Piano", (0, 24, 72), (24, 24, 74), (0, 48, 60), (0, 48, 64), (0, 48, 67))
    melody = melody_of(piece(one))
    assert notes(melody) == [(0, 24, 72), (24, 24, 74)]
    assert sorted(others_of(piece(one), melody).pitch.tolist()) == [60, 64, 67]
    assert [one.text for one in chords_of(piece(one), melody)] == ["C:maj"]


@pytest.mark.parametrize(
    ("name", "sings"),
    [
        *((name, True) for name in ("MELODY", "Lead Vocals", "voice 1", "Singer", "Melodie")),
        *((name, False) for name in ("Lead 1 (square)", "Voice Oohs", "Synth Voice", "Single Reed", "invoice", "")),
    ],
)
def test_names_that_say_who_sings(name: str, sings: bool) -> None:
    assert is_sung(name) is sings


SONG = track("Voice", (0, 24, 60), (24, 24, 62), (48, 48, 64))


@pytest.mark.parametrize("tracks", [(SONG,), (track("Drums", (0, 6, 36), drums=True),), ()])
def test_a_tune_without_chords_is_its_melody_alone(tracks: tuple[TrackTick, ...]) -> None:
    tune = tune_of(piece(*tracks))
    assert [one.name for one in tune.tracks] == list(PROGRAMS) and not len(tune.tracks[1].notes)
    assert len(tune.tracks[0].notes) == (3 if tracks == (SONG,) else 0)
