"""The features that identify a piece: its title, the opening of its melody, its notes in any key."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symusic.core import ScoreTick as Score

from etude.config.sections import Settings
from etude.metrics.duplicates import fingerprint
from etude.metrics.melody import Melody, intervals, melody, tune

COMMON = 100  # pieces; a title or opening that more pieces share does not identify a tune
STEPS = 3  # fewer different intervals make an opening trivial: a repeated note, a trill, a scale
# words of a title that names only the kind of piece, or says that there is no title
KINDS = re.compile(
    "untitled|unknown|unnamed|without|title|music|score|sequence|new|piece|part|movement|satz|page|track|voice|piano|"
    "tune|song|lied|air|aria|melod(y|ie)|dances?|dans|tanz|tempo|lead|solo|intro|prelude|fugue|sonata|suite|"
    "allemande|courante|sarabande|gigue|menuet|minuet|gavotte|bourree|waltz|walzer|landler|polka|polska|polonaise|"
    "mazurka|schottische?|march|marsch|galop|quadrille|jig|reel|hornpipe|slide|slip|strathspey|hymn|chorale?|ballad"
)
NUMBERS = re.compile(r"\d+\w?|[ivxlc]+|no|nr|number|op|opus|in|a|b|the|of")


@dataclass(frozen=True)
class Features:
    """The features of a piece that decide its family, its split, and what it shares with others."""

    id: str
    title: str  # plain; empty if it names no tune
    opening: tuple[int, ...]  # the first intervals of the melody; empty if too few or trivial
    melody: Melody
    exact: bytes  # digests of etude.metrics.duplicates
    relative: bytes
    origin: str | None
    split: str | None  # the published one
    duplicates: tuple[
        tuple[str, str | None], ...
    ] = ()  # plain title and origin of each duplicate that was left out for it


def plain_title(title: str | None) -> str:
    """A title without case, accents and punctuation: spellings of one title become equal. ``None`` gives ``""``."""
    text = unicodedata.normalize("NFKD", (title or "").casefold())
    return " ".join(re.findall(r"[^\W_]+", "".join(letter for letter in text if not unicodedata.combining(letter))))


def naming_title(title: str | None) -> str:
    """The plain title, or ``""`` if it has only numbers and kinds of pieces (``Gigue no. 2``, ``Track 1``)."""
    plain = plain_title(title)
    plain = re.sub(r"^(the|an?) | (the|an?)$", "", plain)  # "Wild Rover, The"
    words = plain.split()
    return plain if any(not (KINDS.fullmatch(word) or NUMBERS.fullmatch(word)) for word in words) else ""


def features(entry: Mapping[str, Any], score: Score, settings: Settings) -> Features:
    """Extract the features of a piece.

    Args:
        entry: its entry in the manifest of the stage ingest; ``title``, ``origin`` and ``split`` may be missing.
        score: the piece; its first track is the melody if the dataset names voices.
        settings: ``dataset`` and ``split.opening`` are used.
    """
    line = tune(score, first=settings.reading.voices is not None)
    opening = tuple(intervals(line[: settings.split.opening + 1]))
    is_distinct = len(opening) == settings.split.opening and len(set(opening)) >= STEPS
    mark = fingerprint(score)
    return Features(
        id=entry["id"],
        title=naming_title(entry.get("title")),
        opening=opening if is_distinct else (),
        melody=melody(line, score.ticks_per_quarter),
        exact=mark.exact,
        relative=mark.relative,
        origin=entry.get("origin"),
        split=entry.get("split"),
        duplicates=tuple(
            (naming_title(other.get("title")), other.get("origin")) for other in entry.get("duplicates", ())
        ),
    )


def drop_common(pieces: Sequence[Features]) -> list[Features]:
    """Sort the pieces by id, and drop titles and openings that more than ``COMMON`` of them share."""
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
