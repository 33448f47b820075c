"""Two folders of scores compared, without any model: ``etude evaluate pieces=... reference=...`` and originality."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, write_json, write_text
from etude.core.progress import bar
from etude.metrics import originality
from etude.metrics import sets as sets_of_pieces
from etude.metrics.comparison import LONGEST, Measured, Real, Train, compare, describe, describe_copies
from etude.metrics.distance import round_floats
from etude.metrics.notes import Notes, tabulate
from etude.metrics.originality import Copied, Line, Reference
from etude.report.score_sets import score_sets_page
from etude.tasks.requests import ScoreSets
from etude.tasks.score_files import check_place, place_with_ending
from etude.tasks.score_folders import ScoreFolder, read_folder

FEW = 20  # real pieces of a line that a warning comes with
VERBATIM = 1 - 1e-9  # a score above it is a copy, whatever real pieces score
NAMED = 5  # refused files that are named on the terminal
CHUNK = 8  # pieces that a process compares at a time
LINE = 100  # pieces of a reference, each compared with all others, for what real pieces have in common
PIECES = 2  # that a reference has at least


def evaluate_sets(settings: Settings, session: Session, pieces: str, reference: str) -> Json:
    """Compare the scores of a folder with those of another, by every measure that needs no model.

    The reference is split by ``evaluate.seed`` into two halves: pieces are compared with one of them, and so are sets
    of as many pieces of the other half, which shows what the best possible pieces score. Copies are searched in all of
    the reference.

    Args:
        settings: the sections ``evaluate``, and ``ingest`` with the limits of reading.
        session: workers, and whether progress is shown.
        pieces: a folder of scores, or a file.
        reference: the same of real music.

    Returns:
        ``pieces`` and ``reference``: what was read and refused; ``real``, as ``etude.metrics.comparison.describe`` has
        it; ``metrics`` and the parts of ``etude.metrics.comparison``, with ``originality``.

    Raises:
        EtudeError: a folder does not exist or holds no readable score, or the reference has fewer than four.
    """
    how = settings.evaluate
    ours, theirs = (
        read_folder(key, name, settings.ingest, session.progress)
        for key, name in (("pieces", pieces), ("reference", reference))
    )
    names = list(theirs.scores)
    if len(names) < 2 * PIECES:
        raise EtudeError(
            f"reference = {reference} has {len(names)} readable scores. Name a folder with at least {2 * PIECES}: one "
            "half of them is compared with the other."
        )
    order = np.random.default_rng(how.seed).permutation(len(names)).tolist()
    half, rest = (sorted(part) for part in (order[: len(names) // 2], order[len(names) // 2 :]))
    measured = Measured.of(list(theirs.scores.values()), how)
    valid, test = (Measured.of([theirs.scores[names[place]] for place in part], how) for part in (half, rest))
    lines = compare_with_others(measured.points, how, session)
    samples = Measured.of(list(ours.scores.values()), how)
    described = round_floats(describe(test, valid, test, how, len(samples), lines))
    real = Real.of(described)
    found, metrics = compare(samples, real, how)
    places = found.pop("ranks")
    train = Train([(name, name) for name in names], Reference.of(measured.points), len(names))
    copied = compare_in_parallel("searching copies", samples.points, train.reference, how.window, session)
    copies, own = describe_copies(copied, list(ours.scores), train, real.line)
    ranked = [{"file": file, **place} for file, place in zip(ours.scores, places, strict=True)]
    made: Json = round_floats({"metrics": {**metrics, **own}, **found, "originality": copies, "ranks": ranked})
    return {"pieces": _facts(ours), "reference": _facts(theirs), "settings": vars(how), "real": described, **made}


def write_comparison(
    settings: Settings, session: Session, folders: ScoreSets, output: str | None, overwrite: bool
) -> tuple[Path, Path]:
    """Write the page of ``evaluate_sets``, and its numbers as JSON next to it. Returns both paths.

    Args:
        settings: see ``evaluate_sets``.
        session: the project; without ``output`` the page is runs/evaluation.html in it.
        folders: both folders.
        output: the page.
        overwrite: replace existing files.

    Raises:
        EtudeError: see ``evaluate_sets``; or a file cannot be written, or exists.
    """
    default = session.root / "runs" / "evaluation.html"
    if not output:
        default.parent.mkdir(exist_ok=True)
    page = output_place(output or str(default), (".html", ".htm"), overwrite or not output)
    assert page is not None
    numbers = page.with_suffix(".json")
    output_place(str(numbers), (".json",), overwrite or not output)
    found = evaluate_sets(settings, session, str(folders.pieces), str(folders.reference))
    write_json(numbers, found)
    write_text(page, score_sets_page(found))
    print(comparison_as_text(found))
    return page, numbers


def _facts(folder: ScoreFolder) -> Json:
    refused = [{"file": name, "reason": reason} for name, reason in folder.refused]
    return {"read": len(folder.scores), "refused": refused, "same_bytes": folder.twice}


def compare_with_others(points: Notes, settings: Evaluate, session: Session) -> list[Copied]:
    """Compare pieces of a reference, at most ``LINE`` that are drawn by seed, each with all others."""
    chosen = sorted(np.random.default_rng(settings.seed).permutation(len(points))[:LINE].tolist())
    what = "comparing the reference with itself"
    return compare_in_parallel(what, points, Reference.of(points), settings.window, session, chosen)


def compare_in_parallel(
    what: str, points: Notes, reference: Reference, window: int, session: Session, own: Sequence[int] | None = None
) -> list[Copied]:
    """``etude.metrics.originality.compare`` on ``session.workers`` processes; their number changes nothing.

    Args:
        what: for the progress bar.
        points: the pieces.
        reference: what they are compared with.
        window: notes of a window.
        session: workers, and whether progress is shown.
        own: places of pieces of the reference itself, of which each is compared with all others; None: ``points`` are
            other pieces, and all are compared.
    """
    places = list(range(len(points))) if own is None else list(own)
    chunks = [places[start : start + CHUNK] for start in range(0, len(places), CHUNK)]
    work = delayed(originality.compare)
    jobs = (work(points, reference, window, own is not None, chunk) for chunk in chunks)
    few = session.workers if len(chunks) > session.workers else 1  # starting processes takes seconds
    found: list[Copied] = []
    with bar(what, len(places), session.progress) as report:
        for part in Parallel(few, return_as="generator")(jobs):
            found += part
            report(len(found))
    return found


def find_copies(
    settings: Settings, session: Session, pieces: str, reference: str, real: str | None, threshold: float | None
) -> Json:
    """Search what the scores of a folder copy from those of another: ``etude originality``.

    Args:
        settings: the sections ``evaluate`` (window, seed), and ``ingest`` with the limits of reading.
        session: workers, and whether progress is shown.
        pieces: a folder of scores, or a file.
        reference: the scores that may have been copied, as those that a model learned from.
        real: real scores that are no copies, as held-out ones: what they score is the line; None: pieces of the
            reference, each compared with all others.
        threshold: a score above which a piece is flagged, instead of the highest of the line; None: that.

    Returns:
        ``pieces`` and ``reference``, what was read; ``line``, ``threshold``, ``copies`` (``describe_copies``, the
        highest score first) and ``metrics``.

    Raises:
        EtudeError: a folder does not exist, or holds no readable score; or there is no line and no threshold.
    """
    how = settings.evaluate
    ours, theirs = (
        read_folder(key, name, settings.ingest, session.progress)
        for key, name in (("pieces", pieces), ("reference", reference))
    )
    points = _points(theirs.scores)
    found = Reference.of(points)
    if real is not None:
        own = read_folder("real", real, settings.ingest, session.progress)
        line = Line.of(compare_in_parallel("comparing real", _points(own.scores), found, how.window, session))
    else:
        line = Line.of(compare_with_others(points, how, session))
    limit = line.highest if threshold is None else threshold
    if math.isnan(limit):
        raise EtudeError(
            f"There is no line: no real piece has {how.window // 2} notes or more, or reference = {reference} has one "
            "piece alone. Name real=FOLDER with real scores that are no copies, or threshold=0.8."
        )
    train = Train([(name, name) for name in theirs.scores], found, len(theirs.scores))
    copied = compare_in_parallel("searching copies", _points(ours.scores), found, how.window, session)
    copies, metrics = describe_copies(
        copied,
        list(ours.scores),
        train,
        replace(line, highest=limit if threshold is not None else min(limit, VERBATIM)),
    )
    made: Json = round_floats({"line": line.as_dict(), "threshold": limit, "copies": copies, "metrics": metrics})
    return {"pieces": _facts(ours), "reference": _facts(theirs), "window": how.window, **made}


def _points(scores: Mapping[str, ScoreTick]) -> Notes:
    return tabulate(list(scores.values()), originality.STEPS, LONGEST)


def copies_as_text(found: Json, most: int = 10) -> str:
    """The result of ``find_copies`` in plain lines: the line of real pieces, and the ``most`` least original pieces."""
    line, pieces = found["line"], found["copies"]["pieces"]
    flagged = [piece for piece in pieces if piece["flagged"]]
    shown = pieces[:most]
    wide = max([len(piece["file"]) for piece in shown], default=0)
    lines = [
        f"Score: the share of {found['window']} successive notes that one other piece has too, in any key, any time.",
        f"Real pieces: 95 % between {_number(line['low'])} and {_number(line['high'])}, highest "
        f"{_number(line['highest'])} ({line['pieces']} pieces).",
        *_warnings(found),
        *refusals(found),
        "",
    ]
    for piece in shown:
        if piece["score"] is None:
            continue
        mark = "COPIES " if piece["flagged"] else ""
        lines.append(
            f"{piece['file']:{wide}}  {piece['score']:.2f}  {mark}like {piece['nearest']}, quarter note "
            f"{piece['where']:g}, {piece['semitones']:+d} semitones; longest run {piece['run']} notes"
        )
    if len(pieces) > most:
        lines.append(f"These are the {most} highest of {len(pieces)}; output=FILE.json has all.")
    short = sum(piece["score"] is None for piece in pieces)
    if short:
        lines.append(f"{short} of {len(pieces)} pieces have fewer than {found['window'] // 2} notes, and no score.")
    last = f"{len(flagged)} of {len(pieces)} have more in common with one piece than {_number(found['threshold'])}"
    if line["pieces"]:
        expected = len(pieces) / (line["pieces"] + 1)
        last += f"; of as many more real pieces, {expected:.1f} would be expected above the highest of {line['pieces']}"
    return "\n".join([*lines, "", f"{last}."])


def _warnings(found: Json) -> list[str]:
    """What the line of real pieces cannot do."""
    line = found["line"]
    lines = []
    if 0 < line["pieces"] < FEW:
        lines.append(f"Only {line['pieces']} real pieces draw this line: name more with real=FOLDER, or threshold=0.8.")
    if line["highest"] is not None and line["highest"] >= VERBATIM:
        lines.append("A real piece is itself a copy, so only verbatim copies are flagged: name threshold=0.8.")
    return lines


def refusals(found: Json) -> list[str]:
    """What was read of both folders, where something was refused, with the first names and reasons."""
    lines = []
    for name in ("pieces", "reference"):
        part = found[name]
        if part["refused"]:
            texts = [f"{one['file']} ({one['reason']})" for one in part["refused"][:NAMED]]
            more = len(part["refused"]) - len(texts)
            tail = f" and {more} more" if more else ""
            lines.append(f"{name}: {part['read']} read, {len(part['refused'])} refused: {', '.join(texts)}{tail}.")
    return lines


def comparison_as_text(found: Json) -> str:
    """The main figures of ``evaluate_sets`` in plain lines, those of real music in brackets."""
    metrics, real = found["metrics"], found["real"]
    sets, apart = real["sets"], real["real_against_real"]["distance"]
    lines = [
        f"distance {_number(metrics['samples/distance'])} (real music {_number(apart)})",
        f"classifier {_number(metrics['samples/classifier'])} (real music {_number(sets['classifier']['value'])})",
        f"coverage {_number(metrics['samples/coverage'])} (real music {_number(sets['coverage']['value'])})",
        f"flagged as copies: {metrics['samples/copied_flagged']} of {found['pieces']['read']}",
        *refusals(found),
    ]
    if metrics["samples/classifier"] is None:
        lines.append(f"Measures of sets take at least {sets_of_pieces.FEWEST} pieces on either side.")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def output_place(output: str | None, endings: Sequence[str], overwrite: bool) -> Path | None:
    """The file to write, checked; None where none is named. Raises EtudeError where it cannot be, or is in the way."""
    if not output:
        return None
    place = place_with_ending("output", output, endings)
    check_place("output", place, (), overwrite)
    return place
