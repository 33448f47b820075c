"""Stage generate: a model and a seed in, pieces as MIDI out."""

from collections.abc import Sequence
from pathlib import Path

from etude import sampling
from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import whole_folder, write_json
from etude.sampling import Sampled
from etude.sampling.judge import Judge
from etude.stages import main
from etude.tasks.capabilities import CONDITION, is_able, name_able
from etude.tasks.judging import find_judge
from etude.tasks.lead_sheets import give_lead_sheets
from etude.tasks.trained_model import TrainedModel


def generate(loaded: TrainedModel, show: bool = False, judge: Judge | None = None) -> list[Sampled]:
    """Sample ``generate.pieces`` pieces from a trained model, with a judge the best of several candidates each."""
    config = loaded.config
    made = (loaded.model, loaded.representation, loaded.observed, config, config.pieces)
    return sampling.sample_pieces(*made, show, judge)


def run(settings: Settings, session: Session, model_name: str) -> Path:
    """Read models/``model_name``, and the test pieces if it accompanies them; write data/generate/``model_name``.

    With several candidates it reads the train pieces too. Returns that folder.
    """
    check_request(settings, session, model_name)
    loaded = give_lead_sheets(TrainedModel.load(settings, session, model_name), session)
    judge = find_judge(settings, session, loaded)
    return write_pieces(settings, session, loaded, generate(loaded, session.progress, judge))


def check_request(settings: Settings, session: Session, model_name: str) -> None:
    """Raise EtudeError where control attributes are requested of a model that takes none."""
    if settings.generate.requested and not is_able(settings, model_name, CONDITION):
        raise EtudeError(f"model={model_name} takes no control attributes. {name_able(settings, session, CONDITION)}")


def write_pieces(settings: Settings, session: Session, loaded: TrainedModel, pieces: Sequence[Sampled]) -> Path:
    """Write the pieces of a model as MIDI, with a manifest, to data/generate. Returns the folder."""
    place = session.write(catalog.samples(loaded.name))
    with whole_folder(place) as part:
        listed = []
        for number, piece in enumerate(pieces):
            (part / f"{number:02d}.mid").write_bytes(piece.score.dumps_midi())
            notes = piece.score.note_num()
            listed.append({"file": f"{number:02d}.mid", "notes": notes, "repaired": not piece.complete})
        made = {"generate": vars(settings.generate), "model": loaded.name, "key": loaded.trained["key"]}
        write_json(part / "manifest.json", {"settings": made, "pieces": listed})
    return place


if __name__ == "__main__":
    main(run)
