"""The design: exact balance over all sheets, fair sheets, repeats apart from what they repeat, limits with a reason."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from listening.panel import make_key

from etude.core.errors import EtudeError
from etude.core.files import digest_of
from etude.listening.design import PAIR, QUESTION, RATING, Page, Question, Shape, Test, repeats_of

SIZES = [
    (2, 3, Shape(2, 2, 1)),
    (3, 4, Shape(2, 2, 2)),
    (4, 6, Shape(2, 2, 3)),
    (5, 5, Shape(1, 1, 2)),
    (4, 2, Shape(1, 2, 0)),
]


def first_times(pages: list[Page]) -> list[Page]:
    again = repeats_of(pages)
    return [page for place, page in enumerate(pages) if place not in again]


@pytest.mark.parametrize(("systems", "prompts", "shape"), SIZES)
def test_over_all_sheets_everything_is_equally_often(systems: int, prompts: int, shape: Shape) -> None:
    key = make_key([f"s{number}" for number in range(systems)], prompts, shape)
    pairs: Counter[tuple[str, ...]] = Counter()
    rated: Counter[str] = Counter()
    for sheet in key.test.sheets:
        for page in first_times([key.test.pages[place] for place in sheet]):
            if page.kind == PAIR:
                pairs[page.clips] += 1
            elif page.kind == RATING:
                rated[page.clips[0]] += 1
    assert len(pairs) == systems * (systems - 1) * prompts and len(set(pairs.values())) == 1
    assert len(rated) == systems * prompts and len(set(rated.values())) == 1


@pytest.mark.parametrize(("systems", "prompts", "shape"), SIZES)
def test_each_listener_has_each_pair_of_systems_equally_often(systems: int, prompts: int, shape: Shape) -> None:
    assert shape.pairs is not None
    key = make_key([f"s{number}" for number in range(systems)], prompts, shape)
    for sheet in key.test.sheets:
        pages = first_times([key.test.pages[place] for place in sheet])
        sides = [[str(key.system_of[clip]) for clip in page.clips] for page in pages if page.kind == PAIR]
        together = Counter(frozenset(side) for side in sides)
        assert set(together.values()) == {shape.pairs} and len(together) == len(list(combinations(key.systems, 2)))
        first = Counter(side[0] for side in sides)
        counts = [first[name] for name in key.systems]
        assert max(counts) - min(counts) <= (0 if shape.pairs % 2 == 0 or systems % 2 else 1)
        assert len({page.clips for page in pages}) == len(pages), "no page comes twice but as a repeat"


@pytest.mark.parametrize(("systems", "prompts", "shape"), SIZES)
def test_repeats_are_swapped_and_far_from_what_they_repeat(systems: int, prompts: int, shape: Shape) -> None:
    key = make_key([f"s{number}" for number in range(systems)], prompts, shape)
    for sheet in key.test.sheets:
        pages = [key.test.pages[place] for place in sheet]
        found = repeats_of(pages)
        assert shape.repeats is not None
        pairs = sum(page.kind == PAIR for page in pages) - shape.repeats
        assert len(found) == shape.repeats
        for again, before in found.items():
            assert pages[again].clips == pages[before].clips[::-1] and before < pairs // 2 <= again


def test_pages_stand_equally_often_at_each_place() -> None:
    key = make_key(["a", "b", "c", "d"], 6, Shape(2, 2, 0))
    at: Counter[tuple[int, str]] = Counter()
    for sheet in key.test.sheets:
        for place, number in enumerate(sheet):
            page = key.test.pages[number]
            if page.kind == RATING:
                at[place, str(key.system_of[page.clips[0]])] += 1
    assert len(at) == 8 * 4 and len(set(at.values())) == 1


def test_random_ids_reach_all_sheets_evenly() -> None:
    test = make_key().test
    rng = np.random.default_rng(0)
    counts = Counter(test.sheet_of(rng.bytes(16).hex()) for _ in range(100 * len(test.sheets)))
    assert len(counts) == len(test.sheets)
    expected = 100.0
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < len(test.sheets) + 4 * np.sqrt(2 * len(test.sheets))


def test_the_seed_decides_and_json_comes_back() -> None:
    one, same, other = (make_key(seed=seed).test for seed in (1, 1, 2))
    assert digest_of(one.as_json()) == digest_of(same.as_json()) != digest_of(other.as_json())
    assert Test.of(one.as_json(), "x") == one


def test_questions_stand_where_they_are_asked_for() -> None:
    questions = (
        Question("Q1?", ("yes", "no")),
        Question("Q2?", ("a", "b"), "middle"),
        Question("Q3?", ("c", "d"), "end"),
    )
    key = make_key(shape=Shape(2, 2, 0, questions))
    kinds = [page.kind for page in key.test.pages_of("0" * 32)]
    assert [place for place, kind in enumerate(kinds) if kind == QUESTION] == [0, 7, 14] and len(kinds) == 15


def test_the_default_takes_half_an_hour_at_most_where_it_can() -> None:
    assert Shape().filled(4, 6, 20).pairs == 2 and Shape().filled(4, 6, 20).pages(4) == 23
    assert Shape().filled(6, 6, 20).pairs == 1 and Shape().filled(6, 6, 20).minutes(6, 20) < 30
    assert Shape(pairs=1).filled(4, 6, 20).ratings == 2


@pytest.mark.parametrize(
    ("shape", "systems", "prompts", "message"),
    [
        (Shape(3, 1, 0), 3, 2, "pairs = 3: there are 2 clips of each system"),
        (Shape(1, 3, 0), 3, 2, "ratings = 3"),
        (Shape(1, 1, 2), 3, 2, "repeats = 2: only the first half of 3 pairs"),
        (Shape(4, 4, 3), 7, 6, "A listener would have 115 pages"),
    ],
)
def test_what_no_listener_can_do_is_refused(shape: Shape, systems: int, prompts: int, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        shape.filled(systems, prompts, 20)


@pytest.mark.parametrize("change", [{"version": 9}, {"pages": None}, {"sheets": [[999]]}, {"training": ["a"]}])
def test_a_damaged_test_is_named(change: dict[str, object]) -> None:
    with pytest.raises(EtudeError, match=r"listen\.html"):
        Test.of({**make_key().test.as_json(), **change}, "listen.html")
