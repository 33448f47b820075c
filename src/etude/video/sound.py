"""The sound of a film: that of the whole piece, or of the part that is shown, in time and memory of the part."""

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from symusic.core import NoteTickList, ScoreSecond, ScoreTick, TempoTick, TrackTick

from etude.audio.render import render
from etude.audio.synthesis import TAIL, track_names
from etude.config.sections import Mix

BEFORE = 10.0  # seconds before a part that are rendered, at least: what rings from there, and the loudness to its left
AFTER = 30.0  # seconds after it: the loudness that comes towards the line, in a slow score as well
QUARTER = 24000  # ticks of a quarter note in which a part is rendered; at 120 BPM each is 1 / 48000 second


@dataclass(frozen=True)
class Sound:
    """A sound, (channels, samples), and the second of the piece at which its first sample is."""

    audio: np.ndarray
    rate: int
    since: float = 0.0

    @property
    def end(self) -> float:
        """The second of the piece at which it ends."""
        return self.since + self.audio.shape[1] / self.rate


def end_of_notes(score: ScoreTick) -> float:
    """The second at which the last note of a piece ends; 0 without notes."""
    timed = cast(ScoreSecond, score.to("second"))
    ends = [float((column["time"] + column["duration"]).max()) for column in _columns(timed) if len(column["time"])]
    return max(ends, default=0.0)


def end_of_sound(score: ScoreTick, settings: Mix) -> float:
    """The second at which the sound of a piece ends, without rendering it."""
    return end_of_notes(score) + max(TAIL, settings.reverb.seconds)


def sound_of(score: ScoreTick, settings: Mix, start: float = 0.0, seconds: float | None = None) -> Sound:
    """Render what a film of a piece needs.

    A film of the whole piece gets the whole piece. A part gets what sounds from ``BEFORE`` seconds ahead of it; notes
    that started earlier and are still held are struck there. Its loudness is that of the part with these seconds.

    Args:
        score: the piece.
        settings: how it sounds.
        start: the second of the piece at which the film starts.
        seconds: how long it is; None: to the end.
    """
    end = end_of_sound(score, settings)
    since = float(max(0, math.floor(start - BEFORE)))
    until = end if seconds is None else min(end, start + seconds + AFTER)
    if not since and until >= end:
        return Sound(render(score, settings).mix, settings.sample_rate)
    fade_in, fade_out = 0.0 if since else settings.fade_in, settings.fade_out if until >= end else 0.0
    faded = replace(settings, fade_in=fade_in, fade_out=fade_out)
    mix = render(part_of(score, since, until), faded).mix
    missing = max(0, round((until - since) * settings.sample_rate) - mix.shape[1])  # a rest ends the part
    return Sound(np.pad(mix, ((0, 0), (0, missing))), settings.sample_rate, since)


def part_of(score: ScoreTick, since: float, until: float) -> ScoreTick:
    """The notes of a piece that sound between two seconds, cut there, in the same tracks; time 0 is ``since``."""
    part = ScoreTick(QUARTER)
    part.tempos.append(TempoTick(0, 120))
    timed = cast(ScoreSecond, score.to("second"))
    for track, name, notes in zip(timed.tracks, track_names(score), _columns(timed), strict=True):
        start = notes["time"].astype(np.float64)
        end = start + notes["duration"]
        inside = (end > since) & (start < until)
        ticks = np.rint((np.stack([start, end])[:, inside].clip(since, until) - since) * 2 * QUARTER).astype(np.int32)
        own = TrackTick(name, track.program, track.is_drum)
        own.notes = NoteTickList.from_numpy(
            ticks[0], np.maximum(ticks[1] - ticks[0], 1), notes["pitch"][inside], notes["velocity"][inside]
        )
        part.tracks.append(own)
    return part


def _columns(timed: ScoreSecond) -> list[dict[str, np.ndarray]]:
    return [track.notes.numpy() for track in timed.tracks]
