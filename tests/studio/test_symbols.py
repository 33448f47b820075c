"""Chord symbols of a file as the text that the field Chords reads; a harmony shows those that hold, and no others."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from studio.served import drawing, melody

from etude.config.check import construct
from etude.music.bars import bars_of
from etude.music.chord_text import read_chords
from etude.studio.fill import ContinueRecipe, FillRecipe, add_bars, fill
from etude.studio.harmonise import HarmoniseRecipe, harmonise
from etude.studio.models import Models
from etude.studio.pieces import read_given, score_of
from etude.studio.symbols import symbols_of_page

WALTZ = b"""X:1
M:3/4
L:1/4
K:G
D | "G"G2 B | "C"c B "D7"A | F2 G | "Em"B G2 |]
"""


def marked(*marks: tuple[int, str]) -> dict[str, Any]:
    return melody(marks=[[tick, f"chord:{text}"] for tick, text in marks])


def test_symbols_are_written_bar_by_bar_and_what_is_none_is_named(models: Models) -> None:
    found = read_given("waltz.abc", WALTZ, models.settings.ingest)
    assert found["symbols"] == {"text": "- | G | C . D7 | . | Em", "unknown": []}
    assert symbols_of_page(score_of(melody())) is None
    assert symbols_of_page(score_of(marked((0, "Hm")))) == {"text": "", "unknown": ["Hm"]}
    assert symbols_of_page(score_of(marked((24, "C"), (120, "N"), (132, "F#m7b5/C")))) == {
        "text": "- C . . | . . - F#m7b5/C . . . .",
        "unknown": [],
    }


@given(st.dictionaries(st.integers(0, 31), st.sampled_from(["C", "Am7", "Bb/D", "N", "F#dim"]), min_size=1))
def test_what_is_written_is_read_back_at_the_same_times(symbols: dict[int, str]) -> None:
    score = score_of(marked(*((6 * place, text) for place, text in symbols.items())))
    found = symbols_of_page(score)
    read = [] if found is None else read_chords(found["text"], bars_of(score), (0, "major"))
    assert [(chord.start, chord.symbol) for chord in read] == [
        (6 * place, text) for place, text in sorted(symbols.items()) if text != "N"
    ]
    ends = [*(6 * place for place in sorted(symbols)[1:]), 192]
    for chord in read:
        assert chord.end == next(end for end in ends if end > chord.start)


def test_a_harmony_shows_the_symbols_that_hold_and_no_others(models: Models) -> None:
    def made(chords: str | None) -> dict[str, Any]:
        recipe = {"model": "voices", "seed": 1, "settings": drawing(models, 1), "chords": chords}
        given = marked((0, "Ebm"), (96, "A7"))
        found = harmonise(models, construct(HarmoniseRecipe, {**recipe, "melody": given}, "recipe"))
        shown: dict[str, Any] = found["candidates"][0]
        return shown

    assert made(None)["piece"]["marks"] == []
    shown = made("C - | . V7")
    assert [mark for mark in shown["piece"]["marks"] if mark[1].startswith("chord")] == [
        [0, "chord:C"], [48, "chord:N"], [144, "chord:D7"],
    ]  # fmt: skip
    chords = [(chord["start"], chord["end"], chord["name"]) for chord in shown["chords"]]
    assert chords[0] == (0, 48, "C") and chords[-1] == (144, 192, "D7")
    assert all(48 <= start < end <= 144 for start, end, _ in chords[1:-1]) and len(chords) > 2


def test_bars_that_are_drawn_again_lose_their_symbols(models: Models) -> None:
    recipe = {"model": "voices", "seed": 1, "settings": drawing(models, 1), "melody": marked((0, "F"), (48, "C"))}
    harmony = harmonise(models, construct(HarmoniseRecipe, {**recipe, "chords": "C | G . . F"}, "recipe"))
    piece = harmony["candidates"][0]["piece"]
    again = {"model": "voices", "seed": 2, "settings": drawing(models, 1), "piece": piece}
    made = fill(models, construct(FillRecipe, {**again, "bars": [2, 2], "voices": ["Alto", "Bass"]}, "recipe"))
    shown = made["candidates"][0]
    assert [mark for mark in shown["piece"]["marks"] if mark[1].startswith("chord")] == [
        [0, "chord:C"],
        [96, "chord:N"],
    ]
    assert shown["chords"][0]["name"] == "C" and shown["chords"][0]["end"] == 96
    more = {"model": "voices", "seed": 2, "piece": piece, "bars": 1, "temperature": 0.9, "top_p": 0.95}
    longer = add_bars(models, construct(ContinueRecipe, more, "recipe"))["candidates"][0]
    ends = [chord["end"] for chord in longer["chords"] if (chord["name"], chord["start"]) == ("F", 168)]
    assert ends == [192], "and the last one is not that of bars that are added"
