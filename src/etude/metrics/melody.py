"""Comparing melodies: which of many pieces are one tune, in any key and metre, with any passing notes."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

Line = NDArray[np.int64]  # (notes, 3): onset, pitch, duration; one note per onset, in order
Melody = NDArray[np.int32]  # (notes, 2): pitch, weight in ticks
# the name of a melody's track; "Voice Oohs" and "Synth Voice" are background sounds of General MIDI
SUNG = re.compile(r"melod|vocal|(?<!synth )voice(?! oohs)|lead|sopran|cantus|canto", re.IGNORECASE)
LONGEST = 400  # notes of a melody that are compared, from its start
MISMATCH = 1.0  # cost of two notes that differ, as a share of their weight
GAP = 1.0  # cost of a note that the other melody lacks, as a share of its weight
TRANSPOSITIONS = 3  # tried for a pair: those under which their pitches agree best
# Weights are ticks and the costs are whole, so that all sums below are exact in float32 on every CPU.
ALL_PAIRS = 40_000  # notes of all melodies: up to this limit every pair is compared, in about half a minute
RUN = 5  # intervals of a run; shared runs choose the pairs of more melodies
FREQUENT = 500  # a run in more melodies than this chooses no pair
NOTES_A_RUN = 25  # notes of the shorter melody per unique shared run, or per many frequent ones
FEWEST_RUNS = 2  # such runs that a chosen pair has in common, at least
CHOSEN = 64  # compared pairs of each melody at most


def tune(piece: Score, first: bool) -> Line:
    """The melody of a piece: the highest note at each onset of one track, or of all. Drums never count.

    Args:
        piece: a score with tracks in their order.
        first: the first track is the melody, as in a dataset with named voices. Otherwise, and where it is silent, it
            is the first track with a melody's name (``SUNG``), or the top line of all pitched tracks, without the notes
            that start below a sounding one.
    """
    pitched = [track for track in piece.tracks if not track.is_drum and len(track.notes)]
    named = [track for track in pitched if SUNG.search(track.name)]
    if first and len(piece.tracks) and len(piece.tracks[0].notes) and not piece.tracks[0].is_drum:
        return _top([piece.tracks[0]])
    if named:
        return _top(named[:1])
    line = _top(pitched)
    kept, level, until = [], -1, -1
    for place, (onset, pitch, duration) in enumerate(line.tolist()):
        if pitch >= level or onset >= until:
            kept.append(place)
            level, until = pitch, onset + duration
    return line[kept]


def intervals(line: Line) -> list[int]:
    """The steps in semitones from each note of a melody to the next. Fewer than two notes give an empty list.

    Transposition, tempo and rhythm do not matter.
    """
    return [int(step) for step in np.diff(line[:, 1])]


def melody(line: Line, ticks_per_quarter: int) -> Melody:
    """The first ``LONGEST`` notes as (pitch, weight): the weight is a note's length up to one quarter note, in ticks.

    So a passing eighth note has half the weight of a chorale note, and a tune in half notes or in triple time has the
    same weight as in quarter notes. Shape (notes, 2); an empty line gives (0, 2).
    """
    notes = line[:LONGEST]
    return np.stack([notes[:, 1], np.minimum(notes[:, 2], ticks_per_quarter)], axis=1).astype(np.int32)


def similarity(one: Melody, other: Melody) -> float:
    """How much of the shorter melody is found in the other, in [0, 1]; 1 if it is contained, in any key.

    Definition: the score of the best local alignment (Smith and Waterman, 1981) over transpositions, divided by the
    score of the lighter melody with itself. A match scores the mean weight of the two notes. An empty melody gives 0.

    On 405 Bach chorales, pairs with one title and one tune have 0.57 and more, pairs of different tunes 0.54 and less.
    """
    return float(_similarities(one, [other])[0])


@dataclass(frozen=True)
class Comparison:
    """The compared pairs of melodies, each once, in the order of their places."""

    pairs: NDArray[np.int64]  # (pairs, 2): places of two melodies, the lower first
    similarity: NDArray[np.float64]  # (pairs,), in [0, 1]
    margin: NDArray[np.float64]  # (pairs,): notes beyond ``required_notes``; below 0 it may be chance

    def similar(self, threshold: float) -> list[tuple[int, int, float]]:
        """The pairs that are one tune (similar enough, in enough notes), with their similarity."""
        chosen = np.flatnonzero((self.margin >= 0) & (self.similarity >= threshold))
        ends, alike = self.pairs[chosen].tolist(), self.similarity[chosen].tolist()
        return [(one, other, value) for (one, other), value in zip(ends, alike, strict=True)]


def required_notes(melodies: int) -> float:
    """How many notes two melodies of a collection must agree in beyond chance to be one tune.

    The count is the agreeing notes of the shorter one minus half of the others. Each doubling of the collection
    requires 2 more notes: among 490,000 pairs of an Essen folk song and another one backwards, which are alike only by
    chance, 2 more notes halved the number with a similarity of at least 0.55. So the number of melodies that are like a
    given one by chance stays below 0.1, and families do not merge into one: without this, 2,596 of 8,514 Essen songs
    did. 400 melodies require 13 notes, 8,500 require 22.
    """
    return 2 * np.log2(max(1, melodies)) - 4


def compare(melodies: Sequence[Melody], report: Callable[[int], None] | None = None) -> Comparison:
    """Compute ``similarity`` of all pairs; beyond ``ALL_PAIRS`` notes only of those that ``candidates`` chooses.

    Args:
        melodies: in any order; the result follows it.
        report: called with the number of finished melodies.
    """
    notes = np.array([len(one) for one in melodies], dtype=np.int64)
    if notes.sum() <= ALL_PAIRS:
        pairs = np.array(list(combinations(range(len(melodies)), 2)), dtype=np.int64).reshape(-1, 2)
    else:
        pairs = candidates(melodies)
    rank = np.empty(len(notes), dtype=np.int64)
    rank[np.argsort(notes, kind="stable")] = np.arange(len(notes))
    longer = np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    shorter = pairs.sum(axis=1) - longer
    order = np.lexsort((rank[shorter], rank[longer]))  # each with its shorter ones at once, so that little is padded
    ends = np.searchsorted(rank[longer][order], np.arange(len(notes)), side="right")
    similarity, start = np.zeros(len(pairs)), 0
    for done, end in enumerate(ends):
        rows = order[start:end]
        if len(rows):
            similarity[rows] = _similarities(melodies[longer[rows[0]]], [melodies[other] for other in shorter[rows]])
        start = int(end)
        if report:
            report(done + 1)
    beyond = np.minimum(notes[pairs[:, 0]], notes[pairs[:, 1]]) * (similarity - (1 - similarity) / 2)
    return Comparison(pairs, similarity, beyond - required_notes(len(notes)))


def candidates(melodies: Sequence[Melody]) -> NDArray[np.int64]:
    """Choose the pairs of melodies that share rare runs of ``RUN`` intervals: (pairs, 2), each once and sorted.

    A run counts by its information, log2 of melodies / melodies with it. Runs in more than ``FREQUENT`` melodies do not
    count, so that the cost is linear in the number of melodies. Runs come from all notes, and from those of at least
    mean weight, so that passing notes hide no tune. Each melody keeps its ``CHOSEN`` best pairs that share as much as
    one unique run for each ``NOTES_A_RUN`` notes.
    """
    from scipy.sparse import csr_matrix  # a third of a second, for large collections alone

    count = len(melodies)
    found = [_runs(one) for one in melodies]
    owner = np.repeat(np.arange(count), [len(runs) for runs in found])
    _, run, holders = np.unique(
        np.concatenate([np.empty(0, np.int64), *found]), return_inverse=True, return_counts=True
    )
    useful = (holders > 1) & (holders <= FREQUENT)
    information = np.round(256 * np.log2(count / holders)).astype(np.int64) * useful  # whole numbers: sums are exact
    kept = useful[run]
    shape = (count, len(holders))
    has = csr_matrix((np.ones(kept.sum(), np.int64), (owner[kept], run[kept])), shape)
    gives = csr_matrix((information[run[kept]], (owner[kept], run[kept])), shape).T.tocsr()
    notes = np.array([len(one) for one in melodies], dtype=np.int64)
    least = np.maximum(FEWEST_RUNS, notes / NOTES_A_RUN) * 256 * np.log2(max(2, count / 2))
    chosen = []
    for start in range(0, count, 1000):
        block = (has[start : start + 1000] @ gives).tocoo()
        one, other, score = block.row.astype(np.int64) + start, block.col.astype(np.int64), block.data
        good = (score >= np.minimum(least[one], least[other])) & (one != other)
        one, other, score = one[good], other[good], score[good]
        order = np.lexsort((other, -score, one))
        one, other = one[order], other[order]
        place = np.arange(len(one)) - np.searchsorted(one, one)  # among the pairs of this melody, best first
        best = place < CHOSEN
        chosen.append(np.sort(np.stack([one[best], other[best]], axis=1), axis=1))
    return np.unique(np.concatenate([np.empty((0, 2), np.int64), *chosen]), axis=0)


def _runs(one: Melody) -> NDArray[np.int64]:
    """The runs of intervals of a melody, each once, coded as numbers."""
    heavy = one[one[:, 1] * len(one) >= one[:, 1].sum()]
    found = []
    for pitches in (one[:, 0], heavy[:, 0]):
        steps = np.diff(pitches.astype(np.int64)) + 128
        if len(steps) >= RUN:
            found.append(np.lib.stride_tricks.sliding_window_view(steps, RUN) @ (256 ** np.arange(RUN)))
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))


def _top(tracks: Sequence[Track]) -> Line:
    """The highest note at each onset of some tracks; the longest of equal ones."""
    found = [track.notes.numpy() for track in tracks]
    notes = np.concatenate(
        [np.empty((0, 3), np.int64), *(np.stack([n["time"], n["pitch"], n["duration"]], axis=1) for n in found)]
    )
    notes = notes[np.lexsort((-notes[:, 2], -notes[:, 1], notes[:, 0]))]
    return notes[np.diff(notes[:, 0], prepend=-1) != 0]


def _similarities(one: Melody, others: Sequence[Melody]) -> NDArray[np.float64]:
    """Compute ``similarity`` of one melody with each of ``others``, all pairs and transpositions at once."""
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
    np.cumsum(GAP * weight, axis=-1, out=fall[..., 1:])  # the cost of skipping all notes so far

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
