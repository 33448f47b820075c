"""What every sequence model has: the likelihood of a sequence, and one step of sampling.

A sequence consists of tokens or of frames. A frame is a binary vector of keys that sound or not, each independent of
the others given the frames before (Boulanger-Lewandowski et al., 2012; Bai et al., 2018).
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.representations.base.grammar import PAD
from etude.representations.base.vocabulary import ItemSpec

RARELY = -3.0  # logit of a probability of 1 in 20: four of 88 keys


class SequenceModel(nn.Module):
    """A distribution over the next item, a token or a frame, given all items before it.

    A neural model defines ``forward``; the rest follows from it.
    """

    reads: ClassVar[tuple[str, ...]]  # kinds of representation
    takes: ClassVar[tuple[str, ...]] = ("item_spec",)
    can_continue: ClassVar[bool] = True  # a piece that is given
    can_harmonize: ClassVar[bool] = True  # draw some voices where others are given
    stride: int = 1  # items; training windows start at multiples of it, counted from the start of the piece

    def __init__(self, item_spec: ItemSpec) -> None:
        """Args: what the items are."""
        super().__init__()
        self.item_spec = item_spec

    @property
    def min_batch(self) -> int:
        """Rows to which sampling fills a batch up: ``step`` sums in another order for smaller ones."""
        return 16

    @property
    def sampler(self) -> str:
        """The file of sampling/ that draws from this model."""
        return "frames" if self.item_spec.keys else "tokens"

    def forward(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the items that follow, and the state to continue from.

        Args:
            items: (B, T) integers, or (B, T, keys) of 0 and 1.
            state: what an earlier call returned for the items before these; None at the start.

        Returns:
            logits (B, T, V) and the new state. V are tokens, of which one is next, or keys, each of which may sound.
            Position t sees items up to and including t.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(items, state).")

    def real(self, items: Tensor) -> Tensor:
        """Whether each item is no padding: (B, T) booleans."""
        return items[..., 0] >= 0 if self.item_spec.keys else items != PAD

    def nats(self, items: Tensor) -> Tensor:
        """Negative log-likelihood of each item after the first, in nats: (B, T) or (B, T, keys) -> (B, T - 1).

        Padding costs 0. The cost of a frame is the sum over its keys of -log p of sounding or not.
        """
        return self.loss(items, 0.0)

    def loss(self, items: Tensor, smoothing: float) -> Tensor:
        """``nats`` for training: the share ``smoothing`` of each target is spread evenly over all possible values.

        Source: Szegedy et al., 2016.
        """
        before, after = items[:, :-1], items[:, 1:]
        if self.item_spec.keys:
            logits, _ = self(before.clamp(min=0))
            wanted = after.clamp(min=0) * (1 - smoothing) + 0.5 * smoothing
            costs = F.binary_cross_entropy_with_logits(logits.float(), wanted, reduction="none").sum(-1)
        else:
            logits, _ = self(before)
            flat = logits.float().flatten(0, 1)  # classes last: three times as fast on a CPU
            costs = F.cross_entropy(flat, after.flatten(), reduction="none", label_smoothing=smoothing).view_as(after)
        return costs * self.real(after)

    @torch.no_grad()
    def predict(self, items: Tensor) -> Tensor:
        """The distribution of each item after the first, by which ``nats`` counts.

        (B, T) tokens -> probabilities (B, T - 1, V) that add up to 1; (B, T, keys) -> (B, T - 1, keys), of sounding.
        """
        if self.item_spec.keys:
            logits, _ = self(items[:, :-1].clamp(min=0))
            return torch.sigmoid(logits.float())
        logits, _ = self(items[:, :-1])
        return logits.float().softmax(dim=-1)

    def start(self, keys: Tensor, melody: Tensor) -> Any:
        """The state before the first item of pieces of which something is known.

        Args:
            keys: (B,) as ``grid.find_keys`` numbers them, 0 where the key is unknown.
            melody: the first voice's cells (B, frames), PAD where they are unknown; there may be no frames.

        Returns:
            a state for ``forward``; None of a model that takes no such hints.
        """
        return None

    def restart(self, state: Any, items: int) -> Any:
        """``start`` for pieces whose first ``items`` items are forgotten, a multiple of ``stride``."""
        return None

    @torch.no_grad()
    def step(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the next item after ``items`` (B,) or (B, keys), and the new state: (B, V)."""
        logits, state = self(items[:, None], state)
        return logits[:, -1], state


