"""Two folders of scores compared, without any model: ``etude evaluate pieces=... reference=...`` and originality."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.audio.render import render
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, write_json, write_text
from etude.core.progress import bar
from etude.core.text import one_line, visible
from etude.core.workers import start_workers
from etude.metrics import originality
from etude.metrics import sets as sets_of_pieces
from etude.metrics.comparison import LONGEST, Measured, Real, Train, compare, describe, describe_copies
from etude.metrics.distance import round_floats
from etude.metrics.notes import Notes, tabulate
from etude.metrics.originality import VERBATIM, Copied, Line, Reference
from etude.report.players import Piece
from etude.report.score_sets import WORDS, score_sets_page, unsteady
from etude.report.words import describe_pair, transposed
from etude.scores.excerpts import excerpt_of
from etude.tasks.requests import ScoreSets
from etude.tasks.score_files import check_place, place_with_ending
from etude.tasks.score_folders import ScoreFolder, read_folder

FEW = 20  # real pieces of a line that a warning comes with
SHOWN = 4  # flagged pieces whose excerpts the page has, as score and sound
NAMED = 5  # refused files, and copies, that are named on the terminal
CHUNK = 2000  # notes that a process compares at a time, in whole pieces
PARALLEL = 20_000  # notes from which several processes are worth their start
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
    return compare_folders(settings, session, *read_both(settings, session, pieces, reference))


def read_both(settings: Settings, session: Session, pieces: str, reference: str) -> tuple[ScoreFolder, ScoreFolder]:
    """The scores of both folders. Raises EtudeError where one does not exist, or holds no readable score."""
    ours, theirs = (
        read_folder(key, name, settings.ingest, session.progress)
        for key, name in (("pieces", pieces), ("reference", reference))
    )
    return ours, theirs


def compare_folders(settings: Settings, session: Session, ours: ScoreFolder, theirs: ScoreFolder) -> Json:
    """``evaluate_sets`` of scores that are read."""
    how, names = settings.evaluate, list(theirs.scores)
    if len(names) < 2 * PIECES:
        raise EtudeError(
            f"reference = {theirs.name} has {len(names)} readable scores. Name a folder with at least {2 * PIECES}: "
            "one half of them is compared with the other."
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


def write_comparison(settings: Settings, session: Session, request: ScoreSets) -> tuple[Path, Path]:
    """Write the page of ``evaluate_sets``, and its numbers as JSON next to it. Returns both paths.

    Args:
        settings: see ``evaluate_sets``.
        session: the project; without ``output`` the page is runs/evaluation.html in it.
        request: both folders, and the page.

    Raises:
        EtudeError: see ``evaluate_sets``; or a file cannot be written, or exists.
    """
    default = session.root / "runs" / "evaluation.html"
    output, overwrite = request.output, request.overwrite
    if not output:
        default.parent.mkdir(exist_ok=True)
    page = output_place(output or str(default), (".html", ".htm"), overwrite or not output)
    assert page is not None
    numbers = page.with_suffix(".json")
    output_place(str(numbers), (".json",), overwrite or not output)
    ours, theirs = read_both(settings, session, str(request.pieces), str(request.reference))
    found = compare_folders(settings, session, ours, theirs)
    write_json(numbers, found, sealed=False)
    write_text(page, score_sets_page(found, list(_copied(found, ours, theirs, settings))))
    print(comparison_as_text(found))
    return page, numbers


def _copied(found: Json, ours: ScoreFolder, theirs: ScoreFolder, settings: Settings) -> Iterator[tuple[Piece, Piece]]:
    """The excerpts of the least original pieces that the page shows, each with that of the piece it is nearest to."""
    known = [one for one in found["originality"]["pieces"] if one["score"] is not None]
    for one in [one for one in known if one["flagged"]][:SHOWN] or known[:1]:
        parts = [
            excerpt_of(folder.scores[one[name]], one[start], one["quarters"])
            for folder, name, start in ((ours, "file", "start"), (theirs, "nearest", "where"))
        ]
        captions = describe_pair(one["file"], one, WORDS)
        first, second = (
            Piece(title, caption, part, render(part, settings.mix).mix, settings.mix.sample_rate)
            for title, caption, part in zip((one["file"], one["nearest"]), captions, parts, strict=True)
        )
        yield first, second


def _facts(folder: ScoreFolder) -> Json:
    refused = [{"file": name, "reason": reason} for name, reason in folder.refused]
    return {"folder": folder.name, "read": len(folder.scores), "refused": refused, "same_bytes": folder.twice}


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
    sizes = np.cumsum(points.count()[places])
    chunks = [[places[one] for one in np.flatnonzero(sizes // CHUNK == number)] for number in np.unique(sizes // CHUNK)]
    work = delayed(originality.compare)
    jobs = (  # each gets the notes of its own pieces alone
        work(points.rows(np.isin(points.piece, chunk)), reference, window, own is not None, chunk) for chunk in chunks
    )
    few = session.workers if len(places) and sizes[-1] >= PARALLEL else 1
    found: list[Copied] = []
    start_workers(few)
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
        threshold: a score above which a piece is flagged, instead of the highest of the line; None: that. A score of 1
            is flagged in any case.

    Returns:
        ``pieces`` and ``reference``, what was read; ``line``, ``threshold``, ``copies`` (``describe_copies``, the
        highest score first) and ``metrics``.

    Raises:
        EtudeError: a folder does not exist, or holds no readable score; or there is no line and no threshold.
    """
    how = settings.evaluate
    ours, theirs = read_both(settings, session, pieces, reference)
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
    copies, metrics = describe_copies(copied, list(ours.scores), train, replace(line, highest=limit))
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
        f"Score: the share of {found['window']} successive notes that one other piece has too, moved in time and by up "
        "to an octave.",
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
            f"{one_line(piece['file']):{wide}}  {piece['score']:.2f}  {mark}quarter notes {piece['start']:g} to "
            f"{piece['start'] + piece['quarters']:g} as {one_line(piece['nearest'])} from {piece['where']:g} on, "
            f"{transposed(piece)}; longest run of one line: {piece['run']} notes"
        )
    if len(pieces) > most:
        lines.append(f"These are the {most} highest of {len(pieces)}; output=FILE.json has all.")
    short = sum(piece["score"] is None for piece in pieces)
    if short:
        lines.append(f"{short} of {len(pieces)} pieces have fewer than {found['window'] // 2} notes, and no score.")
    last = f"{len(flagged)} of {len(pieces)} have more in common with one piece than {_number(found['threshold'])}"
    if found["threshold"] != line["highest"]:
        last += ", the threshold given"
    elif line["pieces"]:
        expected = len(pieces) / (line["pieces"] + 1)
        last += f"; of as many more real pieces, {expected:.1f} would be expected above the highest of {line['pieces']}"
    return visible("\n".join([*lines, "", f"{last}."]))


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
            texts = [f"{one_line(one['file'])} ({one['reason']})" for one in part["refused"][:NAMED]]
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
        f"flagged as copies: {metrics['samples/copied_flagged']} of {found['pieces']['read']}{_named(found)}",
        *refusals(found),
    ]
    if metrics["samples/classifier"] is None:
        lines.append(f"Measures of sets take at least {sets_of_pieces.FEWEST} pieces on either side.")
    if sentence := unsteady(found):
        lines.append(sentence)
    return visible("\n".join(lines))


def _named(found: Json) -> str:
    """The first flagged pieces, each with what it copies."""
    flagged = [one for one in found["originality"]["pieces"] if one["flagged"]]
    texts = [f"{one_line(one['file'])} ({one_line(one['nearest'])})" for one in flagged[:NAMED]]
    more = f" and {len(flagged) - NAMED} more" if len(flagged) > NAMED else ""
    return f": {', '.join(texts)}{more}" if texts else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def output_place(output: str | None, endings: Sequence[str], overwrite: bool) -> Path | None:
    """The file to write, checked; None where none is named. Raises EtudeError where it cannot be, or is in the way."""
    if not output:
        return None
    place = place_with_ending("output", output, endings)
    check_place("output", place, (), overwrite)
    return place
