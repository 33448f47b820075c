"""Ticks of a piece as seconds, by its tempos."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreSecond, ScoreTick, TrackTick


def seconds_at(score: ScoreTick, ticks: Sequence[int]) -> NDArray[np.float64]:
    """The times of some ticks of a piece in seconds, as the synthesizer has them: (ticks,).

    Args:
        score: the piece, whose tempos count; before the first it has 120 BPM.
        ticks: in any order.
    """
    probe, track = ScoreTick(score.ticks_per_quarter), TrackTick()
    probe.tempos = score.tempos.copy()
    for tick in ticks:
        track.notes.append(NoteTick(int(tick), 1, 60, 80))
    probe.tracks.append(track)
    return np.array([note.time for note in cast(ScoreSecond, probe.to("second")).tracks[0].notes], dtype=np.float64)
