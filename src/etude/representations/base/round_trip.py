"""What a representation keeps of the music: a piece compared with what comes back after encode and decode."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.representations.base.meters import in_quarters
from etude.representations.base.survey import program_of


@dataclass
class RoundTrip:
    """Counts and sums that add up over pieces; times in quarter notes."""

    notes: int = 0  # of the pieces
    kept: int = 0  # of these
    extra: int = 0  # decoded notes that the pieces lack
    onset_error: float = 0.0  # absolute, summed over the kept notes
    duration_error: float = 0.0
    meters: int = 0  # time signatures of the pieces
    meters_kept: int = 0  # of these, at their place, in their own beats or in quarter notes
    meters_in_quarters: int = 0  # of the kept: meters in half or whole notes that come back in quarter notes
    keys: int = 0  # key signatures of the pieces
    keys_kept: int = 0  # of these, at their place

    def __add__(self, other: "RoundTrip") -> "RoundTrip":
        return RoundTrip(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def as_json(self) -> dict[str, Any]:
        """Counts, the share of kept notes, and their mean errors in quarter notes; None where there are none."""
        found = asdict(self)
        found["share"] = round(self.kept / self.notes, 6) if self.notes else None
        for name in ("onset_error", "duration_error"):
            found[name] = round(found[name] / self.kept, 6) if self.kept else None
        return found

    def sentence(self) -> str:
        """What survives and what does not, of pieces with notes, for the terminal."""
        said = f"{self.kept * 10_000 // self.notes / 100:.2f}% of {self.notes} held-out notes survive the round trip"
        losses = [
            f"{some - kept} of {some} {name} signatures"
            for name, some, kept in (("time", self.meters, self.meters_kept), ("key", self.keys, self.keys_kept))
            if kept < some
        ]
        if losses:
            said += f"; {' and '.join(losses)} do not"
        if self.meters_in_quarters:
            said += f"; {self.meters_in_quarters} time signatures in half or whole notes are 4/4 and the like"
        return said


def part_of(score: ScoreTick, representation: Any) -> ScoreTick:
    """What a representation is about: a part of a piece for one that has ``part_of``, else the whole piece."""
    found: ScoreTick = representation.part_of(score) if hasattr(representation, "part_of") else score
    return found


def round_trip(score: ScoreTick, decoded: ScoreTick, steps: int, by_voice: bool = True) -> RoundTrip:
    """Match the notes of a piece one to one with the notes that came back.

    Args:
        score: the piece.
        decoded: what came back of it.
        steps: of the representation's grid, a quarter note. A note is kept if a note of its voice and pitch comes back
            with an onset at most half a step away.
        by_voice: whether the voice has to be the same: the track of the same name, or else of the same program.

    Returns:
        notes, kept, extra, the sums of the kept notes' errors, and what became of time and key signatures. Of an empty
        piece all are 0.
    """
    before, after = _notes(score), _notes(decoded)
    voices = _voices(score, decoded) if by_voice else ([0] * len(score.tracks), [0] * len(decoded.tracks))
    tick = np.lcm(score.ticks_per_quarter, decoded.ticks_per_quarter)
    listed = []
    for (track, pitch, time, duration), voice, quarter in zip(
        (before, after), voices, (score.ticks_per_quarter, decoded.ticks_per_quarter), strict=True
    ):
        number = np.array(voice, dtype=np.int64)[track] * 128 + pitch
        scale = int(tick) // quarter
        order = np.lexsort((duration, time, number))
        listed.append([column[order].tolist() for column in (number, time * scale, duration * scale)])
    (numbers, times, durations), (others, other_times, other_durations) = listed
    reach = int(tick) / (2 * steps)
    found = RoundTrip(notes=len(numbers))
    at = there = onset = length = 0
    while at < len(numbers) and there < len(others):
        if numbers[at] == others[there]:
            apart = other_times[there] - times[at]
            if abs(apart) <= reach:
                found.kept += 1
                onset += abs(apart)
                length += abs(other_durations[there] - durations[at])
                at, there = at + 1, there + 1
            elif apart > 0:
                at += 1
            else:
                there += 1
        elif numbers[at] < others[there]:
            at += 1
        else:
            there += 1
    found.extra = len(others) - found.kept
    found.onset_error, found.duration_error = onset / int(tick), length / int(tick)
    _count_signatures(found, score, decoded)
    return found


def _count_signatures(found: RoundTrip, score: ScoreTick, decoded: ScoreTick) -> None:
    """Count the time and key signatures of a piece, and those that came back."""
    there, back = score.ticks_per_quarter, decoded.ticks_per_quarter
    meters = {(sign.time * there, sign.numerator, sign.denominator) for sign in decoded.time_signatures}
    for sign in score.time_signatures:
        meter = (sign.numerator, sign.denominator)
        as_it_is, in_beats = ((sign.time * back, *one) in meters for one in (meter, in_quarters(meter)))
        found.meters_kept += as_it_is or in_beats
        found.meters_in_quarters += in_beats and not as_it_is
    keys = {(sign.time * there, sign.key, sign.tonality) for sign in decoded.key_signatures}
    found.keys_kept = sum((sign.time * back, sign.key, sign.tonality) in keys for sign in score.key_signatures)
    found.meters, found.keys = len(score.time_signatures), len(score.key_signatures)


def _notes(score: ScoreTick) -> tuple[NDArray[np.int64], ...]:
    """Track number, pitch, time and duration of all notes, in ticks: four (N,)."""
    columns: list[list[NDArray[np.integer]]] = [[], [], [], []]
    for number, track in enumerate(score.tracks):
        notes = track.notes.numpy()
        columns[0].append(np.full(len(notes["time"]), number))
        for column, name in zip(columns[1:], ("pitch", "time", "duration"), strict=True):
            column.append(notes[name])
    return tuple(np.concatenate([[], *column]).astype(np.int64) for column in columns)


def _voices(score: ScoreTick, decoded: ScoreTick) -> tuple[list[int], list[int]]:
    """A number for the voice of each track: by its name where both pieces have it, else by its program."""
    shared = {track.name for track in score.tracks} & {track.name for track in decoded.tracks}
    programs = {program_of(track): track.name for track in decoded.tracks if track.name in shared}
    numbers: dict[Any, int] = {}

    def number(track: Any) -> int:
        program = program_of(track)
        key = track.name if track.name in shared else programs.get(program, program)
        return numbers.setdefault(key, len(numbers))

    return [number(track) for track in score.tracks], [number(track) for track in decoded.tracks]
