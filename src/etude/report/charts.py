"""Small charts of the report, each drawn twice, for light and for dark pages: same numbers, same bytes."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Values = Sequence[float | None] | np.ndarray
# A colour a variant, in the order of the settings; on light and on dark ground.
VARIANTS = (
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


GROUNDS = {
    "light": Ground("#ffffff", "#3a3d44", "#d9d5cd", "#ece8e1", 0),
    "dark": Ground("#1f2125", "#c9c7c2", "#3c4047", "#2d3036", 1),
}


def colour(place: int, ground: Ground) -> str:
    """The colour of the variant at a place in the settings."""
    return VARIANTS[place % len(VARIANTS)][ground.which]


def curves(
    histories: Mapping[str, Sequence[tuple[float, float]]],
    levels: Mapping[str, float],
    order: Sequence[str],
    ground: Ground,
) -> bytes:
    """One measure by training step, a line a variant.

    Args:
        histories: variant -> (step, value) by step; values that are not finite are left out.
        levels: variant -> one value, of a variant that is not trained in steps: drawn as a dashed line.
        order: all variants, in the order that gives them their colours.
        ground: light or dark.

    Returns:
        A PNG. Where the highest value is more than 20 times the lowest the axis is logarithmic.
    """
    with _axes(2.5, ground) as (figure, axes):
        seen: list[float] = []
        for place, model_name in enumerate(order):
            if model_name in histories:
                points = [(step, value) for step, value in histories[model_name] if math.isfinite(value)]
                steps, values = [step for step, _ in points], [value for _, value in points]
                axes.plot(
                    steps, values, color=colour(place, ground), linewidth=1.5, label=model_name,
                    marker="o" if len(points) < 3 else None, markersize=3,
                )  # fmt: skip
                seen += values
            elif model_name in levels and math.isfinite(levels[model_name]):
                axes.axhline(
                    levels[model_name],
                    color=colour(place, ground),
                    linewidth=1.3,
                    linestyle=(0, (4, 3)),
                    label=model_name,
                )
                seen.append(levels[model_name])
        if seen and min(seen) > 0 and max(seen) > 20 * min(seen):
            axes.set_yscale("log")
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(axis="y", color=ground.line, linewidth=0.6)
        axes.set_xlabel("training step", fontsize=8, color=ground.ink)
        if seen:
            axes.legend(fontsize=8, frameon=False, labelcolor=ground.ink, handlelength=1.6)
        return _png(figure, ground)


def strips(real: Values, samples: Mapping[str, Values], order: Sequence[str], unit: str, ground: Ground) -> bytes:
    """One measure of pieces: a row for real music and one a variant, a dot a piece.

    The tick in a row is the median, the bar the middle half; the band behind all rows is the middle half of real music.
    Values that are ``None`` or nan are left out; a row without values is empty.

    Args:
        real: of the real pieces.
        samples: variant -> values of its samples.
        order: all variants, in the order of the rows.
        unit: for the axis.
        ground: light or dark.
    """
    rows = [("real music", _finite(real), ground.ink)]
    rows += [(name, _finite(samples.get(name, ())), colour(place, ground)) for place, name in enumerate(order)]
    with _axes(0.62 + 0.27 * len(rows), ground) as (figure, axes):
        if len(rows[0][1]):
            axes.axvspan(*np.percentile(rows[0][1], (25, 75)), color=ground.band, linewidth=0, zorder=0)
        for place, (_, values, ink) in enumerate(rows):
            if not len(values):
                continue
            # Dots are spread by the golden section: evenly, and alike each time.
            spread = ((np.arange(len(values)) * 0.6180339887) % 1 - 0.5) * 0.56
            axes.scatter(np.sort(values), place + spread, s=5, color=ink, alpha=0.5, linewidth=0, zorder=2)
            low, middle, high = np.percentile(values, (25, 50, 75))
            axes.plot([low, high], [place, place], color=ink, linewidth=3.2, solid_capstyle="butt", zorder=3)
            axes.plot([middle, middle], [place - 0.34, place + 0.34], color=ink, linewidth=1.6, zorder=3)
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        every = np.concatenate([values for _, values, _ in rows])
        if len(every) and np.ptp(every) < 1e-9:  # one value everywhere: not an axis of last digits
            axes.set_xlim(every[0] - 0.5, every[0] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(unit, fontsize=8, color=ground.ink)
        return _png(figure, ground)


@contextmanager
def _axes(height: float, ground: Ground) -> Iterator[tuple[Figure, Axes]]:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own settings are
        figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.set_facecolor(ground.paper)
        axes.tick_params(length=0, labelsize=8, colors=ground.ink, which="both")
        for split, spine in axes.spines.items():
            spine.set_visible(split == "bottom")
            spine.set_color(ground.line)
        yield figure, axes


def _png(figure: Figure, ground: Ground) -> bytes:
    """The figure with a palette of 64 colours, a third of the size: a chart has few."""
    from PIL import Image

    plain = io.BytesIO()
    figure.savefig(plain, format="png", facecolor=ground.paper, metadata={"Software": None})
    small = io.BytesIO()
    Image.open(plain).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def _finite(values: Values) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]
