from typing import Any

import pytest
from conftest import make_piece
from representations.bands import learned, notes
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.representations.base.meters import in_quarters, with_written_meters
from etude.representations.base.round_trip import round_trip

WITH_METERS: list[tuple[str, dict[str, Any]]] = [
    ("remi", {}),
    ("tsd", {}),
    ("midilike", {}),
    ("attributes", {}),
    ("octuple", {}),
    ("cpword", {}),
    ("mmm", {}),
]
ALL = [*WITH_METERS, ("structured", {}), ("pertok", {})]
Signs = list[tuple[int, int, int]]  # tick, numerator, denominator


def sixteenths(*signs: tuple[int, int, int], count: int = 96) -> ScoreTick:
    """A scale in sixteenths, of 6 ticks each, with some meters."""
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="Fiddle", program=40))
    for step in range(count):
        piece.tracks[0].notes.append(NoteTick(6 * step, 6, 60 + step % 12, 80))
    for sign in signs:
        piece.time_signatures.append(TimeSignatureTick(*sign))
    return piece


def signs_of(piece: ScoreTick) -> Signs:
    return [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures]


def test_half_and_whole_notes_are_counted_in_quarters_as_far_as_midi_can_say_it() -> None:
    meters = [(2, 2), (3, 2), (4, 1), (4, 4), (6, 8), (3, 16), (127, 2), (128, 2), (64, 1)]
    assert [in_quarters(meter) for meter in meters] == [
        (4, 4), (6, 4), (16, 4), (4, 4), (6, 8), (3, 16), (254, 4), (128, 2), (128, 2)
    ]  # fmt: skip


def test_a_piece_whose_meters_need_no_change_is_itself() -> None:
    for signs in ([(0, 4, 4)], [(0, 1, 4), (24, 4, 4), (216, 6, 8)], [(0, 3, 4), (72, 3, 4)], []):
        piece = sixteenths(*signs)
        assert with_written_meters(piece) is piece


@pytest.mark.parametrize(
    ("signs", "written"),
    [
        ([(0, 2, 2), (192, 3, 2)], [(0, 4, 4), (192, 6, 4)]),
        ([(0, 4, 4), (48, 3, 4)], [(0, 2, 4), (48, 3, 4)]),  # the first bar is cut short
        ([(0, 4, 4), (96 + 36, 3, 4)], [(0, 4, 4), (96, 3, 8), (132, 3, 4)]),
        ([(0, 6, 8), (72 + 6, 6, 8)], [(0, 6, 8), (72, 1, 16), (78, 6, 8)]),
        ([(0, 2, 2), (48, 4, 4)], [(0, 2, 4), (48, 4, 4)]),
        ([(24, 3, 4), (96, 4, 4)], [(0, 1, 4), (24, 3, 4), (96, 4, 4)]),  # before the first it is 4/4
        ([(0, 4, 4), (97, 3, 4)], [(0, 4, 4), (97, 3, 4)]),  # off the grid of sixteenths
        ([(0, 0, 4), (0, 3, 4), (0, 2, 2)], [(0, 4, 4)]),
    ],
)
def test_meters_keep_their_bar_lines(signs: Signs, written: Signs) -> None:
    piece = sixteenths(*signs)
    found = with_written_meters(piece)
    assert signs_of(found) == written
    assert signs_of(piece) == signs and notes(found) == notes(piece)


@pytest.mark.parametrize(("name", "changes"), ALL)
@pytest.mark.parametrize("meter", [(2, 2), (3, 2), (4, 2), (2, 1), (12, 8), (12, 16)])
def test_sixteenths_stay_in_their_place_in_every_meter(
    name: str, changes: dict[str, Any], meter: tuple[int, int]
) -> None:
    piece = sixteenths((0, *meter))
    representation = learned(name, piece, **changes)
    assert notes(representation.decode(representation.encode(piece))) == notes(piece)


@pytest.mark.parametrize(("name", "changes"), WITH_METERS)
def test_meters_that_change_within_a_bar_come_back_at_their_place(name: str, changes: dict[str, Any]) -> None:
    piece = sixteenths((0, 2, 2), (144, 3, 4), (240, 4, 4), (336, 6, 8))
    representation = learned(name, piece, **changes)
    decoded = representation.decode(representation.encode(piece))
    assert notes(decoded) == notes(piece)
    assert {(144, 3, 4), (240, 4, 4), (336, 6, 8)} <= {*signs_of(decoded)}
    trip = round_trip(piece, decoded, representation.steps)
    assert (trip.meters, trip.meters_kept, trip.meters_in_quarters) == (4, 4, 1)


def test_a_vocabulary_has_no_meter_in_half_notes() -> None:
    remi = learned("remi", sixteenths((0, 2, 2)), make_piece(1))
    assert [value for kind, value in zip(remi.types, remi.values, strict=True) if kind == "TimeSig"] == ["4/4"]
