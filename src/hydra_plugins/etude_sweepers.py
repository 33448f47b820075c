"""Hydra's sweepers for etude: a grid whose jobs fail alone, and a search with optuna.

Hydra finds plugins in the namespace package ``hydra_plugins``, and imports them with every command: what is heavy is
imported when a sweep starts.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from etude.cli.job import Asked
    from etude.runs.search import Choice, Interval, Method

OF_WORKERS = ("temp_folder", "max_nbytes", "mmap_mode")  # options of Hydra's joblib launcher that need other processes


class GridSweeper(BasicSweeper):
    """Every combination of the swept values.

    All are composed and checked before the first runs. A job that fails does not stop the others.
    """

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """See Sweeper; ``task_function`` is an ``etude.cli.launch.Launch``."""
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        self.task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        """Run the jobs. Gives Hydra's results, batch by batch."""
        from etude.core.errors import EtudeError

        overrides = self.parse(arguments)
        for override in overrides:
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise EtudeError(
                    f"{override.input_line} is a range to search in, and a grid needs its values, as in "
                    f"{override.get_key_element()}=1.0e-3,3.0e-3. Or search: etude train -m hydra/sweeper=optuna"
                )
        batches = self.split_arguments(overrides, self.max_batch_size)
        first, *_ = [self.check(job) for batch in batches for job in batch]
        self.start(first, resume=False)
        results = []
        done = 0
        for batch in batches:
            results.append(self.run(batch, done))
            done += len(batch)
        return results

    def parse(self, arguments: list[str]) -> list[Override]:
        """The overrides of the preset and of the command line, of which the later ones win."""
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        parsed = parser.parse_overrides([*self._parse_config(), *arguments])
        return list({override.get_key_element(): override for override in parsed}.values())

    def check(self, job: Sequence[str]) -> "Asked":
        """Compose and check the settings of one job."""
        asked: Asked = self.task.check(self.hydra_context.config_loader.load_sweep_config(self.config, list(job)))
        return asked

    def start(self, first: "Asked", resume: bool) -> None:
        """Make the folder of the sweep and its parent run in MLflow."""
        folder = Path(str(self.config.hydra.sweep.dir))
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.task.start(first, resume)

    def run(self, batch: Sequence[Sequence[str]], number: int) -> Any:
        """Run some jobs, the first of which has the given number."""
        parallel = getattr(self.launcher, "joblib", None)
        if parallel is not None:
            from joblib import effective_n_jobs

            from etude.core.workers import start_workers

            own = {name: parallel[name] for name in OF_WORKERS if name in parallel}
            start_workers(int(effective_n_jobs(parallel.get("n_jobs"))), {**own, "backend": "loky"})
        results = self.launcher.launch(batch, initial_job_idx=number)
        self.task.collect(results)
        return results


class SearchSweeper(GridSweeper):
    """A search for the settings with the lowest validation figure; see ``etude.runs.search``."""

    def __init__(self, trials: int, jobs: int | None, params: Any = None, **method: Any) -> None:
        """Take conf/hydra/sweeper/optuna.yaml."""
        super().__init__(max_batch_size=None, params=params)
        self.trials, self.jobs, self.method = trials, jobs, method

    def sweep(self, arguments: list[str]) -> Any:
        """Run the trials that are missing, in the folder of this search."""
        from etude.core.errors import EtudeError
        from etude.runs import search

        overrides = self.parse(arguments)
        space = {override.get_key_element(): _range(override) for override in overrides if override.is_sweep_override()}
        fixed = [
            f"{override.get_key_element()}={override.get_value_element_as_str()}"
            for override in overrides
            if not override.is_sweep_override()
        ]
        method = self._method(space)
        first = {key: what.ends[0] for key, what in space.items()}
        corners = [first, *({**first, key: end} for key, what in space.items() for end in what.ends[1:])]
        asked = [self.check([*fixed, *_overrides(corner)]) for corner in corners]
        ends = [self.task.identity(one) for one in asked]
        objectives = {str(section["objective"]) for one in asked for section in one.settings.models.values()}
        if len(objectives) > 1:
            raise EtudeError(
                f"These models learn by different objectives ({', '.join(sorted(objectives))}), whose validation "
                "figures do not compare. Search over models of one objective."
            )
        folder = search.folder_of(self.task.root, method, space, ends)
        os.environ["ETUDE_LAUNCH"] = str(folder)  # hydra.sweep.dir
        study = search.Search(folder, method, space)
        with study.alone():
            done = study.ended
            print(
                f"etude: {done} of {max(self.trials, done)} trials have ended in {self.task.shown(folder)}", flush=True
            )
            self.start(asked[0], resume=True)
            results = []
            while batch := study.next(self._at_once()):
                jobs = [[*_overrides(one.values), *fixed, f"hydra.sweep.subdir={one.number}"] for one in batch]
                results.append(self.run(jobs, batch[0].number))
                for one in batch:
                    study.fail(one.number)
                    print(f"etude: {study.line(one.number)}", flush=True)
        self.task.collect_earlier(folder)
        return results

    def _method(self, space: "dict[str, Choice | Interval]") -> "Method":
        from etude.config.check import Count, Seed, check, construct
        from etude.core.errors import EtudeError
        from etude.runs.search import Method

        if not space:
            raise EtudeError(
                "This search has nothing to search. Give a range, as in optim.lr=interval(1e-4,1e-2), or a preset: "
                "hparams=optuna"
            )
        for key in ("seed", "train.seed"):
            if key in space:
                raise EtudeError(
                    f"A search over {key} would choose by chance. Search with one seed, and compare the best over "
                    "several: etude train -m hparams=seeds"
                )
        self.jobs = check(self.jobs, Count | None, "hydra.sweeper.jobs")
        values = OmegaConf.to_container(OmegaConf.create({"trials": self.trials, **self.method}), resolve=True)
        assert isinstance(values, dict)
        method = construct(Method, {str(name): value for name, value in values.items()}, "hydra.sweeper")
        check(method.trials, Count, "hydra.sweeper.trials")
        check(method.seed, Seed, "hydra.sweeper.seed")
        return method

    def _at_once(self) -> int:
        if self.jobs is not None:
            return self.jobs
        from joblib import effective_n_jobs

        return int(effective_n_jobs(OmegaConf.select(self.config, "hydra.launcher.n_jobs", default=1)))


def _range(override: Override) -> "Choice | Interval":
    from etude.runs.search import Choice, Interval

    value = override.value()
    if isinstance(value, IntervalSweep):
        assert value.start is not None and value.end is not None
        return Interval(float(value.start), float(value.end), log="log" in value.tags, whole="int" in value.tags)
    return Choice(tuple(map(str, override.sweep_iterator(transformer=Transformer.encode))))


def _overrides(values: "dict[str, str]") -> list[str]:
    return [f"{key}={value}" for key, value in values.items()]
