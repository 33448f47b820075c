"""Fill: bars of some voices of a piece are drawn again, or bars are added to its end."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

from symusic.core import ScoreTick

from etude.config.check import Range, Seed
from etude.core.errors import EtudeError, closest
from etude.core.files import Json
from etude.music.bars import bars_of, end_of
from etude.studio.description import STEPS, describe, key_named
from etude.studio.harmonise import Drawing
from etude.studio.models import Models
from etude.studio.pieces import score_of
from etude.studio.symbols import forget_chords
from etude.tasks.continuation import continue_piece
from etude.tasks.given_piece import assign_voices
from etude.tasks.harmonizer import seeded_rngs
from etude.tasks.infilling import fill_bars

Bar = Annotated[int, Range(1)]


@dataclass(frozen=True)
class FillRecipe:
    """All that the notes of a filling depend on."""

    model: str
    seed: Seed
    settings: Drawing
    piece: dict[str, Any]
    bars: list[Bar]  # the first and the last, from 1
    voices: list[str]
    key: str = ""  # of the model with which the recipe was made


@dataclass(frozen=True)
class ContinueRecipe:
    """All that the notes of a continuation depend on."""

    model: str
    seed: Seed
    piece: dict[str, Any]
    bars: Annotated[int, Range(1, 32)]  # that are added
    temperature: Annotated[float, Range(0.05, 4)]
    top_p: Annotated[float, Range(0.01, 1)]
    key: str = ""  # of the model with which the recipe was made


def fill(models: Models, recipe: FillRecipe) -> Json:
    """The piece with bars drawn again, several times, the best first: see ``describe``.

    Raises:
        EtudeError: there is no such model, the piece does not have its voices, or there are no such bars or voices.
    """
    harmonizer = models.harmonizer(recipe.model)
    voices = harmonizer.representation.voices
    piece = assign_voices(score_of(recipe.piece), voices)
    if len(recipe.bars) != 2 or not recipe.bars[0] <= recipe.bars[1] <= len(bars_of(piece)):
        raise EtudeError(f"Select bars from 1 to {len(bars_of(piece))}: the first and the last.")
    if not recipe.voices:
        raise EtudeError("Select a voice that is drawn again.")
    if unknown := [name for name in recipe.voices if name not in voices]:
        raise EtudeError(f'There is no voice "{unknown[0][:60]}". {closest(unknown[0], voices)}')
    config = recipe.settings.config(models.settings, recipe.seed)
    rngs = seeded_rngs(recipe.seed, config.candidates)
    found = fill_bars(harmonizer, piece, (recipe.bars[0], recipe.bars[1]), recipe.voices, config, rngs)
    bars = bars_of(piece)[recipe.bars[0] - 1 : recipe.bars[1]]
    for score in found:
        forget_chords(score, bars[0].start, bars[-1].end, key_named(piece)[0])
    made = [describe(score, voices, harmonizer.representation.steps) for score in found]
    return {"model": models.identity(recipe.model), "candidates": made}


def add_bars(models: Models, recipe: ContinueRecipe) -> Json:
    """The piece with bars added to its end by a model that writes forwards: see ``describe``.

    Raises:
        EtudeError: there is no such model, or the piece does not fit it.
    """
    if recipe.model not in models.continuers():
        raise EtudeError(
            f'The model "{recipe.model[:60]}" adds no bars here. {closest(recipe.model, models.continuers())}'
        )
    loaded = models.load(recipe.model)
    voices = loaded.representation.voices
    piece = assign_voices(score_of(recipe.piece), voices)
    config = replace(
        loaded.config,
        seed=recipe.seed,
        pieces=1,
        bars=len(bars_of(piece)) + recipe.bars,
        seconds=None,
        temperature=recipe.temperature,
        top_p=recipe.top_p,
    )
    (made,) = continue_piece(loaded.model, loaded.representation, loaded.observed, config, 1, piece)
    score: ScoreTick = made.score
    forget_chords(score, bars_of(piece)[-1].end, end_of(score), key_named(piece)[0])
    own = voices if recipe.model in models.harmonizers() else None
    about = describe(score, own, getattr(loaded.representation, "steps", STEPS))
    return {"model": models.identity(recipe.model), "candidates": [about]}
