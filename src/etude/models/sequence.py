"""What every model of token sequences gives: the likelihood of a sequence, and one step of sampling."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PAD, BEGIN, END = 0, 1, 2


class SequenceModel(nn.Module):
    """A distribution over the next token given all tokens before it.

    A neural variant writes ``forward``; the rest follows from it.
    """

    reads: ClassVar[str] = "tokens"
    takes: ClassVar[tuple[str, ...]] = ("vocabulary",)
    sampler: ClassVar[str] = "tokens"
    stride: int = 1  # tokens; windows of training begin so many, or a multiple of it, after the begin of the piece

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the tokens that follow, and the state to go on from.

        Args:
            tokens: (B, T) integers.
            state: what an earlier call returned for the tokens before these; None at the begin.

        Returns:
            logits (B, T, V), where position t sees tokens up to and including t, and the new state.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(tokens, state).")

    def nats(self, tokens: Tensor) -> Tensor:
        """Cost of each token after the first, in nats: (B, T) integers -> (B, T - 1); padding costs 0."""
        return self.loss(tokens, 0.0)

    def loss(self, tokens: Tensor, smoothing: float) -> Tensor:
        """``nats``, for training: the share ``smoothing`` of each target is spread over all tokens.

        Source: Szegedy et al., 2016.
        """
        logits, _ = self(tokens[:, :-1])
        logits = logits.float().transpose(1, 2)
        costs = F.cross_entropy(logits, tokens[:, 1:], reduction="none", label_smoothing=smoothing)
        return costs * (tokens[:, 1:] != PAD)

    @torch.no_grad()
    def step(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits of the next token after ``tokens`` (B,), and the new state: (B, V)."""
        logits, state = self(tokens[:, None], state)
        return logits[:, -1], state


def stacked_lstm(hidden: int, layers: int, dropout: float) -> nn.LSTM:
    """``layers`` LSTM layers of one width, set up to learn fast from the start.

    Forget gates begin open (bias 1; Jozefowicz et al., 2015), recurrent weights orthogonal (Saxe et al., 2014).
    """
    lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
    for name, weight in lstm.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.data.chunk(4):
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight.data)
        else:
            nn.init.zeros_(weight.data)
            if name.startswith("bias_ih"):
                nn.init.ones_(weight.data[hidden : 2 * hidden])
    return lstm
