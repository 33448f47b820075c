"""Scores voice by voice on a grid, for the representations that have one cell a voice and step."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.artifacts import catalog
from etude.core.errors import EtudeError
from etude.core.files import write_json
from etude.representations.base.learned_files import Pitch, Tempo, read_learned
from etude.representations.base.representation import Observed
from etude.representations.base.survey import DRUMS, Survey, program_of

TICKS_PER_QUARTER = 24  # of decoded pieces; grids that divide it are exact


class Voices:
    """What these representations learn from train: the voices, their range of pitches, and the usual tempo.

    Tempo and meter are not coded: decoded pieces have the usual tempo of train and 4/4.
    """

    name: str  # of the representation
    learned: ClassVar[dict[str, Any]] = {"low": Pitch, "high": Pitch, "tempo": Tempo}  # what is saved, but the voices
    merges_voices = False
    merges: str | None = None
    tells_time = is_voice_grid = has_controls = False

    def __init__(self, steps_per_beat: int, max_voices: int) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready."""
        if TICKS_PER_QUARTER % steps_per_beat:
            raise EtudeError(
                f"tokenize.{self.name}.steps_per_beat = {steps_per_beat} must divide {TICKS_PER_QUARTER}, the ticks of "
                "a quarter note in decoded pieces, as 4, 6, 8, 12 and 24 do."
            )
        self.steps = steps_per_beat
        self.max_voices = max_voices
        self.low, self.high, self.tempo = 0, -1, 0
        self.voices: dict[str, int] = {}

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """Statistics of some train pieces that ``learn`` needs, as plain values."""
        return Survey.of(scores).as_json()

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> Survey:
        """Learn pitch range, usual tempo, and the voices where none are given. Returns the surveys as one."""
        found = Survey.merge(surveys)
        self.voices = found.voices(voices, self.max_voices)
        pitches = found.pitches(self.voices)
        self.low, self.high, self.tempo = min(pitches), max(pitches), found.tempo
        return found

    def observe(self, train: Sequence[NDArray[np.integer]]) -> Observed:
        """What sampling needs to know of the train pieces: nothing."""
        return {}

    def save(self, folder: Path) -> None:
        """Write what was learned into ``folder``."""
        write_json(folder / f"{self.name}.json", {key: getattr(self, key) for key in self.learned})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> Self:
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(**{key: value for key, value in values.items() if key != "_target_"})
        learned = read_learned(folder / f"{cls.name}.json", catalog.tokens(cls.name).made_by, cls.learned)
        if learned["high"] < learned["low"]:
            raise EtudeError(f"{folder / cls.name}.json: high = {learned['high']} is below low = {learned['low']}.")
        for key, value in learned.items():
            setattr(made, key, value)
        made.voices = dict(voices)
        return made

    def cells(self, score: ScoreTick) -> int:
        """Voices times steps of a piece."""
        return len(self.voices) * -(-score.end() * self.steps // score.ticks_per_quarter)


def notes_by_voice(
    score: ScoreTick, voices: Mapping[str, int], steps: int, low: int, high: int
) -> list[NDArray[np.int64]]:
    """The notes of each voice on a grid of ``steps`` a quarter note, without those outside the pitches low..high.

    Returns:
        for each voice (N, 3): onset, pitch, end, in steps, by onset and then pitch; a note lasts at least a step.
        Half a step is rounded down, as symusic does.
    """
    grid = score.resample(steps, min_dur=1)
    found: dict[int, list[NDArray[np.int64]]] = {}
    for track in grid.tracks:
        played = track.notes.numpy()
        columns = (played["time"], played["pitch"], played["time"] + played["duration"])
        found.setdefault(program_of(track), []).append(np.stack(columns, axis=1).astype(np.int64))
    listed = []
    for program in voices.values():
        notes = np.concatenate([np.zeros((0, 3), dtype=np.int64), *found.get(program, [])])
        notes = notes[(notes[:, 1] >= low) & (notes[:, 1] <= high)]
        listed.append(notes[np.lexsort((notes[:, 1], notes[:, 0]))])
    return listed


def line(notes: NDArray[np.int64]) -> NDArray[np.int64]:
    """One note at a time: the highest of each onset, which ends where the next starts: (N, 3) -> (M, 3)."""
    onset = notes[:, 0]
    notes = notes[np.append(onset[1:] != onset[:-1], True)] if len(notes) else notes
    ends = np.minimum(notes[:-1, 2], notes[1:, 0])
    return np.column_stack([notes[:, :2], np.append(ends, notes[-1:, 2])])


def empty_piece(voices: Mapping[str, int], tempo: int) -> ScoreTick:
    """A piece with the tracks of some voices, one tempo and 4/4, to be filled with notes."""
    piece = ScoreTick(TICKS_PER_QUARTER)
    for name, program in voices.items():
        piece.tracks.append(TrackTick(name=name, program=max(program, 0), is_drum=program == DRUMS))
    piece.tempos.append(TempoTick(0, qpm=tempo))
    piece.time_signatures.append(TimeSignatureTick(0, 4, 4))
    return piece


def fill(track: TrackTick, notes: NDArray[np.int64], steps: int) -> None:
    """Add notes of velocity 80 to a track of a decoded piece: (N, 3) onset, pitch, end in steps."""
    tick = TICKS_PER_QUARTER // steps
    for onset, pitch, end in notes.tolist():
        track.notes.append(NoteTick(onset * tick, (end - onset) * tick, pitch, 80))
    track.notes.sort(inplace=True)
