"""The summary of the page: which model is best, by what and how sure, and a row of traffic lights a model.

A ``Measure`` is a figure that each model may have, with the same figure of real music against real music. ``measures``
lists them; a further one needs an entry there and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from etude.core.files import Json
from etude.report.inputs import ReportInputs
from etude.report.tables import DASH, Light, Row, Table, count_of, decimal, whole_number

FEW = 100  # steps; a model of fewer is a trial, and its figures are no results


@dataclass(frozen=True)
class Figure:
    """A value, and its 95 % interval where one was measured."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """A measure by model. Models without it are absent from ``values``.

    Args:
        claim: what the best model of it is, to start a sentence: ``Nearest to real music``.
        name: of the measure.
        unit: of its values.
        better: which values are.
        values: by model.
        real: real music against real music, at the sample size of the models; None where there is no such thing.
        digits: decimals that are shown.
        most: the highest value that there is, of a share; an interval of nearly all of it allows no light.
    """

    claim: str
    name: str
    unit: str
    better: Literal["lower", "higher"]
    values: Mapping[str, Figure]
    real: Figure | None = None
    digits: int = 3
    most: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Which model is best by one measure, in words. ``winners`` are those that the intervals do not tell apart."""

    claim: str
    winners: Sequence[str]
    text: str


GREEN, AMBER, RED = Light("within", "●", "green"), Light("near", "▲", "amber"), Light("beyond", "■", "red")
UNKNOWN = 0.8  # of the range of a share: whose interval has as much of it, that is not known
RULE = (
    "Traffic lights compare a model with real music measured against real music, at the same number of pieces. "
    "● within: the value lies in the 95 % interval of real music, or is better. ▲ near: the value lies outside, but "
    "its own 95 % interval reaches that of real music. ■ beyond: the two intervals are apart. No light: real music "
    "has no such figure, the interval of a share has nearly all of its range, or the model was hardly trained."
)


def measures(inputs: ReportInputs) -> list[Measure]:
    """The measures of the summary, the one that decides first. A measure that no model has is left out."""
    real, sets = inputs.reference["real_against_real"], inputs.reference.get("sets", {})
    found = [
        Measure(
            "Nearest to real music",
            "distance to real music",
            "standard deviations",
            "lower",
            _figures(inputs, "samples/distance"),
            None if real.get("distance") is None else Figure(real["distance"], real.get("low"), real.get("high")),
        ),
        Measure(
            "Hardest to tell from real music",
            "classifier",
            "% recognised",
            "lower",
            _set_figures(inputs, "classifier"),
            _figure(sets.get("classifier")),
            1,
        ),
        Measure(
            "Covers most of real music",
            "coverage",
            "% of real pieces",
            "higher",
            _set_figures(inputs, "coverage"),
            _figure(sets.get("coverage")),
            1,
        ),
        Measure(
            "Best likelihood",
            "likelihood of the test pieces",
            "nats per note",
            "lower",
            _figures(inputs, "test/nats_per_note"),
        ),
    ]
    return [measure for measure in found if measure.values]


def _set_figures(inputs: ReportInputs, name: str) -> dict[str, Figure]:
    """A share of sets by model, in per cent."""
    found = {model: _figure(inputs.evaluate[model].get("sets", {}).get(name)) for model in inputs.train}
    return {model: figure for model, figure in found.items() if figure is not None}


def _figure(part: Json | None) -> Figure | None:
    if part is None or part["value"] is None:
        return None
    return Figure(*(100 * part[key] for key in ("value", "low", "high")))


def _figures(inputs: ReportInputs, key: str) -> dict[str, Figure]:
    """A metric by model, with its ``_low`` and ``_high`` where they were measured."""
    metrics = {model_name: inputs.evaluate[model_name]["metrics"] for model_name in inputs.train}
    return {
        model_name: Figure(row[key], row.get(f"{key}_low"), row.get(f"{key}_high"))
        for model_name, row in metrics.items()
        if row.get(key) is not None
    }


def light(figure: Figure, measure: Measure) -> Light | None:
    """The traffic light of a value, by ``RULE``; None where real music has no interval."""
    real = measure.real
    if real is None or real.low is None or real.high is None:
        return None
    own = None if figure.low is None or figure.high is None else figure.high - figure.low
    if own is not None and measure.most and own >= UNKNOWN * measure.most:
        return None
    sign = 1 if measure.better == "lower" else -1
    limit = max(sign * real.low, sign * real.high)  # the worse end of real music
    if sign * figure.value <= limit:
        return GREEN
    nearest = [sign * end for end in (figure.low, figure.high) if end is not None]
    return AMBER if nearest and min(nearest) <= limit else RED


