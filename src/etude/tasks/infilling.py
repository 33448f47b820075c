"""Filling in: some bars of some voices are drawn again, all else stays note for note."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TrackTick

from etude.config.sections import Harmonize
from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.stated_key import states_key
from etude.representations.base.grid import HOLD, VoicesOnGrid, from_grid
from etude.representations.base.survey import DRUMS, program_of
from etude.representations.chorale import key_signature
from etude.sampling.constraints import keep_given
from etude.sampling.harmonies import HarmonyTask
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import grid_of, harmonize


def fill_bars(
    harmonizer: Harmonizer,
    source: ScoreTick,
    bars: tuple[int, int],
    voices: Collection[str],
    config: Harmonize,
    rngs: Sequence[np.random.Generator],
    show: bool = False,
) -> list[ScoreTick]:
    """The piece with some bars of some voices drawn again, once for each of ``rngs``, the best first.

    A note that starts in these bars and voices goes; one that starts before and rings into them stays.

    Args:
        harmonizer: the model.
        source: the piece, its tracks on the programs of the representation's voices.
        bars: the first and the last, from 1.
        voices: the names of those that are drawn.
        config: how they are drawn.
        rngs: the random number generator of each.
        show: with a progress bar.

    Raises:
        EtudeError: there are no such bars, or a note that stays is beyond what the model knows.
    """
    representation, steps = harmonizer.representation, harmonizer.representation.steps
    counted, quarter = bars_of(source, bars[1]), source.ticks_per_quarter
    start, end = (round(tick * steps / quarter) for tick in (counted[bars[0] - 1].start, counted[bars[1] - 1].end))
    grid = grid_of(representation, source)
    if start >= len(grid):
        raise EtudeError(f"it ends before bar {bars[0]} starts. Name bars that it has.")
    grid, end = grid.copy(), min(end, len(grid))
    free = np.zeros(grid.shape, dtype=bool)
    for place, name in enumerate(representation.voices):
        if name in voices:
            since, until = start, end
            while since < end and grid[since, place] == HOLD:  # of a note that started before
                since += 1
            while until < len(grid) and grid[until, place] == HOLD and since < until:  # of one that goes
                until += 1
            free[since:until, place] = True
    allowed = keep_given(grid, ~free, harmonizer.observed)  # what stays is not made longer
    keyed = source.copy()
    if not states_key(keyed):
        keyed.key_signatures.clear()
        keyed.key_signatures.append(KeySignatureTick(0, *key_signature(source)))
    config = replace(config, sharpness=0.0)  # candidates that differ
    (found,) = harmonize(harmonizer.model, representation, [HarmonyTask(keyed, allowed, config, rngs, show)])
    return [_replace_notes(harmony.grid, free, representation, source) for harmony in found]


def _replace_notes(
    grid: NDArray[np.int64], free: NDArray[np.bool_], representation: VoicesOnGrid, source: ScoreTick
) -> ScoreTick:
    """The source with the notes that start in free cells replaced by those of the grid."""
    made = from_grid(grid, representation.voices, representation.steps, representation.low, 120)
    piece = source.copy()
    quarter, steps = source.ticks_per_quarter, representation.steps
    for place, (name, program) in enumerate(representation.voices.items()):
        if not free[:, place].any():
            continue
        own = next((track for track in piece.tracks if program_of(track) == program), None)
        if own is None:
            own = TrackTick(name, max(program, 0), program == DRUMS)
            piece.tracks.append(own)
            own = piece.tracks[-1]
        cells = np.flatnonzero(free[:, place])
        start, end = cells[0] * quarter / steps, (cells[-1] + 1) * quarter / steps
        half = quarter / steps / 2
        notes = [note for note in own.notes if not start - half < note.time <= end - half]
        for note in made.tracks[place].notes:
            frame = note.time * steps // made.ticks_per_quarter
            if free[frame, place]:
                scale = quarter / made.ticks_per_quarter
                onset = round(note.time * scale)
                notes.append(NoteTick(onset, max(1, round(note.end * scale) - onset), note.pitch, note.velocity))
        own.notes.clear()
        for note in sorted(notes, key=lambda note: (note.time, note.pitch)):
            own.notes.append(note)
    return piece
