"""Notes as columns and back."""

import numpy as np
from symusic.core import NoteTick as Note
from symusic.core import TrackTick as Track

from etude.music.columns import columns_of, concatenate


def track(*notes: tuple[int, int, int, int]) -> Track:
    made = Track("", 0, False)
    for note in notes:
        made.notes.append(Note(*note))
    return made


def test_columns_are_the_notes_and_chosen_by_masks_places_and_slices() -> None:
    notes = track((0, 24, 60, 80), (24, 12, 62, 70), (36, 12, 64, 60))
    columns = columns_of(notes)
    assert columns.notes() == notes.notes
    assert columns.pitch.tolist() == [60, 62, 64] and columns.length.tolist() == [24, 12, 12]
    chosen = [columns[columns.length < 20], columns[np.array([1, 2])], columns[1:]]
    assert all(part.onset.tolist() == [24, 36] for part in chosen)


def test_concatenation_keeps_the_order() -> None:
    one, other = columns_of(track((24, 12, 62, 70))), columns_of(track((0, 24, 60, 80)))
    assert concatenate([one]) is one
    assert concatenate([one, other]).onset.tolist() == [24, 0]
