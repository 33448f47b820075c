"""The simplest accompaniment: each chord of the lead sheet as one block, held until the next."""

import numpy as np
from numpy.typing import NDArray

from etude.music.chords import voicing
from etude.representations.leadsheet import CHORD, KIND, NO_CHORD, STEP, bars_of_rows, tones_of_row


def accompany(rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """The block chords of a lead sheet in rows (see ``LeadSheet``): (notes, 3) of step, pitch and length in steps."""
    rows = np.asarray(rows, np.int64)
    chords = rows[rows[:, KIND] == CHORD]
    stops = np.append(chords[:, STEP], bars_of_rows(rows)[2])[1:]
    found = [
        (step, pitch, stop - step)
        for (_, step, root, classes, bass), stop in zip(chords.tolist(), stops.tolist(), strict=True)
        if root != NO_CHORD
        for pitch in voicing(root, tones_of_row(root, classes, bass).classes, bass)
    ]
    return np.array(found, np.int64).reshape(-1, 3)
