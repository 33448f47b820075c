"""What LSTM and GRU share: stacked recurrent layers over tokens or frames, with dropout."""

from typing import Annotated, Any, ClassVar

from torch import Tensor

from etude.config.check import Count, Range
from etude.models.sequence import (
    Cell,
    Dropout,
    SequenceModel,
    build_embedding,
    build_lm_head,
    build_recurrent,
    layer_widths,
    run_recurrent,
)
from etude.representations.base.vocabulary import ItemSpec


class Recurrent(SequenceModel):
    """Embedding, recurrent layers with dropout before, between and after them, a skip connection, linear head."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")
    cell: ClassVar[Cell]

    def __init__(
        self,
        item_spec: ItemSpec,
        hidden: Count | list[Count],
        layers: Annotated[int, Range(1, 16)],
        dropout: Annotated[float, Range(0, 0.95)],
        recurrent_dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Set up the layers.

        Args:
            item_spec: what is read.
            hidden: width of every layer, or a list with one a layer.
            layers: their number.
            dropout: rate for the input and the output of each layer.
            recurrent_dropout: rate for the recurrent weights.
        """
        super().__init__(item_spec)
        self.recurrent_dropout = recurrent_dropout
        widths = layer_widths(hidden, layers)
        self.embed = build_embedding(item_spec, widths[-1])
        self.recurrent = build_recurrent(self.cell, widths[-1], widths, dropout)
        self.dropout = Dropout(dropout)
        self.lm_head = build_lm_head(item_spec, widths[-1])

    def forward(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See SequenceModel; the state is that of the recurrent layers."""
        embedded = self.dropout(self.embed(items))  # (B, T, width)
        states, state = run_recurrent(self.recurrent, embedded, state, self.recurrent_dropout)  # (B, T, width)
        return self.lm_head(self.dropout(states + embedded)), state  # (B, T, V)
