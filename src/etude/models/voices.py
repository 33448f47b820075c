"""Voices: a transformer over the frames of a voice grid that predicts each next frame voice by voice.

After Liang et al., BachBot, 2017, and Huang et al., Music Transformer, 2019: four voices, a sixteenth at a time, each
cell given all cells before it. Two things differ. Attention runs over frames in place of cells, so that the sequence is
shorter by the number of voices. And a cell's network reads features of the past (see ``voice_features``).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.sequence import Dropout, SequenceModel, rotary, rotate
from etude.models.voice_features import INTERVALS, Hints, Inputs, VoiceFeatures, encode_interval, make_hints
from etude.representations.base.grammar import PAD
from etude.representations.base.grid import FIRST, find_keys
from etude.representations.base.vocabulary import ItemSpec

BASE = 1000.0  # base of the wavelengths of the positions, in frames
KeyValue = tuple[Tensor, Tensor]


class Cache(NamedTuple):
    """What a member keeps between calls: the context of the last frame, keys and values of each block."""

    context: Tensor  # (B, 1, hidden)
    blocks: list[KeyValue]


class State(NamedTuple):
    """What is kept between calls."""

    tokens: Tensor  # all so far, (B, S)
    hints: Hints
    members: list[Cache]  # empty before the first token


@dataclass(frozen=True)
class Sizes:
    """Sizes and rates of a network; see Voices."""

    hidden: int
    layers: int
    cell_layers: int
    heads: int
    attention_window: int
    dropout: float
    feature_dropout: float


class FeatureEmbedding(nn.Module):
    """The sum of one embedding for each of several features."""

    starts: Tensor

    def __init__(self, sizes: Mapping[str, int], hidden: int, feature_dropout: float) -> None:
        """Args: number of values of each feature, width, share of the features that training leaves out."""
        super().__init__()
        self.names, self.feature_dropout = list(sizes), feature_dropout
        ends = torch.tensor(list(sizes.values())).cumsum(0)
        self.register_buffer("starts", F.pad(ends[:-1], (1, 0)), persistent=False)
        self.table = nn.EmbeddingBag(int(ends[-1]), hidden, mode="sum")
        nn.init.normal_(self.table.weight, std=0.6 / math.sqrt(len(sizes)))

    def forward(self, values: Mapping[str, Tensor]) -> Tensor:
        """Each (...) integers -> (..., hidden)."""
        places = torch.stack([values[name] for name in self.names], dim=-1) + self.starts
        weights = None
        if self.training and self.feature_dropout:
            uniforms = torch.rand(places.flatten(0, -2).shape, device=places.device)
            weights = (uniforms >= self.feature_dropout) / (1 - self.feature_dropout)
        summed: Tensor = self.table(places.flatten(0, -2), per_sample_weights=weights)
        return summed.view(*places.shape[:-1], -1)


class FeedForward(nn.Module):
    """A feed-forward network, added to its input."""

    def __init__(self, hidden: int, dropout: float) -> None:
        """Args: width, dropout rate for what is added."""
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.up_proj = nn.Linear(hidden, 4 * hidden)
        self.down_proj = nn.Linear(4 * hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., hidden) -> (..., hidden)."""
        output: Tensor = x + self.dropout(self.down_proj(F.gelu(self.up_proj(self.norm(x)))))
        return output


