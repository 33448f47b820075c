"""Stage reference: measure the real test pieces, and compare real music with real music."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.provenance import read_ingest, split_ids
from etude.audio.render import write_sound
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, whole, write_json
from etude.core.progress import follow
from etude.metrics import outside
from etude.metrics.descriptors import columns, descriptors
from etude.metrics.distance import at_size, piece_distances, ranks, round_floats, summary
from etude.metrics.overlap import compare_at_size, count, pool
from etude.stages import main


def reference(
    test: Mapping[str, ScoreTick],
    valid: Mapping[str, ScoreTick],
    settings: Evaluate,
    size: int,
    progress: bool = False,
) -> tuple[Json, str]:
    """Measure the real pieces. Returns the report without its example, and the name of the most typical test piece.

    ``descriptors`` describes the test pieces (``etude.metrics.distance.summary``). ``real_against_real`` is the
    distance of sets of ``size`` valid pieces from them (``etude.metrics.distance.at_size``), measured as for samples:
    what ``size`` perfect samples would score. ``distributions`` holds what ``etude.metrics.overlap`` counts in the test
    pieces, as pairs of a value and its count; ``note_by_note`` compares the sets of valid pieces with it.

    Raises:
        EtudeError: there is no test piece, no valid piece, or no note in any test piece.
    """
    for name, pieces in (("test", test), ("valid", valid)):
        if not pieces:
            raise EtudeError(
                f"{catalog.SPLIT} assigns no piece to {name}. Raise split.{name} and run: {catalog.SPLIT.made_by}"
            )
    scores = [*test.values(), *valid.values()]
    rows = [
        descriptors(score, settings.resolution, settings.bars)
        for score in follow(scores, "measuring real pieces", len(scores), progress)
    ]
    real, other = columns(rows[: len(test)]), columns(rows[len(test) :])
    far = piece_distances(real, real)
    if np.isnan(far).all():
        raise EtudeError(
            f"No test piece of {catalog.SPLIT} has a note. Make the pieces again with: {catalog.INGEST.made_by}"
        )
    counted = [count(score, settings.resolution, settings.bars) for score in scores]
    distributions = pool(counted[: len(test)]).distributions
    sets = compare_at_size(counted[len(test) :], distributions, size, settings.bootstrap, settings.seed)
    report = {
        "resolution": settings.resolution,
        "bars": settings.bars,
        "pieces": len(test),
        "descriptors": summary(real, settings.bootstrap, settings.seed),
        "real_against_real": at_size(other, real, size, settings.bootstrap, settings.seed),
        "distributions": {name: sorted(counts.items()) for name, counts in distributions.items()},
        "note_by_note": sets,
    }
    return round_floats(report), list(test)[ranks(far).index(0)]


def run(settings: Settings, session: Session) -> Path:
    """Read data/ingest and data/split; write reports/reference.json and data/reference/ with the most typical piece.

    Returns the path of the report.
    """
    source, _ = read_ingest(settings, session)
    splits = split_ids(settings, session, source)
    test, valid = (dict(source.scores(splits[split])) for split in ("test", "valid"))
    report, typical = reference(test, valid, settings.evaluate, settings.generate.pieces, session.progress)
    how = settings.evaluate
    if own := outside.measure(list(test.values()), how.resolution, how.bars):
        report["outside"] = round_floats(summary(own, how.bootstrap, how.seed))
    with whole(session.write(catalog.EXAMPLE)) as part:
        part.mkdir()
        (part / "real.mid").write_bytes(source.data(typical))
        write_sound(part / "real.mp3", test[typical], settings.arrange)
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
