"""Synthetic pieces for the benchmarks of the data stages: small, in four parts, without duplicates."""

from pathlib import Path

import numpy as np
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

PARTS = {"Flute": (73, 72), "Clarinet": (71, 64), "Bassoon": (70, 55), "Cello": (42, 45)}


def make_piece(seed: int, notes: int = 25) -> ScoreTick:
    """A random walk of about four times ``notes`` notes at 480 ticks per quarter note, in 4/4."""
    random = np.random.default_rng(seed)
    piece = ScoreTick(480)
    for name, (program, centre) in PARTS.items():
        lengths = random.choice([240, 480, 480, 960], size=notes).astype(np.int32)
        pitch = centre + np.clip(np.cumsum(random.integers(-2, 3, size=notes)), -9, 9)
        onsets = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)
        track = TrackTick(name=name, program=program)
        track.notes = NoteTickList.from_numpy(onsets, lengths, pitch.astype(np.int8), np.full(notes, 80, dtype=np.int8))
        piece.tracks.append(track)
    piece.tempos.append(TempoTick(0, qpm=float(random.integers(60, 140))))
    piece.time_signatures.append(TimeSignatureTick(0, 4, 4))
    return piece


def write_pieces(folder: Path, count: int, notes: int = 25) -> None:
    """Write ``count`` MIDI files below ``folder``, a thousand per folder."""
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        make_piece(number, notes).dump_midi(place / f"{number:06d}.mid")
