"""Harmony for a melody: the melody as it came in, the other voices from the model."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece, tiny
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import learned
from symusic.core import ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.encoding.grid import HOLD
from etude.errors import EtudeError
from etude.models.deepbach import DeepBach
from etude.representations.chorale import Chorale
from etude.sampling import harmony
from etude.sampling.harmony import harmonize, melody, phrase_ends, shift_into, surprise
from etude.scores.columns import Columns, columns_of
from etude.scores.markers import mark_fermatas

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
PLAN = dataclasses.replace(tiny().generate, sweeps=2)
TRAIN = [make_piece(seed, 32) for seed in range(6)]
CHORALE: Chorale = learned("chorale", *TRAIN, voices=PROGRAMS)


def model() -> DeepBach:
    torch.manual_seed(0)
    made = DeepBach(CHORALE.vocabulary, PROGRAMS, 4, 6, 1, 0.0, 16).eval()
    for piece in TRAIN:
        frames = torch.from_numpy(CHORALE.encode(piece).astype(np.int64))
        for voice in range(4):
            made.counts[voice] += torch.bincount(frames[:, voice] - HOLD, minlength=CHORALE.vocabulary - HOLD)
    return made


MODEL = model()


def tune(*notes: tuple[int, int, int], quarter: int = 24, before: int = 0) -> ScoreTick:
    """Notes (onset, length, pitch) on a track after ``before`` empty ones."""
    piece = ScoreTick(quarter)
    for _ in range(before):
        piece.tracks.append(TrackTick("empty", 3))
    track = TrackTick("tune", 40)
    columns = np.array(notes).reshape(-1, 3).T
    velocity = np.full(len(notes), 70, np.int8)
    track.notes = Columns(
        columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2].astype(np.int8), velocity
    ).notes()
    piece.tracks.append(track)
    return piece


def heard(track: Any) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)


@st.composite
def melodies(draw: st.DrawFn) -> ScoreTick:
    """One voice on any ticks, on the grid or not, with rests, within an octave, anywhere."""
    quarter = draw(st.sampled_from([1, 7, 24, 96, 120, 480, 1001]))
    low, time = draw(st.integers(0, 120)), draw(st.integers(0, 5 * quarter))
    notes: list[tuple[int, int, int]] = []
    for _ in range(draw(st.integers(1, 12))):
        time += draw(st.sampled_from([0, 0, 0, 1, quarter]))
        length = draw(st.integers(1, 3 * quarter))
        pitch = low + draw(st.integers(0, 7))
        if notes and notes[-1][2] != pitch and draw(st.booleans()):  # legato
            time = max(notes[-1][0] + 1, time - quarter // 2)
        time = max([time, *(onset + lasts for onset, lasts, same in notes if same == pitch)])  # MIDI has no more
        notes.append((time, length, pitch))
        time += length
    piece = tune(*notes, quarter=quarter, before=draw(st.integers(0, 2)))
    for place in range(draw(st.integers(0, 2))):
        piece.tempos.append(TempoTick(place * quarter, qpm=draw(st.floats(30, 200))))
    if draw(st.booleans()):
        piece.time_signatures.append(TimeSignatureTick(0, 3, 4))
    return piece


@hypothesis(deadline=None, max_examples=40)
@given(melodies(), st.integers(0, 5))
def test_the_melody_comes_out_note_for_note_in_its_own_ticks(source: ScoreTick, seed: int) -> None:
    before = source.copy()
    made = harmonize(MODEL, CHORALE, source, dataclasses.replace(PLAN, seed=seed))
    assert source == before
    given = next(track for track in source.tracks if len(track.notes))
    back = ScoreTick.from_midi(made.dumps_midi())
    assert heard(back.tracks[0]) == heard(given) == heard(made.tracks[0])
    assert {note.velocity for note in back.tracks[0].notes} == {70}
    assert back.ticks_per_quarter == source.ticks_per_quarter
    assert [(tempo.time, tempo.mspq) for tempo in back.tempos] == [(t.time, t.mspq) for t in source.tempos]
    assert back.time_signatures == source.time_signatures
    assert [(track.name, track.program) for track in made.tracks] == list(PROGRAMS.items())
    for track in made.tracks[1:]:
        ends = [note.end for note in track.notes]
        assert all(end <= note.time for end, note in zip(ends, track.notes[1:], strict=False)), "one note at a time"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(16)])
    first, again, other = (
        harmonize(MODEL, CHORALE, source, dataclasses.replace(PLAN, seed=seed)).dumps_midi() for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_stands_on_the_grid_is_what_was_drawn_to() -> None:
    """The harmony lies under the melody: it begins and ends within its frames, on sixteenths of the input's ticks."""
    source = tune(*[(480 + 480 * place, 480, 66 + place % 5) for place in range(7)], quarter=480)
    made = harmonize(MODEL, CHORALE, source, PLAN)
    for track in made.tracks[1:]:
        assert len(track.notes) and track.start() >= 480 and track.end() <= made.tracks[0].end()
        assert all(note.time % 120 == 0 and note.duration % 120 == 0 for note in track.notes)


@pytest.mark.parametrize("octaves", [-3, -1, 0, 2])
def test_a_melody_beyond_the_range_has_the_harmony_of_the_one_that_it_is_transposed_from(octaves: int) -> None:
    pitches = [65, 75, 67, 70, 75, 65]  # the whole range of the first voice: one transposition fits
    assert {p for p in np.flatnonzero(MODEL.counts[0].numpy()[2:]) + CHORALE.low} >= {65, 75}
    at, moved = (
        harmonize(MODEL, CHORALE, tune(*[(24 * n, 24, p + shift) for n, p in enumerate(pitches)]), PLAN)
        for shift in (0, 12 * octaves)
    )
    for track, other in zip(at.tracks, moved.tracks, strict=True):
        assert heard(other) == [(time, length, pitch + 12 * octaves) for time, length, pitch in heard(track)]


def test_the_harmony_that_surprises_least_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(8)])
    found = []
    for chains in (1, 6):
        monkeypatch.setattr(harmony, "CHAINS", chains)
        frames = CHORALE.encode(harmonize(MODEL, CHORALE, source, PLAN))
        found.append(surprise(MODEL, [frames], [1, 2, 3])[0])
    assert found[1] < found[0]


def test_fermatas_of_the_file_are_taken_or_else_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(*arguments: Any) -> Any:
        seen.append(arguments[1][0][:, -1].copy())
        return [row.astype(np.int64) for row in arguments[1]]

    monkeypatch.setattr(harmony, "gibbs", spy)
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(4)])
    harmonize(MODEL, CHORALE, source, PLAN)
    mark_fermatas(source, [24])
    harmonize(MODEL, CHORALE, source, PLAN)
    assert np.flatnonzero(seen[0]).tolist() == [12, 13, 14, 15]
    assert np.flatnonzero(seen[1]).tolist() == [4, 5, 6, 7]


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
        melody(ScoreTick(24))
    drums = tune((0, 24, 40))
    drums.tracks[0].is_drum = True
    with pytest.raises(EtudeError, match="percussion"):
        melody(drums)
    with pytest.raises(EtudeError, match=r"\(tune\) has more than one note at a time, first 1\.5 quarters from"):
        melody(tune((0, 24, 60), (36, 24, 60), (36, 24, 64)))
    with pytest.raises(EtudeError, match=r"more than one note at a time, first 1 quarters"):
        melody(tune((0, 48, 60), (24, 24, 64)))
    assert len(melody(tune((0, 30, 60), (24, 24, 64))).notes) == 2, "legato is one voice"
