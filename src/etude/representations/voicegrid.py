"""The voice grid: time step by time step, voice by voice: a pitch that begins, the hold of it, or a rest.

Source: the layout of Liang et al., BachBot, 2017, and Hadjeres et al., DeepBach, 2017, whose hold symbol tells a
repeated note from a held one.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.encoding.grammar import BEGIN, END, Frames, Rules
from etude.encoding.survey import Survey
from etude.encoding.voices import TICKS_PER_QUARTER, empty_piece, fill, line, notes_by_voice
from etude.errors import EtudeError
from etude.outputs import read_json, write_json
from etude.settings import Count, Range

HOLD, REST, FIRST = 3, 4, 5  # tokens after padding, begin and end; FIRST is the lowest pitch


class VoiceGrid:
    """Encode pieces as frames of one token a voice and back.

    A voice has one pitch at a time: of notes at one onset the highest stays, and the next onset ends it. Tempo and
    meter are not coded: decoded pieces have the usual tempo of train and 4/4.
    """

    kind = "tokens"
    merges_voices = False
    merges = None

    def __init__(self, steps_per_beat: Annotated[int, Range(4, 24)], max_voices: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready.

        Args:
            steps_per_beat: steps of the grid, a quarter.
            max_voices: where the dataset names no voices, the programs with the most notes that are taken.
        """
        if TICKS_PER_QUARTER % steps_per_beat:
            raise EtudeError(
                f"tokenize.voicegrid.steps_per_beat = {steps_per_beat} must divide {TICKS_PER_QUARTER}, the ticks of a "
                "quarter in decoded pieces: 4, 6, 8, 12 or 24."
            )
        self.steps = steps_per_beat
        self.max_voices = max_voices
        self.low, self.high, self.tempo = 0, -1, 0
        self.voices: dict[str, int] = {}

    @property
    def vocabulary(self) -> int:
        """Number of tokens: padding, begin, end, hold, rest, and the pitches from low to high."""
        return FIRST + self.high - self.low + 1

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """What ``learn`` has to know of some train pieces, as plain values."""
        return Survey.of(scores).as_json()

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """Learn pitch range, usual tempo, and the voices where none are given."""
        found = Survey.merged(surveys)
        self.voices = found.voices(voices, self.max_voices)
        pitches = found.pitches(self.voices)
        self.low, self.high, self.tempo = min(pitches), max(pitches), found.tempo

    def save(self, folder: Path) -> None:
        """Write voicegrid.json into ``folder``."""
        write_json(folder / "voicegrid.json", {"low": self.low, "high": self.high, "tempo": self.tempo})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "VoiceGrid":
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(values["steps_per_beat"], values["max_voices"])
        learned = read_json(folder / "voicegrid.json", "etude tokenize tokenize=voicegrid")
        made.low, made.high, made.tempo, made.voices = learned["low"], learned["high"], learned["tempo"], dict(voices)
        return made

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, begin and end included: (2 + frames * voices,)."""
        lines = [line(notes) for notes in notes_by_voice(score, self.voices, self.steps, self.low, self.high)]
        frames = max((int(notes[-1, 2]) for notes in lines if len(notes)), default=0)
        grid = np.full((frames, len(lines)), REST, dtype=np.uint16)
        for voice, notes in enumerate(lines):
            change = np.zeros(frames + 1, dtype=np.int64)
            np.add.at(change, notes[:, 0], 1)
            np.add.at(change, notes[:, 2], -1)
            grid[np.cumsum(change)[:-1] > 0, voice] = HOLD
            grid[notes[:, 0], voice] = notes[:, 1] - self.low + FIRST
        return np.concatenate([[BEGIN], grid.reshape(-1), [END]]).astype(np.uint16)

    def decode(self, tokens: NDArray[Any]) -> ScoreTick:
        """The piece of some tokens; padding, begin, end, a torn last frame and a hold of nothing are passed over."""
        tokens = np.asarray(tokens, dtype=np.int64)
        tokens = tokens[tokens > END]
        voices = len(self.voices)
        grid = tokens[: len(tokens) // voices * voices].reshape(-1, voices)
        piece = empty_piece(self.voices, self.tempo)
        for voice, track in enumerate(piece.tracks):
            cells = np.append(grid[:, voice], REST)
            ends = np.flatnonzero(cells != HOLD)  # of whatever was before: a note, or nothing
            onsets = np.flatnonzero(cells >= FIRST)
            until = ends[np.searchsorted(ends, onsets, side="right")]
            fill(track, np.column_stack([onsets, cells[onsets] - FIRST + self.low, until]), self.steps)
        return piece

    def rules(self, train: Iterable[NDArray[Any]]) -> Rules:
        """What may follow what: whole frames, and holds of notes alone."""
        return Frames(len(self.voices), self.vocabulary, HOLD, REST)

    def cells(self, score: ScoreTick) -> int:
        """Voices times steps of a piece."""
        return len(self.voices) * -(-score.end() * self.steps // score.ticks_per_quarter)
