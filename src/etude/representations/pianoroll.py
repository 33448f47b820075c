"""Binary piano rolls of a few bars: voices x steps x pitches, one pitch a voice and step at the most."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.errors import EtudeError
from etude.outputs import read_json, write_json
from etude.settings import Count, Range

TICKS_PER_QUARTER = 24


class PianoRoll:
    """Encode pieces as windows of binary piano rolls and back.

    Windows follow one another from the beginning of a piece, so they begin at bar lines where bars fit a window, as
    those of 4/4 do. A voice has one pitch at a time: of notes at one onset the highest stays, and the next onset ends
    it. A note that is followed at once by the same pitch loses its last step, so that a repeated note differs from a
    held one (a repeated note of one step is merged).
    """

    kind = "rolls"

    def __init__(self, steps_per_beat: Annotated[int, Range(1, 24)], beats: Count) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready."""
        if TICKS_PER_QUARTER % steps_per_beat:
            raise EtudeError(
                f"tokenize.pianoroll.steps_per_beat = {steps_per_beat} must divide {TICKS_PER_QUARTER}, the ticks of a "
                "quarter in decoded pieces: 1, 2, 3, 4, 6, 8, 12 or 24."
            )
        self.steps_per_beat = steps_per_beat
        self.beats = beats
        self.low = self.high = 0
        self.tempo = 0
        self.voices: dict[str, int] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(voices, steps, pitches) of one window."""
        return len(self.voices), self.steps_per_beat * self.beats, self.high - self.low + 1

    def learn(self, train: Iterable[ScoreTick], voices: Mapping[str, int]) -> None:
        """Learn the pitch range and the usual tempo from the train pieces alone."""
        self.voices = dict(voices)
        pitches: set[int] = set()
        tempos: list[float] = []
        for score in train:
            for track in score.tracks:
                pitches.update(np.unique(track.notes.numpy()["pitch"]).tolist())
            tempos += [tempo.qpm for tempo in score.tempos]
        if not pitches:
            raise EtudeError("There is no note in the train pieces: nothing to learn a pitch range from.")
        self.low, self.high = min(pitches), max(pitches)
        self.tempo = round(float(np.median(tempos))) if tempos else 120

    def save(self, folder: Path) -> None:
        """Write pianoroll.json into ``folder``."""
        write_json(folder / "pianoroll.json", {"low": self.low, "high": self.high, "tempo": self.tempo})

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "PianoRoll":
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(values["steps_per_beat"], values["beats"])
        learned = read_json(folder / "pianoroll.json", "etude tokenize tokenize=pianoroll")
        made.low, made.high, made.tempo, made.voices = learned["low"], learned["high"], learned["tempo"], dict(voices)
        return made

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
        grid = score.resample(self.steps_per_beat, min_dur=1)
        windows = max(1, -(-grid.end() // steps))
        roll = np.zeros((voices, windows * steps, pitches), dtype=np.uint8)
        by_name = {track.name: track for track in grid.tracks}
        for voice, name in enumerate(self.voices):
            notes = sorted(by_name[name].notes, key=lambda n: (n.time, n.pitch)) if name in by_name else []
            line = {note.time: note for note in notes if self.low <= note.pitch <= self.high}
            for note, following in zip_longest(line.values(), [*line.values()][1:]):
                end = note.time + note.duration
                if following is not None and following.time <= end:
                    end = following.time
                    if following.pitch == note.pitch and end > note.time + 1:
                        end -= 1
                roll[voice, note.time : end, note.pitch - self.low] = 1
        return roll.reshape(voices, windows, steps, pitches).transpose(1, 0, 2, 3)

    def decode(self, rolls: NDArray[Any]) -> ScoreTick:
        """One piece of windows in a row, (windows, voices, steps, pitches) of 0 and 1, at 24 ticks a quarter."""
        voices, _, pitches = self.shape
        tick = TICKS_PER_QUARTER // self.steps_per_beat
        line = rolls.transpose(1, 0, 2, 3).reshape(voices, -1, pitches)
        piece = ScoreTick(TICKS_PER_QUARTER)
        for voice, (name, program) in enumerate(self.voices.items()):
            track = TrackTick(name=name, program=program)
            framed = np.pad(line[voice].astype(np.int8), ((1, 1), (0, 0)))
            change = np.diff(framed, axis=0)
            for pitch in range(pitches):
                starts, ends = np.flatnonzero(change[:, pitch] == 1), np.flatnonzero(change[:, pitch] == -1)
                for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                    track.notes.append(NoteTick(start * tick, (end - start) * tick, self.low + pitch, 80))
            track.notes.sort(inplace=True)
            piece.tracks.append(track)
        piece.tempos.append(TempoTick(0, qpm=self.tempo))
        piece.time_signatures.append(TimeSignatureTick(0, 4, 4))
        return piece

    def cells(self, score: ScoreTick) -> int:
        """Voices times steps of a piece."""
        return len(self.voices) * -(-score.end() * self.steps_per_beat // score.ticks_per_quarter)

    def notes_kept(self, score: ScoreTick) -> tuple[int, int]:
        """How many of a piece's notes come back from its rolls at their place, with their pitch and voice."""

        def notes(piece: ScoreTick) -> set[tuple[Any, ...]]:
            grid = piece.resample(self.steps_per_beat, min_dur=1)
            return {(t.name, n.time, n.pitch) for t in grid.tracks for n in t.notes}

        return len(notes(score) & notes(self.decode(self.rolls(score)))), score.note_num()
