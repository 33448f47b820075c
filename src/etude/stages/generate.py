"""Stage generate: a model and a seed in, pieces as MIDI out."""

from pathlib import Path
from typing import Any

from etude import models, representations, sampling
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, whole, write_json
from etude.sampling import Sampled
from etude.stages import main
from etude.tasks import conditioning as controls
from etude.tasks.continuation import Given, of_given, who_can


def generate(
    settings: Settings, session: Session, model_name: str, folder: Path, store: Store, given: Given
) -> list[Sampled]:
    """Draw ``generate.pieces`` pieces from the trained model in ``folder``, from nothing or from what is given."""
    if settings.generate.requested and model_name not in controls.model_names(settings):
        who = who_can(controls.model_names(settings), "conditional")
        raise EtudeError(f"model={model_name} takes no wishes. {who}")
    models.set_threads(settings.trainer.threads)
    representation: Any = representations.load(store)
    model = models.load(settings, model_name, folder, store, representation)
    if given != Given():
        return of_given(settings, session, model_name, model, representation, store, given)
    config = settings.generate.of(model_name)
    return sampling.sample_pieces(model, representation, store, config, config.pieces, session.progress)


def run(settings: Settings, session: Session, model_name: str, given: Given | None = None) -> Path:
    """Read models/``model_name``; write data/generate/``model_name``. Returns that folder."""
    folder = session.read(f"models/{model_name}", f"etude train model={model_name}")
    trained = read_json(folder / "settings.json", f"etude train model={model_name}")
    name = trained["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    store.verify()
    pieces = generate(settings, session, model_name, folder, store, given or Given())
    place = session.write(f"data/generate/{model_name}")
    with whole(place) as part:
        part.mkdir()
        listed = []
        for number, piece in enumerate(pieces):
            piece.score.dump_midi(part / f"{number:02d}.mid")
            listed.append({"file": f"{number:02d}.mid", "notes": piece.score.note_num(), "repaired": not piece.whole})
        made = {"generate": vars(settings.generate), "model": model_name, "key": trained["key"]}
        write_json(part / "manifest.json", {"settings": made, "pieces": listed})
    return place


if __name__ == "__main__":
    main(run)
