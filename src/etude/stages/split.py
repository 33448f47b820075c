"""Stage split: deal the pieces to train, valid and test by tune family, and audit what leaks from side to side."""

import pickle
import random
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick as Score

from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.artifacts.provenance import SPLITS, built_from, ingested, key_of
from etude.artifacts.shards import Shards, cut
from etude.config.sections import Settings, Split
from etude.core.errors import EtudeError
from etude.core.files import digest_of, whole, write_json
from etude.core.progress import bar
from etude.metrics.duplicates import fingerprint
from etude.metrics.melody import Compared, Melody, compare, intervals, melody, tune
from etude.stages import main

CODE = ("metrics/melody.py", "metrics/duplicates.py", "pieces.py", "stages/split.py")
COMMON = 100  # pieces; a title or opening that more have says nothing of the tune
STEPS = 3  # different intervals that an opening has at least, or it is one repeated note, a trill, a scale
# words of a title that says what kind of piece it is, or that it has no title
KINDS = re.compile(
    "untitled|unknown|unnamed|without|title|music|score|sequence|new|piece|part|movement|satz|page|track|voice|piano|"
    "tune|song|lied|air|aria|melod(y|ie)|dances?|dans|tanz|tempo|lead|solo|intro|prelude|fugue|sonata|suite|"
    "allemande|courante|sarabande|gigue|menuet|minuet|gavotte|bourree|waltz|walzer|landler|polka|polska|polonaise|"
    "mazurka|schottische?|march|marsch|galop|quadrille|jig|reel|hornpipe|slide|slip|strathspey|hymn|chorale?|ballad"
)
NUMBERS = re.compile(r"\d+\w?|[ivxlc]+|no|nr|number|op|opus|in|a|b|the|of")


@dataclass(frozen=True)
class Features:
    """What of a piece decides its family, its side, and what it shares with another."""

    id: str
    title: str  # plain; empty where it names no tune
    opening: tuple[int, ...]  # the first intervals of the melody; empty where they are too few or trivial
    melody: Melody
    exact: bytes  # digests of etude.metrics.duplicates
    relative: bytes
    origin: str | None
    split: str | None  # in the published split
    duplicates: tuple[
        tuple[str, str | None], ...
    ] = ()  # plain title and origin of each duplicate that was left out for it


def plain_title(title: str | None) -> str:
    """A title without case, accents and punctuation: spellings of one title become equal. ``None`` gives ``""``."""
    text = unicodedata.normalize("NFKD", (title or "").casefold())
    return " ".join(re.findall(r"[^\W_]+", "".join(letter for letter in text if not unicodedata.combining(letter))))


def naming_title(title: str | None) -> str:
    """The plain title, or ``""`` where it only counts or says what kind it is (``Gigue no. 2``, ``Track 1``)."""
    plain = plain_title(title)
    plain = re.sub(r"^(the|an?) | (the|an?)$", "", plain)  # "Wild Rover, The"
    words = plain.split()
    return plain if any(not (KINDS.fullmatch(word) or NUMBERS.fullmatch(word)) for word in words) else ""


def features(entry: Mapping[str, Any], score: Score, settings: Settings) -> Features:
    """What the stage keeps of a piece.

    Args:
        entry: of the manifest of the stage ingest; ``title``, ``origin`` and ``split`` may be missing.
        score: the piece; its first track is the melody where the dataset names voices.
        settings: ``dataset`` and ``split.opening`` are used.
    """
    line = tune(score, first=settings.reading.voices is not None)
    opening = tuple(intervals(line[: settings.split.opening + 1]))
    telling = len(opening) == settings.split.opening and len(set(opening)) >= STEPS
    mark = fingerprint(score)
    return Features(
        id=entry["id"],
        title=naming_title(entry.get("title")),
        opening=opening if telling else (),
        melody=melody(line, score.ticks_per_quarter),
        exact=mark.exact,
        relative=mark.relative,
        origin=entry.get("origin"),
        split=entry.get("split"),
        duplicates=tuple((naming_title(twin.get("title")), twin.get("origin")) for twin in entry.get("twins", ())),
    )


def telling(pieces: Sequence[Features]) -> list[Features]:
    """The pieces by id, without the titles and openings that more than ``COMMON`` of them have."""
    titles, openings = (Counter(getattr(piece, what) for piece in pieces) for what in ("title", "opening"))
    return [
        replace(
            piece,
            title=piece.title if titles[piece.title] <= COMMON else "",
            duplicates=tuple((title if titles[title] <= COMMON else "", origin) for title, origin in piece.duplicates),
            opening=piece.opening if openings[piece.opening] <= COMMON else (),
        )
        for piece in sorted(pieces, key=lambda piece: piece.id)
    ]


