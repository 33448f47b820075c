"""The command ``etude``: one subcommand a stage, Hydra overrides after it."""

import os
import sys
from datetime import datetime
from pathlib import Path

from etude.cli.commands import BY_HAND, COMMANDS, USAGE
from etude.cli.job import FILES
from etude.cli.launch import OURS, Launch
from etude.cli.overrides import check_overrides, place_override, quote_text, take_flags
from etude.config.sections import Settings
from etude.core.errors import EtudeError, closest
from etude.core.project import project_root

PLAIN = {"verify": "record=true", "rebuild": "jobs=N", "sweep-report": "FOLDER"}  # commands without settings -> usage


def main() -> None:
    """Entry point. A known fault prints one sentence, with exit status 2."""
    try:
        sys.exit(_main(sys.argv[1:]))
    except EtudeError as error:
        print(f"etude: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of the output has closed it, as head does
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
        print(USAGE)
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"etude {version('etude')}")
        return 0
    stage, overrides = arguments[0], arguments[1:]
    if stage not in COMMANDS:
        raise EtudeError(f'There is no command "{stage}". {closest(stage, COMMANDS)}')
    if stage in PLAIN and any(flag in overrides for flag in ("-h", "--help")):
        print(f"etude {stage} [{PLAIN[stage]}]\n\n{COMMANDS[stage].what}")
        return 0
    if stage == "sweep-report":
        return _report_sweep(project_root(), overrides)
    if stage == "verify":
        from etude.runs.arithmetic import compare
        from etude.runs.verify import verify

        if overrides not in ([], ["record=true"]):
            raise EtudeError(f"etude verify takes record=true alone, not {' '.join(overrides)}.")
        root = project_root()
        status = verify(root)
        print(compare(root, Settings.from_params(root / "params.yaml"), bool(overrides))[1])
        return status
    if stage == "rebuild":
        from etude.runs.rebuild import rebuild

        return rebuild(project_root(), _jobs(overrides))
    return _compose_and_run(stage, overrides)


def _jobs(arguments: list[str]) -> int | None:
    """The number after ``jobs=``; None: one for each CPU."""
    if not arguments:
        return None
    key, _, value = arguments[0].partition("=")
    if len(arguments) > 1 or key != "jobs" or not ((value.isdecimal() and int(value) > 0) or value == ""):
        raise EtudeError(f"etude rebuild takes jobs=N, a whole number of at least 1, not {' '.join(arguments)}.")
    return int(value) if value else None


def _report_sweep(root: Path, arguments: list[str]) -> int:
    """Write the table of a sweep again, and print it."""
    from etude.artifacts.context import Session
    from etude.runs import sweep_report
    from etude.tracking import add_to_parent

    if len(arguments) > 1:
        raise EtudeError(f"etude sweep-report takes one folder or parent run, not {' '.join(arguments)}.")
    session = Session(root=root)
    folder = sweep_report.find(session, arguments[0] if arguments else None)
    page = sweep_report.write(folder)
    add_to_parent(session, folder.name, page)
    print(page.read_text(encoding="utf-8"), end="")
    print(f"\netude: wrote {page.relative_to(root) if page.is_relative_to(root) else page}", file=sys.stderr)
    return 0


def _compose_and_run(stage: str, overrides: list[str]) -> int:
    import hydra

    from etude.config.compile import composing

    root = project_root()
    flags, overrides = take_flags([quote_text(place_override(override, stage)) for override in overrides])
    given = [override for override in overrides if not override.startswith("-") and "=" in override]
    own_melody = stage == "harmonize" and any(key in FILES for key in (part.partition("=")[0] for part in given))
    apart = any(override.startswith("session.shard=") for override in given)  # each run works on a shard of its own
    by_hand = COMMANDS[stage].by_hand and not own_melody
    if flags.many and not by_hand and stage != "all" and not apart:
        raise EtudeError(
            f"etude {stage} -m: every run would write the same folder. -m is for: {', '.join(BY_HAND)}; and for the "
            "shards of a data stage, as in session.shard=range(0,16) (docs/scale.md)."
        )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # the exceptions come here, where they become sentences
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{stage}-{os.getpid()}"
    os.environ["ETUDE_LAUNCH"] = str(root / "runs" / name) if by_hand else str(root / "runs" / "log" / stage)
    launch = Launch(stage, root, flags.many, " ".join(given))
    with composing():
        composed = check_overrides(root / "conf", given, flags.config_dir)
        if not flags.many and composed.hydra.sweeper.params:
            raise EtudeError(f"hparams={composed.hydra.runtime.choices.hparams} is for sweeps: etude {stage} -m ...")
        sys.argv = [f"etude {stage}", *flags.for_hydra, *overrides]
        status = "FAILED"
        try:
            if flags.many and not str(composed.hydra.sweeper._target_).startswith(OURS):
                launch.start()
            hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="cli")(launch)()
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        finally:
            launch.finish(status)
    if launch.fault is not None:
        raise launch.fault
    if failures := launch.report_failures():
        print(failures, file=sys.stderr)
        return 1
    return 0
