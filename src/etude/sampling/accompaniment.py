"""Sampling accompaniments item by item, several candidates side by side: a particle filter.

Source: Doucet, de Freitas, Gordon: Sequential Monte Carlo Methods in Practice, 2001. Candidates are weighed at bar
lines: by the likelihood of given bars that follow, and by how long their notes are outside of the chords.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from etude.config.sections import Generate
from etude.core.errors import EtudeError
from etude.models.accompaniment import Accompaniment, State
from etude.models.accompaniment_features import (
    FARTHEST,
    INTEGERS,
    KEYS,
    LENGTHS,
    LONGEST,
    LOOK,
    NAMES,
    Batch,
    Rolls,
    Sheet,
    items_of,
    read_sheet,
    relative,
)
from etude.representations.base.representation import Observed
from etude.representations.leadsheet import KIND, LOW, NOTE, LeadSheet, segments
from etude.sampling import Sampled
from etude.sampling.filters import draw, softmax, top_p_filter

ROWS = 16  # at least, of a batch: torch sums in another order for fewer
MOST_NOTES = 12  # of a step
BARS = 8  # of a passage, where nothing else is requested
TEMPO = 90.0  # by which seconds become bars


@dataclass(frozen=True)
class Steering:
    """How candidates are drawn and chosen."""

    temperature: float
    top_p: float
    candidates: int = 1  # side by side
    chord_cost: float = 0.0  # nats for each quarter note that a note sounds outside of its chord


@dataclass(frozen=True)
class AccompanimentTask:
    """A lead sheet whose accompaniment is sampled."""

    sheet: Sheet  # its notes are those of the given bars, all others are passed over
    free: NDArray[np.bool_]  # (bars,) which are sampled
    rng: np.random.Generator


@dataclass(frozen=True)
class SampledAccompaniment:
    """Notes (notes, 3) of step, pitch and length, and their cost under the model, without temperature, in nats."""

    notes: NDArray[np.int64]
    nats: float


@torch.no_grad()
def sample_accompaniments(
    model: Accompaniment, tasks: Sequence[AccompanimentTask], steering: Steering
) -> list[SampledAccompaniment]:
    """Sample one accompaniment for each task, all side by side; no task's result depends on the others."""
    if not tasks:
        return []
    return _Particles(model.eval(), tasks, steering).run()


