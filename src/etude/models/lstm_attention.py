"""LSTM with causal attention over a window of its own past states.

After Magenta's attention_rnn (Waite, 2016), with the scaled dot product of Vaswani et al., 2017, in place of additive
scores.
"""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from etude.errors import EtudeError
from etude.models.sequence import SequenceModel, stacked_lstm
from etude.settings import Count, Range

State = tuple[tuple[Tensor, Tensor], Tensor, Tensor]


class LSTMAttention(SequenceModel):
    """Stacked LSTM whose top states look back at the last ``span`` top states, themselves included."""

    def __init__(
        self,
        vocabulary: int,
        hidden: Count,
        layers: Annotated[int, Range(1, 16)],
        dropout: Annotated[float, Range(0, 0.95)],
        heads: Annotated[int, Range(1, 64)],
        span: Count,
    ) -> None:
        """Args: vocabulary size, width of the layers, their number, dropout rate, attention heads, window in tokens."""
        super().__init__()
        if hidden % heads:
            raise EtudeError(
                f"models.lstm_attention.heads = {heads} must divide models.lstm_attention.hidden = {hidden}."
            )
        self.heads, self.span = heads, span
        self.embed = nn.Embedding(vocabulary, hidden)
        self.lstm = stacked_lstm(hidden, layers, dropout)
        self.norm = nn.LayerNorm(hidden)
        self.query_key_value = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.read_out = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state is (h, c), and keys and values of the last ``span`` - 1 states."""
        B, T = tokens.shape
        recurrent, past_keys, past_values = state if state else (None, None, None)
        embedded = self.dropout(self.embed(tokens))  # (B, T, hidden)
        states, recurrent = self.lstm(embedded, recurrent)  # (B, T, hidden)
        split = self.query_key_value(self.norm(states)).view(B, T, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, heads, T, hidden/heads)
        if past_keys is not None and past_values is not None:
            key, value = torch.cat([past_keys, key], dim=2), torch.cat([past_values, value], dim=2)
        S = key.shape[2]
        age = torch.arange(S - T, S, device=tokens.device)[:, None] - torch.arange(S, device=tokens.device)  # (T, S)
        seen = (age >= 0) & (age < self.span)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)  # (B, heads, T, hidden/heads)
        context = self.mix(found.transpose(1, 2).reshape(B, T, -1))  # (B, T, hidden)
        logits = self.read_out(self.dropout(states + embedded + context))  # (B, T, V)
        keep = min(S, self.span - 1)
        return logits, (recurrent, key[:, :, S - keep :], value[:, :, S - keep :])
