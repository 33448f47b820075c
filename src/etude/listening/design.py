"""The design of a listening test: which pages a listener gets, in which order, balanced over systems and prompts.

The manner is that of ITU-R BS.2132 (2019), several stimuli without a given reference: pairs in which no system is known
to be the better one, and scales. Real pieces are hidden among the systems.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.core.seeds import seed_of

VERSION = 1  # of the test and of the answers as JSON
SCALES = {  # name -> what a listener is asked, and what 1 and 5 stand for
    "coherence": ("Coherence: does one thing follow from another?", "not at all", "entirely"),
    "structure": ("Structure: are there phrases, repetitions, a form?", "none", "clear"),
    "creativity": ("Creativity: are there ideas of its own?", "none", "many"),
    "musicality": ("Musicality: would you listen to it as music?", "no", "gladly"),
    "harmony": ("Harmony: do melody, chords and bass fit together?", "not at all", "entirely"),
}
PAIR, RATING, QUESTION = "pair", "rating", "question"
CLIPS = {PAIR: 2, RATING: 1, QUESTION: 0}  # on a page
FIRST, SECOND, NONE = "first", "second", "none"  # choices of a pair
PLACES = ("start", "middle", "end")  # of a question: before the pairs, between pairs and ratings, after all
SHORTEST, LONGEST = 10.0, 30.0  # seconds of a clip
COMFORT = 30  # minutes that a listener stays attentive (BS.1534-3: sessions of 20 to 30 minutes)
REPEATS = 3  # pairs that come again as attention check, where the number is not given
MOST_PAGES = 80  # of one listener
MOST_ORDERS = 60  # that a form is shown in
PAUSE = 12.0  # seconds that a page takes besides its sound


@dataclass(frozen=True)
class Page:
    """What a listener sees at once: a pair of clips, one clip with the scales, or a question with its choices."""

    kind: str
    clips: tuple[str, ...] = ()
    text: str = ""
    choices: tuple[str, ...] = ()

    def as_json(self) -> Json:
        """The page as JSON."""
        if self.kind == QUESTION:
            return {"kind": self.kind, "text": self.text, "choices": list(self.choices)}
        return {"kind": self.kind, "clips": list(self.clips)}

    @classmethod
    def of(cls, value: Any) -> "Page":
        """A page from JSON. Raises KeyError, TypeError or ValueError where it is none."""
        kind, clips = value["kind"], tuple(map(_clip, value.get("clips", ())))
        if kind not in CLIPS or len(set(clips)) != len(clips) or len(clips) != CLIPS[kind]:
            raise ValueError(f"a page of kind {str(kind)[:20]} with {len(clips)} clips is not known")
        text, choices = value.get("text", ""), tuple(value.get("choices", ()))
        if not all(isinstance(one, str) for one in (text, *choices)) or (kind == QUESTION) != (len(choices) > 1):
            raise ValueError("a question has not a text and two choices or more")
        return cls(kind, clips, text, choices)


@dataclass(frozen=True)
class Question:
    """A question between pages, with choices alone: no text that could name a person."""

    text: str
    choices: tuple[str, ...]
    place: str = "start"


@dataclass(frozen=True)
class Test:
    """A listening test as its page has it: nothing in it tells which system a clip is of.

    ``sheets`` has the pages of a listener in their order, as places in ``pages``; the listener's id says which sheet.
    """

    __test__ = False  # pytest takes it for no test of its own

    id: str
    scales: tuple[str, ...]
    pages: tuple[Page, ...]
    sheets: tuple[tuple[int, ...], ...]
    training: tuple[str, str]

    @property
    def clips(self) -> list[str]:
        """The ids of all clips, sorted."""
        return sorted({clip for page in self.pages for clip in page.clips} | set(self.training))

    def sheet_of(self, listener: str) -> int:
        """The number of the sheet of a listener, whose id is 32 hexadecimal digits: its first eight decide."""
        return int(listener[:8], 16) % len(self.sheets)

    def pages_of(self, listener: str) -> list[Page]:
        """The pages of a listener in their order."""
        return [self.pages[place] for place in self.sheets[self.sheet_of(listener)]]

    def as_json(self) -> Json:
        """The test as JSON."""
        return {
            "version": VERSION,
            "id": self.id,
            "scales": list(self.scales),
            "pages": [page.as_json() for page in self.pages],
            "sheets": [list(sheet) for sheet in self.sheets],
            "training": list(self.training),
        }

    @classmethod
    def of(cls, value: Any, where: str) -> "Test":
        """A test from JSON.

        Args:
            value: as ``as_json`` gives it.
            where: the file that it stands in, for messages.

        Raises:
            EtudeError: it is no test, or that of another release.
        """
        try:
            if value["version"] != VERSION:
                raise EtudeError(
                    f"{where} has version {str(value['version'])[:20]} of a listening test, and this release reads "
                    f"version {VERSION}. Build it again with: etude listen build"
                )
            pages = tuple(map(Page.of, value["pages"]))
            sheets = tuple(map(tuple, value["sheets"]))
            scales, training = tuple(value["scales"]), tuple(map(_clip, value["training"]))
            if not pages or not sheets or not all(sheets):
                raise ValueError("it has no pages")
            if not all(type(place) is int and 0 <= place < len(pages) for sheet in sheets for place in sheet):
                raise ValueError("a sheet names a page that is not there")
            if scales != tuple(SCALES):
                raise ValueError(f"its scales are not {', '.join(SCALES)}")
            if len(training) != 2:
                raise ValueError("it has no two clips for the training page")
            if not re.fullmatch(r"[0-9a-f]{16}", value["id"]):
                raise ValueError("its id has not 16 hexadecimal digits")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EtudeError(
                f"{where} holds no listening test ({type(error).__name__}: {str(error)[:100]}). "
                "Build it with: etude listen build models=... output=listen.html"
            ) from None
        return cls(value["id"], scales, pages, sheets, (training[0], training[1]))


def _clip(value: Any) -> str:
    """The id of a clip, checked."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{12}", value):
        raise ValueError("the id of a clip has not 12 hexadecimal digits")
    return value


