"""Patterns: signs as events, and bars in meters that no pattern is written for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.arranging.patterns import Event, events, pulse_of, pulses, source_meter
from etude.core.errors import EtudeError
from etude.music.bars import Bar

Q = 48


def bar(meter: str, start: int = 0) -> Bar:
    beats, unit = map(int, meter.split("/"))
    return Bar(start, start + 4 * Q * beats // unit, beats, unit)


def test_signs_start_where_they_stand_and_holds_make_them_longer() -> None:
    found = events({"4/4": ("x--. X... ..x- ---x",)}, bar("4/4", 192), 0, Q, "p")
    assert found == [Event(192, 228, "x"), Event(240, 252, "X"), Event(312, 372, "x"), Event(372, 384, "x")]


def test_successive_bars_take_their_patterns_in_turn() -> None:
    written = {"4/4": ("x...", "..x.")}
    assert [events(written, bar("4/4"), number, Q, "p")[0].start for number in range(3)] == [0, 2 * Q, 0]


@pytest.mark.parametrize(
    ("meter", "starts"),
    [
        ("2/2", [0, 1, 2, 3]), ("2/4", [0, 1]), ("3/4", [0, 1, 2]), ("5/4", [0, 1, 2, 3, 4]),
        ("7/8", [0, 1, 2, 3]), ("6/8", [0, 1.5]), ("9/8", [0, 1.5, 3]), ("12/8", [0, 1.5, 3, 4.5]), ("3/8", [0]),
    ],
)  # fmt: skip
def test_other_meters_take_the_pulses_of_the_one_that_is_written(meter: str, starts: list[float]) -> None:
    found = events({"4/4": ("x...x...x...x...",)}, bar(meter), 0, Q, "p")
    assert [event.start / Q for event in found] == starts
    assert all(event.end <= bar(meter).end for event in found)


def test_a_pulse_of_two_becomes_one_of_three_and_back() -> None:
    assert [event.start for event in events({"4/4": ("xxxxxxxx",)}, bar("6/8"), 0, Q, "p")] == [0, 48, 72, 120]
    assert [event.start for event in events({"6/8": ("x.xx.x",)}, bar("2/4"), 0, Q, "p")] == [0, 24, 48, 72]


def test_the_longest_meter_of_the_same_kind_is_taken() -> None:
    assert source_meter(["4/4", "3/4", "6/8"], bar("5/4")) == "4/4"
    assert source_meter(["4/4", "3/4", "6/8"], bar("3/4")) == "3/4"
    assert source_meter(["4/4", "3/4", "6/8"], bar("9/8")) == "6/8"
    assert source_meter(["4/4", "3/4"], bar("2/4")) == "3/4"
    assert source_meter(["6/8"], bar("4/4")) == "6/8"
    assert pulse_of("7/8") == (4, 1) and pulse_of("6/8") == (2, 1.5)


def test_a_pattern_that_does_not_fit_its_meter_is_named() -> None:
    with pytest.raises(EtudeError, match=r'p = "x\.\.\.x" has 5 steps, and a bar of 4/4 has 4 pulses'):
        pulses("x...x", "4/4", "p")
    with pytest.raises(EtudeError, match=r'"4-4" is no meter'):
        pulses("x...", "4-4", "p")


@given(
    st.text("x-.X", min_size=1, max_size=4),
    st.integers(1, 4).map(lambda size: 4 * size),
    st.integers(1, 13),
    st.sampled_from([2, 4, 8, 16]),
    st.integers(0, 3),
)
def test_events_are_in_order_and_in_their_bar(signs: str, size: int, beats: int, unit: int, number: int) -> None:
    one = Bar(96, 96 + 4 * Q * beats // unit, beats, unit)
    found = events({"4/4": ((signs * size)[:size],)}, one, number, Q, "p")
    assert all(one.start <= event.start < event.end <= one.end for event in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


@pytest.mark.parametrize("meter", ["5/8", "7/8", "11/8", "7/16", "13/16"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_meter_whose_last_pulse_is_short_has_patterns_in_its_beats(meter: str, size: int) -> None:
    beats, unit = map(int, meter.split("/"))
    text = "X" + "." * (beats * size - 2) + "x"
    beat = 24 * 4 * Q // unit
    first, last = events({meter: (text,)}, Bar(0, beats * beat, beats, unit), 0, 24 * Q, "p")
    assert first == Event(0, beat // size, "X") and last == Event(beats * beat - beat // size, beats * beat, "x")


def test_seven_eighths_are_seven_eighths() -> None:
    found = events({"7/8": ("x-x-x--",)}, bar("7/8"), 0, Q, "p")
    assert [(event.start * 2 / Q, event.end * 2 / Q) for event in found] == [(0, 2), (2, 4), (4, 7)]
    assert events({"7/8": ("x-x-x--",)}, bar("4/4"), 0, Q, "p")[-1].end == 4 * Q, "in a longer bar the last one holds"
    assert events({"7/8": ("x.x.x.x.",)}, bar("7/8"), 0, Q, "p")[-1] == Event(3 * Q, 7 * Q // 2, "x"), "as quarters"
    with pytest.raises(EtudeError, match=r"has 6 steps, and a bar of 7/8 has 7 beats\. .* as 7 or 14 in all"):
        pulses("x-x-x-", "7/8", "p")
