"""What sounds together: pitch-class sets at each time step, their chords by name, their intervals."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from etude.metrics.descriptors import pitch_class_times
from etude.metrics.notes import Axis, Integers, Notes, spans_of_pitches
from etude.music.key import best_keys

# name -> semitones above the root; a set of pitch classes that is none of them, in no inversion, is "other"
QUALITIES = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "suspended": (0, 5, 7),
    "dominant seventh": (0, 4, 7, 10),
    "seventh without fifth": (0, 4, 10),
    "major seventh": (0, 4, 7, 11),
    "minor seventh": (0, 3, 7, 10),
    "half-diminished seventh": (0, 3, 6, 10),
    "diminished seventh": (0, 3, 6, 9),
}
DEGREES = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
FEW, OTHER = 12 * len(QUALITIES), 12 * len(QUALITIES) + 1  # fewer than three pitch classes; no named chord
CHORDS = OTHER + 1  # labels


@cache
def chord_labels() -> Integers:
    """The label of each set of pitch classes, (4096,): 12 * quality + root, ``FEW`` or ``OTHER``; bit 0 is C.

    Of the roots that a symmetric chord may have, the lowest is taken.
    """
    sizes = np.array([number.bit_count() for number in range(4096)])
    labels = np.where(sizes < 3, FEW, OTHER)
    for quality, steps in reversed(list(enumerate(QUALITIES.values()))):
        for root in reversed(range(12)):
            labels[sum(1 << (root + step) % 12 for step in steps)] = 12 * quality + root
    return labels


@cache
def interval_classes() -> Integers:
    """How many pairs of each set of pitch classes are 1 to 6 semitones apart, either way: (4096, 6)."""
    sets = (np.arange(4096)[:, None] >> np.arange(12)) & 1
    pairs = [(sets * np.roll(sets, step, axis=1)).sum(axis=1) for step in range(1, 7)]
    pairs[5] //= 2
    return np.stack(pairs, axis=1)


def chord_name(label: int) -> str:
    """A label in words: ``V dominant seventh`` (the root above the tonic, the quality)."""
    if label == FEW:
        return "fewer than three pitch classes"
    return "other" if label == OTHER else f"{DEGREES[label % 12]} {list(QUALITIES)[label // 12]}"


def pitch_class_sets(notes: Notes) -> tuple[Axis, Integers]:
    """The set of pitch classes that sounds at each step up to the end of each piece, above its tonic, as 12 bits.

    Bit 0 is the tonic of the key that fits best (C where none does), so that a transposed piece has the same sets.
    """
    axis = Axis.of(notes.length + 1)
    tonic = np.maximum(best_keys(pitch_class_times(notes)), 0) // 2
    piece, pitch, start, end = spans_of_pitches(notes)
    classes = (pitch - tonic[piece]) % 12
    sets = np.zeros(axis.places, dtype=np.int64)
    for number in range(12):
        own = classes == number
        sets |= (axis.cover(piece[own], start[own], end[own]) > 0).astype(np.int64) << number
    return axis, sets


def chords_at_beats(notes: Notes) -> tuple[Integers, Integers]:
    """The chord of each quarter note up to the end of each piece: piece and label, each (quarter notes,)."""
    axis, sets = pitch_class_sets(notes)
    owner = axis.owner
    step = np.arange(axis.places) - axis.start[owner]
    beats = (step % notes.resolution == 0) & (step < notes.length[owner])
    return owner[beats], chord_labels()[sets[beats]]


def chord_changes(piece: Integers, label: Integers) -> NDArray[np.bool_]:
    """Whether each chord of ``chords_at_beats`` is another than the one before it in the piece."""
    changed = np.zeros(len(piece), dtype=bool)
    changed[1:] = (piece[1:] == piece[:-1]) & (label[1:] != label[:-1])
    return changed