@dataclass(frozen=True)
class Shape:
    """How much a listener is asked.

    ``pairs``: pages of each pair of systems; ``ratings``: pages with scales of each system; ``repeats``: pairs that
    come again, swapped, as attention check. None: two of each where that takes half an hour or less, else one; and
    ``REPEATS`` of the pairs, fewer where half of the pairs are fewer.
    """

    pairs: int | None = None
    ratings: int | None = None
    repeats: int | None = None
    questions: Sequence[Question] = field(default_factory=tuple)

    def filled(self, systems: int, prompts: int, seconds: float) -> "Shape":
        """The shape with numbers for None.

        Args:
            systems: their number.
            prompts: clips of each system.
            seconds: the length of a clip.

        Raises:
            EtudeError: a listener would have too many pages, or a system has too few clips.
        """
        for each in (2, 1):
            each = min(each, prompts)
            half = (self.pairs or each) * math.comb(systems, 2) // 2
            repeats = min(REPEATS, half) if self.repeats is None else self.repeats
            shape = Shape(self.pairs or each, self.ratings or each, repeats, self.questions)
            if shape.minutes(systems, seconds) <= COMFORT:
                break
        assert shape.pairs is not None and shape.ratings is not None and shape.repeats is not None
        for key in ("pairs", "ratings"):
            if getattr(shape, key) > prompts:
                raise EtudeError(
                    f"{key} = {getattr(shape, key)}: there are {prompts} clips of each system, and a listener would "
                    f"get one of them twice. Give {key}={prompts} at most, or more clips."
                )
        if shape.repeats > shape.pairs * math.comb(systems, 2) // 2:
            raise EtudeError(
                f"repeats = {shape.repeats}: only the first half of {shape.pairs * math.comb(systems, 2)} pairs comes "
                "again. Give fewer repeats, or more pairs."
            )
        if (count := shape.pages(systems)) > MOST_PAGES:
            raise EtudeError(
                f"A listener would have {count} pages, and more than {MOST_PAGES} wear anybody out. Name fewer models, "
                "or give smaller pairs= and ratings=."
            )
        return shape

    def pages(self, systems: int) -> int:
        """The pages of one listener, without consent and training."""
        pairs, ratings = (self.pairs or 0) * math.comb(systems, 2), (self.ratings or 0) * systems
        return pairs + (self.repeats or 0) + ratings + len(self.questions)

    def minutes(self, systems: int, seconds: float) -> float:
        """About how long a listener takes, if each clip is heard once."""
        pairs = (self.pairs or 0) * math.comb(systems, 2) + (self.repeats or 0)
        ratings = (self.ratings or 0) * systems
        return (pairs * (2 * seconds + PAUSE) + ratings * (seconds + 2 * PAUSE) + 2 * seconds + 60) / 60


