"""What samples have in common with train pieces: tables, and a chart along the training."""

from collections.abc import Mapping, Sequence

from etude.report.charts import curves
from etude.report.comparison import Compared
from etude.report.panels import Panel
from etude.report.tables import DASH, Row, Table, decimal, percent, whole_number
from etude.report.words import transposed

SHOWN = 5  # samples of each model that the page names, those with the highest scores; it names all flagged ones


def originality_table(compared: Compared) -> Table:
    """A row a model: what its samples score, how many are flagged; then the line of real pieces."""
    line = compared.real["originality"]["line"]
    rows = []
    for model, results in compared.found.items():
        metrics, pieces = results["metrics"], results["originality"]["pieces"]
        known = sum(piece["score"] is not None for piece in pieces)
        cells = (
            decimal(metrics["samples/copied_median"], 2),
            decimal(metrics["samples/copied_highest"], 2),
            f"{whole_number(metrics['samples/copied_flagged'])} of {known}",
            whole_number(metrics["samples/longest_run"]),
            percent(metrics["samples/runs_found"]),
        )
        rows.append(Row(model, cells))
    interval = f"{decimal(line['median'], 2)} [{decimal(line['low'], 2)}, {decimal(line['high'], 2)}]"
    rows.append(
        Row(
            compared.words.test,
            (interval, decimal(line["highest"], 2), DASH, whole_number(line["longest_run"]), DASH),
            apart=True,
        )
    )
    window = compared.real["window"]
    expected = _by_chance(compared)
    return Table(
        f"What samples have in common with one {compared.words.piece} each, next to real pieces of other tunes.",
        [
            ("score", "median"),
            ("score", "highest"),
            ("flagged", "samples"),
            ("longest run", "notes"),
            ("runs of 7 notes", f"found in {compared.words.train}"),
        ],
        rows,
        [
            f"Score: the share of {window} successive notes of a sample that one {compared.words.piece} has too, "
            "moved in time and by up to an octave (cardinality score). The last row: "
            f"{compared.words.test}, with the interval of 95 % of them. Flagged: a sample that has all of a window, or "
            f"more than the highest of them, as by chance {decimal(expected, 1)} of a set are. Samples with fewer than "
            f"{window // 2} notes have no score.",
        ],
        compared.words.row,
    )


def _by_chance(compared: Compared) -> float:
    """The flagged samples that are expected of a model whose samples are as original as the test pieces."""
    counts = [len(results["originality"]["pieces"]) for results in compared.found.values()]
    return max(counts, default=0) / (compared.real["originality"]["line"]["pieces"] + 1)


def nearest_table(compared: Compared) -> Table:
    """The samples with the highest scores of each model, and the train piece that each is nearest to."""
    rows = []
    for model, results in compared.found.items():
        for place, piece in enumerate(results["originality"]["pieces"]):
            if piece["score"] is None or (place >= SHOWN and not piece["flagged"]):
                continue
            cells = (
                decimal(piece["score"], 2) + (" flagged" if piece["flagged"] else ""),
                str(piece["title"]),
                f"{piece['start']:g} to {piece['start'] + piece['quarters']:g}",
                f"from {piece['where']:g}",
                transposed(piece),
                whole_number(piece["run"]),
            )
            rows.append(Row(f"{model}, {piece['file']}", cells))
    return Table(
        f"The least original samples, and the {compared.words.piece} that each is nearest to.",
        [
            ("score", ""),
            (f"nearest {compared.words.piece}", ""),
            ("in the sample", "quarter notes"),
            (f"in the {compared.words.piece}", "quarter notes"),
            ("the sample lies", ""),
            ("longest run", "notes"),
        ],
        rows,
        (),
        "sample",
    )


def training_panel(compared: Compared, best: Mapping[str, int]) -> Panel | None:
    """The highest score of samples along each training; None where no earlier weights were kept.

    Args:
        compared: the results.
        best: the step of each model whose weights it has.
    """
    lines: dict[str, Sequence[tuple[float, float]]] = {}
    for model, results in compared.found.items():
        points = [(float(row["step"]), row["median"]) for row in results["originality"].get("training", [])]
        points = [(step, value) for step, value in points if value is not None]
        final = results["metrics"]["samples/copied_median"]
        if points and model in best and final is not None:
            lines[model] = sorted([*points, (float(best[model]), final)])
    if not lines:
        return None
    line = compared.real["originality"]["line"]
    last = max(step for points in lines.values() for step, _ in points)
    real = [] if line["median"] is None else [(0.0, line["median"]), (last, line["median"])]
    title = "what samples have in common with a train piece (median score)"
    return {"title": title, "chart": curves(title, lines, {}, list(compared.found), real=real)}
