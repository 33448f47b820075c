"""Duplicates among many pieces: the same notes, the same except for key, tempo and tick grid, or nearly the same."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]
NOTES = 4  # of a shingle
SHINGLES = 512  # kept per piece: the smallest hashes, a bottom-k sketch (Broder, 1997)
FEWEST = 24  # shingles that a comparison requires: shorter pieces are alike by chance
COMMON = 4  # rare shingles that two compared pieces share at least
BUCKETS = 1 << 22  # for counting hashes, to separate rare from frequent ones


@dataclass(frozen=True)
class Fingerprint:
    """The digests and hashes by which the duplicates of a piece are found."""

    exact: bytes  # digest of the notes, track by track
    relative: bytes  # the same, but invariant to transposition, a constant factor of time and leading silence
    shingles: Hashes  # sorted, each once: runs of notes in a form invariant to key and tempo


def fingerprint(score: Score) -> Fingerprint:
    """The fingerprint of one piece; see ``fingerprints``."""
    return fingerprints([score])[0]


def fingerprints(scores: Sequence[Score]) -> list[Fingerprint]:
    """The fingerprint of each piece; velocities, programs and names do not matter.

    ``exact`` digests onset, duration and pitch of each track's notes, with the ticks per quarter note. ``relative``
    digests onsets after the first one and durations, divided by their greatest common divisor, and pitches above the
    first pitched note; drums keep their pitch. A shingle is ``NOTES`` notes of all pitched tracks or of all drums, in
    order of onset and pitch (unisons once); it hashes the steps in pitch and, divided by their greatest common divisor,
    in time. A fingerprint does not depend on the other pieces, but small pieces take less time together.
    """
    marks = [Fingerprint(b"", b"", np.empty(0, np.uint64)) for _ in scores]
    tracks, voices, owners = [], [], []
    for place, score in enumerate(scores):
        sounding = [track for track in score.tracks if len(track.notes)]
        tracks += [track.notes.numpy() for track in sounding]
        voices += [2 * line + track.is_drum for line, track in enumerate(sounding)]
        owners += [place] * len(sounding)
    if not tracks:
        return marks
    sizes = [len(notes["time"]) for notes in tracks]
    onset, duration, pitch = (
        np.concatenate([notes[name] for notes in tracks]).astype(np.int64) for name in ("time", "duration", "pitch")
    )
    voice, owner = np.repeat(voices, sizes), np.repeat(owners, sizes)
    notes = np.stack([voice, onset, duration, pitch])
    places = (np.repeat(np.arange(len(tracks)), sizes) << 40) + (onset << 8) + pitch
    if (places[1:] <= places[:-1]).any():  # not as cleaning leaves them
        notes = notes[:, np.lexsort((duration, places))]
    starts = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    lengths = np.diff(np.append(starts, len(owner)))
    voice, onset, duration, pitch = notes
    onset = onset - np.repeat(np.minimum.reduceat(onset, starts), lengths)
    unit = np.repeat(np.maximum(np.gcd.reduceat(np.gcd(onset, duration), starts), 1), lengths)
    pitched = voice % 2 == 0
    relative = np.stack([voice, onset // unit, duration // unit, pitch - _bases(onset, pitch, pitched, owner)])
    hashes, holders = zip(
        *(_shingles(onset[kind], pitch[kind], owner[kind], salt) for salt, kind in enumerate((pitched, ~pitched))),
        strict=True,
    )
    known = _smallest(np.concatenate(hashes), np.concatenate(holders), len(scores))
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        own, place = slice(start, start + length), int(owner[start])
        exact = np.int64(scores[place].ticks_per_quarter).tobytes() + notes[:, own].tobytes()
        marks[place] = Fingerprint(_digest(exact), _digest(relative[:, own].tobytes()), known[place])
    return marks


def likeness(one: Hashes, other: Hashes) -> float:
    """The Jaccard similarity of two pieces' full sets of shingles, in [0, 1]; 0 where one is empty.

    Exact where neither set has more than ``SHINGLES`` members, else an estimate with a standard error below 0.023.
    """
    common = len(np.intersect1d(one, other, assume_unique=True))
    if not common:
        return 0.0
    union = len(one) + len(other) - common
    if union <= SHINGLES or max(len(one), len(other)) < SHINGLES:
        return common / union
    # the SHINGLES smallest hashes of the union are known: the share of them that both have
    both = np.concatenate([one, other])
    both.sort()
    both = both[np.concatenate([[True], both[1:] != both[:-1]])][:SHINGLES]
    return float(np.isin(one, other, assume_unique=True)[: np.searchsorted(one, both[-1], "right")].sum() / len(both))


def find_duplicates(
    ids: Sequence[str],
    fingerprints: Sequence[Fingerprint],
    order: Sequence[Any],
    near: float,
    report: Callable[[int], None] | None = None,
) -> dict[str, tuple[str, str, float]]:
    """Choose pieces to remove, so that no two remaining pieces are duplicates.

    Pieces are visited in ``order``; one is removed if it duplicates a piece that stays. So the result does not depend
    on the order of ``ids``, and the reason for each removal is always a piece that stays.

    With ``near`` = 0.8 a run of 5 % of the notes may differ (0.85 for 100 notes). 11 of 400 Bach chorales are removed,
    each the same setting in another file; different harmonisations of one tune have 0.43 and less.

    Args:
        ids: the pieces' ids.
        fingerprints: one per piece.
        order: a sort key for each piece: the lower key of two duplicates stays. Equal keys go by id.
        near: threshold of ``likeness`` for duplicates; above 1 only exact and transposed ones count.
        report: called with the number of finished pieces.

    Returns:
        By removed id, sorted: the kept id, ``"exact"``, ``"transposed"`` (also in tempo) or ``"near"``, and the
        similarity. A piece that equals one near a third piece is removed as near to the third.
    """
    ranked = sorted(range(len(ids)), key=lambda place: (order[place], ids[place]))
    removed: dict[int, tuple[int, str, float]] = {}
    first: dict[bytes, int] = {}
    firsts = []  # the first piece of each relative digest; the others have the same shingles
    for place in ranked:
        mark = fingerprints[place]
        related = first.setdefault(mark.relative, place)
        if related == place:
            firsts.append(place)
        else:
            removed[place] = (related, "exact" if fingerprints[related].exact == mark.exact else "transposed", 1.0)
    if near <= 1:
        for place, kept, alike in _near([fingerprints[place].shingles for place in firsts], near, report):
            removed[firsts[place]] = (firsts[kept], "near", alike)
    final: dict[str, tuple[str, str, float]] = {}
    for place in sorted(removed, key=lambda place: ids[place]):
        kept, kind, alike = removed[place]
        kept, kind, alike = removed.get(kept, (kept, kind, alike))
        final[ids[place]] = (ids[kept], kind, alike)
    return final


def _near(sets: Sequence[Hashes], near: float, report: Callable[[int], None] | None) -> list[tuple[int, int, float]]:
    """(removed, kept, likeness) of the sets near an earlier one that stays; ``kept`` is the most similar one.

    Two near sets share at least ``near * n`` members, where n is the size of either. So, with the members of all sets
    in one order, the first ``n - ceil(near * n) + common`` of both have ``common`` in common (Wang, Li and Feng, 2012).
    With rare hashes first in that order few pairs are compared, and none is missed.
    """
    counts = np.zeros(BUCKETS, dtype=np.int32)
    for start in range(0, len(sets), 10000):
        block = np.concatenate(sets[start : start + 10000])
        counts += np.bincount((block % BUCKETS).astype(np.intp), minlength=BUCKETS).astype(np.int32)
    common = min(COMMON, max(1, int(np.ceil(near * FEWEST))))
    heads = []
    for members in sets:
        size = len(members)
        length = size - int(np.ceil(near * size - 1e-9)) + common if size >= FEWEST else 0
        heads.append(members[np.lexsort((members, counts[(members % BUCKETS).astype(np.intp)]))[:length]])
    together = np.concatenate([np.empty(0, np.uint64), *heads])
    _, inverse, times = np.unique(together, return_inverse=True, return_counts=True)
    starts = np.cumsum([0, *(len(head) for head in heads)])
    holders: dict[int, list[int]] = defaultdict(list)  # a hash at the start of several sets -> those that stay
    found = []
    for place, members in enumerate(sets):
        own = inverse[starts[place] : starts[place + 1]]
        own = own[times[own] > 1].tolist()
        hits = Counter(chain.from_iterable(holders[value] for value in own))
        best, alike = -1, 0.0
        for other in sorted(other for other, count in hits.items() if count >= common):
            value = likeness(members, sets[other])
            if value >= near and value > alike:
                best, alike = other, value
        if best >= 0:
            found.append((place, best, alike))
        else:
            for value in own:
                holders[value].append(place)
        if report:
            report(place + 1)
    return found


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _bases(onset: Integers, pitch: Integers, pitched: NDArray[np.bool_], owner: Integers) -> Integers:
    """The reference pitch of each note: the piece's first pitched note, for drums 0."""
    bases = np.zeros(int(owner[-1]) + 1, np.int64)
    places = np.flatnonzero(pitched)
    places = places[np.lexsort((places, onset[places], owner[places]))]
    first = places[np.append(True, owner[places][1:] != owner[places][:-1])[: len(places)]]
    bases[owner[first]] = pitch[first]
    return bases[owner] * pitched


