"""The structure of pieces: what comes back after how many bars, how long a line repeats, how far a piece compresses."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from etude.metrics.descriptors import Values, ratio
from etude.metrics.notes import Integers, Notes, top_lines

LAGS = (1, 2, 4, 8)  # bars between which similarity is measured
UNITS = {
    **{f"similarity_{lag}": f"shared notes, bars {lag} apart" for lag in LAGS},
    "longest_repeat": "notes of a line",
    "compression_ratio": "compressed / raw bits",
    "phrase_length": "quarter notes between fermatas",
}
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplication by it permutes the 64-bit numbers


def structure(notes: Notes) -> Values:
    """Measure each piece: name of ``UNITS`` -> (pieces,); nan where it is not defined.

    - similarity_K: how much a bar has in common with the bar K bars later: the mean Jaccard index of their sets of
      (onset in the bar, pitch), over all such pairs of bars of which one has a note. In [0, 1]; a self-similarity
      matrix has it on its K-th diagonal. nan for a piece of no more than K bars. Drums do not count.
    - longest_repeat: notes of the longest run in the top line of one track that comes twice without overlap, in any
      key: the same steps of pitch and times between onsets. 0 where nothing repeats; nan without notes.
    - compression_ratio: bits of the piece's LZ78 parsing divided by its raw bits. Symbols are notes, each as its step
      in pitch and time from the note before and its length. Small for repetitive music, above 1 for notes without
      repetition. Above 0; nan for fewer than two kinds of notes.
    - phrase_length: mean time between neighbouring fermatas, the first phrase from the start of the piece; nan for a
      piece without fermatas.

    Sources: J. Foote, Visualizing music and audio using self-similarity, 1999; J. Ziv and A. Lempel, Compression of
    individual sequences via variable-rate coding, 1978.
    """
    found = {f"similarity_{lag}": _similarity(notes, lag) for lag in LAGS}
    found["longest_repeat"] = longest_repeats(notes)
    found["compression_ratio"] = _compression(notes)
    found["phrase_length"] = _phrases(notes)
    return found


def _similarity(notes: Notes, lag: int) -> NDArray[np.float64]:
    notes = notes.pitched
    measure = notes.measure[notes.piece]
    bar, onset = notes.start // measure, notes.start % measure
    if not len(notes):
        return np.zeros(0)
    most, longest = int(bar.max(initial=0)) + lag + 1, int(measure.max(initial=0)) + 1
    place = notes.piece * most + bar  # of the bar among those of all pieces; the last ``lag`` of each piece are empty
    points = np.unique((place * longest + onset) * 128 + notes.pitch)
    later = points - lag * longest * 128  # as if they stood ``lag`` bars before
    bars = len(notes) * most
    size = np.bincount(points // (longest * 128), minlength=bars)
    shared = np.bincount(np.intersect1d(points, later, True) // (longest * 128), minlength=bars)
    total = size + np.concatenate([size[lag:], np.zeros(lag, np.int64)]) - shared
    count = -(-notes.length // notes.measure)
    owner, number = np.divmod(np.arange(bars), most)
    compared = (number + lag < np.minimum(count[owner], most)) & (total > 0)  # beyond is the next piece
    similar = np.bincount(owner[compared], ratio(shared, total)[compared], len(notes))
    return ratio(similar, np.bincount(owner[compared], minlength=len(notes)))


def longest_repeats(notes: Notes) -> NDArray[np.float64]:
    """Notes of the longest run of a line that comes twice without overlap, for each piece: (pieces,)."""
    lines = top_lines(notes)
    found = np.where(lines.count() > 0, 0.0, math.nan)
    same = lines.track[1:] == lines.track[:-1]
    symbols = symbols_of_steps(np.diff(lines.start), np.diff(lines.pitch))
    hashes, place = symbols.copy(), np.flatnonzero(same)  # runs that start at each place, first of one step
    steps = 1
    while len(place):
        track, hashed = lines.track[place], hashes[place]
        order = np.lexsort((place, hashed, track))
        place, track, hashed = place[order], track[order], hashed[order]
        new = np.ones(len(place), dtype=bool)
        new[1:] = (track[1:] != track[:-1]) | (hashed[1:] != hashed[:-1])
        group = np.cumsum(new) - 1
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(place)) - 1
        apart = place[last] - place[first] > steps  # a run of n steps has n + 1 notes
        np.maximum.at(found, lines.piece[place[first[apart]]], steps + 1)
        again = (last > first)[group]  # only what comes twice can do so when it is longer
        place = np.sort(place[again])
        place = place[place + steps < len(same)]
        place = place[same[place + steps]]
        hashes[place] = hashes[place] * MULTIPLIER + symbols[place + steps]
        steps += 1
    return found


def symbols_of_steps(times: Integers, pitches: Integers) -> NDArray[np.uint64]:
    """A number for each step from note to note, of its time and its interval: (steps,)."""
    mixed = (times.astype(np.uint64) * np.uint64(256) + (pitches + 128).astype(np.uint64)) * MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))


def _compression(notes: Notes) -> NDArray[np.float64]:
    order = np.lexsort((notes.pitch, notes.start, notes.piece))
    piece, start, pitch = notes.piece[order], notes.start[order], notes.pitch[order]
    first = np.concatenate([[True], piece[1:] != piece[:-1]])[: len(piece)]
    steps = [np.where(first, 0, np.diff(column, prepend=column[:1])) for column in (start, pitch)]
    symbols = np.stack([*steps, (notes.end - notes.start)[order]], axis=1)
    _, numbers = np.unique(symbols, axis=0, return_inverse=True)
    ends = np.cumsum(notes.count())
    bounds = pairwise([0, *ends.tolist()])
    return np.array([lz78_ratio(numbers.ravel()[first:end].tolist()) for first, end in bounds], dtype=float)


def lz78_ratio(symbols: list[int]) -> float:
    """Bits of the LZ78 parsing of a sequence divided by its raw bits; nan for fewer than two kinds of symbols.

    Each phrase costs the number of an earlier phrase and one symbol, each symbol log2 of the number of kinds.
    """
    kinds = len(set(symbols))
    if kinds < 2:
        return math.nan
    phrases: dict[tuple[int, int], int] = {}
    current, bits, per_symbol = 0, 0.0, math.log2(kinds)
    for symbol in symbols:
        following = phrases.get((current, symbol))
        if following is not None:
            current = following
            continue
        bits += math.log2(len(phrases) + 1) + per_symbol
        phrases[current, symbol] = len(phrases) + 1
        current = 0
    if current:  # the last phrase is an earlier one
        bits += math.log2(len(phrases) + 1)
    return bits / (len(symbols) * per_symbol)


def _phrases(notes: Notes) -> NDArray[np.float64]:
    ends = np.unique(notes.held, axis=0)
    ends = ends[ends[:, 1] > 0]
    count = np.bincount(ends[:, 0], minlength=len(notes))
    last = np.zeros(len(notes), dtype=np.int64)
    np.maximum.at(last, ends[:, 0], ends[:, 1])
    return ratio(last, count) / notes.resolution


Bars = list[list[tuple[bytes, bytes]]]  # for each piece, each of its bars: as it is, and in any key


def bars_of(notes: Notes) -> Bars:
    """Each bar with a note, by piece, as two keys: equal for equal bars, and for bars equal but for transposition.

    Bars are equal where each track has the same notes: onset in the bar, pitch, length. Tracks are counted from the
    first one with a note. A note belongs to the bar in which it starts. Drums are not transposed.
    """
    measure = notes.measure[notes.piece]
    first = np.full(len(notes), np.iinfo(np.int64).max)
    np.minimum.at(first, notes.piece, notes.track)
    rows = np.stack(
        [
            notes.piece, notes.start // measure, notes.track - first[notes.piece],
            notes.start % measure, notes.drum, notes.pitch, notes.end - notes.start,
        ],
        axis=1,
    )  # fmt: skip
    rows = np.unique(rows, axis=0)
    found: Bars = [[] for _ in range(len(notes))]
    starts = np.flatnonzero(np.any(np.diff(rows[:, :2], axis=0, prepend=-1) != 0, axis=1))
    for start, end in pairwise([*starts.tolist(), len(rows)]):
        bar = rows[start:end, 2:]
        moved, pitched = bar.copy(), bar[:, 2] == 0
        moved[pitched, 3] -= bar[pitched, 3].min(initial=128)
        found[rows[start, 0]].append((bar.tobytes(), moved.tobytes()))
    return found


def distinct_bars(bars: Bars, pieces: NDArray[np.integer] | None = None) -> dict[str, float]:
    """Count the bars of a set that differ from each other; where ``pieces`` is given, of the pieces at these places.

    Returns:
        ``bars``, their number; ``distinct_bars``, the number when equal ones count once; ``distinct_any_key``, when
        transposed ones count once, too; ``distinct_share``, ``distinct_any_key / bars``, in [0, 1] (nan without bars).
        Real music repeats bars and has less than 1 as well; a collapsed model has almost 0. The share falls with the
        number of bars: compare sets of one size.
    """
    chosen = [bar for place in (range(len(bars)) if pieces is None else pieces.tolist()) for bar in bars[place]]
    kinds = len({shape for _, shape in chosen})
    return {
        "bars": len(chosen),
        "distinct_bars": len({bar for bar, _ in chosen}),
        "distinct_any_key": kinds,
        "distinct_share": kinds / len(chosen) if chosen else math.nan,
    }
