"""Small charts of the report, each laid out once and drawn for light and for dark pages: same numbers, same bytes."""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

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
)
WIDTH = 3.2  # inches of a chart: as wide as a phone shows it without shrinking its letters
DPI = 150


@dataclass(frozen=True)
class Ground:
    """What a chart is drawn on, and with which of each pair of colours."""

    paper: str
    ink: str
    line: str
    band: str
    which: int


Choice = Callable[[Ground], str]  # which colour on a ground
GROUNDS = {
    "light": Ground("#ffffff", "#3a3d44", "#d9d5cd", "#ece8e1", 0),
    "dark": Ground("#1f2125", "#c9c7c2", "#3c4047", "#2d3036", 1),
}


INK, LINE, BAND, PAPER = (attrgetter(name) for name in ("ink", "line", "band", "paper"))


def colour(place: int, ground: Ground) -> str:
    """The colour of the model at a place in the settings."""
    return MODELS[place % len(MODELS)][ground.which]


class Chart:
    """A figure whose colours are set just before it is drawn, so that one layout serves all grounds."""

    def __init__(self, height: float) -> None:
        """An empty chart, ``height`` inches high."""
        self.figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
        self.axes = self.figure.subplots()
        self._canvas = FigureCanvasAgg(self.figure)
        self._paint: list[tuple[Callable[[str], object], Choice]] = []
        self.paint(PAPER, self.figure.set_facecolor, self.axes.set_facecolor)
        self.axes.tick_params(length=0, labelsize=8, which="both")
        self.paint(INK, lambda ink: self.axes.tick_params(colors=ink, which="both"))
        for name, spine in self.axes.spines.items():
            spine.set_visible(name == "bottom")
            self.paint(LINE, spine.set_color)

    def paint(self, choice: Choice, *setters: Callable[[str], object]) -> None:
        """Let ``setters`` be called with the colour that ``choice`` gives for a ground, before each drawing."""
        self._paint += [(setter, choice) for setter in setters]

    def draw(self) -> dict[str, bytes]:
        """The chart as PNG on each ground, by the names of ``GROUNDS``."""
        pictures = {}
        for name, ground in GROUNDS.items():
            for setter, choice in self._paint:
                setter(choice(ground))
            self._canvas.draw()
            pictures[name] = _png(self._canvas)
            self.figure.set_layout_engine(
                "none"
            )  # the first drawing has done the layout, which takes a third of the time
        return pictures


def curves(
    histories: Mapping[str, Sequence[tuple[float, float]]], levels: Mapping[str, float], order: Sequence[str]
) -> dict[str, bytes]:
    """One measure by training step, a line a model.

    Args:
        histories: model -> (step, value) by step; values that are not finite are left out.
        levels: model -> one value, of a model that is not trained in steps: drawn as a dashed line.
        order: all models, in the order that gives them their colours.

    Returns:
        A PNG a ground. Where the highest value is more than 20 times the lowest the axis is logarithmic.
    """
    with _chart(2.5) as chart:
        axes, seen, shown = chart.axes, list[float](), list[int]()
        for place, model_name in enumerate(order):
            if model_name in histories:
                points = [(step, value) for step, value in histories[model_name] if math.isfinite(value)]
                steps, values = [step for step, _ in points], [value for _, value in points]
                marker = "o" if len(points) < 3 else None
                (line,) = axes.plot(steps, values, linewidth=1.5, label=model_name, marker=marker, markersize=3)
            elif model_name in levels and math.isfinite(levels[model_name]):
                values = [levels[model_name]]
                line = axes.axhline(*values, linewidth=1.3, linestyle=(0, (4, 3)), label=model_name)
            else:
                continue
            chart.paint(partial(colour, place), line.set_color)
            seen += values
            shown.append(place)
        if seen and min(seen) > 0 and max(seen) > 20 * min(seen):
            axes.set_yscale("log")
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="y", linewidth=0.6)
        chart.paint(LINE, lambda line: axes.tick_params(axis="y", grid_color=line))
        chart.paint(INK, axes.set_xlabel("training step", fontsize=8).set_color)
        if seen:
            legend = axes.legend(fontsize=8, frameon=False, handlelength=1.6)
            chart.paint(INK, *(text.set_color for text in legend.get_texts()))
            for place, line in zip(shown, legend.get_lines(), strict=True):
                chart.paint(partial(colour, place), line.set_color)
        return chart.draw()


def strips(real: Values, samples: Mapping[str, Values], order: Sequence[str], unit: str) -> dict[str, bytes]:
    """One measure of pieces: a row for real music and one a model, a dot a piece.

    The tick in a row is the median, the bar the middle half; the band behind all rows is the middle half of real music.
    Values that are ``None`` or nan are left out; a row without values is empty.

    Args:
        real: of the real pieces.
        samples: model -> values of its samples.
        order: all models, in the order of the rows.
        unit: for the axis.

    Returns:
        A PNG a ground.
    """
    rows: list[tuple[str, np.ndarray, Choice]] = [("real music", _finite(real), INK)]
    rows += [(name, _finite(samples.get(name, ())), partial(colour, place)) for place, name in enumerate(order)]
    with _chart(0.62 + 0.27 * len(rows)) as chart:
        axes = chart.axes
        if len(rows[0][1]):
            band = axes.axvspan(*np.percentile(rows[0][1], (25, 75)), linewidth=0, zorder=0)
            chart.paint(BAND, band.set_color)
        for place, (_, values, choice) in enumerate(rows):
            if not len(values):
                continue
            # Dots are spread by the golden section: evenly, and alike each time.
            spread = ((np.arange(len(values)) * 0.6180339887) % 1 - 0.5) * 0.56
            dots = axes.scatter(np.sort(values), place + spread, s=5, alpha=0.5, linewidth=0, zorder=2)
            low, middle, high = np.percentile(values, (25, 50, 75))
            (bar,) = axes.plot([low, high], [place, place], linewidth=3.2, solid_capstyle="butt", zorder=3)
            (tick,) = axes.plot([middle, middle], [place - 0.34, place + 0.34], linewidth=1.6, zorder=3)
            chart.paint(choice, dots.set_facecolor, bar.set_color, tick.set_color)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        every = np.concatenate([values for _, values, _ in rows])
        if len(every) and np.ptp(every) < 1e-9:  # one value everywhere: not an axis of last digits
            axes.set_xlim(every[0] - 0.5, every[0] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        chart.paint(INK, axes.set_xlabel(unit, fontsize=8).set_color)
        return chart.draw()


@contextmanager
def _chart(height: float) -> Iterator[Chart]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own settings are
        yield Chart(height)


def _png(canvas: FigureCanvasAgg) -> bytes:
    """What was drawn with a palette of 64 colours, a third of the size: a chart has few."""
    small = io.BytesIO()
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba())
    picture.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def _finite(values: Values) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
