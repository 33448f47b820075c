"""What is wrong with a sound file: a reason in words, and how much of it is missing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from etude.audio.damage import explain, missing


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends in .wav, but holds no sound"),
        (b"\xff", "ends in .wav, but holds no sound"),
        (b"plain text", "ends in .wav, but holds no sound"),
        (b"fLaC and no more", "is damaged: its sound cannot be decoded"),
        (b"\xff\xfb\x90\x00", "is damaged: its sound cannot be decoded"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\0\0\0\0", "states 0 samples a second, which no sound has"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\0\0\x44\xac\0\0", "states 0 channels, which no sound has"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "is damaged: its sound cannot be decoded"),
    ],
)
def test_the_reason_is_in_words(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert explain(path) == reason


@pytest.mark.parametrize("kind", ["wav", "aiff"])
@pytest.mark.parametrize("kept", [0.3, 0.75, 1.0])
def test_what_is_missing_is_the_share_of_samples(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, np.zeros(10000), 8000, subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - round((1 - kept) * 20000)])
    assert missing(path, 10000, 10000) == pytest.approx(1 - kept, abs=1e-3), "8 bytes of an SSND chunk are no samples"
