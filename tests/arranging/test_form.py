"""Form: given letters, phrases that a melody shows, and their energy."""

from itertools import pairwise

import numpy as np
import pytest
from arranging.sheets import sheet, tune

from etude.arranging.form import found_form, given_form, with_energy
from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.columns import columns_of


def test_letters_share_the_bars_or_have_their_own() -> None:
    assert given_form("AABA", 16) == [(0, 4, "A"), (4, 8, "A"), (8, 12, "B"), (12, 16, "A")]
    assert given_form("a4 b8", 12) == [(0, 4, "A"), (4, 12, "B")]
    assert [end - start for start, end, _ in given_form("AB", 9)] == [4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A-B", r'form = "A-B" is no form'), ("", r"is no form"), ("8A", r"is no form"),
        ("ABCDE", r"has 5 phrases, and the tune only 4 bars"), ("A4B4", r"has 8 bars in all, and the tune has 4"),
        ("A4B", r"has 4 bars in all"), ("A0B4", r"form = A0B4 has a phrase of no bars"),
    ],
)  # fmt: skip
def test_forms_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        given_form(text, 4)


def test_phrases_end_where_the_melody_rests_and_alike_ones_have_one_letter() -> None:
    made = sheet(16)
    assert found_form(made.melody, made.bars, made.quarter) == [
        (0, 4, "A"), (4, 8, "A"), (8, 12, "B"), (12, 16, "A"),
    ]  # fmt: skip


def test_any_number_of_bars_is_divided() -> None:
    for bars in range(1, 20):
        piece = tune(bars)
        lines = bars_of(piece)
        found = found_form(columns_of(piece.tracks[0]), lines, 24)
        assert found[0][0] == 0 and found[-1][1] == bars
        assert all(before[1] == after[0] for before, after in pairwise(found))
        assert all(end > start for start, end, _ in found)


def test_energy_grows_with_contrast_and_towards_the_end() -> None:
    phrases = with_energy([(0, 4, "A"), (4, 8, "A"), (8, 12, "B"), (12, 16, "A")], 0, 1)
    first, again, bridge, last = (phrase.energy for phrase in phrases)
    assert first < again < bridge and last > again
    alone = [phrase.energy for phrase in with_energy([(place, place + 1, "A") for place in range(4)], 0, 1)]
    assert alone == sorted(alone) and alone[-1] > alone[0]
    later = with_energy([(0, 4, "A")], 1, 2)[0].energy
    assert later > with_energy([(0, 4, "A")], 0, 2)[0].energy and 0 <= later <= 1
    assert np.isclose(with_energy([(0, 4, "Z")], 0, 1)[0].energy, 0.5, atol=0.11)
