"""The benchmark of mixing: songs that a seed decides, and a check that finds what is off."""

from dataclasses import replace

import numpy as np
from conftest import benchmark_script, smoke

RATE = 32000
MIX = replace(smoke().mix, sample_rate=RATE)


def test_songs_are_those_of_their_seed() -> None:
    benchmark = benchmark_script("mixing")
    first, again, other = (benchmark.random_song(seed) for seed in (44, 44, 42))
    assert first == again and first != other and first.note_num()
    song = benchmark.song(8, seed=1)
    assert [track.name for track in song.tracks] == list(benchmark.BAND) and song.tracks[-1].is_drum


def test_what_is_off_is_found() -> None:
    benchmark = benchmark_script("mixing")
    wave = np.sin(2 * np.pi * 997 * np.arange(2 * RATE) / RATE)
    right = np.stack([wave, wave]) * 10 ** (-14 / 20)
    assert benchmark.off(right, RATE, MIX)[2] == []
    assert "LUFS" in benchmark.off(right * 0.5, RATE, MIX)[2][0]
    wrong = benchmark.off(right * 6, RATE, MIX)[2]
    assert len(wrong) == 3 and "dBTP" in wrong[1] and wrong[2] == "clipped samples"