def judge(measure: Measure, left_out: Sequence[str] = ()) -> Verdict | None:
    """Which model is best by a measure, and how sure that is; None where no model is left.

    The best is sure where its interval lies apart from those of all others.

    Args:
        measure: with at least one value.
        left_out: models that are not compared.
    """
    sign = 1 if measure.better == "lower" else -1
    values = {name: figure for name, figure in measure.values.items() if name not in left_out}
    order = sorted(values, key=lambda name: sign * values[name].value)
    if not order:
        return None
    best = order[0]
    shown = {name: describe(values[name], measure.digits) for name in order[:2]}
    about = f"By the {measure.name} ({measure.unit}, {measure.better} is better)"
    if len(order) == 1:
        return Verdict(measure.claim, order, f"{about} only {best} can be compared: {shown[best]}.")
    second = order[1]
    text = f"{about} {best} is first with {shown[best]}, {second} second with {shown[second]}."
    apart = [_are_apart(values[best], values[name]) for name in order[1:]]
    if None in apart:
        return Verdict(
            measure.claim, [best], f"{text} Not every interval was measured, so how sure this is stays open."
        )
    level = [best, *(name for name, far in zip(order[1:], apart, strict=True) if not far)]
    if len(level) > 1:
        names = f"{', '.join(level[:-1])} and {level[-1]}"
        return Verdict(
            measure.claim, level, f"{text} Their 95 % intervals overlap: there is no clear winner between {names}."
        )
    return Verdict(measure.claim, level, f"{text} The 95 % interval of {best} lies apart from those of all others.")


def _are_apart(one: Figure, other: Figure) -> bool | None:
    """Whether two intervals do not overlap; None where one was not measured."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    return one.high < other.low or other.high < one.low


def describe(figure: Figure | None, digits: int) -> str:
    """A value with its interval, as ``0.400 [0.28, 0.55]``; a dash where there is none."""
    if figure is None:
        return DASH
    text = decimal(figure.value, digits)
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{figure.low:.{max(digits - 1, 1)}f}, {figure.high:.{max(digits - 1, 1)}f}]"


def summary_table(inputs: ReportInputs) -> Table:
    """A row a model with its traffic lights, then real music against real music."""
    found, few = measures(inputs), few_steps(inputs)
    rows = []
    for model_name in inputs.train:
        figures = [measure.values.get(model_name) for measure in found]
        rows.append(
            Row(
                model_name,
                tuple(describe(figure, measure.digits) for figure, measure in zip(figures, found, strict=True)),
                lights=tuple(
                    None if figure is None or model_name in few else light(figure, measure)
                    for figure, measure in zip(figures, found, strict=True)
                ),
            )
        )
    rows.append(Row("real music", tuple(describe(measure.real, measure.digits) for measure in found), apart=True))
    return Table(
        "Each model by the measures that decide, with 95 % intervals in brackets.",
        [(measure.name, f"{measure.unit}, {measure.better} is better") for measure in found],
        rows,
        [RULE],
    )


def few_steps(inputs: ReportInputs) -> dict[str, int]:
    """The models that were trained for fewer than ``FEW`` steps, with their steps."""
    steps = {name: training.result.get("steps") for name, training in inputs.train.items() if training.in_steps}
    return {name: round(count) for name, count in steps.items() if count is not None and count < FEW}


def trial(inputs: ReportInputs) -> str | None:
    """What stands on top of the page where models were hardly trained; None where all had ``FEW`` steps or more."""
    few = few_steps(inputs)
    if not few:
        return None
    counts = _range(sorted(few.values()), "step", "steps")
    if len(few) == sum(training.in_steps for training in inputs.train.values()):
        return f"A trial: {counts} a model. The figures and sounds below show that all stages run; they are no results."
    return f"A trial in part: {', '.join(few)} had {counts} of training. Their figures and sounds are no results."


def headline_facts(inputs: ReportInputs, limit: int | None) -> list[tuple[str, str]]:
    """What the page is about, in numbers: dataset, pieces, models, steps, samples."""
    counts = {split: len(inputs.split[split]) for split in ("train", "valid", "test")}
    pieces = f"{whole_number(len(inputs.ingest['pieces']))}: " + ", ".join(
        f"{whole_number(count)} {split}" for split, count in counts.items()
    )
    steps = [round(run.result["steps"]) for run in inputs.train.values() if run.in_steps and run.result.get("steps")]
    sampled = sorted(len(inputs.generate[name]["pieces"]) for name in inputs.train)
    of = "" if limit is None else f", limited to {count_of(limit, 'piece', 'pieces')}"
    facts = [
        ("Dataset", f"{inputs.download['dataset']}{of}"),
        ("Pieces", pieces),
        ("Models", whole_number(len(inputs.train))),
    ]
    if steps:
        facts.append(("Training", f"{_range(sorted(steps), 'step', 'steps')} a model"))
    return [*facts, ("Samples", f"{_range(sampled, 'piece', 'pieces')} a model")]


def _range(counts: Sequence[int], one: str, many: str) -> str:
    """Sorted counts as text: ``4 steps``, ``300 to 2,500 steps``."""
    low, high = counts[0], counts[-1]
    return count_of(low, one, many) if low == high else f"{whole_number(low)} to {count_of(high, one, many)}"
