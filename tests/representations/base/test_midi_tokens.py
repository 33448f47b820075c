from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from representations.bands import learned, made, make_band, notes, values_of
from symusic.core import ScoreTick, TrackTick

from etude.config.check import construct, target
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.representations.base.round_trip import round_trip

MIDI: list[tuple[str, dict[str, Any]]] = [
    ("remi", {}),
    ("tsd", {}),
    ("midilike", {}),
    ("structured", {}),
    ("attributes", {}),
    ("octuple", {}),
    ("cpword", {}),
    ("pertok", {"microtiming": 4}),
    ("mmm", {"base": "REMI"}),
    ("mmm", {"base": "TSD"}),
    ("mmm", {"base": "MIDILike"}),
]
EACH = pytest.mark.parametrize(("name", "changes"), MIDI)


@EACH
def test_a_band_on_the_grid_comes_back_note_for_note_with_its_drums(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    for piece in (make_band(2), make_band(3)):
        decoded = representation.decode(representation.encode(piece))
        assert notes(decoded) == notes(piece)
        assert [(t.name, t.program, t.is_drum) for t in decoded.tracks] == [
            ("Piano", 0, False),
            ("Flute", 73, False),
            ("Drums", 0, True),
        ]
        assert {n.velocity for t in decoded.tracks for n in t.notes} == {59, 79, 99}  # the nearest of MidiTok's 32


@hypothesis(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.integers(4, 24))
def test_four_voices_come_back_note_for_note(seed: int, beats: int) -> None:
    piece = make_piece(seed, beats)
    programs = {name: program for name, (program, _) in VOICES.items()}
    for name, changes in MIDI:
        representation = learned(name, piece, voices=programs, **changes)
        decoded = representation.decode(representation.encode(piece))
        assert notes(decoded) == notes(piece), name
        assert [track.name for track in decoded.tracks] == list(VOICES)


@EACH
def test_tokens_are_numbers_below_the_vocabulary_between_begin_and_end(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    tokens = representation.encode(make_band(7))
    assert tokens.dtype == np.uint16 and tokens[0] == 1 and tokens[-1] == 2
    assert tokens[1:-1].min() > 2 and tokens.max() < representation.vocabulary == len(representation.types)
    assert len(representation.values) == len(representation.types)


@EACH
def test_the_order_of_surveys_and_their_shards_make_no_difference(
    name: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    train = [make_band(seed) for seed in range(4)]
    folders = []
    for number, shards in enumerate(([train], [train[2:], train[:2]], [[piece] for piece in train])):
        representation = made(name, **changes)
        representation.learn([representation.survey(shard) for shard in shards], None)
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        representation.save(folders[-1])
    assert len({digest(folder) for folder in folders}) == 1


@EACH
def test_saved_and_loaded_it_encodes_and_decodes_alike(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    representation = learned(name, **changes)
    representation.save(tmp_path)
    values = values_of(name, **changes)
    again = target(values, name).load(tmp_path, values, representation.voices)
    tokens = representation.encode(make_band(5))
    assert np.array_equal(again.encode(make_band(5)), tokens)
    assert again.vocabulary == representation.vocabulary and again.types == representation.types
    assert again.decode(tokens).dumps_midi() == representation.decode(tokens).dumps_midi()


@EACH
def test_a_torn_sequence_still_decodes(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    whole = representation.encode(make_band(2, beats=6))
    for cut in range(len(whole)):
        assert representation.decode(whole[:cut]).note_num() <= make_band(2, beats=6).note_num()
    for start in range(0, len(whole), 5):
        representation.decode(whole[start:])


@EACH
def test_pieces_without_notes_are_a_begin_and_an_end(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    assert representation.encode(ScoreTick(24)).tolist() == [1, 2]
    empty = make_band(1)
    for track in empty.tracks:
        track.notes = type(track.notes)()
    assert representation.encode(empty).tolist() == [1, 2]
    decoded = representation.decode(np.array([1, 2]))
    assert decoded.note_num() == 0 and len(decoded.tracks) == 3


@EACH
def test_an_instrument_that_train_lacks_is_left_out(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    piece = make_band(2)
    guest = TrackTick(name="Guest", program=40)
    guest.notes = piece.tracks[0].notes.copy()
    piece.tracks.append(guest)
    assert notes(representation.decode(representation.encode(piece))) == notes(make_band(2))
    for track in (piece.tracks[1], piece.tracks[2], piece.tracks[0]):
        track.notes = type(track.notes)()
    assert representation.decode(representation.encode(piece)).note_num() == 0


def test_voices_are_learned_by_program_and_named_by_most_tracks() -> None:
    pieces = [make_band(seed) for seed in range(3)]
    pieces[1].tracks[0].name = pieces[2].tracks[0].name = "Solo"
    pieces[0].tracks[1].name = pieces[1].tracks[1].name = pieces[2].tracks[1].name = ""
    remi = learned("remi", *pieces)
    assert list(remi.voices.items()) == [("Acoustic Grand Piano", 0), ("Solo", 73), ("Drums", -1)]


def test_velocities_are_written_where_train_has_more_than_one() -> None:
    assert "Velocity" in learned("tsd").types
    assert "Velocity" not in learned("tsd", make_piece(1)).types


def test_long_notes_of_meters_in_eighths_are_not_shortened() -> None:
    piece = make_band(1)
    piece.time_signatures = type(piece.time_signatures)([type(piece.time_signatures[0])(0, 6, 8)])
    piece.tracks[0].notes[0].duration = 96
    remi = learned("remi", piece)
    assert round_trip(piece, remi.decode(remi.encode(piece)), remi.steps).duration_error == 0


def test_a_meter_that_train_lacks_is_read_as_four_quarters() -> None:
    waltz = make_piece(1)
    waltz.time_signatures[0].numerator = 3
    for name in ("remi", "tsd", "midilike", "octuple", "cpword", "mmm"):
        representation = learned(name, waltz)
        piece = make_piece(1)
        piece.time_signatures[0].numerator = 5
        assert notes(representation.decode(representation.encode(piece))) == notes(piece), name


def test_a_piece_of_octuple_ends_with_the_longest_of_train() -> None:
    piece, short = make_piece(1, beats=16), make_piece(1, beats=16)
    for track in short.tracks:
        for note in track.notes:
            note.time %= 8 * 24  # all pitches of the piece in two bars
    octuple = learned("octuple", short)
    with pytest.warns(UserWarning, match="clipped to 2 bars"):
        tokens = octuple.encode(piece)
    assert notes(octuple.decode(tokens)) == [note for note in notes(piece) if note[1] < 8 * 24]


def test_a_rest_as_long_as_one_of_train_keeps_its_length_in_structured() -> None:
    piece = make_piece(1, beats=4)
    for track in piece.tracks:
        track.notes.append(type(track.notes[0])(40 * 24, 24, 60, 80))
    structured = learned("structured", piece)
    assert notes(structured.decode(structured.encode(piece))) == notes(piece)


def test_a_note_of_midilike_that_is_never_switched_off_ends_with_the_longest_of_train() -> None:
    midilike = learned("midilike", make_piece(1))
    tokens = [number for number in midilike.encode(make_piece(1)) if midilike.types[number] != "NoteOff"]
    decoded = midilike.decode(np.array(tokens))
    assert decoded.note_num() == make_piece(1).note_num()
    assert {note.duration for track in decoded.tracks for note in track.notes} == {48}


def test_a_row_that_lacks_a_field_is_passed_over() -> None:
    for name in ("octuple", "cpword"):
        representation = learned(name)
        tokens = representation.encode(make_band(2))
        at = [place for place, token in enumerate(tokens) if representation.types[token] == "Duration"][4]
        assert representation.decode(np.delete(tokens, at)).note_num() == make_band(2).note_num() - 1


def test_fields_have_their_own_numbers() -> None:
    octuple = learned("octuple")
    row = [octuple.types[token] for token in octuple.encode(make_band(1))[1:9]]
    assert row == ["TimeSig", "Tempo", "Bar", "Position", "Program", "Pitch", "Velocity", "Duration"]
    kinds = [octuple.types.index(name) for name in row]
    assert kinds == sorted(kinds) and len(set(kinds)) == len(kinds)


def test_a_train_set_without_notes_is_refused() -> None:
    with pytest.raises(EtudeError, match="no note"):
        learned("tsd", ScoreTick(24))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("remi", {"merges": "wordpiece"}, r"tokenize.remi.merges = 'wordpiece' must be notes, bpe, unigram or null"),
        ("mmm", {"base": "Octuple"}, r"tokenize.mmm.base = 'Octuple' must be one of MIDILike, REMI, TSD"),
        ("tsd", {"positions_per_beat": 99}, r"tokenize.tsd.positions_per_beat = 99 is out of range"),
        ("octuple", {"merges": "bpe"}, r"tokenize.octuple.merges is not a setting"),
    ],
)
def test_settings_out_of_bounds_are_said(name: str, changes: dict[str, Any], said: str) -> None:
    values = values_of(name, **changes)
    with pytest.raises(EtudeError, match=said):
        construct(target(values, name), values, f"tokenize.{name}")


def test_what_was_not_learned_says_so() -> None:
    with pytest.raises(EtudeError, match="tsd was neither learned nor loaded"):
        made("tsd").encode(make_band(1))


@pytest.mark.parametrize(
    ("name", "changes"),
    [*MIDI, ("remi", {"merges": "notes", "vocabulary": 2000}), ("attributes", {"merges": "notes", "vocabulary": 2000})],
)
def test_the_notes_of_tokens_have_their_pitch_and_voice(name: str, changes: dict[str, Any]) -> None:
    representation = learned(name, **changes)
    tokens = representation.encode(make_band(2))
    pitches = representation.pitches[tokens]
    voices, positions = representation.note_items(tokens, 0)
    assert len(representation.pitches) == representation.vocabulary and len(voices) == len(positions) == len(tokens)
    names = list(representation.voices)
    found = sorted((names[voice], int(pitch)) for voice, pitch in zip(voices, pitches, strict=True) if pitch >= 0)
    assert found == sorted(
        (track.name, note.pitch) for track in representation.decode(tokens).tracks for note in track.notes
    )
    assert voices[0] == -1, "no voice is known at the start"


def test_positions_are_those_of_the_notes_where_tokens_have_them() -> None:
    representation = learned("remi")
    piece = make_band(2)
    tokens = representation.encode(piece)
    _, positions = representation.note_items(tokens, 0)
    started = representation.pitches[tokens] >= 0
    bar_of = {
        note.time: note.time % 72 if note.time < 144 else (note.time - 144) % 96
        for t in piece.tracks
        for note in t.notes
    }
    expected = sorted(bar_of[note.time] // 6 for track in piece.tracks for note in track.notes)
    assert sorted(positions[started].tolist()) == expected
    without = learned("tsd")
    assert set(without.note_items(without.encode(piece), 0)[1].tolist()) == {-1}


def test_a_longer_merged_token_stands_for_its_first_note() -> None:
    representation = learned("remi", merges="bpe", vocabulary=400)
    for token, parts in enumerate(representation.parts):
        own = [
            int(representation.values[part]) for part in parts if representation.types[part] in ("Pitch", "PitchDrum")
        ]
        assert representation.pitches[token] == (own[0] if own else -1)
