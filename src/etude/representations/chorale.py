"""Chorales: the voice grid frame by frame, with what DeepBach reads besides the notes: beat, key and fermatas.

Source: Hadjeres, Pachet, Nielsen: DeepBach: a Steerable Model for Bach Chorales Generation, ICML 2017.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, ScoreTick, TimeSignatureTick

from etude.music.key import best_key, sharps_of
from etude.music.markers import fermatas, mark_fermatas
from etude.representations.base.grid import FIRST, HOLD, VoicesOnGrid, from_grid, to_grid
from etude.representations.base.voice_tracks import TICKS_PER_QUARTER

STEP, BEAT, BAR, SHARPS, MINOR, FERMATA = range(6)  # the columns after the voices
COLUMNS = 6
KNOWN = 256
FLATTEST = -7  # which the column SHARPS counts from


class Chorale(VoicesOnGrid):
    """Encode pieces as frames of one token a voice and six other columns, and back.

    The tokens are those of the voice grid. A voice has one pitch at a time: the highest of the notes at an onset stays,
    and the next onset ends it. After the voices each frame has six columns:

    - STEP in the quarter note, and BEAT: the quarter note in the bar, both from 0;
    - BAR: the length of the bar in steps;
    - SHARPS of the key signature, less the flats, plus 7; MINOR: 1 in minor. A piece that states no key gets the one
      that fits it best (Krumhansl and Schmuckler);
    - FERMATA: 1 while the note of the first voice that a fermata stands on is held.

    Rests that fill the first bar before a pickup are left out; BEAT and STEP of the first frame give their number.
    """

    name, kind = "chorale", "chorale"

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The frames of a piece: (frames, voices + 6)."""
        grid = to_grid(score, self.voices, self.steps, self.low, self.high)
        known = np.zeros((len(grid), COLUMNS), dtype=np.int64)
        position, known[:, BAR] = _bars(score, len(grid), self.steps)
        known[:, BEAT], known[:, STEP] = np.divmod(position, self.steps)
        known[:, SHARPS], known[:, MINOR] = _keys(score, len(grid), self.steps)
        for time in fermatas(score):
            start = -(-(2 * time * self.steps - score.ticks_per_quarter) // (2 * score.ticks_per_quarter))
            left = grid[start + 1 :, 0] != HOLD
            known[start : start + 1 + (int(np.argmax(left)) if left.any() else len(left)), FERMATA] = 1
        onsets = np.flatnonzero((grid >= FIRST).any(axis=1))
        first = int(onsets[0]) if len(onsets) and position[onsets[0]] == onsets[0] else 0
        return np.concatenate([grid[first:], known[first:].astype(np.uint16)], axis=1)

    def cells_of(self, items: NDArray[np.integer]) -> NDArray[np.integer]:
        """The cells of an encoded piece: (frames, voices)."""
        return items[:, : len(self.voices)]

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """What sampling needs to know of the train pieces.

        Returns:
            ``tokens`` of VoicesOnGrid; ``known``, the columns after the voices of ``KNOWN`` train pieces at most,
            spread evenly, one piece after the other (frames, 6); ``ends``, where each of them ends (pieces,).
        """
        found = super().observe(train)
        chosen = range(0, len(train), -(-len(train) // KNOWN) or 1)
        known = [np.asarray(train[place][:, len(self.voices) :], dtype=np.uint16) for place in chosen]
        found["known"] = np.concatenate([np.zeros((0, COLUMNS), dtype=np.uint16), *known])
        found["ends"] = np.cumsum([len(piece) for piece in known], dtype=np.int64)
        return found

    def decode(self, items: NDArray[np.integer]) -> ScoreTick:
        """The piece of some frames (frames, voices + 6); a hold of nothing is passed over.

        Meters are written in quarter notes where bars are whole quarter notes. The key signatures are those of the
        frames, and fermatas are markers.
        """
        grid, known = np.split(np.asarray(items, dtype=np.int64), [len(self.voices)], axis=1)
        before = int(known[0, BEAT] * self.steps + known[0, STEP]) if len(known) else 0
        pickup = np.full((before, grid.shape[1]), HOLD)
        piece = from_grid(np.concatenate([pickup, grid]), self.voices, self.steps, self.low, self.tempo)
        tick = TICKS_PER_QUARTER // self.steps
        times = (np.arange(len(known)) + before) * tick
        if len(known):
            times[0] = 0
            piece.time_signatures.clear()
        for place in _changes(known[:, BAR : BAR + 1]):
            piece.time_signatures.append(TimeSignatureTick(int(times[place]), *_meter(known[place, BAR], self.steps)))
        for place in _changes(known[:, SHARPS : MINOR + 1]):
            sharps, minor = known[place, SHARPS : MINOR + 1].tolist()
            piece.key_signatures.append(KeySignatureTick(int(times[place]), sharps + FLATTEST, minor))
        held = known[:, FERMATA] == 1
        starts = held & (np.append(True, ~held[:-1])[: len(held)] | (grid[:, 0] >= FIRST))
        mark_fermatas(piece, ((np.flatnonzero(starts) + before) * tick).tolist())
        return piece


def _bars(score: ScoreTick, frames: int, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of each frame in its bar, and the bar's length, both in steps; 4/4 where no meter is stated."""
    quarter = score.ticks_per_quarter
    signs = sorted((sign.time, sign.numerator, sign.denominator) for sign in score.time_signatures)
    starts, above, below = np.array([(0, 4, 4), *signs], dtype=np.int64).T
    scaled = np.arange(frames, dtype=np.int64) * quarter  # ticks, times steps: whole numbers
    sign = np.searchsorted(starts * steps, scaled, side="right") - 1
    length = np.maximum(1, quarter * 4 * above[sign] * steps // below[sign])
    return (scaled - starts[sign] * steps) % length // quarter, np.maximum(1, length // quarter)


def _keys(score: ScoreTick, frames: int, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The sharps plus 7 of each frame, and whether its key is minor."""
    stated = sorted((key.time, key.key, key.tonality) for key in score.key_signatures)
    if not stated:
        stated = [(0, *key_signature(score))]
    times, sharps, minor = np.array(stated, dtype=np.int64).T
    at = np.arange(frames, dtype=np.int64) * score.ticks_per_quarter
    place = np.maximum(0, np.searchsorted(times * steps, at, side="right") - 1)
    return sharps[place] - FLATTEST, minor[place]


def key_signature(score: ScoreTick) -> tuple[int, int]:
    """The sharps (less the flats) of the key that fits a piece best, and 1 in minor; C major where none does."""
    durations = np.zeros(12)
    for track in score.tracks:
        if not track.is_drum:
            notes = track.notes.numpy()
            np.add.at(durations, notes["pitch"] % 12, notes["duration"])
    found = best_key(durations)
    return (0, 0) if found is None else (sharps_of(*found), int(found[1] == "minor"))


def _changes(columns: NDArray[np.int64]) -> list[int]:
    """The first row, and the rows that differ from the one before."""
    changed = (np.diff(columns, axis=0, prepend=columns[:1] - 1) != 0).any(axis=1)
    return [int(place) for place in np.flatnonzero(changed)]


def _meter(bar: int, steps: int) -> tuple[int, int]:
    """Numerator and denominator of a bar of ``bar`` steps: in quarter notes, else in the longest notes that fit."""
    fits = (below for below in (4, 8, 16, 32) if bar * below % (4 * steps) == 0)
    denominator = next(fits, 64)
    return max(1, int(bar * denominator // (4 * steps))), denominator
