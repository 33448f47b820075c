"""Charts: the same SVG again, a class a model, values that are missing, ticks, labels for screen readers."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from etude.report.charts import MODELS, Axis, curves, strips


def svg_of(html: str) -> ET.Element:
    return ET.fromstring(html.partition("<ul")[0])


def test_curves_draw_each_model_in_its_colour() -> None:
    lines = {"lstm": [(0, 2.0), (100, 1.0), (200, math.nan)], "gan": [(0, 3.0), (200, 2.5)]}
    order = ["ngram", "lstm", "gan"]
    html = curves("nats <b>", lines, {"ngram": 1.5}, order)
    assert html == curves("nats <b>", lines, {"ngram": 1.5}, order) and "<b>" not in html
    svg = svg_of(html)
    assert svg.get("role") == "img" and svg.get("aria-label") == (
        "Chart: nats <b>. Last values: ngram 1.5; lstm 1; gan 2.5."
    )
    kinds = [path.get("class") for path in svg.iter("path") if path.get("class") != "line"]
    assert sorted(set(map(str, kinds))) == ["m0", "m1", "m1 dot", "m2", "m2 dot"], "two points have dots"
    dashed = [path.get("class") for path in svg.iter("path") if path.get("stroke-dasharray")]
    assert dashed == ["m0"], "a level is dashed"
    assert re.findall(r'<li class="(m\d)">', html) == ["m0", "m1", "m2"], "the legend has the same colours"
    few = svg_of(curves("x", {"gan": [(1, 7.0), (4, 6.0)]}, {}, order))
    assert [text.text for text in few.iter("text") if str(text.text) in "01234"] == ["0", "1", "2", "3", "4"], (
        "half a step is none"
    )
    nothing = curves("x", {}, {}, order)
    assert "<ul" not in nothing and "without values" in nothing


def test_a_chart_states_its_size_and_keeps_within_it() -> None:
    history = {"lstm": [(step, 5 / (1 + step)) for step in range(0, 400, 10)]}  # logarithmic
    for html in (curves("x", history, {}, ["lstm"]), strips("x", [1, 2], {"lstm": [-3, 9]}, ["lstm"], "notes")):
        svg = svg_of(html)
        width, height = float(str(svg.get("width"))), float(str(svg.get("height")))
        assert svg.get("viewBox") == f"0 0 {width:g} {height:g}"
        for path in svg.iter("path"):
            for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", str(path.get("d"))):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height


def test_strips_leave_out_what_is_missing() -> None:
    svg = strips("entropy", [1.0, 2.0, None, 3.0], {"lstm": [1.5, math.nan, 2.5], "gan": []}, ["lstm", "gan"], "bits")
    assert svg == strips("entropy", [1.0, 2.0, 3.0], {"lstm": [1.5, 2.5]}, ["lstm", "gan"], "bits")
    assert 'aria-label="Chart: entropy. Medians in bits: real music 2; lstm 2."' in svg
    dots = {path.get("class"): str(path.get("d")).count("h0") for path in svg_of(svg).iter("path")}
    assert dots["ink pale"] == 3 and dots["m0 pale"] == 2 and "m1 pale" not in dots
    assert 'class="band"' in svg and 'class="band"' not in strips("x", [], {"lstm": [1.0]}, ["lstm"], "")
    same = svg_of(strips("x", [1.0, 1.0], {"lstm": [1.0]}, ["lstm"], ""))
    assert [text.text for text in same.iter("text")][2:] == ["0.6", "0.8", "1", "1.2", "1.4"], "one value everywhere"
    svg_of(strips("x", [], {}, ["lstm"], ""))


def test_more_models_than_colours_start_again() -> None:
    order = [f"model{place}" for place in range(len(MODELS) + 1)]
    assert strips("x", [1.0], {order[-1]: [1.0]}, order, "").count('class="m0"') == 2


@pytest.mark.parametrize(("low", "high", "logarithmic"), [(0.0, 1.0, False), (0.003, 40.0, True), (2.0, 90.0, True)])
def test_ticks_lie_within_the_axis(low: float, high: float, logarithmic: bool) -> None:
    axis = Axis(low, high, 10, 110, logarithmic)
    ticks = axis.ticks()
    assert 3 <= len(ticks) <= 7 and all(low <= tick <= high for tick in ticks)
    assert axis.place(low) == pytest.approx(10) and axis.place(high) == pytest.approx(110)


def test_one_value_alone_has_an_axis() -> None:
    chart = curves("polyphony", {"lstm": [(1.0, 100.0)]}, {}, ["lstm"], "pitches", [(1.0, 100.0)])
    assert "nan" not in chart and "inf" not in chart and "real music" in chart
