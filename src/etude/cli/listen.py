"""``etude listen``: its keys, checked, and the functions of the room ``listening`` that they call."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.core.errors import EtudeError, closest

KEYS = {
    "build": (
        *("models", "pieces", "prompts", "prompt_bars", "seconds", "real", "pairs", "ratings", "repeats", "questions"),
        *("consent", "contact", "seed", "session.run", "output", "overwrite"),
    ),
    "serve": ("page", "port", "host", "names", "answers"),
    "analyse": ("answers", "key", "output"),
}


def run(words: Sequence[str], keys: Mapping[str, str]) -> int:
    """Run ``etude listen build``, ``serve`` or ``analyse``. Returns the exit status."""
    if not words or words[0] not in KEYS:
        given = words[0] if words else ""
        raise EtudeError(f"etude listen {given}".rstrip() + f": what is to be done? {closest(given, KEYS)}")
    for key in keys:
        if key not in KEYS[words[0]]:
            raise EtudeError(f'etude listen {words[0]} has no key "{key}". {closest(key, KEYS[words[0]])}')
    given_keys = {key: value for key, value in keys.items() if value}
    return {"build": _build, "serve": _serve, "analyse": _analyse}[words[0]](given_keys)


def _whole_number(keys: Mapping[str, str], key: str, least: int, most: int) -> int | None:
    text = keys.get(key)
    if text is not None and not (text.isdecimal() and least <= int(text) <= most):
        raise EtudeError(f"{key} = {text} must be a whole number from {least} to {most}.")
    return None if text is None else int(text)


def _path(keys: Mapping[str, str], key: str) -> Path | None:
    return Path(keys[key]).expanduser() if key in keys else None


def _build(keys: Mapping[str, str]) -> int:
    from etude.config.compile import settings_of
    from etude.listening.build import COMMAND, PROMPT_BARS, Request, build, read_questions, warn_long
    from etude.listening.design import Shape

    if "models" not in keys:
        raise EtudeError(f"etude listen build needs models, as in: {COMMAND}")
    if keys.get("overwrite", "true") not in ("true", "false"):
        raise EtudeError(f"overwrite = {keys['overwrite']} must be true or false.")
    try:
        seconds = float(keys["seconds"]) if "seconds" in keys else None
    except ValueError:
        seconds = math.nan
    if seconds is not None and not math.isfinite(seconds):
        raise EtudeError(f"seconds = {keys['seconds']} must be a number.")
    run = Path(keys["session.run"]).resolve() if "session.run" in keys else None
    if run is not None and not run.is_dir():
        raise EtudeError(f"session.run = {run}: there is no such folder. Manual runs are kept under runs/.")
    questions = _path(keys, "questions")
    repeats, seed = _whole_number(keys, "repeats", 0, 20), _whole_number(keys, "seed", 0, 2**32 - 1)
    shape = Shape(
        _whole_number(keys, "pairs", 1, 20),
        _whole_number(keys, "ratings", 1, 20),
        repeats,
        read_questions(questions) if questions else (),
    )
    request = Request(
        keys["models"],
        _path(keys, "output") or Path("listen.html"),
        keys.get("prompts"),
        _whole_number(keys, "prompt_bars", 1, 64) or PROMPT_BARS,
        _whole_number(keys, "pieces", 1, 1000),
        seconds,
        Request.seed if seed is None else seed,
        keys.get("real", Request.real),
        shape,
        _path(keys, "consent"),
        keys.get("contact", ""),
        keys.get("overwrite") == "true",
    )
    session = Session(run=run)
    built = build(settings_of(session.root), session, request)
    for name, count in built.passed_over.items():
        if count:
            print(f"{name}: {count} pieces were too short for a clip, and others were taken.", file=sys.stderr)
    if long := warn_long(built):
        print(long, file=sys.stderr)
    print(
        f"etude: listen wrote {built.page} ({built.megabytes:.1f} MB, {built.clips} clips; {built.pages} pages and "
        f"about {built.minutes:.0f} minutes for a listener) and {built.key}, which listeners must not see"
    )
    print(f"etude: send the page as it is, or serve it with: etude listen serve page={built.page}")
    return 0


def _serve(keys: Mapping[str, str]) -> int:
    from etude.listening.server import HOST, PORT, serve

    port = _whole_number(keys, "port", 1, 65535) or PORT
    names = [name.strip() for name in keys.get("names", "").split(",") if name.strip()]
    page, answers = _path(keys, "page") or Path("listen.html"), _path(keys, "answers") or Path("listen.sqlite")
    return serve(page, answers, port, keys.get("host", HOST), names)


def _analyse(keys: Mapping[str, str]) -> int:
    from etude.core.files import write_json, write_text
    from etude.listening.analysis import Key, analyse, main_figures, objective_measures
    from etude.listening.tables import SIMULATED, markdown
    from etude.tracking.study import log_study

    if "answers" not in keys:
        raise EtudeError("etude listen analyse needs answers, as in: etude listen analyse answers=listen.sqlite")
    session = Session()
    key = Key.read(_path(keys, "key") or Path("listen.key.json"))
    answers = _path(keys, "answers")
    assert answers is not None
    output = _path(keys, "output") or session.write(catalog.LISTEN)
    if output.suffix != ".json" or output.is_dir():
        raise EtudeError(f"output = {output} must name a file that ends in .json.")
    found = analyse(key, answers, objective_measures(session, key.systems))
    text = markdown(found)
    write_json(output, found)
    write_text(output.with_suffix(".md"), text)
    note = SIMULATED if found["simulated"] else f"A listening test of {', '.join(key.systems)}."
    log_study(session, found["test"], [output, output.with_suffix(".md")], main_figures(found), note)
    print(text, end="")
    print(f"\netude: wrote {output} and {output.with_suffix('.md')}", file=sys.stderr)
    return 0
