"""GRU: stacked gated recurrent units over tokens or frames (Cho et al., 2014), with dropout."""

from typing import Annotated, Any, ClassVar

from torch import Tensor, nn

from etude.config.sections import Count, Range
from etude.models.sequence import Dropout, SequenceModel, embedding, reading_out, recur, stacked, widths
from etude.representations.base.vocabulary import ItemSpec


class GRU(SequenceModel):
    """Embedding, stacked GRU with dropout between and after its layers and a bridge past them, linear read-out."""

    reads: ClassVar[tuple[str, ...]] = ("tokens", "frames")

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
            dropout: rate of what goes into, between and out of the layers.
            recurrent_dropout: rate of the recurrent weights.
        """
        super().__init__(item_spec)
        self.recurrent_dropout = recurrent_dropout
        wide = widths(hidden, layers, "models.gru")
        self.embed = embedding(item_spec, wide[-1])
        self.gru = stacked(nn.GRU, wide[-1], wide, dropout)
        self.dropout = Dropout(dropout)
        self.lm_head = reading_out(item_spec, wide[-1])

    def forward(self, items: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """See SequenceModel; the state is the layers'."""
        embedded = self.dropout(self.embed(items))  # (B, T, width)
        states, state = recur(self.gru, embedded, state, self.recurrent_dropout)  # (B, T, width)
        return self.lm_head(self.dropout(states + embedded)), state  # (B, T, V)
