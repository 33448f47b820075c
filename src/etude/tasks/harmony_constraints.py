"""What a person asks of the voices below a melody - a bass, fixed parts, chords - as tokens that each cell may have."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TrackTick

from etude.config.sections import Ingest
from etude.core.errors import EtudeError
from etude.music.bars import bars_of
from etude.music.chord_text import read_chords
from etude.music.key import Mode
from etude.music.melody import find_melody
from etude.representations.base.grid import FIRST, REST
from etude.representations.base.survey import DRUMS
from etude.sampling.constraints import enter_together, keep_given, keep_to_chords
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import MelodyOnGrid, grid_of
from etude.tasks.requests import HarmonizeFiles
from etude.tasks.score_files import USAGE, read_score, require_score


def allowed_tokens(
    harmonizer: Harmonizer, melody: MelodyOnGrid, source: ScoreTick, files: HarmonizeFiles, limits: Ingest
) -> NDArray[np.bool_]:
    """The tokens that each cell may have (frames, voices, V), given the melody and all that is requested.

    Args:
        harmonizer: the model.
        melody: on its grid.
        source: the piece that the melody is from; chords count its bars.
        files: bass, fixed parts and chords.
        limits: within which files are read.

    Raises:
        EtudeError: a file or a chord cannot be read, or what is requested cannot be.
    """
    grid, given = melody.grid.copy(), np.zeros(melody.grid.shape, dtype=bool)
    given[:, 0] = True
    if files.bass:
        grid[:, -1], given[:, -1] = _bass(harmonizer, melody, files.bass, limits), True
    if files.fixed:
        cells = _fixed(harmonizer, melody, files.fixed, limits)
        kept = cells != REST
        grid[kept], given = cells[kept], given | kept
    return _allow(harmonizer, melody, source, grid, given, files.chords)


def allowed_with(
    harmonizer: Harmonizer,
    melody: MelodyOnGrid,
    source: ScoreTick,
    parts: Mapping[str, TrackTick],
    where: str,
    chords: str | None,
) -> NDArray[np.bool_]:
    """The tokens that each cell may have (frames, voices, V), given the melody and notes of other voices.

    Args:
        harmonizer: the model.
        melody: on its grid.
        source: the piece that the melody is from; the parts are in its ticks, and chords count its bars.
        parts: voice -> the notes of it that stay.
        where: what gives the parts, for messages.
        chords: as text; None: any.

    Raises:
        EtudeError: a chord cannot be read, or a note lies outside the range of its voice.
    """
    grid, given = melody.grid.copy(), np.zeros(melody.grid.shape, dtype=bool)
    given[:, 0] = True
    cells = _cells(harmonizer, parts, melody, where, source.ticks_per_quarter)
    kept = cells != REST
    grid[kept], given = cells[kept], given | kept
    return _allow(harmonizer, melody, source, grid, given, chords)


def _allow(
    harmonizer: Harmonizer,
    melody: MelodyOnGrid,
    source: ScoreTick,
    grid: NDArray[np.int64],
    given: NDArray[np.bool_],
    chords: str | None,
) -> NDArray[np.bool_]:
    """The tokens that each cell may have, given some cells of the grid, and chords as text."""
    representation = harmonizer.representation
    allowed = enter_together(keep_given(grid, given, harmonizer.observed), grid, given)
    if chords:
        steps, quarter = representation.steps, source.ticks_per_quarter
        transposed = [
            replace(
                chord.transpose(melody.shift),
                start=round(chord.start * steps / quarter),
                end=round(chord.end * steps / quarter),
            )
            for chord in read_chords(chords, bars_of(source), _key(melody))
        ]
        allowed = keep_to_chords(allowed, given, transposed, representation.low)
    return allowed


def _bass(harmonizer: Harmonizer, melody: MelodyOnGrid, file: str, limits: Ingest) -> NDArray[np.int64]:
    """The cells of the lowest voice (frames,), as a file gives them."""
    score, _ = read_score(require_score("bass", file, USAGE), limits)
    try:
        track = find_melody(score)
    except EtudeError as error:
        raise EtudeError(f"bass = {file}: {error}") from None
    lowest = list(harmonizer.representation.voices)[-1]
    return _cells(harmonizer, {lowest: track}, melody, f"bass = {file}", score.ticks_per_quarter)[:, -1]


def _fixed(harmonizer: Harmonizer, melody: MelodyOnGrid, file: str, limits: Ingest) -> NDArray[np.int64]:
    """The cells (frames, voices) of the parts in a file, whose tracks are named as voices; rests elsewhere."""
    names = list(harmonizer.representation.voices)
    parts, _ = read_score(require_score("fixed", file, USAGE), limits)
    tracks = {part.name.strip(): part for part in parts.tracks if len(part.notes)}
    if not tracks or any(name not in names[1:] for name in tracks):
        raise EtudeError(
            f"fixed = {file}: its tracks with notes are {', '.join(map(repr, tracks)) or 'none'}. Name them as the "
            f"voices: {', '.join(names[1:])}."
        )
    return _cells(harmonizer, tracks, melody, f"fixed = {file}", parts.ticks_per_quarter)


def _cells(
    harmonizer: Harmonizer, parts: Mapping[str, TrackTick], melody: MelodyOnGrid, where: str, quarter: int
) -> NDArray[np.int64]:
    """Given parts on the grid of the melody, transposed with it: (frames, voices), rests where nothing is given."""
    representation, shift = harmonizer.representation, melody.shift
    piece = ScoreTick(quarter)
    for place, (name, program) in enumerate(representation.voices.items()):
        track = TrackTick(name, max(program, 0), program == DRUMS)
        for note in parts[name].notes if name in parts else ():
            token = note.pitch + shift - representation.low + FIRST
            known = np.flatnonzero(harmonizer.observed[place, FIRST:]) + FIRST
            if not known.min() <= token <= known.max():
                low, high = (int(end) - FIRST + representation.low - shift for end in (known.min(), known.max()))
                raise EtudeError(
                    f"{where}: its note {note.pitch} of {name} lies outside {low} to {high}, the range that this voice "
                    "has in train under such a melody."
                )
            track.notes.append(NoteTick(note.time, note.duration, note.pitch + shift, note.velocity))
        piece.tracks.append(track)
    cells = grid_of(representation, piece)[: len(melody.grid)]
    rests = np.full((len(melody.grid) - len(cells), cells.shape[1]), REST)
    return np.concatenate([cells, rests])


def _key(melody: MelodyOnGrid) -> tuple[int, Mode]:
    """The tonic and mode of the key in which the melody starts, in its source."""
    key = melody.piece.key_signatures[0]
    tonic = key.key * 7 + (9 if key.tonality else 0) - melody.shift
    return tonic % 12, "minor" if key.tonality else "major"
