"""The command ``etude``: one subcommand a stage, Hydra overrides after it."""

import importlib
import os
import re
import sys
import typing
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from etude.artifacts.context import Session, project_root
from etude.config.sections import Count, Settings, check, construct
from etude.core.errors import EtudeError, closest
from etude.stages import STAGES
from etude.tasks.continuation import Given
from etude.tasks.harmonize_file import Files

# by hand, these write under runs/, not over the pipeline's results
HAND_RUN = ("train", "generate", "reference", "evaluate", "control", "harmonize", "arrange", "report")
FILES = tuple(field.name for field in fields(Files))  # keys of etude harmonize for a melody of your own
TEXTS = (
    "dataset.path",
    "prime",
    "generate.control.key",
    *(key for key in FILES if key not in ("overwrite", "top_line")),
)  # values that are any text
USAGE = """\
etude: a reproducible laboratory for symbolic music generation

    etude STAGE [key=value ...]     run one stage; the keys are those of conf/ (etude STAGE --cfg job shows them)
    etude STAGE -m key=a,b ...      run it for each combination; trainings become children of one MLflow run
    etude train cv=5 model=lstm     train and test on five folds by tune family in turn; mean and spread
    etude STAGE --help              the groups of settings and their options
    etude STAGE key=value           a key of the stage's own section needs no section before it: etude generate bars=8
    etude all dataset=folder dataset.path=~/my_midi     all stages on your own music, in a folder of its own under runs/
    etude harmonize input=melody.mid output=chorale.mid     write the other voices of a chorale to a melody
    etude verify                    compare results on disk with the committed ones
    dvc repro                       run all stages that are out of date

Stages, in the order of the pipeline:
"""


def main() -> None:
    """Entry point. Known faults are said in one sentence, with exit status 2."""
    try:
        sys.exit(_main(sys.argv[1:]))
    except EtudeError as error:
        print(f"etude: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read the output has seen enough, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        print(
            "etude: interrupted. A training goes on from its last epoch when the same command is given again.",
            file=sys.stderr,
        )
        sys.exit(130)


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        width = max(map(len, STAGES))
        print(USAGE + "\n".join(f"    {name:{width}}  {what}" for name, (what, _) in STAGES.items()))
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"etude {version('etude')}")
        return 0
    stage, overrides = arguments[0], arguments[1:]
    if stage == "verify":
        from etude.runs.verify import verify

        return verify(project_root())
    if stage not in (*STAGES, "all"):
        raise EtudeError(f'There is no stage "{stage}". {closest(stage, [*STAGES, "all", "verify"])}')
    return _compose_and_run(stage, overrides)


def _compose_and_run(stage: str, overrides: list[str]) -> int:
    import hydra
    from omegaconf import DictConfig

    from etude.config.compile import composing

    root = project_root()
    overrides = [quoted(placed(override, stage)) for override in overrides]
    many = any(flag in overrides for flag in ("-m", "--multirun"))
    if many:  # Hydra takes it before the first key only
        overrides = ["-m", *(override for override in overrides if override not in ("-m", "--multirun"))]
    given = [override for override in overrides if not override.startswith("-") and "=" in override]
    own_melody = stage == "harmonize" and any(key in FILES for key in (part.partition("=")[0] for part in given))
    apart = any(override.startswith("session.shard=") for override in given)  # each run works on a shard of its own
    by_hand = stage in HAND_RUN and not own_melody
    if many and not by_hand and stage != "all" and not apart:
        raise EtudeError(
            f"etude {stage} -m: every run would write the same folder. -m is for: {', '.join(HAND_RUN)}; and for the "
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
            faults.append(error)  # Hydra would say in a line of its own that there is one

    with composing():
        check_overrides(root / "conf", given)
        parent = _parent(stage, root, launch, overrides) if many and stage == "train" else None
        sys.argv = [f"etude {stage}", *overrides]
        status = "FAILED"
        try:
            hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="cli")(job)()
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
    """One job: the composed settings, checked; the stage once for each of its variants."""
    from hydra.core.hydra_config import HydraConfig

    from etude.config.compile import composed

    values = composed(config)
    own = check(values.pop("session"), dict, "session")
    folds = check(values.pop("cv"), Count | None, "cv")
    if folds is not None and stage != "train":
        raise EtudeError(
            f"cv = {folds} is for training: etude train cv={folds} model=... (etude {stage} has no folds)."
        )
    kinds = typing.get_type_hints(Files)
    files = Files(**{key: check(values.pop(key), kinds[key], key) for key in FILES})
    if stage != "harmonize" and files != Files():
        raise EtudeError(f"{', '.join(FILES)} are of etude harmonize alone, not of etude {stage}.")
    kinds = typing.get_type_hints(Given)
    given = Given(**{key: check(values.pop(key), kinds[key], key) for key in kinds})
    if stage != "generate" and given != Given():
        raise EtudeError(f"{', '.join(kinds)} are of etude generate alone, not of etude {stage}.")
    settings = Settings.of(values)
    by_hand = stage in HAND_RUN and files == Files()
    out = Path(HydraConfig.get().runtime.output_dir) if by_hand else None
    named = own.pop("run", None)
    run = Path(named).resolve() if named else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"session.run = {run}: there is no such folder. Runs by hand are kept under runs/.")
    own = {name: value for name, value in own.items() if value is not None}  # null: what Session says
    told = " ".join(part for part in HydraConfig.get().overrides.task if not part.startswith(("experiment=", "model=")))
    place = run if stage != "train" and run else out
    session = construct(Session, own, "session", root=root, out=place, run=run, overrides=told)
    if stage == "all":
        from etude.runs import literature as experiments
        from etude.runs import pipeline as everything

        page = everything.run(settings, session)
        print(f"etude: the report is {page.relative_to(root)}")
        name = HydraConfig.get().runtime.choices.get("experiment")
        if name and (plan := experiments.protocol(root, name)) is not None:
            folder = page.parents[1]
            inside = replace(session, out=folder, run=folder)
            as_written = all(part == f"experiment={name}" for part in HydraConfig.get().overrides.task)
            made = experiments.run(settings, inside, name, plan, as_written)
            print(f"etude: the figures are {made.relative_to(root)}")
        return
    if folds is not None:
        from etude.runs import cross_validation

        print(f"etude: wrote {cross_validation.run(settings, session, folds).relative_to(root)}")
        return
    if files != Files():
        from etude.tasks.harmonize_file import harmonize_file

        print(f"etude: harmonize wrote {' and '.join(map(str, harmonize_file(settings, session, files)))}")
        return
    module = importlib.import_module(f"etude.stages.{stage}")
    section = STAGES[stage][1]
    for name in values[section] if section else [None]:
        made = module.run(settings, session, *([name] if name else []), *([given] if stage == "generate" else []))
        if made is not None:
            written = Path(made).relative_to(root) if Path(made).is_relative_to(root) else Path(made)
            print(f"etude: {stage} {name or ''} wrote {written}".replace("  ", " "))
            if stage == "train":
                print(f"etude: use it with: etude generate model={name} session.run={written.parents[1]}")


