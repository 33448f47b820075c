"""Transformer: a decoder with rotary positions over tokens or frames (Vaswani et al., 2017; Su et al., RoFormer, 2021).

Layers normalise before they act (Xiong et al., 2020); the read-out is the embedding itself (Press and Wolf, 2017).
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.sections import Count, Range
from etude.core.errors import EtudeError
from etude.models.sequence import Composed, Dropout, SequenceModel, embedding, rotary, rotated
from etude.representations.base.vocabulary import ItemSpec

Cache = tuple[Tensor, Tensor]
State = tuple[int, list[Cache]]
BASE = 10000.0  # of the wavelengths of the positions, in items
TURNS = 256  # positions whose rotations are kept together
MANY = 64  # rows of a product, to which those of fewer are compared
ENOUGH = 16  # rows, at most, from which on sums are alike


class Block(nn.Module):
    """Attention to the last ``span`` positions, then a feed-forward network, each added to what came in."""

    def __init__(self, hidden: int, heads: int, span: int, dropout: float) -> None:
        """Args: width, attention heads, positions that are seen, dropout rate of what is added."""
        super().__init__()
        self.heads, self.span = heads, span
        self.attention_norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden, bias=False)
        self.mix = nn.Linear(hidden, hidden, bias=False)
        self.forward_norm = nn.LayerNorm(hidden)
        self.widen = nn.Linear(hidden, 4 * hidden)
        self.narrow = nn.Linear(4 * hidden, hidden)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], cache: Cache | None) -> tuple[Tensor, Cache]:
        """(B, T, hidden), the rotation of these positions, and keys and values of those before: the same, moved on."""
        B, T, hidden = x.shape
        split = self.query_key_value(self.attention_norm(x)).view(B, T, 3, self.heads, -1)
        query_key = rotated(split[:, :, :2], *(part[:, None, None] for part in turn))
        query, key = query_key.permute(2, 0, 3, 1, 4)  # each (B, heads, T, hidden / heads)
        value = split[:, :, 2].transpose(1, 2)
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        S = key.shape[2]
        if cache is None and self.span >= T:
            found = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            age = torch.arange(S - T, S, device=x.device)[:, None] - torch.arange(S, device=x.device)  # (T, S)
            seen = (age >= 0) & (age < self.span)
            found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.dropout(self.mix(found.transpose(1, 2).reshape(B, T, hidden)))
        x = x + self.dropout(self.narrow(F.gelu(self.widen(self.forward_norm(x)))))
        keep = min(S, self.span - 1)
        return x, (key[:, :, S - keep :], value[:, :, S - keep :])


class Stepper:
    """A block, called for one position at a time, without gradients.

    Weights are transposed: products with them sum alike from fewer rows on. Features of queries and keys that are
    turned together stand side by side, as complex numbers.
    """

    def __init__(self, block: Block) -> None:
        """Copy what is needed of ``block``."""
        self.heads, self.hidden = block.heads, block.mix.weight.shape[0]
        projected = block.query_key_value.weight.detach()
        pairs = projected[: 2 * self.hidden].view(2 * self.heads, 2, -1, self.hidden).transpose(1, 2)
        joined = torch.cat([pairs.reshape(2 * self.hidden, self.hidden), projected[2 * self.hidden :]])
        self.query_key_value, self.mix = _transposed(joined), _transposed(block.mix.weight)
        self.widen, self.narrow = _transposed(block.widen.weight), _transposed(block.narrow.weight)
        self.widen_bias, self.narrow_bias = block.widen.bias, block.narrow.bias
        self.attention_norm = ((self.hidden,), block.attention_norm.weight, block.attention_norm.bias)
        self.forward_norm = ((self.hidden,), block.forward_norm.weight, block.forward_norm.bias)

    def __call__(self, x: Tensor, turn: Tensor, past: Tensor, start: int, end: int) -> None:
        """Add to (B, hidden), in its place, what ``Block.forward`` adds.

        Keys and values of the position are written to the place ``end - 1`` of ``past``, and those of the places from
        ``start`` on are seen: (B, 2, heads, places, hidden / heads).
        """
        pairs = (torch.layer_norm(x, *self.attention_norm) @ self.query_key_value).view(len(past), 3, self.heads, -1, 2)
        split = torch.view_as_real(torch.view_as_complex(pairs) * turn).flatten(3)  # (B, 3, heads, hidden / heads)
        past.select(3, end - 1).copy_(split.narrow(1, 1, 2))
        key, value = past.narrow(3, start, end - start).unbind(1)
        found = F.scaled_dot_product_attention(split.select(1, 0).unsqueeze(2), key, value)
        x.addmm_(found.view(-1, self.hidden), self.mix)
        wide = F.gelu(torch.addmm(self.widen_bias, torch.layer_norm(x, *self.forward_norm), self.widen))
        x.add_(self.narrow_bias).addmm_(wide, self.narrow)


@dataclass
class Room:
    """Keys and values of what was written, a tensor a block, which are filled place by place."""

    blocks: list[Tensor]  # (B, 2, heads, places, width) each
    filled: int  # places


@dataclass(frozen=True)
class Written:
    """The state of pieces that are written item by item."""

    count: int  # of items
    room: Room
    end: int  # of the places that hold items of these pieces
    blocks: list[Stepper]
    read_in: tuple[Tensor, Tensor] | None  # bias and transposed weight of the embedding, of frames
    lm_head: Tensor  # transposed weight


class Transformer(SequenceModel):
    """Embedding, blocks of attention and feed-forward networks, and the embedding again as read-out."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")
    gains_by_bf16: ClassVar[bool] = True

    def __init__(
        self,
        item_spec: ItemSpec,
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        span: Annotated[int, Range(2)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: what is read, width, number of blocks, heads, past positions seen by a block, dropout rate."""
        super().__init__(item_spec)
        if hidden % (2 * heads):
            raise EtudeError(
                f"models.transformer.hidden = {hidden} must be a multiple of twice models.transformer.heads = {heads}."
            )
        self.width, self.span = hidden // heads, span
        self.embed = embedding(item_spec, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, span, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)
        self.lm_head = nn.Linear(hidden, item_spec.size) if item_spec.keys else None  # of tokens: the embedding
        self.apply(self._begin)

    def _begin(self, module: nn.Module) -> None:
        """Weights as GPT-2 draws them (Radford et al., 2019): what is added to the stream is small at first."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, Composed):
            nn.init.normal_(module.of_parts, std=0.02)
        if isinstance(module, Block):
            for last in (module.mix, module.narrow):
                nn.init.normal_(last.weight, std=0.02 / (2 * len(self.blocks)) ** 0.5)

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state is the number of items so far, and keys and values of each block."""
        start, caches = state if state else (0, [None] * len(self.blocks))
        T = items.shape[1]
        turn = rotary(start, T, self.width, BASE, items.device)
        x = self.dropout(self.embed(items))  # (B, T, hidden)
        kept = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(x, turn, cache)
            kept.append(cache)
        x = self.norm(x)
        if self.lm_head is not None:
            return self.lm_head(x), (start + T, kept)
        return F.linear(x, self.embed.weight), (start + T, kept)  # (B, T, V)

    @property
    def rows(self) -> int:
        """See SequenceModel."""
        hidden = self.norm.weight.shape[0]
        shapes = ((hidden, hidden), (hidden, 3 * hidden), (hidden, 4 * hidden), (4 * hidden, hidden))
        return fewest_rows((*shapes, (hidden, self.item_spec.size)), torch.get_num_threads())

    @torch.inference_mode()
    def step(self, items: Tensor, state: Written | None = None) -> tuple[Tensor, Written]:
        """See SequenceModel; logits of a piece are the same to the bit in every batch of ``rows`` or more.

        The state is none of ``forward``. Its keys and values stay where they are: an item costs a look at ``span`` of
        them, however many were written.
        """
        state = state or self._nothing(len(items))
        room, end = state.room, state.end
        if end == room.blocks[0].shape[3] or room.filled != end:  # full, or another piece goes on from here
            room, end = self._moved(room, end)
        start, end = max(0, end + 1 - self.span), end + 1
        turn = _turns(state.count // TURNS, self.width, items.device)[state.count % TURNS]
        x = self.embed(items) if state.read_in is None else torch.addmm(state.read_in[0], items, state.read_in[1])
        for block, past in zip(state.blocks, room.blocks, strict=True):
            block(x, turn, past, start, end)
        room.filled = end
        x = F.layer_norm(x, x.shape[1:], self.norm.weight, self.norm.bias)
        logits = x @ state.lm_head
        if self.lm_head is not None:
            logits = logits + self.lm_head.bias
        return logits, replace(state, count=state.count + 1, room=room, end=end)

    def _nothing(self, rows: int) -> Written:
        """The state of ``rows`` pieces of which nothing is written."""
        steppers = [Stepper(block) for block in self.blocks if isinstance(block, Block)]
        like = self.norm.weight
        past = [like.new_zeros(rows, 2, block.heads, 2 * self.span, self.width) for block in steppers]
        embed = self.embed
        read_in = (embed.bias, _transposed(embed.weight)) if isinstance(embed, nn.Linear) else None
        weight = (self.lm_head or embed).weight
        return Written(0, Room(past, 0), 0, steppers, read_in, _transposed(weight))

    def _moved(self, room: Room, end: int) -> tuple[Room, int]:
        """A room with what can still be seen at its begin, and how many places that are."""
        kept = min(end, self.span - 1)
        blocks = [torch.zeros_like(past) for past in room.blocks]
        for new, past in zip(blocks, room.blocks, strict=True):
            new[:, :, :, :kept] = past[:, :, :, end - kept : end]
        return Room(blocks, kept), kept


@lru_cache(maxsize=64)
def fewest_rows(shapes: tuple[tuple[int, int], ...], threads: int) -> int:
    """The number of rows from which on products with matrices of ``shapes`` sum as those of MANY do, to the bit.

    A product with few rows is another routine, on one processor with one row, on another with three. It is found by
    trying, on this processor and with so many ``threads``.
    """
    random = torch.Generator().manual_seed(threads)
    tried = [(torch.randn(MANY, shape[0], generator=random), torch.randn(shape, generator=random)) for shape in shapes]
    for rows in range(ENOUGH - 1, 0, -1):
        if not all(torch.equal(left[:rows] @ right, (left @ right)[:rows]) for left, right in tried):
            return rows + 1
    return 1


def _transposed(weight: Tensor) -> Tensor:
    return weight.detach().t().contiguous()


@lru_cache(maxsize=4)
def _turns(part: int, width: int, device: torch.device) -> Tensor:
    """TURNS rotations, of queries, keys, and values, which are not turned: (TURNS, 3, 1, width / 2), complex."""
    cosines, sines = rotary(part * TURNS, TURNS, width, BASE, device)
    turn = torch.complex(cosines, sines)[:, None, width // 2 :]  # the second half has the sines without a minus
    return torch.stack([turn, turn, torch.ones_like(turn)], dim=1)
