"""Harmony for a melody: the melody as it came in, the other voices from the model, the best of several taken."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SMALL, VOICES, make_piece, smoke
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import learned
from sampling.tunes import tune
from symusic.core import KeySignatureTick, ScoreTick, TempoTick, TimeSignatureTick

from etude.config.check import construct
from etude.config.sections import Harmonize
from etude.core.errors import EtudeError
from etude.metrics.voice_leading import parallels, sounding
from etude.models.building import NOT_ARGUMENTS
from etude.models.deepbach import DeepBach
from etude.models.lstm import LSTM
from etude.models.transformer import Transformer
from etude.models.voices import Voices
from etude.music.markers import fermatas, mark_fermatas
from etude.music.melody import find_melody
from etude.representations.base.grid import HOLD, REST
from etude.sampling.constraints import keep_given
from etude.sampling.harmonies import HarmonyTask, harmony_sampler
from etude.tasks.harmony import Harmony, MelodyOnGrid, grid_of, harmonize, place_on_grid, to_score

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
CONFIG = dataclasses.replace(smoke().harmonize, candidates=3)
TRAIN = [make_piece(seed, 32) for seed in range(6)]


@dataclasses.dataclass(frozen=True)
class Known:
    """What small models of some train pieces need: representations, observed tokens by voice, and the models."""

    grids: dict[str, Any]
    observed: dict[str, np.ndarray]
    models: dict[str, tuple[Any, str]]  # and the representation that each reads


def known(train: list[ScoreTick]) -> Known:
    """Models of the four kinds that know nothing but the range of each voice."""
    grids = {name: learned(name, *train, voices=PROGRAMS) for name in ("chorale", "voicegrid")}
    observed = {name: np.zeros((4, grid.vocabulary), dtype=bool) for name, grid in grids.items()}
    for name, grid in grids.items():
        for piece in train:
            for voice, tokens in enumerate(grid_of(grid, piece).T):
                observed[name][voice, tokens] = True
    torch.manual_seed(0)
    deepbach = DeepBach(grids["chorale"].vocabulary, PROGRAMS, 4, 6, 1, 0.0, 16, 0).eval()
    for piece in train:
        for voice, tokens in enumerate(grid_of(grids["chorale"], piece).T):
            counted = torch.bincount(torch.from_numpy(tokens) - HOLD, minlength=deepbach.counts.shape[1])
            deepbach.counts[voice] += counted

    def forward(kind: Any, name: str, **given: Any) -> tuple[Any, str]:
        torch.manual_seed(0)
        values = {**smoke().models[name], **SMALL[name]}
        values = {key: value for key, value in values.items() if key not in NOT_ARGUMENTS}
        item_spec = grids["voicegrid"].item_spec
        return construct(kind, values, f"models.{name}", item_spec=item_spec, **given).eval(), "voicegrid"

    models = {
        "deepbach": (deepbach, "chorale"),
        "voices": forward(Voices, "voices", frame=4, steps=4),
        "transformer": forward(Transformer, "transformer"),
        "lstm": forward(LSTM, "lstm"),
    }
    return Known(grids, observed, models)


KNOWN = known(TRAIN)
GRIDS, OBSERVED, MODELS = KNOWN.grids, KNOWN.observed, KNOWN.models
EACH = pytest.mark.parametrize("name", MODELS)


def task_of(name: str, source: ScoreTick, config: Harmonize, seed: int, of: Known) -> tuple[HarmonyTask, MelodyOnGrid]:
    """The task of a melody, and the melody on its grid."""
    kind = of.models[name][1]
    observed = of.observed[kind]
    melody = place_on_grid(of.grids[kind], observed, source, find_melody(source))
    given_cells = np.zeros(melody.grid.shape, dtype=bool)
    given_cells[:, 0] = True
    allowed = keep_given(melody.grid, given_cells, observed)
    rngs = [np.random.default_rng((seed, place)) for place in range(config.candidates)]
    return HarmonyTask(melody.piece, allowed, config, rngs), melody


def sample_pieces(
    name: str, source: ScoreTick, config: Harmonize = CONFIG, seed: int = 0, of: Known = KNOWN
) -> tuple[list[Harmony], ScoreTick, MelodyOnGrid]:
    """The harmonies of a melody, the best as a piece, and the melody on its grid."""
    task, melody = task_of(name, source, config, seed, of)
    model, kind = of.models[name]
    (found,) = harmonize(model, of.grids[kind], [task])
    return found, to_score(found[0], of.grids[kind], melody, source, find_melody(source)), melody


def notes_of(track: Any) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)


@st.composite
def melodies(draw: st.DrawFn) -> ScoreTick:
    """One voice on any ticks, on the grid or not, with rests, within an octave, anywhere."""
    quarter = draw(st.sampled_from([1, 7, 24, 96, 120, 480, 1001]))
    low, time = draw(st.integers(0, 120)), draw(st.integers(0, 2 * quarter))
    notes: list[tuple[int, int, int]] = []
    for _ in range(draw(st.integers(1, 8))):
        time += draw(st.sampled_from([0, 0, 0, 1, quarter]))
        length = draw(st.integers(1, 2 * quarter))
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


@EACH
@hypothesis(deadline=None, max_examples=12)
@given(source=melodies(), seed=st.integers(0, 5))
def test_the_melody_comes_out_note_for_note_in_its_own_ticks(name: str, source: ScoreTick, seed: int) -> None:
    before = source.copy()
    _, made, _ = sample_pieces(name, source, seed=seed)
    assert source == before
    given = next(track for track in source.tracks if len(track.notes))
    back = ScoreTick.from_midi(made.dumps_midi())
    assert notes_of(back.tracks[0]) == notes_of(given) == notes_of(made.tracks[0])
    assert {note.velocity for note in back.tracks[0].notes} == {70}
    assert back.ticks_per_quarter == source.ticks_per_quarter
    assert [(tempo.time, tempo.mspq) for tempo in back.tempos] == [(t.time, t.mspq) for t in source.tempos]
    assert back.time_signatures == source.time_signatures
    assert [(track.name, track.program) for track in made.tracks] == list(PROGRAMS.items())
    for track in made.tracks[1:]:
        ends = [note.end for note in track.notes]
        assert all(end <= note.time for end, note in zip(ends, track.notes[1:], strict=False)), "one note at a time"


@EACH
def test_drawn_voices_stay_in_the_range_that_they_have_in_train(name: str) -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(16)])
    found, _, melody = sample_pieces(name, source)
    grid = MODELS[name][1]
    for harmony in found:
        assert harmony.grid.shape == melody.grid.shape and (harmony.grid[:, 0] == melody.grid[:, 0]).all()
        assert (harmony.grid[0, 1:] != HOLD).all()
        for voice in (1, 2, 3):
            assert OBSERVED[grid][voice, harmony.grid[:, voice]].all()


@EACH
def test_the_same_seed_gives_the_same_and_another_seed_others(name: str) -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(6)])
    first, again, other = (sample_pieces(name, source, seed=seed)[1].dumps_midi() for seed in (1, 1, 2))
    assert first == again != other


@EACH
def test_each_harmony_is_the_same_alone_and_among_others(name: str) -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(8)])
    many, _, _ = sample_pieces(name, source)
    (alone,), _, _ = sample_pieces(name, source, dataclasses.replace(CONFIG, candidates=1))
    assert any(np.array_equal(alone.grid, harmony.grid) for harmony in many)


@EACH
def test_the_best_by_cost_and_rules_comes_first(name: str) -> None:
    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(12)])
    found, _, melody = sample_pieces(name, source, dataclasses.replace(CONFIG, candidates=6, parallel_cost=5.0))
    model, grid = MODELS[name]
    costs = [harmony.cost for harmony in found]
    assert costs == sorted(costs) and len(set(costs)) > 1
    sound = np.stack([sounding(harmony.grid, GRIDS[grid].low) for harmony in found])  # (harmonies, frames, voices)
    same = (sound[:, None] == sound[None]).mean(axis=(1, 2, 3))
    bars = sound.shape[1] / (4 * GRIDS[grid].steps)
    assert costs == pytest.approx(
        [one.nats + 5 * one.parallels + 20 * bars * (1 - share) for one, share in zip(found, same, strict=True)]
    )
    given_cells = np.zeros(melody.grid.shape, dtype=bool)
    given_cells[:, 0] = True
    allowed = keep_given(melody.grid, given_cells, OBSERVED[grid])
    for harmony in found:
        pitches = sounding(harmony.grid, GRIDS[grid].low)
        assert harmony.parallels == parallels(pitches[:-1], pitches[1:]).sum()
        task = HarmonyTask(melody.piece, allowed, CONFIG, [])
        again = harmony_sampler(model.sampler).cost(model, GRIDS[grid], task, harmony.grid)
        assert harmony.nats == pytest.approx(again, rel=1e-4)


@EACH
def test_a_cost_of_parallels_leaves_few(name: str) -> None:
    """Of models that know nothing; a scale invites parallels."""
    source = tune(*[(12 * place, 12, 65 + place % 9) for place in range(32)])
    config = dataclasses.replace(CONFIG, sweeps=12, particles=12, candidates=4)
    tasks = [
        task_of(name, source, dataclasses.replace(config, parallel_cost=cost), 0, KNOWN)[0] for cost in (0.0, 12.0)
    ]
    model, kind = KNOWN.models[name]
    found = harmonize(model, KNOWN.grids[kind], tasks)
    many, few = (np.mean([harmony.parallels for harmony in harmonies]) for harmonies in found)
    assert few < many / 2


def test_what_stands_on_the_grid_is_what_was_drawn_to() -> None:
    """The harmony lies under the melody: it starts and ends within its frames, on sixteenths of the input's ticks."""
    source = tune(*[(480 + 480 * place, 480, 66 + place % 5) for place in range(7)], quarter=480)
    _, made, _ = sample_pieces("deepbach", source)
    for track in made.tracks[1:]:
        assert len(track.notes) and track.start() >= 480 and track.end() <= made.tracks[0].end()
        assert all(note.time % 120 == 0 and note.duration % 120 == 0 for note in track.notes)


