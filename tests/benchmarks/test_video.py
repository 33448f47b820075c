"""The benchmark of videos: a song that a seed decides, and a table of all views and kinds of file."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import benchmark_script, smoke

from etude.video.piece import Shooting


def test_the_song_has_four_tracks_and_is_that_of_its_seed() -> None:
    benchmark = benchmark_script("video")
    first, again, other = (benchmark.song(8, seed) for seed in (1, 1, 2))
    assert first == again and first != other and len(first.tracks) == 4 and first.tracks[-1].is_drum


def test_each_view_and_kind_of_file_is_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mix = replace(smoke().mix, sample_rate=48000)
    benchmark_script("video").measure(1, 1, mix, Shooting(width=160, height=90, fps=10), tmp_path)
    rows = capsys.readouterr().out.splitlines()[5:]
    assert [row.split(" | ")[:2] for row in rows] == [
        [f"| {view}", f"`{ending}`"] for view in ("roll", "score") for ending in (".mp4", ".webm")
    ]
