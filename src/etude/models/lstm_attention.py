"""LSTM with causal attention over a window of its own past.

After Magenta's attention_rnn (Waite, 2016), with the scaled dot product of Vaswani et al., 2017, in place of additive
scores.
"""

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.check import Count, Range
from etude.models.sequence import (
    Dropout,
    Meter,
    SequenceModel,
    build_embedding,
    build_lm_head,
    build_recurrent,
    layer_widths,
    run_recurrent,
)
from etude.representations.base.vocabulary import ItemSpec

State = tuple[Any, Tensor, Tensor, Tensor | None, int]


class LSTMAttention(SequenceModel):
    """Stacked LSTM whose top states attend to the last ``attention_window`` items, the newest included.

    By default they retrieve the states after these items. With ``follow`` they retrieve the items themselves, each
    keyed by the state before it: what followed when the state was like now. So a repeated phrase is predicted from its
    first occurrence (the copying of Olsson et al., In-context Learning and Induction Heads, 2022, built in).
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")

    def __init__(
        self,
        item_spec: ItemSpec,
        hidden: Count | list[Count],
        layers: Annotated[int, Range(1, 16)],
        dropout: Annotated[float, Range(0, 0.95)],
        recurrent_dropout: Annotated[float, Range(0, 0.95)],
        heads: Annotated[int, Range(1, 64)],
        attention_window: Count,
        follow: bool,
        meter: Annotated[int, Range(0, 12)],
    ) -> None:
        """Set up the layers.

        Args:
            item_spec: what is read.
            hidden: width of every layer, or a list with one a layer.
            layers: their number.
            dropout: rate for the input and the output of each layer.
            recurrent_dropout: rate for the recurrent weights.
            heads: of the attention.
            attention_window: items that the attention sees.
            follow: retrieve the items that followed, keyed by the states before them, with a learned bias for each
                distance (Shaw et al., 2018, as scalars); else the states, wherever they are.
            meter: number of periods, 2, 4, 8 ... items long, in which each item's phase is read. Items count from the
                start of a piece. Training windows start at multiples of the longest period (``stride``).
        """
        super().__init__(item_spec)
        widths = layer_widths(hidden, layers)
        width = widths[-1]
        if width % heads:
            last = "" if isinstance(hidden, int) else ", the last of it"
            raise ValueError(f"heads = {heads} must divide hidden = {hidden}{last}.")
        self.recurrent_dropout = recurrent_dropout
        self.heads, self.attention_window, self.follow = heads, attention_window, follow
        self.embed = build_embedding(item_spec, width)
        self.lstm = build_recurrent(nn.LSTM, width, widths, dropout)
        self.norm = nn.LayerNorm(width)
        if follow:
            self.query_key = nn.Linear(width, 2 * width)
            self.value = build_embedding(item_spec, width)
            self.distance = nn.Parameter(torch.zeros(heads, attention_window))
        else:
            self.query_key_value = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.lm_head = build_lm_head(item_spec, width)
        self.meter = Meter(meter, width) if meter else None
        self.stride = 2**meter

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel.

        The state: that of the layers, keys and values of ``attention_window`` - 1 items, top state, number of items.
        """
        B, T = items.shape[:2]
        recurrent, past_keys, past_values, last, start = state if state else (None, None, None, None, 0)
        embedded = self.embed(items)  # (B, T, width)
        embedded = self.dropout(embedded if self.meter is None else embedded + self.meter(start, T))
        states, recurrent = run_recurrent(self.lstm, embedded, recurrent, self.recurrent_dropout)  # (B, T, width)
        if self.follow:
            after = self.norm(self.dropout(states))
            before = torch.cat([torch.zeros_like(after[:, :1]) if last is None else last, after[:, :-1]], dim=1)
            query, key = self.query_key(after).chunk(2, dim=-1)[0], self.query_key(before).chunk(2, dim=-1)[1]
            split = torch.stack([query, key, self.value(items)], dim=2)  # (B, T, 3, width)
            last = after[:, -1:]
        else:
            split = self.query_key_value(self.norm(states))
        split = split.view(B, T, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        if past_keys is not None and past_values is not None:
            key, value = torch.cat([past_keys, key], dim=2), torch.cat([past_values, value], dim=2)
        S = key.shape[2]
        age = torch.arange(S - T, S, device=items.device)[:, None] - torch.arange(S, device=items.device)  # (T, S)
        mask = (age >= 0) & (age < self.attention_window)
        if self.follow:
            bias = self.distance[:, age.clamp(0, self.attention_window - 1)]  # (heads, T, S)
            mask = bias.masked_fill(~mask, float("-inf"))
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, heads, T, width / heads)
        context = self.out_proj(found.transpose(1, 2).reshape(B, T, -1))  # (B, T, width)
        logits = self.lm_head(self.dropout(states + embedded + context))  # (B, T, V)
        keep = min(S, self.attention_window - 1)
        return logits, (recurrent, key[:, :, S - keep :], value[:, :, S - keep :], last, start + T)
