"""Harmony for a melody: the first voice of a DeepBach is given, the others are drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TrackTick

from etude.encoding.survey import DRUMS
from etude.errors import EtudeError
from etude.models.deepbach import DeepBach, bounded, framed
from etude.representations.chorale import Chorale, key_signature
from etude.sampling.gibbs import gibbs
from etude.scores.columns import Columns, columns_of
from etude.scores.markers import fermatas, mark_fermatas
from etude.seeds import seed_of
from etude.settings import Generate

CHAINS = 8  # harmonies that are drawn; the one that surprises the model least is taken


def melody(source: ScoreTick) -> TrackTick:
    """The first track with notes that is no percussion; its notes are one after the other.

    Notes may overlap by an eighth at most, as in legato playing.

    Raises:
        EtudeError: there is no such track, or more than one note sounds at a time in it.
    """
    track = next((track for track in source.tracks if len(track.notes) and not track.is_drum), None)
    if track is None:
        raise EtudeError("it has no track with notes but percussion. Give a melody.")
    notes = columns_of(track)
    order = np.argsort(notes.onset, kind="stable")
    notes = notes[order]
    onset, end = notes.onset.astype(np.int64), notes.onset.astype(np.int64) + notes.length
    together = (onset[1:] == onset[:-1]) | (np.maximum.accumulate(end)[:-1] - onset[1:] > source.ticks_per_quarter / 2)
    if together.any():
        quarter = onset[1:][together][0] / source.ticks_per_quarter
        raise EtudeError(
            f"its first track with notes{f' ({track.name})' if track.name else ''} has more than one note at a time, "
            f"first {quarter:g} quarters from its begin. Give a melody of one voice."
        )
    return track


def shift_into(low: int, high: int, pitches: NDArray[Any]) -> int:
    """The smallest transposition, in semitones, that brings all ``pitches`` into low..high; of two the upward one.

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

    These are the last note, notes before a rest of a quarter or more, and notes of a half or more that last at least
    twice as long as the median note. A phrase that ends on a note like the others is not found.
    """
    order = np.argsort(notes.onset, kind="stable")
    onset, length = notes.onset[order].astype(np.int64), notes.length[order].astype(np.int64)
    rest = np.append(onset[1:] - (onset + length)[:-1], quarter)
    ends = (rest >= quarter) | ((length >= 2 * quarter) & (length >= 2 * np.median(length)))
    return [int(time) for time in onset[ends]]


@torch.no_grad()
def surprise(model: DeepBach, rows: Sequence[NDArray[Any]], free: Sequence[int]) -> NDArray[np.float64]:
    """Cost of the cells of some voices, each given all others, of each of some pieces, in nats: (pieces,)."""
    voices = len(model.names)
    batch = framed([bounded(torch.from_numpy(row.astype(np.int64)), voices) for row in rows], voices)
    costs, _ = model.nats(*batch)
    return np.asarray(costs[..., list(free)].double().sum(dim=(1, 2)).numpy())


def harmonize(
    model: DeepBach, representation: Chorale, source: ScoreTick, plan: Generate, show: bool = False
) -> ScoreTick:
    """The melody of ``source`` with the other voices of the model below it.

    The melody comes out note for note as it came in. Its harmony is drawn on the model's grid, in the key that fits
    the melody best, with fermatas where the file has such markers or else where phrases seem to end. A melody beyond
    the first voice's range is harmonised transposed, by as little as it takes, and the harmony is transposed back.

    Args:
        model: a trained DeepBach.
        representation: the one that it reads.
        source: a piece; see ``melody`` for what is taken of it.
        plan: seed, sweeps, temperature, top_p.
        show: with a progress bar.

    Returns:
        A piece with the voices of the representation as tracks, with ticks, tempos, meters, keys and markers of
        ``source``.

    Raises:
        EtudeError: there is no melody, or its range is too wide.
    """
    given = melody(source)
    notes = columns_of(given)
    heard = np.flatnonzero(model.counts[0].numpy()[2:]) + representation.low  # after hold and rest
    shift = shift_into(int(heard.min()), int(heard.max()), notes.pitch)
    (name, program), *others = representation.voices.items()

    posed = ScoreTick(source.ticks_per_quarter)
    posed.time_signatures = source.time_signatures.copy()
    track = TrackTick(name, max(program, 0), program == DRUMS)
    track.notes = Columns(notes.onset, notes.length, (notes.pitch + shift).astype(np.int8), notes.velocity).notes()
    posed.tracks.append(track)
    posed.key_signatures.append(KeySignatureTick(0, *key_signature(posed)))
    mark_fermatas(posed, fermatas(source) or phrase_ends(notes, source.ticks_per_quarter))

    row, free = representation.encode(posed), range(1, len(representation.voices))
    luck = [np.random.default_rng((seed_of("harmony", plan.seed), chain)) for chain in range(CHAINS)]
    drawn = gibbs(model, [row] * CHAINS, free, luck, plan, show)
    harmony = representation.decode(drawn[int(np.argmin(surprise(model, drawn, free)))])

    made = ScoreTick(source.ticks_per_quarter)
    made.tempos, made.time_signatures = source.tempos.copy(), source.time_signatures.copy()
    made.key_signatures, made.markers = source.key_signatures.copy(), source.markers.copy()
    upper = TrackTick(name, max(program, 0), program == DRUMS)
    upper.notes = given.notes.copy()
    made.tracks.append(upper)
    loudness = round(float(notes.velocity.mean()))
    scale = source.ticks_per_quarter / harmony.ticks_per_quarter
    for (name, program), line in zip(others, harmony.tracks[1:], strict=True):
        voice = TrackTick(name, max(program, 0), program == DRUMS)
        for note in line.notes:
            onset, end = round(note.time * scale), round(note.end * scale)
            if onset < end:  # ticks may be coarser than the grid
                voice.notes.append(NoteTick(onset, end - onset, note.pitch - shift, loudness))
        made.tracks.append(voice)
    return made
