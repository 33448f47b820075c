"""The judge of a trained model's samples: learned from its own samples and the train pieces."""

from dataclasses import replace

from etude import sampling
from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids, upstream
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.seeds import seed_of
from etude.representations.base.round_trip import part_of
from etude.sampling.judge import Judge
from etude.tasks.trained_model import TrainedModel

FEWEST, MOST = 128, 512  # samples from which a judge learns; between these as many as train pieces
PIECES = 2000  # train pieces at most, evenly spaced


def find_judge(settings: Settings, session: Session, loaded: TrainedModel) -> Judge | None:
    """The judge of a model of which several candidates are sampled for a piece; None of one that needs none.

    A model's own number of candidates asks for none where its train pieces are not at hand: there are none, or the
    model comes with etude.

    Raises:
        EtudeError: ``generate.candidates`` is given, and there are no train pieces.
    """
    if loaded.config.candidates in (None, 1):
        return None
    own = settings.generate.candidates is None
    if own and (session.find(catalog.INGEST) is None or session.find(catalog.model(loaded.name)) is None):
        return None
    try:
        upstream(settings, session, "split")  # first: its advice makes both
        source, _ = read_ingest(settings, session)
        names = split_ids(settings, session, source)["train"]
    except EtudeError as error:
        raise EtudeError(f"{_candidates(loaded)}: a judge learns from the train pieces. {error}") from None
    names = names[:: -(-len(names) // PIECES) or 1]
    real = [part_of(score, loaded.representation) for _, score in source.scores(names)]
    count = min(MOST, max(FEWEST, len(real)))
    config = replace(loaded.config, seed=seed_of("judge", loaded.config.seed))
    made = (loaded.model, loaded.representation, loaded.observed, config, count)
    try:
        return Judge.learn([piece.score for piece in sampling.sample_pieces(*made, session.progress)], real)
    except ValueError:
        raise EtudeError(
            f"{_candidates(loaded)}: none of {count} samples of {loaded.name} has notes, "
            "from which a judge could learn. Set it to 1."
        ) from None


def _candidates(loaded: TrainedModel) -> str:
    return f"generate.candidates = {loaded.config.candidates}"
