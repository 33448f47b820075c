"""Where a piece ends: on a bar line, and after the requested bars or seconds, as rules for its tokens."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from etude.core.errors import EtudeError
from etude.representations.base.grammar import EOS, Rules
from etude.representations.base.grid import HOLD, VoicesOnGrid
from etude.representations.base.midi_tokens import MidiTokens
from etude.representations.base.representation import TokenRepresentation

BEATS = 4  # of a bar where no meter is coded
STARTS = ("Program", "Pitch", "PitchDrum", "FamilyNote")  # types that a note starts with
TEMPO = 120.0  # BPM, where no tempo is coded
NEAR = 2  # bars about the length of a piece in which it may end
NEVER = np.iinfo(np.int64).max // 4


class Timing(Rules, Protocol):
    """Rules that know when a piece ends."""

    def start(self, rows: int, first: int = 0) -> NDArray[np.int64]:
        """See Rules; ``first`` is the number of the first of the pieces."""

    def beyond(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each token would continue after the requested end, so that it means the end: (B, V) or (B, 1)."""

    def may_end(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each piece can be decoded as it is, wherever its end lies: (B,)."""

    def close(self, state: NDArray[np.int64]) -> None:
        """End the pieces with the bar that they are in, until ``start`` is called again."""


def timing_rules(
    representation: TokenRepresentation,
    rules: Rules,
    bars: int | None,
    seconds: float | None,
    forced: NDArray[np.int64] | None = None,
    lengths: NDArray[np.int64] | None = None,
) -> Timing:
    """The rules of a representation, extended so that its pieces end on a bar line.

    Args:
        representation: of tokens.
        rules: its grammar.
        bars: of a piece; None: as the model ends it.
        seconds: that a piece lasts, to the nearest bar; None: as the model ends it.
        forced: the token that must follow each token, -1 where any may: (pieces, V), or (1, V) for all pieces.
        lengths: frames near which each piece on a voice grid ends (pieces,); None: wherever the model ends it.

    Raises:
        EtudeError: bars or seconds are requested of tokens that do not tell where in time they are.
    """
    if isinstance(representation, VoicesOnGrid):
        quarters = BEATS if seconds is None else seconds * representation.tempo / 60
        requested = bars if seconds is None else max(1, round(quarters / BEATS))
        return Frames(rules, len(representation.voices), representation.steps, requested, lengths)
    if isinstance(representation, MidiTokens) and representation.tells_time:
        return Stream(rules, representation.types, representation.values, bars, seconds, forced, representation.parts)
    if bars is not None or seconds is not None:
        raise EtudeError(
            f"generate.{'bars' if bars is not None else 'seconds'}: pieces in {representation.name} tokens"
            f"{' that are merged' if representation.merges else ''} end where the model ends them. "
            "Leave it out, or take a model that reads another representation, as remi or voicegrid."
        )
    return Open(rules)


class Open:
    """The rules as they are."""

    def __init__(self, rules: Rules) -> None:
        """Args: the grammar."""
        self.rules, self.allowed, self.move = rules, rules.allowed, rules.move

    def start(self, rows: int, first: int = 0) -> NDArray[np.int64]:
        """See Timing."""
        return self.rules.start(rows)

    def beyond(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        return np.zeros((len(state), 1), dtype=bool)

    def may_end(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        return self.allowed(last, state)[:, EOS]

    def close(self, state: NDArray[np.int64]) -> None:
        """See Timing; where bars are not known, nothing changes."""


class Frames:
    """Frames of one token a voice, in 4/4: a piece ends after the requested bars, or else after a beat.

    A model of frames sees a few bars, and cannot tell one phrase's end from the end of the piece. Where ``lengths`` are
    given, it ends within NEAR bars of its length: where the model ends it, or else with the last of these bars.
    """

    COLUMNS = 2  # of the state, before those of the grammar

    def __init__(
        self, rules: Rules, voices: int, beat: int, bars: int | None, lengths: NDArray[np.int64] | None = None
    ) -> None:
        """Args: the grammar, voices, frames of a beat, requested bars, frames of each piece."""
        self.rules, self.voices, self.beat, self.bar, self.bars = rules, voices, beat, BEATS * beat, bars
        self.lengths = lengths if bars is None else None
        self.since = 0  # the frame over whose start no note is held
        self.limit: NDArray[np.int64] | None = None  # bars after which each piece ends at the latest

    def start(self, rows: int, first: int = 0) -> NDArray[np.int64]:
        """See Timing. The state is the number of tokens so far, the piece's length, and the state of the grammar."""
        self.limit = None
        own = np.zeros((rows, self.COLUMNS), dtype=np.int64)
        if self.lengths is not None:
            own[:, 1] = self.lengths[(first + np.arange(rows)) % len(self.lengths)]
        return np.concatenate([own, self.rules.start(rows)], axis=1)

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Rules."""
        found = self.rules.allowed(last, state[:, self.COLUMNS :])
        frames, within = np.divmod(state[:, 0], self.voices)
        if self.since:
            found[frames == self.since, HOLD] = False
        ends = (within == 0) & (frames > self.since) & (frames % self.beat == 0)
        if self.lengths is not None:
            ends &= frames >= state[:, 1] - NEAR * self.bar
            late = ends & (frames % self.bar == 0) & (frames >= state[:, 1] + NEAR * self.bar)
            found[late] = False
        if self.bars is not None or self.limit is not None:
            bars = np.full(len(state), NEVER // self.bar if self.bars is None else self.bars)
            full = ends & (frames >= (bars if self.limit is None else np.minimum(bars, self.limit)) * self.bar)
            found[full] = False
            ends = full if self.bars is not None else ends | full
        found[:, EOS] = ends | (last == EOS)
        return found

    def move(self, tokens: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """See Rules."""
        after = state.copy()
        after[:, 0] += 1
        after[:, self.COLUMNS :] = self.rules.move(tokens, state[:, self.COLUMNS :])
        return after

    def beyond(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing; the rules themselves end the piece."""
        return np.zeros((len(state), 1), dtype=bool)

    def may_end(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        return self.rules.allowed(last, state[:, self.COLUMNS :])[:, EOS]

    def close(self, state: NDArray[np.int64]) -> None:
        """See Timing."""
        self.limit = -(-state[:, 0] // (self.voices * self.bar))


class Stream:
    """MidiTok's streams of notes: bars with positions, or shifts of time.

    No note rings after the bar in which a piece ends: with requested bars no note is longer than these; without, a
    piece continues until nothing rings over the bar line.
    """

    BAR, START, LENGTH, BEATS, CURSOR, RINGS, TEMPO, ORDER = range(8)  # columns before the state of the grammar
    COLUMNS = 8

    def __init__(
        self,
        rules: Rules,
        types: Sequence[str],
        values: Sequence[str],
        bars: int | None,
        seconds: float | None,
        forced: NDArray[np.int64] | None = None,
        parts: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Read what each token does to the time.

        Args:
            rules: the grammar.
            types: of each base token.
            values: of each base token, as text.
            bars: requested; None: as the model ends it.
            seconds: requested; None: as the model ends it.
            forced: the token that must follow each token, -1 where any may, in each piece, or (1, V) in all.
            parts: the base tokens that each token stands for, all at one time; None where each stands for itself.
        """
        self.forced = forced
        self.rules, self.bars, self.seconds = rules, bars, seconds
        self.since = 0  # the earliest time at which notes may start, in units
        self.limit: NDArray[np.int64] | None = None  # bars after which each piece ends at the latest
        times = [kind in ("Duration", "TimeShift", "Rest") for kind in types]
        lengths = [value.split(".") if time else [] for value, time in zip(values, times, strict=True)]
        self.unit = math.lcm(1, *(int(length[2]) for length in lengths if length))  # of a beat
        positions = [int(value) for kind, value in zip(types, values, strict=True) if kind == "Position"]
        if positions and self.unit == 1:
            self.unit = 4
        spans = np.array(
            [(int(n[0]) * int(n[2]) + int(n[1])) * self.unit // int(n[2]) if n else 0 for n in lengths], dtype=np.int64
        )
        kinds = np.array(types)
        self.shift = np.where(kinds == "Duration", 0, spans)
        self.span = np.where(kinds == "Duration", spans, 0)
        self.shifts = np.isin(kinds, ("TimeShift", "Rest"))
        self.position = np.array(
            [int(value) if kind == "Position" else -1 for kind, value in zip(types, values, strict=True)]
        )
        self.line = kinds == "Bar"
        self.lines = bool(self.line.any())
        signs = [
            [int(part) for part in value.split("/")] if kind == "TimeSig" else [0, 4]
            for kind, value in zip(types, values, strict=True)
        ]
        self.meter = np.array([above for above, _ in signs]) * self.unit
        self.quarters = np.array([round(above * 4 / below * self.unit) for above, below in signs])
        tempos = [float(value) if kind == "Tempo" else 0.0 for kind, value in zip(types, values, strict=True)]
        self.tempo = np.round(np.array(tempos) * 1000).astype(np.int64)
        self.starts = np.isin(kinds, STARTS)
        if parts is not None:
            self._join(parts)
        self.placed = (self.position >= 0) | (self.span > 0)
        effects = (self.line, self.meter, self.quarters, self.position, self.shift, self.span, self.tempo)
        self.effects = np.stack([effect.astype(np.int64) for effect in effects], axis=1)  # (V, 7)

    def _join(self, parts: Sequence[Sequence[int]]) -> None:
        """Let each token do what its parts do; no two parts do the same."""
        most = max(len(part) for part in parts)
        places = np.array([[*part, *[part[-1]] * (most - len(part))] for part in parts])
        for name in ("shift", "span", "shifts", "position", "line", "meter", "quarters", "tempo", "starts"):
            setattr(self, name, getattr(self, name)[places].max(axis=1))

    @property
    def bounded(self) -> bool:
        """Whether the end of a piece is known."""
        return self.bars is not None or self.seconds is not None or self.limit is not None

    def start(self, rows: int, first: int = 0) -> NDArray[np.int64]:
        """See Timing. The state is, in units: bar, its start, its length, the same in quarter notes, the time now, when
        the last note ends; the tempo in thousandths, the row of ``forced``; then the state of the grammar.
        """
        self.limit = None
        bar = -1 if self.lines else 0
        own = np.tile([bar, 0, BEATS * self.unit, BEATS * self.unit, 0, 0, round(TEMPO * 1000), 0], (rows, 1))
        if self.forced is not None:
            own[:, self.ORDER] = (first + np.arange(rows)) % len(self.forced)
        return np.concatenate([own, self.rules.start(rows)], axis=1)

    def move(self, tokens: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.int64]:
        """See Rules."""
        after = state.copy()
        bar, start, length, quarters, cursor, rings, tempo = after.T[: self.ORDER]
        line, meter, lasts, position, shift, span, beat = self.effects.take(tokens, axis=0).T
        if line.any():
            start += np.where((line > 0) & (bar >= 0), length, 0)
            bar += line
            np.copyto(cursor, start, where=line > 0)
        if meter.any():
            signed = meter > 0
            if not self.lines:  # a new meter starts a bar
                np.copyto(start, cursor, where=signed)
            np.copyto(length, meter, where=signed)
            np.copyto(quarters, lasts, where=signed)
        cursor += shift
        np.copyto(cursor, start + position, where=position >= 0)
        if not self.lines:
            passed = np.maximum(0, (cursor - start) // length)
            bar += passed
            start += passed * length
        np.maximum(rings, cursor + span, out=rings, where=span > 0)
        np.copyto(tempo, beat, where=beat > 0)
        after[:, self.COLUMNS :] = self.rules.move(tokens, state[:, self.COLUMNS :])
        return after

    def with_forced(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """The tokens (T,) of a piece with the forced tokens of each piece in their places: (pieces, T).

        One row where all pieces have the same.
        """
        if self.forced is None:
            return tokens[None]
        found = np.tile(tokens, (len(self.forced), 1))
        rows = np.arange(len(found))
        for place in range(1, len(tokens)):
            forced = self.forced[rows, found[:, place - 1]]
            found[:, place] = np.where(forced >= 0, forced, found[:, place])
        return found

    def requested_bars(self, state: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bars after which each piece ends; NEVER where the model ends it: (B,)."""
        bars = np.full(len(state), NEVER if self.bars is None else self.bars)
        if self.seconds is not None:
            lasts = state[:, self.BEATS] / self.unit * 60e3 / state[:, self.TEMPO]  # seconds of a bar
            bars = np.maximum(1, np.round(self.seconds / lasts)).astype(np.int64)
        return bars if self.limit is None else np.minimum(bars, self.limit)

    def finish(self, state: NDArray[np.int64]) -> NDArray[np.int64]:
        """When the requested bars are over if no other meter comes; NEVER where the model ends the piece: (B,)."""
        bars = self.requested_bars(state)
        finite = bars < NEVER
        left = np.where(finite, bars, 0) - state[:, self.BAR]
        return np.where(finite, state[:, self.START] + left * state[:, self.LENGTH], NEVER)

    def beyond(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        if not self.bounded:
            return np.zeros((len(state), 1), dtype=bool)
        bars, bar = self.requested_bars(state), state[:, self.BAR]
        end = state[:, self.START] + state[:, self.LENGTH]
        last = bar >= bars - 1
        late = (state[:, self.CURSOR, None] + self.shift >= end[:, None]) & (self.shift > 0)
        found: NDArray[np.bool_] = last[:, None] & (self.line | late)
        return found

    def allowed(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Rules."""
        found = self.rules.allowed(last, state[:, self.COLUMNS :])
        bar, start, length, cursor = (state[:, part] for part in (self.BAR, self.START, self.LENGTH, self.CURSOR))
        may = found[:, EOS] & (state[:, self.RINGS] <= start + length)
        if self.bounded:
            bars, end = self.requested_bars(state), self.finish(state)
            finite = bars < NEVER
            found &= ~self.beyond(state)
            found &= ~((cursor[:, None] + self.span > end[:, None]) & (self.span > 0))
            shorter = start[:, None] + (np.where(finite, bars, 0) - bar)[:, None] * self.meter  # the end in each meter
            found &= ~(finite[:, None] & (self.meter > 0) & (shorter < state[:, self.RINGS, None]))
            may &= ~finite | (bar >= bars - 1)
        found &= self.position < length[:, None]
        if self.lines and (bar < 0).any():  # first of all a bar starts
            found[bar < 0] &= ~self.placed
        if self.since:
            early = (cursor < self.since)[:, None]
            found &= ~(early & (self.starts | ((self.position >= 0) & (start[:, None] + self.position < self.since))))
            found &= ~(early & self.shifts & (cursor[:, None] + self.shift < self.since))
        found[:, EOS] = may
        if self.forced is not None:
            forced = self.forced[state[:, self.ORDER], last]
            rows = np.flatnonzero(forced >= 0)
            found[rows] = False
            found[rows, forced[rows]] = True
        ended = last == EOS
        if ended.any():
            found[ended] = False
        found[~np.logical_or.reduce(found, axis=1), EOS] = True  # nothing else can be written
        return found

    def may_end(self, last: NDArray[np.int64], state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """See Timing."""
        return self.rules.allowed(last, state[:, self.COLUMNS :])[:, EOS]

    def close(self, state: NDArray[np.int64]) -> None:
        """See Timing. A note that rings longer than its bar has the bars until its end."""
        over = np.maximum(0, state[:, self.RINGS] - state[:, self.START])
        self.limit = state[:, self.BAR] + np.maximum(1, -(-over // state[:, self.LENGTH]))
