"""Video files with sound: mp4 with H.264 and AAC, webm with VP9 and Opus; the same bytes for the same frames and sound.

FFmpeg comes in the wheel of PyAV. H.264 is its libx264 (GPL, version 2 or later; the wheel has no libopenh264), VP9 is
libvpx and Opus libopus (both BSD), AAC is FFmpeg's own (LGPL, version 3 or later). The licences are those of the
programs, not of the files that they write.
"""

import errno
import logging
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from etude.audio.files import FREE, Tags
from etude.core.errors import EtudeError
from etude.core.files import place_of, whole
from etude.video.picture import Pixels

RATE = 48000  # samples a second: Opus knows no 44100
BIT_RATE = 192_000  # of the sound, in bits a second
PACKET = 960  # samples given to the encoder at once
THREADS = 2  # of the encoder: their number decides the bytes, so it is that of no machine
KEY_EVERY = 5  # seconds between frames that a player can jump to


@dataclass(frozen=True)
class Codec:
    """How one kind of file is encoded: FFmpeg's names of its format and encoders, their options, bits of sound."""

    format: str
    video: str
    audio: str
    options: dict[str, str]
    file: dict[str, str]


# with AVX-512 x264 gives other bytes now and then, a frame in some hundred; AVX2 gives those that most runs have
ASM = {"x264-params": "asm=AVX2"} if platform.machine() in ("x86_64", "AMD64") else {}
# crf: 20 is where text and edges of such pictures have no visible noise; aq and psychovisual options look at film
CODECS = {
    ".mp4": Codec("mp4", "libx264", "aac", {"preset": "veryfast", "tune": "animation", "crf": "20", **ASM},
                  {"movflags": "+faststart"}),
    ".webm": Codec("webm", "libvpx-vp9", "libopus", {
        "deadline": "realtime", "cpu-used": "6", "crf": "28", "b:v": "0", "row-mt": "1", "tile-columns": "1",
    }, {}),
}  # fmt: skip
ENDINGS = tuple(CODECS)


def write_video(
    path: Path,
    frames: Iterable[Pixels],
    size: tuple[int, int],
    fps: int,
    audio: np.ndarray,
    tags: Tags | None = None,
    bit_rate: int = BIT_RATE,
    advance: Callable[[int], object] | None = None,
) -> None:
    """Write frames and sound, which start together, as the ending of the file says. It appears whole or not at all.

    An mp4 has its index in front, so that a page plays it before it is loaded.

    Args:
        path: where to write; a part of :func:`etude.core.files.whole` has the ending of the file that it becomes.
        frames: (3 height / 2, width) each, yuv420p in the limited range of BT.709.
        size: width and height in pixels, both even.
        fps: frames a second.
        audio: (2, samples) float32 in [-1, 1], at ``RATE``.
        tags: what the file says about itself.
        bit_rate: of the sound, in bits a second.
        advance: is called with the number of frames that are done.

    Raises:
        EtudeError: the file cannot be written, as where the disk is full.
    """
    becomes = place_of(path)
    codec = CODECS[becomes.suffix.lower()]
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    with whole(path) as part:
        try:
            _write(part, codec, frames, size, fps, audio, tags or Tags(), bit_rate, advance)
        except OSError as error:  # PyAV's are too
            # a place that takes no file, as /proc, has no space either
            full = error.errno == errno.ENOSPC or (part.exists() and shutil.disk_usage(path.parent).free < FREE)
            reason = "the disk is full" if full else str(error.strerror or error).rstrip(".").lower()
            advice = "Free some space, or name another place." if full else "Name another place."
            raise EtudeError(f"{becomes} cannot be written: {reason}. {advice}") from None


def _write(
    path: Path,
    codec: Codec,
    frames: Iterable[Pixels],
    size: tuple[int, int],
    fps: int,
    audio: np.ndarray,
    tags: Tags,
    bit_rate: int,
    advance: Callable[[int], object] | None,
) -> None:
    # without "bitexact" a file has the time, random numbers and the release of FFmpeg in it
    with av.open(str(path), "w", format=codec.format, options={"fflags": "+bitexact", **codec.file}) as container:
        video: Any = container.add_stream(codec.video, rate=Fraction(fps), options=codec.options)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        context = video.codec_context
        context.thread_count, context.gop_size = THREADS, KEY_EVERY * fps
        context.flags |= av.codec.context.Flags.bitexact
        context.color_range, context.colorspace = 1, 1  # limited; BT.709, as are primaries and the curve
        context.color_primaries, context.color_trc = 1, 1
        video.time_base = Fraction(1, fps)
        sound: Any = container.add_stream(codec.audio, rate=RATE, layout="stereo")
        sound.codec_context.bit_rate = bit_rate
        sound.codec_context.thread_count = 1
        sound.codec_context.flags |= av.codec.context.Flags.bitexact
        said = {"title": tags.title, "artist": tags.artist, "comment": tags.comment}
        container.metadata.update({name: text for name, text in said.items() if text})
        samples = np.ascontiguousarray(np.clip(audio, -1, 1), dtype=np.float32)
        given = 0
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            picture.color_range, picture.colorspace = 1, 1
            container.mux(video.encode(picture))
            until = min(samples.shape[1], (number + 1) * RATE // fps)
            while given + PACKET <= until:
                given = _give(container, sound, samples, given)
            if advance is not None:
                advance(number + 1)
        container.mux(video.encode(None))
        while given < samples.shape[1]:
            given = _give(container, sound, samples, given)
        container.mux(sound.encode(None))


def _give(container: Any, stream: Any, samples: np.ndarray, start: int) -> int:
    """Encode one packet of sound; the sample after it."""
    part = np.ascontiguousarray(samples[:, start : start + PACKET])
    # libopus takes samples in turn, AAC one channel after the other
    if stream.codec_context.format.name == "fltp":
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
    else:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part.T).reshape(1, -1), format="flt", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
    container.mux(stream.encode(frame))
    return start + part.shape[1]
