"""Chords under a melody while it is played, with no model: those of the key that fit what has been heard so far."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from etude.arranging.chords import CHOICES, CLASH, FIFTH_DOWN, FITS, STEPS
from etude.live.bars import TICKS, Bar, Note
from etude.live.controls import Controls
from etude.live.harmony import HOLD_ON, SILENT
from etude.music.key import Mode, best_key
from etude.representations.attributes import key_of

VOICES = {"Melody": 0, "High": 0, "Middle": 0, "Low": 0}  # a piano
STEPS_OF_BEAT, FRAMES = 4, 16  # a sixteenth a step; steps of a bar
TICK = TICKS // STEPS_OF_BEAT
FADES = 0.85  # factor of what was heard, each step
STAY = 1.2  # for the chord that sounds
SUSTAINED = 2 * STEPS_OF_BEAT  # steps after which a chord may change without need: on the first and third beat
MIDDLE = 55  # MIDI pitch around which chords lie
OPENS = 1.0  # for the tonic at first
ENOUGH = 3  # pitch classes of the melody from which a key is read; until then chords have no third


class Chords:
    """Changes chord on a beat: where the melody leaves it, or each half-bar where another fits better."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self.voices = dict(VOICES)
        self._heard, self._all = np.zeros(12), np.zeros(12)
        self._sounding: list[int] = []  # pitches, from the top
        self._chord: tuple[int, str] | None = None
        self._melody = self._first = -1  # the pitch that sounds; the first pitch class
        self._sounded = False  # when the bar started
        self._cells: list[list[int]] = []
        self._kept: tuple[NDArray[np.float64], NDArray[np.float64], list[int], tuple[int, str] | None, int]
        self._kept = self._remember()

    def open(self, past: list[Bar], controls: Controls, number: int) -> None:
        """See Harmony."""
        self._controls, self._cells = controls, []
        self._sounded = bool(self._sounding)

    def step(self, frame: int, cell: int, again: bool) -> list[int]:
        """See Harmony."""
        if again:
            self._heard, self._all, self._sounding, self._chord, self._melody = self._kept
            self._cells.pop()
        self._kept = self._remember()
        self._heard = self._heard * FADES
        if cell != HOLD_ON:
            self._melody = cell if cell >= 0 else -1
        if self._melody >= 0:
            self._first = self._first if self._all.any() else self._melody % 12
            self._heard[self._melody % 12] += 1
            self._all = self._all + np.eye(12)[self._melody % 12]
        made = [HOLD_ON] * 3
        if cell == SILENT:
            made = [SILENT] * 3 if self._sounding else made
            self._sounding, self._chord = [], None
        elif self._melody >= 0 and (not self._sounding or self._may_change(frame)):
            made = self._change()
        self._cells.append(made)
        return made

    def skip(self, frame: int, cell: int) -> None:
        """See Harmony."""
        self._kept = self._remember()
        self._cells.append([HOLD_ON] * 3)

    def end(self) -> Bar:
        """See Harmony."""
        notes: list[Note] = []
        holds = []
        for voice in range(3):
            column = [cells[voice] for cells in self._cells] + [HOLD_ON] * (FRAMES - len(self._cells))
            starts = [frame for frame, cell in enumerate(column) if cell != HOLD_ON]
            holds.append((starts[0] if starts else FRAMES) * TICK if self._sounded else 0)
            for place, frame in enumerate(starts):
                until = starts[place + 1] if place + 1 < len(starts) else FRAMES
                if column[frame] >= 0:
                    notes.append(Note(frame * TICK, (until - frame) * TICK, column[frame], 64, voice + 1))
        return Bar(tuple(sorted(notes)), FRAMES * TICK, holds=(0, *holds))

    def _remember(self) -> tuple[NDArray[np.float64], NDArray[np.float64], list[int], tuple[int, str] | None, int]:
        return self._heard, self._all, list(self._sounding), self._chord, self._melody

    def _may_change(self, frame: int) -> bool:
        if frame % STEPS_OF_BEAT:
            return False
        inside = any(pitch % 12 == self._melody % 12 for pitch in self._sounding)
        return not inside or frame % SUSTAINED == 0

    def _key(self) -> tuple[int, Mode]:
        if self._controls.scale is not None:
            tonic, mode = key_of(self._controls.scale)
            return tonic, "minor" if mode == "minor" else "major"
        found = best_key(self._all) if self._has_key() else None
        return found or (self._first, "major")

    def _has_key(self) -> bool:
        """Whether a key is asked for, or enough of the melody has been heard for one."""
        return self._controls.scale is not None or int(np.count_nonzero(self._all)) >= ENOUGH

    def _change(self) -> list[int]:
        """Choose a chord, and the pitches that move least to it."""
        tonic, mode = self._key()
        best, score = None, -np.inf
        present = (self._melody - tonic) % 12
        fit = [one for one in CHOICES[mode] if present in {(one[0] + above) % 12 for above in STEPS[one[1]]}]
        for step, quality, weight in fit or CHOICES[mode]:
            root = (tonic + step) % 12
            gains = np.full(12, CLASH)
            for above, gain in zip(STEPS[quality], FITS, strict=True):
                gains[(root + above) % 12] = gain
            found = float(gains @ self._heard) + float(gains[self._melody % 12]) + np.log(weight)
            if self._chord is None:
                found += OPENS * (root == tonic)
            else:
                found += STAY * ((root, quality) == self._chord) + FIFTH_DOWN * ((root - self._chord[0]) % 12 == 5)
            if found > score:
                best, score = (root, quality), found
        assert best is not None
        steps = STEPS[best[1]] if self._has_key() else (0, 7)
        classes = {(best[0] + step) % 12 for step in steps}
        if best == self._chord and classes == {pitch % 12 for pitch in self._sounding}:
            return [HOLD_ON] * 3
        self._chord = best
        self._sounding = voiced(best[0], steps, self._sounding)
        return list(self._sounding)


def voiced(root: int, steps: Sequence[int], before: Sequence[int]) -> list[int]:
    """Three pitches of a chord, from the top: of all inversions the one nearest to those before, and to the middle.

    Args:
        root: pitch class.
        steps: semitones of its two or three notes above the root; of two, the lower one is doubled an octave higher.
        before: what sounds, from the top.
    """
    classes = [(root + step) % 12 for step in steps]
    choices = []
    for lowest in range(MIDDLE - 9, MIDDLE + 6):
        if lowest % 12 in classes:
            others = sorted((pitch - lowest) % 12 for pitch in classes if pitch != lowest % 12)
            others = others if len(others) == 2 else [*others, 12]
            choices.append([lowest + step for step in reversed(others)] + [lowest])
    wanted = before or [MIDDLE + 7, MIDDLE + 3, MIDDLE - 2]
    distance = (sum(abs(one - other) for one, other in zip(choice, wanted, strict=True)) for choice in choices)
    return min(zip(distance, choices, strict=True))[1]
