from pathlib import Path

import numpy as np
import pytest
from conftest import make_piece
from representations.bands import learned, made, make_band, values_of
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.core.errors import EtudeError
from etude.representations.base.round_trip import round_trip
from etude.representations.notechord import FIRST, UNKNOWN, NoteChord


def piano(*played: tuple[int, int, int]) -> ScoreTick:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick(name="Piano", program=0))
    for onset, length, pitch in played:
        piece.tracks[0].notes.append(NoteTick(onset, length, pitch, 80))
    return piece


def observed(piece: ScoreTick) -> list[tuple[int, int, int]]:
    return [(note.time, note.pitch, note.duration) for note in piece.tracks[0].notes]


C_MAJOR = piano((0, 24, 48), (0, 24, 64), (0, 48, 67), (48, 12, 61), (60, 12, 70), (60, 12, 58))


def test_words_are_names_with_octave_and_normal_orders() -> None:
    assert [word for word, _, _ in made("notechord").read(C_MAJOR)] == ["0.4.7", "C#4", "10"]


def test_the_order_of_a_chord_is_that_of_music21() -> None:
    chord = pytest.importorskip("music21").chord
    for pitches in ((60, 64, 67), (59, 62, 67), (62, 65, 69, 60), (60, 63, 66, 69), (61, 66, 71, 76)):
        words = made("notechord").read(piano(*((0, 24, pitch) for pitch in pitches)))
        assert words[0][0] == ".".join(map(str, chord.Chord(list(pitches)).normalOrder))


def test_all_voices_but_drums_are_one_texture() -> None:
    band = make_band(1)
    words = made("notechord").read(band)
    onsets = {note.time // 6 for track in band.tracks if not track.is_drum for note in track.notes}
    assert [onset for _, onset, _ in words] == sorted(onsets)


def test_without_durations_words_follow_at_half_a_quarter_from_octave_four_upwards() -> None:
    words = learned("notechord", C_MAJOR)
    tokens = words.encode(C_MAJOR)
    assert len(tokens) == 5 and words.vocabulary == FIRST + 3
    assert observed(words.decode(tokens)) == [
        (0, 60, 12),
        (0, 64, 12),
        (0, 67, 12),
        (12, 61, 12),
        (24, 70, 12),
    ]
    inverted = learned("notechord", piano((0, 24, 55), (0, 24, 59), (0, 24, 62)))  # 7.11.2
    assert [pitch for _, pitch, _ in observed(inverted.decode(np.array([FIRST])))] == [67, 71, 74]


def test_with_durations_the_rhythm_survives() -> None:
    words = learned("notechord", C_MAJOR, durations=True)
    decoded = words.decode(words.encode(C_MAJOR))
    assert sorted({(time, duration) for time, _, duration in observed(decoded)}) == [(0, 48), (48, 12), (60, 12)]


def test_a_melody_comes_back_whole_with_durations() -> None:
    melody = piano(*((time, 12, 60 + time % 7) for time in range(0, 240, 18)))
    words = learned("notechord", melody, durations=True)
    trip = round_trip(melody, words.decode(words.encode(melody)), words.steps, by_voice=False)
    assert (trip.kept, trip.extra, trip.onset_error, trip.duration_error) == (trip.notes, 0, 0, 0)


def test_a_word_that_train_lacks_decodes_to_nothing_and_is_counted() -> None:
    for durations in (False, True):
        words = learned("notechord", C_MAJOR, durations=durations)
        other = piano((0, 24, 60), (24, 24, 61))
        tokens = words.encode(other)
        assert words.unknown(tokens) == 1 and UNKNOWN in tokens
        assert [pitch for _, pitch, _ in observed(words.decode(tokens))] == [61]


def test_times_beyond_the_setting_are_shortened() -> None:
    words = learned("notechord", piano((0, 240, 60), (240, 24, 62)), durations=True, max_beats=2)
    piece = words.decode(words.encode(piano((0, 240, 60), (240, 24, 62))))
    assert observed(piece) == [(0, 60, 48), (48, 62, 24)]


def test_torn_sequences_decode() -> None:
    for durations in (False, True):
        words = learned("notechord", make_piece(1), durations=durations)
        whole = words.encode(make_piece(1))
        counts = [words.decode(whole[:cut]).note_num() for cut in range(len(whole))]
        assert counts == sorted(counts)
        assert words.encode(ScoreTick(24)).tolist() == [1, 2]


def test_saved_and_loaded(tmp_path: Path) -> None:
    words = learned("notechord", durations=True)
    words.save(tmp_path)
    again = NoteChord.load(tmp_path, values_of("notechord", durations=True), words.voices)
    assert again.encode(make_band(1)).tolist() == words.encode(make_band(1)).tolist()
    assert again.vocabulary == words.vocabulary


def test_surveys_add_up_in_any_order() -> None:
    pieces = [make_band(seed) for seed in range(3)]
    words = made("notechord")
    surveys = [words.survey([piece]) for piece in pieces]
    words.learn(surveys, None)
    other = made("notechord")
    other.learn([other.survey(pieces[::-1])], None)
    assert words.words == other.words == sorted(words.words)


def test_train_without_notes_is_refused() -> None:
    with pytest.raises(EtudeError, match="no note in the train pieces"):
        learned("notechord", ScoreTick(24))
