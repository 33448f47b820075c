"""The melody in a given piece: which notes it has, where it lies, where its phrases end."""

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from etude.core.errors import EtudeError
from etude.music.columns import Columns, columns_of, concatenate


def find_melody(source: ScoreTick, top_line: bool = False) -> TrackTick:
    """The first track with notes that is no percussion. One note sounds at a time.

    Notes may overlap by an eighth note at most, as in legato playing.

    Args:
        source: the piece.
        top_line: take the highest notes of that track and of others on its instrument, as the staves of a hymn are.

    Raises:
        EtudeError: there is no such track, or more than one note sounds at a time in it.
    """
    track = next((track for track in source.tracks if len(track.notes) and not track.is_drum), None)
    if track is None:
        raise EtudeError("it has no track with notes but percussion. Give a melody.")
    if top_line:
        highest, pitched = track.copy(), [other for other in source.tracks if not other.is_drum]
        alike = [columns_of(other) for other in pitched if other.program == track.program and len(other.notes)]
        highest.notes = skyline(concatenate(alike)).notes()
        return highest
    notes = columns_of(track)
    order = np.argsort(notes.onset, kind="stable")
    notes = notes[order]
    onset, end = notes.onset.astype(np.int64), notes.onset.astype(np.int64) + notes.length
    together = (onset[1:] == onset[:-1]) | (np.maximum.accumulate(end)[:-1] - onset[1:] > source.ticks_per_quarter / 2)
    if together.any():
        quarter = onset[1:][together][0] / source.ticks_per_quarter
        raise EtudeError(
            f"its first track with notes{f' ({track.name})' if track.name else ''} has more than one note at a time, "
            f"first {quarter:g} quarter notes from its start. Give a melody of one voice, or take its top line with "
            "top_line=true."
        )
    return track


def skyline(notes: Columns) -> Columns:
    """The notes with nothing above them when they start; each ends where the next starts, if not before.

    Source: Uitdenbogerd and Zobel, Melodic Matching Techniques for Large Music Databases, 1999 (the skyline).
    """
    order = np.lexsort((-notes.pitch.astype(np.int64), notes.onset))
    chosen: list[int] = []
    for place in order.tolist():
        last = chosen[-1] if chosen else None
        sounds = last is not None and notes.onset[place] < int(notes.onset[last]) + int(notes.length[last])
        if sounds and (notes.onset[place] == notes.onset[last] or notes.pitch[place] <= notes.pitch[last]):
            continue
        chosen.append(place)
    line = notes[np.array(chosen, dtype=np.int64)]
    until = np.append(line.onset[1:], np.iinfo(np.int32).max)
    return Columns(line.onset, np.minimum(line.length, until - line.onset).astype(np.int32), line.pitch, line.velocity)


def shift_into(low: int, high: int, pitches: NDArray[np.integer]) -> int:
    """The smallest transposition, in semitones, that brings all ``pitches`` into low..high.

    Raises:
        EtudeError: there is none.
    """
    least, most = low - int(pitches.min()), high - int(pitches.max())
    if least > most:
        raise EtudeError(
            f"its notes span {int(np.ptp(pitches))} semitones, more than the {high - low} of the first voice in the "
            "pieces that the model learned from. Give a melody of a smaller range."
        )
    return min(max(0, least), most)


def phrase_ends(notes: Columns, quarter: int) -> list[int]:
    """Onsets of the notes of a melody on which a phrase seems to end, so that they get a fermata.

    These are the last note, notes before a rest of a quarter note or more, and half notes or longer that last at least
    twice as long as the median note. A phrase that ends on a note like the others is not found.
    """
    order = np.argsort(notes.onset, kind="stable")
    onset, length = notes.onset[order].astype(np.int64), notes.length[order].astype(np.int64)
    rest = np.append(onset[1:] - (onset + length)[:-1], quarter)
    ends = (rest >= quarter) | ((length >= 2 * quarter) & (length >= 2 * np.median(length)))
    return [int(time) for time in onset[ends]]
