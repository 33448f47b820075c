"""Panels: which measures get a chart, and what is a line or a level in it."""

from dataclasses import dataclass
from typing import Any

import pytest

from etude.report import panels
from etude.report.inputs import ReportInputs, Training
from etude.report.panels import descriptor_panels, training_panels


def inputs(**some: Any) -> ReportInputs:
    """Inputs of which only ``some`` are there."""
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    return ReportInputs(**{**empty, **some})


@dataclass
class Drawn:
    """Keeps the arguments of the charts."""

    calls: list[tuple[Any, ...]]

    def __call__(self, *arguments: Any) -> str:
        self.calls.append(arguments)
        return "<svg/>"


def test_a_model_that_counts_is_a_level_however_many_orders_it_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    nats = "valid/nats_per_note"
    tried = Training({nats: 0.9}, [{"step": 1, nats: 9.0}, {"step": 2, nats: 0.9}, {"step": 3, nats: 1.1}], False)
    trained = Training({nats: 0.8}, [{"step": 100, nats: 1.0, "train/loss": 2.0}, {"step": 200, nats: 0.8}], True)
    drawn = Drawn([])
    monkeypatch.setattr(panels, "curves", drawn)
    found = training_panels(inputs(train={"ngram": tried, "lstm": trained}))
    assert [panel["title"] for panel in found] == ["nats per note, valid pieces", "train/loss"]
    (_, lines, levels, order), loss = drawn.calls
    assert levels == {"ngram": 0.9} and lines == {"lstm": [(100, 1.0), (200, 0.8)]} and order == ["ngram", "lstm"]
    assert loss[1:3] == ({"lstm": [(100, 2.0)]}, {})  # one point, drawn as a dot


def test_a_descriptor_of_one_value_gets_no_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "strips", Drawn([]))
    real = {"polyphony": {"values": [3.0, 4.0]}, "n_pitches_used": {"values": [7, 7]}, "empty": {"values": [None]}}
    found, without = descriptor_panels(
        inputs(
            train={"lstm": None},
            reference={"descriptors": real},
            evaluate={"lstm": {"descriptors": {"n_pitches_used": {"values": [7]}}}},
        )
    )
    assert [panel["title"] for panel in found] == ["polyphony"] and sorted(without) == ["empty", "pitches used"]
