"""Reading the JSON piano rolls of the JSB chorales (github.com/czhuang/JSB-Chorales-dataset)."""

import json
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.parts import assign, merged, voiced
from etude.scores.reading import facts

SPLITS = ("train", "valid", "test")
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
PROGRAMS = (68, 69, 71, 70)  # oboe, English horn, clarinet, bassoon; where the reading names none
STEPS = {"16th": 4, "8th": 2, "quarter": 1}  # what the file's name says -> frames a quarter
VELOCITY = 80  # where the reading names none


def read_pianoroll(path: Path, part: str | None, reading: Reading) -> tuple[Score, dict[str, Any]]:
    """Read one piece, as ``part`` = "train/17" names it (from 0 on); see ``etude.scores.read``.

    A frame lists the pitches that sound in a step of time, which the file's name says (16th, 8th, quarter). Equal
    pitches of a voice in neighbouring frames are one held note: the data cannot tell a repeated note from a held one.
    They have neither tempo nor metre: the piece is in 4/4, from the first frame on. In which voice a pitch is heard
    says ``voices_of``.

    Raises:
        EtudeError: there is no such piece, or it is no piano roll.
    """
    steps = next((steps for word, steps in STEPS.items() if word in path.name), None)
    if steps is None:
        raise EtudeError(f"{path.name}: the name must say how long a frame is: {', '.join(STEPS)}")
    split, _, place = (part or "").partition("/")
    rolls = _rolls_of(path).get(split, [])
    if not (place.isdecimal() and int(place) < len(rolls)):
        raise EtudeError(f"it holds no piece {part}; pieces are named as train/17")
    frames = rolls[int(place)]
    if not all(
        isinstance(frame, list) and all(float(pitch) == int(pitch) <= 127 for pitch in frame) for frame in frames
    ):
        raise EtudeError("a frame is not a list of pitches")
    score = Score(reading.ticks_per_quarter)
    score.tempos.append(Tempo(0, reading.tempo))
    score.time_signatures.append(TimeSignature(0, 4, 4))
    lines = list(zip(*voices_of([[int(pitch) for pitch in frame] for frame in frames]), strict=True))
    tracks = [_track(place, line, steps, reading) for place, line in enumerate(lines)]
    others: list[str] = []
    if reading.voices is None:
        merged(score, tracks, [])
    else:
        places, others = assign(VOICES, reading, False)
        voiced(score, [None if place is None else tracks[place] for place in places], [], reading)
    return score, facts(score, False, others)


def pieces(path: Path) -> list[tuple[str | None, str | None]]:
    """The pieces of all sides, ("train/0", None) first."""
    rolls = _rolls_of(path)
    return [(f"{split}/{place}", None) for split in SPLITS for place in range(len(rolls.get(split, [])))]


def voices_of(frames: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Each frame's pitches as (soprano, alto, tenor, bass), -1 for silence.

    Four pitches that ascend are a sorted list, the highest is the soprano's; other four are the voices in this order,
    who may cross, with -1 for silence. Fewer pitches go from the highest to the lowest to those voices whose pitches in
    the frame before are nearest, all in all; in doubt, and at the beginning, to the upper ones. Two voices on one
    pitch, of which such a frame shows one, cannot be told from one voice that is silent.
    """
    result: list[tuple[int, ...]] = []
    before: tuple[int, ...] = (-1,) * len(VOICES)
    for frame in frames:
        if len(frame) > len(VOICES):
            raise EtudeError(f"a frame has {len(frame)} pitches, more than there are voices")
        if len(frame) == len(VOICES):
            ascend = min(frame) >= 0 and list(frame) == sorted(frame)
            now = tuple(sorted(frame, reverse=True) if ascend else frame)
        else:
            now = _nearest(sorted((pitch for pitch in frame if pitch >= 0), reverse=True), before)
        result.append(now)
        before = tuple(old if new < 0 else new for old, new in zip(before, now, strict=True))
    return result


def _nearest(pitches: list[int], before: tuple[int, ...]) -> tuple[int, ...]:
    options = []
    for silent in combinations(range(3, -1, -1), len(VOICES) - len(pitches)):
        queue = iter(pitches)
        options.append(tuple(-1 if place in silent else next(queue) for place in range(len(VOICES))))
    return min(
        options,
        key=lambda option: sum(
            abs(new - old) for new, old in zip(option, before, strict=True) if new >= 0 and old >= 0
        ),
    )


def _track(voice: int, line: Sequence[int], steps: int, reading: Reading) -> Track:
    track = Track(VOICES[voice], PROGRAMS[voice], False)
    start = 0
    for place in range(1, len(line) + 1):
        if place == len(line) or line[place] != line[start]:
            if line[start] >= 0:
                onset, end = (round(at * reading.ticks_per_quarter / steps) for at in (start, place))
                track.notes.append(Note(onset, end - onset, line[start], reading.velocity or VELOCITY))
            start = place
    return track


def _rolls_of(path: Path) -> dict[str, list[list[list[float]]]]:
    state = path.stat()
    return _loaded(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)  # the pieces of a file are read one after the other
def _loaded(path: Path, size: int, changed: int) -> dict[str, list[list[list[float]]]]:
    try:
        rolls = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        rolls = None
    if not (isinstance(rolls, dict) and all(isinstance(rolls.get(split, []), list) for split in SPLITS)):
        raise EtudeError("this is no file of piano rolls: it must list pieces under train, valid and test")
    return rolls
