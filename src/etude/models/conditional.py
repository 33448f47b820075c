"""Conditional transformer: it predicts tokens given the control tokens of a piece, or given only some of them.

Source: Keskar et al., CTRL, 2019. Conditions are dropped at random as in Ho and Salimans, Classifier-Free Diffusion
Guidance, 2022.
"""

from typing import Annotated, ClassVar

import torch
from torch import Tensor

from etude.config.check import Count, Range
from etude.models.transformer import Transformer
from etude.representations.base.grammar import BOS
from etude.representations.base.vocabulary import ItemSpec


class Conditional(Transformer):
    """A transformer over tokens, some of which are controls: these are given, not predicted, and cost nothing.

    In training each piece of a batch shows a random share of its controls, drawn evenly from 0 to 1, so that the model
    sees every combination. A window that starts within a piece has the controls at its start too, where nothing else
    describes the piece. ``nats`` shows none, so that its values compare with those of other models.
    """

    reads: ClassVar[tuple[str, ...]] = ("tokens",)
    takes: ClassVar[tuple[str, ...]] = ("item_spec", "controls")
    can_condition: ClassVar[bool] = True  # on control tokens
    attribute: Tensor  # (V,) index of the control attribute of each token, -1 for other tokens
    neutral: Tensor  # (V,) each token, control tokens replaced by the neutral one of their attribute

    def __init__(
        self,
        item_spec: ItemSpec,
        controls: list[list[int]],
        hidden: Count,
        layers: Annotated[int, Range(1, 64)],
        heads: Annotated[int, Range(1, 64)],
        attention_window: Annotated[int, Range(2)],
        dropout: Annotated[float, Range(0, 0.95)],
    ) -> None:
        """Args: see Transformer; ``controls`` are the tokens of each attribute, the neutral one first."""
        super().__init__(item_spec, hidden, layers, heads, attention_window, dropout)
        attribute, neutral = torch.full((item_spec.size,), -1), torch.arange(item_spec.size)
        for place, tokens in enumerate(controls):
            attribute[tokens], neutral[tokens] = place, tokens[0]
        self.count = len(controls)
        self.register_buffer("attribute", attribute, persistent=False)
        self.register_buffer("neutral", neutral, persistent=False)

    def real(self, items: Tensor) -> Tensor:
        """See SequenceModel; control tokens are not predicted."""
        return super().real(items) & (self.attribute[items] < 0)

    def hide_controls(self, items: Tensor, shown: Tensor) -> Tensor:
        """Tokens (B, T) with neutral ones for all attributes that are not ``shown``, booleans (B, attributes)."""
        attribute = self.attribute[items]  # (B, T)
        visible = (attribute < 0) | shown.gather(1, attribute.clamp(min=0))
        return torch.where(visible, items, self.neutral[items])

    def copy_controls_to_start(self, items: Tensor) -> Tensor:
        """Tokens (B, T) whose first ones are replaced by the controls that stand at the first bar line within.

        Rows that start with a piece, that have controls early on, or none, stay as they are.
        """
        first = (self.attribute[items] == 0).int().argmax(dim=1)  # 0 where there is none
        late = (first >= self.count) & (items[:, 0] != BOS) & (first + self.count <= items.shape[1])
        places = first[:, None] + torch.arange(self.count, device=items.device)
        controls = items.gather(1, places.clamp(max=items.shape[1] - 1))
        head = torch.where(late[:, None], controls, items[:, : self.count])
        return torch.cat([head, items[:, self.count :]], dim=1)

    def loss(self, items: Tensor, smoothing: float) -> Tensor:
        """See SequenceModel; training hides a random choice of attributes in each row."""
        if self.training:
            items = self.copy_controls_to_start(items)
            share, uniforms = torch.rand(len(items), 1), torch.rand(len(items), self.count)
            items = self.hide_controls(items, (uniforms < share).to(items.device))
        return super().loss(items, smoothing)

    def nats(self, items: Tensor) -> Tensor:
        """See SequenceModel; all attributes are hidden."""
        return super().loss(self._hide_all(items), 0.0)

    def predict(self, items: Tensor) -> Tensor:
        """See SequenceModel; all attributes are hidden."""
        return super().predict(self._hide_all(items))

    def _hide_all(self, items: Tensor) -> Tensor:
        return self.hide_controls(items, torch.zeros(len(items), self.count, dtype=torch.bool, device=items.device))

    def nats_given(self, items: Tensor) -> Tensor:
        """``nats`` given all attributes."""
        return super().loss(items, 0.0)
