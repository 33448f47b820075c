"""Accompaniment by retrieval: for each phrase of a lead sheet the accompaniment of the most similar phrase of train.

The idea is that of AccoMontage (Zhao and Xia, ISMIR 2021): phrases are compared by melody rhythm and chords, and the
retrieved notes are fitted to the new chords. What follows the phrase taken last is preferred.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from etude.core.errors import EtudeError
from etude.representations.leadsheet import (
    CHORD,
    FIRST,
    HIGH,
    KIND,
    LOW,
    MELODY,
    NO_CHORD,
    NOTE,
    SECOND,
    STEP,
    bars_of_rows,
)

BARS = 2  # of a phrase
CONTINUES = 0.3  # added to the similarity, which is up to 2, of the phrase that follows the one taken last
Steps = tuple[NDArray[np.int64], NDArray[np.int64]]  # the root of the chord at each step, -1: none; its pitch classes


class PhraseRetrieval:
    """The phrases of some train pieces by the lengths of their bars."""

    def __init__(self, train: Iterable[NDArray[np.integer]]) -> None:
        """Args: pieces in rows (see ``LeadSheet``). Phrases with a bar without accompaniment are left out."""
        self.pieces: list[tuple[Steps, NDArray[np.int64], NDArray[np.int64]]] = []
        places: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
        features: dict[tuple[int, ...], list[NDArray[np.float32]]] = defaultdict(list)
        for number, found in enumerate(train):
            rows = np.asarray(found, np.int64)
            starts, lengths, end = bars_of_rows(rows)
            notes = rows[rows[:, KIND] == NOTE][:, [STEP, FIRST, SECOND]]
            chords, onsets = chords_at(rows, end), _onsets(rows, end)
            self.pieces.append((chords, starts, notes))
            played = np.bincount(np.searchsorted(starts, notes[:, 0], side="right") - 1, minlength=len(starts)) > 0
            for bar in range(len(starts) - BARS + 1):
                if played[bar : bar + BARS].all():
                    key = tuple(lengths[bar : bar + BARS].tolist())
                    places[key].append((number, bar))
                    features[key].append(_features(chords, onsets, int(starts[bar]), sum(key)))
        self.places = {key: np.array(found) for key, found in places.items()}
        self.features = {key: np.stack(found) for key, found in features.items()}

    def accompany(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """The accompaniment of a lead sheet in rows: (notes, 3) of step, pitch and length in steps.

        Raises:
            EtudeError: train has no phrase with bars of these lengths.
        """
        whole = np.asarray(rows, np.int64)
        starts, lengths, end = bars_of_rows(whole)
        chords, onsets = chords_at(whole, end), _onsets(whole, end)
        found: list[tuple[int, int, int]] = []
        last = (-1, -1)
        for bar in range(0, len(starts), BARS):
            first = min(bar, max(0, len(starts) - BARS))  # of an odd number of bars the last phrase overlaps
            key = tuple(lengths[first : first + BARS].tolist())
            if key not in self.places:
                raise EtudeError(
                    f"The train pieces have no phrase of bars of {' and '.join(map(str, key))} steps that could be "
                    f"retrieved for bar {first + 1}. Take a lead sheet in a meter that they have."
                )
            places = self.places[key]
            similar = self.features[key] @ _features(chords, onsets, int(starts[first]), sum(key))
            similar = similar + CONTINUES * ((places[:, 0] == last[0]) & (places[:, 1] == last[1] + BARS))
            piece, source = places[int(similar.argmax())].tolist()
            last = (piece, source)
            theirs, own, notes = self.pieces[piece]
            since, size = int(own[source]), sum(key)
            inside = notes[(notes[:, 0] >= since) & (notes[:, 0] < since + size)]
            skipped = int(starts[bar] - starts[first])
            for step, pitch, length in inside.tolist():
                if step - since >= skipped:
                    at = step - since + int(starts[first])
                    found.append((at, *fit(pitch, length, (theirs, step), (chords, at), end)))
        return _without_doubles(found)


def fit(pitch: int, length: int, source: tuple[Steps, int], wanted: tuple[Steps, int], end: int) -> tuple[int, int]:
    """Fit a note to other chords: a chord tone becomes the nearest tone of the new chord, with the root as the origin.

    Args:
        pitch: of the note.
        length: in steps.
        source: the chords around it, and its step.
        wanted: the new chords, and its new step.
        end: step at which the piece ends.

    Returns:
        The new pitch, within a piano's keys, and length: it ends where a chord starts that does not have it.
    """
    (roots, classes), step = source
    (new_roots, new_classes), at = wanted
    root, new_root = int(roots[step]), int(new_roots[at])
    if root >= 0 and new_root >= 0:
        above = (pitch - root) % 12
        moved = (new_root - root + 5) % 12 - 5
        tones = [tone for tone in range(12) if int(new_classes[at]) >> ((new_root + tone) % 12) & 1]
        nearest = min(tones, key=lambda tone: (min((tone - above) % 12, (above - tone) % 12), tone), default=above)
        change = (nearest - above + 6) % 12 - 6
        is_tone = int(classes[step]) >> (pitch % 12) & 1
        pitch += moved + (change if is_tone or abs(change) == 1 else 0)
    pitch += 12 * (-(-(LOW - pitch) // 12) if pitch < LOW else 0) - 12 * (
        -(-(pitch - HIGH) // 12) if pitch > HIGH else 0
    )
    stop = min(at + length, end)
    for place in range(at + 1, stop):
        if (
            new_roots[place] >= 0
            and new_classes[place] != new_classes[at]
            and not new_classes[place] >> (pitch % 12) & 1
        ):
            return pitch, place - at
    return pitch, stop - at


def chords_at(rows: NDArray[np.int64], end: int) -> Steps:
    """The root of the chord at each step, -1: none, and its pitch classes as bits."""
    root, classes = np.full(end, -1), np.zeros(end, np.int64)
    for _, step, first, second, _ in rows[rows[:, KIND] == CHORD].tolist():
        root[step:], classes[step:] = (-1, 0) if first == NO_CHORD else (first, second)
    return root, classes


def _onsets(rows: NDArray[np.int64], end: int) -> NDArray[np.float64]:
    found = np.zeros(end)
    found[rows[rows[:, KIND] == MELODY, STEP]] = 1
    return found


def _features(chords: Steps, onsets: NDArray[np.float64], start: int, size: int) -> NDArray[np.float32]:
    """A phrase as a vector: melody onsets, and chords relative to the root of the first, each of length 1."""
    root, classes = (part[start : start + size] for part in chords)
    known = root[root >= 0]
    base = int(known[0]) if len(known) else 0
    bits = (classes[:, None] >> ((np.arange(12) + base) % 12)) & 1
    roots = np.eye(13)[np.where(root < 0, 12, (root - base) % 12)]
    parts: Sequence[NDArray[np.float64]] = (
        np.append(onsets[start : start + size], 0.1),  # 0.1: phrases without melody are alike
        np.concatenate([bits, roots], axis=1).ravel().astype(np.float64),
    )
    return np.concatenate([part / max(1e-9, float(np.linalg.norm(part))) for part in parts]).astype(np.float32)


def _without_doubles(notes: list[tuple[int, int, int]]) -> NDArray[np.int64]:
    """The notes in order, one a key and step, none sounding on when its key is struck again."""
    longest: dict[tuple[int, int], int] = {}
    for step, pitch, length in notes:
        longest[pitch, step] = max(length, longest.get((pitch, step), 0))
    found = np.array([(step, pitch, length) for (pitch, step), length in sorted(longest.items())], np.int64).reshape(
        -1, 3
    )
    same = found[1:, 1] == found[:-1, 1]
    found[:-1, 2] = np.where(same, np.minimum(found[:-1, 2], found[1:, 0] - found[:-1, 0]), found[:-1, 2])
    return found[np.lexsort((found[:, 1], found[:, 0]))]
