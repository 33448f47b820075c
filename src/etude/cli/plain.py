"""Commands that compose no settings of conf/: their words and keys, checked, and the functions that they call."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from etude.artifacts.context import Session
from etude.cli.commands import COMMANDS
from etude.cli.values import listed, number, overwrite, path, run_folder, truth, whole_number
from etude.core.errors import EtudeError, closest
from etude.core.project import dvc_runs, require_project


@dataclass(frozen=True)
class Plain:
    """A command: its function, which gets words and keys and gives the exit status, and how many words it takes."""

    run: Callable[[Sequence[str], Mapping[str, str]], int]
    words: int = 0


def parse(name: str, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words and keys of a command line. Raises EtudeError for what the command does not take."""
    known = [key.partition("=")[0] for key in COMMANDS[name].own if "=" in key]
    words: list[str] = []
    keys: dict[str, str] = {}
    for argument in arguments:
        key, given, value = argument.partition("=")
        if given and key in known:
            keys[key] = value
        elif given and known:
            raise EtudeError(f'etude {name} has no key "{key}". {closest(key, known)}')
        elif argument.startswith("-") or len(words) == PLAIN[name].words:
            raise EtudeError(f"etude {name} does not take {argument}. See: etude {name} --help")
        else:
            words.append(argument)
    return words, keys


def _ui(words: Sequence[str], keys: Mapping[str, str]) -> int:
    port = whole_number(keys, "port", 65535) or 5000
    from etude.tracking.ui import show

    return show(Session(), port)


def _verify(words: Sequence[str], keys: Mapping[str, str]) -> int:
    if keys.get("record", "true") != "true":
        raise EtudeError(f"record = {keys['record']} must be true, or be left out.")
    from etude.config.sections import Settings
    from etude.runs.arithmetic import compare
    from etude.runs.verify import verify

    root = require_project()
    status = verify(root)
    print(compare(root, Settings.from_params(root / "params.yaml"), "record" in keys)[1])
    return status


def _rebuild(words: Sequence[str], keys: Mapping[str, str]) -> int:
    jobs = whole_number(keys, "jobs", 1024)
    root = require_project()
    if not dvc_runs(root):
        raise EtudeError(
            f"{root} is no git repository, and DVC, by which etude rebuild works, needs one. Make one with "
            "git init and go on, or run everything without DVC, into a folder below runs/, with: etude all"
        )
    from etude.runs.rebuild import rebuild

    return rebuild(root, jobs)


def _report_sweep(words: Sequence[str], keys: Mapping[str, str]) -> int:
    """Write the table of a sweep again, and print it."""
    from etude.runs import sweep_report
    from etude.tracking import add_to_parent

    session = Session()
    folder = sweep_report.find(session, words[0] if words else None)
    page = sweep_report.write(folder)
    add_to_parent(session, folder.name, page)
    print(page.read_text(encoding="utf-8"), end="")
    shown = page.relative_to(session.root) if page.is_relative_to(session.root) else page
    print(f"\netude: wrote {shown}", file=sys.stderr)
    return 0


def _compare(words: Sequence[str], keys: Mapping[str, str]) -> int:
    if not words:
        raise EtudeError("etude compare needs runs: pipeline, folders below runs/, or ids of MLflow's runs.")
    pieces = whole_number(keys, "pieces", 1000) or 4
    session = Session()
    from etude.config.compile import settings_of
    from etude.runs.compare import compare

    output = path(keys, "output") or session.root / "runs" / "compare.html"
    if output.suffix.lower() not in (".html", ".htm") or output.is_dir():
        raise EtudeError(f"output = {output} must name a file that ends in .html.")
    models = [name for name in keys.get("model", "").split(",") if name]
    print(f"etude: compare wrote {compare(settings_of(session.root), session, words, models, pieces, output)}")
    return 0


def _originality(words: Sequence[str], keys: Mapping[str, str]) -> int:
    for key in ("pieces", "reference"):
        if not keys.get(key):
            raise EtudeError(f"{key} is not set, as in: etude originality pieces=my_samples reference=train_pieces")
        path(keys, key)  # one that no system knows costs no work
    limit = number(keys, "threshold", 0, 1)
    window = whole_number(keys, "window", 1024, least=8)
    from etude.core.files import write_json
    from etude.runs.score_sets import copies_as_text, find_copies, output_place

    session = Session()
    output = output_place(keys.get("output"), (".json",), overwrite(keys))
    from etude.config.compile import settings_of

    settings = settings_of(session.root)
    window = window or settings.evaluate.window
    settings = replace(settings, evaluate=replace(settings.evaluate, window=window))
    found = find_copies(settings, session, keys["pieces"], keys["reference"], keys.get("real"), limit)
    print(copies_as_text(found))
    if output is not None:
        write_json(output, found, sealed=False)
        print(f"etude: originality wrote {output}", file=sys.stderr)
    return int(any(piece["flagged"] for piece in found["copies"]["pieces"]))


def _log_model(words: Sequence[str], keys: Mapping[str, str]) -> int:
    if not keys.get("model"):
        raise EtudeError("etude log-model needs a model: etude log-model model=lstm")
    session = Session(run=run_folder(keys))
    from etude.tracking.logged_model import log_model
    from etude.tracking.server import server

    address = log_model(session, keys["model"])
    serve = f"mlflow models serve -m {address} --env-manager local --host 127.0.0.1 --port 5001"
    print(f"etude: log-model logged {address}; serve it on 127.0.0.1:5001 with:")
    print(f"MLFLOW_TRACKING_URI={server(session).shown} {serve}")
    return 0


def _listen(words: Sequence[str], keys: Mapping[str, str]) -> int:
    from etude.cli.listen import run

    return run(words, keys)


def _live(words: Sequence[str], keys: Mapping[str, str]) -> int:
    from etude.cli.live import run

    return run(words, keys)


def _studio(words: Sequence[str], keys: Mapping[str, str]) -> int:
    port = whole_number(keys, "port", 65535)
    open_page = truth(keys, "open", True)
    from etude.studio.server import HOST, PORT, serve

    session = Session(run=run_folder(keys), progress=False)
    from etude.config.compile import settings_of

    settings, token = settings_of(session.root), keys.get("token") or None
    return serve(settings, session, keys.get("host") or HOST, port or PORT, token, open_page, listed(keys, "names"))


PLAIN = {
    "live": Plain(_live),
    "listen": Plain(_listen, words=1),
    "log-model": Plain(_log_model),
    "compare": Plain(_compare, words=64),
    "originality": Plain(_originality),
    "studio": Plain(_studio),
    "ui": Plain(_ui),
    "verify": Plain(_verify),
    "rebuild": Plain(_rebuild),
    "sweep-report": Plain(_report_sweep, words=1),
}