def test_notes_off_the_grid_are_read_without_rests_between_them() -> None:
    thirds = tune(*[(40 * place, 40, 66 + place % 5) for place in range(12)], quarter=120)
    grid = place_on_grid(GRIDS["voicegrid"], OBSERVED["voicegrid"], thirds, find_melody(thirds)).grid
    assert len(grid) == 16 and not (grid[:, 0] == REST).any()


@pytest.mark.parametrize("octaves", [-3, -1, 0, 2])
def test_a_melody_beyond_the_range_has_the_harmony_of_the_one_that_it_is_transposed_from(octaves: int) -> None:
    pitches = [65, 75, 67, 70, 75, 65]  # the whole range of the first voice: one transposition fits
    at, moved = (
        sample_pieces("deepbach", tune(*[(24 * n, 24, p + shift) for n, p in enumerate(pitches)]))[1]
        for shift in (0, 12 * octaves)
    )
    for track, other in zip(at.tracks, moved.tracks, strict=True):
        assert notes_of(other) == [(time, length, pitch + 12 * octaves) for time, length, pitch in notes_of(track)]
    wide = tune((0, 24, 40), (24, 24, 90))
    with pytest.raises(EtudeError, match="span 50 semitones"):
        sample_pieces("deepbach", wide)


def test_keys_and_fermatas_of_the_source_are_taken_or_else_found() -> None:
    chorale = GRIDS["chorale"]

    def melody(source: ScoreTick) -> ScoreTick:
        return place_on_grid(chorale, OBSERVED["chorale"], source, find_melody(source)).piece

    def engraved(source: ScoreTick) -> list[tuple[int, int]]:
        made = sample_pieces("deepbach", source)[1]
        return [(key.key, key.tonality) for key in made.key_signatures]

    source = tune(*[(24 * place, 24, pitch) for place, pitch in enumerate((67, 69, 71, 72, 74, 71, 67, 67))])
    found = melody(source)
    assert [(key.key, key.tonality) for key in found.key_signatures] == engraved(source) == [(1, 0)]
    assert fermatas(found) == [24 * 7], "the last note"
    source.key_signatures.append(KeySignatureTick(0, 0, 0))
    assert [key.key for key in melody(source).key_signatures] == [1], "many a file says C major of any music"
    source.key_signatures[0].key, source.key_signatures[0].tonality = -2, 1
    mark_fermatas(source, [24])
    found = melody(source)
    assert [(key.key, key.tonality) for key in found.key_signatures] == [(-2, 1)] and fermatas(found) == [24]
    source.tracks[0].shift_pitch(-24, inplace=True)
    model = place_on_grid(chorale, OBSERVED["chorale"], source, find_melody(source))
    assert [(key.key, key.tonality) for key in model.piece.key_signatures] == [((-2 + 7 * model.shift + 5) % 12 - 5, 1)]
    assert engraved(source) == [(-2, 1)]
    source.key_signatures.clear()
    source.tracks[0].shift_pitch(1, inplace=True)
    assert engraved(source) == [(-4, 0)], "fitted where the model reads it, and engraved where it was given"


def test_a_long_melody_is_written_with_part_of_the_past(monkeypatch: pytest.MonkeyPatch) -> None:
    from etude.sampling import particles

    source = tune(*[(24 * place, 24, 66 + place % 5) for place in range(17)])
    few = dataclasses.replace(CONFIG, candidates=2)
    whole, _, _ = sample_pieces("voices", source, few)
    monkeypatch.setattr(particles, "BEATS", 4)
    short, _, melody = sample_pieces("voices", source, few)
    for harmony in short:
        assert harmony.grid.shape == melody.grid.shape and (harmony.grid[:, 0] == melody.grid[:, 0]).all()
    assert not all(np.array_equal(a.grid, b.grid) for a, b in zip(whole, short, strict=True))
