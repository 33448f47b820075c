"""The lead sheets that models of accompaniment are tried on: those of the test pieces."""

from dataclasses import replace

from etude.artifacts.context import Session
from etude.representations.leadsheet import lay_out
from etude.tasks.trained_model import TrainedModel


def give_lead_sheets(loaded: TrainedModel, session: Session) -> TrainedModel:
    """The model with the test pieces as what it observes, if it accompanies lead sheets; any other as it is.

    Raises:
        EtudeError: the pieces that it was trained on are missing, or are others.
    """
    if not getattr(loaded.model, "can_accompany", False):
        return loaded
    return replace(loaded, observed=lay_out(list(loaded.tokens(session).pieces("test"))))
