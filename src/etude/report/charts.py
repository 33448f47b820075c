"""Small charts as SVG within the page, whose colours they take: one drawing serves light and dark.

A model has the colour of its place in the settings, by the classes ``m0`` to ``m9``; real music has that of text.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

Values = Sequence[float | None] | np.ndarray
# A colour a model, in the order of the settings; on light and on dark ground.
MODELS = (
    ("#7a6c5d", "#bfae9b"),
    ("#0072b2", "#57b1ea"),
    ("#d55e00", "#ff9147"),
    ("#008866", "#35cfa2"),
    ("#a5599b", "#dc94d0"),
    ("#9c7a00", "#e2bd3f"),
    ("#3b3f9e", "#9a9ff2"),
    ("#b3243a", "#ff7f90"),
    ("#4f7f00", "#a9d94f"),
    ("#007f8c", "#5cd6e0"),
)
WIDTH = 320.0  # of a chart in the units of its SVG: about the pixels of a phone, so that letters keep their size
LETTER, DIGIT = 5.9, 6.2  # mean width of a letter and of a digit at the size of labels
ROW = 26.0  # height of a row of a strip chart
RIGHT, BELOW = 14.0, 34.0  # margins of the area that is drawn into


@dataclass(frozen=True)
class Axis:
    """Values to places on the page, with rounded ticks."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False
    whole: bool = False  # ticks at whole numbers only

    def place(self, value: float) -> float:
        """Where a value lies."""
        low, high = self.low, self.high
        if self.logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values within the axis, about five."""
        near = self.logarithmic and self.high / self.low < 100
        steps = (1.0, 2.0, 5.0) if near else (1.0,)
        locator = LogLocator(subs=steps) if self.logarithmic else MaxNLocator(5, integer=self.whole)
        edge = 1e-9 * abs(self.high - self.low)
        return [
            float(tick)
            for tick in locator.tick_values(self.low, self.high)
            if self.low - edge <= tick <= self.high + edge
        ]


@dataclass
class Drawing:
    """The parts of one SVG, in the order in which they are drawn."""

    height: float
    label: str
    parts: list[str] = field(default_factory=list)

    def path(self, data: str, classes: str, width: float, more: str = "") -> None:
        """A line, or dots where its parts have no length."""
        self.parts.append(f'<path class="{classes}" d="{data}" stroke-width="{width:g}"{more}/>')

    def text(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        """A label; ``anchor`` is the end of it that stands at ``x``."""
        self.parts.append(f'<text x="{_short(x)}" y="{_short(y)}" text-anchor="{anchor}">{escape(text)}</text>')

    def svg(self) -> str:
        """The SVG as text. Its size in pixels is stated, so that a page does not grow when it is drawn."""
        size = f'viewBox="0 0 {WIDTH:g} {self.height:g}" width="{WIDTH:g}" height="{self.height:g}"'
        return f'<svg class="drawing" role="img" aria-label="{escape(self.label)}" {size}>{"".join(self.parts)}</svg>'


def curves(
    title: str,
    histories: Mapping[str, Sequence[tuple[float, float]]],
    levels: Mapping[str, float],
    order: Sequence[str],
    unit: str = "training step",
    real: Sequence[tuple[float, float]] = (),
    real_name: str = "real music",
    linear: bool = False,
) -> str:
    """One measure by training step, or by another ``unit``, a line a model, with a legend.

    Args:
        title: of the chart, for screen readers, which hear the last value of each model too.
        histories: model -> (step, value) by step; values that are not finite are left out.
        levels: model -> one value, of a model that is not trained in steps: drawn as a dashed line.
        order: all models, in the order that gives them their colours.
        unit: for the axis that runs across.
        real: (step, value) of a line that models are compared with, drawn in the colour of text.
        real_name: what the legend calls it.
        linear: the axis is never logarithmic.

    Returns:
        HTML. Where the highest value is more than 20 times the lowest the axis is logarithmic, and says so.
    """
    lines = {
        name: [(step, value) for step, value in histories[name] if math.isfinite(value)]
        for name in order
        if name in histories
    }
    lines = {name: points for name, points in lines.items() if points}
    level = {name: levels[name] for name in order if name in levels and math.isfinite(levels[name])}
    shown = [name for name in order if name in lines or name in level]
    seen = [value for points in [*lines.values(), real] for _, value in points] + list(level.values())
    last = "; ".join(f"{name} {(lines[name][-1][1] if name in lines else level[name]):.3g}" for name in shown)
    drawing = Drawing(210, f"Chart: {title}. Last values: {last}." if last else f"Chart: {title}, without values.")
    top, bottom = 8.0, drawing.height - BELOW
    logarithmic = not linear and bool(seen) and min(seen) > 0 and max(seen) > 20 * min(seen)
    low, high = _range(seen, logarithmic)
    unit = f"{unit}; upward on a logarithmic scale" if logarithmic else unit
    upward = Axis(low, high, bottom, top, logarithmic)
    marks = [(tick, f"{tick:.6g}") for tick in upward.ticks()]
    left = 10 + DIGIT * max((len(mark) for _, mark in marks), default=1)
    steps = [step for points in [*lines.values(), real] for step, _ in points] or [0.0]
    first = min(steps) if real else 0.0
    across = Axis(first, max([first + 1.0, *steps]), left + 2, WIDTH - RIGHT, whole=True)
    for tick, mark in marks:
        y = upward.place(tick)
        drawing.path(f"M{_short(left)} {_short(y)}H{WIDTH - RIGHT:g}", "line", 0.7)
        drawing.text(left - 5, y + 3.5, mark, "end")
    _mark_across(drawing, across, bottom, unit)
    for place, name in enumerate(order):
        if name in lines:
            points = [(across.place(step), upward.place(value)) for step, value in lines[name]]
            drawing.path(_polyline(points), f"m{place % len(MODELS)}", 1.6)
            if len(points) < 3:
                drawing.path(_dots(points), f"m{place % len(MODELS)} dot", 5)
        elif name in level:
            height = _short(upward.place(level[name]))
            drawing.path(
                f"M{_short(left)} {height}H{WIDTH - RIGHT:g}", f"m{place % len(MODELS)}", 1.5, ' stroke-dasharray="5 4"'
            )
    if real:
        drawing.path(_polyline([(across.place(step), upward.place(value)) for step, value in real]), "ink", 2.2)
    keys = "".join(
        f'<li class="m{place % len(MODELS)}"><i{"" if name in lines else " class=dashed"}></i>'
        f"<span>{escape(name)}</span></li>"
        for place, name in enumerate(order)
        if name in shown
    )
    if real:
        keys = f'<li class="ink"><i></i><span>{escape(real_name)}</span></li>{keys}'
    return f'{drawing.svg()}<ul class="keys lines" aria-hidden="true">{keys}</ul>' if keys else drawing.svg()


def strips(title: str, real: Values, samples: Mapping[str, Values], order: Sequence[str], unit: str) -> str:
    """One measure of pieces: a row for real music and one a model, a dot a piece.

    The tick in a row is the median, the bar the middle half; the band behind all rows is the middle half of real music.
    Values that are ``None`` or nan are left out; a row without values is empty.

    Args:
        title: of the chart, for screen readers, which hear the medians too.
        real: of the real pieces.
        samples: model -> values of its samples.
        order: all models, in the order of the rows.
        unit: for the axis.

    Returns:
        An SVG.
    """
    rows = [("real music", "ink", _finite(real))]
    rows += [(name, f"m{place % len(MODELS)}", _finite(samples.get(name, ()))) for place, name in enumerate(order)]
    medians = "; ".join(f"{name} {np.median(values):.3g}" for name, _, values in rows if len(values))
    label = f"Chart: {title}. Medians{f' in {unit}' if unit else ''}: {medians}." if medians else f"Chart: {title}."
    drawing = Drawing(6 + ROW * len(rows) + BELOW, label)
    bottom, left = drawing.height - BELOW, 10 + LETTER * max(len(name) for name, _, _ in rows)
    every = np.concatenate([values for _, _, values in rows])
    axis = Axis(*_range(every.tolist(), False), left + 4, WIDTH - RIGHT)
    if len(rows[0][2]):
        low, high = (axis.place(float(end)) for end in np.percentile(rows[0][2], (25, 75)))
        width = _short(max(high - low, 1.0))
        drawing.parts.append(
            f'<rect class="band" x="{_short(low)}" y="2" width="{width}" height="{_short(bottom - 2)}"/>'
        )
    for row, (name, kind, values) in enumerate(rows):
        y = 6 + ROW * (row + 0.5)
        drawing.text(left - 5, y + 3.5, name, "end")
        if not len(values):
            continue
        # Dots are spread by the golden section: evenly, and alike each time.
        spread = ((np.arange(len(values)) * 0.6180339887) % 1 - 0.5) * 0.56 * ROW
        places = [axis.place(value) for value in np.sort(values).tolist()]
        drawing.path(_dots(zip(places, (y + spread).tolist(), strict=True)), f"{kind} pale", 2.6)
        low, middle, high = (axis.place(float(end)) for end in np.percentile(values, (25, 50, 75)))
        drawing.path(f"M{_short(low)} {_short(y)}H{_short(high)}", kind, 3.6)
        drawing.path(f"M{_short(middle)} {_short(y - 0.34 * ROW)}V{_short(y + 0.34 * ROW)}", kind, 1.8)
    _mark_across(drawing, axis, bottom, unit)
    return drawing.svg()


def _mark_across(drawing: Drawing, axis: Axis, y: float, unit: str) -> None:
    drawing.path(f"M{_short(axis.start)} {_short(y)}H{_short(axis.end)}", "line", 1)
    for tick in axis.ticks():
        drawing.text(axis.place(tick), y + 13, f"{tick:.6g}")
    if unit:
        drawing.text((axis.start + axis.end) / 2, y + 28, unit)


def _range(values: Sequence[float], logarithmic: bool) -> tuple[float, float]:
    """The ends of an axis: a little beyond the values; a unit where they are one and the same, or absent.

    An axis of values that are never negative does not go below 0.
    """
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if logarithmic:
        return low / 1.1, high * 1.1
    margin = 0.04 * (high - low) if high - low >= 1e-9 else 0.5
    return max(0.0, low - margin) if low >= 0 else low - margin, high + margin


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _dots(points: Iterable[tuple[float, float]]) -> str:
    return "".join(f"M{_short(x)} {_short(y)}h0" for x, y in points)


def _short(value: float) -> str:
    """A coordinate with one decimal at most."""
    return f"{round(value, 1) + 0.0:g}"


def _finite(values: Values) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
