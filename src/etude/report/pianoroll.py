"""Piano rolls: a piece as a picture, and as the plain numbers that a page draws."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import ArrayLike
from PIL import Image
from symusic.core import ScoreTick, TrackTick

from etude.audio.synthesis import track_names
from etude.music.bars import bar_lines

# One colour a voice, from the top voice down, distinct to the colour-blind too (Okabe and Ito 2008, adapted).
VOICES = ("#d55e00", "#0072b2", "#009e73", "#a5599b", "#b58900", "#56b4e9", "#8c6d5a", "#7f7f7f")
INK, FAINT = "#333333", "#dddddd"
NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
MOST_BARS = 24  # of the width of a picture; a longer piece is drawn denser


def colour(place: int) -> str:
    """The colour of the track at a place."""
    return VOICES[place % len(VOICES)]


def pitch_name(pitch: int) -> str:
    """A MIDI pitch by name and octave; 60 is C4."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def picture(score: ScoreTick, path: Path | BinaryIO, title: str = "") -> None:
    """Draw a piece as a PNG: time in bars across, pitch upwards, one colour a voice.

    The same piece gives the same bytes. A piece without notes gives an empty grid.

    Args:
        score: a piece in ticks.
        path: where to write, or an open file.
        title: a line above the picture.
    """
    lines = bar_lines(score)
    pitches = [note.pitch for track in score.tracks for note in track.notes]
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (58, 74)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own settings are
        figure = Figure(figsize=(2.0 + 0.45 * min(max(len(lines) - 1, 8), MOST_BARS), 4.2), dpi=110)
        figure.set_layout_engine("constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.subplots()
        keys = np.arange(low, high + 1)
        black = keys[np.isin(keys % 12, (1, 3, 6, 8, 10))]
        axes.add_collection(
            PolyCollection(
                _rectangles(0, 1, black - 0.5, black + 0.5), transform=axes.get_yaxis_transform(), color="#f5f5f5",
                linewidth=0, zorder=0,
            ), autolim=False,
        )  # fmt: skip
        axes.hlines(
            keys[keys % 12 == 0] - 0.5,
            0,
            1,
            transform=axes.get_yaxis_transform(),
            color=FAINT,
            linewidth=0.6,
            zorder=1,
            capstyle="projecting",
        )
        axes.vlines(
            lines,
            0,
            1,
            transform=axes.get_xaxis_transform(),
            color="#bbbbbb",
            linewidth=0.7,
            zorder=1,
            capstyle="projecting",
        )
        handles = []
        for place, (name, track) in enumerate(zip(track_names(score), score.tracks, strict=True)):
            axes.add_collection(
                PolyCollection(
                    _note_boxes(track), facecolor=colour(place), edgecolor="white", linewidth=0.5, alpha=0.9, zorder=2
                )
            )
            handles.append(Patch(facecolor=colour(place), label=name))
        axes.set_xlim(0, lines[-1])
        axes.set_ylim(low - 0.5, high + 0.5)
        step = max(1, -(-(len(lines) - 1) // 16))
        axes.set_xticks(lines[:-1:step], [str(bar) for bar in range(1, len(lines), step)])
        named = [pitch for pitch in range(low, high + 1) if pitch % 12 in (0, 4, 7)]
        axes.set_yticks(named, [pitch_name(pitch) for pitch in named])
        axes.tick_params(length=0, labelsize=8, colors=INK)
        axes.set_xlabel("bar", fontsize=9, color=INK)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
        if handles:
            figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
        canvas.draw()
        Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).save(path, format="png")


def _note_boxes(track: TrackTick) -> Sequence[ArrayLike]:
    notes = track.notes.numpy()
    return _rectangles(notes["time"], notes["time"] + notes["duration"], notes["pitch"] - 0.42, notes["pitch"] + 0.42)


def _rectangles(left: ArrayLike, right: ArrayLike, low: ArrayLike, high: ArrayLike) -> Sequence[ArrayLike]:
    """The corners of rectangles, (rectangles, 4, 2)."""
    corners = ((left, low), (right, low), (right, high), (left, high))
    stacked = np.stack([np.stack(np.broadcast_arrays(*corner), axis=-1) for corner in corners], axis=1)
    return cast(Sequence[ArrayLike], stacked)  # an array, for which matplotlib is faster


def roll(score: ScoreTick, seconds: float | None = None) -> dict[str, Any]:
    """The numbers that a page draws a piano roll from, times in whole milliseconds.

    Args:
        score: a piece in ticks.
        seconds: notes from here on are left out, and those that sound across are cut.

    Returns:
        ``tracks``: a name and notes (onset, duration, pitch) each; ``bars``: where bars start and the last ends;
        ``end``: the last note's end; ``low``, ``high``: the lowest and highest pitch (of the middle octave, if none).
    """
    limit = round(1000 * seconds) if seconds is not None else None
    lines = bar_lines(score)
    marks = _milliseconds(score, lines)
    tracks, end, pitches = [], 0, []
    for name, track in zip(track_names(score), score.tracks, strict=True):
        onsets = _milliseconds(score, [int(note.time) for note in track.notes])
        ends = _milliseconds(score, [int(note.time + note.duration) for note in track.notes])
        notes = []
        for note, onset, stop in zip(track.notes, onsets, ends, strict=True):
            if limit is None or onset < limit:
                stop = stop if limit is None else min(stop, limit)
                notes.append([onset, stop - onset, int(note.pitch)])
                end = max(end, stop)
                pitches.append(int(note.pitch))
        tracks.append({"name": name, "notes": sorted(notes)})
    return {
        "tracks": tracks,
        "bars": [mark for mark in marks if limit is None or mark <= limit],
        "end": end,
        "low": min(pitches, default=60),
        "high": max(pitches, default=72),
    }


def _milliseconds(score: ScoreTick, ticks: list[int]) -> list[int]:
    """The times of ``ticks`` under the piece's tempos (120 BPM before the first)."""
    tempos = sorted((int(tempo.time), float(tempo.qpm)) for tempo in score.tempos)
    if not tempos or tempos[0][0] > 0:
        tempos.insert(0, (0, 120.0))
    starts, seconds = [0.0], 0.0
    for (time, qpm), (following, _) in pairwise(tempos):
        seconds += (following - time) * 60 / qpm / score.ticks_per_quarter
        starts.append(seconds)
    places = np.searchsorted([time for time, _ in tempos], ticks, side="right") - 1
    return [
        round(1000 * (starts[place] + (tick - tempos[place][0]) * 60 / tempos[place][1] / score.ticks_per_quarter))
        for tick, place in zip(ticks, places.tolist(), strict=True)
    ]
