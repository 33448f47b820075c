"""Reading MIDI files: formats 0, 1 and 2, RIFF wrappers and karaoke; metrical, or as time alone."""

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ControlChangeTickList as ControlChanges
from symusic.core import KeySignatureTickList as KeySignatures
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TempoTickList as Tempos
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TimeSignatureTickList as TimeSignatures
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.music.chords import Symbol
from etude.music.columns import Columns, columns_of, joined
from etude.scores.cleaning import SUSTAIN
from etude.scores.parts import assign, merged, voiced
from etude.scores.reading import facts

LONGEST = 1_000_000  # quarters: nearly six days at 120 a minute. A longer piece is a damaged one
LAST = 2**31 - 1  # symusic's ticks have 32 bits
STANDARD = 500_000  # microseconds a quarter, where a MIDI file states none
PADDING = bytes(8)  # symusic reads a few bytes beyond an event that is cut off: these are always the same
PERFORMANCE = 120.0  # quarters a minute that stand for time where music has no metre

Grid = Callable[[NDArray[Any]], NDArray[np.float64]]  # a file's ticks -> a piece's ticks, not rounded


def read_midi(path: Path, part: str | None, reading: Reading) -> tuple[Score, dict[str, Any]]:
    """Read a MIDI file; see ``etude.scores.read``. Of format 2 ``part`` chooses the sequence, from "1" on.

    Onsets and ends are rounded to the grid; a note that has a length keeps at least one tick. The sustain pedal stays
    as controller 64; lyrics and all other controllers are left out. Where ``reading.metrical`` is false, the ticks are
    the seconds of a performance, at 120 quarters a minute throughout, in 4/4.

    Raises:
        EtudeError: this is no MIDI file, it is absurdly long, or a voice is missing.
    """
    source = parse(path, part)
    score = Score(reading.ticks_per_quarter)
    if reading.metrical:

        def grid(ticks: NDArray[Any]) -> NDArray[np.float64]:
            return ticks * np.float64(reading.ticks_per_quarter) / source.ticks_per_quarter

        score.tempos = _tempos(source, grid, reading)
        score.time_signatures = _time_signatures(source, grid)
    else:

        def grid(ticks: NDArray[Any]) -> NDArray[np.float64]:
            return seconds(ticks, source) * (PERFORMANCE / 60 * reading.ticks_per_quarter)

        score.tempos.append(Tempo(0, PERFORMANCE))
        score.time_signatures.append(TimeSignature(0, 4, 4))
    if len(source.key_signatures):
        keys = source.key_signatures.numpy()
        score.key_signatures = KeySignatures.from_numpy(rounded(grid(keys["time"])), keys["key"], keys["tonality"])
    others, moved = fill(score, source.tracks, grid, [], reading)
    return score, facts(score, len(source.tempos) > 0, others, rounded=moved)


def sequences(path: Path) -> int:
    """How many independent sequences the file holds: one, unless it is of format 2, and unless it is damaged."""
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[:4] != b"RIFF" and head[8:10] != b"\0\2":
        return 1
    try:
        data = _unwrapped(path.read_bytes())
        return max(1, len(_tracks(data))) if data[:4] == b"MThd" and data[8:10] == b"\0\2" else 1
    except EtudeError:
        return 1  # reading it will say what is wrong


def parse(path: Path, part: str | None = None) -> Score:
    """The file as symusic reads it, with times that a piece can have.

    Raises:
        EtudeError: the times are absurd.
        RuntimeError: symusic's own words on what is wrong.
    """
    data = _unwrapped(path.read_bytes())
    if data[:4] == b"MThd" and len(data) >= 14:
        tracks = _tracks(data)
        if data[8:10] == b"\0\2":
            tracks, data = [_sequence(tracks, part)], data[:8] + b"\0\0" + data[10:]
        data = data[:10] + struct.pack(">H", len(tracks)) + data[12:14] + b"".join(tracks) + PADDING
    score = Score.from_midi(data)
    resolution = score.ticks_per_quarter
    if resolution < 1:
        raise EtudeError("its header says that a quarter has 0 ticks")
    if any(track.start() < 0 for track in score.tracks) or not 0 <= score.end() <= LONGEST * resolution:
        raise EtudeError(f"it is damaged: its times go beyond {LONGEST} quarters")
    return score


def seconds(ticks: NDArray[Any], source: Score) -> NDArray[np.float64]:
    """When the file's ticks sound, by all its tempos."""
    tempos = source.tempos.numpy()
    order = np.argsort(tempos["time"], kind="stable")
    times = np.append(0, np.maximum(tempos["time"][order], 0)).astype(np.float64)
    lengths = np.append(STANDARD, np.maximum(tempos["mspq"][order], 1)) / 1e6 / source.ticks_per_quarter
    starts = np.append(0.0, np.cumsum(np.diff(times) * lengths[:-1]))
    place = np.searchsorted(times, ticks, "right") - 1
    return starts[place] + (ticks - times[place]) * lengths[place]


def rounded(ticks: NDArray[np.float64]) -> NDArray[np.int32]:
    """The nearest ticks, halves up.

    Raises:
        EtudeError: there are no such ticks.
    """
    if len(ticks) and not (ticks.min() > -LAST and ticks.max() < LAST):
        raise EtudeError("it is too long for the grid of dataset.reading.ticks_per_quarter")
    return np.floor(ticks + 0.5).astype(np.int32)


