"""The sound and the files of a piece, as the page asks for them."""

import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from symusic.core import ScoreTick

from etude.audio.controllers import state
from etude.audio.excerpt import from_first_sound
from etude.audio.files import Tags, write_audio
from etude.audio.render import render
from etude.config.sections import Mix
from etude.core.errors import EtudeError, closest
from etude.scores.engraving import engrave

TYPES = {
    "midi": ("audio/midi", ".mid"),
    "musicxml": ("application/vnd.recordare.musicxml+xml", ".musicxml"),
    "mp3": ("audio/mpeg", ".mp3"),
}  # kinds of files -> their media type and ending


def sounds(score: ScoreTick, settings: Mix, stems: bool) -> bytes:
    """The sound of a piece for the page: from tick 0, lossless, so that its time is that of the notes.

    The bytes are the length of a header (4 bytes, big-endian), the header (JSON: a list of ``name`` and ``bytes``), and
    one FLAC after the other: the mix alone, or each track as it sounds in the mix.
    """
    made = render(score, settings)
    parts = dict(made.stems) if stems else {"mix": made.mix}
    flacs = {name: encode(part, settings.sample_rate, ".flac", settings.quality) for name, part in parts.items()}
    header = json.dumps([{"name": name, "bytes": len(data)} for name, data in flacs.items()]).encode()
    return struct.pack(">I", len(header)) + header + b"".join(flacs.values())


def encode(audio: np.ndarray, rate: int, ending: str, quality: float, tags: Tags | None = None) -> bytes:
    """A sound (channels, samples) as the bytes of a file with an ending; see ``etude.audio.files.write_audio``."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"sound{ending}"
        write_audio(path, audio, rate, quality, tags)
        return path.read_bytes()


def file_of(
    kind: str, score: ScoreTick, title: str, settings: Mix, written: ScoreTick | None = None, feel: str = ""
) -> bytes:
    """A piece as the bytes of a file.

    Args:
        kind: one of ``TYPES``.
        score: as it is played.
        title: of the piece.
        settings: how it sounds.
        written: as it is notated, where that differs; the MIDI file of such a piece states the levels of its tracks.
        feel: a word over the start of the score.

    Raises:
        EtudeError: there is no such kind, or the piece has nothing that it could show.
    """
    if kind not in TYPES:
        raise EtudeError(f'There is no kind of file "{kind[:60]}". {closest(kind, TYPES)}')
    if kind == "midi":
        return bytes((score if written is None else state(score, settings)).dumps_midi())
    if kind == "musicxml":
        return engrave(written or score, title, feel).encode()
    sound = from_first_sound(render(score, settings).mix, settings.sample_rate)
    return encode(sound, settings.sample_rate, TYPES[kind][1], settings.quality, Tags(title, "etude studio"))