def placed(override: str, stage: str) -> str:
    """An override whose key is one of the stage's own section and names no section, with the section before it."""
    kinds = typing.get_type_hints(Settings)
    key, given, value = override.partition("=")
    if stage == "generate" and key == "bars" and re.fullmatch(r"\d+-\d+", value):  # of a piece that is brought
        return f"fill={value}"
    if stage == "generate" and key.startswith("control."):
        return f"generate.{override}"
    own = [field.name for field in fields(kinds[stage])] if hasattr(kinds.get(stage), "__dataclass_fields__") else []
    return f"{stage}.{override}" if given and key in own and key not in kinds else override


def quoted(override: str) -> str:
    """An override with the text that it gives in quotes: Hydra's grammar takes no ``~``, spaces or accents."""
    key, given, value = override.partition("=")
    if key.lstrip("+") not in TEXTS or not given or value == "null" or value[:1] in ("'", '"'):
        return override
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"


def check_overrides(conf: Path, overrides: list[str]) -> None:
    """Raise EtudeError, with the closest match, for an option or a key that conf/ does not have."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Sweep
    from omegaconf import OmegaConf

    groups = {
        folder.name: {file.stem for file in folder.glob("*.yaml")} for folder in conf.iterdir() if folder.is_dir()
    }
    parsed = OverridesParser.create().parse_overrides(overrides)
    first = []
    for override in parsed:
        if override.key_or_group not in groups:
            continue
        if override.value() is None:
            if override.key_or_group != "experiment":
                group = override.key_or_group
                raise EtudeError(f"{group}=null leaves no {group} to run with. {closest('', groups[group])}")
            continue
        value = override.value()
        options = (
            list(override.sweep_string_iterator())
            if isinstance(value, Sweep)
            else [override.get_value_element_as_str()]
        )
        for option in options:
            for name in option.strip("[]").split(","):
                if name.strip() and name.strip() != "null" and name.strip() not in groups[override.key_or_group]:
                    group = override.key_or_group
                    raise EtudeError(
                        f'There is no {group} "{name.strip()}" in conf/{group}/. {closest(name, groups[group])}'
                    )
        first.append(f"{override.key_or_group}={options[0]}")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf.resolve()), version_base="1.3"):
        config = compose("cli", overrides=first)
    known = _paths(OmegaConf.to_container(config, resolve=False), "")
    for override in parsed:
        key = override.key_or_group
        added = override.is_add() or override.is_force_add() or override.is_delete()
        if (
            key in groups
            or (key.split(".")[0].split("/")[0] in ("hydra", *groups) and key not in known and "/" in key)
            or added
        ):
            continue
        if key.split(".")[0] != "hydra" and key not in known:
            raise EtudeError(f'There is no setting "{key}" in conf/. {_near(key, known)}')


def _near(key: str, known: list[str]) -> str:
    """The closest keys: by the whole key, or by its last part; else the sections."""
    import difflib

    leaf = key.rpartition(".")[2]
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    near += [name for name in known if difflib.get_close_matches(leaf, [name.rpartition(".")[2]], n=1, cutoff=0.75)][:3]
    if near:
        return f"Did you mean {' or '.join(dict.fromkeys(near))}?"
    return f"There are the sections: {', '.join(sorted({name.split('.')[0] for name in known}))}."


def _paths(values: Any, front: str) -> list[str]:
    if not isinstance(values, dict):
        return []
    found = []
    for name, value in values.items():
        found += [f"{front}{name}", *_paths(value, f"{front}{name}.")]
    return found
