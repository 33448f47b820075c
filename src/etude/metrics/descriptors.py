"""Descriptors of a piece: every muspy metric and two densities, on its opening bars, at one stated resolution."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from symusic.core import ScoreTick

from etude.music.key import best_key

if TYPE_CHECKING:
    import muspy

# descriptor -> its unit, in the order of tables and figures; the first fourteen have muspy's names and definitions
UNITS: dict[str, str] = {
    "n_pitches_used": "pitches",
    "n_pitch_classes_used": "pitch classes",
    "pitch_range": "semitones",
    "pitch_entropy": "bits",
    "pitch_class_entropy": "bits",
    "pitch_in_scale_rate": "share of notes",
    "scale_consistency": "share of notes",
    "polyphony": "pitches at once",
    "polyphony_rate": "share of time steps",
    "empty_beat_rate": "share of quarter notes",
    "empty_measure_rate": "share of bars",
    "groove_consistency": "1 - share of steps",
    "drum_in_pattern_rate": "share of drum notes",
    "drum_pattern_consistency": "share of drum notes",
    "mean_duration_quarters": "quarter notes per note",
    "notes_per_bar": "notes per bar",
}


@dataclass(frozen=True)
class Grid:
    """The opening of a piece on a grid of time steps.

    For each track, ``notes`` holds its drum flag, its program and an array (notes, 3) of start and end in steps and
    pitch; ``measure`` is the length of a bar in steps, ``length`` the end of the last note.
    """

    notes: list[tuple[bool, int, np.ndarray]]
    resolution: int
    measure: int
    length: int


def grid(score: ScoreTick, resolution: int, bars: int) -> Grid:
    """Place the first ``bars`` bars of ``score`` on ``resolution`` steps per quarter note.

    Onsets and ends go to the nearest step (halves upwards), but every note keeps at least one step, so none is lost.
    A note that starts after the last bar is left out, and one that sounds across its end is cut there. The first time
    signature (4/4 where there is none) gives the bars, since muspy's measures of bars need one constant length.
    """
    signatures = sorted(score.time_signatures, key=lambda signature: signature.time)
    top, bottom = (signatures[0].numerator, signatures[0].denominator) if signatures else (4, 4)
    measure = max(1, round(Fraction(4 * top * resolution, max(1, bottom))))
    limit = measure * bars
    ticks = score.ticks_per_quarter
    tracks, length = [], 0
    for track in score.tracks:
        columns = track.notes.numpy()
        onset, duration = (columns[name].astype(np.int64) for name in ("time", "duration"))
        start = (2 * onset * resolution + ticks) // (2 * ticks)
        end = np.maximum((2 * (onset + duration) * resolution + ticks) // (2 * ticks), start + 1)
        notes = np.stack([start, np.minimum(end, limit), columns["pitch"].astype(np.int64)], axis=1)  # (notes, 3)
        notes = notes[(start >= 0) & (start < limit)]
        length = max(length, int(notes[:, 1].max(initial=0)))
        tracks.append((track.is_drum, track.program, notes))
    return Grid(tracks, resolution, measure, length)


def to_muspy(opening: Grid) -> "muspy.Music":
    """The same notes as a ``muspy.Music``, track by track."""
    import muspy  # takes seconds

    tracks = [
        muspy.Track(
            program=program,
            is_drum=is_drum,
            notes=[muspy.Note(time=start, pitch=pitch, duration=end - start) for start, end, pitch in notes.tolist()],
        )
        for is_drum, program, notes in opening.notes
    ]
    return muspy.Music(resolution=opening.resolution, tracks=tracks)


def descriptors(score: ScoreTick, resolution: int, bars: int) -> dict[str, float]:
    """Measure the first ``bars`` bars of ``score`` at ``resolution`` time steps per quarter note.

    Values depend on the resolution (groove consistency most): compare values of one resolution only. An undefined value
    is nan, never an exception: all values of a piece without notes, pitch measures where all notes are drums, drum
    measures where there are no drums.

    Definitions are muspy's (muspy.metrics, version 0.5), with its edge cases:

    - n_pitches_used, n_pitch_classes_used: numbers of different pitches and pitch classes.
    - pitch_range: highest minus lowest pitch, in semitones.
    - pitch_entropy, pitch_class_entropy: Shannon entropy of the histogram of notes, in bits, in [0, 7] and [0, 3.585].
    - pitch_in_scale_rate: share of notes in the major or natural minor scale of the key that fits best
      (``etude.music.key``), found the same way in every piece; nan where no key stands out. In [0, 1].
    - scale_consistency: the largest such share over all 24 scales. In [0, 1].
    - polyphony: mean number of different pitches at once, over the time steps where any sounds; unisons count once.
    - polyphony_rate: share of time steps with *more than two* pitches. In [0, 1].
    - empty_beat_rate, empty_measure_rate: share of quarter notes and of bars without a note. muspy counts one more
      where the piece ends on a line between two, and a note that ends on such a line counts in the next. In [0, 1].
    - groove_consistency: 1 minus the mean share of time steps in which neighbouring bars differ in having an onset.
      muspy adds an empty bar where the piece ends on a bar line. nan for less than a bar. In [0, 1].
    - drum_in_pattern_rate: share of drum notes on quarter, eighth and sixteenth positions (muspy's duple pattern).
    - drum_pattern_consistency: the larger of the shares for the duple and the triple pattern.

    and two more: mean_duration_quarters, the mean length of the notes, and notes_per_bar, their number divided by the
    number of bars up to the end of the last note, an incomplete bar counted whole.
    """
    opening = grid(score, resolution, bars)
    values = dict.fromkeys(UNITS, math.nan)
    every = np.concatenate([notes for _, _, notes in opening.notes] or [np.zeros((0, 3), np.int64)])  # (notes, 3)
    if not len(every):
        return values

    from muspy import metrics  # takes seconds

    music = to_muspy(opening)
    values["empty_beat_rate"] = metrics.empty_beat_rate(music)
    values["empty_measure_rate"] = metrics.empty_measure_rate(music, opening.measure)
    values["groove_consistency"] = metrics.groove_consistency(music, opening.measure)
    values["drum_in_pattern_rate"] = metrics.drum_in_pattern_rate(music, "duple")
    values["drum_pattern_consistency"] = metrics.drum_pattern_consistency(music)
    values["mean_duration_quarters"] = float(np.mean(every[:, 1] - every[:, 0])) / resolution
    values["notes_per_bar"] = len(every) / math.ceil(opening.length / opening.measure)

    pitched = [notes for is_drum, _, notes in opening.notes if not is_drum and len(notes)]
    if pitched:  # without a pitch muspy's range is -127
        simple: tuple[Callable[[muspy.Music], float], ...] = (
            metrics.n_pitches_used,
            metrics.n_pitch_classes_used,
            metrics.pitch_range,
            metrics.pitch_entropy,
            metrics.pitch_class_entropy,
            metrics.scale_consistency,
            metrics.polyphony,
            metrics.polyphony_rate,
        )
        for measure in simple:
            values[measure.__name__] = measure(music)
        melodic = np.concatenate(pitched)
        lengths = np.bincount(melodic[:, 2] % 12, weights=melodic[:, 1] - melodic[:, 0], minlength=12)
        key = best_key(lengths)
        if key is not None:
            values["pitch_in_scale_rate"] = metrics.pitch_in_scale_rate(music, *key)
    return {name: float(value) for name, value in values.items()}


def columns(rows: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    """The values of several pieces by descriptor: name -> (pieces,), in the order of ``rows``."""
    return {name: np.array([row[name] for row in rows], dtype=float) for name in UNITS}
