"""Reading MIDI files: formats 0, 1 and 2, RIFF wrappers and karaoke; metrical, or as a performance in seconds."""

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

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
from etude.music.columns import Columns, columns_of, concatenate
from etude.scores.cleaning import SUSTAIN
from etude.scores.parts import add_instruments, add_voices, assign
from etude.scores.reading import Facts, facts

LONGEST = 1_000_000  # quarter notes: nearly six days at 120 BPM. A longer piece is a damaged one
LAST = 2**31 - 1  # symusic's ticks have 32 bits
STANDARD = 500_000  # microseconds per quarter note, where a MIDI file states none
PADDING = bytes(8)  # symusic reads a few bytes beyond a cut event: these are always the same
PERFORMANCE = 120.0  # BPM that stands for time where music has no metre

Grid = Callable[[NDArray[np.integer]], NDArray[np.float64]]  # a file's ticks -> a piece's ticks, not rounded


def read_midi(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a MIDI file; see ``etude.scores.readers.read``. In format 2 ``part`` chooses the sequence, "1" is the first.

    Onsets and ends are rounded to the grid; a note that has a length keeps at least one tick. The sustain pedal stays
    as controller 64; lyrics and all other controllers are left out. Where ``reading.metrical`` is false, the ticks are
    the seconds of a performance, at a constant 120 BPM, in 4/4.

    Raises:
        EtudeError: this is no MIDI file, it is absurdly long, or a voice is missing.
    """
    source = parse(path, part)
    score = Score(reading.ticks_per_quarter)
    if reading.metrical:

        def grid(ticks: NDArray[np.integer]) -> NDArray[np.float64]:
            return ticks * np.float64(reading.ticks_per_quarter) / source.ticks_per_quarter

        score.tempos = _tempos(source, grid, reading)
        score.time_signatures = _time_signatures(source, grid)
    else:

        def grid(ticks: NDArray[np.integer]) -> NDArray[np.float64]:
            return seconds(ticks, source) * (PERFORMANCE / 60 * reading.ticks_per_quarter)

        score.tempos.append(Tempo(0, PERFORMANCE))
        score.time_signatures.append(TimeSignature(0, 4, 4))
    if len(source.key_signatures):
        keys = source.key_signatures.numpy()
        score.key_signatures = KeySignatures.from_numpy(round_ticks(grid(keys["time"])), keys["key"], keys["tonality"])
    others, moved = fill(score, source.tracks, grid, [], reading)
    return score, facts(score, len(source.tempos) > 0, others, rounded=moved)


def sequences(path: Path) -> int:
    """How many independent sequences the file holds: one, unless it is an undamaged file of format 2."""
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[:4] != b"RIFF" and head[8:10] != b"\0\2":
        return 1
    try:
        data = _unwrap(path.read_bytes())
        return max(1, len(_tracks(data))) if data[:4] == b"MThd" and data[8:10] == b"\0\2" else 1
    except EtudeError:
        return 1  # reading it raises the error


def parse(path: Path, part: str | None = None) -> Score:
    """The file as symusic reads it, with possible times.

    Raises:
        EtudeError: the times are absurd.
        RuntimeError: symusic's own message about a damaged file.
    """
    data = _unwrap(path.read_bytes())
    if data[:4] == b"MThd" and len(data) >= 14:
        tracks = _tracks(data)
        if data[8:10] == b"\0\2":
            tracks, data = [_sequence(tracks, part)], data[:8] + b"\0\0" + data[10:]
        data = data[:10] + struct.pack(">H", len(tracks)) + data[12:14] + b"".join(tracks) + PADDING
    score = Score.from_midi(data)
    resolution = score.ticks_per_quarter
    if resolution < 1:
        raise EtudeError("its header states 0 ticks per quarter note")
    if any(track.start() < 0 for track in score.tracks) or not 0 <= score.end() <= LONGEST * resolution:
        raise EtudeError(f"it is damaged: its times go beyond {LONGEST} quarter notes")
    return score


def seconds(ticks: NDArray[np.integer], source: Score) -> NDArray[np.float64]:
    """The times of the file's ticks in seconds, by all its tempos."""
    tempos = source.tempos.numpy()
    order = np.argsort(tempos["time"], kind="stable")
    times = np.append(0, np.maximum(tempos["time"][order], 0)).astype(np.float64)
    lengths = np.append(STANDARD, np.maximum(tempos["mspq"][order], 1)) / 1e6 / source.ticks_per_quarter
    starts = np.append(0.0, np.cumsum(np.diff(times) * lengths[:-1]))
    place = np.searchsorted(times, ticks, "right") - 1
    return starts[place] + (ticks - times[place]) * lengths[place]


def round_ticks(ticks: NDArray[np.float64]) -> NDArray[np.int32]:
    """Round to the nearest ticks, halves up.

    Raises:
        EtudeError: a tick does not fit 32 bits.
    """
    if len(ticks) and not (ticks.min() > -LAST and ticks.max() < LAST):
        raise EtudeError("it is too long for the grid of dataset.reading.ticks_per_quarter")
    return np.floor(ticks + 0.5).astype(np.int32)


def fill(
    score: Score, tracks: Iterable[Track], grid: Grid, symbols: Sequence[Symbol], reading: Reading
) -> tuple[list[str], int]:
    """Add the tracks of a file and the chord symbols to the piece.

    Returns:
        The names of the tracks that are left out, and how many notes moved onto the grid.
    """
    sounding = [track for track in tracks if len(track.notes)]
    if reading.voices is None:
        placed, moved = _place(sounding, grid, reading.velocity)
        add_instruments(score, placed, symbols)
        return [], moved
    pitched = [track for track in sounding if not track.is_drum]
    places, others = assign([track.name for track in pitched], reading, bool(symbols))
    chosen, moved = _place([pitched[place] for place in places if place is not None], grid, reading.velocity)
    given = iter(chosen)
    add_voices(score, [None if place is None else next(given) for place in places], symbols, reading)
    return others + ["Drums"] * (len(pitched) < len(sounding)), moved


def _place(tracks: Sequence[Track], grid: Grid, velocity: int | None) -> tuple[list[Track], int]:
    """Place the tracks on the piece's grid, and count the notes that moved."""
    if not tracks:
        return [], 0
    lines = [columns_of(track) for track in tracks]
    notes = concatenate(lines)
    starts, stops = grid(notes.onset), grid(notes.onset.astype(np.int64) + notes.length)
    onsets, ends = round_ticks(starts), round_ticks(stops)
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
                round_ticks(grid(controls["time"][pedal])), controls["number"][pedal], controls["value"][pedal]
            )
        found.append(placed)
    return found, int(((starts != onsets) | (stops != ends)).sum())


