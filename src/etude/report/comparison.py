"""Tables and charts of samples compared with real music: sets, distributions, structure; shared with one's own files.

``Compared`` is what they are made from: models of the pipeline, or a folder of somebody's pieces.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from etude.core.files import Json
from etude.metrics import features, structure
from etude.metrics.distributions import KINDS
from etude.metrics.harmony import CHORDS, chord_name
from etude.metrics.sets import MEASURES, TELLING
from etude.report.charts import curves
from etude.report.panels import Panel
from etude.report.summary import RULE, Figure, Measure, describe, light
from etude.report.tables import DASH, Row, Table, decimal, interval, percent, plain
from etude.report.words import OWN, Words

RARE = 0.002  # share of a value below which a chart leaves it out at either end
COMMON = 12  # chords and transitions that are named
ACROSS = {"pitch": "MIDI pitch"}  # labels of axes that are not the unit of distances
SHARES = ("precision", "recall", "coverage", "classifier")  # of the measures of sets, those shown in per cent
NAMES = {
    "frechet": "Fréchet distance",
    "mmd": "MMD",
    "classifier": "classifier",
    "jensen_shannon": "Jensen-Shannon",
    "kullback_leibler": "Kullback-Leibler",
}


@dataclass(frozen=True)
class Compared:
    """The results of several sets of pieces by name, as ``evaluate`` has them, and those of real music."""

    found: Mapping[str, Json]
    real: Json  # reports/reference.json
    words: Words = OWN


def set_measures(compared: Compared) -> list[Measure]:
    """The measures of sets, each with its values by model and that of real music."""
    measures = []
    # how often a classifier recognises them is what everybody understands
    for name, (unit, better) in sorted(MEASURES.items(), key=lambda one: one[0] != "classifier"):
        factor = 100 if name in SHARES else 1
        values = {
            model: Figure(*(part[key] * factor for key in ("value", "low", "high")))
            for model, results in compared.found.items()
            if (part := results["sets"][name])["value"] is not None
        }
        part = compared.real["sets"][name]
        real = None if part["value"] is None else Figure(*(part[key] * factor for key in ("value", "low", "high")))
        measures.append(
            Measure(
                "Hardest to recognise" if name == "classifier" else "Nearest to real music",
                NAMES.get(name, name),
                unit.replace("share", "% ", 1).replace("  ", " ") if name in SHARES else unit,
                "lower" if better == "lower" else "higher",
                values,
                real,
                1 if name in (*SHARES, "frechet") else 3,
                100.0 if name in SHARES else None,
            )
        )
    return measures


def sets_table(compared: Compared, trials: Collection[str] = ()) -> Table:
    """A row a model with all measures of sets and their lights, then real music. Models that are trials have none."""
    measures = set_measures(compared)
    rows = []
    for model in compared.found:
        figures = [measure.values.get(model) for measure in measures]
        cells = tuple(describe(figure, measure.digits) for figure, measure in zip(figures, measures, strict=True))
        lights = tuple(
            None if figure is None or model in trials else light(figure, measure)
            for figure, measure in zip(figures, measures, strict=True)
        )
        rows.append(Row(model, cells, lights=lights))
    rows.append(Row("real music", tuple(describe(one.real, one.digits) for one in measures), apart=True))
    return Table(
        f"Samples and real pieces as sets, by {len(features.UNITS)} features of each; 95 % intervals in brackets.",
        [(measure.name, f"{measure.unit}, {measure.better} is better") for measure in measures],
        rows,
        [
            "Precision: samples that look like some real piece. Recall: real pieces that look like some sample; noise "
            "can raise it. Density and coverage ask the same, and single pieces mislead them less: trust them where "
            "they disagree. Classifier: how often a linear classifier recognises which is which, on pieces that it has "
            "not seen; 50 % is perfect.",
            RULE,
        ],
        compared.words.row,
    )


def telling_table(compared: Compared) -> Table:
    """A row a model: how sure the classifier is, and the features that give the samples away."""
    rows = []
    for model, results in compared.found.items():
        part = results["sets"]["classifier"]
        texts = [
            f"{'more' if one['higher'] else 'less'}: {plain(one['name'])} ({one['share']:.0%})"
            for one in part["features"]
        ]
        p = [results["sets"][name]["p"] for name in ("classifier", "mmd")]
        rows.append(Row(model, (*(decimal(value, 3) for value in p), *texts, *[DASH] * (TELLING - len(texts)))))
    return Table(
        "What gives the samples away: the features by which the classifier recognises most, and their share of it.",
        [("classifier", "p"), ("MMD", "p"), *((f"feature {place + 1}", "") for place in range(TELLING))],
        rows,
        [
            "p: how often labels at random are recognised as well; small where samples and real pieces differ. More, "
            "less: in the samples than in real pieces.",
        ],
        compared.words.row,
    )


def distribution_tables(compared: Compared) -> list[Table]:
    """A table a measure of distributions: a row a model, a column a distribution, then real music."""
    real = compared.real["distributions_at_size"]
    captions = {
        "overlap": "Overlap of distributions with real music, 0 to 1; higher is better.",
        "jensen_shannon": "Jensen-Shannon divergence from real music, in bits, 0 to 1; lower is better.",
        "wasserstein": "Wasserstein distance from real music, in the unit of the values; lower is better.",
        "kullback_leibler": "Kullback-Leibler divergence from real music, in nats; lower is better.",
    }
    tables = []
    for measure, caption in captions.items():
        names = [name for name in KINDS if measure in real.get(name, {})]
        rows = []
        for model, results in [*((name, one["distributions"]) for name, one in compared.found.items()), ("", real)]:
            cells = []
            for name in names:
                part = results[name]
                low, high = part.get(f"{measure}_low"), part.get(f"{measure}_high")
                figure = None if part[measure] is None else Figure(part[measure], low, high)
                cells.append(describe(figure, 3))
            rows.append(Row(model or "real music", tuple(cells), apart=not model))
        units = [KINDS[name].unit if measure == "wasserstein" else "" for name in names]
        tables.append(Table(caption, list(zip(map(plain, names), units, strict=True)), rows, (), compared.words.row))
    return tables


def distribution_panels(compared: Compared) -> list[Panel]:
    """The distributions as charts: shares of values, a line a model, real music in the colour of text."""
    panels = []
    for name, kind in KINDS.items():
        if name not in compared.real["distributions"] or name.startswith("chord"):
            continue
        real = _shares(compared.real["distributions"][name])
        lines = {model: _shares(results["distributions"][name]["counts"]) for model, results in compared.found.items()}
        kept = [value for shares in (real, *lines.values()) for value, share in shares.items() if share > RARE]
        if not kept:
            continue
        values = range(min(kept), max(kept) + 1)
        seen = [value for value in values if any(value in shares for shares in (real, *lines.values()))]
        points = {
            model: [(float(value), 100 * shares.get(value, 0.0)) for value in seen] for model, shares in lines.items()
        }
        chart = curves(
            f"{plain(name)}, share of {kind.counts}",
            points,
            {},
            list(compared.found),
            ACROSS.get(name, kind.unit or plain(name)),
            [(float(value), 100 * real.get(value, 0.0)) for value in seen],
            linear=True,
        )
        panels.append({"title": f"{plain(name)}, % of {kind.counts}", "chart": chart})
    return panels


def chord_table(compared: Compared) -> Table:
    """The most frequent chords of real music, and their shares in the samples."""
    return _named(compared, "chord", "Chords, in % of quarter notes, of real music's most frequent.", chord_name)


def transition_table(compared: Compared) -> Table:
    """The most frequent chord transitions of real music, and their shares in the samples."""
    return _named(
        compared,
        "chord_transition",
        "Steps from chord to chord, in % of all, of real music's most frequent.",
        lambda label: f"{chord_name(label // CHORDS)} to {chord_name(label % CHORDS)}",
    )


def _named(compared: Compared, name: str, caption: str, say: Callable[[int], str]) -> Table:
    real = _shares(compared.real["distributions"][name])
    ours = {model: _shares(results["distributions"][name]["counts"]) for model, results in compared.found.items()}
    most = sorted(real, key=lambda value: (-real[value], value))[:COMMON]
    rows = [
        Row(say(value), tuple(decimal(100 * shares.get(value, 0.0), 1) for shares in (real, *ours.values())))
        for value in most
    ]
    return Table(caption, [("real music", "%"), *((model, "%") for model in ours)], rows, (), "chord")


def _shares(counts: Sequence[Sequence[int]]) -> dict[int, float]:
    total = sum(count for _, count in counts)
    return {value: count / total for value, count in counts} if total else {}


def structure_table(compared: Compared) -> Table:
    """A row a measure of structure: real music, then each model, with means and their intervals."""
    real = compared.real["structure"]
    rows = []
    for name, unit in structure.UNITS.items():
        found = [results["structure"].get(name, {}) for results in compared.found.values()]
        if real.get(name, {}).get("mean") is None and all(part.get("mean") is None for part in found):
            continue
        rows.append(Row(f"{plain(name)}, {unit}", tuple(map(interval, (real.get(name, {}), *found)))))
    bars = [compared.real["distinct_at_size"], *(_metrics(results) for results in compared.found.values())]
    rows.append(Row("distinct bars, share of all, in any key", tuple(percent(one["distinct_share"]) for one in bars)))
    return Table(
        "Structure: means over pieces, with 95 % intervals.",
        [("real music", ""), *((model, "") for model in compared.found)],
        rows,
        [
            "Similarity: notes that two bars share, 1, 2, 4 or 8 bars apart, as a share of the notes of both. Longest "
            "repeat: of one line, in any key. Compression: below 1 where a piece repeats itself. Distinct bars of real "
            f"music: of sets of as many {compared.words.valid}.",
        ],
        "measure",
    )


def _metrics(results: Json) -> Json:
    return {name.removeprefix("samples/"): value for name, value in results["metrics"].items()}
