"""Reading MIDI files: formats 0, 1 and 2, RIFF wrappers and karaoke; metrical, or as a performance in seconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from etude.music.columns import Columns, columns_of_all
from etude.scores import midi_bytes
from etude.scores.cleaning import SUSTAIN
from etude.scores.midi_bytes import HITS, LAST, UNSTATED, Layout
from etude.scores.parts import add_instruments, add_voices, assign
from etude.scores.reading import Facts, facts

LONGEST = 1_000_000  # quarter notes: nearly six days at 120 BPM. A longer piece is a damaged one
STANDARD = 500_000  # microseconds per quarter note, where a MIDI file states none
PERFORMANCE = 120.0  # BPM that stands for time where music has no meter


Grid = Callable[[NDArray[np.integer]], NDArray[np.float64]]  # a file's ticks -> a piece's ticks, not rounded


@dataclass(frozen=True)
class Source:
    """A MIDI file as it was read."""

    score: Score
    tracks: list[Track]  # those with notes
    notes: Columns  # of these, one track after the other
    counts: dict[str, int]  # what was repaired; see ``etude.scores.reading.facts``


def read_midi(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read a MIDI file; see ``etude.scores.readers.read``. In format 2 ``part`` chooses the sequence, "1" is the first.

    Onsets and ends are rounded to the grid; every note keeps at least one tick, a drum hit of no length a sixteenth (or
    less, where its key is struck again). The sustain pedal stays as controller 64; lyrics and all other controllers are
    left out. Where ``reading.metrical`` is false, the ticks are the seconds of a performance, at a constant 120 BPM, in
    4/4. What players read although it is wrong is repaired: see ``etude.scores.midi_bytes.repair``.

    Raises:
        EtudeError: this is no MIDI file, it is damaged or absurdly long, or a voice is missing.
    """
    opened = open_midi(path, part)
    source = opened.score
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
    others, counts = fill(score, opened, grid, [], reading)
    return score, facts(score, len(source.tempos) > 0, others, counts)


def sequences(path: Path) -> int:
    """How many independent sequences the file holds: one, unless it is an undamaged file of format 2."""
    with path.open("rb") as stream:
        head = stream.read(midi_bytes.HEADER)
    if head[:4] == b"MThd" and head[8:10] != b"\0\2":
        return 1
    try:
        found = midi_bytes.take_apart(_unwrap(path.read_bytes()))
    except EtudeError:
        return 1  # reading it raises the error
    return max(1, len(found.tracks)) if found.kind == 2 else 1


def parse(path: Path, part: str | None = None) -> Score:
    """The file as symusic reads it, repaired, with possible times.

    Raises:
        EtudeError: this is no MIDI file, it is damaged, or its times are absurd.
    """
    return open_midi(path, part).score


def open_midi(path: Path, part: str | None = None) -> Source:
    """Read a file with symusic, as it is or repaired.

    Raises:
        EtudeError: this is no MIDI file, it is damaged, or its times are absurd.
    """
    found = midi_bytes.take_apart(_unwrap(path.read_bytes()))
    if found.kind == 2:
        found.tracks = [_sequence(found.tracks, part)]
    source = _read_sound(found)
    if source is None:
        score = _from_midi(midi_bytes.repair(found))
        if score is None:
            raise EtudeError("its MIDI data is damaged")
        source = _source(score, found)
    score = source.score
    resolution = score.ticks_per_quarter
    if resolution < 1:
        raise EtudeError("its header states 0 ticks per quarter note")
    if source.notes.onset.min(initial=0) < 0 or not 0 <= score.end() <= LONGEST * resolution:
        raise EtudeError(f"it is damaged: its times go beyond {LONGEST} quarter notes")
    return source


def _read_sound(found: Layout) -> Source | None:
    """The file as symusic reads it; ``None`` if it may need a repair."""
    data = midi_bytes.guard(found)
    score = None if data is None else _from_midi(data)
    if score is None or score.end() >= midi_bytes.FAR:  # a note is never released
        return None
    bare = [track for track in score.tracks if track.program >= UNSTATED]  # no program change stands before its notes
    if bare:
        stated = [track for track in score.tracks if track.program == 0 and len(track.notes)]
        for track in bare:
            change = midi_bytes.CHANGES[track.program - UNSTATED]
            track.program = 0
            if not len(track.notes):
                continue
            if any(other.name == track.name and track.notes[-1].time <= other.notes[0].time for other in stated):
                return None  # perhaps one track, before and after a program change
            if len(found.tracks) > 1 and not track.is_drum and any(map(change.search, found.tracks)):
                return None
    source = _source(score, found)
    lowest = min(source.notes.velocity.min(initial=0), source.notes.pitch.min(initial=0))
    above = lowest < 0 or any([track.program > 127 for track in source.tracks])
    return None if above else source


