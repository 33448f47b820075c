"""Charts: the same bytes, colours by place, values that are missing."""

import io
import math

import numpy as np
from PIL import Image

from etude.report.charts import GROUNDS, colour, curves, strips


def has(png: bytes, ink: str) -> int:
    """The number of pixels near a colour."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int).reshape(-1, 3)
    wanted = np.array([int(ink[place : place + 2], 16) for place in (1, 3, 5)])
    return int((np.abs(pixels - wanted).sum(axis=1) < 40).sum())


def test_curves_draw_each_model_in_its_colour() -> None:
    light, dark = GROUNDS["light"], GROUNDS["dark"]
    lines = {"lstm": [(0, 2.0), (100, 1.0), (200, math.nan)], "gan": [(0, 3.0), (200, 2.5)]}
    order = ["ngram", "lstm", "gan"]
    pictures = curves(lines, {"ngram": 1.5}, order)
    assert pictures == curves(lines, {"ngram": 1.5}, order) and list(pictures) == list(GROUNDS)
    for name, ground in GROUNDS.items():
        assert all(has(pictures[name], colour(place, ground)) > 50 for place in range(3))
    assert has(curves({}, {}, order)["light"], colour(1, light)) == 0
    assert has(pictures["dark"], dark.paper) > 10_000 and has(pictures["dark"], light.paper) < 1000


def test_strips_leave_out_what_is_missing() -> None:
    light = GROUNDS["light"]
    pictures = strips([1.0, 2.0, None, 3.0], {"lstm": [1.5, math.nan, 2.5], "gan": []}, ["lstm", "gan"], "bits")
    assert pictures == strips([1.0, 2.0, 3.0], {"lstm": [1.5, 2.5]}, ["lstm", "gan"], "bits")
    assert has(pictures["light"], colour(0, light)) > 50 and has(pictures["light"], light.band) > 500
    assert has(pictures["light"], colour(1, light)) == 0
    strips([1.0, 1.0], {"lstm": [1.0]}, ["lstm"], "")  # one value everywhere
    strips([], {}, ["lstm"], "")