def _shingles(onset: Integers, pitch: Integers, owner: Integers, drums: int) -> tuple[Hashes, Integers]:
    """The hashes of all runs of ``NOTES`` notes, pitched (0) or of drums (1), and their pieces."""
    keys = np.unique((owner << 40) + (onset << 8) + pitch + 128)
    owner, onset, pitch = keys >> 40, keys >> 8 & 0xFFFFFFFF, (keys & 0xFF) - 128
    runs = len(owner) - NOTES + 1
    if runs < 1:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    inside = owner[:runs] == owner[NOTES - 1 :]  # of one piece
    steps = np.diff(onset)
    columns = [steps[place : place + runs][inside] for place in range(NOTES - 1)]
    unit = np.maximum(reduce(np.gcd, columns), 1)
    moves = pitch[:-1] if drums else np.diff(pitch) + 128
    hashes = np.full(len(unit), drums, dtype=np.uint64)
    for place, column in enumerate(columns):
        hashes = _mix(hashes ^ (column // unit * 256 + moves[place : place + runs][inside]).astype(np.uint64))
    if drums:
        hashes = _mix(hashes ^ pitch[NOTES - 1 :][inside].astype(np.uint64))
    return hashes, owner[:runs][inside]


def _smallest(hashes: Hashes, owner: Integers, pieces: int) -> list[Hashes]:
    """The ``SHINGLES`` smallest hashes of each piece, sorted, each once."""
    order = np.lexsort((hashes, owner))
    hashes, owner = hashes[order], owner[order]
    new = np.append(True, (hashes[1:] != hashes[:-1]) | (owner[1:] != owner[:-1]))[: len(owner)]
    hashes, owner = hashes[new], owner[new]
    ends = np.searchsorted(owner, np.arange(pieces + 1)).tolist()
    return [hashes[start : min(end, start + SHINGLES)].copy() for start, end in pairwise(ends)]


def _mix(values: Hashes) -> Hashes:
    """The output function of splitmix64 (Steele, Lea and Flood, 2014): 64 bits in, 64 well-mixed bits out."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
