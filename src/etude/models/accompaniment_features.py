"""What the accompaniment model reads: features of the lead sheet at each step, and of the notes played so far.

Pitches are seen relative to the root of the chord that sounds, so that a pattern is one pattern in every key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etude.representations.leadsheet import (
    CHORD,
    FIRST,
    HIGH,
    KIND,
    LOW,
    MELODY,
    NO_CHORD,
    NOTE,
    SECOND,
    STEP,
    THIRD,
    bars_of_rows,
)

KEYS = HIGH - LOW + 1
RELATIVE = KEYS + 11  # pitches relative to a root: key + 11 - root
FARTHEST = 16  # steps that one item moves on at most
LENGTHS = np.array([*range(1, 17), 20, 24, 32])  # of notes, in steps
PAST = 32  # steps before, of which it is known whether a note started
LOOK = 64  # steps before, of which the notes are known
LONGEST = 32  # steps of a bar that are distinguished
PIECES = 4  # whole ones of a batch

HELD, BLOCK, ARPEGGIO, BROKEN = range(1, 5)  # textures; 0: left open
TEXTURES = {"held": HELD, "block": BLOCK, "arpeggio": ARPEGGIO, "broken": BROKEN}

INTEGERS = {  # features with one value of several at each step, and how many
    "place": LONGEST, "bar": LONGEST + 1, "bass": 13, "since_chord": 33, "until_chord": 34, "next_root": 13,
    "next_bass": 13, "melody_class": 13, "melody_height": 33, "melody_state": 3, "until_onset": 18, "since_onset": 34,
    "root": 13, "known": 4, "density": 8, "texture": 5,
}  # fmt: skip
NAMES = list(INTEGERS)
BITS = 12 * 4 + 16  # features that are on or off, or in between, of the lead sheet at each step
PLAYED = 4 * RELATIVE + PAST  # and of the notes played


@dataclass(frozen=True)
class Sheet:
    """A lead sheet on the grid, with the notes of its accompaniment as far as they are known."""

    bars: NDArray[np.int64]  # (bars,) starts
    lengths: NDArray[np.int64]  # (bars,)
    root: NDArray[np.int64]  # (steps,) of the chord, or of the last one where there is none
    integers: NDArray[np.int16]  # (steps, INTEGERS)
    bits: NDArray[np.float16]  # (steps, BITS)
    notes: NDArray[np.int64]  # (notes, 3): step, pitch, length, in this order

    @property
    def steps(self) -> int:
        """The length."""
        return len(self.root)

    def bar_of(self, step: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the bar at each step."""
        return np.searchsorted(self.bars, step, side="right") - 1


