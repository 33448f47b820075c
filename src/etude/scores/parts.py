"""From the parts of a score file to the tracks of a piece: voices by name, or every part, merged by instrument."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from symusic.core import ControlChangeTickList as ControlChanges
from symusic.core import ScoreTick as Score
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.music.chords import VOICE, Symbol, block_chords, mark
from etude.music.columns import Columns, all_notes, columns_of, columns_of_all
from etude.music.tune import MELODY, sung_track
from etude.scores.cleaning import DOWN, SUSTAIN

MOST_APART = 32  # tracks of one instrument; a file with more is no music, and all are merged

Spans = tuple[NDArray[np.int64], NDArray[np.int64]]  # of notes: the keys of their onsets, and of the latest ends so far


def find_voices(
    parts: Sequence[str], voices: Sequence[str], complete: bool = True
) -> tuple[list[int | None] | None, list[str]]:
    """Find the place of each of ``voices`` in a score's list of ``parts``, and the names of the other parts.

    Only a part's first word counts, in any letter case (``"Soprano Oboe 1,2"`` is the soprano, doubled by an oboe).
    The places are ``None`` if a voice occurs twice (``"Soprano 1"``, ``"Soprano 2"``) or is missing. Unless
    ``complete``, only the first voice must be present, and the place of another missing voice is ``None``.
    """
    first = [(part.split() or [""])[0].casefold() for part in parts]
    wanted = [voice.casefold() for voice in voices]
    others = [" ".join(part.split()) for part, word in zip(parts, first, strict=True) if word not in wanted]
    needed = wanted if complete else wanted[:1]
    if any(first.count(voice) > 1 for voice in wanted) or any(voice not in first for voice in needed):
        return None, others
    return [first.index(voice) if voice in first else None for voice in wanted], others


def assign(parts: Sequence[str], reading: Reading, chords: bool) -> tuple[list[int | None], list[str]]:
    """Assign a part to each of the reading's voices; also return the names of the parts that are left out.

    Parts are assigned by name; where no part has a voice's name, by order, if there are as many parts as voices (or
    fewer, if not all voices are needed). If the file has chord symbols (``chords``), the voice "Chords" needs no part.

    Raises:
        EtudeError: a voice is missing or occurs twice.
    """
    names = list(reading.voices or {})
    found, others = find_voices(parts, names, complete=False)
    free = [name for name in names if not (chords and name == VOICE)]
    if len(others) == len(parts) and 0 < len(parts) <= len(free) and (len(parts) == len(free) or not reading.complete):
        order = dict(zip(free, range(len(parts)), strict=False))
        return [order.get(name) for name in names], []
    if found is not None and reading.complete:
        lacking = [name for name, place in zip(names, found, strict=True) if place is None and name in free]
        found = None if lacking else found
    if found is None:
        needed = f"{', '.join(names)}, each once" if reading.complete else f"one {names[0]}"
        listed = ", ".join(" ".join(part.split()) or "one without a name" for part in parts[:12])
        more = f" and {len(parts) - 12} others" if len(parts) > 12 else ""
        raise EtudeError(f"not {needed}: the parts are {listed or 'none'}{more}")
    return found, others


def add_voices(score: Score, tracks: Sequence[Track | None], symbols: Sequence[Symbol], reading: Reading) -> None:
    """Add the reading's voices to the piece: ``tracks`` has one per voice, ``None`` where there is no part for it."""
    end = max((track.end() for track in tracks if track is not None), default=0)
    for (name, program), track in zip((reading.voices or {}).items(), tracks, strict=True):
        voice = Track(name, program, False)
        if track is not None:
            voice.notes, voice.controls = track.notes, track.controls
        elif name == VOICE:
            voice.notes = block_chords(symbols, end).notes()
        score.tracks.append(voice)
    mark(score, symbols)


