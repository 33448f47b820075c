"""Binary piano rolls of a few bars: voices x steps x pitches."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.config.check import Count, Range
from etude.representations.base.survey import Survey
from etude.representations.base.voice_tracks import Voices, empty_piece, fill, line, notes_by_voice


class PianoRoll(Voices):
    """Encode pieces as windows of binary piano rolls and back.

    Windows follow one another from the start of a piece, so they start at bar lines where bars fit a window, as those
    of 4/4 do. A voice whose notes never overlap in train has one pitch at a time: the highest of the notes at an onset
    stays, and the next onset ends it. In other voices all notes sound. A note that is followed at once by the
    same pitch loses its last step, so that a repeated note differs from a held one (a repeated note of one step is
    merged); ``decode`` gives the step back.
    """

    name, kind = "pianoroll", "rolls"
    learned: ClassVar[dict[str, Any]] = {**Voices.learned, "polyphonic": list[str]}

    def __init__(self, steps_per_beat: Annotated[int, Range(1, 24)], beats: Count, max_voices: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: steps of the grid, a quarter note.
            beats: quarter notes of one window.
            max_voices: where the dataset names no voices, the programs with the most notes that are taken.
        """
        super().__init__(steps_per_beat, max_voices)
        self.beats = beats
        self.polyphonic: list[str] = []  # voices whose notes overlap in train

    @property
    def shape(self) -> tuple[int, int, int]:
        """(voices, steps, pitches) of one window."""
        return len(self.voices), self.steps * self.beats, self.high - self.low + 1

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> Survey:
        """Learn pitch range, usual tempo, which voices are polyphonic, and the voices where none are given."""
        found = super().learn(surveys, voices)
        counted = {name: found.programs.get(program) for name, program in self.voices.items()}
        self.polyphonic = sorted(name for name, voice in counted.items() if voice is not None and voice.overlaps)
        return found

    def encode(self, score: ScoreTick) -> NDArray[np.uint8]:
        """The piece's windows, each packed to bits: (windows, bytes). Bars of other meters are cut as they come."""
        rolls = self.rolls(score)
        return np.packbits(rolls.reshape(len(rolls), -1), axis=1)

    def unpack(self, packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(windows, bytes) of packed bits to (windows, voices, steps, pitches) of 0 and 1."""
        voices, steps, pitches = self.shape
        bits = np.unpackbits(packed, axis=1, count=voices * steps * pitches)
        return bits.reshape(len(packed), voices, steps, pitches)

    def rolls(self, score: ScoreTick) -> NDArray[np.uint8]:
        """The piece's windows as 0 and 1: (windows, voices, steps, pitches). Pitches outside the range are left out."""
        voices, steps, pitches = self.shape
        listed = notes_by_voice(score, self.voices, self.steps, self.low, self.high)
        windows = max(1, -(-score.resample(self.steps, min_dur=1).end() // steps))
        roll = np.zeros((voices, windows * steps, pitches), dtype=np.uint8)
        for voice, (name, notes) in enumerate(zip(self.voices, listed, strict=True)):
            for onset, pitch, end in _apart(notes if name in self.polyphonic else line(notes)).tolist():
                roll[voice, onset:end, pitch - self.low] = 1
        return roll.reshape(voices, windows, steps, pitches).transpose(1, 0, 2, 3)

    def decode(self, rolls: NDArray[np.integer]) -> ScoreTick:
        """One piece of windows in a row, at 24 ticks a quarter.

        Args:
            rolls: (windows, voices, steps, pitches) of 0 and 1, or (windows, bytes) as ``encode`` packs them.
        """
        if rolls.ndim == 2:
            rolls = self.unpack(np.asarray(rolls, np.uint8))
        voices, _, pitches = self.shape
        cells = rolls.transpose(1, 0, 2, 3).reshape(voices, -1, pitches)
        piece = empty_piece(self.voices, self.tempo)
        for voice, (name, track) in enumerate(zip(self.voices, piece.tracks, strict=True)):
            change = np.diff(np.pad(cells[voice].astype(np.int8), ((1, 1), (0, 0))), axis=0).T  # (pitches, steps + 1)
            pitch, starts = np.nonzero(change == 1)
            _, ends = np.nonzero(change == -1)
            again = (pitch[1:] == pitch[:-1]) & (starts[1:] == ends[:-1] + 1)  # a step after it ended
            if name not in self.polyphonic:  # not where another note is between the two
                again &= ~np.append(cells[voice].any(axis=-1), False)[ends[:-1]]
            ends[:-1] += again
            fill(track, np.column_stack([starts, pitch + self.low, ends]), self.steps)
        return piece


def _apart(notes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Notes (N, 3) that end at or after the next onset of their pitch end a step before it, where they are longer."""
    notes = notes[np.lexsort((notes[:, 0], notes[:, 1]))]
    meet = (notes[:-1, 1] == notes[1:, 1]) & (notes[:-1, 2] >= notes[1:, 0])
    ends = np.where(meet, np.maximum(notes[1:, 0] - 1, notes[:-1, 0] + 1), notes[:-1, 2])
    return np.column_stack([notes[:, :2], np.append(ends, notes[-1:, 2])])