def build_embedding(item_spec: ItemSpec, width: int) -> "nn.Linear | nn.Embedding | ComposedEmbedding":
    """The layer that reads items: (B, T) or (B, T, keys) -> (B, T, width)."""
    if item_spec.parts:
        return ComposedEmbedding(item_spec, width)
    return nn.Linear(item_spec.size, width) if item_spec.keys else nn.Embedding(item_spec.size, width)


def build_lm_head(item_spec: ItemSpec, width: int) -> "nn.Linear | ComposedHead":
    """The layer that gives logits: (B, T, width) -> (B, T, V). Keys start almost silent, as they are in music."""
    if item_spec.parts:
        return ComposedHead(item_spec, width)
    head = nn.Linear(width, item_spec.size)
    if item_spec.keys:
        nn.init.constant_(head.bias, RARELY)
    return head


class ComposedEmbedding(nn.Module):
    """Embeddings of tokens that consist of parts: the sum of the parts' embeddings, and one of the token, 0 at first.

    So a note that is rare in train is known by its voice, pitch and length, each of which is frequent in train.
    """

    places: Tensor  # (V, parts), rows of the parts' table; tokens with fewer parts are filled up with the empty row

    def __init__(self, item_spec: ItemSpec, width: int) -> None:
        """Args: tokens with their parts, width."""
        super().__init__()
        self.empty = 1 + max(max(part) for part in item_spec.parts)
        longest = max(len(part) for part in item_spec.parts)
        places = torch.tensor([[*part, *[self.empty] * (longest - len(part))] for part in item_spec.parts])
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


class ComposedHead(ComposedEmbedding):
    """Logits of tokens that consist of parts, with weights composed in the same way: (..., width) -> (..., V)."""

    def __init__(self, item_spec: ItemSpec, width: int) -> None:
        """Args: tokens with their parts, width."""
        super().__init__(item_spec, width)
        nn.init.uniform_(self.of_parts, -(width**-0.5), width**-0.5)
        self.bias = nn.Parameter(torch.zeros(item_spec.size))

    def forward(self, items: Tensor) -> Tensor:
        """See the class."""
        return F.linear(items, self.weight, self.bias)


def layer_widths(hidden: int | list[int], layers: int) -> list[int]:
    """The width of each layer: one for all, or a list with one a layer. ValueError where their numbers differ."""
    if isinstance(hidden, int):
        return [hidden] * layers
    if len(hidden) != layers:
        raise ValueError(f"hidden = {hidden} names {len(hidden)} widths, but layers = {layers}.")
    return hidden


class Meter(nn.Module):
    """Position of an item as a vector to add: its phase in periods of 2, 4, 8 ... items since the sequence's start."""

    def __init__(self, periods: int, width: int) -> None:
        """Args: number of periods, width of the vectors."""
        super().__init__()
        self.periods = periods
        self.read = nn.Linear(2 * periods, width, bias=False)
        nn.init.zeros_(self.read.weight)  # random weights would drown the embeddings of the items

    def forward(self, start: int, length: int) -> Tensor:
        """The vectors of ``length`` items, the first at position ``start``: (length, width)."""
        place = torch.arange(start, start + length, device=self.read.weight.device)
        turns = place[:, None] / 2 ** torch.arange(1, self.periods + 1, device=place.device)  # (length, periods)
        phase = 2 * torch.pi * turns
        vectors: Tensor = self.read(torch.cat([phase.sin(), phase.cos()], dim=1))
        return vectors


