"""Reading a score file into a symusic.Score, and doing so behind processes with a deadline."""

import contextlib
import multiprocessing
import re
import time
import zipfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from symusic.core import KeySignatureTick as KeySignature
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.errors import EtudeError
from etude.progress import bar

VELOCITY = 80  # of every note: scores of this kind have no dynamics
MEMORY = 2 << 30  # bytes that a reading process may take beyond what it starts with
START = 120.0  # seconds that a reading process may take to start
MIDI = (".mid", ".midi")
MUSICXML = (".mxl", ".xml", ".musicxml")
SHARPS = ("F", "C", "G", "D", "A", "E", "B")
# (sharps, or minus the flats; mode) -> name
KEY_NAMES = {
    (fifths, mode): SHARPS[(fifths + start) % 7]
    + ("b" * -((fifths + start) // 7) + "#" * ((fifths + start) // 7))
    + f" {mode}"
    for fifths in range(-7, 8)
    for mode, start in (("major", 1), ("minor", 4))
}


def read_score(
    path: Path, voices: dict[str, int], tempo: float, ticks_per_quarter: int
) -> tuple[Score, dict[str, Any]]:
    """Read a MusicXML or MIDI file.

    Args:
        path: ``.mxl``, ``.xml``, ``.musicxml``, ``.mid`` or ``.midi``.
        voices: the names of the parts to keep, in order, and their General MIDI programs (from 0).
        tempo: quarters a minute where the file states none.
        ticks_per_quarter: the grid on which onsets and ends are rounded.

    Returns:
        The piece: one track a voice, time 0 on a bar line (a pickup fills the end of the first bar), repeats not
        expanded, a chord as all its notes. And what there is to know about it: ``key``, ``time_signature``, ``tempo``,
        ``tempo_stated``, ``left_out_parts``, ``grace_notes`` (dropped), ``rounded`` (notes moved onto the grid),
        ``added_time_signatures`` (irregular bars of the score that got a time signature), ``bars_off`` (bar lines of
        the score that are none in the piece).

    Raises:
        EtudeError: a voice is missing, occurs twice, or the file's kind is unknown.
    """
    if path.suffix in MIDI:
        return _read_midi(path, voices, tempo, ticks_per_quarter)
    if path.suffix in MUSICXML:
        return _read_musicxml(path, voices, tempo, ticks_per_quarter)
    raise EtudeError(f"{path.name}: files ending in {path.suffix} cannot be read, only {', '.join(MUSICXML + MIDI)}.")


def find_voices(parts: Sequence[str], voices: Sequence[str]) -> tuple[list[int] | None, list[str]]:
    """Where each of ``voices`` stands in a score's list of ``parts``, and the names of the parts that are no voice.

    A part's first word counts (``"Soprano Oboe 1,2"`` is the soprano, whom an oboe doubles). ``None`` instead of the
    places if a voice is missing or occurs twice (``"Soprano 1"``, ``"Soprano 2"``).
    """
    first = [(part.split() or [""])[0] for part in parts]
    others = [" ".join(part.split()) for part, word in zip(parts, first, strict=True) if word not in voices]
    if any(first.count(voice) != 1 for voice in voices):
        return None, others
    return [first.index(voice) for voice in voices], others


def too_large(path: Path, max_bytes: int) -> str | None:
    """Why a file is not even opened: its size on disk, or unpacked, in bytes. ``None`` if it is small enough."""
    size = path.stat().st_size
    if size <= max_bytes and zipfile.is_zipfile(path):
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    return f"{size} bytes, more than ingest.max_bytes = {max_bytes}" if size > max_bytes else None


def _read_midi(
    path: Path, voices: dict[str, int], tempo: float, ticks_per_quarter: int
) -> tuple[Score, dict[str, Any]]:
    score = Score(path)
    if score.ticks_per_quarter != ticks_per_quarter:
        score = score.resample(ticks_per_quarter, min_dur=0)
    tracks = [track for track in score.tracks if len(track.notes)]
    places, others = find_voices([track.name for track in tracks], list(voices))
    if places is None:
        if len(tracks) != len(voices):
            raise EtudeError(f"{len(tracks)} tracks with notes, none of them named {', '.join(voices)}")
        places, others = list(range(len(tracks))), []
    piece = Score(ticks_per_quarter)
    for (name, program), place in zip(voices.items(), places, strict=True):
        notes = [Note(note.time, note.duration, note.pitch, VELOCITY) for note in tracks[place].notes]
        piece.tracks.append(_track(name, program, notes))
    stated = len(score.tempos) > 0
    piece.tempos.append(Tempo(0, score.tempos[0].qpm if stated else tempo))
    for sign in score.time_signatures or [TimeSignature(0, 4, 4)]:
        piece.time_signatures.append(TimeSignature(sign.time, sign.numerator, sign.denominator))
    for key in score.key_signatures:
        piece.key_signatures.append(KeySignature(key.time, key.key, key.tonality))
    return piece, _info(piece, stated, others)


def _read_musicxml(path: Path, voices: dict[str, int], tempo: float, ticks: int) -> tuple[Score, dict[str, Any]]:
    from music21 import converter  # a second, and only in the process that reads

    source = converter.parse(path, forceSource=True)
    parts = list(source.parts) if hasattr(source, "parts") else []
    places, others = find_voices([part.partName or "" for part in parts], list(voices))
    if places is None:
        raise EtudeError(f"not {', '.join(voices)}, each once: it has {', '.join(others) or 'no parts'}")
    chosen = [parts[place] for place in places]
    measures = [list(part.getElementsByClass("Measure")) for part in chosen]
    if not all(measures):
        raise EtudeError("a voice has no bars")
    bars, shift = _bars(measures)

    piece = Score(ticks)
    graces = rounded = 0
    for (name, program), part in zip(voices.items(), chosen, strict=True):
        notes = []
        for element in part.stripTies().flatten().notes:
            if element.duration.isGrace:
                graces += 1
                continue
            onset = (Fraction(element.offset) + shift) * ticks
            end = onset + Fraction(element.duration.quarterLength) * ticks
            rounded += onset.denominator != 1 or end.denominator != 1
            for pitch in element.pitches:
                notes.append(Note(round(onset), round(end) - round(onset), pitch.midi, VELOCITY))
        piece.tracks.append(_track(name, program, notes))

    marks = [mark.getQuarterBPM() for mark in source.recurse().getElementsByClass("MetronomeMark")]
    stated = bool(marks) and marks[0] is not None
    piece.tempos.append(Tempo(0, float(marks[0]) if stated else tempo))
    modes = [getattr(key, "mode", None) for key in source.recurse().getElementsByClass("KeySignature")]
    stated_mode = next((mode for mode in modes if mode), "major")  # not every part states it
    for key in chosen[0].flatten().getElementsByClass("KeySignature"):
        mode = getattr(key, "mode", None) or stated_mode
        at = round((Fraction(key.offset) + (shift if key.offset else 0)) * ticks)
        piece.key_signatures.append(KeySignature(at, key.sharps, int(mode == "minor")))
    signs, added, off = _time_signatures(bars)
    for onset, sign in signs:
        numerator, _, denominator = sign.partition("/")
        piece.time_signatures.append(TimeSignature(round(onset * ticks), int(numerator), int(denominator)))
    return piece, _info(piece, stated, others) | {
        "grace_notes": graces,
        "rounded": rounded,
        "added_time_signatures": added,
        "bars_off": off,
    }


@dataclass(frozen=True)
class Bar:
    """A bar as the score has it: onset and length in quarters, and the time signature that rules it."""

    onset: Fraction
    length: Fraction
    sign: str

    @property
    def nominal(self) -> Fraction:
        """The length that the time signature asks for, in quarters."""
        numerator, _, denominator = self.sign.partition("/")
        return Fraction(int(numerator) * 4, int(denominator))


def _bars(measures: list[list[Any]]) -> tuple[list[Bar], Fraction]:
    """The bars of the first voice, from time 0, and by how much the music moves so that a pickup ends its bar."""
    starts = [Fraction(measure.offset) for measure in measures[0]]
    end = max(Fraction(voice[-1].offset) + Fraction(voice[-1].highestTime) for voice in measures)
    sign = "4/4"
    bars = []
    for measure, start, stop in zip(measures[0], starts, [*starts[1:], end], strict=True):
        if measure.timeSignature is not None:
            sign = measure.timeSignature.ratioString
        bars.append(Bar(start, stop - start, sign))
    first = bars[0]
    shift = max(Fraction(0), first.nominal - first.length)
    if len(bars) == 1:
        shift = Fraction(0)  # a short piece, not a pickup
    bars = [Bar(Fraction(0), first.length + shift, first.sign)] + [
        Bar(bar.onset + shift, bar.length, bar.sign) for bar in bars[1:]
    ]
    return bars, shift


def _time_signatures(bars: list[Bar]) -> tuple[list[tuple[Fraction, str]], int, int]:
    """The time signatures that put bar lines where the score has them: (onset in quarters, ``"3/4"``).

    Short bars that add up (a repeat split them) are one bar. Another short bar, and what an overlong one has too much,
    gets a time signature of its own, if it is a whole number of beats and not the end. Also: how many were added, and
    how many bar lines of the score are no bar lines of the piece all the same.
    """
    signs: list[tuple[Fraction, str]] = []
    lines: set[Fraction] = set()
    added = 0
    place = 0
    while place < len(bars):
        bar = bars[place]
        lines.add(bar.onset)
        length, joined = bar.length, 1
        while length < bar.nominal and place + joined < len(bars):
            after = bars[place + joined]
            if length + after.length > bar.nominal or after.length >= after.nominal:
                break
            length += after.length
            joined += 1
        if length < bar.nominal and place + joined < len(bars):
            length, joined = bar.length, 1  # the bars do not add up: this one is irregular
        place += joined
        _, _, denominator = bar.sign.partition("/")
        whole, rest = divmod(length, bar.nominal)
        beats = rest * Fraction(int(denominator), 4)
        bits = [(bar.onset, bar.sign)] if whole else []
        if rest and place < len(bars) and beats.denominator == 1:
            bits.append((bar.onset + whole * bar.nominal, f"{beats}/{denominator}"))
            added += 1
        for onset, sign in bits or [(bar.onset, bar.sign)]:
            if not signs or signs[-1][1] != sign:
                signs.append((onset, sign))
    grid: set[Fraction] = set()
    ends = [*[onset for onset, _ in signs[1:]], bars[-1].onset + 1]
    for (onset, sign), end in zip(signs, ends, strict=True):
        step = Bar(onset, Fraction(0), sign).nominal
        while onset < end:
            grid.add(onset)
            onset += step
    return signs, added, len(lines - grid)


def _track(name: str, program: int, notes: list[Note]) -> Track:
    track = Track(name, program, False)
    for note in notes:
        track.notes.append(note)
    return track


def _info(piece: Score, stated: bool, others: list[str]) -> dict[str, Any]:
    sign = piece.time_signatures[0]
    key = piece.key_signatures[0] if len(piece.key_signatures) else None
    return {
        "key": None if key is None else KEY_NAMES.get((key.key, "minor" if key.tonality else "major")),
        "time_signature": f"{sign.numerator}/{sign.denominator}",
        "tempo": round(piece.tempos[0].qpm, 6),
        "tempo_stated": stated,
        "left_out_parts": others,
        "grace_notes": 0,
        "rounded": 0,
        "added_time_signatures": 0,
        "bars_off": 0,
    }


@dataclass(frozen=True)
class Lost:
    """What stands in the place of a result that there is not: the reason, a sentence without places or clocks."""

    reason: str


def isolated(
    work: Callable[[Any], Any], items: Sequence[Any], workers: int, seconds: float, what: str, show: bool
) -> list[Any]:
    """``[work(item) for item in items]`` in ``workers`` processes, each item with a deadline of ``seconds``.

    A hang, a crash, more memory than ``MEMORY``, or an exception costs that one item, for which a ``Lost`` stands in
    the list. The result does not depend on the number of workers. ``work`` and the items are pickled.
    """
    results: dict[int, Any] = {}
    waiting = deque(enumerate(items))
    team = [_Worker(work) for _ in range(min(workers, len(items)))]
    try:
        with bar(what, len(items), show) as tell:
            while len(results) < len(items):
                for place, worker in enumerate(team):
                    if worker.ready and worker.task is None and waiting:
                        worker.give(*waiting.popleft(), seconds)
                    if worker.lost_at is not None and time.monotonic() > worker.lost_at:
                        if worker.task is None:
                            raise EtudeError(f"{what}: a reading process did not start. Is the memory full?")
                        results[worker.task] = Lost(f"not read after ingest.seconds = {seconds:g}")
                        worker.stop()
                        team[place] = _Worker(work)
                soonest = min((worker.lost_at for worker in team if worker.lost_at is not None), default=None)
                patience = None if soonest is None else max(0.0, soonest - time.monotonic())
                for connection in wait([worker.connection for worker in team], patience):
                    place = next(place for place, worker in enumerate(team) if worker.connection is connection)
                    worker = team[place]
                    try:
                        answer = worker.connection.recv()
                    except (EOFError, OSError):
                        if not worker.ready:
                            raise EtudeError(
                                f"{what}: a reading process ended at its start. Is the memory full?"
                            ) from None
                        if worker.task is not None:
                            results[worker.task] = Lost("the process that read it crashed")
                        worker.stop()
                        team[place] = _Worker(work)
                        continue
                    if worker.task is None:
                        worker.ready = True
                    else:
                        results[worker.task] = answer
                        worker.task = None
                    worker.lost_at = None
                tell(len(results))
    finally:
        for worker in team:
            worker.stop()
    return [results[place] for place in range(len(items))]


class _Worker:
    """One process that reads, and what it is busy with."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        # spawn: a fork would copy the locks of the progress bar's thread
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False
        self.task: int | None = None
        self.lost_at: float | None = time.monotonic() + START

    def give(self, task: int, item: Any, seconds: float) -> None:
        self.task, self.lost_at = task, time.monotonic() + seconds
        with contextlib.suppress(OSError):  # it has crashed, which the next recv says
            self.connection.send(item)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """The life of a reading process."""
    import warnings

    warnings.simplefilter("ignore")
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        limit = MEMORY
        with contextlib.suppress(
            OSError
        ):  # what libraries reserve for their threads counts, and grows with the machine
            limit += int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send("ready")
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        try:
            answer = work(item)
        except EtudeError as error:
            answer = Lost(str(error))
        except MemoryError:
            answer = Lost("it takes too much memory to read")
        except Exception as error:
            answer = Lost(f"cannot be read ({_plain(error)})")
        connection.send(answer)


def _plain(error: Exception) -> str:
    """An exception's text without what differs from run to run: folders and addresses."""
    text = " ".join(str(error).split())
    text = re.sub(r"(/[^\s/'\"]+)+/", "", re.sub(r" at 0x[0-9a-fA-F]+", "", text))
    return f"{type(error).__name__}: {text[:200]}"
