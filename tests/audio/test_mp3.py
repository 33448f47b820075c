"""mp3: read back, the same bytes, size by quality."""

from pathlib import Path

import numpy as np
import pytest

from etude.audio.mp3 import encode_mp3, read_mp3, write_mp3
from etude.core.errors import EtudeError

RATE = 32000
TIME = np.arange(2 * RATE + 123) / RATE
CHORD = sum(np.sin(2 * np.pi * f * TIME * (1 + 0.001 * np.sin(5 * TIME))) for f in (220, 277, 330, 1760)) / 5
SOUND = np.stack([CHORD, 0.5 * CHORD]).astype(np.float32)


def test_read_back(tmp_path: Path) -> None:
    write_mp3(tmp_path / "a.mp3", SOUND, RATE, 0.4)
    sound, rate = read_mp3(tmp_path / "a.mp3")
    assert rate == RATE and sound.shape == SOUND.shape and sound.dtype == np.float32
    error = np.sqrt(np.mean((sound - SOUND) ** 2) / np.mean(SOUND**2))
    assert error < 0.15
    assert np.abs(sound[0]).mean() > 1.7 * np.abs(sound[1]).mean()  # the channels are not exchanged
    assert (tmp_path / "a.mp3").stat().st_size * 8 / 2 < 90_000  # bits a second


def test_same_sound_same_bytes_and_better_is_larger(tmp_path: Path) -> None:
    sizes = []
    for quality in (0.0, 0.5, 1.0):
        for name in ("a", "b"):
            write_mp3(tmp_path / f"{name}.mp3", SOUND, RATE, quality)
        assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()
        assert encode_mp3(SOUND, RATE, quality) == (tmp_path / "a.mp3").read_bytes()
        sizes.append((tmp_path / "a.mp3").stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


def test_silence_and_nothing(tmp_path: Path) -> None:
    write_mp3(tmp_path / "a.mp3", np.zeros((2, 5000), np.float32), RATE, 0.4)
    assert np.abs(read_mp3(tmp_path / "a.mp3")[0]).max() < 1e-4
    with pytest.raises(EtudeError, match="no samples"):
        write_mp3(tmp_path / "b.mp3", np.zeros((2, 0), np.float32), RATE, 0.4)


def test_a_rate_that_mp3_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"arrange\.sample_rate to 8000"):
        write_mp3(tmp_path / "a.mp3", SOUND, 31999, 0.4)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"not sound")
    with pytest.raises(EtudeError, match="cannot be read as sound"):
        read_mp3(tmp_path / "a.mp3")
