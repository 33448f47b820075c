"""``etude listen``: its keys, checked, and the functions of the room ``listening`` that they call."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.cli.values import listed, number, overwrite, path, run_folder, whole_number
from etude.core.errors import EtudeError, closest

KEYS = {
    "build": (
        *("models", "pieces", "prompts", "prompt_bars", "seconds", "real", "pairs", "ratings", "repeats", "questions"),
        *("consent", "contact", "seed", "session.run", "output", "overwrite"),
    ),
    "serve": ("page", "port", "host", "names", "answers"),
    "analyse": ("answers", "key", "output", "overwrite"),
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


def _build(keys: Mapping[str, str]) -> int:
    from etude.config.compile import settings_of
    from etude.listening.build import COMMAND, PROMPT_BARS, Request, build, read_questions, warn_long
    from etude.listening.design import LONGEST, SHORTEST, Shape

    if "models" not in keys:
        raise EtudeError(f"etude listen build needs models, as in: {COMMAND}")
    questions = path(keys, "questions")
    seed = whole_number(keys, "seed", 2**32 - 1, least=0)
    shape = Shape(
        whole_number(keys, "pairs", 20),
        whole_number(keys, "ratings", 20),
        whole_number(keys, "repeats", 20, least=0),
        read_questions(questions) if questions else (),
    )
    request = Request(
        keys["models"],
        path(keys, "output") or Path("listen.html"),
        keys.get("prompts"),
        whole_number(keys, "prompt_bars", 64) or PROMPT_BARS,
        whole_number(keys, "pieces", 1000),
        number(keys, "seconds", SHORTEST, LONGEST),
        Request.seed if seed is None else seed,
        keys.get("real", Request.real),
        shape,
        path(keys, "consent"),
        keys.get("contact", ""),
        overwrite(keys),
    )
    session = Session(run=run_folder(keys))
    built = build(settings_of(session.root), session, request)
    for note in built.notes:
        print(note, file=sys.stderr)
    if long := warn_long(built):
        print(long, file=sys.stderr)
    print(
        f"etude: listen wrote {built.page} ({built.megabytes:.1f} MB, {built.clips} clips of {built.seconds[0]:.3g} to "
        f"{built.seconds[1]:.3g} seconds; {built.pages} pages and about {built.minutes:.0f} minutes for a listener) "
        f"and {built.key}, which listeners must not see"
    )
    print(f"etude: send the page as it is, or serve it with: etude listen serve page={built.page}")
    return 0


def _serve(keys: Mapping[str, str]) -> int:
    from etude.listening.server import HOST, PORT, serve

    port = whole_number(keys, "port", 65535) or PORT
    page, answers = path(keys, "page") or Path("listen.html"), path(keys, "answers") or Path("listen.sqlite")
    return serve(page, answers, port, keys.get("host", HOST), listed(keys, "names"))


def _analyse(keys: Mapping[str, str]) -> int:
    from etude.core.files import write_json, write_text
    from etude.listening.analysis import Key, analyse, main_figures, objective_measures
    from etude.listening.tables import SIMULATED, markdown, summary
    from etude.tracking.study import log_study

    if "answers" not in keys:
        raise EtudeError("etude listen analyse needs answers, as in: etude listen analyse answers=listen.sqlite")
    session = Session()
    key = Key.read(path(keys, "key") or Path("listen.key.json"))
    answers = path(keys, "answers")
    assert answers is not None
    output = path(keys, "output") or session.write(catalog.LISTEN)
    if output.suffix != ".json" or output.is_dir():
        raise EtudeError(f"output = {output} must name a file that ends in .json.")
    _check_replaced(output, path(keys, "key") or Path("listen.key.json"), answers, key.test.id, overwrite(keys))
    found = analyse(key, answers, objective_measures(session, key.systems))
    text = markdown(found)
    write_json(output, found)
    write_text(output.with_suffix(".md"), text)
    note = SIMULATED if found["simulated"] else f"A listening test of {', '.join(key.systems)}."
    log_study(session, found["test"], [output, output.with_suffix(".md")], main_figures(found), note)
    print(summary(found))
    print(f"\netude: wrote {output} and, with all tables, {output.with_suffix('.md')}", file=sys.stderr)
    return 0


def _check_replaced(output: Path, key: Path, answers: Path, test: str, allowed: bool) -> None:
    """Raise EtudeError where the output would be among what is read, or replace what is no analysis of the test."""
    files = (output, output.with_suffix(".md"))
    top = answers.resolve()
    if any(file.resolve() == key.resolve() or top in (file.resolve(), *file.resolve().parents) for file in files):
        raise EtudeError(f"output = {output} is the key, or lies in the answers. Name another place.")
    there = [file for file in files if file.exists()]
    if not there or allowed:
        return
    try:
        found = json.loads(output.read_text(encoding="utf-8"))
        if found["test"] == test and "strengths" in found:
            return  # the same test, with more answers
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise EtudeError(
        f"{' and '.join(map(str, there))} would be replaced, which is no analysis of this test. Name another output=, "
        "or give overwrite=true."
    )
