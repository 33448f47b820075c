"""What may differ from run to run without changing a result: places, workers, progress, tracking address."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etude.artifacts.catalog import Artifact
from etude.config.check import Count, Natural
from etude.core.errors import EtudeError, closest
from etude.core.project import project_root

ENGINES = ("loky", "dask")  # that map the shards of the data stages over processes


def _workers() -> int:
    """How many processes work on data: ETUDE_WORKERS, or one for each CPU."""
    value = os.environ.get("ETUDE_WORKERS", str(os.cpu_count() or 1))
    if not value.isdecimal() or int(value) < 1:
        raise EtudeError(f"ETUDE_WORKERS = {value!r} must be a whole number of at least 1.")
    return int(value)


@dataclass(frozen=True)
class Session:
    """Where a stage reads and writes, and what it runs on.

    ``root`` is the project; ``out`` is where results are written (the project itself, or the folder of one Hydra run);
    ``run`` is the folder of an earlier Hydra run to read results from, before ``root``.
    """

    root: Path = field(default_factory=project_root)
    out: Path | None = None
    run: Path | None = None
    workers: Count = field(default_factory=_workers)
    jobs: Count = 1  # stage instances of `etude all` that run side by side
    engine: str = field(default_factory=lambda: os.environ.get("ETUDE_ENGINE", "loky"))
    shard: Natural | None = None  # the one shard that a data stage works on, as one job of many
    progress: bool = field(default_factory=lambda: os.environ.get("ETUDE_PROGRESS", "1") != "0")
    experiment: str = field(default_factory=lambda: os.environ.get("MLFLOW_EXPERIMENT_NAME", "etude"))
    overrides: str = ""  # the overrides of a sweep for this run, for its name
    watch: Callable[[Mapping[str, float], int], None] | None = None  # sees each row of metrics; it may raise Pruned
    samples: Natural = 0  # pieces that a training adds to its MLflow run; the pipeline adds those of its later stages

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise EtudeError(f"session.engine = {self.engine} is not known. {closest(self.engine, ENGINES)}")

    @property
    def again(self) -> str:
        """The argument that makes a command read from the same run."""
        return f" session.run={self.run}" if self.run else ""

    def find(self, artifact: Artifact) -> Path | None:
        """The folder or file in ``run``, else in ``root``; None where there is none."""
        paths = [top / artifact.place for top in (self.run, self.root) if top is not None]
        return next((path for path in paths if path.exists()), None)

    def read(self, artifact: Artifact) -> Path:
        """What ``find`` finds. Raises EtudeError, naming the command that makes it, where there is none."""
        found = self.find(artifact)
        if found is None:
            raise EtudeError(f"{artifact} does not exist. Make it with: {artifact.made_by}")
        return found

    def write(self, artifact: Artifact) -> Path:
        """The path to write a folder or file at."""
        return (self.out or self.root) / artifact.place
