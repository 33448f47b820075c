"""A judge that learns to tell a model's samples from real pieces, so that of several samples the most real is kept.

Its odds estimate the ratio of the densities of real pieces and samples, by which a sample would have to be weighed to
be distributed like a real one.
Sources: Azadi et al., Discriminator Rejection Sampling, 2019; Deng et al., Residual Energy-Based Models for Text
Generation, 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.metrics.features import Space, features
from etude.metrics.notes import tabulate

RESOLUTION, BARS = 12, 16  # time steps a quarter note, and bars, of which a piece is judged: as evaluate has them
STRENGTH = 0.03  # inverse of the regularisation: with few pieces a freer judge learns their accidents


@dataclass(frozen=True)
class Judge:
    """A logistic regression on the features of a piece (``etude.metrics.features``)."""

    space: Space  # standardises features by the real pieces
    weights: NDArray[np.float64]  # (features,)

    @classmethod
    def learn(cls, samples: Sequence[ScoreTick], real: Sequence[ScoreTick]) -> Self:
        """Learn from pieces with notes; ValueError where either has none. Both sets weigh the same."""
        from sklearn.linear_model import LogisticRegression  # takes a second

        theirs = _vectors(real)
        space = Space.fit(theirs)
        parts = [space.standardise(part) for part in (_vectors(samples), theirs)]
        if not all(len(part) for part in parts):
            raise ValueError("A judge learns from samples and real pieces with notes.")
        labels = np.repeat([0, 1], [len(part) for part in parts])
        made = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=5000)
        made.fit(np.concatenate(parts), labels)
        return cls(space, made.coef_[0])

    def rate(self, scores: Sequence[ScoreTick]) -> NDArray[np.float64]:
        """The logarithm of the odds that each piece is real, up to a constant: (pieces,); -inf without notes."""
        vectors = _vectors(scores)
        found = np.full(len(vectors), -np.inf)
        some = ~np.isnan(vectors).all(axis=1)
        found[some] = (self.space.standardise(vectors[some]) * self.weights).sum(axis=1)  # not @: alone as with others
        return found


def _vectors(scores: Sequence[ScoreTick]) -> NDArray[np.float64]:
    return features(tabulate(scores, RESOLUTION, BARS))
