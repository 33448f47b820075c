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


def test_curves_draw_each_variant_in_its_colour() -> None:
    light = GROUNDS["light"]
    lines = {"lstm": [(0, 2.0), (100, 1.0), (200, math.nan)], "gan": [(0, 3.0), (200, 2.5)]}
    sample_pieces = curves(lines, {"ngram": 1.5}, ["ngram", "lstm", "gan"], light)
    assert sample_pieces == curves(lines, {"ngram": 1.5}, ["ngram", "lstm", "gan"], light)
    assert all(has(sample_pieces, colour(place, light)) > 50 for place in range(3))
    assert has(curves({}, {}, ["ngram", "lstm"], light), colour(1, light)) == 0
    assert has(curves(lines, {}, ["ngram", "lstm", "gan"], GROUNDS["dark"]), GROUNDS["dark"].paper) > 10_000


def test_strips_leave_out_what_is_missing() -> None:
    light = GROUNDS["light"]
    sample_pieces = strips(
        [1.0, 2.0, None, 3.0], {"lstm": [1.5, math.nan, 2.5], "gan": []}, ["lstm", "gan"], "bits", light
    )
    assert sample_pieces == strips([1.0, 2.0, 3.0], {"lstm": [1.5, 2.5]}, ["lstm", "gan"], "bits", light)
    assert has(sample_pieces, colour(0, light)) > 50 and has(sample_pieces, light.band) > 500
    assert has(sample_pieces, colour(1, light)) == 0
    strips([1.0, 1.0], {"lstm": [1.0]}, ["lstm"], "", light)  # one value everywhere
    strips([], {}, ["lstm"], "", light)