def design(
    test_id: str,
    clips: Mapping[str, Sequence[str]],
    training: tuple[str, str],
    shape: Shape,
    seed: int,
) -> Test:
    """The pages and sheets of a test.

    A form fixes which prompt each page is of, and which clip of a pair comes first. Over the 2 K forms of K prompts
    each pair of systems has each prompt equally often, in both orders, and each system each prompt in the ratings. So
    each system is first and second equally often: exactly over all forms, and for each listener where ``pairs`` is
    even. Each form is shown in several orders, rotations of one seeded order: over them a page stands equally often at
    each place of its part. Pairs that come again stand in the second half of the pairs, those that they repeat in the
    first.

    Args:
        test_id: the id of the test.
        clips: the id of each system's clip of each prompt: system -> ids, in the order of the prompts.
        training: two clips for the training page.
        shape: as ``Shape.filled`` gives it.
        seed: of the orders.
    """
    assert shape.pairs is not None and shape.ratings is not None
    systems, prompts = list(clips), len(next(iter(clips.values())))
    rng = np.random.default_rng(seed_of("listening orders", seed))
    pages: dict[Page, int] = {}

    def number(page: Page) -> int:
        return pages.setdefault(page, len(pages))

    questions = {
        place: [number(Page(QUESTION, (), one.text, one.choices)) for one in shape.questions if one.place == place]
        for place in PLACES
    }
    sheets = []
    couples = list(combinations(range(len(systems)), 2))
    for swapped in (False, True):
        for turn in range(prompts):
            pairs = [
                _pair(clips, systems, couple, (place + again + turn) % prompts, _is_swapped(couple, again) != swapped)
                for place, couple in enumerate(couples)
                for again in range(shape.pairs)
            ]
            ratings = [
                Page(RATING, (clips[name][(place * shape.ratings + again + turn) % prompts],))
                for place, name in enumerate(systems)
                for again in range(shape.ratings)
            ]
            pairs = [pairs[place] for place in rng.permutation(len(pairs))]
            ratings = [ratings[place] for place in rng.permutation(len(ratings))]
            orders = math.lcm(len(pairs), len(ratings))
            for order in range(orders if orders <= MOST_ORDERS else len(pairs)):
                middle = _with_repeats(_rotate(pairs, order), shape.repeats or 0, order)
                last = _rotate(ratings, order)
                sheets.append(
                    (
                        *questions["start"],
                        *map(number, middle),
                        *questions["middle"],
                        *map(number, last),
                        *questions["end"],
                    )
                )
    sheets = [sheets[place] for place in rng.permutation(len(sheets))]
    return Test(test_id, tuple(SCALES), tuple(pages), tuple(sheets), training)


def _is_swapped(couple: tuple[int, int], again: int) -> bool:
    """Whether the second system comes first: a regular tournament, turned round every other time."""
    return ((couple[0] + couple[1]) % 2 == 0) != (again % 2 == 1)


def _pair(
    clips: Mapping[str, Sequence[str]], systems: Sequence[str], couple: tuple[int, int], prompt: int, swapped: bool
) -> Page:
    first, second = (clips[systems[place]][prompt] for place in couple)
    return Page(PAIR, (second, first) if swapped else (first, second))


def _rotate(pages: Sequence[Page], by: int) -> list[Page]:
    by %= len(pages)
    return [*pages[by:], *pages[:by]]


def _with_repeats(pairs: list[Page], repeats: int, order: int) -> list[Page]:
    """The pairs, and some of the first half again, swapped, spread over the second half."""
    half = len(pairs) // 2
    chosen = [pairs[(order + step * half // max(1, repeats)) % half] for step in range(repeats)] if half else []
    found = list(pairs)
    for step, page in enumerate(chosen):
        room = len(pairs) - half
        place = half + (step + 1) * room // (repeats + 1) + step + 1
        found.insert(place, Page(PAIR, page.clips[::-1]))
    return found


def repeats_of(pages: Sequence[Page]) -> dict[int, int]:
    """The places of pairs that come again in a listener's pages -> the place of the pair that each repeats."""
    seen: dict[frozenset[str], int] = {}
    found = {}
    for place, page in enumerate(pages):
        if page.kind == PAIR:
            both = frozenset(page.clips)
            if both in seen:
                found[place] = seen[both]
            else:
                seen[both] = place
    return found
