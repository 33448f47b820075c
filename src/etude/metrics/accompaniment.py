"""Accompaniments measured: how they fit chords and melody, how dense they are, and how they differ from real ones.

The measures are those of studies of accompaniment: chord accuracy of D3PIA (ICASSP 2026) and AccoMontage-3, consonant
and unsupported melody time of StreamMUSE (RTAS 2026).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from etude.music.chords import SHORTHANDS, voicing
from etude.music.columns import Columns
from etude.music.recognise import KINDS, Beats, change_cost, recognise_beats
from etude.representations.leadsheet import (
    CHORD,
    FIRST,
    KIND,
    MELODY,
    NO_CHORD,
    NOTE,
    SECOND,
    STEP,
    bars_of_rows,
    tones_of_row,
)

STEPS = 4  # of the grid, a quarter note: 16ths
CONSONANT = (0, 3, 4, 7, 8, 9)  # semitones between melody and accompaniment: unison, thirds, fifth, sixths
MAJOR, MINOR = 0, 1
THIRDS = {(4, 7): MAJOR, (3, 7): MINOR}
MAJMIN = np.repeat([THIRDS.get((SHORTHANDS[kind][1], SHORTHANDS[kind][2]), 2) for kind in KINDS], 12)  # 2: neither


@dataclass(frozen=True)
class Accompanied:
    """A melody with chords and an accompaniment, on a grid of 16ths from step 0: bars of one length.

    Each list of notes is (notes, 3): onset and end in steps, the end after the onset, and pitch.
    """

    melody: NDArray[np.int64]
    chords: NDArray[np.int64]  # the block chords of the lead sheet
    accompaniment: NDArray[np.int64]
    steps: int  # length of the piece
    bar: int  # steps of a bar


def of_rows(rows: NDArray[np.integer]) -> Accompanied:
    """A piece in rows of ``LeadSheet`` at four steps a quarter note, all bars as long as the first."""
    rows = np.asarray(rows, np.int64)
    _, lengths, end = bars_of_rows(rows)
    melody, notes = (rows[rows[:, KIND] == kind][:, [STEP, SECOND, FIRST]] for kind in (MELODY, NOTE))
    for part in (melody, notes):
        part[:, 1] += part[:, 0]
    chords = rows[rows[:, KIND] == CHORD]
    stops = np.append(chords[:, STEP], end)[1:]
    blocks = [
        (step, stop, pitch)
        for (_, step, root, classes, bass), stop in zip(chords.tolist(), stops.tolist(), strict=True)
        if root != NO_CHORD
        for pitch in voicing(root, tones_of_row(root, classes, bass).classes, bass)
    ]
    return Accompanied(melody, np.array(blocks, np.int64).reshape(-1, 3), notes, end, int(lengths[0]))


def measure(piece: Accompanied) -> dict[str, float]:
    """Measure an accompaniment.

    Returns:
        ``chord_accuracy``: share of the beats in which accompaniment and chords alone are recognised as the same major
        or minor chord, the seventh ignored, among those whose chords are recognised as one of these;
        ``chord_accuracy_exact``: of all beats with a chord, share with the same root and the same pitch classes;
        ``chord_tones``: share of the accompaniment's note time, where a chord sounds, in which it is one of its tones;
        ``consonant``: share of the melody's time with a note at a consonant interval (``CONSONANT``);
        ``unsupported``: share of the melody's time in which no note sounds; all in [0, 1];
        ``notes_per_bar``.
        nan where there is nothing to count.
    """
    melody, chords, notes = (roll(part, piece.steps) for part in (piece.melody, piece.chords, piece.accompaniment))
    beats = _beats(piece)
    known = np.array([chords[start : start + STEPS].any() for start in range(0, piece.steps, STEPS)], bool)
    wanted, found = (recognise_beats(_columns(part), beats) for part in (piece.chords, piece.accompaniment))
    triad = known & (MAJMIN[wanted] < 2)
    same_root = wanted % 12 == found % 12
    classes = _classes(chords)
    tones, total = 0, 0
    for start, end, pitch in piece.accompaniment.tolist():
        inside = classes[start : min(end, piece.steps)]
        tones += int(inside[:, pitch % 12].sum())
        total += int(inside.any(axis=1).sum())
    top = np.where(melody.any(axis=1), 127 - melody[:, ::-1].argmax(axis=1), -1)
    sung = np.flatnonzero(top >= 0)
    step, pitch = np.nonzero(notes[sung])
    consonant = np.zeros(len(sung), bool)
    consonant[step[np.isin(np.abs(pitch - top[sung][step]) % 12, CONSONANT)]] = True
    return {
        "chord_accuracy": _mean(np.asarray(same_root & (MAJMIN[wanted] == MAJMIN[found]))[triad]),
        "chord_accuracy_exact": _mean((wanted == found)[known]),
        "chord_tones": tones / total if total else float("nan"),
        "consonant": _mean(consonant),
        "unsupported": _mean(np.asarray(~notes[sung].any(axis=1))),
        "notes_per_bar": len(piece.accompaniment) * piece.bar / piece.steps if piece.steps else float("nan"),
    }


def measure_set(pieces: Sequence[Accompanied], real: Sequence[Accompanied]) -> dict[str, float]:
    """The means of ``measure`` over pieces, nan left out, and how the set differs from real accompaniments.

    Returns:
        the names of ``measure``, and each with the suffix ``_sem`` the standard error of the mean; ``jsd_pitch`` and
        ``jsd_onset``: Jensen-Shannon divergence, in bits and so in [0, 1], of all notes' pitches, and of their onsets'
        places in the bar (16ths), from those of the real accompaniments; nan without notes.
    """
    rows = [measure(piece) for piece in pieces]
    found: dict[str, float] = {}
    for name in rows[0] if rows else ():
        values = np.array([row[name] for row in rows])
        values = values[~np.isnan(values)]
        found[name] = float(values.mean()) if len(values) else float("nan")
        found[f"{name}_sem"] = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")
    for name, histogram in (("jsd_pitch", _pitches), ("jsd_onset", _places)):
        found[name] = divergence(histogram(pieces), histogram(real))
    return found


def divergence(counts: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """Jensen-Shannon divergence of two histograms in bits, in [0, 1]; nan if one is empty."""
    if not counts.sum() or not others.sum():
        return float("nan")
    return float(jensenshannon(counts, others, base=2) ** 2)


def roll(notes: NDArray[np.int64], steps: int) -> NDArray[np.bool_]:
    """Which pitch sounds at which step: (steps, 128)."""
    found = np.zeros((steps, 128), bool)
    for start, end, pitch in notes.tolist():
        found[start:end, pitch] = True
    return found


def _classes(sounding: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pitch class sounds at which step: (steps, 12)."""
    return np.asarray(np.pad(sounding, ((0, 0), (0, 4))).reshape(len(sounding), 11, 12).any(axis=1))


def _beats(piece: Accompanied) -> Beats:
    ticks = np.arange(0, piece.steps, STEPS)
    bar = max(1, piece.bar // STEPS)
    cost = [change_cost(place % bar, bar) for place in range(len(ticks))]
    return Beats(np.append(ticks, piece.steps).astype(np.int64), np.array(cost))


def _columns(notes: NDArray[np.int64]) -> Columns:
    onset, end, pitch = (notes[:, place].astype(np.int32) for place in range(3))
    return Columns(onset, end - onset, pitch.astype(np.int8), np.zeros(len(notes), np.int8))


def _mean(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _pitches(pieces: Sequence[Accompanied]) -> NDArray[np.int64]:
    return np.sum([np.bincount(piece.accompaniment[:, 2], minlength=128) for piece in pieces], axis=0)


def _places(pieces: Sequence[Accompanied]) -> NDArray[np.int64]:
    size = max((piece.bar for piece in pieces), default=1)
    size = max(size, 16)
    return np.sum([np.bincount(piece.accompaniment[:, 0] % piece.bar, minlength=size) for piece in pieces], axis=0)
