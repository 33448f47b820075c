"""Harmony for a melody: the first voice is given, the others are drawn, and the best of several harmonies is taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TrackTick

from etude.metrics.voice_leading import QUARTERS, agreement, parallels, sounding
from etude.music.columns import Columns, columns_of
from etude.music.markers import fermatas, mark_fermatas
from etude.music.melody import phrase_ends, shift_into
from etude.music.stated_key import states_key
from etude.representations.base.grid import FIRST, VoicesOnGrid, from_grid, to_grid
from etude.representations.base.survey import DRUMS
from etude.representations.chorale import key_signature
from etude.sampling.harmonies import HarmonyTask, harmony_sampler

DISAGREEMENT = 20.0  # nats a bar, times the share of its cells that sound otherwise in the harmonies of a melody


@dataclass(frozen=True)
class Harmony:
    """One harmony of a melody."""

    grid: NDArray[np.int64]  # its tokens, (frames, voices)
    nats: float  # its cost by the model: of DeepBach that of the drawn voices' cells, of others that of all cells
    parallels: int  # fifths and octaves
    cost: float  # nats, what its parallels cost, and what its difference from the other harmonies of the melody costs


@dataclass(frozen=True)
class MelodyOnGrid:
    """A melody on a model's grid, in the range of its first voice."""

    piece: ScoreTick  # the melody as first voice, with meter, key and fermatas
    grid: NDArray[np.int64]  # its tokens, (frames, voices); rests in all other voices
    shift: int  # semitones that it lies above the source
    keys: list[KeySignatureTick]  # of the source: those that it states, or the one that fits it best


def place_on_grid(
    representation: VoicesOnGrid, observed: NDArray[np.bool_], source: ScoreTick, track: TrackTick
) -> MelodyOnGrid:
    """Put a melody on the grid, transposed as little as possible into the range that the first voice has in train.

    The keys are those of the source. One that states none (``etude.music.stated_key``) gets the key that fits the
    melody best. Fermatas are those of the source, or else on ``phrase_ends``.

    Args:
        representation: of voices on a grid.
        observed: tokens that each voice has in train (voices, V).
        source: the piece that the melody is from; its meters, keys and fermatas count.
        track: the melody, one note at a time.

    Raises:
        EtudeError: the melody's range is too wide.
    """
    notes = _steady(columns_of(track), source.ticks_per_quarter, representation.steps)
    pitches = np.flatnonzero(observed[0, FIRST:]) + representation.low
    shift = shift_into(int(pitches.min()), int(pitches.max()), notes.pitch)
    name, program = next(iter(representation.voices.items()))
    piece = ScoreTick(source.ticks_per_quarter)
    piece.time_signatures = source.time_signatures.copy()
    first = TrackTick(name, max(program, 0), program == DRUMS)
    first.notes = Columns(notes.onset, notes.length, (notes.pitch + shift).astype(np.int8), notes.velocity).notes()
    piece.tracks.append(first)
    keys = list(source.key_signatures)
    if not states_key(source):
        keys = [_transposed(KeySignatureTick(0, *key_signature(piece)), -shift)]
    for key in keys:
        piece.key_signatures.append(_transposed(key, shift))
    mark_fermatas(piece, fermatas(source) or phrase_ends(columns_of(track), source.ticks_per_quarter))
    return MelodyOnGrid(piece, grid_of(representation, piece), shift, keys)


def _steady(notes: Columns, quarter: int, steps: int) -> Columns:
    """The notes from grid line to grid line, so that a note that ends where the next starts does so on the grid too."""
    onset, end = (
        np.ceil(ticks * steps / quarter - 0.5) for ticks in (notes.onset, notes.onset.astype(np.int64) + notes.length)
    )
    length = np.maximum(end - onset, 1)
    onset, length = (np.rint(steps_of * quarter / steps).astype(np.int32) for steps_of in (onset, length))
    return Columns(onset, np.maximum(length, 1), notes.pitch, notes.velocity)


def _transposed(key: KeySignatureTick, semitones: int) -> KeySignatureTick:
    return KeySignatureTick(key.time, (key.key + 7 * semitones + 5) % 12 - 5, key.tonality)


def harmonize(model: Any, representation: VoicesOnGrid, tasks: Sequence[HarmonyTask]) -> list[list[Harmony]]:
    """The harmonies of each task, the best first: that of the lowest cost.

    What many harmonies of a melody have in common can be nearer to the real one than the most probable of them is. So
    each pays for the cells that sound otherwise in others: minimum Bayes risk decoding, as in Kumar and Byrne, 2004.
    """
    sampled = harmony_sampler(model.sampler).sample_harmonies(model, representation, tasks)
    return [_in_order(representation, task, *found) for task, found in zip(tasks, sampled, strict=True)]


def _in_order(
    representation: VoicesOnGrid, task: HarmonyTask, grids: list[NDArray[np.int64]], nats: NDArray[np.float64]
) -> list[Harmony]:
    pitches = [sounding(grid, representation.low) for grid in grids]
    dearest = DISAGREEMENT * len(task.allowed) / (QUARTERS * representation.steps)
    found = []
    for grid, nats_of, own in zip(grids, nats, pitches, strict=True):
        wrong = int(parallels(own[:-1], own[1:]).sum())
        agreed = float(np.mean([agreement(own, other) for other in pitches]))
        cost = float(nats_of) + task.config.parallel_cost * wrong + dearest * (1 - agreed)
        found.append(Harmony(grid, float(nats_of), wrong, cost))
    return sorted(found, key=lambda harmony: harmony.cost)


def to_score(
    harmony: Harmony, representation: VoicesOnGrid, melody: MelodyOnGrid, source: ScoreTick, track: TrackTick
) -> ScoreTick:
    """The melody as it came in, note for note, with the voices of a harmony below it, back in its own key.

    Returns:
        A piece with the voices of the representation as tracks, with ticks, tempos, meters and markers of ``source``
        and the melody's keys.
    """
    voices = from_grid(harmony.grid, representation.voices, representation.steps, representation.low, 120)
    (name, program), *others = representation.voices.items()
    made = ScoreTick(source.ticks_per_quarter)
    made.tempos, made.time_signatures = source.tempos.copy(), source.time_signatures.copy()
    made.markers = source.markers.copy()
    for key in melody.keys:
        made.key_signatures.append(key)
    upper = TrackTick(name, max(program, 0), program == DRUMS)
    upper.notes = track.notes.copy()
    made.tracks.append(upper)
    loudness = round(float(columns_of(track).velocity.mean()))
    scale = source.ticks_per_quarter / voices.ticks_per_quarter
    for (name, program), line in zip(others, voices.tracks[1:], strict=True):
        voice = TrackTick(name, max(program, 0), program == DRUMS)
        for note in line.notes:
            onset, end = round(note.time * scale), round(note.end * scale)
            if onset < end:  # ticks may be coarser than the grid
                voice.notes.append(NoteTick(onset, end - onset, note.pitch - melody.shift, loudness))
        made.tracks.append(voice)
    return made


def grid_of(representation: VoicesOnGrid, piece: ScoreTick) -> NDArray[np.int64]:
    """The tokens of a piece on the grid, from its start: (frames, voices)."""
    low, high = representation.low, representation.high
    return to_grid(piece, representation.voices, representation.steps, low, high).astype(np.int64)