class Block(nn.Module):
    """Attention of each frame to the last ``attention_window`` frames, itself included, and a feed-forward network."""

    def __init__(self, hidden: int, heads: int, attention_window: int, dropout: float) -> None:
        """Args: width, attention heads, frames that are seen, dropout rate for what is added."""
        super().__init__()
        self.heads, self.attention_window = heads, attention_window
        self.norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.out_proj = nn.Linear(hidden, hidden)
        self.dropout = Dropout(dropout)
        self.feed_forward = FeedForward(hidden, dropout)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], cache: KeyValue | None) -> tuple[Tensor, KeyValue]:
        """One round.

        Args:
            x: (B, N, hidden), the last N frames.
            rotation: cosines and sines of all positions.
            cache: keys and values of the last ``attention_window`` frames before, each (B, heads, frames, hidden /
                heads).

        Returns:
            the same shape, and the new cache.
        """
        split = self.query_key_value(self.norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, N, hidden / heads)
        newest = [part[-query.shape[2] :] for part in rotation]
        query, key = rotate(query, *newest), rotate(key, *newest)
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        N, M = query.shape[2], key.shape[2]
        mask = None if N == M <= self.attention_window else self._mask(N, M, x.device)
        context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        x = self.feed_forward(x + self.dropout(self.out_proj(context.transpose(1, 2).flatten(-2))))
        return x, (key[:, :, -self.attention_window :], value[:, :, -self.attention_window :])

    def _mask(self, new: int, frames: int, device: torch.device) -> Tensor:
        """Which of ``frames`` frames the ``new`` last ones see: (new, frames)."""
        age = torch.arange(frames - new, frames, device=device)[:, None] - torch.arange(frames, device=device)
        return (age >= 0) & (age < self.attention_window)


class Member(nn.Module):
    """One network: blocks over frames, and feed-forward networks for each cell of the next frame."""

    intervals: Tensor  # (V, V) from one token to another

    def __init__(self, features: VoiceFeatures, sizes: Sizes) -> None:
        """Args: what it reads, sizes and rates."""
        super().__init__()
        hidden, dropout = sizes.hidden, sizes.dropout
        # blocks and layers first: the order of creation decides which weights a seed gives
        blocks = [Block(hidden, sizes.heads, sizes.attention_window, dropout) for _ in range(sizes.layers)]
        layers = [FeedForward(hidden, dropout) for _ in range(sizes.cell_layers)]
        self.frames = FeatureEmbedding(features.frame_sizes(), hidden, sizes.feature_dropout)
        self.hints = FeatureEmbedding(features.hint_sizes(), hidden, sizes.feature_dropout)
        self.cells = FeatureEmbedding(features.cell_sizes(), hidden, sizes.feature_dropout)
        self.blocks, self.layers = nn.ModuleList(blocks), nn.ModuleList(layers)
        self.context_norm = nn.LayerNorm(hidden)
        self.context = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)
        self.absolute = nn.Linear(hidden, features.vocabulary)
        self.relative = nn.Linear(hidden, features.references * (INTERVALS - 1))
        tokens = torch.arange(features.vocabulary)
        self.register_buffer("intervals", encode_interval(tokens[None], tokens[:, None]), persistent=False)
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise as GPT-2 does (Radford et al., 2019): what is added to the residual stream is small at first."""
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        if isinstance(module, Block | FeedForward):
            last = module.out_proj if isinstance(module, Block) else module.down_proj
            nn.init.normal_(last.weight, std=0.02 / (2 * len(self.blocks) + len(self.layers)) ** 0.5)

    def forward(self, inputs: Inputs, rotation: tuple[Tensor, Tensor], cache: Cache | None) -> tuple[Tensor, Cache]:
        """Logits (B, N, voices, V) of the cells of ``inputs``, and the new cache."""
        key_values: list[KeyValue | None] = [*cache.blocks] if cache else [None] * len(self.blocks)
        contexts = [cache.context] if cache else []
        if next(iter(inputs.frames.values())).shape[1]:
            x = self.dropout(self.frames(inputs.frames))  # (B, M, hidden)
            for place, block in enumerate(self.blocks):
                x, key_values[place] = block(x, rotation, key_values[place])
            contexts.append(self.context(self.context_norm(x)))
        context = torch.cat(contexts, dim=1)
        N = inputs.references.shape[1]
        of_frame = context[:, -N:] + self.dropout(self.hints(inputs.hints))
        x = self.dropout(self.cells(inputs.cells)) + of_frame[:, :, None]  # (B, N, voices, hidden)
        for layer in self.layers:
            x = layer(x)
        x = self.dropout(self.norm(x))
        logits = self.absolute(x).float() + self._rate_intervals(x, inputs.references)
        return logits, Cache(context[:, -1:], [pair for pair in key_values if pair is not None])

    def _rate_intervals(self, x: Tensor, references: Tensor) -> Tensor:
        """Sum over each token's intervals to the references; no pitch gets 0: (B, N, voices, V)."""
        rated = self.relative(x).float().unflatten(-1, (references.shape[-1], INTERVALS - 1))
        places = self.intervals[references]  # (B, N, voices, references, V)
        return F.pad(rated, (1, 0)).gather(-1, places).sum(dim=-2)


