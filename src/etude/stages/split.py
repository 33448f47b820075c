"""Stage split: deal the pieces to train, valid and test by tune family, and audit what leaks from side to side."""

import itertools
import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick as Score

from etude.errors import EtudeError
from etude.metrics.melody import intervals, melody, similarities
from etude.outputs import whole, write_json
from etude.progress import bar
from etude.provenance import built_from, read_piece, upstream
from etude.session import Session
from etude.settings import Settings, Split
from etude.stages import main

SIDES = ("train", "valid", "test")


def plain_title(title: str | None) -> str:
    """A title without case, accents and punctuation: spellings of one title become equal. ``None`` gives ``""``."""
    text = unicodedata.normalize("NFKD", (title or "").casefold())
    return " ".join(re.findall(r"[a-z0-9]+", "".join(letter for letter in text if not unicodedata.combining(letter))))


def find_families(
    titles: Sequence[str], openings: Sequence[Sequence[int]], alike: NDArray[np.float64], limit: float
) -> list[int]:
    """The family of each piece, as the place of its first member.

    Two pieces are of one family if they share their title (empty ones apart), their opening, or if their melodies are
    ``limit`` alike; and so on from each to the next.

    Args:
        titles: plain titles, one a piece.
        openings: the first intervals of the top voice, one list a piece; empty ones are passed over.
        alike: similarities of the melodies, (pieces, pieces), in [0, 1].
        limit: from which similarity on.
    """
    parent = list(range(len(titles)))

    def head(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    def join(one: int, other: int) -> None:
        low, high = sorted((head(one), head(other)))
        parent[high] = low

    first: dict[Any, int] = {}
    for place, (title, opening) in enumerate(zip(titles, openings, strict=True)):
        if title:
            join(first.setdefault(("title", title), place), place)
        if opening:
            join(first.setdefault(("opening", *opening), place), place)
    for one, other in zip(*np.nonzero(alike >= limit), strict=True):
        join(int(one), int(other))
    return [head(place) for place in range(len(titles))]


def deal(families: Mapping[str, str], settings: Split) -> dict[str, list[str]]:
    """Deal whole families, in seeded order, each to the side that lacks the largest part of its share.

    Args:
        families: the family of each piece id.
        settings: seed and shares; a share of 0 leaves its side empty.

    Returns:
        Sorted piece ids by side.

    Raises:
        EtudeError: there are fewer families than sides with a share.
    """
    members = defaultdict(list)
    for name in sorted(families):
        members[families[name]].append(name)
    order = sorted(members)
    random.Random(settings.seed).shuffle(order)
    wanted = {side: getattr(settings, side) * len(families) for side in SIDES if getattr(settings, side) > 0}
    if len(order) < len(wanted):
        raise EtudeError(
            f"{len(families)} pieces make {len(order)} tune families, too few for {', '.join(wanted)}. "
            "Take more pieces (dataset.limit), or set a share of the split to 0."
        )
    sides: dict[str, list[str]] = {side: [] for side in SIDES}
    for family in order:
        # blind to the family's size, so that large families are no likelier on one side
        side = max(wanted, key=lambda side: 1 - len(sides[side]) / wanted[side])
        sides[side] += members[family]
    return {side: sorted(names) for side, names in sides.items()}


def audit(
    sides: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    pieces: Mapping[str, Score],
    titles: Mapping[str, str],
    alike: Mapping[tuple[str, str], float],
    settings: Split,
) -> dict[str, Any]:
    """Count what two sides share, for each pair of sides.

    Args:
        sides: piece ids by side.
        families: the family of each piece id.
        pieces: the pieces by id.
        titles: plain titles by id.
        alike: similarity of the melodies of two ids, given in sorted order.
        settings: ``opening`` and ``similarity``.

    Returns:
        By pair (``"train/test"``), as numbers of pairs of pieces: ``exact_duplicates`` (the same notes in the same
        voices), ``transposed_duplicates`` (the same but for a transposition), ``shared_openings``, ``shared_titles``,
        ``shared_families``, ``similar_melodies``; and the ``closest`` pair with its similarity.
    """
    names = [name for side in sides.values() for name in side]
    openings = {name: tuple(intervals(pieces[name])[: settings.opening]) for name in names}
    marks: dict[str, Mapping[str, Any]] = {
        "exact_duplicates": {name: _notes(pieces[name], 0) for name in names},
        "transposed_duplicates": {name: _notes(pieces[name], _first(pieces[name])) for name in names},
        "shared_openings": openings,
        "shared_titles": titles,
        "shared_families": families,
    }
    report: dict[str, Any] = {}
    for one, other in itertools.combinations(sides, 2):
        pairs = [tuple(sorted(pair)) for pair in itertools.product(sides[one], sides[other])]
        entry: dict[str, Any] = {}
        for what, mark in marks.items():
            left, right = (Counter(mark[name] for name in sides[side] if mark[name]) for side in (one, other))
            entry[what] = sum(count * right[value] for value, count in left.items())
        entry["similar_melodies"] = sum(alike[a, b] >= settings.similarity for a, b in pairs)
        if pairs:
            a, b = min(pairs, key=lambda pair: (-alike[pair[0], pair[1]], pair))
            entry["closest"] = {"pieces": [a, b], "similarity": round(alike[a, b], 4)}
        report[f"{one}/{other}"] = entry
    return report


def split(
    pieces: Mapping[str, Score], titles: Mapping[str, str | None], settings: Split, show: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deal pieces to train, valid and test so that no tune is on two sides.

    Args:
        pieces: the pieces by id; the first track is the melody.
        titles: by id; ``None`` where unknown.
        settings: seed, shares, and what makes one tune.
        show: a progress bar.

    Returns:
        The split (``train``, ``valid``, ``test``, ``families``) and the audit.
    """
    names = sorted(pieces)
    with bar("split: compare melodies", len(names), show) as tell:
        matrix = similarities([melody(pieces[name]) for name in names], tell)
    plain = {name: plain_title(titles[name]) for name in names}
    openings = [intervals(pieces[name])[: settings.opening] for name in names]
    heads = find_families([plain[name] for name in names], openings, matrix, settings.similarity)
    families = {name: names[head] for name, head in zip(names, heads, strict=True)}
    sides = deal(families, settings)
    alike = {
        (names[one], names[other]): float(matrix[one, other])
        for one, other in itertools.combinations(range(len(names)), 2)
    }
    pairs = audit(sides, families, pieces, plain, alike, settings)
    sizes = Counter(Counter(families.values()).values())
    leakage = {
        "sizes": {side: len(sides[side]) for side in SIDES},
        "families": {side: len({families[name] for name in sides[side]}) for side in SIDES},
        "family_sizes": {str(size): count for size, count in sorted(sizes.items())},
        "pairs": pairs,
    }
    return {**sides, "families": families}, leakage


def leaks(leakage: Mapping[str, Any]) -> list[str]:
    """What an audit found that must not be, as sentences."""
    return [
        f"{count} {what.replace('_', ' ')} between {pair.replace('/', ' and ')}"
        for pair, entry in leakage["pairs"].items()
        for what, count in entry.items()
        if what != "closest" and count
    ]


def _first(piece: Score) -> int:
    """The pitch of the first note of the first track that has one."""
    return next((note.pitch for track in piece.tracks for note in track.notes), 0)


def _notes(piece: Score, zero: int) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """(onset, duration, pitch above ``zero``) of all notes, voice by voice."""
    return tuple(tuple((note.time, note.duration, note.pitch - zero) for note in track.notes) for track in piece.tracks)


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest, write data/split."""
    source, ingest = upstream(settings, session, "ingest")
    entries = ingest["pieces"]
    pieces = {entry["id"]: read_piece(source, entry, "etude ingest") for entry in entries}
    titles = {entry["id"]: entry["title"] for entry in entries}
    result, leakage = split(pieces, titles, settings.split, session.progress)
    if found := leaks(leakage):
        raise EtudeError(f"The split leaks: {'; '.join(found)}. This is a fault of etude; nothing was written.")
    used = built_from(settings, "split")
    with whole(session.write("data/split")) as part:
        part.mkdir()
        write_json(part / "split.json", {"settings": used, **result})
        write_json(part / "leakage.json", {"settings": used, **leakage})
    sizes = ", ".join(f"{side} {leakage['sizes'][side]}" for side in SIDES)
    print(f"split: {sizes}; {sum(leakage['families'].values())} tune families")


if __name__ == "__main__":
    main(run)
