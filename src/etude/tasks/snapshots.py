"""Pieces of a model as it was at earlier steps of its training."""

from dataclasses import replace

from symusic.core import ScoreTick

from etude import sampling
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.tasks.lead_sheets import give_lead_sheets
from etude.tasks.trained_model import SNAPSHOTS, TrainedModel, find_model, read_snapshots


def sample_snapshots(settings: Settings, session: Session, model_name: str) -> dict[int, list[ScoreTick]]:
    """Sample ``evaluate.snapshots`` pieces at each step that ``train.keep`` kept: step -> pieces; empty where none.

    They are sampled as ``generate`` says, with its seed.
    """
    folder = find_model(session, model_name)
    if not (folder / SNAPSHOTS).is_dir():
        return {}
    loaded = give_lead_sheets(TrainedModel.load(settings, session, model_name), session)
    count = settings.evaluate.snapshots
    config = replace(loaded.config, pieces=count)
    found = {}
    for step, model in read_snapshots(folder, loaded):
        sampled = sampling.sample_pieces(
            model.model, model.representation, model.observed, config, count, session.progress
        )
        found[step] = [piece.score for piece in sampled]
    return found
