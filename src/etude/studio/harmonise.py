"""Harmonise: several harmonies of a melody, with the notes that a person holds fast given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from symusic.core import ScoreTick, TrackTick

from etude.config.check import Range, Seed
from etude.config.sections import Harmonize, Settings
from etude.core.errors import EtudeError, closest
from etude.core.files import Json
from etude.music.bars import bars_of
from etude.music.chord_text import read_chords
from etude.music.melody import find_melody
from etude.representations.base.survey import DRUMS
from etude.sampling.harmonies import HarmonyTask
from etude.studio.description import describe, tonic_and_mode
from etude.studio.models import Models
from etude.studio.pieces import score_of
from etude.studio.symbols import mark_chords
from etude.tasks.harmony import harmonize, place_on_grid, to_score
from etude.tasks.harmony_constraints import allowed_with

MOST = 8  # harmonies at a time
Candidates = Annotated[int, Range(1, MOST)]


@dataclass(frozen=True)
class Drawing:
    """How voices are drawn: the keys of the section ``harmonize`` that the notes depend on."""

    candidates: Candidates
    particles: Annotated[int, Range(1, 32)]
    sweeps: Annotated[int, Range(1, 200)]
    temperature: Annotated[float, Range(0.05, 4)]
    top_p: Annotated[float, Range(0.01, 1)]
    parallel_cost: Annotated[float, Range(0, 100)]

    @classmethod
    def of(cls, config: Harmonize) -> "Drawing":
        """Those of the settings."""
        return cls(
            min(config.candidates, MOST),
            config.particles,
            config.sweeps,
            config.temperature,
            config.top_p,
            config.parallel_cost,
        )

    def config(self, settings: Settings, seed: int) -> Harmonize:
        """The section ``harmonize`` with these."""
        return replace(settings.harmonize, seed=seed, **vars(self))


@dataclass(frozen=True)
class HarmoniseRecipe:
    """All that the notes of a harmonisation depend on."""

    model: str
    seed: Seed
    settings: Drawing
    melody: dict[str, Any]  # a piece; its first track with notes is harmonised
    top_line: bool = False
    chords: str | None = None
    locks: dict[str, list[Any]] | None = None  # voice -> the notes of it that stay
    key: str = ""  # of the model with which the recipe was made


def harmonise(models: Models, recipe: HarmoniseRecipe) -> Json:
    """The harmonies of a melody, the best first: see ``describe``, and ``nats``, ``parallels`` and ``cost`` of each.

    Their chord symbols are those that are given; what the melody came with is left out, as no voice follows it.

    Raises:
        EtudeError: there is no such model, no melody that fits it, or a locked note or a chord cannot be.
    """
    harmonizer = models.harmonizer(recipe.model)
    representation, voices = harmonizer.representation, harmonizer.representation.voices
    source = score_of(recipe.melody, "melody")
    track = find_melody(source, recipe.top_line)
    melody = place_on_grid(representation, harmonizer.observed, source, track)
    parts = _locked(recipe.locks or {}, voices, source.ticks_per_quarter)
    chords = (recipe.chords or "").strip() or None
    allowed = allowed_with(harmonizer, melody, source, parts, "locked", chords)
    key = tonic_and_mode(melody.keys[0])
    held = read_chords(chords, bars_of(source), key) if chords else []
    config = recipe.settings.config(models.settings, recipe.seed)
    task = HarmonyTask(melody.piece, allowed, config, harmonizer.rngs(config))
    (found,) = harmonize(harmonizer.model, representation, [task])
    made = []
    for harmony in found:
        score = to_score(harmony, representation, melody, source, track)
        mark_chords(score, held, key)
        about = describe(score, voices, representation.steps)
        made.append({**about, "nats": harmony.nats, "parallels": harmony.parallels, "cost": harmony.cost})
    return {"model": models.identity(recipe.model), "candidates": made, "shift": melody.shift}


def _locked(locks: Mapping[str, Any], voices: Mapping[str, int], quarter: int) -> dict[str, TrackTick]:
    """The notes that stay, as tracks by voice."""
    below = list(voices)[1:]
    unknown = [name for name in locks if name not in below]
    if unknown:
        raise EtudeError(f'locks: there is no voice "{str(unknown[0])[:60]}". {closest(str(unknown[0]), below)}')
    named = [
        {"name": name, "program": max(voices[name], 0), "drums": voices[name] == DRUMS, "notes": notes}
        for name, notes in locks.items()
    ]
    score: ScoreTick = score_of({"quarter": quarter, "tracks": named}, "locks")
    return {track.name: track for track in score.tracks if len(track.notes)}
