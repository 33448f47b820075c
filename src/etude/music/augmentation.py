"""Altered copies of a piece, transposed, faster or slower, louder or softer: their choice and how to make one."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from symusic.core import ScoreTick

from etude.config.sections import Augment
from etude.music.chords import MARKER, transpose_text
from etude.music.columns import Columns, columns_of
from etude.music.markers import FERMATA

T = TypeVar("T")
Track = Mapping[str, Any]  # an entry of ingest's manifest: name, program (-1: drums), low, high
Ranges = dict[str, tuple[int, int]]  # track name -> lowest and highest pitch


@dataclass(frozen=True)
class Copy:
    """One copy of the piece ``origin``; the unaltered piece is a copy too."""

    origin: str
    semitones: int = 0
    stretch: float = 1.0
    velocity: int = 0

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Copy":
        """The copy that an entry of a manifest describes."""
        return cls(**{key: value for key, value in entry.items() if key != "id"})

    @property
    def id(self) -> str:
        """As in ``bwv1.6_-2_0.9``."""
        louder = f"_{self.velocity:+d}" if self.velocity else ""
        return f"{self.origin}_{self.semitones:+d}_{self.stretch:g}{louder}"

    def as_dict(self) -> dict[str, Any]:
        """The copy as an entry of a manifest."""
        return {"id": self.id, **vars(self)}


def ranges(pieces: Iterable[Sequence[Track]]) -> Ranges:
    """The lowest and highest pitch of each pitched track over all pieces, by name."""
    found: Ranges = {}
    for tracks in pieces:
        for track in _select_pitched(tracks):
            low, high = found.get(track["name"], (127, 0))
            found[track["name"]] = min(low, track["low"]), max(high, track["high"])
    return found


def transpositions(tracks: Sequence[Track], limits: Ranges) -> list[int]:
    """All transpositions in semitones, ascending, that keep pitched tracks in their limits; ``[0]`` without tracks."""
    pitched = _select_pitched(tracks)
    lows = [limits[track["name"]][0] - track["low"] for track in pitched]
    highs = [limits[track["name"]][1] - track["high"] for track in pitched]
    return list(range(max(lows), min(highs) + 1)) if pitched else [0]


def copies(origin: str, tracks: Sequence[Track], limits: Ranges, settings: Augment) -> list[Copy]:
    """Choose all copies of one piece, the unaltered one included, ascending in semitones, stretch and velocity.

    One stretch and one velocity are drawn for each transposition. The draws depend only on ``seed``, the piece and the
    transposition.

    Args:
        origin: the piece's id.
        tracks: its tracks.
        limits: the allowed pitches of each track.
        settings: ``transpose``, ``stretch``, ``velocity``, ``copies`` and ``seed``.
    """
    moves: Sequence[int] = [0]  # not transposed, but possibly stretched
    if settings.transpose is True:
        moves = [move for move in transpositions(tracks, limits) if move]
    elif settings.transpose:
        low, high = settings.transpose
        midi = {name: (0, 127) for name in limits}
        moves = [move for move in transpositions(tracks, midi) if move and low <= move <= high]
    made = [Copy(origin, move, *_draw(settings, origin, move)) for move in moves]
    found = [Copy(origin), *(copy for copy in made if copy != Copy(origin))]
    if settings.copies is not None and len(found) > settings.copies:
        chosen = random.Random(f"{settings.seed} {origin} copies").sample(range(1, len(found)), settings.copies - 1)
        found = [found[0], *(found[place] for place in chosen)]
    return sorted(found, key=lambda copy: (copy.semitones, copy.stretch, copy.velocity))


def _draw(settings: Augment, origin: str, semitones: int) -> tuple[float, int]:
    """Draw stretch and velocity of a copy; one that is not transposed gets a stretch other than 1, if there is one."""
    factors = settings.stretch if semitones else [factor for factor in settings.stretch if factor != 1]
    place = f"{settings.seed} {origin} {semitones}"
    return _choose(factors or [1.0], place), _choose(settings.velocity or [0], f"{place} velocity")


def _choose(choices: Sequence[T], place: str) -> T:
    return choices[0] if len(choices) == 1 else random.Random(place).choice(choices)


def transpose_key(fifths: int, semitones: int) -> int:
    """Transpose a key signature (sharps, or minus the flats) into -5 to 6; 0 semitones return ``fifths`` itself."""
    return fifths if semitones == 0 else (fifths + 7 * semitones + 5) % 12 - 5


def alter(piece: ScoreTick, copy: Copy, metrical: bool) -> ScoreTick:
    """Make the copy of a piece that ``copy`` describes. Drums are not transposed; key signatures are.

    A stretch changes the tempo of ``metrical`` music, whose onsets stay on the beat, or the times of a performance.
    Velocities stay in 1 to 127. Chord symbols are transposed too. Of other markers a transposed copy keeps fermatas.
    """
    made = piece.copy()
    slower = 1.0 if metrical else 1 / copy.stretch
    for track in made.tracks:
        semitones = 0 if track.is_drum else copy.semitones
        if semitones and not copy.velocity and slower == 1:  # several times as fast as columns
            track.shift_pitch(semitones, inplace=True)
        elif (semitones or copy.velocity or slower != 1) and len(track.notes):
            notes = columns_of(track)
            onset = np.round(notes.onset * slower).astype(np.int32)
            end = np.round((notes.onset + notes.length) * slower).astype(np.int32)
            velocity = np.clip(notes.velocity.astype(np.int16) + copy.velocity, 1, 127).astype(np.int8)
            pitch = (notes.pitch + semitones).astype(np.int8)
            track.notes = Columns(onset, np.maximum(end - onset, 1), pitch, velocity).notes()
    if metrical and copy.stretch != 1:
        for tempo in made.tempos:
            tempo.qpm = tempo.qpm * copy.stretch
    if copy.semitones:
        for marker in made.markers:
            if marker.text.startswith(MARKER):
                marker.text = MARKER + transpose_text(marker.text.removeprefix(MARKER), copy.semitones)
        made.markers.filter(lambda marker: marker.text == FERMATA or marker.text.startswith(MARKER), inplace=True)
        for key in made.key_signatures:
            key.key = transpose_key(key.key, copy.semitones)
    return made


def _select_pitched(tracks: Sequence[Track]) -> list[Track]:
    return [track for track in tracks if track["program"] >= 0 and track["low"] <= track["high"]]
