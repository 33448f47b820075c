"""The counting baseline of accompaniments: each item given its place in the bar and what was last played there.

Witten-Bell weights after Bell, Cleary and Witten, Text Compression, 1990, as in ``neighbours``.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from etude.models.accompaniment_features import FARTHEST, KEYS, LENGTHS, NAMES, items_of, read_sheet

Context = tuple[int, ...]
Items = list[tuple[list[Context], int]]  # contexts from the shortest to the longest, and what follows


class AccompanimentCounts:
    """Predicts keys relative to the root of the chord, steps to go on, and lengths, from counts of train.

    The contexts of a choice grow from none by the number of notes at its step, the place in the bar, and the last key
    at the step relative to the root; those of a length from none by the steps to the next bar line and the tone. An
    unseen context falls back to the shorter one; without any all values are as probable.
    """

    def __init__(self, steps: int) -> None:
        """Start without counts. Args: steps of a quarter note."""
        self.steps = steps
        self.counts: tuple[dict[Context, dict[int, int]], ...] = (
            defaultdict(lambda: defaultdict(int)), defaultdict(lambda: defaultdict(int)),
        )  # fmt: skip

    def count(self, pieces: Iterable[NDArray[np.integer]]) -> None:
        """Count the items of pieces in rows."""
        for rows in pieces:
            for table, items in zip(self.counts, self._items(rows), strict=True):
                for contexts, value in items:
                    for context in contexts:
                        table[context][value] += 1

    def nats_per_note(self, pieces: Sequence[NDArray[np.integer]]) -> float:
        """The cost of the accompaniments of pieces in rows, divided by their notes; nan without notes."""
        cost, notes = 0.0, 0
        for rows in pieces:
            choices, lengths = self._items(rows)
            if lengths:  # as the model's likelihood, which leaves out pieces without notes
                cost += self._cost(self.counts[0], choices, KEYS + FARTHEST)
                cost += self._cost(self.counts[1], lengths, len(LENGTHS))
                notes += len(lengths)
        return cost / notes if notes else float("nan")

    def _cost(self, table: dict[Context, dict[int, int]], items: Items, values: int) -> float:
        total = 0.0
        for contexts, value in items:
            probability = 1 / values
            for context in contexts:
                seen = table.get(context)
                if seen:
                    probability = (seen.get(value, 0) + len(seen) * probability) / (sum(seen.values()) + len(seen))
            total -= float(np.log(probability))
        return total

    def _items(self, rows: NDArray[np.integer]) -> tuple[Items, Items]:
        sheet = read_sheet(rows, [], self.steps)
        items = items_of(sheet.notes, sheet.bars, sheet.steps)
        place, root = sheet.integers[items.step, NAMES.index("place")].astype(int), sheet.root[items.step]
        room = (sheet.bars + sheet.lengths)[sheet.bar_of(items.step)] - items.step
        last = np.where(items.struck > 0, items.least - root, -99)
        values = np.where(items.choice < KEYS, items.choice + 11 - root, 1000 + items.choice)
        choices: Items = [
            ([(), (many,), (many, at), (many, at, before)], value)
            for many, at, before, value in zip(
                np.minimum(items.struck, 3).tolist(), place.tolist(), last.tolist(), values.tolist(), strict=True
            )
        ]
        notes = items.length >= 0
        lengths: Items = [
            ([(), (left,), (left, tone)], value)
            for left, tone, value in zip(
                room[notes].tolist(), values[notes].tolist(), items.length[notes].tolist(), strict=True
            )
        ]
        return choices, lengths
