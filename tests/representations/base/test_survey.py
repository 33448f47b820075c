import json

from conftest import make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import make_band
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.representations.base.survey import DRUMS, Survey


def test_a_piece_is_counted() -> None:
    found = Survey.of([make_band(1)])
    band = make_band(1)
    assert set(found.programs) == {73, 0, DRUMS}
    assert found.programs[73].notes == len(band.tracks[0].notes) and found.programs[73].overlaps == 0
    assert found.programs[0].overlaps > 0 and found.programs[DRUMS].names == {"Drums": 1}
    assert found.programs[0].pitches == {note.pitch for note in band.tracks[1].notes}
    assert found.velocities == {60, 80, 100} and found.signatures == {(3, 4), (4, 4)}
    assert found.duration == max(note.duration for track in band.tracks for note in track.notes) / 24
    assert found.bars == 2 + 3  # two of three quarters, then ten quarters in four


def test_the_longest_time_between_onsets_counts_from_the_begin() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="a", program=1))
    for onset in (72, 96, 144):
        piece.tracks[0].notes.append(NoteTick(onset, 12, 60, 80))
    assert Survey.of([piece]).gap == 3


@hypothesis(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=5), st.randoms())
def test_shards_add_up_in_any_order(seeds: list[int], random: object) -> None:
    pieces = [make_band(seed, beats=5) for seed in seeds]
    whole = Survey.of(pieces).as_json()
    shards = [json.loads(json.dumps(Survey.of([piece]).as_json())) for piece in pieces]
    random.shuffle(shards)  # type: ignore[attr-defined]
    assert Survey.merge(shards).as_json() == whole


def test_the_usual_tempo_is_the_median_and_120_without_any() -> None:
    piece = ScoreTick(24)
    assert Survey.of([piece]).tempo == 120
    for number, tempo in enumerate((60, 90, 200)):
        piece.tempos.append(TempoTick(number * 24, qpm=tempo))
    assert Survey.of([piece]).tempo == 90


def test_voices_of_one_name_are_told_apart() -> None:
    piece = make_piece(1)
    for track in piece.tracks:
        track.name = "MIDI out"
    assert Survey.of([piece]).voices(None) == {"MIDI out": 68, "MIDI out 69": 69, "MIDI out 70": 70, "MIDI out 71": 71}


def test_given_voices_are_taken_as_they_are() -> None:
    assert list(Survey.of([make_piece(1)]).voices({"b": 3, "a": 1}, most=1).items()) == [("b", 3), ("a", 1)]


def test_bars_of_a_piece_that_states_its_meter_late() -> None:
    piece = make_piece(1, beats=8)
    piece.time_signatures = type(piece.time_signatures)([TimeSignatureTick(96, 1, 4)])
    assert Survey.of([piece]).bars in (4, 5)
