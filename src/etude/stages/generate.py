"""Stage generate: a model and a seed in, pieces as MIDI out."""

from pathlib import Path
from typing import Any

from etude import models, representations, sampling, wishes
from etude.encoding.store import Store
from etude.errors import EtudeError
from etude.outputs import read_json, whole, write_json
from etude.own_piece import Given, of_given, who_can
from etude.sampling import Sampled
from etude.session import Session
from etude.settings import Settings
from etude.stages import main


def generate(
    settings: Settings, session: Session, variant: str, folder: Path, store: Store, given: Given
) -> list[Sampled]:
    """Draw ``generate.pieces`` pieces from the trained model in ``folder``, from nothing or from what is given."""
    if settings.generate.wished and variant not in wishes.variants(settings):
        who = who_can(wishes.variants(settings), "conditional")
        raise EtudeError(f"model={variant} takes no wishes. {who}")
    models.set_threads(settings.trainer.threads)
    representation: Any = representations.load(store)
    model = models.load(settings, variant, folder, store, representation)
    if given != Given():
        return of_given(settings, session, variant, model, representation, store, given)
    plan = settings.generate.of(variant)
    return sampling.drawn(model, representation, store, plan, plan.pieces, session.progress)


def run(settings: Settings, session: Session, variant: str, given: Given | None = None) -> Path:
    """Read models/``variant``; write data/generate/``variant``. Returns that folder."""
    folder = session.read(f"models/{variant}", f"etude train model={variant}")
    trained = read_json(folder / "settings.json", f"etude train model={variant}")
    name = trained["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    store.verify()
    pieces = generate(settings, session, variant, folder, store, given or Given())
    place = session.write(f"data/generate/{variant}")
    with whole(place) as part:
        part.mkdir()
        listed = []
        for number, piece in enumerate(pieces):
            piece.score.dump_midi(part / f"{number:02d}.mid")
            listed.append({"file": f"{number:02d}.mid", "notes": piece.score.note_num(), "repaired": not piece.whole})
        made = {"generate": vars(settings.generate), "variant": variant, "key": trained["key"]}
        write_json(part / "manifest.json", {"settings": made, "pieces": listed})
    return place


if __name__ == "__main__":
    main(run)
