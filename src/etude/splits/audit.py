"""What two splits share and must not share: duplicates, openings, titles, families, similar melodies."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from etude.metrics.melody import Comparison
from etude.splits.features import Features


def audit(
    splits: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    pieces: Sequence[Features],
    compared: Comparison,
    threshold: float,
) -> dict[str, Any]:
    """Count what two splits share, for each pair of splits.

    Args:
        splits: piece ids by split.
        families: the family of each piece id.
        pieces: the features of the pieces, from ``drop_common``.
        compared: the comparison of their melodies, in the order of ``pieces``.
        threshold: two melodies at least so similar are one tune.

    Returns:
        By pair (``"train/test"``): ``exact_duplicates`` (the same notes in the same voices), ``transposed_duplicates``
        (the same but for a transposition and the tempo), ``shared_openings``, ``shared_titles``, ``shared_families``,
        ``similar_melodies``, each as the number of ``pairs`` of pieces and the number of pieces in them in each split
        (``{"pairs": 21, "train": 19, "test": 17}``); and ``closest``, the two compared melodies that agree in most
        notes, with their similarity.
    """
    marks: dict[str, dict[str, Hashable]] = {
        "exact_duplicates": {piece.id: piece.exact for piece in pieces},
        "transposed_duplicates": {piece.id: piece.relative for piece in pieces},
        "shared_openings": {piece.id: piece.opening for piece in pieces},
        "shared_titles": {piece.id: piece.title for piece in pieces},
        "shared_families": dict(families),
    }
    split_of = {name: number for number, names in enumerate(splits.values()) for name in names}
    ends = np.array([split_of[piece.id] for piece in pieces], dtype=np.int64)[compared.pairs]  # (pairs, 2): splits
    similar = (compared.margin >= 0) & (compared.similarity >= threshold)
    report: dict[str, Any] = {}
    for (one, left), (other, right) in combinations(enumerate(splits), 2):
        entry: dict[str, Any] = {}
        for what, mark in marks.items():
            ours, theirs = (Counter(mark[name] for name in splits[split] if mark[name]) for split in (left, right))
            both = ours.keys() & theirs.keys()
            entry[what] = {
                "pairs": sum(ours[value] * theirs[value] for value in both),
                left: sum(ours[value] for value in both),
                right: sum(theirs[value] for value in both),
            }
        across = (ends.min(axis=1) == one) & (ends.max(axis=1) == other)
        found, of = compared.pairs[similar & across], ends[similar & across]
        entry["similar_melodies"] = {
            "pairs": len(found),
            left: len(np.unique(found[of == one])),
            right: len(np.unique(found[of == other])),
        }
        if across.any():
            place = np.argmax(np.where(across, compared.margin, -np.inf))  # the first by id among equals
            names = [pieces[piece].id for piece in compared.pairs[place]]
            entry["closest"] = {"pieces": names, "similarity": round(float(compared.similarity[place]), 4)}
        report[f"{left}/{right}"] = entry
    return report


def leaks(leakage: Mapping[str, Any]) -> list[str]:
    """The leaks that an audit found, as parts of a sentence."""
    return [
        f"{count['pairs']} pairs with {what.replace('_', ' ')} between {pair.replace('/', ' and ')} "
        f"({', '.join(f'{count[split]} {split}' for split in pair.split('/'))} pieces)"
        for pair, entry in leakage["pairs"].items()
        for what, count in entry.items()
        if what != "closest" and count["pairs"]
    ]
