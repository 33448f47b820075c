"""Stage generate: a model and a seed in, pieces as MIDI out."""

from pathlib import Path

from etude import sampling
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import whole, write_json
from etude.sampling import Sampled
from etude.stages import main
from etude.tasks.capabilities import CONDITION, is_able, name_able
from etude.tasks.given_piece import check_given, generate_from
from etude.tasks.requests import GivenPiece
from etude.tasks.trained_model import TrainedModel


def generate(settings: Settings, session: Session, loaded: TrainedModel, given: GivenPiece) -> list[Sampled]:
    """Sample ``generate.pieces`` pieces from a trained model, from nothing or from a given piece."""
    if given != GivenPiece():
        return generate_from(settings, session, loaded, given)
    config = loaded.config
    return sampling.sample_pieces(
        loaded.model, loaded.representation, loaded.store, config, config.pieces, session.progress
    )


def run(settings: Settings, session: Session, model_name: str, given: GivenPiece | None = None) -> Path:
    """Read models/``model_name``; write data/generate/``model_name``. Returns that folder."""
    given = given or GivenPiece()
    if settings.generate.requested and not is_able(settings, model_name, CONDITION):
        raise EtudeError(f"model={model_name} takes no control attributes. {name_able(settings, session, CONDITION)}")
    if given != GivenPiece():
        check_given(settings, session, model_name, given)
    loaded = TrainedModel.load(settings, session, model_name)
    pieces = generate(settings, session, loaded, given)
    place = session.write(f"data/generate/{model_name}")
    with whole(place) as part:
        part.mkdir()
        listed = []
        for number, piece in enumerate(pieces):
            piece.score.dump_midi(part / f"{number:02d}.mid")
            listed.append(
                {"file": f"{number:02d}.mid", "notes": piece.score.note_num(), "repaired": not piece.complete}
            )
        made = {"generate": vars(settings.generate), "model": model_name, "key": loaded.trained["key"]}
        write_json(part / "manifest.json", {"settings": made, "pieces": listed})
    return place


if __name__ == "__main__":
    main(run)
