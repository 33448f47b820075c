"""Transformer: a decoder with rotary positions over tokens or frames (Vaswani et al., 2017; Su et al., RoFormer, 2021).

Layers normalise before they act (Xiong et al., 2020); the read-out is the embedding itself (Press and Wolf, 2017).
"""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.encoding.alphabet import Alphabet
from etude.errors import EtudeError
from etude.models.sequence import Dropout, SequenceModel, embedding, rotary, rotated
from etude.settings import Count, Range

Cache = tuple[Tensor, Tensor]
State = tuple[int, list[Cache]]
BASE = 10000.0  # of the wavelengths of the positions, in items


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


class Transformer(SequenceModel):
    """Embedding, blocks of attention and feed-forward networks, and the embedding again as read-out."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")
    gains_by_bf16: ClassVar[bool] = True

    def __init__(
        self,
        alphabet: Alphabet,
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        span: Annotated[int, Range(2)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: what is read, width, number of blocks, heads, past positions seen by a block, dropout rate."""
        super().__init__(alphabet)
        if hidden % (2 * heads):
            raise EtudeError(
                f"models.transformer.hidden = {hidden} must be a multiple of twice models.transformer.heads = {heads}."
            )
        self.width = hidden // heads
        self.embed = embedding(alphabet, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, span, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.dropout = Dropout(dropout)
        self.read_out = nn.Linear(hidden, alphabet.size) if alphabet.keys else None  # of tokens: the embedding
        self.apply(self._begin)

    def _begin(self, module: nn.Module) -> None:
        """Weights as GPT-2 draws them (Radford et al., 2019): what is added to the stream is small at first."""
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, Block):
            for last in (module.mix, module.narrow):
                nn.init.normal_(last.weight, std=0.02 / (2 * len(self.blocks)) ** 0.5)

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state is the number of items so far, and keys and values of each block."""
        begin, caches = state if state else (0, [None] * len(self.blocks))
        T = items.shape[1]
        turn = rotary(begin, T, self.width, BASE, items.device)
        x = self.dropout(self.embed(items))  # (B, T, hidden)
        kept = []
        for block, cache in zip(self.blocks, caches, strict=True):
            x, cache = block(x, turn, cache)
            kept.append(cache)
        x = self.norm(x)
        if self.read_out is not None:
            return self.read_out(x), (begin + T, kept)
        (weight,) = self.embed.parameters()
        return F.linear(x, weight), (begin + T, kept)  # (B, T, V)
