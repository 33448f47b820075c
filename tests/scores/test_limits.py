"""Limits on files and pieces."""

import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Ingest, Reading
from etude.scores.limits import bars, longest_rest, refusal, too_large

VOICES = {"Soprano": 68, "Alto": 69}
READING = Reading(VOICES, True, 80.0, True, 24, None, 4.0)


LIMITS = Ingest(
    seconds=10,
    melody=False,
    max_memory=2 << 30,
    max_bytes=10_000,
    max_notes=1000,
    max_tracks=4,
    max_bars=100,
    min_notes=1,
    pedal=False,
    repeats="played",
    crosscheck=False,
    near=0.8,
)


def piece(lines: list[list[tuple[int, int, int]]], sign: tuple[int, int] = (4, 4)) -> Score:
    score = Score(24)
    score.time_signatures.append(TimeSignature(0, *sign))
    for name, line in zip([*VOICES, "x", "y", "z"], lines, strict=False):
        track = Track(name, 0, False)
        for note in line:
            track.notes.append(Note(*note, 80))
        score.tracks.append(track)
    return score


LINE = [(24 * at, 24, 60) for at in range(8)]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_notes": 15}, "16 notes, more than ingest.max_notes = 15"),
        ({"min_notes": 17}, "16 notes, fewer than ingest.min_notes = 17"),
        ({"max_bars": 1}, "2 bars, more than ingest.max_bars = 1"),
        ({"max_tracks": 1}, "2 tracks, more than ingest.max_tracks = 1"),
    ],
)
def test_limits_name_their_key(limits: dict[str, Any], words: str) -> None:
    assert refusal(piece([LINE, LINE]), LIMITS, READING) is None
    assert refusal(piece([LINE, LINE]), replace(LIMITS, **limits), READING) == words


def test_silent_voices() -> None:
    assert refusal(piece([LINE, []]), LIMITS, READING) == "no notes in Alto"
    assert refusal(piece([LINE, []]), LIMITS, replace(READING, complete=False)) is None
    assert refusal(piece([[], LINE]), LIMITS, replace(READING, complete=False)) == "no notes in Soprano"
    assert refusal(piece([[], LINE]), LIMITS, replace(READING, voices=None)) is None


def test_long_rests_of_all_tracks_are_refused_others_not() -> None:
    def with_rest(quarters: int) -> Score:
        line = [(24 * at + (24 * quarters if at > 3 else 0), 24, 60) for at in range(8)]
        return piece([line, line])

    assert refusal(with_rest(4), LIMITS, READING) is None
    assert "all voices rest for 5 quarter notes, more than dataset.reading.max_rest = 4" in str(
        refusal(with_rest(5), LIMITS, READING)
    )
    assert refusal(with_rest(5), LIMITS, replace(READING, max_rest=None)) is None
    held = piece([[(0, 24 * 9, 60), (24 * 9, 24, 60)], [(0, 24, 50), (24, 24, 50)]])
    assert longest_rest(held) == 0 and longest_rest(piece([])) == 0


def test_bars_count_the_last_one_whole_and_follow_the_meter() -> None:
    assert bars(piece([[(0, 96, 60)]])) == 1
    assert bars(piece([[(0, 97, 60)]])) == 2
    assert bars(piece([[(0, 97, 60)]], sign=(3, 4))) == 2
    changing = piece([[(0, 96 + 48 + 96, 60)]])
    for at, numerator in ((96, 2), (144, 4)):
        changing.time_signatures.append(TimeSignature(at, numerator, 4))
    assert bars(changing) == 3
    assert bars(piece([[]])) == 0


def test_an_absurd_length_and_absurd_meters_cost_no_time() -> None:
    endless = piece([[(0, 24, 60), (2**31 - 100, 24, 60)]] * 2, sign=(0, 0))
    for at in range(50_000):
        endless.time_signatures.append(TimeSignature(at, 1, 64))
    start = time.perf_counter()
    assert "bars, more than" in str(refusal(endless, LIMITS, READING))
    assert time.perf_counter() - start < 1


def test_size_counts_before_and_after_unpacking(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", " " * 100000)
    assert (tmp_path / "bomb.mxl").stat().st_size < 5000
    assert "100000 bytes" in str(too_large(tmp_path / "bomb.mxl", 5000))
    assert too_large(tmp_path / "bomb.mxl", 100000) is None
    assert "max_bytes = 10" in str(too_large(tmp_path / "bomb.mxl", 10))
