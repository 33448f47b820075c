"""mp3 files: written in blocks, the same bytes for the same sound."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from etude.core.errors import EtudeError

BLOCK = 1.0  # seconds given to the encoder at once: a minute in one write can crash it
SMALLEST = 0.99  # the encoder refuses a compression level of 1


def write_mp3(path: Path, audio: np.ndarray, sample_rate: int, quality: float, constant: bool = False) -> None:
    """Write a sound, with a variable bit rate unless a constant one is asked for.

    Args:
        path: where to write.
        audio: (channels, samples), one or two channels, float, in [-1, 1].
        sample_rate: one that mp3 knows, in samples a second (up to 48000).
        quality: 1 is best and largest, 0 smallest; soundfile counts the other way (``compression_level``). Four
            woodwinds, panned, at 32 kHz take 181, 133, 106, 81, 63 and 47 kbit/s at 1, 0.8, 0.6, 0.4, 0.2 and 0.
        constant: sounds of one length take the same number of bytes: 64 kbit/s at a quality of 0.12 and 32 kHz.

    Raises:
        EtudeError: there are no samples, or the sample rate is not one of mp3's.
    """
    if not audio.shape[1]:
        raise EtudeError(f"{path.name} would hold no samples, which no player can read. Write silence instead.")
    block = int(BLOCK * sample_rate)
    try:
        with soundfile.SoundFile(
            path,
            "w",
            samplerate=sample_rate,
            channels=len(audio),
            format="MP3",
            subtype="MPEG_LAYER_III",
            compression_level=min(1 - quality, SMALLEST),
            bitrate_mode="CONSTANT" if constant else "VARIABLE",
        ) as file:
            for start in range(0, audio.shape[1], block):
                file.write(audio[:, start : start + block].T)  # (samples, channels)
    except soundfile.LibsndfileError as error:
        rates = "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100 or 48000"
        raise EtudeError(
            f"{path.name} cannot be written as mp3 at {sample_rate} samples a second ({error}). "
            f"Set mix.sample_rate to {rates}."
        ) from None


def encode_mp3(audio: np.ndarray, sample_rate: int, quality: float, constant: bool = False) -> bytes:
    """A sound as the bytes of an mp3 file; arguments and errors as in :func:`write_mp3`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        write_mp3(path, audio, sample_rate, quality, constant)
        return path.read_bytes()


def read_mp3(path: Path) -> tuple[np.ndarray, int]:
    """Read a sound: (channels, samples) float32, and its sample rate."""
    try:
        audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise EtudeError(f"{path} cannot be read as sound ({error}).") from None
    return audio.T, sample_rate
