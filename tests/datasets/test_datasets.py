"""The parts that all datasets share: sections of conf/, ids, the limit."""

import inspect
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.config.compile import compile_params
from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.datasets import LONGEST, Names, first, key

CONF = Path(__file__).parents[2] / "conf"
DATASETS = sorted(file.stem for file in (CONF / "dataset").glob("*.yaml"))


@pytest.mark.parametrize("name", DATASETS)
def test_every_section_composes_and_makes_its_dataset(made: Any, name: str) -> None:
    assert f"  name: {name}\n" in compile_params(CONF, [f"dataset={name}"])
    dataset = made.dataset(name)
    assert dataset.name == name and isinstance(dataset.reading, Reading)
    assert dataset.LICENCE and dataset.CITATION and dataset.source() and "{" not in dataset.source().replace("/{", "")
    assert len(inspect.getsource(type(dataset)).splitlines()) < 80


def test_faults_in_the_settings_name_their_key(made: Any) -> None:
    reading = made.section("bach")["reading"]
    faults: list[tuple[dict[str, Any], str]] = [
        ({"limit": 0}, r"dataset\.limit = 0 is out of range"),
        ({"reading": {**reading, "tempo": -1}}, r"dataset\.reading\.tempo = -1"),
        ({"reading": {**reading, "voices": {"A": 0, "B": 0}}}, r"dataset\.reading\.voices\.A = 0 is also another"),
        ({"reading": {**reading, "voices": {"A": 999}}}, r"dataset\.reading\.voices\.A = 999 is out of range"),
        ({"reading": {**reading, "voice": {}}}, r'dataset\.reading\.voice is not a setting\. Did you mean "voices"'),
    ]
    for keys, message in faults:
        with pytest.raises(EtudeError, match=message):
            made.dataset("bach", **keys)


def test_ids_keep_the_letters_of_any_script() -> None:
    names = Names()
    assert names("Für Elise (Beethoven)") == "Für_Elise_Beethoven_"
    assert names("für elise [beethoven]") == "für_elise_beethoven_-2"
    assert names(unicodedata.normalize("NFD", "für elise (beethoven)")) == "für_elise_beethoven_-3"
    assert names("小夜曲") == "小夜曲" and names("..hidden") == "hidden" and names("...") == "piece"
    assert names("für_elise_beethoven_-2") == "für_elise_beethoven_-2-2"


@given(st.lists(st.text(max_size=200)))
def test_ids_are_unique_and_safe(texts: list[str]) -> None:
    names = Names()
    made = [names(text) for text in texts]
    assert len({key(name) for name in made}) == len(texts)
    for name in made:
        assert 0 < len(name.encode()) <= LONGEST and not name.startswith(".")
        assert all(sign.isalnum() or sign in "_.-" for sign in name) and unicodedata.normalize("NFC", name) == name


@given(st.lists(st.sampled_from(["train", "valid", "test"]), min_size=1, max_size=60), st.integers(1, 60))
def test_a_limit_takes_each_split_in_proportion(splits: list[str], limit: int) -> None:
    pieces = [{"id": place, "split": split} for place, split in enumerate(splits)]
    chosen = first(pieces, limit)
    assert len(chosen) == min(limit, len(pieces))
    for split in sorted(set(splits)):
        of_split = [piece for piece in chosen if piece["split"] == split]
        assert of_split == [piece for piece in pieces if piece["split"] == split][: len(of_split)]
        if limit >= len(set(splits)):
            assert of_split
    assert first(pieces, None) == pieces


def test_a_limit_without_splits_takes_the_first() -> None:
    pieces = [{"id": place, "split": None} for place in range(9)]
    assert first(pieces, 4) == pieces[:4]
