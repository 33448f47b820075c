"""Tune families: pieces that are settings of one tune, or copies of each other."""

from collections.abc import Hashable, Iterable, Sequence

from etude.splits.features import Features


def find_families(pieces: Sequence[Features], similar: Iterable[tuple[int, int]]) -> list[int]:
    """The family of each piece, as the place of its first member.

    Two pieces belong to one family if they share a title, an opening, an origin or all notes in any key and tempo, or
    if their melodies are similar. Empty features do not count; the relation is transitive. A piece also has the
    titles and origins of the duplicates that were left out for it.

    Args:
        pieces: the features of all pieces.
        similar: pairs of places of pieces with similar melodies.
    """
    parent = list(range(len(pieces)))

    def head(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    def join(one: int, other: int) -> None:
        low, high = sorted((head(one), head(other)))
        parent[high] = low

    first: dict[Hashable, int] = {}
    for place, piece in enumerate(pieces):
        for what in ("title", "opening", "origin", "relative"):
            if mark := getattr(piece, what):
                join(first.setdefault((what, mark), place), place)
        for duplicate in piece.duplicates:
            for what, mark in zip(("title", "origin"), duplicate, strict=True):
                if mark:
                    join(first.setdefault((what, mark), place), place)
    for one, other in similar:
        join(one, other)
    return [head(place) for place in range(len(pieces))]
