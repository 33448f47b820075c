"""Real music measured, and compared with real music: what samples are compared with."""

from collections.abc import Mapping

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.config.sections import Evaluate
from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.core.progress import bar
from etude.metrics import originality, outside
from etude.metrics.comparison import Measured, describe
from etude.metrics.descriptors import difference_to_muspy
from etude.metrics.distance import piece_distances, ranks, round_floats, summary

CHECKED = 100  # test pieces whose descriptors are compared with muspy's own
ROUNDING = 1e-9  # by which they may differ


def reference(
    train: Mapping[str, ScoreTick],
    valid: Mapping[str, ScoreTick],
    test: Mapping[str, ScoreTick],
    settings: Evaluate,
    size: int,
    progress: bool = False,
) -> tuple[Json, str]:
    """Measure the real pieces. Returns the report without its example, and the name of the most typical test piece.

    The report is that of ``etude.metrics.comparison.describe``: the test pieces, and what sets of ``size`` valid pieces
    score against them, as ``size`` perfect samples would. ``muspy`` says how many test pieces muspy itself measured,
    and the largest difference of a value; ``outside`` what metrics of installed packages measured, if there are any.

    Raises:
        EtudeError: there is no train, valid or test piece, or no note in any test piece; or muspy's own values differ.
    """
    for name, pieces in (("train", train), ("valid", valid), ("test", test)):
        if not pieces:
            raise EtudeError(
                f"{catalog.SPLIT} assigns no piece to {name}. Raise split.{name} and run: {catalog.SPLIT.made_by}"
            )
    learned, other, real = (Measured.of(list(pieces.values()), settings) for pieces in (train, valid, test))
    far = piece_distances(real.descriptors, real.descriptors)
    if np.isnan(far).all():
        raise EtudeError(
            f"No test piece of {catalog.SPLIT} has a note. Make the pieces again with: {catalog.INGEST.made_by}"
        )
    with bar("comparing test with train", len(test), progress) as report:
        found = originality.Reference.of(learned.points)
        copied = originality.compare(real.points, found, settings.window, report=report)
    checked = Measured.of(list(test.values())[:CHECKED], settings)
    apart = difference_to_muspy(checked.notes, checked.descriptors)
    if apart > ROUNDING:
        raise EtudeError(
            f"The descriptors of {catalog.SPLIT}'s test pieces differ from muspy's own by {apart:g}: the "
            "installed muspy defines them otherwise. Install the release of requirements.lock."
        )
    described = describe(learned, other, real, settings, size, copied)
    described["muspy"] = {"pieces": len(checked), "difference": apart}
    if own := outside.measure(list(test.values()), settings.resolution, settings.bars):
        described["outside"] = summary(own, settings.bootstrap, settings.seed)
    return round_floats(described), list(test)[ranks(far).index(0)]