class _Particles:
    """The candidates of all tasks: row r belongs to task r // candidates."""

    def __init__(self, model: Accompaniment, tasks: Sequence[AccompanimentTask], steering: Steering) -> None:
        self.model, self.tasks, self.steering = model, tasks, steering
        self.device = next(model.parameters()).device
        each = steering.candidates
        self.own = np.repeat(np.arange(len(tasks)), each)
        rows, longest = len(self.own), max(task.sheet.steps for task in tasks)
        self.rolls = Rolls(rows, longest)
        self.ends = np.repeat([task.sheet.steps for task in tasks], each)
        self.integers = np.zeros((len(tasks), longest, len(NAMES)), np.int64)
        self.bits = np.zeros((len(tasks), longest, tasks[0].sheet.bits.shape[1]), np.float32)
        self.root, self.bar, self.room = (np.zeros((len(tasks), longest), np.int64) for _ in range(3))
        self.room += 1
        self.outside = np.zeros((len(tasks), longest + 1, 12))  # quarter notes up to a step outside of a chord
        self.free = np.zeros((len(tasks), longest), bool)
        self.forced: list[dict[int, list[tuple[int, int]]]] = []  # of given bars: step -> choices and lengths
        self.given: list[dict[tuple[int, int], int]] = []  # step and pitch -> length, which may be any
        for place, task in enumerate(tasks):
            self._lay_out(place, task)
        self.step, self.least, self.struck = (np.zeros(rows, np.int64) for _ in range(3))
        self.must = np.zeros(rows, bool)  # whether a note has to follow
        self.nats, self.weight = np.zeros(rows), np.zeros(rows)
        self.notes: list[list[tuple[int, int, int]]] = [[] for _ in range(rows)]
        self.lines = [np.append(task.sheet.bars, task.sheet.steps) for task in tasks]

    def _lay_out(self, place: int, task: AccompanimentTask) -> None:
        sheet = task.sheet
        size, step = sheet.steps, np.arange(sheet.steps)
        number = sheet.bar_of(step)
        self.integers[place, :size] = sheet.integers
        self.integers[place, :size, NAMES.index("known")] = np.minimum(number, INTEGERS["known"] - 1)
        self.bits[place, :size], self.root[place, :size] = sheet.bits, sheet.root
        self.bar[place, :size] = sheet.lengths[number]
        self.room[place, :size] = sheet.bars[number] + sheet.lengths[number] - step
        self.free[place, :size] = task.free[number]
        chord = np.asarray(sheet.bits[:, :12] > 0)  # above the root
        rotated = np.take_along_axis(chord, (np.arange(12)[None] - sheet.root[:, None]) % 12, axis=1)
        missing = np.logical_not(rotated) & (chord.sum(axis=1) > 0)[:, None]
        self.outside[place, 1 : size + 1] = np.cumsum(missing, axis=0) / self.model.steps
        self.outside[place, size + 1 :] = self.outside[place, size]
        given = sheet.notes[~task.free[sheet.bar_of(sheet.notes[:, 0])]]
        items = items_of(given, sheet.bars, size)
        found: dict[int, list[tuple[int, int]]] = {}
        for at, choice, length in zip(items.step.tolist(), items.choice.tolist(), items.length.tolist(), strict=True):
            if not self.free[place, at]:
                found.setdefault(at, []).append((choice, length))
        self.forced.append(found)
        self.given.append({(at, pitch): length for at, pitch, length in given.tolist()})

    def run(self) -> list[SampledAccompaniment]:
        """Go on until all rows are at the end of their task."""
        state: State | None = None
        while (self.step < self.ends).any():
            x, logits, state_after = self._look(state)
            state = self._move(x, logits, state, state_after)
            state = self._choose(state)
        firsts = range(0, len(self.own), self.steering.candidates)
        return [
            SampledAccompaniment(_shorten(np.array(self.notes[row], np.int64).reshape(-1, 3)), float(self.nats[row]))
            for row in firsts
        ]

    def _look(self, state: State | None) -> tuple[Tensor, NDArray[np.float64], State]:
        """What the model makes of each row's next item: its features, the logits of its choice, the state after it."""
        at = np.minimum(self.step, self.ends - 1)
        root, bar = self.root[self.own, at], self.bar[self.own, at]
        before = at[:, None] - np.minimum(bar, LONGEST)[:, None] * [1, 2]
        ago = np.where(before < 0, 0, self.root[self.own[:, None], np.maximum(before, 0)])
        rows = np.arange(len(at))
        played = self.rolls.features(rows, at, root, bar, ago)
        dense = np.concatenate([self.bits[self.own, at], played], axis=1)
        struck = relative(self.rolls.struck[rows, LOOK + at], root)
        parts = [
            self.integers[self.own, at], dense, struck.astype(np.uint8), root, self.room[self.own, at],
            np.zeros_like(at), self.least, self.struck, self.must, np.zeros_like(at), np.zeros_like(at),
        ]  # fmt: skip
        extra = max(0, ROWS - len(at))
        filled = [np.concatenate([part, np.repeat(part[:1], extra, axis=0)]) for part in parts]
        batch = Batch(*(torch.from_numpy(np.ascontiguousarray(part[:, None])).to(self.device) for part in filled))
        x, after = self.model(batch, state)
        logits = self.model.choices(x, batch)[:, 0]
        return x[:, 0], logits[: len(at)].double().cpu().numpy(), after

    def _move(self, x: Tensor, logits: NDArray[np.float64], state: State | None, after: State) -> State:
        """Draw or take each row's next item, and note it."""
        steering, rows = self.steering, np.arange(len(self.own))
        active = self.step < self._stops()
        at = np.minimum(self.step, self.ends - 1)
        free = self.free[self.own, at]
        uniforms = np.zeros((2, len(rows)))
        for place, task in enumerate(self.tasks):
            mine = (self.own == place) & active & free
            if mine.any():
                uniforms[:, mine] = task.rng.random((2, int(mine.sum())))
        plain = softmax(logits)
        allowed = logits / steering.temperature
        allowed[self.struck >= MOST_NOTES, :KEYS] = -np.inf
        choice = draw(top_p_filter(softmax(allowed), steering.top_p), uniforms[0])
        length = np.full(len(rows), -1)
        for row in np.flatnonzero(active & ~free):
            choice[row], length[row] = self.forced[self.own[row]][int(at[row])][self.struck[row]]
        cost = -np.log(np.maximum(plain[rows, choice], 1e-30))
        key = np.minimum(choice, KEYS - 1)
        root = self.root[self.own, at]
        both = (torch.from_numpy(part).to(self.device) for part in (key, root))
        rated = self.model.lengths(x[: len(rows)], *both).double().cpu().numpy()
        lengths = softmax(rated)
        drawn = draw(top_p_filter(softmax(rated / steering.temperature), steering.top_p), uniforms[1])
        length = np.where(free, drawn, length)
        is_note = active & (choice < KEYS)
        cost = cost + np.where(is_note, -np.log(np.maximum(lengths[rows, length], 1e-30)), 0.0)
        self.nats += np.where(active, cost, 0.0)
        self.weight -= np.where(active & ~free, cost, 0.0)
        for row in np.flatnonzero(is_note):
            step, pitch = int(at[row]), int(choice[row]) + LOW
            steps = int(LENGTHS[length[row]])
            if not free[row]:
                steps = self.given[self.own[row]][step, pitch]  # as it was given
            steps = min(steps, int(self.ends[row]) - step)
            self.notes[row].append((step, pitch, steps))
            if steering.chord_cost and free[row]:
                passed = self.outside[self.own[row], [step, step + steps], pitch % 12]
                self.weight[row] -= steering.chord_cost * float(passed[1] - passed[0])
        if is_note.any():
            new = np.array([self.notes[row][-1] for row in np.flatnonzero(is_note)])
            self.rolls.add(rows[is_note], new[:, 0], new[:, 1] - LOW, new[:, 2])
        goes = active & ~is_note
        gap = np.where(goes, choice - KEYS + 1, 0)
        self.must = np.where(goes, (gap < FARTHEST) & (gap < self.room[self.own, at]), self.must & ~is_note)
        self.step = self.step + gap
        self.least = np.where(goes, 0, np.where(is_note, choice + 1, self.least))
        self.struck = np.where(goes, 0, np.where(is_note, self.struck + 1, self.struck))
        if state is None:
            state = (torch.zeros_like(after[0]), torch.zeros_like(after[1]))
        kept = np.append(active, np.zeros(after[0].shape[1] - len(rows), bool))
        mask = torch.from_numpy(kept).to(self.device)[None, :, None]
        return torch.where(mask, after[0], state[0]), torch.where(mask, after[1], state[1])

    def _stops(self) -> NDArray[np.int64]:
        """Where each row waits next: at the bar line after its task's least advanced row."""
        if self.steering.candidates == 1:
            return self.ends
        found = np.zeros(len(self.own), np.int64)
        for place, lines in enumerate(self.lines):
            mine = self.own == place
            found[mine] = lines[min(np.searchsorted(lines, self.step[mine].min(), side="right"), len(lines) - 1)]
        return found

    def _choose(self, state: State) -> State:
        """Where all rows of a task are at one bar line, draw who goes on, in proportion to the weights."""
        each = self.steering.candidates
        if each == 1:
            return state
        source = np.arange(state[0].shape[1])
        for place, task in enumerate(self.tasks):
            mine = np.flatnonzero(self.own == place)
            steps, line = self.step[mine], self.lines[place]
            if (steps != steps[0]).any() or steps[0] not in line or not np.ptp(self.weight[mine]):
                continue
            at_end = steps[0] == self.ends[mine[0]]
            weights = softmax(self.weight[mine][None])[0]
            ladder = (np.arange(each) + task.rng.random()) / each  # systematic resampling
            places = np.minimum(np.searchsorted(np.cumsum(weights), ladder), each - 1)
            if at_end:
                places[:] = int(draw(weights[None], task.rng.random(1))[0])
            source[mine] = mine[places]
            self.weight[mine] = 0
        if (source == np.arange(len(source))).all():
            return state
        taken = source[: len(self.own)]
        self.notes = [list(self.notes[row]) for row in taken]
        self.nats, self.weight = self.nats[taken], self.weight[taken]
        for roll in (self.rolls.struck, self.rolls.held, self.rolls.any):
            roll[:] = roll[taken]
        order = torch.from_numpy(source).to(self.device)
        return state[0][:, order], state[1][:, order]


