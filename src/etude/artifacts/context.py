"""What may differ from run to run without changing a result: places, workers, progress, tracking address."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Annotated

import yaml

from etude.artifacts.catalog import Artifact, data
from etude.config.check import Count, Natural, OneOf, check
from etude.config.code import SECTIONS
from etude.core.errors import EtudeError, closest
from etude.core.files import read_json, write_json
from etude.core.project import dvc_runs, working_root

LONGEST_PATH = 4096  # bytes
LONGEST_NAME = 250  # letters of an experiment in MLflow
READS = "reads.json"  # in the folder of a run: the run that it was made from
DATA = ("download", "ingest", "split", "augment", "tokenize")  # the stages that make data, in their order
ENGINES = ("loky", "dask")  # that map the shards of the data stages over processes
Profiler = Annotated[str, OneOf(("simple", "advanced", "pytorch"))]


def _workers() -> int:
    """How many processes work on data: ETUDE_WORKERS, or one for each CPU."""
    value = os.environ.get("ETUDE_WORKERS", str(os.cpu_count() or 1))
    if not value.isdecimal() or int(value) < 1:
        raise EtudeError(f"ETUDE_WORKERS = {value!r} must be a whole number of at least 1.")
    return int(value)


@dataclass(frozen=True)
class Session:
    """Where a stage reads and writes, and what it runs on.

    ``root`` is the project, or the working folder where there is none;
    ``out`` is where results are written (the project itself, or the folder of one Hydra run);
    ``run`` is the folder of an earlier Hydra run to read results from, before ``root``.
    """

    root: Path = field(default_factory=working_root)
    out: Path | None = None
    run: Path | None = None
    workers: Count = field(default_factory=_workers)
    jobs: Count = 1
    engine: str = field(default_factory=lambda: os.environ.get("ETUDE_ENGINE", "loky"))
    shard: Natural | None = None
    progress: bool = field(default_factory=lambda: os.environ.get("ETUDE_PROGRESS", "1") != "0")
    experiment: str = field(default_factory=lambda: os.environ.get("MLFLOW_EXPERIMENT_NAME", "etude"))
    overrides: str = ""  # the overrides of a sweep for this run, for its name
    asked: str = ""  # the overrides of this run that choose its data, for the command line; "" for the pipeline's data
    watch: Callable[[Mapping[str, float], int], None] | None = None  # sees each row of metrics; it may raise Pruned
    samples: Natural = 0  # pieces that a training adds to its MLflow run; the pipeline adds those of its later stages
    profiler: Profiler | None = None  # trainer.profiler

    def __post_init__(self) -> None:
        if not self.experiment.strip() or not self.experiment.isprintable() or len(self.experiment) > LONGEST_NAME:
            raise EtudeError(
                f"MLFLOW_EXPERIMENT_NAME or session.experiment = {self.experiment[:100]!r} must be one line of "
                f"at most {LONGEST_NAME} letters."
            )
        if self.engine not in ENGINES:
            raise EtudeError(f"session.engine = {self.engine} is not known. {closest(self.engine, ENGINES)}")

    @property
    def again(self) -> str:
        """The argument that makes a command read from the same run."""
        return f" session.run={self.run}" if self.run else ""

    def find(self, artifact: Artifact) -> Path | None:
        """The folder or file in ``run``, in the runs that it was made from, else in ``root``; None if there is none."""
        paths = (top / artifact.place for top in (*self.runs(), self.root))
        return next((path for path in paths if path.exists()), None)

    def runs(self) -> Iterator[Path]:
        """The run that is read, the run that this one read itself, and so on."""
        run, seen = self.run, set[Path]()
        while run is not None and run not in seen:
            yield run
            seen.add(run)
            before = run / READS
            run = self._linked(before) if before.is_file() else None

    def _linked(self, link: Path) -> Path:
        """The run that a link names."""
        made_by = "the command of that run"
        try:
            found = check(read_json(link, made_by), dict[str, str], str(link))
        except (OSError, ValueError, RecursionError) as error:  # a number of too many digits, lists in lists in lists
            raise EtudeError(f"{link} is damaged ({type(error).__name__}). Make it again with: {made_by}") from None
        named = found.get("run", "")
        if not named or "\0" in named or len(named.encode("utf-8", "surrogatepass")) > LONGEST_PATH:
            raise EtudeError(f"{link} names no folder of a run. Make it again with: {made_by}")
        return self.root / named

    def link(self) -> None:
        """Leave in ``out`` which run is read, so that a later command finds what that run holds too."""
        if self.out is not None and self.run is not None:
            inside = self.run.is_relative_to(self.root)
            write_json(self.out / READS, {"run": str(self.run.relative_to(self.root) if inside else self.run)})

    def read(self, artifact: Artifact) -> Path:
        """What ``find`` finds. Raises EtudeError, with what to do from here, where there is none."""
        found = self.find(artifact)
        if found is None:
            raise EtudeError(f"{artifact} does not exist. {self.advice(artifact)}")
        return found

    def advice(self, artifact: Artifact) -> str:
        """A sentence on how to get what ``find`` does not find, with one argument or command that works from here."""
        runs = self.root / "runs"
        made = [path for path in runs.glob(f"**/{artifact.place}") if self.run is None or self.run not in path.parents]
        if made:
            newest = max(made, key=lambda path: path.stat().st_mtime)
            run = newest.parents[artifact.place.count("/")].relative_to(self.root)
            return f"The newest manual run that has it is read with: session.run={run}"
        asked = [self.asked] if self.asked else []
        if artifact.stage and not asked and self._is_stage(artifact):
            target = f"{artifact.stage}@{artifact.name}" if artifact.name else artifact.stage
            return f"Make it, and what it needs, with: dvc repro {target}"
        if artifact.stage == "train":
            return f"Make it, and what it needs, with: {' '.join(['etude all', f'model={artifact.name}', *asked])}"
        if artifact.stage in DATA and artifact == data(artifact.stage, artifact.name):
            needed = [*(data(stage) for stage in DATA[: DATA.index(artifact.stage)]), artifact]
            first = next((place for place, one in enumerate(needed) if self.find(one) is None), len(needed) - 1)
            commands = " && ".join(" ".join([one.made_by, *asked]) for one in needed[first:])
            return f"Make it{', and what it needs,' if needed[first] != artifact else ''} with: {commands}"
        return f"Make it with: {' '.join([artifact.made_by, *asked])}"

    def _is_stage(self, artifact: Artifact) -> bool:
        """Whether DVC runs here, and the project's pipeline has the stage instance that makes an artifact."""
        if not (self.root / "dvc.yaml").is_file() or not dvc_runs(self.root):
            return False
        section = SECTIONS.get(artifact.stage)
        if section is None:
            return True
        try:
            return artifact.name in yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8"))[section]
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
            return False

    def write(self, artifact: Artifact) -> Path:
        """The path to write a folder or file at. Raises EtudeError where it would not lie in ``out`` or ``root``."""
        place = PurePath(artifact.place)
        if place.is_absolute() or ".." in place.parts:
            raise EtudeError(f"{artifact} leads out of the project; nothing is written there. Give it another name.")
        return (self.out or self.root) / place
