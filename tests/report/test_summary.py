"""The summary: lights by words and shapes, who is best and how sure, trials."""

from typing import Any

import pytest

from etude.report.inputs import ReportInputs, Training
from etude.report.summary import (
    AMBER,
    GREEN,
    RED,
    Figure,
    Measure,
    few_steps,
    headline_facts,
    judge,
    light,
    measures,
    summary_table,
    trial,
)


def inputs(**some: Any) -> ReportInputs:
    """Inputs of which only ``some`` are there."""
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    return ReportInputs(**{**empty, **some})


def trained(**steps: int | None) -> dict[str, Training]:
    """Trainings of so many steps; None for a model that counts."""
    return {
        name: Training({"steps": 12 if count is None else count}, [], count is not None)
        for name, count in steps.items()
    }


def lower(**values: Figure) -> Measure:
    return Measure("Nearest", "distance", "sd", "lower", values, Figure(0.3, 0.2, 0.4))


def test_a_light_is_within_near_or_beyond_real_music() -> None:
    measure = lower()
    assert light(Figure(0.35, 0.1, 0.9), measure) == GREEN
    assert light(Figure(0.1), measure) == GREEN, "better than real music"
    assert light(Figure(0.5, 0.39, 0.7), measure) == AMBER
    assert light(Figure(0.5, 0.41, 0.7), measure) == RED
    assert light(Figure(0.5), measure) == RED, "without an interval nothing reaches that of real music"
    higher = Measure("x", "recall", "share", "higher", {}, Figure(0.8, 0.7, 0.9))
    assert [light(figure, higher) for figure in (Figure(0.95), Figure(0.65, 0.5, 0.71), Figure(0.6, 0.5, 0.69))] == [
        GREEN,
        AMBER,
        RED,
    ]
    assert light(Figure(1.0), Measure("x", "likelihood", "nats", "lower", {})) is None
    assert len({one.shape for one in (GREEN, AMBER, RED)}) == len({one.word for one in (GREEN, AMBER, RED)}) == 3


def test_the_best_is_sure_where_its_interval_lies_apart() -> None:
    a, b, c = Figure(0.4, 0.3, 0.5), Figure(0.6, 0.45, 0.8), Figure(0.9, 0.85, 1.0)
    sure = judge(lower(b=c, a=a))
    assert sure is not None and sure.winners == ["a"] and "lies apart from those of all others" in sure.text
    assert "a is first with 0.400 [0.30, 0.50], b second with 0.900 [0.85, 1.00]" in sure.text
    level = judge(lower(c=c, b=b, a=a))
    assert level is not None and list(level.winners) == ["a", "b"]
    assert "no clear winner between a and b" in level.text
    unsure = judge(lower(a=a, b=Figure(0.9)))
    assert unsure is not None and unsure.winners == ["a"] and "how sure this is stays open" in unsure.text
    higher = judge(Measure("x", "recall", "share", "higher", {"a": a, "b": b}))
    assert higher is not None and list(higher.winners) == ["b", "a"]
    alone = judge(lower(a=a, b=b), left_out=["a"])
    assert alone is not None and "only b can be compared" in alone.text
    assert judge(lower(a=a), left_out=["a"]) is None


def test_each_model_has_a_row_of_lights() -> None:
    found = inputs(
        train=trained(lstm=500, gan=500),
        reference={"real_against_real": {"distance": 0.3, "low": 0.2, "high": 0.4}},
        evaluate={
            "lstm": {"metrics": {"samples/distance": 0.35, "test/nats_per_note": 2.5}},
            "gan": {"metrics": {"samples/distance": 3.0, "samples/distance_low": 2.0, "samples/distance_high": 4.0}},
        },
    )
    lstm, gan, real = summary_table(found).rows
    assert lstm.cells == ("0.350", "2.500") and lstm.lights == (GREEN, None)
    assert gan.cells == ("3.000 [2.00, 4.00]", "–") and gan.lights == (RED, None)
    assert real.cells == ("0.300 [0.20, 0.40]", "–") and real.apart
    nothing = inputs(train=trained(gan=500), reference={"real_against_real": {}}, evaluate={"gan": {"metrics": {}}})
    assert measures(nothing) == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"ngram": None, "lstm": 4, "gan": 4}, "A trial: 4 steps a model. "),
        ({"lstm": 1, "gan": 6}, "A trial: 1 to 6 steps a model. "),
        ({"lstm": 4, "gan": 400}, "A trial in part: lstm had 4 steps of training. "),
    ],
)
def test_hardly_any_training_is_a_trial(steps: dict[str, int | None], expected: str) -> None:
    found = trial(inputs(train=trained(**steps)))
    assert found is not None and found.startswith(expected) and found.endswith("no results.")


def test_counting_is_no_training_and_many_steps_are_no_trial() -> None:
    found = inputs(train=trained(ngram=None, lstm=100))
    assert trial(found) is None and few_steps(found) == {}


def test_what_the_page_is_about() -> None:
    facts = dict(
        headline_facts(
            inputs(
                train=trained(ngram=None, lstm=300, gan=2500),
                download={"dataset": "bach"},
                ingest={"pieces": [{}] * 9},
                split={"train": [1] * 7, "valid": [1], "test": [1]},
                generate={name: {"pieces": [{}] * 4} for name in ("ngram", "lstm", "gan")},
            ),
            limit=24,
        )
    )
    assert facts == {
        "Dataset": "bach, limited to 24 pieces",
        "Pieces": "9: 7 train, 1 valid, 1 test",
        "Models": "3",
        "Training": "300 to 2,500 steps a model",
        "Samples": "4 pieces a model",
    }
