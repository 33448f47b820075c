"""Arrange: a melody for the band of a style."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from symusic.core import ScoreTick

from etude.arranging.band import Arrangement
from etude.arranging.learned import Accompanist
from etude.arranging.piece import arrange_piece, placed
from etude.arranging.styles import Style
from etude.audio.synthesis import track_names
from etude.config.check import Range, Seed
from etude.config.sections import Mix
from etude.core.errors import EtudeError, closest
from etude.core.files import Json, digest_of
from etude.representations.base.survey import DRUMS
from etude.studio.description import chords_for_page, describe
from etude.studio.models import Models, read_styles
from etude.studio.pieces import score_of

SILENT = -120.0  # dB of a part that is muted


@dataclass(frozen=True)
class ArrangeRecipe:
    """All that the notes of an arrangement depend on."""

    style: str
    seed: Seed
    piece: dict[str, Any]  # its melody is as ``sung_or_first`` finds it
    form: str | None = None
    choruses: Annotated[int, Range(1, 8)] = 1
    intro: Annotated[int, Range(0, 16)] | None = None
    ending: Annotated[int, Range(0, 16)] | None = None
    humanise: Annotated[float, Range(0, 4)] = 1.0
    chords: str | None = None
    top_line: bool = False
    key: str = ""  # of the style with which the recipe was made


@dataclass(frozen=True)
class Level:
    """How a part sounds in the mix."""

    gain: Annotated[float, Range(-60, 12)]  # dB
    pan: Annotated[float, Range(-1, 1)]
    mute: bool


@dataclass(frozen=True)
class Band:
    """An arrangement, and where its parts lie in the mix."""

    made: Arrangement
    chords_from: str
    style: Style
    mix: Mix


class Bands:
    """Arranges as recipes ask; the last arrangement is kept for its sound and its files."""

    def __init__(self, models: Models) -> None:
        """Args: the models, and the settings with them."""
        self.models = models
        self.styles = read_styles(models.session)
        self._last: tuple[str, Band] | None = None
        self._player: Accompanist | None = None

    def about(self) -> list[Json]:
        """The styles for the page: name, ``parts``, their ``programs`` (-1: drums), ``tempo``, ``key`` (a digest)."""
        return [
            {
                "name": name,
                "parts": list(values["parts"]),
                "programs": {part: one.get("program", DRUMS) for part, one in values["parts"].items()},
                "tempo": values["tempo"],
                "key": self._key(name),
            }
            for name, values in self.styles.items()
        ]

    def _key(self, name: str) -> str:
        return digest_of(self.styles[name])[:16]

    def arrange(self, recipe: ArrangeRecipe) -> Band:
        """Arrange a melody.

        Raises:
            EtudeError: there is no such style, no melody, or form or chords do not fit it.
        """
        wanted = digest_of(_plain(recipe))
        if self._last is not None and self._last[0] == wanted:
            return self._last[1]
        if recipe.style not in self.styles:
            raise EtudeError(f'There is no style "{recipe.style[:60]}". {closest(recipe.style, self.styles)}')
        style = Style.of(self.styles[recipe.style])
        score = score_of(recipe.piece)
        settings = self.models.settings
        config = replace(
            settings.arrange,
            seed=recipe.seed,
            form=(recipe.form or "").strip() or None,
            choruses=recipe.choruses,
            intro=recipe.intro,
            ending=recipe.ending,
            humanise=recipe.humanise,
        )
        player = self._accompanist() if style.learned else None
        chords = (recipe.chords or "").strip() or None
        made, where = arrange_piece(score, config, style, chords, recipe.top_line, "The melody", accompanist=player)
        band = Band(made, where, style, placed(settings.mix, style))
        self._last = (wanted, band)
        return band

    def _accompanist(self) -> Accompanist:
        from etude.tasks.accompaniment import find_accompanist

        if self._player is None:
            self._player = find_accompanist(self.models.settings, self.models.session)
        return self._player

    def describe(self, recipe: ArrangeRecipe) -> Json:
        """An arrangement for the page: what is written, as ``describe``; its form, and the ``levels`` of its parts."""
        band = self.arrange(recipe)
        about = describe(band.made.written)
        song = band.made.song
        about["chords"] = chords_for_page(song.chords, song.key)
        about["sections"] = [[one.bar.start, one.kind, one.letter] for one in song.bars if one.number == 0]
        levels = {
            name: {"gain": band.mix.gain.get(name, 0.0), "pan": band.mix.pan.get(name, 0.0), "mute": False}
            for name in track_names(band.made.written)
        }
        return {
            "model": {"name": recipe.style, "key": self._key(recipe.style)},
            "candidates": [about],
            "chords_from": band.chords_from,
            "levels": levels,
        }


def _plain(recipe: ArrangeRecipe) -> Json:
    return {name: value for name, value in vars(recipe).items() if name != "key"}


def mixed(mix: Mix, levels: Mapping[str, Level]) -> Mix:
    """The settings of the mix with the levels of some parts; a part that is muted is silent."""
    gain = {name: SILENT if level.mute else level.gain for name, level in levels.items()}
    return replace(mix, gain={**mix.gain, **gain}, pan={**mix.pan, **{n: level.pan for n, level in levels.items()}})


def flat(mix: Mix, score: ScoreTick) -> Mix:
    """The settings of the mix with all parts in the middle: the page places them."""
    return replace(mix, pan=dict.fromkeys(track_names(score), 0.0))
