"""Figures of measures, drawn by matplotlib's object interface: same numbers, same bytes."""

import io
import math
from collections.abc import Mapping, Sequence

import numpy as np

Values = Sequence[float | None] | np.ndarray
REAL, SAMPLES = "#9aa5b1", "#c2410c"  # they differ in lightness too, and one is filled, the other a line
ACROSS = 4  # panels a row
BINS = 16


def distributions(
    samples: Mapping[str, Values],
    real: Mapping[str, Values],
    distances: Mapping[str, float | None],
    units: Mapping[str, str],
    title: str,
    caption: str,
) -> bytes:
    """Small multiples, one a descriptor: how the values of samples and of real pieces are distributed.

    Args:
        samples: descriptor -> values, one a piece; nan and ``None`` are left out.
        real: the same of real pieces.
        distances: descriptor -> distance in standard deviations of the real values, for the panel's heading.
        units: descriptor -> unit, for the axis; its order is the order of the panels.
        title: over the figure.
        caption: under the figure; what was measured and at which resolution.

    Returns:
        A PNG. Panels share no axis; the height of a bar is a share of the pieces, a dashed line is a mean. A descriptor
        without any value has no panel and is named in the caption.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from PIL import Image

    shown = {name: (_finite(samples.get(name, ())), _finite(real.get(name, ()))) for name in units}
    missing = [name for name, (ours, theirs) in shown.items() if not len(ours) and not len(theirs)]
    for name in missing:
        del shown[name]
    if missing:
        caption += f" Without values: {', '.join(missing)}."
    down = max(1, math.ceil(len(shown) / ACROSS))
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # no user's own style changes the bytes
        matplotlib.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
        figure = Figure(figsize=(12, 2.3 * down + 1.2), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
        figure.supxlabel(caption, fontsize=8, x=0.01, ha="left")
        panels = figure.subplots(down, ACROSS, squeeze=False).ravel()
        for axes, (name, (ours, theirs)) in zip(panels, shown.items(), strict=False):
            edges = _edges(np.concatenate([ours, theirs]))
            for values, style in (
                (theirs, {"histtype": "stepfilled", "color": REAL}),
                (ours, {"histtype": "step", "color": SAMPLES, "linewidth": 1.6}),
            ):
                if len(values):
                    axes.hist(values, edges, weights=np.full(len(values), 1 / len(values)), **style)
                    axes.axvline(values.mean(), color=style["color"], linestyle="--", linewidth=1)
            apart = distances.get(name)
            heading = name.replace("_", " ")
            known = apart is not None and math.isfinite(apart)
            axes.set_title(f"{heading}   distance {apart:.2f}" if known else heading, fontsize=9, loc="left")
            axes.set_xlabel(units[name])
            axes.set_ylabel("share of pieces")
            axes.locator_params(nbins=5)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        keys = [Patch(color=REAL, label="real"), Patch(fill=False, edgecolor=SAMPLES, linewidth=1.6, label="samples")]
        figure.legend(handles=keys, loc="upper right", ncols=2, frameon=False, fontsize=9)
        canvas.draw()
        page = io.BytesIO()
        Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).save(page, format="png")
    return page.getvalue()


def _finite(values: Values) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    kept: np.ndarray = array[np.isfinite(array)]
    return kept


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of bins that both histograms share; whole numbers get bins of whole width, centred on them."""
    low, high = float(values.min()), float(values.max())
    if np.all(values == np.round(values)):
        width = max(1, math.ceil((high - low + 1) / BINS))
        return np.arange(low - 0.5, high + width + 0.5, width)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)
