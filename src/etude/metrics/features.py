"""The fixed vector that describes a piece in measures of whole sets: descriptors, structure and shares."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from etude.metrics import descriptors as simple
from etude.metrics import structure as repeating
from etude.metrics.descriptors import Values, ratio
from etude.metrics.harmony import QUALITIES, chord_changes, chord_labels, chords_at_beats, interval_classes
from etude.metrics.harmony import pitch_class_sets as sets_of
from etude.metrics.notes import Integers, Notes, top_lines

AXES = 10  # principal axes of the vectors, on which distances and neighbours are measured
# from which semitones of a melodic step, and from which quarter notes of a length, each kind starts
STEPS = {"repeated_notes": 0, "seconds": 1, "thirds": 3, "fourths_and_fifths": 5, "wider_leaps": 8}
LENGTHS = {"up_to_sixteenths": 0.0, "eighths": 0.26, "quarters": 0.51, "halves": 1.01, "longer_notes": 2.01}
CHORD_KINDS = {  # of the sounding sets of pitch classes
    "major_triads": ("major",),
    "minor_triads": ("minor",),
    "sevenths": tuple(name for name in QUALITIES if "seventh" in name),
    "other_chords": ("diminished", "augmented", "suspended"),
}
UNITS: dict[str, str] = {
    **{name: unit for name, unit in simple.UNITS.items() if not name.startswith("drum_")},
    **{name: unit for name, unit in repeating.UNITS.items() if name != "phrase_length"},
    "mean_pitch": "MIDI pitch",
    "pitch_deviation": "semitones",
    **dict.fromkeys(STEPS, "share of melodic steps"),
    **dict.fromkeys(LENGTHS, "share of notes"),
    "on_quarters": "share of notes",
    "on_eighths": "share of notes",
    "on_sixteenths": "share of notes",
    **{f"interval_class_{size}": "share of sounding pairs" for size in range(1, 7)},
    **dict.fromkeys(CHORD_KINDS, "share of time steps"),
    "unnamed_chords": "share of time steps",
    "chord_changes": "per quarter note",
}


def features(notes: Notes) -> NDArray[np.float64]:
    """The vector of each piece: (pieces, features), in the order of ``UNITS``; nan where a value is not defined.

    Besides descriptors without drums (``etude.metrics.descriptors``) and structure (``etude.metrics.structure``): mean
    and standard deviation of the pitches; melodic steps of the top line of each track by size; notes by length and by
    their place on the grid of quarter, eighth and sixteenth notes; pairs of sounding pitch classes by their distance of
    1 to 6 semitones; time steps by the chord that sounds (of three pitch classes and more); chord changes.
    """
    found: Values = {**simple.descriptors(notes), **repeating.structure(notes), **_shares(notes)}
    return np.stack([found[name] for name in UNITS], axis=1)


def _shares(notes: Notes) -> Values:
    pitched, lines, pieces = notes.pitched, top_lines(notes), len(notes)
    count = pitched.count()
    mean = ratio(np.bincount(pitched.piece, pitched.pitch, pieces), count)
    square = ratio(np.bincount(pitched.piece, (pitched.pitch - mean[pitched.piece]) ** 2, pieces), count)
    same = lines.track[1:] == lines.track[:-1]
    sizes = np.abs(np.diff(lines.pitch))[same]
    lengths = (notes.end - notes.start) / notes.resolution
    sixteenths = notes.start * 4 / notes.resolution  # from the start of the piece
    grid = np.select([sixteenths % 4 == 0, sixteenths % 2 == 0, sixteenths % 1 == 0], [0, 1, 2], 3)
    axis, sets = sets_of(notes)
    pairs = np.stack([np.bincount(axis.owner, column, pieces) for column in interval_classes()[sets].T], axis=1)
    labels = chord_labels()[sets]
    sounds = np.bitwise_count(sets) >= 3
    steps = np.bincount(axis.owner, sounds, pieces)
    kinds = list(QUALITIES)
    quality = np.where(labels < 12 * len(kinds), labels // 12, -1)
    piece, chord = chords_at_beats(notes)
    changes = np.bincount(piece, chord_changes(piece, chord), pieces)
    return {
        "mean_pitch": mean,
        "pitch_deviation": np.sqrt(square),
        **_kinds(lines.piece[1:][same], sizes, STEPS, pieces),
        **_kinds(notes.piece, lengths, LENGTHS, pieces),
        **_kinds(notes.piece, grid, {"on_quarters": 0, "on_eighths": 1, "on_sixteenths": 2, "": 3}, pieces),
        **{f"interval_class_{size + 1}": ratio(pairs[:, size], pairs.sum(axis=1)) for size in range(6)},
        **{
            name: ratio(np.bincount(axis.owner, np.isin(quality, [kinds.index(own) for own in names]), pieces), steps)
            for name, names in CHORD_KINDS.items()
        },
        "unnamed_chords": ratio(np.bincount(axis.owner, sounds & (quality < 0), pieces), steps),
        "chord_changes": np.where(count > 0, ratio(changes, np.bincount(piece, minlength=pieces)), math.nan),
    }


def _kinds(piece: Integers, values: NDArray[np.number], starts: Mapping[str, float], pieces: int) -> Values:
    """The share of each piece's values in each kind, from one of ``starts`` up to the next."""
    kind = np.searchsorted(list(starts.values()), values, side="right") - 1
    counts = np.bincount(piece * len(starts) + kind, minlength=pieces * len(starts)).reshape(pieces, len(starts))
    shares = ratio(counts, counts.sum(axis=1, keepdims=True))
    return {name: shares[:, place] for place, name in enumerate(starts) if name}


@dataclass(frozen=True)
class Space:
    """How vectors are made comparable: standardised by the train pieces, and their principal axes."""

    mean: NDArray[np.float64]  # (features,)
    deviation: NDArray[np.float64]  # (features,); 1 where all train pieces are equal
    axes: NDArray[np.float64]  # (features, axes)

    @classmethod
    def fit(cls, train: NDArray[np.float64]) -> Self:
        """Fit to the vectors of the train pieces (pieces, features); pieces without a note do not count."""
        some = train[~np.isnan(train).all(axis=1)]
        known = ~np.isnan(some)
        count = np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, some, 0)
        mean = filled.sum(axis=0) / count
        centred = np.where(known, some - mean, 0)
        deviation = np.sqrt((centred**2).sum(axis=0) / count)
        deviation = np.where(deviation > 1e-9, deviation, 1)
        standard = centred / deviation
        _, _, rows = np.linalg.svd(standard, full_matrices=False)
        axes = rows[: min(AXES, len(rows))].T
        strongest = np.abs(axes).argmax(axis=0)
        return cls(mean, deviation, axes * np.sign(axes[strongest, np.arange(axes.shape[1])]))

    def standardise(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Vectors of pieces with notes in standard deviations of the train pieces, within 10; nan becomes 0, the mean.

        Pieces without a note are left out.
        """
        some = vectors[~np.isnan(vectors).all(axis=1)]
        standard = (some - self.mean) / self.deviation
        return np.clip(np.where(np.isnan(standard), 0, standard), -10, 10)

    def project(self, standard: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised vectors on the principal axes: (pieces, features) -> (pieces, axes)."""
        found: NDArray[np.float64] = standard @ self.axes
        return found

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for a report."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist(), "axes": self.axes.tolist()}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From ``as_dict``."""
        return cls(*(np.array(values[name], dtype=float) for name in ("mean", "deviation", "axes")))
