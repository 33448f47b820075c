"""Pieces that a training adds to its MLflow run: as MIDI, mp3, picture and page."""

from pathlib import Path

from etude import sampling
from etude.config.sections import Settings
from etude.report.sample import write_sample
from etude.representations.base.representation import Observed, Representation
from etude.sampling import SampledModel


def write_samples(
    folder: Path,
    settings: Settings,
    model_name: str,
    model: SampledModel,
    representation: Representation,
    observed: Observed,
    count: int,
) -> None:
    """Sample ``count`` pieces from a model and write each to ``folder``, which is made."""
    folder.mkdir()
    config = settings.sampling(model_name)
    for number, piece in enumerate(sampling.sample_pieces(model, representation, observed, config, count)):
        write_sample(folder, f"{number:02d}", piece.score, settings.mix, f"Sample {number}")
