"""Stage generate: a model and a seed in, pieces as MIDI out."""

from pathlib import Path
from typing import Any

from symusic.core import ScoreTick

from etude import models, representations, sampling
from etude.encoding.store import Store
from etude.outputs import read_json, whole, write_json
from etude.session import Session
from etude.settings import Settings
from etude.stages import main


def generate(settings: Settings, variant: str, folder: Path, store: Store, show: bool) -> list[ScoreTick]:
    """Draw ``generate.pieces`` pieces from the trained model in ``folder``."""
    models.set_threads(settings.trainer.threads)
    representation: Any = representations.load(store)
    model = models.load(settings, variant, folder, store, representation)
    plan = settings.generate
    return sampling.sample(model, representation, store, plan, plan.pieces, show)


def run(settings: Settings, session: Session, variant: str) -> Path:
    """Read models/``variant``; write data/generate/``variant``. Returns that folder."""
    folder = session.read(f"models/{variant}", f"etude train model={variant}")
    trained = read_json(folder / "settings.json", f"etude train model={variant}")
    name = trained["tokens"]["representation"]
    store = Store(session.read(f"data/tokenize/{name}", f"etude tokenize tokenize={name}"))
    store.verify()
    pieces = generate(settings, variant, folder, store, session.progress)
    place = session.write(f"data/generate/{variant}")
    with whole(place) as part:
        part.mkdir()
        listed = []
        for number, piece in enumerate(pieces):
            piece.dump_midi(part / f"{number:02d}.mid")
            listed.append({"file": f"{number:02d}.mid", "notes": piece.note_num()})
        made = {"generate": vars(settings.generate), "variant": variant, "key": trained["key"]}
        write_json(part / "manifest.json", {"settings": made, "pieces": listed})
    return place


if __name__ == "__main__":
    main(run)
