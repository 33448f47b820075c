"""Results of made-up models, measured as stages measure: what tables and charts of comparisons are made from."""

from dataclasses import replace
from functools import cache
from typing import Any

from conftest import make_piece, smoke

from etude.core.files import Json
from etude.metrics import originality
from etude.metrics.comparison import Measured, Real, Train, compare, describe, describe_copies, follow_copies
from etude.metrics.distance import round_floats

EVALUATE = replace(smoke().evaluate, bars=4, bootstrap=20, permutations=20, draws=4, window=16)
TRAIN = [make_piece(seed) for seed in range(10)]
PREDICTION: Json = {
    "calibration": {"bins": [{"confidence": 0.6, "accuracy": 0.5, "items": 10}], "error": 0.1, "overconfidence": 0.1},
    "next_note": {f"{name}_{mean}": 0.5 for name in ("precision", "recall") for mean in ("micro", "macro")},
    "voices": {"Soprano": {"notes": 4, "nats": 1.5, "accuracy": 0.75}},
    "positions": {"0": {"notes": 3, "nats": 1.0, "accuracy": 1.0}, "10": {"notes": 1, "nats": 2.0, "accuracy": 0.0}},
}


@cache
def reference() -> Json:
    """What the stage reference measures of ten pieces."""
    valid, test = ([make_piece(seed) for seed in range(first, first + 10)] for first in (20, 30))
    learned, other, real = (Measured.of(scores, EVALUATE) for scores in (TRAIN, valid, test))
    copied = originality.compare(real.points, train().reference, EVALUATE.window)
    found: Json = round_floats(describe(learned, other, real, EVALUATE, 8, copied))
    return found


@cache
def train() -> Train:
    """The train pieces."""
    return Train.of(TRAIN, [(f"p{place}", f"Title {place}") for place in range(10)], 10)


@cache
def evaluated(seed: int, copies: int = 0) -> dict[str, Any]:
    """What the stage evaluate measures of nine samples, of which so many are train pieces, and one is empty."""
    from symusic.core import ScoreTick

    scores = [*TRAIN[:copies], *(make_piece(seed + place) for place in range(8 - copies)), ScoreTick(24)]
    samples, real = Measured.of(scores, EVALUATE), Real.of(reference())
    found, metrics = compare(samples, real, EVALUATE)
    copied = originality.compare(samples.points, train().reference, EVALUATE.window)
    described, own = describe_copies(copied, [f"{place:02}.mid" for place in range(9)], train(), real.line)
    described["training"] = follow_copies({100: scores[-3:]}, train(), real.line, EVALUATE)
    made: dict[str, Any] = round_floats({"metrics": {**metrics, **own}, **found, "originality": described})
    return {**made, "prediction": PREDICTION}