class Voices(SequenceModel):
    """Attention over frames, then a network for each cell of the next frame, which sees the voices above it.

    Several independent networks (``members``) predict together: the probability of a token is the mean of theirs
    (Lakshminarayanan et al., 2017). With a few hundred pieces a network soon overfits and is overconfident on others:
    ``temperature`` corrects that (Guo et al., 2017).

    The features of a cell come from the tokens before it: its voice; what each voice sounds, for how long, and whether
    it has just started; the intervals between all voices; the previous pitches of its own voice; all pitches relative
    to the first one of the lowest voice; repeat matches; the place in a bar of four and of three beats. A pitch is
    rated as itself and by its intervals to those pitches, so that much of what is learned in one key holds in all.

    Pieces may have hints: the key, or the first voice, the melody, and the key that fits it best. Training gives them
    for a share of its rows, so that the model writes with them and without. A likelihood has none.

    Tokens start with the start of a piece, or are a window of a piece, whose first token is then the last of a frame
    before a bar of four and of three beats (``stride``).
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)
    takes: ClassVar[tuple[str, ...]] = ("item_spec", "frame", "steps")
    gains_by_bf16: ClassVar[bool] = True

    def __init__(
        self,
        item_spec: ItemSpec,
        frame: int,
        steps: int,
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        cell_layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        attention_window: Count,
        previous_pitches: Annotated[int, Range(1, 16)],
        members: Annotated[int, Range(1, 64)],
        dropout: Annotated[float, Range(0, 0.95)],
        feature_dropout: Annotated[float, Range(0, 0.95)],
        temperature: Annotated[float, Range(0.1, 10)],
        transpose: Annotated[int, Range(0, 24)],
        hinted: Annotated[float, Range(0, 1)],
    ) -> None:
        """Make the networks.

        Args:
            item_spec: the tokens of the voice grid.
            frame: cells of a frame, one a voice.
            steps: of the grid, a beat.
            hidden: width.
            layers: blocks over frames.
            cell_layers: feed-forward networks for a cell.
            heads: of attention.
            attention_window: frames that a block sees, the newest one included.
            previous_pitches: pitches of its own voice that a cell sees, besides the sounding one.
            members: networks, each of which learns from its own rows of a batch.
            dropout: rate.
            feature_dropout: share of the features that training leaves out at every place.
            temperature: by which a trained member's logits are divided.
            transpose: semitones up or down by which training moves each of its rows at most.
            hinted: share of the rows of training that have hints, half of them the melody.
        """
        super().__init__(item_spec)
        if hidden % (2 * heads):
            raise ValueError(f"hidden = {hidden} must be a multiple of twice heads = {heads}.")
        self.frame, self.width = frame, hidden // heads
        self.temperature, self.transpose, self.hinted = temperature, transpose, hinted
        self.features = VoiceFeatures(item_spec.size, voices=frame, beat=steps, previous_pitches=previous_pitches)
        self.stride = self.features.stride
        sizes = Sizes(hidden, layers, cell_layers, heads, attention_window, dropout, feature_dropout)
        self.members = nn.ModuleList(Member(self.features, sizes) for _ in range(members))

    def loss(self, items: Tensor, smoothing: float) -> Tensor:
        """See SequenceModel. Training transposes each row by a random interval."""
        if self.training and self.transpose:
            items = self.move_pitches(items, torch.randint(-self.transpose, self.transpose + 1, (len(items), 1)))
        return super().loss(items, smoothing)

    def move_pitches(self, items: Tensor, semitones: Tensor) -> Tensor:
        """Move the pitches of tokens (B, T) by semitones (B, 1), as far as none leaves the vocabulary."""
        pitches = items >= FIRST
        low = FIRST - torch.where(pitches, items, self.item_spec.size).amin(1, keepdim=True)
        high = self.item_spec.size - 1 - torch.where(pitches, items, FIRST).amax(1, keepdim=True)
        return torch.where(pitches, items + semitones.to(items.device).clamp(low, high), items)

    def start(self, keys: Tensor, melody: Tensor) -> State:
        """See SequenceModel."""
        return State(keys.new_zeros(len(keys), 0), make_hints(keys, melody), [])

    def restart(self, state: State, items: int) -> State:
        """See SequenceModel."""
        return State(state.tokens[:, :0], state.hints.from_frame(items // self.frame), [])

    def _hints(self, items: Tensor) -> Hints:
        """Hints of rows (B, T): in training for some at random, else none."""
        cells = F.pad(items[:, 1:], (0, (1 - items.shape[1]) % self.frame), value=PAD).unflatten(1, (-1, self.frame))
        uniforms = torch.rand(len(items))
        cells = torch.where((uniforms < self.hinted)[:, None, None].to(items.device), cells, PAD)
        of_melody = (uniforms < self.hinted / 2).to(items.device)
        melody = torch.where(of_melody[:, None], cells[..., 0], PAD)
        given = torch.cat([cells[..., :1], torch.where(of_melody[:, None, None], PAD, cells[..., 1:])], dim=-1)
        keys = torch.from_numpy(find_keys(given.cpu().numpy())).to(items.device)
        return make_hints(keys, melody)

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel. In training the members take turns: each row is predicted by one of them."""
        if state is None:
            unknown = items.new_zeros(len(items), 0)
            hints = self._hints(items) if self.training and self.hinted else make_hints(items[:, 0] * 0, unknown)
            state = State(unknown, hints, [])
        T, U = items.shape[1], self.frame
        tokens = torch.cat([state.tokens, items], dim=1)  # (B, S); token i predicts cell i
        S = tokens.shape[1]
        frames = 1 + (S - 1) // U  # frames with a predicted cell
        done = 1 + (S - T - 1) // U  # frames whose contexts are cached
        first = (S - T) // U  # frame of the first requested cell
        inputs = self.features.compute(tokens, state.hints, frames, first_frame=done, first_cells=first)
        rotation = rotary(0, frames, self.width, BASE, tokens.device)
        requested = slice(S - T - first * U, S - first * U)
        if self.training:
            logits = torch.zeros(len(tokens), T, self.item_spec.size, device=tokens.device)
            for place, member in enumerate(self.members[: len(tokens)]):
                rows = slice(place, None, len(self.members))
                predicted, _ = member(inputs.select(rows), rotation, None)
                logits[rows] = predicted.flatten(1, 2)[:, requested]  # (rows, T, V)
            return logits, State(tokens, state.hints, [])
        log_probabilities, caches = [], []
        for place, member in enumerate(self.members):
            predicted, cache = member(inputs, rotation, state.members[place] if state.members else None)
            scaled = predicted.flatten(1, 2)[:, requested] / self.temperature
            log_probabilities.append(scaled.log_softmax(dim=-1))  # (B, T, V)
            caches.append(cache)
        mean = torch.stack(log_probabilities).logsumexp(dim=0) - math.log(len(caches))
        return mean, State(tokens, state.hints, caches)
