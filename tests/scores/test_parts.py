"""Which part of a file becomes which track."""

import pytest

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.parts import assign, find_voices


def reading(voices: list[str], complete: bool) -> Reading:
    return Reading({name: place for place, name in enumerate(voices)}, complete, 120.0, True, 24, None, None)


def test_find_voices() -> None:
    assert find_voices(["Horn 1", "Bass", "alto\rViola"], ["Alto", "Bass"]) == ([2, 1], ["Horn 1"])
    assert find_voices(["Alto 1", "Alto 2", "Bass"], ["Alto", "Bass"])[0] is None
    assert find_voices([], ["Alto"])[0] is None
    assert find_voices(["Alto"], ["Alto", "Bass"])[0] is None
    assert find_voices(["Alto"], ["Alto", "Bass"], complete=False)[0] == [0, None]
    assert find_voices(["Bass"], ["Alto", "Bass"], complete=False)[0] is None


@pytest.mark.parametrize(
    ("parts", "complete", "chords", "places"),
    [
        (["MELODY", "x", "PIANO"], True, False, [0, 2, None]),  # by name; "Chords" is lacking
        (["", ""], False, False, [0, 1, None]),  # in order
        (["", "", ""], True, False, [0, 1, 2]),
        (["", ""], True, False, None),
        (["", "", "", ""], False, False, None),
        (["", ""], True, True, [0, 1, None]),  # the chords come from the chord symbols
        (["Piano", "Chords", "Melody"], True, False, [2, 0, 1]),
        (["Piano", "Chords"], False, False, None),  # the first voice is lacking
        (["Melody", "Melody"], False, False, None),
        ([], False, False, None),
    ],
)
def test_assign(parts: list[str], complete: bool, chords: bool, places: list[int | None] | None) -> None:
    voices = reading(["Melody", "Piano", "Chords"], complete)
    if places is None or (complete and not chords and None in places):
        with pytest.raises(EtudeError, match=r"not .*Melody"):
            assign(parts, voices, chords)
    else:
        assert assign(parts, voices, chords)[0] == places


def test_an_error_lists_no_endless_parts() -> None:
    with pytest.raises(EtudeError, match="and 2988 others"):
        assign(["x"] * 3000, reading(["Melody"], True), False)
