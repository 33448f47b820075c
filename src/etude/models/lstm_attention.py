"""LSTM with causal attention over a window of its own past.

After Magenta's attention_rnn (Waite, 2016), with the scaled dot product of Vaswani et al., 2017, in place of additive
scores.
"""

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.config.sections import Count, Range
from etude.core.errors import EtudeError
from etude.models.sequence import Dropout, Meter, SequenceModel, embedding, reading_out, recur, stacked, widths
from etude.representations.base.vocabulary import ItemSpec

State = tuple[Any, Tensor, Tensor, Tensor | None, int]


class LSTMAttention(SequenceModel):
    """Stacked LSTM whose top states look back over the last ``span`` items, that just read included.

    They find there the states after these items; or, with ``follow``, the items themselves, each by the state before
    it: what followed when the state was like now. So a phrase that comes again is foretold from its first time (the
    copying of Olsson et al., In-context Learning and Induction Heads, 2022, built in).
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
        span: Count,
        follow: bool,
        meter: Annotated[int, Range(0, 12)],
    ) -> None:
        """Set up the layers.

        Args:
            item_spec: what is read.
            hidden: width of every layer, or a list with one a layer.
            layers: their number.
            dropout: rate of what goes into, between and out of the layers.
            recurrent_dropout: rate of the recurrent weights.
            heads: of the attention.
            span: items that are looked back at.
            follow: find the items that followed, by the states before them, with a learned bias for each distance (Shaw
                et al., 2018, as scalars); else the states, wherever they are.
            meter: number of periods, 2, 4, 8 ... items long, of which each item's phase is read. Items count from the
                begin of a piece, in training from that of a window, which begins with the longest period (``stride``).
        """
        super().__init__(item_spec)
        wide = widths(hidden, layers, "models.lstm_attention")
        width = wide[-1]
        if width % heads:
            raise EtudeError(
                f"models.lstm_attention.heads = {heads} must divide models.lstm_attention.hidden = {hidden}"
                f"{'' if isinstance(hidden, int) else ', the last of it'}."
            )
        self.recurrent_dropout = recurrent_dropout
        self.heads, self.span, self.follow = heads, span, follow
        self.embed = embedding(item_spec, width)
        self.lstm = stacked(nn.LSTM, width, wide, dropout)
        self.norm = nn.LayerNorm(width)
        if follow:
            self.query_key = nn.Linear(width, 2 * width)
            self.value = embedding(item_spec, width)
            self.distance = nn.Parameter(torch.zeros(heads, span))
        else:
            self.query_key_value = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.lm_head = reading_out(item_spec, width)
        self.meter = Meter(meter, width) if meter else None
        self.stride = 2**meter

    def forward(self, items: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state: of the layers, keys and values of ``span`` - 1 items, top state, items read."""
        B, T = items.shape[:2]
        recurrent, past_keys, past_values, last, start = state if state else (None, None, None, None, 0)
        read = self.embed(items)  # (B, T, width)
        embedded = self.dropout(read if self.meter is None else read + self.meter(start, T))
        states, recurrent = recur(self.lstm, embedded, recurrent, self.recurrent_dropout)  # (B, T, width)
        if self.follow:
            after = self.norm(self.dropout(states))
            before = torch.cat([torch.zeros_like(after[:, :1]) if last is None else last, after[:, :-1]], dim=1)
            query, key = self.query_key(after).chunk(2, dim=-1)[0], self.query_key(before).chunk(2, dim=-1)[1]
            split = torch.stack([query, key, self.value(items)], dim=2)  # (B, T, 3, width)
            last = after[:, -1:]
        else:
            split = self.query_key_value(self.norm(states))
        query, key, value = split.view(B, T, 3, self.heads, -1).permute(
            2, 0, 3, 1, 4
        )  # each (B, heads, T, width/heads)
        if past_keys is not None and past_values is not None:
            key, value = torch.cat([past_keys, key], dim=2), torch.cat([past_values, value], dim=2)
        S = key.shape[2]
        age = torch.arange(S - T, S, device=items.device)[:, None] - torch.arange(S, device=items.device)  # (T, S)
        seen = (age >= 0) & (age < self.span)
        if self.follow:
            near = self.distance[:, age.clamp(0, self.span - 1)]  # (heads, T, S)
            seen = near.masked_fill(~seen, float("-inf"))
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)  # (B, heads, T, width/heads)
        context = self.mix(found.transpose(1, 2).reshape(B, T, -1))  # (B, T, width)
        logits = self.lm_head(self.dropout(states + embedded + context))  # (B, T, V)
        keep = min(S, self.span - 1)
        return logits, (recurrent, key[:, :, S - keep :], value[:, :, S - keep :], last, start + T)
