from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import NoteTick, ScoreTick

from etude.core.errors import EtudeError
from etude.representations.base.round_trip import round_trip
from etude.representations.remi import Remi

VALUES = {"positions_per_beat": 4, "max_beats": 16, "merges": None, "vocabulary": 1000}
PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


def learned(*pieces: ScoreTick) -> Remi:
    remi = Remi(4, 16, None, 1000)
    remi.learn([remi.survey(pieces or [make_piece(seed) for seed in range(5)])], PROGRAMS)
    return remi


def notes(piece: ScoreTick) -> list[tuple[str, int, int, int]]:
    return sorted((t.name, n.time, n.pitch, n.duration) for t in piece.tracks for n in t.notes)


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(4, 40))
def test_a_piece_on_the_grid_comes_back_note_for_note(seed: int, beats: int) -> None:
    piece = make_piece(seed, beats)
    remi = learned(piece)
    assert notes(remi.decode(remi.encode(piece))) == notes(piece)


def test_a_piece_begins_and_ends_with_its_own_tokens() -> None:
    remi = learned()
    tokens = remi.encode(make_piece(1))
    assert tokens[0] == 1 and tokens[-1] == 2 and tokens.max() < remi.vocabulary


def test_a_note_outside_the_range_of_train_counts_as_lost() -> None:
    remi = learned()
    piece = make_piece(1)
    piece.tracks[0].notes.append(NoteTick(0, 24, 120, 80))
    trip = round_trip(piece, remi.decode(remi.encode(piece)), remi.steps)
    assert trip.notes - trip.kept == 1 and trip.extra == 0


def test_no_velocity_tokens_where_the_music_has_no_dynamics() -> None:
    assert "Velocity" not in learned().types
    loud = make_piece(0)
    loud.tracks[0].notes[0].velocity = 20
    assert "Velocity" in learned(loud).types


def test_a_torn_sequence_still_decodes() -> None:
    remi = learned()
    whole = remi.encode(make_piece(2))
    for cut in range(len(whole)):
        assert remi.decode(whole[:cut]).note_num() <= make_piece(2).note_num()
    assert remi.decode(np.array([], dtype=np.int64)).note_num() == 0


def test_saved_and_loaded_it_encodes_alike_and_is_equal_to_the_byte(tmp_path: Path) -> None:
    remi = learned()
    remi.save(tmp_path)
    again = Remi.load(tmp_path, VALUES, PROGRAMS)
    assert again.encode(make_piece(3)).tolist() == remi.encode(make_piece(3)).tolist()
    first = (tmp_path / "tokenizer.json").read_bytes()
    learned().save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == first


def test_a_train_set_without_notes_is_refused() -> None:
    with pytest.raises(EtudeError, match="no note"):
        learned(ScoreTick(24))
