"""What is wrong with a sound file, in words of its own: what its header states, against what it holds."""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS = (b"RIFF", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")  # of sound files
SYNC = 0xFFE0  # the first eleven bits of a frame of an mp3
OPEN = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that a program writes which does not know them yet
FRAME = 1152  # samples of a frame of an mp3
HEAD = 1 << 16  # bytes in which an mp3 states its length


def explain(path: Path) -> str:
    """Why a sound file cannot be read, as the end of a sentence after its name."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    frame = len(head) > 1 and struct.unpack_from(">H", head)[0] & SYNC == SYNC
    if not head.startswith(STARTS) and not frame:
        return f"ends in {path.suffix}, but holds no sound"
    stated = dict(_chunks(path))
    if head[:4] == b"RIFF" and b"fmt " in stated:
        place, size = stated[b"fmt "]
        if size >= 8 and len(head) >= place + 8:
            channels, rate = struct.unpack_from("<HI", head, place + 2)
            if not rate or not channels:
                return f"states {'0 samples a second' if channels else '0 channels'}, which no sound has"
    return "is damaged: its sound cannot be decoded"


def missing(path: Path, stated: int, frames: int) -> float:
    """The share of a sound that its header promises and the file lacks, from 0 to 1; 0 where it states no length.

    A WAV or AIFF file that was cut off has a shorter chunk of samples than it says, an mp3 fewer frames.

    Args:
        path: the file.
        stated: samples of a channel, as its header says.
        frames: those that were decoded.
    """
    for name, (start, size) in _chunks(path):
        if name in (b"data", b"SSND") and size not in OPEN:
            return max(0.0, 1 - (path.stat().st_size - start) / size)
    if path.suffix.lower() == ".mp3":
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        if (b"Xing" in head or b"Info" in head) and frames < stated - 2 * FRAME:
            return 1 - frames / stated
    return 0.0


def _chunks(path: Path) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """The chunks of a WAV or AIFF file: name, and where its content starts and how many bytes it should have."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        kind = stream.read(12)
        order = {b"RIFF": "<", b"FORM": ">"}.get(kind[:4])
        if order is None or kind[8:] not in (b"WAVE", b"AIFF", b"AIFC"):
            return
        place = 12
        while place + 8 <= end:
            stream.seek(place)
            name, size = struct.unpack(f"{order}4sI", stream.read(8))
            yield name, (place + 8, size)
            place += 8 + size + size % 2


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what decoders print in words of their own from the terminal. Errors come as exceptions as before."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
