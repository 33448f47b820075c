"""Players of the page: a piano roll that follows an mp3, both within the page."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick

from etude.audio.excerpt import excerpt
from etude.audio.files import encode_mp3
from etude.core.files import Json
from etude.report.pianoroll import VOICES, roll
from etude.report.templates import inline, render

DARK = ("#ff8a3d", "#4aa8e8", "#2fc99a", "#d48bc8", "#e0b83a", "#8fd0f5", "#c39c86", "#a8a8a8")  # VOICES on black
SECONDS = 30.0  # of each player on the page
QUALITY = 0.1  # of their mp3: the page must stay small, data/ has the better sound
SOUND_BYTES = 4_000_000  # of all players together; more models get shorter excerpts


@dataclass(frozen=True)
class Piece:
    """A piece to show: its notes, and its sound (channels, samples)."""

    title: str
    caption: str
    score: ScoreTick
    audio: np.ndarray
    sample_rate: int


@dataclass(frozen=True)
class Player:
    """A piece on a page, as the template ``player`` shows it."""

    title: str
    caption: str
    roll: Json  # see pianoroll.roll
    audio: str  # a data: address

    @property
    def voices(self) -> list[tuple[int, str]]:
        """The tracks: the number of their colour, and their names."""
        return [(place % len(VOICES), track["name"]) for place, track in enumerate(self.roll["tracks"])]


def style_players() -> dict[str, object]:
    """What every page with players gives its template: ``style`` and ``script``."""
    voices = list(zip(VOICES, DARK, strict=True))
    return {"style": render("page.css.j2", voices=voices), "script": render("roll.js.j2", voices=voices)}


def make_players(pieces: Sequence[Piece]) -> tuple[list[Player], float]:
    """Players that fit on the page together, and the seconds that the longest may last."""

    def encode(piece: Piece) -> bytes:
        return encode_mp3(excerpt(piece.audio, piece.sample_rate, seconds), piece.sample_rate, QUALITY)

    seconds = SECONDS
    while True:
        with ThreadPoolExecutor() as pool:  # the encoder works outside Python
            files = list(pool.map(encode, pieces))
        total = sum(4 * len(file) / 3 for file in files)
        if total <= SOUND_BYTES or seconds <= 5:
            break
        seconds = max(5.0, float(int(seconds * SOUND_BYTES / total * 0.97)))
    players = [
        Player(piece.title, piece.caption, roll(piece.score, seconds), inline(file, "audio/mpeg"))
        for piece, file in zip(pieces, files, strict=True)
    ]
    return players, seconds
