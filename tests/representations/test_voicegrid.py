from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import learned, make_band, notes, values_of
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.core.errors import EtudeError
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.base.round_trip import round_trip
from etude.representations.voicegrid import VoiceGrid

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def grid(*pieces: ScoreTick) -> VoiceGrid:
    made: VoiceGrid = learned("voicegrid", *(pieces or [make_piece(seed) for seed in range(4)]), voices=PROGRAMS)
    return made


def solo(*played: tuple[int, int, int]) -> ScoreTick:
    piece = ScoreTick(24)
    for name, program in PROGRAMS.items():
        piece.tracks.append(TrackTick(name=name, program=program))
    for onset, length, pitch in played:
        piece.tracks[0].notes.append(NoteTick(onset, length, pitch, 80))
    return piece


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 40))
def test_four_voices_come_back_note_for_note(seed: int, beats: int) -> None:
    piece = make_piece(seed, beats)
    made = grid(piece)
    tokens = made.encode(piece)
    assert tokens.dtype == np.uint16 and len(tokens) == 2 + 4 * 4 * beats == 2 + made.cells(piece)
    assert notes(made.decode(tokens)) == notes(piece)


def test_frames_go_through_the_voices_in_their_order() -> None:
    made = grid()
    frame = made.encode(make_piece(1))[1:5].tolist()
    starts = [track.notes[0].pitch for track in make_piece(1).tracks]
    assert [token - FIRST + made.low for token in frame] == starts


def test_a_repeated_note_differs_from_a_held_one() -> None:
    made = grid(solo((0, 48, 70)))
    held, repeated = made.encode(solo((0, 48, 70))), made.encode(solo((0, 24, 70), (24, 24, 70)))
    assert held[1:-1:4].tolist() == [FIRST, *[HOLD] * 7]
    assert repeated[1:-1:4].tolist() == [FIRST, *[HOLD] * 3, FIRST, *[HOLD] * 3]
    assert made.decode(repeated).note_num() == 2


def test_rests_are_rests_and_hold_of_nothing_is_passed_over() -> None:
    made = grid(solo((0, 24, 70)))
    piece = solo((6, 6, 70), (24, 12, 70))
    assert made.encode(piece)[1:-1:4].tolist() == [REST, FIRST, REST, REST, FIRST, HOLD]
    assert notes(made.decode(np.array([1, HOLD, REST, REST, REST, FIRST, REST, REST, REST]))) == [("Soprano", 6, 70, 6)]


def test_of_an_onset_the_highest_note_stays_and_the_next_onset_ends_it() -> None:
    made = grid(solo((0, 24, 60), (0, 24, 72)))
    decoded = made.decode(made.encode(solo((0, 48, 60), (0, 48, 64), (24, 24, 62))))
    assert notes(decoded) == [("Soprano", 0, 64, 24), ("Soprano", 24, 62, 24)]


def test_notes_outside_the_range_of_train_are_left_out() -> None:
    made = grid(solo((0, 24, 60), (24, 24, 72)))
    assert notes(made.decode(made.encode(solo((0, 24, 59), (24, 24, 65))))) == [("Soprano", 24, 65, 24)]


def test_a_band_keeps_its_highest_notes() -> None:
    made = learned("voicegrid")
    assert list(made.voices.items()) == [("Piano", 0), ("Flute", 73), ("Drums", -1)]
    piece = make_band(1)
    trip = round_trip(piece, made.decode(made.encode(piece)), made.steps)
    assert 0 < trip.kept < trip.notes and trip.extra == 0 and trip.onset_error == 0
    assert made.decode(made.encode(piece)).tracks[2].is_drum


def test_the_most_voices_are_a_setting() -> None:
    assert list(learned("voicegrid", max_voices=1).voices) == ["Piano"]


def test_torn_sequences_decode() -> None:
    made = grid()
    whole = made.encode(make_piece(1))
    counts = [made.decode(whole[:cut]).note_num() for cut in range(len(whole))]
    assert counts == sorted(counts) and counts[0] == 0
    assert made.encode(ScoreTick(24)).tolist() == [1, 2]


def test_tempo_is_the_usual_one_of_train() -> None:
    made = grid()
    decoded = made.decode(made.encode(make_piece(1)))
    assert [round(tempo.qpm) for tempo in decoded.tempos] == [80]
    assert [(sign.numerator, sign.denominator) for sign in decoded.time_signatures] == [(4, 4)]


def test_saved_and_loaded(tmp_path: Path) -> None:
    made = grid()
    made.save(tmp_path)
    again = VoiceGrid.load(tmp_path, values_of("voicegrid"), PROGRAMS)
    assert again.vocabulary == made.vocabulary
    assert again.encode(make_piece(2)).tolist() == made.encode(make_piece(2)).tolist()


def test_a_grid_that_would_change_the_speed_is_refused() -> None:
    with pytest.raises(EtudeError, match=r"steps_per_beat = 5 must divide 24"):
        VoiceGrid(5, 4)


def test_sampling_holds_only_what_sounds_and_ends_with_a_frame() -> None:
    rules = grid().rules({})
    state = rules.start(1)
    last = np.array([1])
    for token, hold, end in ((REST, False, False), (FIRST, False, False), (REST, False, False), (REST, False, False)):
        allowed = rules.allowed(last, state)[0]
        assert (allowed[HOLD], allowed[2]) == (hold, end) and not allowed[[0, 1]].any() and allowed[token]
        last, state = np.array([token]), rules.move(np.array([token]), state)
    seen = []
    for _ in range(4):
        allowed = rules.allowed(last, state)[0]
        seen.append((bool(allowed[HOLD]), bool(allowed[2])))
        last, state = np.array([REST]), rules.move(np.array([REST]), state)
    assert seen == [(False, True), (True, False), (False, False), (False, False)]
    state = rules.move(np.array([2]), state)
    assert np.flatnonzero(rules.allowed(np.array([2]), state)[0]).tolist() == [2]


def test_each_item_has_a_pitch_a_voice_and_a_place_in_the_bar() -> None:
    piece = make_piece(2, 6)
    made = grid(piece)
    tokens = made.encode(piece)
    voices, positions = made.note_items(tokens, 12)
    assert voices[[0, -1]].tolist() == positions[[0, -1]].tolist() == [-1, -1]
    assert voices[1:9].tolist() == [0, 1, 2, 3] * 2 and positions[1:-1:4].tolist() == [*range(12), *range(12)]
    starts = made.pitches[tokens] >= 0
    found = sorted(zip(voices[starts].tolist(), made.pitches[tokens][starts].tolist(), strict=True))
    assert found == sorted((number, note.pitch) for number, track in enumerate(piece.tracks) for note in track.notes)
    assert made.pitches[: FIRST + 1].tolist() == [*[-1] * FIRST, made.low] and len(made.pitches) == made.vocabulary
