"""Stage reference: measure the real test pieces, and compare real music with real music."""

from pathlib import Path

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.audio.render import write_sound
from etude.config.sections import Settings
from etude.core.files import whole_folder, write_json
from etude.metrics.comparison import choose_train
from etude.metrics.reference import reference
from etude.stages import main


def run(settings: Settings, session: Session) -> Path:
    """Read data/ingest and data/split; write reports/reference.json and data/reference/ with the most typical piece.

    Returns the path of the report.
    """
    how = settings.evaluate
    source, _ = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    chosen = {**splits, "train": choose_train(splits["train"], how)}
    train, valid, test = (dict(source.scores(chosen[split])) for split in ("train", "valid", "test"))
    report, typical = reference(train, valid, test, how, settings.generate.pieces, session.progress)
    with whole_folder(session.write(catalog.EXAMPLE)) as part:
        (part / "real.mid").write_bytes(source.data(typical))
        write_sound(part / "real.mp3", test[typical], settings.mix)
    report["example"] = {
        "id": typical,
        "title": source.entries[typical]["title"] or typical,
        "midi": str(catalog.EXAMPLE / "real.mid"),
        "mp3": str(catalog.EXAMPLE / "real.mp3"),
    }
    made = session.write(catalog.REFERENCE)
    write_json(made, report)
    return made


if __name__ == "__main__":
    main(run)
