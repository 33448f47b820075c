"""The video of the page: the start of one piece as a roll with its sound, small enough to lie within the page."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from etude.audio.files import Tags
from etude.report.players import Piece
from etude.video.film import Words
from etude.video.piece import Shooting, shoot

HOW = Shooting(width=854, height=480, seconds=20.0)
BIT_RATE = 96_000  # of its sound, in bits a second


@dataclass(frozen=True)
class Video:
    """A video: what it shows, and the file as mp4."""

    title: str
    mp4: bytes


def make_video(piece: Piece | None) -> Video | None:
    """The first 20 seconds of a piece as a video, some 700 kB; None without a piece, or where it has no notes."""
    if piece is None or not piece.score.note_num():
        return None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        words, tags = Words(piece.title), Tags(piece.title, "etude")
        shoot(path, piece.score, piece.audio, piece.sample_rate, HOW, words, tags, bit_rate=BIT_RATE)
        return Video(piece.title, path.read_bytes())
