"""Conditional transformer: it learns what follows from the control tokens of a piece, and does without any of them.

Source: Keskar et al., CTRL, 2019; that conditions are left out at random, Ho and Salimans, Classifier-Free Diffusion
Guidance, 2022.
"""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from etude.config.sections import Count, Range
from etude.models.transformer import Transformer
from etude.representations.base.grammar import BOS
from etude.representations.base.vocabulary import ItemSpec


class Conditional(Transformer):
    """A transformer over tokens some of which are given, not foretold: these cost nothing.

    In training each piece of a batch shows a share of them that is drawn evenly from 0 to 1, so that every choice of
    wishes has been seen; and a window that begins within a piece has them at its begin too, where nothing else tells
    what the piece is like. ``nats`` shows none, so that they compare with those of other models.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)
    takes: ClassVar[tuple[str, ...]] = ("alphabet", "controls")
    owner: Tensor  # of each token the attribute that it tells; or -1
    silent: Tensor  # of each token the one in its stead that says nothing

    def __init__(
        self,
        item_spec: ItemSpec,
        controls: list[list[int]],
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        span: Annotated[int, Range(2)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: see Transformer; ``controls`` are the tokens of each attribute, first the one that says nothing."""
        super().__init__(item_spec, hidden, layers, heads, span, dropout)
        owner, silent = torch.full((item_spec.size,), -1), torch.arange(item_spec.size)
        for place, tokens in enumerate(controls):
            owner[tokens], silent[tokens] = place, tokens[0]
        self.count = len(controls)
        self.register_buffer("owner", owner, persistent=False)
        self.register_buffer("silent", silent, persistent=False)

    def real(self, items: Tensor) -> Tensor:
        """See SequenceModel; control tokens are none that are foretold."""
        return super().real(items) & (self.owner[items] < 0)

    def shown(self, items: Tensor, shown: Tensor) -> Tensor:
        """Tokens (B, T) that say nothing of the attributes that are not to be shown (B, attributes)."""
        owner = self.owner[items]  # (B, T)
        tells = (owner < 0) | shown.gather(1, owner.clamp(min=0))
        return torch.where(tells, items, self.silent[items])

    def started(self, items: Tensor) -> Tensor:
        """Tokens (B, T) of which the first are those of the attributes, as the first bar line within names them.

        Rows that begin with a piece, that name them early on, or nowhere, stay as they are.
        """
        first = (self.owner[items] == 0).int().argmax(dim=1)  # 0 where there is none
        late = (first >= self.count) & (items[:, 0] != BOS) & (first + self.count <= items.shape[1])
        places = first[:, None] + torch.arange(self.count, device=items.device)
        named = items.gather(1, places.clamp(max=items.shape[1] - 1))
        head = torch.where(late[:, None], named, items[:, : self.count])
        return torch.cat([head, items[:, self.count :]], dim=1)

    def loss(self, items: Tensor, smoothing: float) -> Tensor:
        """See SequenceModel; in training without some of the attributes, drawn for each row."""
        if self.training:
            items = self.started(items)
            share, rng = torch.rand(len(items), 1), torch.rand(len(items), self.count)
            items = self.shown(items, (rng < share).to(items.device))
        return super().loss(items, smoothing)

    def nats(self, items: Tensor) -> Tensor:
        """See SequenceModel; nothing is known of the attributes."""
        nothing = torch.zeros(len(items), self.count, dtype=torch.bool, device=items.device)
        return super().loss(self.shown(items, nothing), 0.0)

    def nats_given(self, items: Tensor) -> Tensor:
        """``nats`` where all attributes are known."""
        return super().loss(items, 0.0)
