"""Synthetic pieces for the benchmarks of the data stages: small, in four parts or more, without duplicates."""

from pathlib import Path

import numpy as np
from symusic.core import NoteTickList, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

PARTS = {"Flute": (73, 72), "Clarinet": (71, 64), "Bassoon": (70, 55), "Cello": (42, 45)}
# Steps of a melody in semitones with their frequencies, near those of folk songs: seconds are frequent, leaps rare.
STEPS = [*range(-12, 13)]
FREQUENT = {0: 20, 1: 8, 2: 14, 3: 6, 4: 4, 5: 3, 7: 2, 12: 1}


def make_piece(seed: int, notes: int = 25, tracks: int = 4, leaps: bool = False) -> ScoreTick:
    """Parts of ``notes`` notes each, at 480 ticks per quarter note, in 4/4.

    Args:
        seed: of all that is drawn.
        notes: of a part.
        tracks: parts, each with an instrument of its own: those of ``PARTS`` first.
        leaps: steps of up to an octave, as music has them; else random walks of up to two semitones.
    """
    random = np.random.default_rng(seed)
    piece = ScoreTick(480)
    others = [program for program in range(128) if program not in {program for program, _ in PARTS.values()}]
    parts = {**PARTS, **{f"Part {program}": (program, 36 + 7 * (program % 8)) for program in others}}
    shares = np.array([FREQUENT.get(abs(step), 0.2) for step in STEPS])
    for name, (program, centre) in list(parts.items())[:tracks]:
        lengths = random.choice([240, 480, 480, 960], size=notes).astype(np.int32)
        if leaps:
            steps = random.choice(STEPS, size=notes, p=shares / shares.sum())
            pitch = centre - 12 + abs((np.cumsum(steps) + 12) % 48 - 24)  # folded into two octaves
        else:
            pitch = centre + np.clip(np.cumsum(random.integers(-2, 3, size=notes)), -9, 9)
        onsets = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int32)
        track = TrackTick(name=name, program=program)
        track.notes = NoteTickList.from_numpy(onsets, lengths, pitch.astype(np.int8), np.full(notes, 80, dtype=np.int8))
        piece.tracks.append(track)
    piece.tempos.append(TempoTick(0, qpm=float(random.integers(60, 140))))
    piece.time_signatures.append(TimeSignatureTick(0, 4, 4))
    return piece


def write_pieces(folder: Path, count: int, notes: int = 25, tracks: int = 4, leaps: bool = False) -> None:
    """Write ``count`` MIDI files below ``folder``, a thousand per folder."""
    for number in range(count):
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        make_piece(number, notes, tracks, leaps).dump_midi(place / f"{number:06d}.mid")
