"""One job: the composed settings read and checked, and the stage run once for each of its names."""

import importlib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from etude.artifacts.context import Session
from etude.cli.commands import COMMANDS, names_for
from etude.config.check import Count, check, construct
from etude.config.sections import Settings
from etude.core.errors import EtudeError, Pruned
from etude.runs.trials import Figures, figures_of, figures_of_folds
from etude.tasks.requests import GivenPiece, HarmonizeFiles

FILES = tuple(field.name for field in fields(HarmonizeFiles))  # keys of etude harmonize for a melody of your own


@dataclass(frozen=True)
class Asked:
    """What a job is asked for, checked."""

    values: dict[str, Any]  # the settings as plain values
    settings: Settings
    own: dict[str, Any]  # of the section session, without nulls and ``run``
    run: Path | None  # the folder of an earlier run to read from
    folds: int | None  # of a cross-validation
    files: HarmonizeFiles
    given: GivenPiece

    def session(self, root: Path, **more: Any) -> Session:
        """The session of the job in a project."""
        return construct(Session, self.own, "session", root=root, run=self.run, **more)


def read_job(stage: str, root: Path, config: Any) -> Asked:
    """Check the composed settings of a job.

    Raises:
        EtudeError: a key has a wrong type or value, or belongs to another stage.
    """
    from etude.config.compile import compose_values

    values = compose_values(config)
    own = check(values.pop("session"), dict, "session")
    folds = check(values.pop("cv"), Count | None, "cv")
    if folds is not None and stage != "train":
        raise EtudeError(
            f"cv = {folds} is for training: etude train cv={folds} model=... (etude {stage} has no folds)."
        )
    kinds = typing.get_type_hints(HarmonizeFiles)
    files = HarmonizeFiles(**{key: check(values.pop(key), kinds[key], key) for key in FILES})
    if stage != "harmonize" and files != HarmonizeFiles():
        raise EtudeError(f"{', '.join(FILES)} are of etude harmonize alone, not of etude {stage}.")
    kinds = typing.get_type_hints(GivenPiece)
    given = GivenPiece(**{key: check(values.pop(key), kinds[key], key) for key in kinds})
    if stage != "generate" and given != GivenPiece():
        raise EtudeError(f"{', '.join(kinds)} are of etude generate alone, not of etude {stage}.")
    settings = Settings.of(values)
    named = own.pop("run", None)
    run = Path(named).resolve() if named else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"session.run = {run}: there is no such folder. Manual runs are kept under runs/.")
    own = {name: value for name, value in own.items() if value is not None}  # null: Session's default
    asked = Asked(values, settings, own, run, folds, files, given)
    asked.session(root)  # which raises where a key of it is wrong
    return asked


def run_job(
    stage: str, root: Path, config: Any, watch: Callable[[Mapping[str, float], int], None] | None = None
) -> Figures:
    """Run one job. Gives the figures on valid of the models that it trained; none for other stages.

    Args:
        stage: the command.
        root: the project.
        config: the settings, composed by Hydra.
        watch: sees each row of metrics of a training, and may raise Pruned.
    """
    from hydra.core.hydra_config import HydraConfig

    asked = read_job(stage, root, config)
    by_hand = COMMANDS[stage].by_hand and asked.files == HarmonizeFiles()
    out = Path(HydraConfig.get().runtime.output_dir) if by_hand else None
    task = HydraConfig.get().overrides.task
    swept = " ".join(part for part in task if not part.startswith(("experiment=", "model=", "hparams=")))
    place = asked.run if stage != "train" and asked.run else out
    settings, session = asked.settings, asked.session(root, out=place, overrides=swept)
    if stage == "all":
        _run_all(settings, session, HydraConfig.get().runtime.choices.get("experiment"), list(task))
        return {}
    if asked.folds is not None:
        from etude.runs import cross_validation

        made = cross_validation.run(settings, session, asked.folds)
        print(f"etude: wrote {made.relative_to(root)}")
        return figures_of_folds(made)
    if asked.files != HarmonizeFiles():
        from etude.tasks.harmonize_file import harmonize_file

        print(f"etude: harmonize wrote {' and '.join(map(str, harmonize_file(settings, session, asked.files)))}")
        return {}
    run_one = importlib.import_module(f"etude.stages.{stage}").run
    if asked.given != GivenPiece():
        from etude.runs.given_piece import generate_given

        run_one = partial(generate_given, given=asked.given)
    session = replace(session, watch=watch)
    for name in names_for(stage, asked.values):
        try:
            made = run_one(settings, session, *([name] if name else []))
        except Pruned as pruned:
            from etude.runs.search import remove_checkpoints

            pruned.model_name = str(name)
            remove_checkpoints(settings, session)
            raise
        if made is not None:
            written = Path(made).relative_to(root) if Path(made).is_relative_to(root) else Path(made)
            print(f"etude: {stage} {name or ''} wrote {written}".replace("  ", " "))
            if stage == "train":
                print(f"etude: use it with: etude generate model={name} session.run={written.parents[1]}")
    return figures_of(settings, session) if stage == "train" else {}


def _run_all(settings: Settings, session: Session, experiment: str | None, task: list[str]) -> None:
    """Run ``etude all``, and keep what it leaves of the experiments whose results are committed."""
    from etude.runs import literature, pipeline

    root = session.root
    page = pipeline.run(settings, session)
    print(f"etude: the report is {page.relative_to(root)}")
    folder = page.parents[1]
    as_written = all(part == f"experiment={experiment}" or part.startswith("session.") for part in task)
    if experiment == "full" and as_written:
        print(f"etude: the results are {pipeline.keep_results(root, folder).relative_to(root)}")
    if experiment and (protocol := literature.protocol(root, experiment)) is not None:
        inside = replace(session, out=folder, run=folder)
        made = literature.run(settings, inside, experiment, protocol, as_written)
        print(f"etude: the figures are {made.relative_to(root)}")
