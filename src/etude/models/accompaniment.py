"""Accompaniment: notes of an accompaniment to melody and chords, one after the other, by a recurrent network.

Each item is a note of a step, from the lowest, or how far to go on. The network sees the lead sheet at the step and
ahead, so that none of its tokens are predicted, and the notes of the last two bars relative to the root of the chord.
Its choices are sums of an absolute part and one relative to the root, as melody networks rate intervals (Johnson et
al., Tied Parallel Networks, 2017).
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.accompaniment_features import (
    BITS,
    FARTHEST,
    INTEGERS,
    KEYS,
    LENGTHS,
    PLAYED,
    RELATIVE,
    Batch,
)

MOST = 8  # notes of a step that are counted
State = tuple[Tensor, Tensor]


class Accompaniment(nn.Module):
    """A long short-term memory over the items, and networks that rate the next key, the next step and lengths."""

    reads: ClassVar[tuple[str, ...]] = ("leadsheet",)
    takes: ClassVar[tuple[str, ...]] = ("density", "steps")
    sampler: ClassVar[str] = "accompaniment"
    measure: ClassVar[str] = "accompaniment_likelihood"  # file of metrics/ that measures it
    comparison: ClassVar[str] = "accompaniment_comparison"  # file of tasks/ that compares it with others
    can_accompany: ClassVar[bool] = True
    starts: Tensor

    def __init__(
        self,
        density: Sequence[float],
        steps: int,
        hidden: Count,
        layers: Annotated[int, Range(1, 8)],
        dropout: Annotated[float, Range(0, 0.95)],
        window: Annotated[int, Range(1, 1024)],
        transpose: Annotated[int, Range(0, 24)],
        open_controls: Annotated[float, Range(0, 1)],
    ) -> None:
        """Set up the networks.

        Args:
            density: notes a quarter note that separate the levels of density.
            steps: of a quarter note.
            hidden: width of the layers.
            layers: number of recurrent layers.
            dropout: rate.
            window: bars of a training window.
            transpose: semitones up or down by which training moves each window at most.
            open_controls: share of training windows in which density, and likewise texture, is left open.
        """
        super().__init__()
        self.density, self.steps, self.hidden = list(density), steps, hidden
        self.window, self.transpose, self.open_controls = window, transpose, open_controls
        ends = torch.tensor(list(INTEGERS.values())).cumsum(0)
        self.register_buffer("starts", F.pad(ends[:-1], (1, 0)), persistent=False)
        self.table = nn.EmbeddingBag(int(ends[-1]), hidden, mode="sum")
        nn.init.normal_(self.table.weight, std=0.2)
        self.given = nn.Linear(BITS + PLAYED, hidden)
        self.struck = nn.Linear(RELATIVE, hidden, bias=False)
        self.count = nn.Embedding(MOST, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.mix = nn.Linear(2 * hidden, hidden)
        self.absolute = nn.Linear(hidden, KEYS + FARTHEST)
        self.relative = nn.Linear(hidden, RELATIVE)
        self.key = nn.Embedding(KEYS, hidden)
        self.tone = nn.Embedding(RELATIVE, hidden)
        self.length = nn.Linear(hidden, len(LENGTHS))
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: Batch, state: State | None = None) -> tuple[Tensor, State]:
        """What is known before each item, from the items before: (B, N, hidden), and the state to continue from."""
        places = (batch.integers + self.starts).flatten(0, -2)
        steps = self.table(places).view(*batch.integers.shape[:-1], -1) + self.given(batch.dense)  # (B, T, hidden)
        found = _at(steps, batch.step)
        keys = torch.arange(RELATIVE, device=batch.step.device)
        below = keys < (batch.least + 11 - _at(batch.root, batch.step))[..., None]
        struck = (_at(batch.struck, batch.step) * (below & (batch.least > 0)[..., None])).float()
        found = found + self.struck(struck) + self.count(batch.number.clamp(max=MOST - 1))
        found = self.dropout(self.norm(found))
        with torch.autocast(found.device.type, enabled=False):  # CPUs without bf16 have no such LSTM
            past, state = self.lstm(found.float(), state)
        mixed = F.gelu(self.mix(torch.cat([self.dropout(past), found], dim=-1)))
        return self.dropout(mixed), state

    def choices(self, x: Tensor, batch: Batch) -> Tensor:
        """Logits of each item's choice, -inf where impossible: (B, N, KEYS + FARTHEST)."""
        root = _at(batch.root, batch.step)
        keys = torch.arange(KEYS, device=x.device)
        tones = self.relative(x).gather(-1, keys + 11 - root[..., None])  # (B, N, KEYS)
        logits = self.absolute(x) + F.pad(tones, (0, FARTHEST))
        far = torch.arange(FARTHEST, device=x.device) >= _at(batch.room, batch.step)[..., None]
        far = far | batch.must[..., None]
        barred = torch.cat([keys < batch.least[..., None], far], dim=-1)
        return logits.float().masked_fill(barred, -torch.inf)

    def lengths(self, x: Tensor, key: Tensor, root: Tensor) -> Tensor:
        """Logits of the lengths of notes: x (..., hidden), key (...), root (...) -> (..., LENGTHS)."""
        logits: Tensor = self.length(F.gelu(x + self.key(key) + self.tone(key + 11 - root))).float()
        return logits

    def nats(self, batch: Batch) -> Tensor:
        """Cost of each item in nats, that of a note with its length; padding costs 0: (B, N, 2)."""
        x, _ = self(batch)
        chosen = self.choices(x, batch).log_softmax(-1).gather(-1, batch.choice.clamp(min=0)[..., None])[..., 0]
        key = batch.choice.clamp(0, KEYS - 1)
        lengths = self.lengths(x, key, _at(batch.root, batch.step)).log_softmax(-1)
        lasting = lengths.gather(-1, batch.length.clamp(min=0)[..., None])[..., 0]
        zero = torch.zeros_like(chosen)
        costs = [torch.where(batch.choice >= 0, -chosen, zero), torch.where(batch.length >= 0, -lasting, zero)]
        return torch.stack(costs, dim=-1)


def _at(values: Tensor, step: Tensor) -> Tensor:
    """The values (B, T, ...) at steps (B, N): (B, N, ...)."""
    rows = torch.arange(len(values), device=values.device)[:, None]
    return values[rows, step]
