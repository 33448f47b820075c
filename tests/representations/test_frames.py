import json
import os
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from numpy.typing import NDArray
from representations.bands import learned, made, make_band, notes
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.representations.base.round_trip import round_trip
from etude.representations.frames import KEYS, LOWEST, Frames
from etude.scores.pianorolls import read_pianoroll

PLACES = [Path(place) for place in (os.environ.get("ETUDE_MIRROR"), ROOT.parent / "shared" / "mirror") if place]
VOICES = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}


def frames(steps: int = 1) -> Frames:
    found: Frames = learned("frames", *[make_piece(seed) for seed in range(2)], steps_per_beat=steps)
    return found


def one(*played: tuple[int, int, int], quarter: int = 24) -> ScoreTick:
    """A piece of notes (onset, length, pitch), two tracks in turn."""
    piece = ScoreTick(quarter)
    for number in range(2):
        piece.tracks.append(TrackTick(name=f"{number}", program=number))
    for place, (onset, length, pitch) in enumerate(played):
        piece.tracks[place % 2].notes.append(NoteTick(onset, length, pitch, 80))
    return piece


def keys(packed: NDArray[np.uint8]) -> list[list[int]]:
    """The pitches of each frame."""
    return [(np.flatnonzero(frame) + LOWEST).tolist() for frame in np.unpackbits(packed, axis=1, count=KEYS)]


def test_a_frame_has_the_keys_of_all_tracks_that_sound_at_its_time() -> None:
    piece = one((0, 24, 60), (0, 48, 64), (30, 6, 70), (36, 36, 67))
    assert keys(frames(1).encode(piece)) == [[60, 64], [64], [67]]  # 70 lies between two quarters
    assert keys(frames(2).encode(piece)) == [[60, 64], [60, 64], [64], [64, 67], [67], [67]]


def test_times_between_steps_are_sampled_and_not_rounded() -> None:
    assert keys(frames(1).encode(one((1, 24, 60), quarter=24))) == [[], [60]]
    assert keys(frames(2).encode(one((0, 5, 60), (5, 5, 62), quarter=10))) == [[60], [62]]
    assert keys(frames(2).encode(one((0, 4, 60), (4, 5, 62), quarter=7))) == [[60], [60], [62]]


def test_drums_and_what_no_piano_has_are_left_out() -> None:
    piece = one((0, 24, 20), (0, 24, 109), (0, 24, 21), (0, 24, 108))
    piece.tracks.append(TrackTick(name="Drums", is_drum=True))
    piece.tracks[-1].notes.append(NoteTick(0, 24, 40, 80))
    assert keys(frames().encode(piece)) == [[21, 108]]


def test_an_empty_piece_has_no_frame() -> None:
    made = frames()
    assert made.encode(one()).shape == (0, KEYS // 8)
    assert made.decode(made.encode(one())).note_num() == 0


def test_keys_in_frames_in_a_row_come_back_as_one_note() -> None:
    made = frames(2)
    back = made.decode(made.encode(one((0, 24, 60), (24, 24, 60), (0, 12, 64), (24, 12, 64))))
    assert notes(back) == [("Piano", 0, 60, 48), ("Piano", 0, 64, 12), ("Piano", 24, 64, 12)]
    assert [tempo.qpm for tempo in back.tempos] == [80]


@hypothesis(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4]))
def test_what_was_decoded_encodes_to_the_same_frames(seed: int, steps: int) -> None:
    sample_pieces = np.random.default_rng(seed).random((17, KEYS)) < 0.1
    sample_pieces[-1, 3] = True  # silence at the end is no part of a piece
    made = frames(steps)
    packed = made.encode(made.decode(sample_pieces.astype(np.uint8)))
    assert (np.unpackbits(packed, axis=1, count=KEYS) == sample_pieces).all()
    assert notes(made.decode(packed)) == notes(made.decode(sample_pieces.astype(np.uint8)))
    assert made.cells(made.decode(packed)) == sample_pieces.size


def test_a_fine_grid_keeps_every_note_that_is_not_struck_again() -> None:
    made = frames(8)
    piece = ScoreTick(24)
    piece.tracks.append(make_band(3).tracks[0])
    trip = round_trip(piece, made.decode(made.encode(piece)), made.steps, not made.merges_voices)
    again = sum(a.pitch == b.pitch and a.end == b.time for a, b in pairwise(piece.tracks[0].notes))
    assert trip.kept == trip.notes - again and trip.extra == 0


def test_what_is_learned_is_saved_and_loaded(tmp_path: Path) -> None:
    made_ = frames(2)
    made_.save(tmp_path)
    again = Frames.load(tmp_path, {"_target_": "", "steps_per_beat": 2}, dict(made_.voices))
    piece = make_piece(5)
    assert (again.encode(piece) == made_.encode(piece)).all()
    assert again.decode(again.encode(piece)).dumps_midi() == made_.decode(made_.encode(piece)).dumps_midi()


def test_a_grid_that_fits_no_quarter_is_refused() -> None:
    with pytest.raises(EtudeError, match=r"tokenize\.frames\.steps_per_beat = 5 must divide 24"):
        made("frames", steps_per_beat=5)


def test_the_chorales_have_the_frames_of_the_published_file(tmp_path: Path) -> None:
    found = [file for place in PLACES for file in sorted(place.glob("JSB-Chorales-dataset-*.zip"))]
    if not found:
        pytest.skip("no archive: neither ETUDE_MIRROR nor ../shared/mirror beside the project holds it")
    file = tmp_path / "jsb-chorales-quarter.json"
    with zipfile.ZipFile(found[0]) as archive:
        name = next(name for name in archive.namelist() if name.endswith(file.name))
        file.write_bytes(archive.read(name))
    published: dict[str, Any] = json.loads(file.read_text())
    assert {split: len(pieces) for split, pieces in published.items()} == {"train": 229, "valid": 76, "test": 77}
    reading = Reading(VOICES, True, 80, True, 24, 80, None)
    made_ = frames(1)
    for split, pieces in published.items():
        for place, piece in enumerate(pieces):
            score, _ = read_pianoroll(file, f"{split}/{place}", reading)
            assert keys(made_.encode(score)) == [sorted(int(pitch) for pitch in frame) for frame in piece]