class Dropout(nn.Module):
    """Dropout (Srivastava et al., 2014) that draws one byte a feature, several times as fast on a CPU.

    There the rate is rounded to a multiple of 1/256, and what is kept is scaled by the rounded rate.
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
        random_bytes = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None).view(torch.uint8)
        kept = (random_bytes[:count] >= self.left_out).view(features.shape).to(features.dtype)
        return features * (kept * (256 / (256 - self.left_out)))

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"rate={self.rate}"


def rotary(start: int, length: int, width: int, base: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines of the positions start ... start + length - 1: each (length, width).

    Source: Su et al., RoFormer, 2021. ``base`` is the base of the wavelengths, in positions.
    """
    speeds = base ** (-torch.arange(0, width, 2, device=device).float() / width)
    angles = torch.arange(start, start + length, device=device).float()[:, None] * speeds
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)


def rotate(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotate (..., width) by their positions, so that products depend on the distance of two positions alone.

    Feature i is paired with feature i + width / 2, in the precision of the vectors. Cosines and sines come from
    ``rotary``, shaped to broadcast.
    """
    cosines, sines = cosines.to(vectors.dtype), sines.to(vectors.dtype)
    return torch.addcmul(vectors * cosines, vectors.roll(vectors.shape[-1] // 2, dims=-1), sines)


Cell = type[nn.LSTM] | type[nn.GRU]


def build_recurrent(cell: Cell, read: int, hidden: list[int], dropout: float) -> nn.Module:
    """Recurrent layers with dropout between them, initialised to learn fast from the start.

    Recurrent weights start orthogonal (Saxe et al., 2014), and an LSTM's forget gates open (bias 1; Jozefowicz et al.,
    2015). Called like torch's own layers: items (B, T, read) and a state -> (B, T, width of the last), new state.

    Args:
        cell: nn.LSTM or nn.GRU.
        read: width of the first layer's input.
        hidden: width of each layer.
        dropout: rate.
    """
    if len(set(hidden)) == 1:
        return _equal_layers(cell, read, hidden[0], len(hidden), dropout)
    return RecurrentLayers(cell, read, hidden, dropout)


def run_recurrent(layers: nn.Module, items: Tensor, state: Any, dropout: float) -> tuple[Tensor, Any]:
    """Call recurrent layers; in training each call drops a random share of their recurrent weights.

    Source: the weight-dropped LSTM of Merity, Keskar and Socher, Regularizing and Optimizing LSTM Language Models,
    2018.
    """
    if not (dropout and layers.training):
        output: tuple[Tensor, Any] = layers(items, state)
        return output
    weights = {
        name: F.dropout(weight, dropout) if "weight_hh" in name else weight
        for name, weight in layers.named_parameters()
    }
    output = torch.func.functional_call(layers, weights, (items, state))
    return output


class RecurrentLayers(nn.Module):
    """Recurrent layers of different widths, with dropout between them; the state is a list, an entry a layer."""

    def __init__(self, cell: Cell, read: int, hidden: list[int], dropout: float) -> None:
        """See ``build_recurrent``."""
        super().__init__()
        reads = [read, *hidden[:-1]]
        self.layers = nn.ModuleList(_equal_layers(cell, *pair, 1, 0.0) for pair in zip(reads, hidden, strict=True))
        self.dropout = Dropout(dropout)

    def forward(self, items: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """See ``build_recurrent``."""
        states = []
        for place, layer in enumerate(self.layers):
            items, after = layer(self.dropout(items) if place else items, state[place] if state else None)
            states.append(after)
        return items, states


def _equal_layers(cell: Cell, read: int, width: int, layers: int, dropout: float) -> nn.LSTM | nn.GRU:
    recurrent = cell(read, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
    for name, weight in recurrent.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.data.split(width):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight.data)
        else:
            nn.init.zeros_(weight.data)
            if name.startswith("bias_ih") and cell is nn.LSTM:
                nn.init.ones_(weight.data[width : 2 * width])
    return recurrent