def _tempos(source: Score, grid: Grid, reading: Reading) -> Tempos:
    """The file's tempos; before the first, and where there is none, the reading's."""
    if len(source.tempos) == 1 and source.tempos[0].time == 0:  # nearly all pieces
        return source.tempos.copy()
    columns = source.tempos.numpy()
    order = np.argsort(columns["time"], kind="stable")
    times, lengths = round_ticks(grid(columns["time"][order])), columns["mspq"][order]
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
    signs = TimeSignatures.from_numpy(round_ticks(grid(columns["time"])), columns["numerator"], columns["denominator"])
    if not len(signs) or signs[0].time > 0:
        signs.insert(0, TimeSignature(0, 4, 4))
    return signs


def _unwrap(data: bytes) -> bytes:
    """Return the MIDI file in a RIFF file (``.rmi``), and any other data unchanged."""
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
    """The track chunks, as many as the header states; other chunks, and any that follow, are skipped.

    Raises:
        EtudeError: some are missing. (symusic would read memory beyond the file.)
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
        raise EtudeError(f"it is cut off: its header states {wanted} tracks, but there are {len(tracks)}")
    return tracks


def _sequence(tracks: list[bytes], part: str | None) -> bytes:
    """The one track of a file of format 2 that ``part`` names."""
    number = 1 if part is None and len(tracks) == 1 else int(part or 0)
    if not 1 <= number <= len(tracks):
        raise EtudeError(f"it holds {len(tracks)} separate sequences (MIDI format 2), none with number {part}")
    return tracks[number - 1]
