"""Descriptors of pieces: every muspy metric and two densities, on their opening bars, at one stated resolution.

They are computed for all pieces at once, some thirty times as fast as muspy piece by piece; ``muspy_values`` has
muspy's own values, and the stage reference compares the two on the real test pieces.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from etude.metrics.notes import Axis, Integers, Notes, spans_of_pitches
from etude.music.key import SCALES, best_keys

if TYPE_CHECKING:
    import muspy

Values = dict[str, NDArray[np.float64]]  # descriptor -> (pieces,)

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


def descriptors(notes: Notes) -> Values:
    """Measure each piece: descriptor of ``UNITS`` -> (pieces,).

    Values depend on the resolution (groove consistency most): compare values of one resolution only. An undefined value
    is nan, never an exception: all values of a piece without notes, pitch measures where all notes are drums, drum
    measures where there are no drums.

    Definitions are muspy's (muspy.metrics, version 0.5), with its edge cases:

    - n_pitches_used, n_pitch_classes_used: numbers of different pitches and pitch classes, 1 to 128 and 1 to 12.
    - pitch_range: highest minus lowest pitch, in semitones, 0 to 127.
    - pitch_entropy, pitch_class_entropy: Shannon entropy of the histogram of notes, in bits, in [0, 7] and [0, 3.585].
    - pitch_in_scale_rate: share of notes in the major or natural minor scale of the key that fits best
      (``etude.music.key``), found the same way in every piece; nan where no key stands out. In [0, 1].
    - scale_consistency: the largest such share over all 24 scales. In [0, 1].
    - polyphony: mean number of different pitches at once, over the time steps where any sounds; unisons count once. At
      least 1.
    - polyphony_rate: share of time steps with *more than two* pitches. In [0, 1].
    - empty_beat_rate, empty_measure_rate: share of quarter notes and of bars without a note. muspy counts one more
      where the piece ends on a line between two, and a note that ends on such a line counts in the next. In [0, 1].
    - groove_consistency: 1 minus the mean share of time steps in which neighbouring bars differ in having an onset.
      muspy adds an empty bar where the piece ends on a bar line. nan for less than a bar. In [0, 1].
    - drum_in_pattern_rate: share of drum notes on quarter, eighth and sixteenth positions (muspy's duple pattern).
    - drum_pattern_consistency: the larger of the shares for the duple and the triple pattern. Both in [0, 1].

    and two more, both above 0: mean_duration_quarters, the mean length of the notes in quarter notes, and
    notes_per_bar, their number divided by the number of bars up to the end of the last note, an incomplete bar counted
    whole.
    """
    count = notes.count()
    steps = np.bincount(notes.piece, notes.end - notes.start, len(notes))
    values = {
        **_pitches(notes.pitched),
        **_polyphony(notes),
        "empty_beat_rate": _empty(notes, np.full(len(notes), notes.resolution)),
        "empty_measure_rate": _empty(notes, notes.measure),
        "groove_consistency": _groove(notes),
        **_drums(notes),
        "mean_duration_quarters": ratio(steps, count) / notes.resolution,
        "notes_per_bar": ratio(count, -(-notes.length // notes.measure)),
    }
    return {name: np.where(count > 0, values[name], math.nan) for name in UNITS}


def ratio(part: NDArray[np.number], whole: NDArray[np.number]) -> NDArray[np.float64]:
    """``part / whole``, nan where ``whole`` is 0."""
    found = np.full(np.broadcast(part, whole).shape, math.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found


def entropy(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Shannon entropy in bits of each row of a histogram, (..., values) -> (...); nan for a row without counts."""
    shares = ratio(counts, counts.sum(-1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.nansum(shares * np.log2(shares), axis=-1)
    return np.where(counts.sum(-1) > 0, bits, math.nan)


def pitch_class_times(notes: Notes) -> Integers:
    """Sounding time of each pitch class in steps: (pieces, 12)."""
    notes = notes.pitched
    where = notes.piece * 12 + notes.pitch % 12
    return np.bincount(where, notes.end - notes.start, len(notes) * 12).astype(np.int64).reshape(-1, 12)


def _pitches(notes: Notes) -> Values:
    pieces = len(notes)
    pitches = np.bincount(notes.piece * 128 + notes.pitch, minlength=pieces * 128).reshape(pieces, 128)
    classes = np.bincount(notes.piece * 12 + notes.pitch % 12, minlength=pieces * 12).reshape(pieces, 12)
    count = notes.count()
    used = pitches > 0
    lowest, highest = used.argmax(axis=1), 127 - used[:, ::-1].argmax(axis=1)
    in_scale = ratio(classes @ SCALES.T, count[:, None])  # (pieces, 24)
    key = best_keys(pitch_class_times(notes))
    own = in_scale[np.arange(pieces), np.maximum(key, 0)]
    some = count > 0  # without a pitch muspy's range is -127
    return {
        "n_pitches_used": np.where(some, used.sum(axis=1), math.nan),
        "n_pitch_classes_used": np.where(some, (classes > 0).sum(axis=1), math.nan),
        "pitch_range": np.where(some, highest - lowest, math.nan),
        "pitch_entropy": entropy(pitches),
        "pitch_class_entropy": entropy(classes),
        "pitch_in_scale_rate": np.where(key >= 0, own, math.nan),
        "scale_consistency": in_scale.max(axis=1, initial=-math.inf, where=~np.isnan(in_scale))
        + np.where(some, 0.0, math.nan),
    }


def sounding(notes: Notes) -> tuple[Axis, Integers]:
    """The number of different pitches that sound at each time step of all pieces, up to the end of the last note."""
    axis = Axis.of(notes.length + 1)
    piece, _, start, end = spans_of_pitches(notes)
    return axis, axis.cover(piece, start, end)


def _polyphony(notes: Notes) -> Values:
    axis, pitches = sounding(notes)
    some = notes.pitched.count() > 0
    rate = ratio(axis.sums(pitches > 2), notes.length)
    return {
        "polyphony": ratio(axis.sums(pitches), axis.sums(pitches > 0)),
        "polyphony_rate": np.where(some, rate, math.nan),
    }


def _empty(notes: Notes, unit: Integers) -> NDArray[np.float64]:
    """The share of spans of ``unit`` steps (pieces,) without a note."""
    axis = Axis.of(notes.length // unit + 1)
    each = unit[notes.piece]
    covered = axis.cover(notes.piece, notes.start // each, notes.end // each + 1) > 0
    return 1 - axis.sums(covered) / axis.size


def _groove(notes: Notes) -> NDArray[np.float64]:
    bars = notes.length // notes.measure + 1
    axis = Axis.of(bars * notes.measure)
    onset = np.zeros(axis.places, dtype=bool)
    onset[axis.start[notes.piece] + notes.start] = True
    owner = axis.owner
    last = axis.start + (bars - 1) * notes.measure  # the start of each piece's last bar
    compared = np.flatnonzero(np.arange(axis.places) < last[owner])
    differs = onset[compared] != onset[compared + notes.measure[owner[compared]]]
    different = np.bincount(owner[compared], differs, len(notes))
    return 1 - ratio(different, notes.measure * (bars - 1))


def _drums(notes: Notes) -> Values:
    drums = notes.rows(notes.drum)
    total = drums.count()
    place = drums.start % drums.resolution
    shares = []
    for parts in ((4, 2), (3,)):  # of a quarter note, in muspy's duple and triple pattern
        steps = [drums.resolution // part for part in parts if drums.resolution % part == 0]
        hit = np.any([place == 0, *(place % step == 0 for step in steps)], axis=0)
        shares.append(ratio(np.bincount(drums.piece, hit, len(drums)), total))
    return {"drum_in_pattern_rate": shares[0], "drum_pattern_consistency": np.maximum(*shares)}


def to_muspy(notes: Notes, place: int) -> "muspy.Music":
    """The notes of one piece as a ``muspy.Music``, track by track."""
    import muspy  # takes seconds

    tracks = []
    own = notes.piece == place
    for number in np.unique(notes.track[own]):
        rows = np.flatnonzero(notes.track == number)
        columns = (notes.start[rows], notes.pitch[rows], (notes.end - notes.start)[rows])
        made = [muspy.Note(*map(int, row)) for row in zip(*columns, strict=True)]
        tracks.append(muspy.Track(is_drum=bool(notes.drum[rows[0]]), notes=made))
    return muspy.Music(resolution=notes.resolution, tracks=tracks)


def muspy_values(notes: Notes, place: int) -> dict[str, float]:
    """What muspy itself measures of one piece that has notes: name -> value, all of its metrics that are defined.

    ``pitch_in_scale_rate`` takes the key that ``descriptors`` takes.
    """
    from muspy import metrics  # takes seconds

    music, bar = to_muspy(notes, place), int(notes.measure[place])
    found = {
        "empty_beat_rate": metrics.empty_beat_rate(music),
        "empty_measure_rate": metrics.empty_measure_rate(music, bar),
        "groove_consistency": metrics.groove_consistency(music, bar),
        "drum_in_pattern_rate": metrics.drum_in_pattern_rate(music, "duple"),
        "drum_pattern_consistency": metrics.drum_pattern_consistency(music),
    }
    if any(len(track.notes) and not track.is_drum for track in music.tracks):
        for measure in (
            metrics.n_pitches_used, metrics.n_pitch_classes_used, metrics.pitch_range, metrics.pitch_entropy,
            metrics.pitch_class_entropy, metrics.scale_consistency, metrics.polyphony, metrics.polyphony_rate,
        ):  # fmt: skip
            found[measure.__name__] = measure(music)
        key = int(best_keys(pitch_class_times(notes))[place])
        if key >= 0:
            found["pitch_in_scale_rate"] = metrics.pitch_in_scale_rate(music, key // 2, ("major", "minor")[key % 2])
    return {name: float(value) for name, value in found.items()}


def difference_to_muspy(notes: Notes, found: Values) -> float:
    """The largest difference between ``found`` and muspy's own values over all pieces with notes.

    Where only one of the two is defined it is infinite. 0 for no pieces.
    """
    largest = 0.0
    for place in np.flatnonzero(notes.count()).tolist():
        own = muspy_values(notes, place)
        for name in list(UNITS)[:14]:
            ours, theirs = float(found[name][place]), own.get(name, math.nan)
            if math.isnan(ours) and math.isnan(theirs):
                continue
            apart = abs(ours - theirs)
            largest = max(largest, math.inf if math.isnan(apart) else apart)
    return largest