def add_instruments(score: Score, tracks: Sequence[Track], symbols: Sequence[Symbol], melody: bool = False) -> int:
    """Add the tracks with notes to the piece, merged by instrument, in their order, the drums last.

    With ``melody`` the first track whose name says that it has the melody comes first and stays one of its own.

    Two tracks of one instrument stay apart where both sound one pitch at once, since one track cannot hold both notes:
    each joins the first of its instrument with which it has no such notes. The given tracks may be changed.

    Returns:
        How many tracks are joined with one before.
    """
    from pretty_midi import INSTRUMENT_MAP  # type: ignore[import-untyped]  # takes a quarter of a second

    sung = sung_track(tracks) if melody else None
    if sung is not None:
        sung.name = MELODY
        score.tracks.append(sung)
    groups: dict[tuple[bool, int], list[Track]] = {}
    for part in tracks:
        if len(part.notes) and part is not sung:
            groups.setdefault((part.is_drum, 0 if part.is_drum else part.program), []).append(part)
    for (drums, program), group in sorted(groups.items(), key=lambda group: group[0][0]):
        for merged in _without_clashes(group):
            track = merged[0]
            track.name, track.program = "Drums" if drums else INSTRUMENT_MAP[program], program
            if len(merged) > 1:
                if any(len(part.controls) for part in merged):
                    track.controls = _pedal(merged)
                track.notes = all_notes(merged)
            score.tracks.append(track)
    mark(score, symbols)
    return sum(map(len, groups.values())) + (sung is not None) - len(score.tracks)


def _without_clashes(tracks: list[Track]) -> list[list[Track]]:
    """Group tracks so that within a group no two sound one pitch at once."""
    if not 1 < len(tracks) <= MOST_APART or not _overlap(columns_of_all(tracks)):
        return [tracks]
    groups: list[list[tuple[Track, Spans]]] = []
    for track in tracks:
        spans = _spans(track)
        for group in groups:
            if not any(_clash(spans, other) for _, other in group):
                group.append((track, spans))
                break
        else:
            groups.append([(track, spans)])
    return [[track for track, _ in group] for group in groups]


def _overlap(notes: Columns) -> bool:
    """Whether any two notes sound one pitch at once."""
    keys = (notes.pitch.astype(np.int64) << 32) + notes.onset
    starts, ends = np.sort(keys), np.sort(keys + notes.length)
    return bool((starts[1:] < ends[:-1]).any())


def _spans(track: Track) -> Spans:
    """The notes of a track by pitch and time."""
    line = columns_of(track)
    keys = (line.pitch.astype(np.int64) << 32) + line.onset
    order = np.argsort(keys)
    return keys[order], np.maximum.accumulate((keys + line.length)[order])


def _clash(one: Spans, other: Spans) -> bool:
    """Whether a note of one track starts while its pitch sounds in the other, or the reverse."""
    return any(_starts_within(*pair) for pair in ((one, other), (other, one)))


def _starts_within(spans: Spans, sounding: Spans) -> bool:
    """Whether a note starts at or after the onset of one of its pitch in the other track, and before its end."""
    (onsets, _), (starts, ends) = spans, sounding
    before = np.searchsorted(starts, onsets, "right")
    return bool((np.append(-1, ends)[before] > onsets).any())


def _pedal(group: Sequence[Track]) -> ControlChanges:
    """The sustain pedal of merged tracks: down while it is down in any of them."""
    times, steps = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for track in group:
        controls = track.controls.numpy()
        sustain = controls["number"] == SUSTAIN
        down = np.append(False, controls["value"][sustain] >= DOWN).astype(np.int64)
        times.append(controls["time"][sustain].astype(np.int64))
        steps.append(np.diff(down))
    time, step = np.concatenate(times), np.concatenate(steps)
    order = np.lexsort((step, time))  # at one time releases come first, so that they have an effect
    values = np.where(np.cumsum(step[order]) > 0, 127, 0).astype(np.uint8)
    numbers = np.full(len(values), SUSTAIN, np.uint8)
    return ControlChanges.from_numpy(time[order].astype(np.int32), numbers, values)
