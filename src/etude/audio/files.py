"""Sound files: WAV, FLAC and mp3 with tags, whole or not at all, the same bytes for the same sound."""

import re
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile

from etude.core.errors import EtudeError
from etude.core.files import place_of, whole

ENDINGS = (".wav", ".flac", ".mp3")  # of files that are written
BLOCK = 1.0  # seconds given to the encoder at once: a minute in one write can crash it
SMALLEST = 0.99  # the encoder refuses a compression level of 1
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # of mp3
FREE = 1 << 20  # bytes: with less the disk counts as full


@dataclass(frozen=True)
class Tags:
    """What a sound file says about itself; an empty text is left out."""

    title: str = ""
    artist: str = ""
    comment: str = ""


def write_audio(
    path: Path,
    audio: np.ndarray,
    sample_rate: int,
    quality: float,
    tags: Tags | None = None,
    constant: bool = False,
) -> None:
    """Write a sound as its ending says: .wav and .flac with 24 bits a sample, .mp3.

    The file appears whole or not at all. Tags are INFO chunks of a WAV, Vorbis comments of a FLAC, and ID3v2 of an mp3.

    Args:
        path: where to write; a part of :func:`etude.core.files.whole` has the ending of the file that it becomes.
        audio: (channels, samples), one or two channels, float, in [-1, 1].
        sample_rate: samples a second; of an mp3 one that it knows, up to 48000.
        quality: of an mp3: 1 is best and largest, 0 smallest; soundfile counts the other way (``compression_level``).
            Four woodwinds, panned, at 32 kHz take 181, 133, 106, 81, 63 and 47 kbit/s at 1, 0.8, 0.6, 0.4, 0.2 and 0.
        tags: what it says about itself.
        constant: mp3s of one length take the same number of bytes: 64 kbit/s at a quality of 0.12 and 32 kHz. Else the
            bit rate is variable.

    Raises:
        EtudeError: there are no samples, the ending is none of these, the sample rate is not one of mp3's, or the file
            cannot be written, as where the disk is full.
    """
    becomes = place_of(path)
    kind = becomes.suffix.lower()
    if kind not in ENDINGS:
        raise EtudeError(f"{becomes} must end in .wav, .flac or .mp3.")
    if not audio.shape[1]:
        raise EtudeError(f"{becomes.name} would hold no samples, which no player can read. Write silence instead.")
    if kind == ".mp3" and sample_rate not in RATES:
        raise EtudeError(
            f"{becomes.name} cannot be written as mp3 at {sample_rate} samples a second. "
            f"Set mix.sample_rate to {', '.join(map(str, RATES[:-1]))} or {RATES[-1]}."
        )
    tags = tags or Tags()
    with whole(path) as part:
        try:
            _write(part, kind, audio, sample_rate, _how(kind, quality, constant), tags)
            if soundfile.info(part).frames != audio.shape[1]:
                raise OSError("not all samples could be written")
            if kind == ".mp3" and (head := id3(tags)):
                sound = part.read_bytes()
                part.write_bytes(head + sound)
        except (OSError, soundfile.SoundFileError) as error:
            full = shutil.disk_usage(part.parent).free < FREE  # what was written is still there
            text = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
            reason = "the disk is full" if full else text or "the system refused it"
            raise EtudeError(
                f"{becomes} cannot be written: {reason}. Free some space, or name another place."
            ) from None


def _how(kind: str, quality: float, constant: bool) -> dict[str, Any]:
    if kind != ".mp3":
        return {"subtype": "PCM_24"}
    return {
        "subtype": "MPEG_LAYER_III",
        "compression_level": min(1 - quality, SMALLEST),
        "bitrate_mode": "CONSTANT" if constant else "VARIABLE",
    }


def _write(path: Path, kind: str, audio: np.ndarray, sample_rate: int, how: dict[str, Any], tags: Tags) -> None:
    block = int(BLOCK * sample_rate)
    with soundfile.SoundFile(
        path, "w", samplerate=sample_rate, channels=len(audio), format=kind[1:].upper(), **how
    ) as file:
        for name in ("title", "artist", "comment"):
            if kind != ".mp3" and (text := getattr(tags, name)):  # its encoder would garble all letters but ASCII
                setattr(file, name, text)
        for start in range(0, audio.shape[1], block):
            file.write(audio[:, start : start + block].T)  # (samples, channels)


def id3(tags: Tags) -> bytes:
    """Tags as the ID3v2.3 header of an mp3, in UTF-16; nothing without tags. Source: id3.org/id3v2.3.0."""
    frames = b""
    for name, text in (("TIT2", tags.title), ("TPE1", tags.artist), ("COMM", tags.comment)):
        if text:
            before = b"eng" + "\ufeff\0".encode("utf-16-le") if name == "COMM" else b""  # its language and no summary
            body = b"\x01" + before + f"\ufeff{text}".encode("utf-16-le")
            frames += name.encode() + struct.pack(">IH", len(body), 0) + body
    if not frames:
        return b""
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + size + frames


def file_names(names: Sequence[str]) -> Iterator[str]:
    """Yield a file name for each track name: valid on any file system, and unique whatever the letter case."""
    taken: set[str] = set()
    for name in names:
        first = plain = re.sub(r"[^\w.-]+", "_", name).strip("._") or "track"
        again = 1
        while plain.lower() in taken:
            again += 1
            plain = f"{first}_{again}"
        taken.add(plain.lower())
        yield plain


def encode_mp3(audio: np.ndarray, sample_rate: int, quality: float, constant: bool = False) -> bytes:
    """A sound as the bytes of an mp3 file; arguments and errors as in :func:`write_audio`."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        write_audio(path, audio, sample_rate, quality, constant=constant)
        return path.read_bytes()


def read_audio(path: Path) -> tuple[np.ndarray, int]:
    """Read a sound: (channels, samples) float32, and its sample rate."""
    try:
        audio, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise EtudeError(f"{path} cannot be read as sound ({error}).") from None
    return audio.T, sample_rate
