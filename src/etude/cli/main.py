"""The commands that run something: one a stage, Hydra overrides after it."""

import importlib
import os
import sys
import typing
from dataclasses import fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from etude.artifacts.context import Profiler, Session
from etude.cli.commands import BY_HAND, COMMANDS, names_for
from etude.cli.entry import main as main  # the entry point of earlier installations
from etude.cli.overrides import check_overrides, place_override, quote_text
from etude.cli.plain import PLAIN, parse
from etude.config.check import Count, check, construct
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.project import conf_folder, require_project, working_root
from etude.tasks.requests import GivenPiece, HarmonizeFiles

FILES = tuple(field.name for field in fields(HarmonizeFiles))  # keys of etude harmonize for a melody of your own


def _main(arguments: list[str]) -> int:
    """Run a command with its arguments. Returns the exit status."""
    stage, overrides = arguments[0], arguments[1:]
    if stage not in COMMANDS:
        raise EtudeError(f'There is no command "{stage}". {closest(stage, COMMANDS)}')
    if stage in PLAIN:
        return PLAIN[stage].run(*parse(stage, overrides))
    if stage == "verify":
        from etude.runs.arithmetic import compare
        from etude.runs.verify import verify

        if overrides not in ([], ["record=true"]):
            raise EtudeError(f"etude verify takes record=true alone, not {' '.join(overrides)}.")
        root = require_project()
        status = verify(root)
        print(compare(root, Settings.from_params(root / "params.yaml"), bool(overrides))[1])
        return status
    if stage == "rebuild":
        from etude.runs.rebuild import rebuild

        return rebuild(require_project(), _jobs(overrides))
    return _compose_and_run(stage, overrides)


def _jobs(arguments: list[str]) -> int | None:
    """The number after ``jobs=``; None: one for each CPU."""
    if not arguments:
        return None
    key, _, value = arguments[0].partition("=")
    if len(arguments) > 1 or key != "jobs" or not ((value.isdecimal() and int(value) > 0) or value == ""):
        raise EtudeError(f"etude rebuild takes jobs=N, a whole number of at least 1, not {' '.join(arguments)}.")
    return int(value) if value else None


def _compose_and_run(stage: str, overrides: list[str]) -> int:
    import hydra
    from omegaconf import DictConfig

    from etude.config.compile import composing

    root = working_root()
    overrides = [quote_text(place_override(override, stage)) for override in overrides]
    many = any(flag in overrides for flag in ("-m", "--multirun"))
    if many:  # Hydra accepts it only before the first key
        overrides = ["-m", *(override for override in overrides if override not in ("-m", "--multirun"))]
    given = [override for override in overrides if not override.startswith("-") and "=" in override]
    own_melody = stage == "harmonize" and any(key in FILES for key in (part.partition("=")[0] for part in given))
    apart = any(override.startswith("session.shard=") for override in given)  # each run works on a shard of its own
    by_hand = COMMANDS[stage].by_hand and not own_melody
    if many and not by_hand and stage != "all" and not apart:
        raise EtudeError(
            f"etude {stage} -m: every run would write the same folder. -m is for: {', '.join(BY_HAND)}; and for the "
            "shards of a data stage, as in session.shard=range(0,16) (docs/scale.md)."
        )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # the exceptions come here, where they become sentences
    launch = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{stage}-{os.getpid()}"
    os.environ["ETUDE_LAUNCH"] = str(root / "runs" / launch) if by_hand else str(root / "runs" / "log" / stage)

    faults: list[EtudeError] = []

    def job(config: DictConfig) -> None:
        try:
            run_job(stage, root, config)
        except EtudeError as error:
            if many:  # perhaps in another process
                raise
            faults.append(error)  # raised here, Hydra would print a line of its own

    with composing():
        check_overrides(conf_folder(root), given)
        parent = _parent(stage, root, launch, overrides) if many and stage == "train" else None
        sys.argv = [f"etude {stage}", *overrides]
        status = "FAILED"
        try:
            hydra.main(version_base="1.3", config_path=str(conf_folder(root)), config_name="cli")(job)()
            status = "FINISHED"
        finally:
            if parent is not None:
                from etude.tracking import finish_parent

                finish_parent(Session(root=root), parent, status)
    if faults:
        raise faults[0]
    return 0


def _parent(stage: str, root: Path, launch: str, overrides: list[str]) -> str:
    from etude.tracking import start_parent

    swept = " ".join(override for override in overrides if "=" in override)
    return start_parent(Session(root=root), launch, {"etude.overrides": swept})


def run_job(stage: str, root: Path, config: Any) -> None:
    """Run one job: check the composed settings, and run the stage once for each of its names."""
    from hydra.core.hydra_config import HydraConfig

    from etude.config.compile import compose_values

    values = compose_values(config)
    own = check(values.pop("session"), dict, "session")
    own["profiler"] = check(values["trainer"].pop("profiler"), Profiler | None, "trainer.profiler")
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
    by_hand = COMMANDS[stage].by_hand and files == HarmonizeFiles()
    out = Path(HydraConfig.get().runtime.output_dir) if by_hand else None
    named = own.pop("run", None)
    run = Path(named).resolve() if named else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"session.run = {run}: there is no such folder. Manual runs are kept under runs/.")
    own = {name: value for name, value in own.items() if value is not None}  # null: Session's default
    task = HydraConfig.get().overrides.task
    swept = " ".join(part for part in task if not part.startswith(("experiment=", "model=")))
    place = run if stage != "train" and run else out
    session = construct(Session, own, "session", root=root, out=place, run=run, overrides=swept)
    if stage == "all":
        from etude.runs import literature, pipeline

        page = pipeline.run(settings, session)
        print(f"etude: the report is {page.relative_to(root)}")
        name = HydraConfig.get().runtime.choices.get("experiment")
        folder = page.parents[1]
        as_written = all(part == f"experiment={name}" or part.startswith("session.") for part in task)
        if name == "full" and as_written:
            print(f"etude: the results are {pipeline.keep_results(root, folder).relative_to(root)}")
        if name and (protocol := literature.protocol(root, name)) is not None:
            inside = replace(session, out=folder, run=folder)
            made = literature.run(settings, inside, name, protocol, as_written)
            print(f"etude: the figures are {made.relative_to(root)}")
        return
    if folds is not None:
        from etude.runs import cross_validation

        print(f"etude: wrote {cross_validation.run(settings, session, folds).relative_to(root)}")
        return
    if files != HarmonizeFiles():
        from etude.tasks.harmonize_file import harmonize_file

        print(f"etude: harmonize wrote {' and '.join(map(str, harmonize_file(settings, session, files)))}")
        return
    run_one = importlib.import_module(f"etude.stages.{stage}").run
    if given != GivenPiece():
        from etude.runs.given_piece import generate_given

        run_one = partial(generate_given, given=given)
    for name in names_for(stage, values):
        made = run_one(settings, session, *([name] if name else []))
        if made is not None:
            written = Path(made).relative_to(root) if Path(made).is_relative_to(root) else Path(made)
            print(f"etude: {stage} {name or ''} wrote {written}".replace("  ", " "))
            if stage == "train":
                if session.profiler is not None and out is not None:
                    print(f"etude: the profile is in {(out / 'profile').relative_to(root)}")
                print(f"etude: use it with: etude generate model={name} session.run={written.parents[1]}")
