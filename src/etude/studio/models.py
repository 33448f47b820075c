"""The trained models that the studio works with, each read once; and the bands of conf/style."""

from etude.arranging.style_files import FILE, read_style
from etude.artifacts.context import Session
from etude.config.check import target
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.files import Json, digest_of
from etude.core.project import conf_folder
from etude.tasks.capabilities import CONTINUE, able_models, harmonizing_models
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.trained_model import TrainedModel, find_model

FIRST = "voices"  # the model that plays where none is chosen
THREADS = 1  # their number decides the order of sums, and so the last digits: links must give the same notes anywhere


class Models:
    """Models that can harmonise, fill in or continue, found as other commands find them."""

    def __init__(self, settings: Settings, session: Session) -> None:
        """Args: all settings; where models/ is."""
        self.settings, self.session = settings, session
        self._loaded: dict[str, TrainedModel] = {}

    def harmonizers(self) -> list[str]:
        """The models that draw voices to others and are there, the best one to start with first."""
        return [name for name in harmonizing_models(self.settings) if self._is_there(name)]

    def continuers(self) -> list[str]:
        """The models that continue a piece and are there."""
        return [name for name in able_models(self.settings, CONTINUE) if self._is_there(name)]

    def players(self) -> list[str]:
        """The models that write bar after bar without end and are there, the one to start with first."""
        able = able_models(self.settings, CONTINUE)
        windows = [
            name
            for name, section in self.settings.models.items()
            if getattr(target(section, f"models.{name}"), "sampler", None) == "windows"
        ]
        there = [name for name in dict.fromkeys([*able, *windows]) if self._is_there(name)]
        return sorted(there, key=lambda name: name != FIRST)

    def _is_there(self, name: str) -> bool:
        try:
            find_model(self.session, name)
        except EtudeError:
            return False
        return True

    def load(self, name: str) -> TrainedModel:
        """A model by its name. Raises EtudeError where it is not there or damaged."""
        if name not in self._loaded:
            known = sorted({*self.harmonizers(), *self.continuers(), *self.players()})
            if name not in known:
                raise EtudeError(f'There is no model "{name[:60]}" here. {closest(name, known)}')
            self._loaded[name] = TrainedModel.load(self.settings, self.session, name, THREADS)
        return self._loaded[name]

    def harmonizer(self, name: str) -> Harmonizer:
        """A model that draws voices to others. Raises EtudeError where it cannot."""
        if name not in self.harmonizers():
            raise EtudeError(f'The model "{name[:60]}" draws no voices here. {closest(name, self.harmonizers())}')
        return Harmonizer.of(self.load(name))

    def identity(self, name: str) -> Json:
        """What tells a model from another training of it: its ``name``, and ``key``, its digest."""
        return {"name": name, "key": digest_of(self.load(name).trained["sha256"])[:16]}

    def about(self) -> list[Json]:
        """The models for the page: ``name``, what they can do, and their voices."""
        can = {"harmonise": self.harmonizers(), "continue": self.continuers()}
        names = dict.fromkeys([*can["harmonise"], *can["continue"]])
        return [
            {
                "name": name,
                "can": [task for task, able in can.items() if name in able],
                "voices": list(self.load(name).representation.voices),
                "key": self.identity(name)["key"],
            }
            for name in names
        ]


def read_styles(session: Session) -> dict[str, Json]:
    """The values of each style of conf/style, by its name. Raises EtudeError where a file is no style."""
    files = {file.stem: file for file in sorted((conf_folder(session.root) / "style").glob("*.yaml"))}
    found = {name: read_style(file, list(files)) for name, file in files.items()}
    for values in found.values():
        del values[FILE]  # a style is the same wherever it lies
    return found
