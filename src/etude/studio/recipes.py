"""Recipes: small JSON that describes a piece fully, so that a link gives the same notes again."""

from collections.abc import Callable, Mapping
from typing import Any

from symusic.core import ScoreTick

from etude.config.check import construct
from etude.core.errors import EtudeError, closest
from etude.core.files import Json
from etude.studio.arrange import ArrangeRecipe, Bands
from etude.studio.fill import ContinueRecipe, FillRecipe, add_bars, fill
from etude.studio.harmonise import HarmoniseRecipe, harmonise
from etude.studio.models import Models
from etude.studio.play import Playing, PlayRecipe

TASK = "task"
MINUTES = 10.0  # of which a sound, or a score, is made


class Recipes:
    """Makes what recipes describe, with the models and styles that are there."""

    def __init__(self, models: Models) -> None:
        """Args: the models."""
        self.models, self.bands, self.playing = models, Bands(models), Playing(models)
        self._tasks: dict[str, tuple[type[Any], Callable[[Any], Json]]] = {
            "harmonise": (HarmoniseRecipe, lambda recipe: harmonise(models, recipe)),
            "fill": (FillRecipe, lambda recipe: fill(models, recipe)),
            "continue": (ContinueRecipe, lambda recipe: add_bars(models, recipe)),
            "arrange": (ArrangeRecipe, self.bands.describe),
            "play": (PlayRecipe, self.playing.describe),
        }

    def read(self, value: Any) -> Any:
        """A recipe, checked. Raises EtudeError where it is none."""
        if not isinstance(value, Mapping) or not isinstance(value.get(TASK), str):
            raise EtudeError(f"A recipe must name its task. There are: {', '.join(self._tasks)}.")
        task = value[TASK]
        if task not in self._tasks:
            raise EtudeError(f'There is no task "{task[:60]}". {closest(task, self._tasks)}')
        values = {str(key): own for key, own in value.items() if key != TASK}
        try:
            return construct(self._tasks[task][0], values, task)
        except EtudeError as error:
            raise EtudeError(str(error)[:500]) from None

    def make(self, value: Any) -> Json:
        """Make what a recipe describes: ``candidates`` (see ``describe``), and the ``model`` that it was made with.

        The same recipe gives the same value.

        Raises:
            EtudeError: it is no recipe, or what it asks for cannot be.
        """
        recipe = self.read(value)
        return self._tasks[value[TASK]][1](recipe)

    def session_score(self, value: Any, minutes: float | None = MINUTES) -> ScoreTick:
        """What sounded in a session of the tab Play.

        Raises:
            EtudeError: the recipe is none of one, or it is longer than some minutes.
        """
        recipe = self.read(value)
        if not isinstance(recipe, PlayRecipe):
            raise EtudeError("This is not the recipe of a session.")
        return self.playing.score(recipe, minutes)

    def read_arrangement(self, value: Any) -> ArrangeRecipe:
        """The recipe of an arrangement, checked. Raises EtudeError where it is none."""
        recipe = self.read(value)
        if not isinstance(recipe, ArrangeRecipe):
            raise EtudeError("This is not the recipe of an arrangement.")
        return recipe
