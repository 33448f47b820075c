"""Cleaning a piece: remove and count what MIDI cannot hold and what no score means."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from symusic.core import KeySignatureTickList as KeySignatures
from symusic.core import ScoreTick as Score
from symusic.core import TempoTickList as Tempos
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TimeSignatureTickList as TimeSignatures
from symusic.core import TrackTick as Track

from etude.music.columns import Columns, columns_of_all

SUSTAIN, DOWN = 64, 64  # the controller's number, and the threshold of its value: the pedal is down
FASTEST, SLOWEST = 150_000, 6_000_000  # microseconds a quarter note: 400 and 10 BPM
COUNTS = (
    "pedal",
    "out_of_range",
    "zero_length",
    "duplicates",
    "cut",
    "empty_tracks",
    "tempos",
    "time_signatures",
    "key_signatures",
)


def clean(score: Score, pedal: bool, drop_empty: bool = False) -> tuple[Score, dict[str, int]]:
    """Clean one piece as ``clean_all`` cleans many, and count what was wrong in it."""
    return clean_all([score], pedal, drop_empty)[0]


def clean_all(scores: Sequence[Score], pedal: bool, drop_empty: bool = False) -> list[tuple[Score, dict[str, int]]]:
    """Clean pieces, sort their notes by onset and pitch, and count what was wrong in each.

    A piece's result does not depend on the others, but small pieces take less time together. In this order:

    - ``pedal``: where the argument is true, notes of a pitched track that end while its sustain pedal (controller 64,
      threshold 64) is down are lengthened until it is released (at the track's last event if never), or until their own
      pitch is struck again.
    - ``out_of_range``: notes before time 0, or with a pitch or velocity that MIDI lacks, are dropped.
    - ``zero_length``: notes of no length are dropped.
    - ``duplicates``: the longest note of one pitch at one onset in one track stays, the others are dropped.
    - ``cut``: a note is cut at the onset where its own pitch is struck again in its track.
    - ``empty_tracks``: with ``drop_empty``, tracks without notes are dropped.
    - ``tempos``: a tempo outside 10-400 BPM becomes the nearer of these.
    - ``time_signatures``: dropped are those whose numerator is not 1-64 or whose denominator is no power of two up to
      64, all but the last at one time, and those that repeat the one before. Where none is left at time 0, 4/4 is set.
    - ``key_signatures``: those with more than 7 sharps or flats, or neither major nor minor, are dropped.

    Controllers are dropped as well: the pedal's effect is in the notes, or not wanted. An empty piece stays empty.

    Returns:
        New pieces, each with its count of each of these, 0 included.
    """
    counts = [dict.fromkeys(COUNTS, 0) for _ in scores]
    tracks = [(place, track) for place, score in enumerate(scores) for track in score.tracks]
    notes = columns_of_all(track for _, track in tracks)
    ends = np.cumsum([len(track.notes) for _, track in tracks], dtype=np.int64)
    if pedal:
        for (place, track), end in zip(tracks, ends.tolist(), strict=True):
            if not track.is_drum and len(track.notes) and len(track.controls):
                own = slice(end - len(track.notes), end)
                notes.length[own], lengthened = _apply_pedal(notes[own], track)
                counts[place]["pedal"] += lengthened
    cleaned = [Score(score.ticks_per_quarter) for score in scores]
    notes, ends = _tidy(notes, ends, [place for place, _ in tracks], counts)
    tidied = notes.notes()
    for (place, track), (start, end) in zip(tracks, pairwise([0, *ends.tolist()]), strict=True):
        if drop_empty and start == end:
            counts[place]["empty_tracks"] += 1
            continue
        kept = Track(track.name, track.program, track.is_drum)
        kept.notes = tidied[start:end]
        cleaned[place].tracks.append(kept)
    for score, tidy, count in zip(scores, cleaned, counts, strict=True):
        tidy.tempos = _tempos(score, count)
        tidy.time_signatures = _time_signatures(score, count)
        tidy.key_signatures = _key_signatures(score, count)
        tidy.markers = score.markers.copy()
    return list(zip(cleaned, counts, strict=True))


def _apply_pedal(line: Columns, track: Track) -> tuple[NDArray[np.int32], int]:
    """The notes' lengths under the sustain pedal, and how many of them it changes."""
    controls = track.controls.numpy()
    sustain = controls["number"] == SUSTAIN
    times, down = controls["time"][sustain].astype(np.int64), controls["value"][sustain] >= DOWN
    if not len(times):
        return line.length, 0
    order = np.argsort(times, kind="stable")
    times, down = times[order], down[order]
    onsets = line.onset.astype(np.int64)
    ends = onsets + line.length
    before = np.searchsorted(times, ends, "left") - 1
    held = (before >= 0) & down[before]
    last = max(int(ends.max()), int(times[-1]))
    releases = np.append(times[~down], last)
    release = releases[np.searchsorted(releases[:-1], ends, "left")]
    # the next onset of the same pitch: keys ascend with (pitch, onset)
    first = int(onsets.min())
    span = int(onsets.max()) - first + 1
    keys = line.pitch * np.int64(span) + onsets - first
    known = np.unique(keys)
    after = np.append(known, keys.max() + span)[np.searchsorted(known, keys, "right")]
    strike = np.where(after // span == line.pitch, onsets + after - keys, last)
    sustained = np.where(held, np.maximum(ends, np.minimum(release, strike)), ends)
    return (sustained - onsets).astype(np.int32), int((sustained != ends).sum())


def _tidy(
    notes: Columns, ends: NDArray[np.int64], owners: list[int], counts: list[dict[str, int]]
) -> tuple[Columns, NDArray[np.int64]]:
    """The notes that stay, by track, onset and pitch; the dropped ones are counted for the owner of their track.

    ``notes`` come track by track, and the notes of each end at ``ends``; so do those that are returned.
    """
    track = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    piece = np.array(owners)

    def count(what: str, tracks: NDArray[np.int64]) -> None:
        if len(tracks):
            for place, number in enumerate(np.bincount(piece[tracks], minlength=len(counts)).tolist()):
                counts[place][what] += number

    valid = (notes.pitch >= 0) & (notes.velocity >= 1) & (notes.onset >= 0)
    kept = valid & (notes.length > 0)
    count("out_of_range", track[~valid])
    count("zero_length", track[valid & ~kept])
    # sort by track, pitch and onset, the longest first
    notes, track = notes[kept], track[kept]
    order = np.lexsort((-notes.length, (track << 39) + (notes.pitch.astype(np.int64) << 32) + notes.onset))
    notes, voice = notes[order], (track * 128 + notes.pitch)[order]
    same = np.append(voice[1:] == voice[:-1], False)[: len(voice)]
    room = np.append(notes.onset[1:], 0)[: len(voice)] - notes.onset
    kept = np.append(True, ~(same & (room == 0)))[: len(voice)]
    count("duplicates", voice[~kept] // 128)
    notes, voice = notes[kept], voice[kept]
    same, room = voice[1:] == voice[:-1], np.diff(notes.onset)
    cut = same & (notes.length[:-1] > room)
    count("cut", voice[:-1][cut] // 128)
    notes.length[:-1][cut] = room[cut]
    track = voice // 128
    order = np.argsort((track << 39) + (notes.onset.astype(np.int64) << 7) + notes.pitch)
    return notes[order], np.searchsorted(track, np.arange(len(ends)), "right")


def _tempos(score: Score, counts: dict[str, int]) -> Tempos:
    if len(score.tempos) == 1 and FASTEST <= score.tempos[0].mspq <= SLOWEST:
        return score.tempos.copy()
    columns = score.tempos.numpy()
    lengths = np.clip(columns["mspq"], FASTEST, SLOWEST)
    counts["tempos"] += int((lengths != columns["mspq"]).sum())
    return Tempos.from_numpy(columns["time"], lengths)


def _time_signatures(score: Score, counts: dict[str, int]) -> TimeSignatures:
    if len(score.time_signatures) == 1:  # nearly all pieces
        sign = score.time_signatures[0]
        above, below = sign.numerator, sign.denominator
        if sign.time == 0 and 1 <= above <= 64 and 1 <= below <= 64 and below & (below - 1) == 0:
            return score.time_signatures.copy()
    columns = score.time_signatures.numpy()
    order = np.argsort(columns["time"], kind="stable")
    time, above, below = (columns[name][order] for name in ("time", "numerator", "denominator"))
    sound = (time >= 0) & (above >= 1) & (above <= 64) & (below >= 1) & (below <= 64) & (below & (below - 1) == 0)
    time, above, below = time[sound], above[sound], below[sound]
    last = np.append(time[1:] != time[:-1], True)[: len(time)]
    time, above, below = time[last], above[last], below[last]
    other = np.append(True, (above[1:] != above[:-1]) | (below[1:] != below[:-1]))[: len(time)]
    counts["time_signatures"] += len(order) - int(other.sum())
    signs = TimeSignatures.from_numpy(*(np.ascontiguousarray(column[other]) for column in (time, above, below)))
    if not len(signs) or signs[0].time > 0:
        signs.insert(0, TimeSignature(0, 4, 4))
    return signs


def _key_signatures(score: Score, counts: dict[str, int]) -> KeySignatures:
    if not len(score.key_signatures):
        return KeySignatures()
    columns = score.key_signatures.numpy()
    sound = (columns["time"] >= 0) & (abs(columns["key"].astype(int)) <= 7) & (columns["tonality"] <= 1)
    counts["key_signatures"] += int((~sound).sum())
    return KeySignatures.from_numpy(*(columns[name][sound] for name in ("time", "key", "tonality")))
