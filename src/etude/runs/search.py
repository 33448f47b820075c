"""A search for better settings with optuna: a study in a folder below runs/, which goes on where it was killed.

The study is a sqlite database in the folder of the sweep, study.db; trial N has its folder N there. A trial that was
interrupted is run again under its own number, in its own folder, so that its training goes on from its checkpoint.
The sampler is made again for each trial, seeded by the number: a resumed search suggests what an uninterrupted one
would, given the same results.
"""

import inspect
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError, Pruned, closest
from etude.core.files import digest, digest_of, discard
from etude.core.seeds import seed_of

if TYPE_CHECKING:
    import optuna

DATABASE, NAME = "study.db", "etude"
BUSY = 60.0  # seconds to wait for another process that writes the database


@dataclass(frozen=True)
class Choice:
    """A setting that is one of several texts."""

    values: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """The values to check before the search starts: all."""
        return self.values


@dataclass(frozen=True)
class Interval:
    """A setting that is a number from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False  # drawn evenly on a logarithmic scale
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise EtudeError(f"interval({self.low:g}, {self.high:g}) is empty: give the lower end first.")
        if self.log and self.low <= 0:
            raise EtudeError(f"tag(log, interval({self.low:g}, {self.high:g})) must lie above 0.")

    @property
    def ends(self) -> tuple[str, ...]:
        """The values to check before the search starts: both ends."""
        return tuple(_text(int(end) if self.whole else end) for end in (self.low, self.high))


Space = Mapping[str, Choice | Interval]  # key of the settings -> what it may be


@dataclass(frozen=True)
class Method:
    """How a search goes: conf/hydra/sweeper/optuna.yaml."""

    trials: int
    seed: int
    sampler: str
    sampler_options: dict[str, Any]
    pruner: str
    pruner_options: dict[str, Any]
    study: str | None = None  # another name is another study


@dataclass(frozen=True)
class Next:
    """A trial to run: its number and its settings as texts."""

    number: int
    values: dict[str, str]


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise EtudeError(
            "A search for settings needs optuna, which is not installed. Install it with: "
            "pip install -c requirements.lock -e '.[sweep]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def identity(settings: Settings, session: Session, folds: int | None) -> str:
    """A digest of all that decides what a training of these settings measures: settings, data, code and torch.

    Raises:
        EtudeError: several models are chosen, or there is no data of these settings.
    """
    from etude.stages.train import training_key

    if len(settings.models) != 1:
        raise EtudeError(
            f"A search optimises the validation figure of one model, and this one has {len(settings.models)}. "
            "Choose one: model=lstm"
        )
    (model_name,) = settings.models
    if folds is not None:  # which make their own split and tokens
        return digest_of([settings.as_dict(), folds, digest(session.read(catalog.INGEST) / "manifest.json")])
    name = settings.model(model_name)["representation"]
    store = Store(session.read(catalog.tokens(name)))
    store.require(settings, name)
    return training_key(settings, model_name, store.digest)


def remove_checkpoints(settings: Settings, session: Session) -> None:
    """Remove the checkpoints of a training that was pruned: it never goes on."""
    discard(session.root / ".checkpoints" / identity(settings, session, None)[:16])


def folder_of(root: Path, method: Method, space: Space, ends: Sequence[str]) -> Path:
    """The folder of a search below runs/: the same for the same command on the same data and code.

    Args:
        root: the project.
        method: how it searches; the number of trials does not count, so that more can be run.
        space: what it searches.
        ends: ``identity`` of the settings at the ends of the space.
    """
    how = {name: value for name, value in vars(method).items() if name != "trials"}
    what = {name: [type(found).__name__, vars(found)] for name, found in space.items()}
    return root / "runs" / f"search-{digest_of([how, what, sorted(ends)])[:8]}"


class Search:
    """The study in a folder."""

    def __init__(self, folder: Path, method: Method, space: Space) -> None:
        """Open the study, or make it."""
        self.folder, self.method, self.space = folder, method, space
        self._optuna = _optuna()
        sampler = self._sampler(0)
        _made(self._optuna.pruners, method.pruner, method.pruner_options, "pruner")  # else each job would find it wrong
        folder.mkdir(parents=True, exist_ok=True)
        self.study: optuna.Study = self._optuna.create_study(
            storage=_storage(folder),
            study_name=NAME,
            direction="minimize",
            load_if_exists=True,
            sampler=sampler,
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse a second process that runs the same search at the same time."""
        try:
            with FileLock(self.folder / "lock", timeout=0):
                yield
        except Timeout:
            raise EtudeError(f"This search is running already, in {self.folder}. Wait for it, or stop it.") from None

    @property
    def ended(self) -> int:
        """The number of trials that are finished, pruned or failed."""
        return sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))

    def next(self, count: int) -> list[Next]:
        """At most ``count`` trials to run: those that were interrupted first, then new ones while any is missing.

        Call it while no trial of the study runs.
        """
        trials = self.study.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == self._optuna.trial.TrialState.RUNNING]
        found = []
        for frozen in running[:count]:
            self.study.sampler = self._sampler(frozen.number)
            found.append(self._suggest(self._optuna.trial.Trial(self.study, frozen._trial_id)))
        number = len(trials)
        while len(found) < count and number < self.method.trials:
            self.study.sampler = self._sampler(number)
            found.append(self._suggest(self.study.ask()))
            number += 1
        return found

    def _suggest(self, trial: "optuna.Trial") -> Next:
        """The settings of a trial: those that it has already, and new ones for the rest."""
        values: dict[str, Any] = {}
        for key, what in self.space.items():
            if isinstance(what, Choice):
                values[key] = trial.suggest_categorical(key, what.values)
            elif what.whole:
                values[key] = trial.suggest_int(key, int(what.low), int(what.high), log=what.log)
            else:
                values[key] = trial.suggest_float(key, what.low, what.high, log=what.log)
        return Next(trial.number, {key: _text(value) for key, value in values.items()})

    def fail(self, number: int) -> None:
        """Mark a trial as failed unless it ended: its process disappeared."""
        if not self.study.get_trials(deepcopy=False)[number].state.is_finished():
            self.study.tell(number, state=self._optuna.trial.TrialState.FAIL)

    def line(self, number: int) -> str:
        """How a trial ended, and the best so far, in a line."""
        trial = self.study.get_trials(deepcopy=False)[number]
        how = {"COMPLETE": "", "PRUNED": "pruned at ", "FAIL": "failed"}[trial.state.name]
        value = f"{trial.value:.4f}" if trial.value is not None and trial.state.name != "FAIL" else ""
        best = [one for one in self.study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
        top = min(best, key=lambda one: (one.value, one.number), default=None)
        known = f"; the best is {top.value:.4f}, of trial {top.number}" if top is not None else ""
        return f"trial {number}, {self.ended} of {max(self.method.trials, self.ended)}: {how}{value}{known}"

    def _sampler(self, number: int) -> Any:
        return _made(
            self._optuna.samplers, self.method.sampler, self.method.sampler_options, "sampler", self.method.seed, number
        )


class Trial:
    """The trial of one job, in whichever process it runs: it hears each validation, and how the job ended."""

    def __init__(self, folder: Path, number: int, pruner: str, options: Mapping[str, Any]) -> None:
        """Args: of the search, the trial's number, and the pruner with its options."""
        self._optuna = _optuna()
        self.study: optuna.Study = self._optuna.load_study(
            study_name=NAME,
            storage=_storage(folder),
            pruner=_made(self._optuna.pruners, pruner, options, "pruner"),
            sampler=self._optuna.samplers.RandomSampler(),  # not asked here
        )
        self.number = number
        frozen = self.study.get_trials(deepcopy=False)[number]
        self._reported = set(frozen.intermediate_values)
        self._trial = self._optuna.trial.Trial(self.study, frozen._trial_id)

    def watch(self, row: Mapping[str, float], step: int) -> None:
        """Report a validation; raise Pruned where others were better at this step.

        A training in several processes is never pruned.
        """
        found = [(name, value) for name, value in row.items() if name.startswith("valid/")]
        if not found or step in self._reported:  # before an interruption
            return
        name, value = found[0]
        self._reported.add(step)
        self._trial.report(value, step)
        if threading.current_thread() is not threading.main_thread():
            return  # of a training in several processes, which an exception here would not end
        if self._trial.should_prune():
            raise Pruned(step, name, value)

    def finish(self, value: float) -> None:
        """Record the validation figure."""
        self.study.tell(self.number, value)

    def prune(self) -> None:
        """Record that the training was pruned; the study keeps its last validation."""
        self.study.tell(self.number, state=self._optuna.trial.TrialState.PRUNED)

    def fail(self) -> None:
        """Record a failure."""
        self.study.tell(self.number, state=self._optuna.trial.TrialState.FAIL)


def is_search(folder: Path) -> bool:
    """Whether a folder below runs/ holds a study."""
    return (folder / DATABASE).is_file()


def _storage(folder: Path) -> Any:
    storages = _optuna().storages
    return storages.RDBStorage(
        f"sqlite:///{(folder / DATABASE).resolve()}", engine_kwargs={"connect_args": {"timeout": BUSY}}
    )


def _made(room: Any, name: str, options: Mapping[str, Any], what: str, seed: int = 0, number: int = 0) -> Any:
    """A sampler or pruner of optuna; where it takes a seed, one of its own for each trial."""
    kind = getattr(room, name, None)
    if not inspect.isclass(kind):
        known = [known for known in vars(room) if known.endswith(what.capitalize()) and not known.startswith("Base")]
        raise EtudeError(f"hydra.sweeper.{what} = {name} is no {what} of optuna. {closest(name, known)}")
    given = dict(options)
    if "seed" in inspect.signature(kind).parameters:
        given.setdefault("seed", seed_of("search", seed, number) % 2**31)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # optuna's experimental options
            return kind(**given)
    except (TypeError, ValueError) as error:
        raise EtudeError(f"hydra.sweeper.{what}_options do not fit {name}: {error}.") from None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
