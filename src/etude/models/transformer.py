"""Transformer: a decoder with rotary positions over tokens or frames (Vaswani et al., 2017; Su et al., RoFormer, 2021).

Layers normalise first (pre-norm: Xiong et al., 2020), and square what passes the ReLU (Primer: So et al., 2021), which
learns as well as GELU and is faster. The output weights are the embedding (Press and Wolf, 2017).
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.sequence import ComposedEmbedding, Dropout, SequenceModel, build_embedding, rotary, rotate
from etude.representations.base.vocabulary import ItemSpec

Cache = tuple[Tensor, Tensor]
State = tuple[int, list[Cache]]
BASE = 10000.0  # base of the wavelengths of the positions, in items
CHUNK = 256  # positions whose rotations are cached together
MANY = 64  # rows of the product that products with fewer rows are compared with
ENOUGH = 16  # rows: sums are the same from this number on, or from fewer


class Block(nn.Module):
    """Attention to the last ``attention_window`` positions, then a feed-forward network, each added to its input."""

    def __init__(self, hidden: int, heads: int, attention_window: int, dropout: float) -> None:
        """Args: width, attention heads, positions that are seen, dropout rate for what is added."""
        super().__init__()
        self.heads, self.attention_window = heads, attention_window
        self.attention_norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden, bias=False)
        self.out_proj = nn.Linear(hidden, hidden, bias=False)
        self.forward_norm = nn.LayerNorm(hidden)
        self.up_proj = nn.Linear(hidden, 4 * hidden)
        self.down_proj = nn.Linear(4 * hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], cache: Cache | None) -> tuple[Tensor, Cache]:
        """One round.

        Args:
            x: (B, T, hidden), the last T positions.
            rotation: cosines and sines of these positions.
            cache: keys and values of the positions before, each (B, heads, positions, hidden / heads).

        Returns:
            the same shape, and the new cache.
        """
        B, T, hidden = x.shape
        split = self.query_key_value(self.attention_norm(x)).view(B, T, 3, self.heads, -1)
        query_key = rotate(split[:, :, :2], *(part[:, None, None] for part in rotation))
        query, key = query_key.permute(2, 0, 3, 1, 4)  # each (B, heads, T, hidden / heads)
        value = split[:, :, 2].transpose(1, 2)
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        S = key.shape[2]
        if cache is None and self.attention_window >= T:
            context = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            age = torch.arange(S - T, S, device=x.device)[:, None] - torch.arange(S, device=x.device)  # (T, S)
            seen = (age >= 0) & (age < self.attention_window)
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.dropout(self.out_proj(context.transpose(1, 2).reshape(B, T, hidden)))
        x = x + self.dropout(self.down_proj(F.relu(self.up_proj(self.forward_norm(x))).square()))
        keep = min(S, self.attention_window - 1)
        return x, (key[:, :, S - keep :], value[:, :, S - keep :])


class Stepper:
    """A block that is called for one position at a time, without gradients.

    Weights are transposed: their products sum in the same order from fewer rows on. Features of queries and keys that
    rotate together stand side by side, as complex numbers.
    """

    def __init__(self, block: Block) -> None:
        """Copy the weights of ``block``."""
        self.heads, self.hidden = block.heads, block.out_proj.weight.shape[0]
        projected = block.query_key_value.weight.detach()
        pairs = projected[: 2 * self.hidden].view(2 * self.heads, 2, -1, self.hidden).transpose(1, 2)
        joined = torch.cat([pairs.reshape(2 * self.hidden, self.hidden), projected[2 * self.hidden :]])
        self.query_key_value, self.out_proj = _transposed(joined), _transposed(block.out_proj.weight)
        self.up_proj, self.down_proj = _transposed(block.up_proj.weight), _transposed(block.down_proj.weight)
        self.up_bias, self.down_bias = block.up_proj.bias, block.down_proj.bias
        self.attention_norm = ((self.hidden,), block.attention_norm.weight, block.attention_norm.bias)
        self.forward_norm = ((self.hidden,), block.forward_norm.weight, block.forward_norm.bias)

    def __call__(self, x: Tensor, rotation: Tensor, past: Tensor, start: int, end: int) -> None:
        """Add to (B, hidden), in place, what ``Block.forward`` adds.

        Keys and values of the position are written to place ``end - 1`` of ``past``. Those from place ``start`` on are
        seen: (B, 2, heads, places, hidden / heads).
        """
        pairs = (torch.layer_norm(x, *self.attention_norm) @ self.query_key_value).view(len(past), 3, self.heads, -1, 2)
        split = torch.view_as_real(torch.view_as_complex(pairs) * rotation).flatten(3)  # (B, 3, heads, hidden / heads)
        past.select(3, end - 1).copy_(split.narrow(1, 1, 2))
        key, value = past.narrow(3, start, end - start).unbind(1)
        context = F.scaled_dot_product_attention(split.select(1, 0).unsqueeze(2), key, value)
        x.addmm_(context.view(-1, self.hidden), self.out_proj)
        wide = torch.addmm(self.up_bias, torch.layer_norm(x, *self.forward_norm), self.up_proj).relu_().square_()
        x.add_(self.down_bias).addmm_(wide, self.down_proj)


@dataclass
class KeyValues:
    """Keys and values of the items so far, one tensor a block, filled place by place."""

    blocks: list[Tensor]  # (B, 2, heads, places, width) each
    filled: int  # places


@dataclass(frozen=True)
class StepState:
    """The state of pieces that are written item by item."""

    count: int  # items so far
    past: KeyValues
    end: int  # number of places that hold items of these pieces
    blocks: list[Stepper]
    frame_embedding: tuple[Tensor, Tensor] | None  # bias and transposed weight, for frames
    lm_head: Tensor  # transposed weight


class Transformer(SequenceModel):
    """Embedding, blocks of attention and feed-forward networks, and the embedding again as output weights."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")
    gains_by_bf16: ClassVar[bool] = True

    def __init__(
        self,
        item_spec: ItemSpec,
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        attention_window: Annotated[int, Range(2)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: what is read, width, number of blocks, heads, positions that a block sees, dropout rate."""
        super().__init__(item_spec)
        if hidden % (2 * heads):
            raise ValueError(f"hidden = {hidden} must be a multiple of twice heads = {heads}.")
        self.width, self.attention_window = hidden // heads, attention_window
        self.embed = build_embedding(item_spec, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, attention_window, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)
        self.lm_head = nn.Linear(hidden, item_spec.size) if item_spec.keys else None  # tokens: the embedding
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        """Initialise as GPT-2 does (Radford et al., 2019): what is added to the residual stream is small at first."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, ComposedEmbedding):
            nn.init.normal_(module.of_parts, std=0.02)
        if isinstance(module, Block):
            for last in (module.out_proj, module.down_proj):
                nn.init.normal_(last.weight, std=0.02 / (2 * len(self.blocks)) ** 0.5)

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state is the number of items so far and the keys and values of each block."""
        start, caches = state if state else (0, [None] * len(self.blocks))
        T = items.shape[1]
        rotation = rotary(start, T, self.width, BASE, items.device)
        x = self.dropout(self.embed(items))  # (B, T, hidden)
        new_caches = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(x, rotation, cache)
            new_caches.append(cache)
        x = self.norm(x)
        if self.lm_head is not None:
            return self.lm_head(x), (start + T, new_caches)
        return F.linear(x, self.embed.weight), (start + T, new_caches)  # (B, T, V)

    @property
    def min_batch(self) -> int:
        """See SequenceModel."""
        hidden = self.norm.weight.shape[0]
        shapes = ((hidden, hidden), (hidden, 3 * hidden), (hidden, 4 * hidden), (4 * hidden, hidden))
        return smallest_exact_batch((*shapes, (hidden, self.item_spec.size)), torch.get_num_threads())

    @torch.inference_mode()
    def step(self, items: Tensor, state: StepState | None = None) -> tuple[Tensor, StepState]:
        """See SequenceModel; logits of a piece are bit-identical in every batch of ``min_batch`` rows or more.

        The state differs from that of ``forward``. Its keys and values are written in place: an item attends to
        ``attention_window`` of them, however long the piece is.
        """
        state = state or self._empty_state(len(items))
        past, end = state.past, state.end
        if end == past.blocks[0].shape[3] or past.filled != end:  # full, or another piece continues from here
            past, end = self._copy_visible(past, end)
        start, end = max(0, end + 1 - self.attention_window), end + 1
        rotation = _rotations(state.count // CHUNK, self.width, items.device)[state.count % CHUNK]
        frames = state.frame_embedding
        x = self.embed(items) if frames is None else torch.addmm(frames[0], items, frames[1])
        for block, own in zip(state.blocks, past.blocks, strict=True):
            block(x, rotation, own, start, end)
        past.filled = end
        x = F.layer_norm(x, x.shape[1:], self.norm.weight, self.norm.bias)
        logits = x @ state.lm_head
        if self.lm_head is not None:
            logits = logits + self.lm_head.bias
        return logits, replace(state, count=state.count + 1, past=past, end=end)

    def _empty_state(self, rows: int) -> StepState:
        """The state of ``rows`` pieces without items."""
        steppers = [Stepper(block) for block in self.blocks if isinstance(block, Block)]
        like, places = self.norm.weight, 2 * self.attention_window
        past = [like.new_zeros(rows, 2, block.heads, places, self.width) for block in steppers]
        embed = self.embed
        frames = (embed.bias, _transposed(embed.weight)) if isinstance(embed, nn.Linear) else None
        weight = (self.lm_head or embed).weight
        return StepState(0, KeyValues(past, 0), 0, steppers, frames, _transposed(weight))

    def _copy_visible(self, past: KeyValues, end: int) -> tuple[KeyValues, int]:
        """New tensors that start with what can still be seen, and the number of places it takes."""
        kept = min(end, self.attention_window - 1)
        blocks = [torch.zeros_like(block) for block in past.blocks]
        for new, old in zip(blocks, past.blocks, strict=True):
            new[:, :, :, :kept] = old[:, :, :, end - kept : end]
        return KeyValues(blocks, kept), kept


@lru_cache(maxsize=64)
def smallest_exact_batch(shapes: tuple[tuple[int, int], ...], threads: int) -> int:
    """The fewest rows with which products with matrices of ``shapes`` equal those with MANY rows, to the bit.

    Products with few rows run another routine: with one row on one CPU, with up to three on another. The number is
    measured on this CPU with ``threads`` threads.
    """
    rng = torch.Generator().manual_seed(threads)
    pairs = [(torch.randn(MANY, shape[0], generator=rng), torch.randn(shape, generator=rng)) for shape in shapes]
    for rows in range(ENOUGH - 1, 0, -1):
        if not all(torch.equal(left[:rows] @ right, (left @ right)[:rows]) for left, right in pairs):
            return rows + 1
    return 1


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().t().contiguous()


@lru_cache(maxsize=4)
def _rotations(chunk: int, width: int, device: torch.device) -> Tensor:
    """CHUNK rotations of queries, keys and values (values do not rotate): (CHUNK, 3, 1, width / 2), complex."""
    cosines, sines = rotary(chunk * CHUNK, CHUNK, width, BASE, device)
    rotation = torch.complex(cosines, sines)[:, None, width // 2 :]  # the second half has the sines without a minus
    return torch.stack([rotation, rotation, torch.ones_like(rotation)], dim=1)
