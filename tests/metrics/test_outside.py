"""Metrics of other packages: what they get, what they may return, and how samples compare with real pieces."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.core.errors import EtudeError
from etude.metrics import outside
from etude.metrics.outside import describe, measure, opening


def piece(notes: int, length: int = 30) -> ScoreTick:
    """Notes on every quarter of bars of 3/4, which sound a little longer than it."""
    score = ScoreTick(24)
    score.time_signatures.append(TimeSignatureTick(0, 3, 4))
    track = TrackTick()
    for place in range(notes):
        track.notes.append(NoteTick(24 * place, length, 60 + place, 80))
    score.tracks.append(track)
    return score


def declare(monkeypatch: pytest.MonkeyPatch, **functions: Callable[..., Any]) -> None:
    entries = [
        SimpleNamespace(name=name, value=f"x:{name}", load=lambda made=made: made, dist=None)
        for name, made in functions.items()
    ]
    monkeypatch.setattr(outside, "declared", lambda group: tuple(entries))


def test_the_opening_bars_are_cut_and_the_piece_stays() -> None:
    whole = piece(8)
    cut = opening(whole, 2)
    assert [(note.time, note.duration) for note in cut.tracks[0].notes] == [(24 * i, 30) for i in range(5)] + [
        (120, 24)
    ]
    assert whole.note_num() == 8 and whole.tracks[0].notes[5].duration == 30
    assert opening(ScoreTick(24), 2).note_num() == 0


def test_a_metric_gets_the_pieces_and_the_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    def count(scores: list[ScoreTick], resolution: int) -> dict[str, list[float | None]]:
        return {"notes": [score.note_num() or None for score in scores], "steps": [resolution] * len(scores)}

    declare(monkeypatch, count=count)
    found = measure([piece(8), piece(2), ScoreTick(24)], 12, 1)
    assert found["notes"][:2].tolist() == [3, 2] and math.isnan(found["notes"][2])
    assert found["steps"].tolist() == [12, 12, 12]


def test_without_a_metric_there_is_nothing() -> None:
    assert measure([piece(3)], 12, 4) == {}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda scores, resolution: 1 / 0, r"The metric own of a package \(x:own\) failed: ZeroDivisionError"),
        (lambda scores, resolution: [1.0], "it must return descriptor -> one value a piece"),
        (lambda scores, resolution: {"a": [1.0, 2.0]}, r"own of a package: a has 2 values for 1 pieces"),
        (lambda scores, resolution: {"a": ["x"]}, "has a value that is no number"),
        (lambda scores, resolution: {"polyphony": [1.0]}, "returned the descriptor 'polyphony'.*not in use yet"),
        (lambda scores, resolution: {"a b": [1.0]}, "a name has letters, digits and _"),
    ],
)
def test_a_faulty_metric_is_one_sentence(
    made: Callable[..., Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(monkeypatch, own=made)
    with pytest.raises(EtudeError, match=message):
        measure([piece(3)], 12, 4)


def test_samples_are_compared_with_real_pieces() -> None:
    found, metrics = describe({"a": np.array([3.0, 5.0, math.nan])}, {"a": [1.0, 3.0, None]}, 20, 0)
    assert metrics == {"samples/a_mean": 4.0, "samples/a_distance": 2.0, "real/a_mean": 2.0}
    assert found["a"]["distance"] == 2.0 and found["a"]["low"] <= 4 <= found["a"]["high"]
    _, nothing = describe({"a": np.array([math.nan])}, {"a": [None]}, 20, 0)
    assert all(math.isnan(value) for value in nothing.values())
