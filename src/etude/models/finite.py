"""Numbers that are not finite: no sample is drawn from them."""

from torch import Tensor

from etude.core.errors import EtudeError


def require_finite(values: Tensor) -> None:
    """Raise EtudeError where a model gives a number that is not finite, by which nothing can be drawn."""
    if not values.isfinite().all():
        raise no_probabilities()


def no_probabilities() -> EtudeError:
    """The error of a model that gives no probabilities."""
    return EtudeError(
        "The model gives no probabilities, but numbers that are not finite: its weights are damaged, or its training "
        "diverged. Train it again, with a lower optim.lr; nothing was drawn."
    )
