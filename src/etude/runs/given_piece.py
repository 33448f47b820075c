"""``etude generate prime=...``: pieces that continue a piece of the user's, or in which bars of it are drawn again."""

from pathlib import Path

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.stages.generate import check_request, write_pieces
from etude.tasks.given_piece import check_given, generate_from
from etude.tasks.requests import GivenPiece
from etude.tasks.trained_model import TrainedModel


def generate_given(settings: Settings, session: Session, model_name: str, given: GivenPiece) -> Path:
    """Read models/``model_name`` and the given piece; write data/generate/``model_name``. Returns that folder."""
    check_request(settings, session, model_name)
    check_given(settings, session, model_name, given)
    loaded = TrainedModel.load(settings, session, model_name)
    return write_pieces(settings, session, loaded, generate_from(settings, session, loaded, given))