def fill(
    score: Score, tracks: Iterable[Track], grid: Grid, symbols: Sequence[Symbol], reading: Reading
) -> tuple[list[str], int]:
    """Give the piece its tracks, from those of a file, and its chord symbols.

    Returns:
        The names of the tracks that were left out, and how many notes moved onto the grid.
    """
    sounding = [track for track in tracks if len(track.notes)]
    if reading.voices is None:
        placed, moved = _placed(sounding, grid, reading.velocity)
        merged(score, placed, symbols)
        return [], moved
    pitched = [track for track in sounding if not track.is_drum]
    places, others = assign([track.name for track in pitched], reading, bool(symbols))
    chosen, moved = _placed([pitched[place] for place in places if place is not None], grid, reading.velocity)
    given = iter(chosen)
    voiced(score, [None if place is None else next(given) for place in places], symbols, reading)
    return others + ["Drums"] * (len(pitched) < len(sounding)), moved


def _placed(tracks: Sequence[Track], grid: Grid, velocity: int | None) -> tuple[list[Track], int]:
    """The tracks on the piece's grid, and how many of their notes moved."""
    if not tracks:
        return [], 0
    lines = [columns_of(track) for track in tracks]
    notes = joined(lines)
    starts, stops = grid(notes.onset), grid(notes.onset.astype(np.int64) + notes.length)
    onsets, ends = rounded(starts), rounded(stops)
    lengths = np.maximum(ends - onsets, notes.length > 0).astype(np.int32)
    strengths = notes.velocity if velocity is None else np.full(len(onsets), velocity, np.int8)
    on_grid = Columns(onsets, lengths, notes.pitch, strengths)
    found, start = [], 0
    for track, line in zip(tracks, lines, strict=True):
        placed = Track(track.name, track.program, track.is_drum)
        placed.notes = on_grid[start : start + len(line.onset)].notes()
        start += len(line.onset)
        if len(track.controls):
            controls = track.controls.numpy()
            pedal = controls["number"] == SUSTAIN
            placed.controls = ControlChanges.from_numpy(
                rounded(grid(controls["time"][pedal])), controls["number"][pedal], controls["value"][pedal]
            )
        found.append(placed)
    return found, int(((starts != onsets) | (stops != ends)).sum())


def _tempos(source: Score, grid: Grid, reading: Reading) -> Tempos:
    """The file's tempos, from the first on; before it, and where there is none, the reading's."""
    if len(source.tempos) == 1 and source.tempos[0].time == 0:  # nearly all pieces
        return source.tempos.copy()
    columns = source.tempos.numpy()
    order = np.argsort(columns["time"], kind="stable")
    times, lengths = rounded(grid(columns["time"][order])), columns["mspq"][order]
    last = np.append(times[1:] != times[:-1], True)[: len(times)]  # of several at one time
    times, lengths = times[last], lengths[last]
    other = np.append(True, lengths[1:] != lengths[:-1])[: len(times)]
    tempos = Tempos.from_numpy(times[other], lengths[other])
    if not len(tempos) or tempos[0].time > 0:
        tempos.insert(0, Tempo(0, reading.tempo))
    return tempos


def _time_signatures(source: Score, grid: Grid) -> TimeSignatures:
    """The file's time signatures; 4/4 before the first."""
    if len(source.time_signatures) == 1 and source.time_signatures[0].time == 0:  # nearly all pieces
        return source.time_signatures.copy()
    columns = source.time_signatures.numpy()
    signs = TimeSignatures.from_numpy(rounded(grid(columns["time"])), columns["numerator"], columns["denominator"])
    if not len(signs) or signs[0].time > 0:
        signs.insert(0, TimeSignature(0, 4, 4))
    return signs


def _unwrapped(data: bytes) -> bytes:
    """The MIDI file in a RIFF file (``.rmi``); any other data as they are."""
    if data[:4] != b"RIFF" or data[8:12] != b"RMID":
        return data
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        if data[place : place + 4] == b"data":
            return data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    raise EtudeError("its RIFF wrapper holds no MIDI data")


def _tracks(data: bytes) -> list[bytes]:
    """The track chunks, as many as the header says; other chunks, and what follows, are passed over.

    Raises:
        EtudeError: they are not all there. (symusic would read on in memory that is not the file's.)
    """
    wanted = int.from_bytes(data[10:12], "big")
    tracks: list[bytes] = []
    place = 14
    while len(tracks) < wanted and place + 8 <= len(data):
        end = place + 8 + int.from_bytes(data[place + 4 : place + 8], "big")
        if end > len(data):
            raise EtudeError(f"it is cut off: a chunk should end at byte {end}, the file ends at byte {len(data)}")
        if data[place : place + 4] == b"MTrk":
            tracks.append(data[place:end])
        place = end
    if len(tracks) < wanted:
        raise EtudeError(f"it is cut off: its header says {wanted} tracks, but there are {len(tracks)}")
    return tracks


def _sequence(tracks: list[bytes], part: str | None) -> bytes:
    """The one track of a file of format 2 that ``part`` names."""
    number = 1 if part is None and len(tracks) == 1 else int(part or 0)
    if not 1 <= number <= len(tracks):
        raise EtudeError(f"it holds {len(tracks)} separate sequences (MIDI format 2), and none is number {part}")
    return tracks[number - 1]
