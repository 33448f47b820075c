"""Melodies that these tests write."""

import numpy as np
from symusic.core import ScoreTick, TrackTick

from etude.music.columns import Columns


def tune(*notes: tuple[int, int, int], quarter: int = 24, before: int = 0) -> ScoreTick:
    """Notes (onset, length, pitch) on a track after ``before`` empty ones."""
    piece = ScoreTick(quarter)
    for _ in range(before):
        piece.tracks.append(TrackTick("empty", 3))
    track = TrackTick("tune", 40)
    columns = np.array(notes).reshape(-1, 3).T
    velocity = np.full(len(notes), 70, np.int8)
    track.notes = Columns(
        columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2].astype(np.int8), velocity
    ).notes()
    piece.tracks.append(track)
    return piece
