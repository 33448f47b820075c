"""Writers: trained models that write one bar after another, each from the bars before it, the controls and a seed.

A bar depends on nothing else, so that it can be written ahead of time, thrown away when a control changes, and
written again in a replay.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etude.core.errors import EtudeError
from etude.live.bars import Bar
from etude.live.controls import Controls
from etude.music.key import SCALES, best_key
from etude.representations.attributes import TONICS, key_of
from etude.tasks.trained_model import TrainedModel

RARE = -3.0  # log of the factor of notes outside a scale
SECTION = 6  # bars after which the past is cut; it then has the last 6. A multiple of 3: bars of 3 beats stay in place


class Writer(Protocol):
    """What writes bars."""

    voices: Mapping[str, int]  # name -> General MIDI program, -1 for drums
    tempo: float  # BPM, where no bar states one

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        """The next bar.

        Args:
            past: all bars before it.
            controls: what it is written for.
            rng: its random numbers.
            opening: its first notes, which stay, up to the tick ``opening.length``; None: all of it is written.

        Raises:
            EtudeError: a requested control attribute cannot be read.
        """

    def read(self, past: Sequence[Bar]) -> None:
        """Read what has sounded so far, so that the next bar is written sooner."""


def outside(pitches: NDArray[np.int64], scale: str | None) -> NDArray[np.float64]:
    """What is added to the log-probability of each token, so that notes outside a scale are rare: (V,).

    Minor has its natural notes and the raised seventh.

    Args:
        pitches: the MIDI pitch that each token starts, -1 for none (V,).
        scale: a key, as ``D minor``; None: nothing is rare.
    """
    if scale is None:
        return np.zeros(len(pitches))
    tonic, mode = key_of(scale)
    steps = SCALES[int(mode == "minor")].copy()
    steps[11] = 1
    return np.where((pitches >= 0) & ~steps[(pitches - tonic) % 12].astype(bool), RARE, 0.0)


def key_in(bars: Sequence[Bar]) -> str | None:
    """The key that the notes of bars suggest, as ``D minor``; None where they suggest none."""
    totals = np.zeros(12)
    for bar in bars:
        for note in bar.notes:
            totals[note.pitch % 12] += note.length
    found = best_key(totals)
    return None if found is None else f"{TONICS[found[0]]} {found[1]}"


def rng_of(seed: int, number: int) -> np.random.Generator:
    """The random numbers of a bar by its number."""
    return np.random.default_rng((seed, number))


def recent(past: Sequence[Bar], asked: tuple[tuple[str, object], ...]) -> int:
    """The number of the first bar that a writer reads: it reads 6 to 12 bars, fewer at the start.

    After a change of control attributes it reads none of the bars before: a new section starts, as these would hold the
    music to what was. After two bars in which nothing starts it reads none of the bars before either.
    """
    number, since = len(past), 0
    for back in range(number - 1, max(-1, number - 1 - 2 * SECTION), -1):
        if past[back].asked != asked and past[back].tokens is not None:
            since = back + 1
            break
        if back and not past[back].notes and not past[back - 1].notes:
            since = back + 1
            break
    return max(since, number // SECTION * SECTION - SECTION, 0)


def writer_of(loaded: TrainedModel, seed: int) -> Writer:
    """The writer of a trained model.

    Raises:
        EtudeError: it writes whole pieces only.
    """
    from etude.live.grid_writer import GridWriter
    from etude.live.stream_writer import StreamWriter
    from etude.live.window_writer import WindowWriter

    representation = loaded.representation
    if getattr(representation, "tells_time", False) and hasattr(loaded.model, "step"):
        if representation.is_voice_grid:
            return GridWriter(loaded, seed)
        return StreamWriter(loaded, seed)
    if getattr(loaded.model, "sampler", None) == "windows":
        return WindowWriter(loaded, seed)
    raise EtudeError(
        f"{loaded.name} writes whole pieces, no bar after another. Take a model whose tokens tell the time, as lstm, "
        "transformer, conditional or voices, or a gan."
    )
