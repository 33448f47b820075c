"""A launch of Hydra: the job that it runs, once or many times, with its parent run in MLflow and its failures."""

import os
import shutil
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etude.artifacts.context import READS, Session
from etude.cli.job import Asked, read_job, run_job
from etude.core.errors import EtudeError, Pruned
from etude.core.machine_faults import fault_of
from etude.core.signals import ending
from etude.runs.trials import FAILED, FINISHED, PRUNED, Outcome, value_of

if TYPE_CHECKING:
    from etude.runs.search import Trial

# sweepers that do not optimise: their jobs may train several models each
GRIDS = ("hydra_plugins.etude_sweepers.GridSweeper", "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")
OURS = "hydra_plugins.etude_sweepers."  # these make the parent run themselves, after they have checked every job


class Launch:
    """What Hydra calls with the composed settings of each job, perhaps in another process."""

    def __init__(self, stage: str, root: Path, many: bool, swept: str) -> None:
        """Args: the stage, the project, whether it is a multirun, and the overrides as they were typed."""
        self.stage, self.root, self.many, self.swept = stage, root, many, swept
        self.fault: EtudeError | None = None  # of the only job
        self.jobs: list[tuple[list[str], Outcome]] = []  # of a multirun: their overrides, and how they ended
        self._parent, self._session = "", Session(root=root)

    @property
    def folder(self) -> Path:
        """The folder of all jobs, below runs/."""
        return Path(os.environ["ETUDE_LAUNCH"])

    def __call__(self, config: Any) -> float | None:
        """Run one job. Gives its validation figure, which a sweeper may minimise, if it trained one model."""
        from hydra.core.hydra_config import HydraConfig

        if not self.many:
            try:
                return value_of(run_job(self.stage, self.root, config))
            except Exception as error:  # raised here, Hydra would print a line of its own
                sentence = str(error) if isinstance(error, EtudeError) else fault_of(error)
                if sentence is None or ending() is not None:
                    raise
                self.fault = EtudeError(sentence)
                _remove_unused(Path(HydraConfig.get().runtime.output_dir))
                return None
        return self._run_one_of_many(config)

    def _run_one_of_many(self, config: Any) -> float | None:
        from hydra.core.hydra_config import HydraConfig

        folder = Path(HydraConfig.get().runtime.output_dir)
        trial = _trial(folder)
        try:
            figures = run_job(self.stage, self.root, config, trial.watch if trial else None)
            value = value_of(figures)
            if value is None and self.stage == "train" and HydraConfig.get().sweeper._target_ not in GRIDS:
                raise EtudeError(
                    f"A sweep that optimises needs the validation figure of one model, and this job has {len(figures)} "
                    "models. Choose one: model=lstm"
                )
        except Pruned as pruned:
            assert trial is not None
            figures = {pruned.model_name: {pruned.metric: pruned.value}}
            Outcome(PRUNED, f"at step {pruned.step}", figures).write(folder)
            trial.prune()
            return pruned.value
        except Exception as error:
            if ending() is not None:
                raise
            reason = str(error) if isinstance(error, EtudeError) else fault_of(error)
            if reason is None:
                traceback.print_exc()
            Outcome(FAILED, reason or f"{type(error).__name__}: {error}").write(folder)
            if trial:
                trial.fail()
            raise
        Outcome(FINISHED, figures=figures).write(folder)
        if trial:
            assert value is not None
            trial.finish(value)
        return value

    def check(self, config: Any) -> Asked:
        """Check the composed settings of a job before any job runs."""
        from omegaconf import open_dict

        with open_dict(config):
            config.pop("hydra", None)
        return read_job(self.stage, self.root, config)

    def identity(self, asked: Asked) -> str:
        """What decides the figure of a job, as a digest; see ``etude.runs.search.identity``."""
        from etude.runs.search import identity

        return identity(asked.settings, asked.session(self.root), asked.folds)

    def start(self, first: Asked | None = None, resume: bool = False) -> None:
        """Make the parent run of the trainings, or go on with that of the same folder; ``first`` is one of the jobs."""
        if self.stage != "train":
            return
        from etude.tracking import start_parent

        if first is not None:
            self._session = first.session(self.root)
        self._parent = start_parent(self._session, self.folder.name, {"etude.overrides": self.swept}, resume)

    def collect(self, results: Sequence[Any]) -> None:
        """Take note of how some jobs ended."""
        for job in results:
            self.jobs.append((list(job.overrides), Outcome.read(Path(job.hydra_cfg.hydra.runtime.output_dir))))

    def collect_earlier(self, folder: Path) -> None:
        """Take note of all jobs of a resumed search, those of earlier commands too."""
        from etude.runs.sweep_report import jobs_of

        self.jobs = [(job.label.split(" "), job.outcome) for job in jobs_of(folder)]

    def finish(self, status: str) -> None:
        """Write the report of a sweep of trainings, and end its parent run; one without a child is deleted."""
        if self.stage != "train" or not self.many or not self.folder.is_dir():
            return  # no job was started
        from etude.runs import sweep_report
        from etude.tracking import SWEEP, add_to_parent, finish_parent, reap

        try:
            if status != "KILLED" and any(self.folder.glob(f"*/{sweep_report.OUTCOME}")):
                page = sweep_report.write(self.folder)
                print(f"etude: the table of the sweep is {self.shown(page)}")
                if self._parent:
                    add_to_parent(self._session, self.folder.name, page)
        finally:
            if status == "KILLED":
                reap(self._session)  # trainings in processes of their own have been ended by force
            started = any(self.folder.glob(f"*/{SWEEP}"))
            finish_parent(self._session, self._parent, "FAILED" if self.report_failures() else status, started)

    def report_failures(self) -> str:
        """The jobs that failed, by the overrides in which jobs differ, with their reasons; "" where none did."""
        common = set.intersection(*(set(overrides) for overrides, _ in self.jobs)) if len(self.jobs) > 1 else set()
        reasons: dict[str, list[str]] = {}
        for place, (overrides, outcome) in enumerate(self.jobs):
            if outcome.state == FAILED:
                label = " ".join(part for part in overrides if part not in common) or f"job {place}"
                reasons.setdefault(outcome.reason, []).append(label)
        if not reasons:
            return ""
        lines = [f"  {'; '.join(labels)}: {reason}" for reason, labels in reasons.items()]
        return "\n".join([f"etude: {sum(map(len, reasons.values()))} of {len(self.jobs)} jobs failed:", *lines])

    def shown(self, path: Path) -> Path:
        """A path as it is printed: relative to the project where it lies inside."""
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path


def _trial(folder: Path) -> "Trial | None":
    """The trial of a search that the job in ``folder`` is, if it is one."""
    if not (folder.parent / "study.db").is_file():
        return None
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from etude.runs.search import Trial

    own = HydraConfig.get().sweeper
    options = OmegaConf.to_container(own.pruner_options, resolve=True)
    return Trial(folder.parent, int(folder.name), own.pruner, {str(name): value for name, value in options.items()})


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a job that was refused before it wrote anything."""
    if folder.is_dir() and {path.name for path in folder.iterdir()} <= {"settings", "etude.log", READS}:
        shutil.rmtree(folder)
