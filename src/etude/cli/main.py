"""The commands that run something: one a stage, Hydra overrides after it."""

import os
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from etude.cli.commands import BY_HAND, COMMANDS
from etude.cli.launch import OURS, Launch
from etude.cli.overrides import GIVEN, check_overrides, drop_nulls, place_override, quote_text, take_flags, take_style
from etude.cli.plain import PLAIN, parse
from etude.core.errors import EtudeError, closest
from etude.core.machine_faults import require_limits
from etude.core.project import conf_folder, find_project, own_temporary, working_root
from etude.core.signals import ending
from etude.tasks.requests import keys_of


def run_command(arguments: list[str]) -> int:
    """Run a command with its arguments. Returns the exit status."""
    stage, overrides = arguments[0], arguments[1:]
    if stage not in COMMANDS:
        raise EtudeError(f'There is no command "{stage}". {closest(stage, COMMANDS)}')
    if stage in PLAIN:
        return PLAIN[stage].run(*parse(stage, overrides))
    return _compose_and_run(stage, overrides)


def _compose_and_run(stage: str, overrides: list[str]) -> int:
    import hydra

    from etude.config.compile import composing

    require_limits()
    root = working_root()
    overrides, style = take_style(overrides, stage)
    if style is not None:  # Hydra finds it as the only option of a group in a folder of its own
        with TemporaryDirectory() as folder:
            file = Path(folder, "style", f"{GIVEN}.yaml")
            file.parent.mkdir()
            file.write_text(yaml.safe_dump(style, sort_keys=False, allow_unicode=True), encoding="utf-8")
            return _compose_and_run(stage, [*overrides, f"hydra.searchpath=['file://{folder}']"])
    flags, overrides = take_flags(
        [quote_text(place_override(override, stage), stage) for override in drop_nulls(overrides)]
    )
    overrides = [*COMMANDS[stage].presets, *overrides]
    given = [override for override in overrides if not override.startswith("-") and "=" in override]
    keys = {part.partition("=")[0] for part in given}
    own_files = stage != "generate" and bool(keys & {*keys_of(stage)})
    apart = any(override.startswith("session.shard=") for override in given)  # each run works on a shard of its own
    by_hand = COMMANDS[stage].by_hand and not own_files
    if flags.many and not by_hand and stage != "all" and not apart:
        raise EtudeError(
            f"etude {stage} -m: every run would write the same folder. -m is for: {', '.join(BY_HAND)}; and for the "
            "shards of a data stage, as in session.shard=range(0,16) (docs/scale.md)."
        )
    os.environ["HYDRA_FULL_ERROR"] = "1"  # the exceptions come here, where they become sentences
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{stage}-{os.getpid()}"
    kept = root if find_project(root) else own_temporary()  # Hydra's notes
    os.environ["ETUDE_LAUNCH"] = str(root / "runs" / name if by_hand else kept / "runs" / "log" / stage)
    launch = Launch(stage, root, flags.many, " ".join(given))
    with composing():
        composed = check_overrides(conf_folder(root), given, flags.config_dir)
        if not flags.many and composed.hydra.sweeper.params:
            raise EtudeError(f"hparams={composed.hydra.runtime.choices.hparams} is for sweeps: etude {stage} -m ...")
        sys.argv = [f"etude {stage}", *flags.for_hydra, *overrides]
        status = "FAILED"
        try:
            if flags.many and not str(composed.hydra.sweeper._target_).startswith(OURS):
                launch.start()
            hydra.main(version_base="1.3", config_path=str(conf_folder(root)), config_name="cli")(launch)()
            status = "FINISHED"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit) or ending() is not None:
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
