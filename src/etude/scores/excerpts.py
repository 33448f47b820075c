"""Parts of a piece."""

import math

from symusic.core import NoteTick, ScoreTick, TrackTick


def excerpt_of(score: ScoreTick, start: float, quarters: float) -> ScoreTick:
    """The notes of a piece that start in a span of ``quarters`` quarter notes from ``start``, moved to its start.

    Notes that sound across the end are cut there. Before the piece (``start`` below 0) there is silence.
    """
    ticks = score.ticks_per_quarter
    first, span = round(start * ticks), max(1, math.ceil(quarters)) * ticks
    part = ScoreTick(ticks)
    for track in score.tracks:
        own = TrackTick(track.name, track.program, track.is_drum)
        for note in track.notes:
            if first <= note.time < first + span:
                onset = note.time - first
                own.notes.append(NoteTick(onset, min(note.duration, span - onset), note.pitch, note.velocity))
        part.tracks.append(own)
    for name in ("tempos", "time_signatures", "key_signatures"):
        events = sorted((event for event in getattr(score, name)), key=lambda event: event.time)
        before = [event for event in events if event.time <= max(0, first)][-1:]
        within = [event for event in events if max(0, first) < event.time < first + span]
        for event, time in [*((event, 0) for event in before), *((event, event.time - first) for event in within)]:
            event = event.copy()
            event.time = time
            getattr(part, name).append(event)
    return part
