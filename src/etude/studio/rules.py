"""Where voices break the rules of part-writing: each fault with its place, its voices, and a sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from symusic.core import ScoreTick

from etude.core.files import Json
from etude.metrics.voice_leading import RANGES, SILENCE, Pitches, moves, parallels, pitches_of, states
from etude.music.bars import Bar

FIFTHS, OCTAVES = "parallel fifths", "parallel octaves"
# kinds of faults -> what a sentence says of the voices
SENTENCES = {
    FIFTHS: "{voices} move in parallel fifths",
    OCTAVES: "{voices} move in parallel octaves",
    "hidden fifth": "{voices} move in one direction into a fifth",
    "hidden octave": "{voices} move in one direction into an octave",
    "overlap": "{voices} overlap: one moves beyond where the other was",
    "crossing": "{voices} cross",
    "wide spacing": "{voices} are more than an octave apart",
    "leap": "{voices} leaps by a tritone, a seventh or more than an octave",
    "out of range": "{voices} is out of its usual range",
}


@dataclass(frozen=True)
class Fault:
    """A broken rule: its kind, the frame into which it happens, and the voices, counted from the highest."""

    kind: str
    frame: int
    voices: tuple[int, ...]


def find_faults(pitches: Pitches) -> list[Fault]:
    """The faults of a piece, in the order of time; definitions: ``etude.metrics.voice_leading``.

    Parallels are those that cost a harmony, by either of the definitions there. States, as crossings, count where they
    start.

    Args:
        pitches: sounding pitches (frames, voices) from the highest voice to the lowest, or SILENCE.
    """
    pitches = np.asarray(pitches, dtype=np.int64)
    return sorted([*_moving(pitches), *_standing(pitches)], key=lambda fault: (fault.frame, fault.kind, fault.voices))


def _moving(pitches: Pitches) -> Iterator[Fault]:
    voices = pitches.shape[1]
    for upper in range(voices):
        alone = pitches[:, [upper]]
        for frame in np.flatnonzero(moves(alone[:-1], alone[1:])["leaps"]):
            yield Fault("leap", int(frame) + 1, (upper,))
        for lower in range(upper + 1, voices):
            both = pitches[:, [upper, lower]]
            before, after = both[:-1], both[1:]
            for frame in np.flatnonzero(parallels(before, after)):
                size = abs(int(after[frame, 0] - after[frame, 1])) % 12
                yield Fault(FIFTHS if size == 7 else OCTAVES, int(frame) + 1, (upper, lower))
            found = moves(before, after)
            kinds = {"overlap": found["overlaps"]} if lower == upper + 1 else {}
            if (upper, lower) == (0, voices - 1):
                kinds |= {"hidden fifth": found["hidden_fifths"], "hidden octave": found["hidden_octaves"]}
            for kind, counts in kinds.items():
                for frame in np.flatnonzero(counts):
                    yield Fault(kind, int(frame) + 1, (upper, lower))


def _standing(pitches: Pitches) -> Iterator[Fault]:
    voices = pitches.shape[1]
    for upper in range(voices - 1):
        pair = pitches[:, [upper, upper + 1]]
        third = np.full((len(pair), 1), SILENCE)  # spacing does not count between the lowest two
        found = {"crossing": states(pair, None)["crossings"]}
        if upper < voices - 2:
            found["wide spacing"] = states(np.hstack([pair, third]), None)["wide_spacings"]
        for kind, counts in found.items():
            for frame in _starts(counts > 0):
                yield Fault(kind, frame, (upper, upper + 1))
    if voices == len(RANGES):
        for voice, (low, high) in enumerate(RANGES):
            line = pitches[:, voice]
            for frame in _starts((line != SILENCE) & ((line < low) | (line > high))):
                yield Fault("out of range", frame, (voice,))


def _starts(holds: np.ndarray) -> list[int]:
    return [int(frame) for frame in np.flatnonzero(holds & ~np.append(False, holds[:-1]))]


def faults_of(score: ScoreTick, voices: Mapping[str, int], steps: int, bars: Sequence[Bar]) -> list[Json]:
    """The faults of a piece for the page: ``kind``, ``tick``, ``voices`` by name, and a sentence ``text``."""
    names, quarter = list(voices), score.ticks_per_quarter
    made: list[Json] = []
    for fault in find_faults(pitches_of(score, voices, steps)):
        tick = round(fault.frame * quarter / steps)
        own = [names[voice] for voice in fault.voices]
        text = SENTENCES[fault.kind].format(voices=" and ".join(own))
        made.append({"kind": fault.kind, "tick": tick, "voices": own, "text": f"{place_of(tick, bars)}: {text}"})
    return made


def place_of(tick: int, bars: Sequence[Bar]) -> str:
    """A tick as a musician says it: ``bar 2, beat 3``; beats with a half or a quarter as ``2.5``."""
    number, bar = next(((n, b) for n, b in enumerate(bars, 1) if b.start <= tick < b.end), (len(bars), bars[-1]))
    beat = 1 + (tick - bar.start) * bar.beats / bar.length
    return f"bar {number}, beat {beat:.3g}"