def find_families(pieces: Sequence[Features], similar: Iterable[tuple[int, int]]) -> list[int]:
    """The family of each piece, as the place of its first member.

    Two pieces are of one family if they share their title, opening, origin or, but for key and tempo, all notes (empty
    ones apart), or if their melodies are similar; and so on from each to the next. The titles and origins of the
    duplicates that were left out for a piece are its own, too.

    Args:
        pieces: in their order.
        similar: the places of two pieces with similar melodies.
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
        for twin in piece.duplicates:
            for what, mark in zip(("title", "origin"), twin, strict=True):
                if mark:
                    join(first.setdefault((what, mark), place), place)
    for one, other in similar:
        join(one, other)
    return [head(place) for place in range(len(pieces))]


def assign(families: Mapping[str, str], settings: Split) -> dict[str, list[str]]:
    """Deal whole families, in seeded order, each to the side that lacks the largest part of its share.

    Args:
        families: the family of each piece id.
        settings: seed and shares; a share of 0 leaves its side empty.

    Returns:
        Sorted piece ids by side.

    Raises:
        EtudeError: there are fewer families than sides with a share.
    """
    members = _members(families, settings.seed)
    wanted = {split: getattr(settings, split) * len(families) for split in SPLITS if getattr(settings, split) > 0}
    if len(members) < len(wanted):
        raise EtudeError(
            f"{len(families)} pieces make {len(members)} tune families, too few for {', '.join(wanted)}. "
            "Take more pieces (dataset.limit), or set a share of the split to 0."
        )
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for names in members:
        # blind to the family's size, so that large families are no likelier on one side
        split = max(wanted, key=lambda split: 1 - len(splits[split]) / wanted[split])
        splits[split] += names
    return {split: sorted(names) for split, names in splits.items()}


def assign_folds(families: Mapping[str, str], settings: Split) -> dict[str, list[str]]:
    """Deal whole families to ``settings.folds`` folds: ``settings.fold`` is test, the next one valid, the rest train.

    The largest families go first, those of one size in seeded order, each to the fold with the fewest pieces. The folds
    are the same for every ``settings.fold``.

    Returns:
        Sorted piece ids by side.

    Raises:
        EtudeError: there are fewer families than folds.
    """
    members = sorted(_members(families, settings.seed), key=len, reverse=True)
    if len(members) < settings.folds:
        raise EtudeError(
            f"{len(families)} pieces make {len(members)} tune families, too few for split.folds = {settings.folds}. "
            "Take more pieces (dataset.limit), or fewer folds."
        )
    folds: list[list[str]] = [[] for _ in range(settings.folds)]
    for names in members:
        min(folds, key=len).extend(names)
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    for number, names in enumerate(folds):
        away = (number - settings.fold) % settings.folds
        splits["test" if away == 0 else "valid" if away == 1 else "train"] += names
    return {split: sorted(names) for split, names in splits.items()}


def published(pieces: Sequence[Features], dataset: str) -> dict[str, list[str]]:
    """The published split: sorted piece ids by side.

    Raises:
        EtudeError: a piece has no side, or a side no piece.
    """
    other = "Set split.method = ratio or folds."
    without = sorted(piece.id for piece in pieces if piece.split not in SPLITS)
    if without:
        raise EtudeError(
            f"split.method = published, but {len(without)} of {len(pieces)} pieces of the dataset {dataset} have no "
            f"side in its manifest, {without[0]} for one. {other}"
        )
    splits = {split: sorted(piece.id for piece in pieces if piece.split == split) for split in SPLITS}
    if empty := [split for split in SPLITS if not splits[split]]:
        raise EtudeError(
            f"split.method = published, but the published split of the dataset {dataset} has no pieces for "
            f"{' and '.join(empty)}. {other}"
        )
    return splits


def audit(
    splits: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    pieces: Sequence[Features],
    compared: Compared,
    threshold: float,
) -> dict[str, Any]:
    """Count what two sides share, for each pair of sides.

    Args:
        splits: piece ids by side.
        families: the family of each piece id.
        pieces: what the pieces are, as ``telling`` leaves them.
        compared: their melodies, in the order of ``pieces``.
        threshold: the similarity from which on two melodies are one tune.

    Returns:
        By pair (``"train/test"``): ``exact_duplicates`` (the same notes in the same voices), ``transposed_duplicates``
        (the same but for a transposition and the tempo), ``shared_openings``, ``shared_titles``, ``shared_families``,
        ``similar_melodies``, each as the number of ``pairs`` of pieces and the number of pieces in them on each side
        (``{"pairs": 21, "train": 19, "test": 17}``); and the ``closest`` of the melodies that were compared, those that
        agree in most notes, with their similarity.
    """
    marks: dict[str, dict[str, Hashable]] = {
        "exact_duplicates": {piece.id: piece.exact for piece in pieces},
        "transposed_duplicates": {piece.id: piece.relative for piece in pieces},
        "shared_openings": {piece.id: piece.opening for piece in pieces},
        "shared_titles": {piece.id: piece.title for piece in pieces},
        "shared_families": dict(families),
    }
    split_of = {name: number for number, names in enumerate(splits.values()) for name in names}
    ends = np.array([split_of[piece.id] for piece in pieces], dtype=np.int64)[compared.pairs]  # (pairs, 2): sides
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
            place = np.argmax(np.where(across, compared.margin, -np.inf))  # of equal ones the first by id
            names = [pieces[piece].id for piece in compared.pairs[place]]
            entry["closest"] = {"pieces": names, "similarity": round(float(compared.similarity[place]), 4)}
        report[f"{left}/{right}"] = entry
    return report


def make_splits(pieces: Sequence[Features], settings: Settings, show: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deal pieces to train, valid and test so that no tune is on two sides, or take the published sides; and audit it.

    Args:
        pieces: what ``features`` finds of each, in any order.
        settings: ``split``, and the name of the dataset.
        show: a progress bar.

    Returns:
        The split (``train``, ``valid``, ``test``, ``families``) and the audit.

    Raises:
        EtudeError: there are too few families, or the published split is not whole.
    """
    chosen = settings.split
    pieces = telling(pieces)
    with bar("split: compare melodies", len(pieces), show) as tell:
        compared = compare([piece.melody for piece in pieces], tell)
    similar = [(one, other) for one, other, _ in compared.similar(chosen.similarity)]
    heads = find_families(pieces, similar)
    families = {piece.id: pieces[head].id for piece, head in zip(pieces, heads, strict=True)}
    method = chosen.method
    if method == "auto":
        method = "published" if all(piece.split in SPLITS for piece in pieces) else "ratio"
    if method == "published":
        splits = published(pieces, str(settings.dataset.get("name")))
    else:
        splits = (assign_folds if method == "folds" else assign)(families, chosen)
    sizes = Counter(Counter(families.values()).values())
    leakage = {
        "method": method,
        "sizes": {split: len(splits[split]) for split in SPLITS},
        "families": {split: len({families[name] for name in splits[split]}) for split in SPLITS},
        "family_sizes": {str(size): count for size, count in sorted(sizes.items())},
        "pairs": audit(splits, families, pieces, compared, chosen.similarity),
    }
    return {**splits, "families": families}, leakage