def read_sheet(rows: NDArray[np.integer], density: Sequence[float], steps: int) -> Sheet:
    """The features of a piece in rows (see ``LeadSheet``).

    Args:
        rows: of the piece.
        density: the notes a quarter note that separate levels.
        steps: of a quarter note.

    Returns:
        the sheet; where it has notes, each bar has the level of density and the texture that it has.
    """
    whole = np.asarray(rows, np.int64)
    bars, lengths, end = bars_of_rows(whole)
    step = np.arange(end)
    bar = np.searchsorted(bars, step, side="right") - 1
    values = np.zeros((end, len(NAMES)), np.int16)

    def put(name: str, found: NDArray[np.int64]) -> None:
        values[:, NAMES.index(name)] = np.minimum(found, INTEGERS[name] - 1)

    put("place", step - bars[bar])
    put("bar", lengths[bar])
    root, classes, bass, starts = _chords(whole, end)
    change = np.searchsorted(starts, step, side="right")  # the number of chords that have started
    after = np.append(starts, end)[change]
    known = np.append(root, NO_CHORD)
    now = known[change - 1]
    base = _carry(now)
    following = known[np.minimum(change, len(root))]
    put("root", now)
    put("bass", _above(np.append(bass, NO_CHORD)[change - 1], base))
    put("next_root", _above(following, base))
    put("next_bass", _above(np.append(bass, NO_CHORD)[np.minimum(change, len(bass))], base))
    put("since_chord", step - starts[change - 1])
    put("until_chord", np.where(change < len(starts), after - step, 33))

    melody = whole[whole[:, KIND] == MELODY]
    pitch, onset = np.full(end, -1), np.zeros(end, bool)
    for _, at, high, length, _ in melody[np.lexsort((melody[:, FIRST], melody[:, STEP]))].tolist():
        pitch[at : at + length], onset[at] = high, True
    put("melody_class", np.where(pitch < 0, 12, (pitch - base) % 12))
    put("melody_height", np.where(pitch < 0, 0, 1 + pitch // 4))
    put("melody_state", np.where(onset, 2, (pitch >= 0).astype(np.int64)))
    places = np.flatnonzero(onset)
    ahead = np.append(places, end + 99)[np.searchsorted(places, step, side="right")] - step
    behind = step - np.append(-99, places)[np.searchsorted(places, step, side="right")]
    put("until_onset", ahead)
    put("since_onset", behind)

    masks = np.append(classes, 0)
    rotation = (np.arange(12)[None] + base[:, None]) % 12  # (steps, 12): pitch classes above the root
    chord = _unpack(masks[change - 1])
    coming = _unpack(masks[np.minimum(change, len(classes))])
    sung = np.zeros((end, 12))
    sung[pitch >= 0, pitch[pitch >= 0] % 12] = 1
    scale = chord.sum(axis=0) + sung.sum(axis=0)
    in_bar = np.zeros((len(bars), 12))
    np.maximum.at(in_bar, bar, sung)
    padded = np.append(onset, np.zeros(16, bool))
    parts = [np.take_along_axis(part, rotation, axis=1) for part in (chord, coming, in_bar[bar])]
    scale = (scale / max(1.0, scale.max()))[rotation]
    soon = padded[step[:, None] + np.arange(16)]
    notes = whole[whole[:, KIND] == NOTE][:, [STEP, FIRST, SECOND]]
    sheet = Sheet(bars, lengths, base, values, np.concatenate([*parts, scale, soon], axis=1).astype(np.float16), notes)
    return describe(sheet, density, steps)


def describe(sheet: Sheet, density: Sequence[float], steps: int) -> Sheet:
    """The sheet with the density and texture that each bar's notes have; 0 where a bar has none."""
    levels, textures = bar_attributes(sheet, density, steps)
    return request(sheet, levels, textures)


def request(sheet: Sheet, levels: NDArray[np.int64], textures: NDArray[np.int64]) -> Sheet:
    """The sheet with a level of density and a texture of each bar; 0 leaves it open."""
    integers = sheet.integers.copy()
    integers[:, NAMES.index("density")] = np.repeat(levels, sheet.lengths)
    integers[:, NAMES.index("texture")] = np.repeat(textures, sheet.lengths)
    return replace(sheet, integers=integers)


def bar_attributes(sheet: Sheet, density: Sequence[float], steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The level of density, from 1, and the texture of each bar: (bars,) twice. 0 in bars without notes.

    Textures are by onsets and notes: HELD has at most one onset a half note; of the others BLOCK has at least 2.5 notes
    an onset, ARPEGGIO at most 1.4, BROKEN is between.
    """
    own = sheet.bar_of(sheet.notes[:, 0])
    count = np.bincount(own, minlength=len(sheet.bars))
    places = np.unique(sheet.notes[:, 0])
    onsets = np.bincount(sheet.bar_of(places), minlength=len(sheet.bars))
    levels = 1 + np.searchsorted(np.array(density), count * steps / sheet.lengths, side="right")
    each = count / np.maximum(1, onsets)
    texture = np.where(each >= 2.5, BLOCK, np.where(each <= 1.4, ARPEGGIO, BROKEN))
    texture = np.where(onsets * 2 * steps <= sheet.lengths, HELD, texture)
    return np.where(count > 0, levels, 0), np.where(count > 0, texture, 0)


def _chords(rows: NDArray[np.int64], end: int) -> tuple[NDArray[np.int64], ...]:
    """Root, pitch classes, bass and start of each chord: (chords,) each. The first starts at 0; none repeats."""
    found = rows[rows[:, KIND] == CHORD][:, [STEP, FIRST, SECOND, THIRD]]
    found = found[found[:, 0] < max(1, end)]
    if not len(found) or found[0, 0] > 0:
        found = np.concatenate([[[0, NO_CHORD, 0, NO_CHORD]], found])
    changed = np.append(True, (found[1:, 1:] != found[:-1, 1:]).any(axis=1))
    found = found[changed]
    return found[:, 1], found[:, 2], found[:, 3], found[:, 0]


def _carry(root: NDArray[np.int64]) -> NDArray[np.int64]:
    """Roots where there are chords, before the first its own, elsewhere the last one: (steps,)."""
    known = np.flatnonzero(root != NO_CHORD)
    if not len(known):
        return np.zeros_like(root)
    last = known[np.maximum(np.searchsorted(known, np.arange(len(root)), side="right") - 1, 0)]
    return root[last]


def _above(pitch_class: NDArray[np.int64], root: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(pitch_class == NO_CHORD, NO_CHORD, (pitch_class - root) % 12)


def _unpack(masks: NDArray[np.int64]) -> NDArray[np.float64]:
    return ((masks[:, None] >> np.arange(12)) & 1).astype(np.float64)


def transpose(sheet: Sheet, semitones: int) -> Sheet:
    """The sheet in another key. Notes are moved as they are; the caller checks their range."""
    integers = sheet.integers.copy()
    root, height = integers[:, NAMES.index("root")], integers[:, NAMES.index("melody_height")]
    integers[:, NAMES.index("root")] = np.where(root == NO_CHORD, NO_CHORD, (root + semitones) % 12)
    if semitones:  # heights are in steps of four semitones: a third is near enough
        integers[:, NAMES.index("melody_height")] = np.where(
            height == 0, 0, np.clip(height + round(semitones / 4), 1, 32)
        )
    notes = sheet.notes + np.array([0, semitones, 0])
    return replace(sheet, root=(sheet.root + semitones) % 12, integers=integers, notes=notes)


class Rolls:
    """The notes played so far of several pieces: where keys are struck, and where they sound on."""

    def __init__(self, pieces: int, steps: int) -> None:
        """Start without notes."""
        self.struck = np.zeros((pieces, LOOK + steps, KEYS), bool)
        self.held = np.zeros((pieces, LOOK + steps, KEYS), bool)  # struck before, and still down
        self.any = np.zeros((pieces, LOOK + steps), bool)  # whether any key is struck

    def add(
        self, piece: NDArray[np.int64], step: NDArray[np.int64], key: NDArray[np.int64], length: NDArray[np.int64]
    ) -> None:
        """Add notes, one a row; a note that starts up to LOOK steps before the first step has a negative step."""
        self.struck[piece, LOOK + step, key] = True
        self.any[piece, LOOK + step] = True
        spans = np.minimum(length, self.struck.shape[1] - LOOK - step) - 1
        kept = spans > 0
        piece, step, key, spans = piece[kept], step[kept], key[kept], spans[kept]
        at = np.repeat(LOOK + step + 1 - np.cumsum(spans) + spans, spans) + np.arange(spans.sum())
        self.held[np.repeat(piece, spans), at, np.repeat(key, spans)] = True

    def features(
        self,
        piece: NDArray[np.int64],
        step: NDArray[np.int64],
        root: NDArray[np.int64],
        bar: NDArray[np.int64],
        ago: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """What the notes before a step are, seen from it.

        Args:
            piece: (N,) numbers of pieces.
            step: (N,).
            root: (N,) of the chord there.
            bar: (N,) length of the bar there.
            ago: (N, 2) roots one bar and two bars before.

        Returns:
            (N, PLAYED): the keys that are down, those struck one bar and two bars before, each relative to the root of
            its time, and those last struck relative to the root now; whether a note started 1 ... PAST steps before.
        """
        at, bar = LOOK + step, np.minimum(bar, LONGEST)
        parts = [relative(self.held[piece, at], root)]
        parts += [relative(self.struck[piece, at - many * bar], ago[:, many - 1]) for many in (1, 2)]
        past = self.any[piece[:, None], at[:, None] - np.arange(1, PAST + 1)]
        last = self.struck[piece, at - 1 - past.argmax(axis=1)]
        parts.append(relative(last & past.any(axis=1)[:, None], root))
        return np.concatenate([*parts, past], axis=1).astype(np.float32)


def relative(keys: NDArray[np.bool_], root: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Keys (N, KEYS) relative to roots (N,): (N, RELATIVE)."""
    padded = np.pad(keys, ((0, 0), (11, 11)))
    return np.take_along_axis(padded, np.arange(RELATIVE)[None] + root[:, None], axis=1)


def roots_before(root: NDArray[np.int64], bar: NDArray[np.int64], step: NDArray[np.int64]) -> NDArray[np.int64]:
    """The roots one and two bars before each step, 0 before the first step: (N, 2)."""
    bar = np.minimum(bar, LONGEST)
    before = np.stack([step - bar, step - 2 * bar], axis=1)
    return np.where(before < 0, 0, root[np.maximum(before, 0)])


class Items(NamedTuple):
    """The items of some bars in order: at each step that is visited its notes from the lowest, then how far it goes on.

    Visited are all bar lines, all onsets, and every FARTHEST steps after one.
    """

    step: NDArray[np.int64]  # (items,)
    least: NDArray[np.int64]  # the lowest key that is possible: above the last one at this step
    struck: NDArray[np.int64]  # notes at this step so far
    must: NDArray[np.bool_]  # the step is visited for its notes: one has to follow
    choice: NDArray[np.int64]  # a key, or KEYS + steps to go on - 1
    length: NDArray[np.int64]  # number among LENGTHS, -1 where no note


def items_of(notes: NDArray[np.int64], bars: NDArray[np.int64], end: int) -> Items:
    """The items of notes (notes, 3) from the step ``bars[0]`` to ``end``, all notes between these."""
    stops = np.unique(np.concatenate([bars, notes[:, 0], [end]]))
    gaps = np.diff(stops)
    if (gaps > FARTHEST).any():
        between = [np.arange(since, until, FARTHEST) for since, until in pairwise(stops.tolist())]
        stops = np.append(np.concatenate(between), end)
        gaps = np.diff(stops)
    place = np.searchsorted(stops, notes[:, 0])
    counts = np.bincount(place, minlength=len(gaps))
    step = np.repeat(stops[:-1], counts + 1)
    ends = np.cumsum(counts + 1) - 1  # of each step: the item that goes on
    choice, length = np.zeros(len(step), np.int64), np.full(len(step), -1)
    choice[ends] = KEYS + gaps - 1
    is_note = np.ones(len(step), bool)
    is_note[ends] = False
    choice[is_note] = notes[:, 1] - LOW
    length[is_note] = nearest_length(notes[:, 2])
    struck = np.arange(len(step)) - np.repeat(ends - counts, counts + 1)
    least = np.zeros(len(step), np.int64)
    least[1:] = np.where(struck[1:] > 0, choice[:-1] + 1, 0)
    first = np.diff(step, prepend=-1) > 0
    came = np.diff(step, prepend=step[:1] - FARTHEST)  # how far the item before went on
    must = first & (came < FARTHEST) & ~np.isin(step, bars)
    return Items(step, least, struck, must, choice, length)


def nearest_length(length: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number among LENGTHS of the nearest one; of two the shorter."""
    return np.abs(length[:, None] - LENGTHS[None]).argmin(axis=1)


class Batch(NamedTuple):
    """Bars of several pieces, padded."""

    integers: Tensor  # (B, T, INTEGERS)
    dense: Tensor  # (B, T, BITS + PLAYED)
    struck: Tensor  # (B, T, RELATIVE), relative to the root
    root: Tensor  # (B, T)
    room: Tensor  # (B, T) steps to the next bar line
    step: Tensor  # (B, N) of each item, from 0
    least: Tensor  # (B, N)
    number: Tensor  # (B, N) of notes at the step so far
    must: Tensor  # (B, N) whether a note has to follow
    choice: Tensor  # (B, N), -1: padding
    length: Tensor  # (B, N), -1: none


def window(sheet: Sheet, first: int, last: int, cold: bool) -> list[NDArray[np.generic]]:
    """The bars ``first`` to ``last`` (exclusive) of a piece as arrays of a batch; ``cold``: as if it started there."""
    start, end = int(sheet.bars[first]), int(sheet.bars[last - 1] + sheet.lengths[last - 1])
    notes = sheet.notes[(sheet.notes[:, 0] < end) & (sheet.notes[:, 0] >= (start if cold else start - LOOK))]
    rolls = Rolls(1, end - start)
    zero = np.zeros(len(notes), np.int64)
    rolls.add(zero, notes[:, 0] - start, notes[:, 1] - LOW, notes[:, 2])
    step = np.arange(start, end)
    integers = sheet.integers[start:end].astype(np.int64)
    bar = sheet.lengths[sheet.bar_of(step)]
    ago = roots_before(sheet.root, bar, step)
    integers[:, NAMES.index("known")] = np.minimum(sheet.bar_of(step) - (first if cold else 0), INTEGERS["known"] - 1)
    zero = np.zeros(end - start, np.int64)
    dense = np.concatenate(
        [sheet.bits[start:end], rolls.features(zero, step - start, sheet.root[start:end], bar, ago)], axis=1
    )
    struck = relative(rolls.struck[0, LOOK:], sheet.root[start:end])
    room = sheet.bars[sheet.bar_of(step)] + bar - step
    items = items_of(notes[notes[:, 0] >= start], sheet.bars[first:last], end)
    return [
        integers, dense, struck.astype(np.uint8), sheet.root[start:end], room,
        items.step - start, items.least, items.struck, items.must, items.choice, items.length,
    ]  # fmt: skip


def collate(windows: Sequence[list[NDArray[np.generic]]]) -> Batch:
    """Join windows in one padded batch."""
    found = []
    for name, parts in zip(Batch._fields, zip(*windows, strict=True), strict=True):
        size = max(len(part) for part in parts)
        fill = -1 if name in ("choice", "length") else 1 if name == "room" else 0
        whole = np.full((len(parts), size, *parts[0].shape[1:]), fill, parts[0].dtype)
        for row, part in zip(whole, parts, strict=True):
            row[: len(part)] = part
        found.append(torch.from_numpy(whole))
    return Batch(*found)


def open_batches(pieces: Sequence[NDArray[np.integer]], density: Sequence[float], steps: int) -> list[Batch]:
    """Whole pieces in batches of similar length, their control attributes left open; those without notes are left out.

    Args:
        pieces: in rows.
        density: the notes a quarter note that separate levels.
        steps: of a quarter note.
    """
    sheets = [read_sheet(piece, density, steps) for piece in pieces]
    sheets = sorted((sheet for sheet in sheets if len(sheet.notes)), key=lambda sheet: len(sheet.notes))
    groups = (sheets[start : start + PIECES] for start in range(0, len(sheets), PIECES))
    return [collate([window(leave_open(sheet), 0, len(sheet.bars), cold=True) for sheet in group]) for group in groups]


def leave_open(sheet: Sheet) -> Sheet:
    """The sheet without control attributes."""
    none = np.zeros(len(sheet.bars), np.int64)
    return request(sheet, none, none)
