"""What every model of sequences gives: the likelihood of a sequence, and one step of sampling.

A sequence is of tokens, or of frames: binary vectors of keys that sound or not, each independent of the others given
the frames before (Boulanger-Lewandowski et al., 2012; Bai et al., 2018).
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.core.errors import EtudeError
from etude.representations.base.grammar import PAD
from etude.representations.base.vocabulary import ItemSpec

RARELY = -3.0  # logit of a share of 1 in 20: four of 88 keys


class SequenceModel(nn.Module):
    """A distribution over the next item, a token or a frame, given all items before it.

    A neural variant writes ``forward``; the rest follows from it.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)
    takes: ClassVar[tuple[str, ...]] = ("alphabet",)
    stride: int = 1  # items; windows of training begin so many, or a multiple of it, after the begin of the piece

    def __init__(self, item_spec: ItemSpec) -> None:
        """Args: what the items are."""
        super().__init__()
        self.item_spec = item_spec

    @property
    def rows(self) -> int:
        """To how many rows sampling fills a batch up: ``step`` sums those of smaller ones in another order."""
        return 16

    @property
    def sampler(self) -> str:
        """The file of sampling/."""
        return "frames" if self.item_spec.keys else "tokens"

    def forward(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the items that follow, and the state to go on from.

        Args:
            items: (B, T) integers, or (B, T, keys) of 0 and 1.
            state: what an earlier call returned for the items before these; None at the begin.

        Returns:
            logits (B, T, V) of tokens, of which one is next, or of keys, each of which may sound. Position t sees items
            up to and including t. And the new state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(items, state).")

    def real(self, items: Tensor) -> Tensor:
        """Which items are no padding: (B, T) booleans."""
        return items[..., 0] >= 0 if self.item_spec.keys else items != PAD

    def nats(self, items: Tensor) -> Tensor:
        """Cost of each item after the first, in nats: (B, T) or (B, T, keys) -> (B, T - 1); padding costs 0.

        The cost of a frame is the sum over its keys of -log p of sounding or not.
        """
        return self.loss(items, 0.0)

    def loss(self, items: Tensor, smoothing: float) -> Tensor:
        """``nats``, for training: the share ``smoothing`` of each target is spread evenly over what is possible.

        Source: Szegedy et al., 2016.
        """
        before, after = items[:, :-1], items[:, 1:]
        if self.item_spec.keys:
            logits, _ = self(before.clamp(min=0))
            wanted = after.clamp(min=0) * (1 - smoothing) + 0.5 * smoothing
            costs = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none").sum(-1)
        else:
            logits, _ = self(before)
            logits = logits.float().transpose(1, 2)
            costs = F.cross_entropy(logits, after, reduction="none", label_smoothing=smoothing)
        return costs * self.real(after)

    @torch.no_grad()
    def step(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the next item after ``items`` (B,) or (B, keys), and the new state: (B, V)."""
        logits, state = self(items[:, None], state)
        return logits[:, -1], state


def embedding(item_spec: ItemSpec, width: int) -> "nn.Linear | nn.Embedding | Composed":
    """The layer that reads items: (B, T) or (B, T, keys) -> (B, T, width)."""
    if item_spec.parts:
        return Composed(item_spec, width)
    return nn.Linear(item_spec.size, width) if item_spec.keys else nn.Embedding(item_spec.size, width)


def reading_out(item_spec: ItemSpec, width: int) -> "nn.Linear | ReadOut":
    """The layer that gives logits: (B, T, width) -> (B, T, V). Keys begin almost silent, as they are in music."""
    if item_spec.parts:
        return ReadOut(item_spec, width)
    made = nn.Linear(width, item_spec.size)
    if item_spec.keys:
        nn.init.constant_(made.bias, RARELY)
    return made


class Composed(nn.Module):
    """Embeddings of tokens that are made of others: the sum of those of its parts, and one of its own, 0 at first.

    So a note that train seldom has is told by its voice, its pitch and its length, each of which train often has.
    """

    places: Tensor  # (V, parts) in the table of the parts; what a token has less than others is the empty row

    def __init__(self, item_spec: ItemSpec, width: int) -> None:
        """Args: tokens with their parts, width."""
        super().__init__()
        self.empty = 1 + max(max(part) for part in item_spec.parts)
        most = max(len(part) for part in item_spec.parts)
        places = torch.tensor([[*part, *[self.empty] * (most - len(part))] for part in item_spec.parts])
        self.register_buffer("places", places, persistent=False)
        self.of_parts = nn.Parameter(torch.randn(self.empty + 1, width))
        self.own = nn.Parameter(torch.zeros(item_spec.size, width))

    @property
    def weight(self) -> Tensor:
        """The embeddings of all tokens: (V, width)."""
        return self.own + F.embedding_bag(self.places, self.of_parts, mode="sum", padding_idx=self.empty)

    def forward(self, items: Tensor) -> Tensor:
        """(...) integers -> (..., width)."""
        return F.embedding(items, self.weight)


class ReadOut(Composed):
    """Logits of tokens that are made of others, by weights that are made as theirs are: (..., width) -> (..., V)."""

    def __init__(self, item_spec: ItemSpec, width: int) -> None:
        """Args: tokens with their parts, width."""
        super().__init__(item_spec, width)
        nn.init.uniform_(self.of_parts, -(width**-0.5), width**-0.5)
        self.bias = nn.Parameter(torch.zeros(item_spec.size))

    def forward(self, items: Tensor) -> Tensor:
        """See the class."""
        return F.linear(items, self.weight, self.bias)


def widths(hidden: int | list[int], layers: int, where: str) -> list[int]:
    """The width of each layer: one for all, or a list with one a layer."""
    if isinstance(hidden, int):
        return [hidden] * layers
    if len(hidden) != layers:
        raise EtudeError(f"{where}.hidden = {hidden} names {len(hidden)} widths, but {where}.layers = {layers}.")
    return hidden


class Meter(nn.Module):
    """Where an item stands, as a vector to add: its phase in periods of 2, 4, 8 ... items from the sequence's begin."""

    def __init__(self, periods: int, width: int) -> None:
        """Args: number of periods, width of the vectors."""
        super().__init__()
        self.periods = periods
        self.read = nn.Linear(2 * periods, width, bias=False)
        nn.init.zeros_(self.read.weight)  # drawn at random it would drown what is read of the items

    def forward(self, start: int, length: int) -> Tensor:
        """The vectors of ``length`` items from the place ``start`` on: (length, width)."""
        place = torch.arange(start, start + length, device=self.read.weight.device)
        turns = place[:, None] / 2 ** torch.arange(1, self.periods + 1, device=place.device)  # (length, periods)
        phase = 2 * torch.pi * turns
        found: Tensor = self.read(torch.cat([phase.sin(), phase.cos()], dim=1))
        return found


class Dropout(nn.Module):
    """Dropout (Srivastava et al., 2014) that draws a byte a feature, which on a processor is several times as fast.

    There the rate is one of 0, 1/256 ... 255/256: the next to that asked for. What is kept is scaled by what that is.
    """

    def __init__(self, rate: float) -> None:
        """Args: share of the features that training leaves out, in [0, 1)."""
        super().__init__()
        self.rate = rate
        self.left_out = min(round(256 * rate), 255)  # of 256

    def forward(self, features: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not (self.training and self.rate):
            return features
        if features.device.type != "cpu":
            return F.dropout(features, self.rate)
        count = features.numel()
        sample_pieces = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
        kept = (sample_pieces[:count] >= self.left_out).view(features.shape).to(features.dtype)
        return features * (kept * (256 / (256 - self.left_out)))

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"rate={self.rate}"


def rotary(start: int, length: int, width: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines of the positions begin ... begin + length - 1: each (length, width).

    Source: Su et al., RoFormer, 2021; ``base`` is that of the wavelengths, in positions.
    """
    speeds = base ** (-torch.arange(0, width, 2, device=device).float() / width)
    angles = torch.arange(start, start + length, device=device).float()[:, None] * speeds
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)


def rotated(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn (..., width) by their positions, so that products depend on the distance of two positions alone.

    Feature i is turned with feature i + width / 2, in the precision of the vectors. Cosines and sines, as ``rotary``
    gives them, are shaped to broadcast.
    """
    cosines, sines = cosines.to(vectors.dtype), sines.to(vectors.dtype)
    return torch.addcmul(vectors * cosines, vectors.roll(vectors.shape[-1] // 2, dims=-1), sines)


Cells = type[nn.LSTM] | type[nn.GRU]


def stacked(cells: Cells, read: int, hidden: list[int], dropout: float) -> nn.Module:
    """Recurrent layers of ``cells``, dropout between them, set up to learn fast from the start.

    Recurrent weights begin orthogonal (Saxe et al., 2014), and an LSTM's forget gates open (bias 1; Jozefowicz et al.,
    2015). Called as torch's own layers are: items (B, T, read) and a state -> (B, T, width of the last), new state.

    Args:
        cells: nn.LSTM or nn.GRU.
        read: width of what the first layer reads.
        hidden: width of each layer.
        dropout: rate.
    """
    if len(set(hidden)) == 1:
        return _equal(cells, read, hidden[0], len(hidden), dropout)
    return Layers(cells, read, hidden, dropout)


def recur(layers: nn.Module, items: Tensor, state: Any, dropout: float) -> tuple[Tensor, Any]:
    """Call recurrent layers; in training without a share of their recurrent weights, drawn for each call.

    Source: the weight-dropped LSTM of Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models,
    2018.
    """
    if not (dropout and layers.training):
        found: tuple[Tensor, Any] = layers(items, state)
        return found
    weights = {
        name: F.dropout(weight, dropout) if "weight_hh" in name else weight
        for name, weight in layers.named_parameters()
    }
    found = torch.func.functional_call(layers, weights, (items, state))
    return found


class Layers(nn.Module):
    """Recurrent layers of different widths, with dropout between them; the state is a list, an entry a layer."""

    def __init__(self, cells: Cells, read: int, hidden: list[int], dropout: float) -> None:
        """See ``stacked``."""
        super().__init__()
        reads = [read, *hidden[:-1]]
        self.layers = nn.ModuleList(_equal(cells, *pair, 1, 0.0) for pair in zip(reads, hidden, strict=True))
        self.dropout = Dropout(dropout)

    def forward(self, items: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """See ``stacked``."""
        found = []
        for place, layer in enumerate(self.layers):
            items, after = layer(self.dropout(items) if place else items, state[place] if state else None)
            found.append(after)
        return items, found


def _equal(cells: Cells, read: int, width: int, layers: int, dropout: float) -> nn.LSTM | nn.GRU:
    made = cells(read, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
    for name, weight in made.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.data.split(width):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight.data)
        else:
            nn.init.zeros_(weight.data)
            if name.startswith("bias_ih") and cells is nn.LSTM:
                nn.init.ones_(weight.data[width : 2 * width])
    return made
