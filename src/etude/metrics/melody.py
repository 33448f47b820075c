"""Comparing melodies: which pieces are one tune, whatever their key, metre and passing notes."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score

Melody = NDArray[np.int32]  # (notes, 2): pitch, weight in ticks
MISMATCH = 1.0  # cost of two notes that differ, as a share of their weight
GAP = 1.0  # cost of a note that the other melody lacks, as a share of its weight
TRANSPOSITIONS = 3  # of a pair that are tried: those under which their pitches agree best
# Weights are ticks and the costs are whole, so that all sums below are exact, on every processor, in float32.


def intervals(piece: Score, track: int = 0) -> list[int]:
    """The steps in semitones from each note of a track to the next. Fewer than two notes give an empty list.

    Of several notes at one onset the highest counts. Transposition and tempo do not matter; rhythm neither.
    """
    pitches = [pitch for _, pitch, _ in _line(piece, track)]
    return [after - before for before, after in itertools.pairwise(pitches)]


def melody(piece: Score, track: int = 0) -> Melody:
    """The notes of a track as (pitch, weight): the weight is a note's length up to one quarter, in ticks.

    So a passing eighth note weighs half of a chorale note, and a tune in halves or in triple time weighs the same as in
    quarters. Shape (notes, 2); an empty track gives (0, 2).
    """
    notes = [(pitch, min(piece.ticks_per_quarter, duration)) for _, pitch, duration in _line(piece, track)]
    return np.array(notes, dtype=np.int32).reshape(-1, 2)


def similarity(one: Melody, other: Melody) -> float:
    """How much of the shorter melody is found in the other, in [0, 1]; 1 if it is contained, in any key.

    Definition: the best local alignment (Smith and Waterman, 1981) over transpositions, its score divided by the score
    of the lighter melody with itself. A match scores the mean weight of the two notes. An empty melody gives 0.

    On 405 Bach chorales, pairs with one title and one tune have 0.57 and more, pairs of different tunes 0.54 and less.
    """
    return float(_against(one, [other])[0])


def similarities(melodies: Sequence[Melody], tell: Callable[[int], None] | None = None) -> NDArray[np.float64]:
    """``similarity`` of all pairs, as a symmetric matrix (melodies, melodies) with ones in its diagonal.

    ``tell`` is called with the number of melodies that are done.
    """
    total = np.eye(len(melodies))
    order = np.argsort([len(one) for one in melodies], kind="stable")  # so that little is padded
    for place in range(1, len(order)):
        row = _against(melodies[order[place]], [melodies[other] for other in order[:place]])
        total[order[place], order[:place]] = row
        total[order[:place], order[place]] = row
        if tell:
            tell(place)
    return total


def _line(piece: Score, track: int) -> list[tuple[int, int, int]]:
    """(onset, pitch, duration) of a track's notes, the highest at each onset."""
    top: dict[int, tuple[int, int]] = {}
    for note in piece.tracks[track].notes:
        top[note.time] = max(top.get(note.time, (-1, 0)), (note.pitch, note.duration))
    return [(onset, *top[onset]) for onset in sorted(top)]


def _against(one: Melody, others: Sequence[Melody]) -> NDArray[np.float64]:
    """``similarity`` of one melody with each of ``others``, all pairs and transpositions at once."""
    result = np.zeros(len(others))
    length = max((len(other) for other in others), default=0)
    if not len(one) or not length:
        return result
    pitch = np.full((len(others), length), -1000, dtype=np.int32)  # (pairs, notes); after the end nothing matches
    weight = np.zeros((len(others), length), dtype=np.float32)
    for place, other in enumerate(others):
        pitch[place, : len(other)] = other[:, 0]
        weight[place, : len(other)] = other[:, 1]
    shifts = np.stack([_shifts(one, other) for other in others])  # (pairs, shifts)
    pitch = pitch[:, None, :] + shifts[:, :, None]  # (pairs, shifts, notes)
    weight = weight[:, None, :]  # (pairs, 1, notes)
    fall = np.zeros((len(others), 1, length + 1), dtype=np.float32)
    np.cumsum(GAP * weight, axis=-1, out=fall[..., 1:])  # what skipping all notes so far costs

    # best[pair, shift, j]: the best score of an alignment that ends at or before note j of the other
    before = np.zeros((*pitch.shape[:2], length + 1), dtype=np.float32)
    best = np.zeros_like(before)
    for note, heft in one:
        mean = (weight + np.float32(heft)) / 2
        now = before - np.float32(GAP * heft)  # this note is skipped
        np.maximum(now[..., 1:], before[..., :-1] + np.where(pitch == note, mean, -MISMATCH * mean), out=now[..., 1:])
        np.maximum(now, 0, out=now)
        # a run of skipped notes of the other: the largest now[k] - (fall[j] - fall[k]) over k up to j
        now += fall
        np.maximum.accumulate(now, axis=-1, out=now)
        now -= fall
        np.maximum(best, now, out=best)
        before = now
    own = np.array([min(one[:, 1].sum(), other[:, 1].sum()) for other in others], dtype=np.float64)
    np.divide(best.max(axis=(1, 2)), own, out=result, where=own > 0)
    return np.minimum(result, 1.0)


def _shifts(one: Melody, other: Melody) -> NDArray[np.int32]:
    """The transpositions of ``other`` under which the two melodies' pitches, as weighted counts, agree best."""
    # ticks by pitch, whole numbers: sums are exact
    mine, theirs = (np.bincount(tune[:, 0], tune[:, 1], 128) for tune in (one, other))
    agreement = np.correlate(mine, theirs, mode="full")  # at place p: the other moved by p - 127
    return (np.argsort(-agreement, kind="stable")[:TRANSPOSITIONS] - 127).astype(np.int32)
