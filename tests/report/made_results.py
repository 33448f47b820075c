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


def comparison(model_name: str) -> Json:
    """What evaluate leaves of 146 passages that a model, people, block chords and retrieval accompanied."""

    def row(chords: float, pitch: float, notes: float, **copies: float) -> dict[str, float | None]:
        shares = ("chord_accuracy", "chord_accuracy_exact", "chord_tones", "consonant", "unsupported")
        found: dict[str, float | None] = dict.fromkeys(shares, chords)
        found |= {f"{name}_sem": 0.006 for name in (*shares, "notes_per_bar")}
        return found | {"notes_per_bar": notes, "jsd_pitch": pitch, "jsd_onset": pitch / 2, **copies}

    rows = {
        "human": row(0.955, 0.0, 13.6, copied_median=0.56, copied_high=0.9, flagged=0.0),
        "block chords": row(1.0, 0.155, 4.7),
        "retrieval": row(0.949, 0.006, 13.4, copied_median=0.61, copied_high=0.97, flagged=2.0),
        model_name: row(0.928, 0.005, 13.6, copied_median=0.53, copied_high=0.88, flagged=1.0),
    }
    return {"passages": 146, "searched": 64, "pieces": 147, "bars": 8, "rows": rows, "nats_per_note_counts": 4.67}


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