def _shorten(notes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The notes in the order of step and pitch, none sounding on when its key is struck again."""
    notes = notes[np.lexsort((notes[:, 1], notes[:, 0]))]
    order = np.lexsort((notes[:, 0], notes[:, 1]))
    found = notes[order]
    same = found[1:, 1] == found[:-1, 1]
    room = found[1:, 0] - found[:-1, 0]
    found[:-1, 2] = np.where(same, np.minimum(found[:-1, 2], room), found[:-1, 2])
    return found[np.lexsort((found[:, 1], found[:, 0]))]


def sample(
    model: Accompaniment, representation: LeadSheet, observed: Observed, config: Generate, count: int, show: bool
) -> list[Sampled]:
    """See Sampler. Each piece is a passage of an observed lead sheet, of ``generate.bars`` bars (null: 8).

    Passages come from evenly spread pieces, from the middle of each; where there are fewer than ``count``, they are
    accompanied more than once. ``show`` is passed over.
    """
    bars = BARS if config.bars is None and config.seconds is None else config.length(TEMPO)
    passages = [found for rows in observed_pieces(observed) for found in segments(rows, bars, 1)]
    if not passages:
        raise EtudeError(
            f"No lead sheet has {bars} bars of one length with chords and accompaniment in all of them. "
            "Set generate.bars to fewer."
        )
    places = [
        place * len(passages) // count if count < len(passages) else place % len(passages) for place in range(count)
    ]
    steering = Steering(1.0 if config.temperature is None else config.temperature, config.top_p)
    pieces = []
    for start in range(0, count, config.batch_size):
        chosen = range(start, min(start + config.batch_size, count))
        tasks = [open_task(model, passages[places[place]], (config.seed, place)) for place in chosen]
        for place, made in zip(chosen, sample_accompaniments(model, tasks, steering), strict=True):
            pieces.append(Sampled(representation.decode(representation.add(passages[places[place]], made.notes))))
    return pieces


def observed_pieces(observed: Observed) -> list[NDArray[np.integer]]:
    """The pieces in rows that ``observed`` holds (``LeadSheet.observe``)."""
    return np.split(observed["rows"], observed["ends"][:-1]) if len(observed["ends"]) else []


def open_task(model: Accompaniment, rows: NDArray[np.integer], seed: tuple[int, int]) -> AccompanimentTask:
    """The task to accompany a piece in rows from its first bar to its last, whatever accompaniment it has."""
    given = rows[rows[:, KIND] != NOTE]
    sheet = read_sheet(given, model.density, model.steps)
    return AccompanimentTask(sheet, np.ones(len(sheet.bars), bool), np.random.default_rng(seed))
