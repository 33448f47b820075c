"""Commands that compose no settings of conf/: their keys, checked, and the functions that they call."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from etude.artifacts.context import Session
from etude.core.errors import EtudeError, closest


@dataclass(frozen=True)
class Plain:
    """A command: its ``keys`` with what each means, whether words without a key are taken, and its function."""

    run: Callable[[list[str], Mapping[str, str]], int]
    keys: Mapping[str, str]
    words: str = ""  # what they are; "": none are taken


def parse(name: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words and keys of a command line. Raises EtudeError for a key that the command does not have."""
    plain = PLAIN[name]
    words, keys = [], {}
    for argument in arguments:
        key, given, value = argument.partition("=")
        if given and key in plain.keys:
            keys[key] = value
        elif given and not plain.words:
            raise EtudeError(f'etude {name} has no key "{key}". {closest(key, plain.keys)}')
        elif argument.startswith("-") or not plain.words:
            raise EtudeError(f"etude {name} does not take {argument}. See: etude {name} --help")
        else:
            words.append(argument)
    return words, keys


def help_of(name: str, what: str) -> str:
    """The help of a command."""
    plain = PLAIN[name]
    usage = " ".join(filter(None, (f"etude {name}", plain.words, *(f"[{key}=...]" for key in plain.keys))))
    width = max(map(len, plain.keys), default=0)
    lines = [f"    {key:{width}}  {meaning}" for key, meaning in plain.keys.items()]
    return "\n".join([usage, "", what, "", *lines])


def _number(keys: Mapping[str, str], key: str, default: int) -> int:
    text = keys.get(key) or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise EtudeError(f"{key} = {text} must be a whole number from 1 to 65535.")
    return int(text)


def _ui(words: list[str], keys: Mapping[str, str]) -> int:
    port = _number(keys, "port", 5000)
    from etude.tracking.ui import show

    return show(Session(), port)


def _compare(words: list[str], keys: Mapping[str, str]) -> int:
    if not words:
        raise EtudeError("etude compare needs runs: pipeline, folders below runs/, or ids of MLflow's runs.")
    pieces = _number(keys, "pieces", 4)
    session = Session()
    from etude.config.sections import Settings
    from etude.runs.compare import compare

    settings = Settings.from_params(session.root / "params.yaml")
    output = Path(keys["output"]) if keys.get("output") else session.root / "runs" / "compare.html"
    models = [name for name in keys.get("model", "").split(",") if name]
    made = compare(settings, session, words, models, pieces, output)
    print(f"etude: compare wrote {made}")
    return 0


def _log_model(words: list[str], keys: Mapping[str, str]) -> int:
    if not keys.get("model"):
        raise EtudeError("etude log-model needs a model: etude log-model model=lstm")
    run = Path(keys["run"]).resolve() if keys.get("run") else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"run = {run}: there is no such folder. Manual runs are kept under runs/.")
    session = Session(run=run)
    from etude.tracking.logged_model import log_model
    from etude.tracking.server import server

    address = log_model(session, keys["model"])
    serve = f"mlflow models serve -m {address} --env-manager local --host 127.0.0.1 --port 5001"
    print(f"etude: log-model logged {address}; serve it on 127.0.0.1:5001 with:")
    print(f"MLFLOW_TRACKING_URI={server(session).shown} {serve}")
    return 0


PLAIN = {
    "ui": Plain(_ui, {"port": "of 127.0.0.1 (default: 5000)"}),
    "compare": Plain(
        _compare,
        {
            "model": "of runs with several models, those to show: model=lstm,gan (default: all)",
            "pieces": "samples of each run (default: 4)",
            "output": "the page to write (default: runs/compare.html)",
        },
        "RUN ...",
    ),
    "log-model": Plain(
        _log_model,
        {
            "model": "the trained model to log, as model=lstm",
            "run": "a folder below runs/ to take it from (default: the pipeline's)",
        },
    ),
}
