import pytest
from conftest import make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import make_band
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.representations.base.round_trip import RoundTrip, round_trip

SEEDS = st.integers(0, 10**6)


def moved(piece: ScoreTick, ticks: int = 0, longer: int = 0) -> ScoreTick:
    piece = piece.copy()
    for track in piece.tracks:
        for note in track.notes:
            note.time, note.duration = note.time + ticks, note.duration + longer
    return piece


@hypothesis(deadline=None, max_examples=30)
@given(SEEDS)
def test_a_piece_against_itself_keeps_all(seed: int) -> None:
    piece = make_band(seed)
    trip = round_trip(piece, piece, 4)
    assert trip == RoundTrip(piece.note_num(), piece.note_num(), 0, 0.0, 0.0, meters=2, meters_kept=2)
    assert round_trip(piece, piece.resample(480, min_dur=1), 4) == trip
    assert round_trip(piece, piece, 4, by_voice=False) == trip


@hypothesis(deadline=None, max_examples=30)
@given(SEEDS, st.integers(-3, 3), st.integers(0, 9))
def test_a_shift_below_half_a_step_is_the_onset_error(seed: int, ticks: int, longer: int) -> None:
    piece = moved(make_band(seed), 24)
    trip = round_trip(piece, moved(piece, ticks, longer), 4)  # half a step is three ticks
    assert trip.kept == trip.notes == piece.note_num() and trip.extra == 0
    found = trip.as_json()
    assert found["onset_error"] == pytest.approx(abs(ticks) / 24, abs=1e-6)
    assert found["duration_error"] == pytest.approx(longer / 24, abs=1e-6)


def test_beyond_half_a_step_a_note_is_lost_and_another_is_extra() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="a", program=0))
    piece.tracks[0].notes.append(NoteTick(24, 24, 60, 80))
    trip = round_trip(piece, moved(piece, 4), 4)
    assert (trip.notes, trip.kept, trip.extra) == (1, 0, 1)
    assert trip.as_json()["onset_error"] is None


@hypothesis(deadline=None, max_examples=30)
@given(SEEDS, st.integers(1, 12))
def test_a_wrong_pitch_is_lost(seed: int, semitones: int) -> None:
    piece = make_piece(seed)
    other = piece.copy()
    other.tracks[0].notes[0].pitch += 30 + semitones
    trip = round_trip(piece, other, 4)
    assert (trip.notes - trip.kept, trip.extra) == (1, 1)


def test_notes_match_one_to_one() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="a", program=0))
    for onset in (0, 3, 6):
        piece.tracks[0].notes.append(NoteTick(onset, 3, 60, 80))
    one = piece.copy()
    one.tracks[0].notes = one.tracks[0].notes[:1]
    assert round_trip(piece, one, 4).kept == 1
    assert round_trip(one, piece, 4).extra == 2


def test_the_voice_is_the_track_of_the_name_or_else_of_the_program() -> None:
    piece = make_piece(1)
    swapped = make_piece(1)
    swapped.tracks[0].name, swapped.tracks[1].name = "Alto", "Soprano"
    assert round_trip(piece, swapped, 4).kept < piece.note_num()
    assert round_trip(piece, swapped, 4, by_voice=False).kept == piece.note_num()
    renamed = make_piece(1)
    for track in renamed.tracks:
        track.name = f"Track {track.program}"
    assert round_trip(piece, renamed, 4).kept == piece.note_num()
    drums = make_band(1)
    drums.tracks[2].is_drum, drums.tracks[2].name = False, "Else"  # the program is 0, that of the piano
    assert round_trip(make_band(1), drums, 4).kept == make_band(1).note_num() - len(drums.tracks[2].notes)


def test_tracks_of_one_program_that_came_back_as_one_are_found() -> None:
    piece = make_piece(1)
    for track in piece.tracks:
        track.program = 0
    merged = piece.copy()
    for track in merged.tracks[1:]:
        merged.tracks[0].notes.extend(track.notes)
    merged.tracks = merged.tracks[:1]
    assert round_trip(piece, merged, 4).kept == piece.note_num()


def test_trips_add_up() -> None:
    pieces = [make_piece(1), make_piece(2)]
    total = sum((round_trip(piece, moved(piece, 2), 4) for piece in pieces), RoundTrip())
    assert total.notes == total.kept == sum(piece.note_num() for piece in pieces)
    assert total.as_json()["onset_error"] == pytest.approx(2 / 24, abs=1e-6)
    assert total.as_json()["share"] == 1


def test_without_notes_there_is_nothing_to_lose() -> None:
    trip = round_trip(ScoreTick(24), ScoreTick(24), 4)
    assert trip == RoundTrip()
    assert trip.as_json()["share"] is None
    assert round_trip(ScoreTick(24), make_piece(1), 4).extra == make_piece(1).note_num()


def signed(meters: list[tuple[int, int, int]], keys: list[tuple[int, int, int]]) -> ScoreTick:
    piece = make_piece(1)
    piece.time_signatures = type(piece.time_signatures)([TimeSignatureTick(*meter) for meter in meters])
    piece.key_signatures = type(piece.key_signatures)([KeySignatureTick(*key) for key in keys])
    return piece


def test_signatures_that_do_not_come_back_at_their_place_are_counted_and_said() -> None:
    piece = signed([(0, 2, 2), (96, 3, 4), (150, 4, 4)], [(0, 2, 0), (48, -3, 1)])
    back = signed([(0, 4, 4), (96, 3, 4), (168, 4, 4)], [(48, -3, 1), (96, 2, 0)]).resample(480, min_dur=1)
    trip = round_trip(piece, back, 4)
    assert (trip.meters, trip.meters_kept, trip.meters_in_quarters) == (3, 2, 1)
    assert (trip.keys, trip.keys_kept) == (2, 1)
    assert (trip + trip).as_json()["meters_kept"] == 4
    assert trip.sentence() == (
        f"100.00% of {piece.note_num()} held-out notes survive the round trip; 1 of 3 time signatures and 1 of 2 key "
        "signatures do not; 1 time signatures in half or whole notes are 4/4 and the like"
    )


def test_no_share_below_one_is_said_as_all() -> None:
    assert RoundTrip(notes=100_000, kept=99_999).sentence().startswith("99.99% of 100000")
