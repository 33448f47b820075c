"""LSTM: stacked long short-term memory over tokens (Hochreiter and Schmidhuber, 1997), with dropout."""

from typing import Annotated

from torch import Tensor, nn

from etude.models.sequence import SequenceModel, stacked_lstm
from etude.settings import Count, Range

State = tuple[Tensor, Tensor]


class LSTM(SequenceModel):
    """Embedding, stacked LSTM with dropout between and after its layers and a bridge past them, linear read-out."""

    def __init__(
        self,
        vocabulary: int,
        hidden: Count,
        layers: Annotated[int, Range(1, 16)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: vocabulary size, width of every layer, number of layers, dropout rate."""
        super().__init__()
        self.embed = nn.Embedding(vocabulary, hidden)
        self.lstm = stacked_lstm(hidden, layers, dropout)
        self.dropout = nn.Dropout(dropout)
        self.read_out = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """See SequenceModel; the state is the LSTM's (h, c), each (layers, B, hidden)."""
        embedded = self.dropout(self.embed(tokens))  # (B, T, hidden)
        states, state = self.lstm(embedded, state)  # (B, T, hidden)
        return self.read_out(self.dropout(states + embedded)), state  # (B, T, V)
