"""Limits on input: why a file or a piece is refused. The checks are cheap for any piece."""

import contextlib
import zipfile
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick as Score

from etude.config.sections import Ingest, Reading


def too_large(path: Path, max_bytes: int) -> str | None:
    """Why a file is refused unopened: its size on disk, or unpacked, in bytes. ``None`` if it is small enough."""
    size = path.stat().st_size
    if size <= max_bytes and path.suffix.lower() == ".mxl":
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    return f"{size} bytes, more than ingest.max_bytes = {max_bytes}" if size > max_bytes else None


def refusal(score: Score, limits: Ingest, reading: Reading) -> str | None:
    """Why a piece that was read is refused; ``None`` if it is accepted.

    The limits are checked in this order: tracks, notes, silent voices, bars, rests.
    """
    if len(score.tracks) > limits.max_tracks:
        return f"{len(score.tracks)} tracks, more than ingest.max_tracks = {limits.max_tracks}"
    notes = score.note_num()
    if notes > limits.max_notes:
        return f"{notes} notes, more than ingest.max_notes = {limits.max_notes}"
    if notes < limits.min_notes:
        return f"{notes} notes, fewer than ingest.min_notes = {limits.min_notes}"
    if reading.voices is not None:
        needed = list(reading.voices)[: None if reading.complete else 1]
        sounding = {track.name for track in score.tracks if len(track.notes)}
        silent = [name for name in needed if name not in sounding]
        if silent:
            return f"no notes in {', '.join(silent)}"
    length = bars(score)
    if length > limits.max_bars:
        return f"{length} bars, more than ingest.max_bars = {limits.max_bars}"
    if reading.max_rest is not None and longest_rest(score) > reading.max_rest:
        return (
            f"all voices rest for {longest_rest(score):g} quarter notes, more than dataset.reading.max_rest = "
            f"{reading.max_rest:g}: instruments that the file lacks may play there"
        )
    return None


def bars(score: Score) -> int:
    """The number of bars, the last one counted whole; a new time signature starts a bar. An empty piece gives 0."""
    signs, end = score.time_signatures, max(0, score.end())
    if len(signs) == 1 and signs[0].time <= 0:  # nearly all pieces, and ten times as fast
        bar = max(1, score.ticks_per_quarter * 4 * signs[0].numerator // max(1, signs[0].denominator))
        return -(-end // bar)
    columns = signs.numpy()
    starts = np.clip(columns["time"].astype(np.int64), 0, end)
    semibreves = score.ticks_per_quarter * 4 * columns["numerator"].astype(np.int64)
    lengths = semibreves // np.maximum(columns["denominator"], 1)
    spans = np.diff(np.append(starts, end))
    return int((-(-np.maximum(spans, 0) // np.maximum(lengths, 1))).sum())


def longest_rest(score: Score) -> float:
    """The longest silence of all tracks between two notes, in quarter notes. An empty piece gives 0."""
    columns = [track.notes.numpy() for track in score.tracks]
    if not score.note_num():
        return 0.0
    onsets = np.concatenate([column["time"] for column in columns]).astype(np.int64)
    ends = onsets + np.concatenate([column["duration"] for column in columns])
    order = np.argsort(onsets, kind="stable")
    rests = onsets[order][1:] - np.maximum.accumulate(ends[order])[:-1]
    return max(0, int(rests.max(initial=0))) / score.ticks_per_quarter