def leaks(leakage: Mapping[str, Any]) -> list[str]:
    """What an audit found that two sides must not share, as parts of a sentence."""
    return [
        f"{count['pairs']} pairs with {what.replace('_', ' ')} between {pair.replace('/', ' and ')} "
        f"({', '.join(f'{count[split]} {split}' for split in pair.split('/'))} pieces)"
        for pair, entry in leakage["pairs"].items()
        for what, count in entry.items()
        if what != "closest" and count["pairs"]
    ]


def _members(families: Mapping[str, str], seed: int) -> list[list[str]]:
    """The sorted members of each family, the families in seeded order."""
    members = defaultdict(list)
    for name in sorted(families):
        members[families[name]].append(name)
    order = sorted(members)
    random.Random(seed).shuffle(order)
    return [members[family] for family in order]


def look_shard(task: Mapping[str, Any], folder: Path) -> None:
    """The features of the pieces of one shard."""
    pieces: Pieces = task["pieces"]
    found = [features(pieces.entries[name], score, task["settings"]) for name, score in pieces.scores(task["names"])]
    (folder / "features.pickle").write_bytes(pickle.dumps(found))


def run(settings: Settings, session: Session) -> None:
    """Read data/ingest, write data/split."""
    source, ingest = ingested(settings, session)
    parts = cut(list(source.entries))
    tasks = [{"pieces": source.only(names), "names": names, "settings": settings} for names in parts]
    used = built_from(settings, "split")
    decides = {"settings": used, "pieces": digest_of(ingest["pieces"]), "shards": ingest["shards"]}
    shards = Shards(session, "split", key_of(decides, CODE), "etude split")
    with shards.gathered():
        folders = shards.map(look_shard, tasks)
        shards.complete()
        pieces = [piece for folder in folders for piece in pickle.loads((folder / "features.pickle").read_bytes())]
        result, leakage = make_splits(pieces, settings, session.progress)
        found = leaks(leakage)
        if found and leakage["method"] != "published":
            raise EtudeError(f"The split leaks: {'; '.join(found)}. This is a fault of etude; nothing was written.")
        with whole(session.write("data/split")) as part:
            part.mkdir()
            write_json(part / "split.json", {"settings": used, **result})
            write_json(part / "leakage.json", {"settings": used, **leakage})
        sizes = ", ".join(f"{split} {leakage['sizes'][split]}" for split in SPLITS)
        print(f"split: {sizes}; {len(set(result['families'].values()))} tune families")
        for leak in found:
            print(f"split: WARNING, the published split leaks: {leak}", file=sys.stderr)


if __name__ == "__main__":
    main(run)
