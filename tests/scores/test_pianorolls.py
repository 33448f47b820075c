"""Piano rolls: the JSB chorales, and MATLAB files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.pianorolls import voices_of
from etude.scores.readers import pieces_of, read

VOICES = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {"voices": VOICES, "complete": True, "tempo": 80.0, "metrical": True}
    return Reading(**values | {"ticks_per_quarter": 24, "velocity": None, "max_rest": None} | changes)


def notes(piece: Score, place: int) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in piece.tracks[place].notes]


def test_equal_neighbours_are_one_note_and_the_name_states_the_step(tmp_path: Path) -> None:
    frames = [[72, 67, 64, 48], [72, 69, 65, 53], [72, 69, 65, -1], [74, 67, 65, 55]]
    for name, step in (("Jsb16thSeparated.json", 6), ("jsb-chorales-8th.json", 12), ("jsb-chorales-quarter.json", 24)):
        path = tmp_path / name
        path.write_text(json.dumps({"test": [frames], "train": [frames[:1], frames], "valid": []}))
        assert pieces_of(path) == [("train/0", None), ("train/1", None), ("test/0", None)]
        piece, info = read(path, "train/1", reading())
        assert [(track.name, track.program) for track in piece.tracks] == list(VOICES.items())
        assert notes(piece, 0) == [(0, 3 * step, 72), (3 * step, step, 74)]
        assert notes(piece, 3) == [(0, step, 48), (step, step, 53), (3 * step, step, 55)]
        assert (info["tempo"], info["time_signature"]) == (80, "4/4")
    assert read(path, "train/1", reading(voices=None))[0].tracks[0].name == "Oboe"


def mat(path: Path, *pieces: list[list[int]]) -> Path:
    """Write train pieces, each a list of frames of pitches, as a MATLAB file of 88 keys."""
    cells = {name: np.empty((1, 0), dtype=object) for name in ("traindata", "validdata", "testdata")}
    cells["traindata"] = np.empty((1, len(pieces)), dtype=object)
    for place, frames in enumerate(pieces):
        cells["traindata"][0, place] = np.array([[key + 21 in frame for key in range(88)] for frame in frames], "uint8")
    savemat(path, cells)
    return path


def test_a_matlab_file_holds_any_number_of_keys_a_frame_as_one_part(tmp_path: Path) -> None:
    path = mat(tmp_path / "Nottingham.mat", [[21]], [[48, 52, 55, 64, 67], [48, 52], [], [108, 52]])
    assert pieces_of(path) == [("train/0", None), ("train/1", None)]
    piece, info = read(path, "train/1", reading(voices={"Piano": 0}))
    assert [(track.name, track.program) for track in piece.tracks] == [("Piano", 0)]
    assert notes(piece, 0) == [
        (0, 24, 48),
        (0, 24, 52),
        (0, 12, 55),
        (0, 12, 64),
        (0, 12, 67),
        (36, 12, 52),
        (36, 12, 108),
    ]
    assert (info["tempo"], info["time_signature"]) == (80, "4/4")
    assert notes(read(path, "train/0", reading(voices=None))[0], 0) == [(0, 12, 21)]


def test_another_matlab_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="the length of a frame, which is known of Nottingham"):
        read(mat(tmp_path / "mine.mat", [[60]]), "train/0", reading())
    for content in ({"traindata": np.zeros((2, 2))}, {"else": 1}):
        savemat(tmp_path / "Nottingham.mat", content)
        with pytest.raises(EtudeError, match="no file of piano rolls"):
            pieces_of(tmp_path / "Nottingham.mat")
    whole = mat(tmp_path / "Nottingham.mat", [[60], [62]]).read_bytes()
    for damaged in (b"", b"MATLAB 5.0 MAT-file" + bytes(200), whole[:60], whole[:300], whole[:-9]):
        (tmp_path / "Nottingham.mat").write_bytes(damaged)
        with pytest.raises(EtudeError, match="no file of piano rolls"):
            pieces_of(tmp_path / "Nottingham.mat")


@pytest.mark.parametrize(
    ("frames", "voices"),
    [
        ([[48, 64, 67, 72]], [(72, 67, 64, 48)]),  # a sorted list
        ([[67, 69, 64, 48]], [(67, 69, 64, 48)]),  # the voices, crossing
        ([[-1, -1, -1, 43]], [(-1, -1, -1, 43)]),  # the voices, three of them silent: no sorted list
        ([[72.0, 67.0, 64.0, 48.0], [71, 66, 49]], [(72, 67, 64, 48), (71, 66, -1, 49)]),
        ([[72, 67, 64, 48], [50, 65], [67, 70]], [(72, 67, 64, 48), (-1, -1, 65, 50), (70, 67, -1, -1)]),
        ([[67, 72], []], [(72, 67, -1, -1), (-1, -1, -1, -1)]),  # nothing before: the upper voices
    ],
)
def test_voices(frames: list[list[int]], voices: list[tuple[int, ...]]) -> None:
    assert voices_of(frames) == voices


@pytest.mark.parametrize(
    ("name", "content", "part", "words"),
    [
        ("jsb-16th.json", {"train": [[[60]]]}, "train/1", "holds no piece train/1"),
        ("jsb-16th.json", {"train": [[[60]]]}, None, "a piece is named like train/17"),
        ("jsb-16th.json", [1, 2], "train/0", "no file of piano rolls"),
        ("jsb-16th.json", {"train": [[[60, 61, 62, 63, 64]]]}, "train/0", "a frame has 5 pitches"),
        ("jsb-16th.json", {"train": [[60]]}, "train/0", "not a list of pitches"),
        ("jsb.json", {"train": [[[60]]]}, "train/0", "the length of a frame: 16th, 8th, quarter"),
    ],
)
def test_anything_but_a_piano_roll_is_refused(
    tmp_path: Path, name: str, content: Any, part: str | None, words: str
) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(EtudeError, match=words):
        read(tmp_path / name, part, reading())


def test_anything_but_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a16th.json").write_text("{")
    with pytest.raises(EtudeError, match="no file of piano rolls"):
        pieces_of(tmp_path / "a16th.json")