def _from_midi(data: bytes) -> Score | None:
    """The bytes as symusic reads them; ``None`` if it cannot."""
    try:
        return Score.from_midi(data)
    except (RuntimeError, ValueError):
        return None


def _source(score: Score, found: Layout) -> Source:
    tracks = [track for track in score.tracks if len(track.notes)]
    counts = {name: count for name, count in found.counts.items() if count}
    return Source(score, tracks, columns_of_all(tracks), counts)


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
    score: Score, source: Source, grid: Grid, symbols: Sequence[Symbol], reading: Reading
) -> tuple[list[str], dict[str, int]]:
    """Add the tracks of a file and the chord symbols to the piece.

    Returns:
        The names of the tracks that are left out, and counts: ``rounded``, the notes that moved onto the grid, and
        where there are any ``lengthened``, those that had no length, and what was repaired in the file.
    """
    if reading.voices is None:
        placed, counts = _place(source.tracks, source.notes, grid, reading)
        merged = add_instruments(score, placed, symbols, reading.melody)
        return [], source.counts | counts | {"merged": merged}
    pitched = [track for track in source.tracks if not track.is_drum]
    places, others = assign([track.name for track in pitched], reading, bool(symbols))
    chosen = [pitched[place] for place in places if place is not None]
    placed, counts = _place(chosen, columns_of_all(chosen), grid, reading)
    given = iter(placed)
    add_voices(score, [None if place is None else next(given) for place in places], symbols, reading)
    return others + ["Drums"] * (len(pitched) < len(source.tracks)), source.counts | counts


def _place(tracks: Sequence[Track], notes: Columns, grid: Grid, reading: Reading) -> tuple[list[Track], dict[str, int]]:
    """Place the tracks, whose ``notes`` follow each other, on the grid. Count the notes that move or are lengthened."""
    starts, stops = grid(notes.onset), grid(notes.onset.astype(np.int64) + notes.length)
    onsets, ends = round_ticks(starts), round_ticks(stops)
    counts = {"rounded": int(((starts != onsets) | (stops != ends)).sum())}
    lengths = np.maximum(ends - onsets, 1)
    sizes = [len(track.notes) for track in tracks]
    if not notes.length.all():
        silent = notes.length == 0
        counts["lengthened"] = int(silent.sum())
        place = np.repeat(np.arange(len(tracks)), sizes)
        hits = silent & np.array([track.is_drum for track in tracks])[place]
        most = max(1, reading.ticks_per_quarter // HITS)
        lengths[hits] = np.minimum(_to_next(onsets, place * 128 + notes.pitch), most)[hits]
    strengths = notes.velocity if reading.velocity is None else np.full(len(onsets), reading.velocity, np.int8)
    on_grid = Columns(onsets, lengths, notes.pitch, strengths).notes()
    found, start = [], 0
    for track, size in zip(tracks, sizes, strict=True):
        placed = Track(track.name, track.program, track.is_drum)
        placed.notes = on_grid[start : start + size]
        start += size
        if len(track.controls):
            controls = track.controls.numpy()
            pedal = controls["number"] == SUSTAIN
            if pedal.any():
                placed.controls = ControlChanges.from_numpy(
                    round_ticks(grid(controls["time"][pedal])), controls["number"][pedal], controls["value"][pedal]
                )
        found.append(placed)
    return found, counts


def _to_next(onsets: NDArray[np.int32], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ticks from each note to the next later onset of its key."""
    places = (keys << 32) + onsets
    known = np.unique(places)
    after = np.append(known, LAST + (1 << 62))[np.searchsorted(known, places, "right")]
    return np.where(after >> 32 == keys, after - places, LAST)


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


def _sequence(tracks: list[bytes], part: str | None) -> bytes:
    """The one track of a file of format 2 that ``part`` names."""
    number = 1 if part is None and len(tracks) == 1 else int(part or 0)
    if not 1 <= number <= len(tracks):
        wrong = "of which one must be named" if part is None else f"none with number {part}"
        raise EtudeError(f"it holds {len(tracks)} separate sequences (MIDI format 2), {wrong}")
    return tracks[number - 1]
