"""Pieces as JSON: to scores and back, and whatever else is sent is refused with a sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studio.served import melody

from etude.core.errors import EtudeError
from etude.studio.pieces import NOTES, QUARTERS, piece_of, read_given, score_of

NOTE = st.tuples(st.integers(0, 4000), st.integers(1, 400), st.integers(0, 127), st.integers(1, 127)).map(list)
TRACK = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20),
        "program": st.integers(0, 127),
        "drums": st.booleans(),
        "notes": st.lists(NOTE, max_size=8),
    }
)
PIECE = st.fixed_dictionaries(
    {
        "quarter": st.integers(24, 960),
        "tempos": st.lists(st.tuples(st.integers(0, 99), st.integers(5, 500)).map(list), max_size=2),
        "meters": st.lists(
            st.tuples(st.integers(0, 99), st.integers(1, 12), st.sampled_from([2, 4, 8])).map(list), max_size=2
        ),
        "keys": st.lists(st.tuples(st.integers(0, 99), st.integers(-7, 7), st.integers(0, 1)).map(list), max_size=2),
        "marks": st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["fermata", "chord:C"])).map(list), max_size=2),
        "tracks": st.lists(TRACK, max_size=3),
    }
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(PIECE)
def test_a_piece_comes_back_as_it_went(value: dict[str, Any]) -> None:
    back = piece_of(score_of(value))
    tempos = back.pop("tempos"), value.pop("tempos")
    assert back == value
    assert [tick for tick, _ in tempos[0]] == [tick for tick, _ in tempos[1]]
    assert all(abs(one[1] - two[1]) < 1e-2 for one, two in zip(*tempos, strict=True))
    again = {**back, "tempos": tempos[0]}
    assert piece_of(score_of(json.loads(json.dumps(again)))) == again, "the second time to the last digit"


@given(ANYTHING, st.sampled_from(["quarter", "tempos", "meters", "keys", "marks", "tracks", "more", ""]))
def test_anything_else_is_refused_with_a_sentence(value: Any, key: str) -> None:
    sent = {**melody(), key: value} if key else value
    try:
        score_of(sent)
    except EtudeError as error:
        assert 0 < len(str(error)) < 400


@given(ANYTHING, st.integers(0, 3))
def test_notes_are_checked_one_by_one(value: Any, place: int) -> None:
    sent = melody()
    sent["tracks"][0]["notes"][2][place] = value
    try:
        score_of(sent)
    except EtudeError as error:
        assert "tracks[0].notes" in str(error) or "lasts" in str(error)
    else:
        assert isinstance(value, int)


def test_pieces_that_are_too_long_are_refused() -> None:
    long = melody()
    long["tracks"][0]["notes"] = [[24 * QUARTERS, 24, 60, 80]]
    with pytest.raises(EtudeError, match="lasts"):
        score_of(long)
    many = melody()
    many["tracks"] = [{**many["tracks"][0], "notes": [[0, 1, 60, 80]] * (NOTES // 2 + 1)}] * 2
    with pytest.raises(EtudeError, match="notes"):
        score_of(many)


def test_a_file_with_several_notes_at_a_time_gives_its_top_line(models: Any) -> None:
    abc = b"X:1\nT:Two\nM:4/4\nL:1/4\nK:C\n[Ce][Df][Eg][Fa]|\n"
    found = read_given("two.abc", abc, models.settings.ingest)
    assert [note[2] for note in found["melody"]["tracks"][0]["notes"]] == [76, 77, 79, 81]
    assert any("top line" in note for note in found["notes"]) and len(found["piece"]["tracks"][0]["notes"]) == 8
    with pytest.raises(EtudeError, match=r"\.exe"):
        read_given("a/b/two.exe", abc, models.settings.ingest)
