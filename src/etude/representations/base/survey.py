"""Statistics of the train pieces. They add up, so that shards of a collection can be counted separately."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from miditok.constants import MIDI_INSTRUMENTS
from symusic.core import ScoreTick, TrackTick

from etude.core.errors import EtudeError

DRUMS = -1  # the program of drums, as in MidiTok


def program_of(track: TrackTick) -> int:
    """General MIDI program of a track from 0, or -1 of drums."""
    return DRUMS if track.is_drum else int(track.program)


@dataclass
class Voice:
    """The notes of one program."""

    notes: int = 0
    overlaps: int = 0  # notes that start while another of their piece and program sounds
    names: Counter[str] = field(default_factory=Counter)  # of its tracks
    pitches: set[int] = field(default_factory=set)


@dataclass
class Survey:
    """Statistics of some pieces; times in quarter notes."""

    programs: dict[int, Voice] = field(default_factory=dict)
    velocities: set[int] = field(default_factory=set)
    duration: float = 0.0  # of the longest note
    gap: float = 0.0  # the longest time from one onset to the next, and from the start to the first
    bars: int = 0  # of the piece with the most, up to the bar of its last onset
    tempos: Counter[int] = field(default_factory=Counter)  # by microseconds a quarter
    signatures: set[tuple[int, int]] = field(default_factory=set)

    @classmethod
    def of(cls, scores: Iterable[ScoreTick]) -> "Survey":
        """Count some pieces."""
        found = cls()
        for score in scores:
            found._count(score)
        return found

    @classmethod
    def merge(cls, surveys: Iterable[Mapping[str, Any]]) -> "Survey":
        """Add up the results of ``as_json``, in any order."""
        total = cls()
        for one in surveys:
            for program, voice in one["programs"].items():
                known = total.programs.setdefault(int(program), Voice())
                known.notes += voice["notes"]
                known.overlaps += voice["overlaps"]
                known.names.update(voice["names"])
                known.pitches.update(voice["pitches"])
            total.velocities.update(one["velocities"])
            total.duration = max(total.duration, one["duration"])
            total.gap = max(total.gap, one["gap"])
            total.bars = max(total.bars, one["bars"])
            total.tempos.update({int(tempo): count for tempo, count in one["tempos"].items()})
            total.signatures.update((numerator, denominator) for numerator, denominator in one["signatures"])
        return total

    def as_json(self) -> dict[str, Any]:
        """The statistics as plain values, sorted."""
        programs = {
            str(program): {
                "notes": voice.notes,
                "overlaps": voice.overlaps,
                "names": dict(sorted(voice.names.items())),
                "pitches": sorted(voice.pitches),
            }
            for program, voice in sorted(self.programs.items())
        }
        return {
            "programs": programs,
            "velocities": sorted(self.velocities),
            "duration": self.duration,
            "gap": self.gap,
            "bars": self.bars,
            "tempos": {str(tempo): count for tempo, count in sorted(self.tempos.items())},
            "signatures": [list(signature) for signature in sorted(self.signatures)],
        }

    def _count(self, score: ScoreTick) -> None:
        quarter = score.ticks_per_quarter
        played: dict[int, list[dict[str, Any]]] = {}
        for track in score.tracks:
            notes = track.notes.numpy()
            if len(notes["time"]):
                program = program_of(track)
                played.setdefault(program, []).append(notes)
                voice = self.programs.setdefault(program, Voice())
                voice.names[track.name] += 1
                voice.pitches.update(np.flatnonzero(np.bincount(notes["pitch"])).tolist())
                voice.notes += len(notes["time"])
                self.velocities.update(np.flatnonzero(np.bincount(notes["velocity"])).tolist())
                self.duration = max(self.duration, int(notes["duration"].max()) / quarter)
        for program, tracks in played.items():
            starts = np.concatenate([notes["time"] for notes in tracks])
            ends = starts + np.concatenate([notes["duration"] for notes in tracks])
            order = np.argsort(starts, kind="stable")
            sounding = np.maximum.accumulate(ends[order])
            self.programs[program].overlaps += int((starts[order][1:] < sounding[:-1]).sum())
        if played:
            onsets = np.unique(np.concatenate([notes["time"] for tracks in played.values() for notes in tracks]))
            self.gap = max(self.gap, int(np.diff(onsets, prepend=0).max()) / quarter)
            self.bars = max(self.bars, _bars(score, int(onsets[-1])))
        for tempo in score.tempos:
            self.tempos[tempo.mspq] += 1
        self.signatures.update((sign.numerator, sign.denominator) for sign in score.time_signatures)

    @property
    def tempo(self) -> int:
        """The usual tempo: the median of all that are stated, in BPM; 120 where none is."""
        stated = [60e6 / tempo for tempo, count in sorted(self.tempos.items()) for _ in range(count)]
        return round(float(np.median(stated))) if stated else 120

    def voices(self, given: Mapping[str, int] | None, most: int | None = None) -> dict[str, int]:
        """The voices of a representation: name -> program, -1 for drums.

        Args:
            given: those of the dataset; they are taken as they are.
            most: where none are given, keep this many programs, those with the most notes.

        Returns:
            the given voices, or the programs that were played, from low to high and drums last, each named as its
            tracks most often are (of equals the first by letter), or by its General MIDI instrument.
        """
        if given is not None:
            return dict(given)
        ranked = sorted(self.programs, key=lambda program: (-self.programs[program].notes, program))
        found: dict[str, int] = {}
        for program in sorted(ranked[:most], key=lambda program: (program == DRUMS, program)):
            names = sorted(self.programs[program].names.items(), key=lambda item: (-item[1], item[0]))
            name = names[0][0] or instrument(program)
            found[name if name not in found else f"{name} {program}"] = program
        return found

    def pitches(self, voices: Mapping[str, int]) -> set[int]:
        """All pitches that train gives to some voices.

        Raises:
            EtudeError: there is none.
        """
        found: set[int] = set()
        for program in voices.values():
            found |= self.programs[program].pitches if program in self.programs else set()
        if not found:
            raise EtudeError(
                "There is no note in the train pieces: nothing to learn a vocabulary from. See what data/ingest holds, "
                "and whether dataset.reading.voices names its tracks."
            )
        return found


def instrument(program: int) -> str:
    """The General MIDI instrument of a program from 0; Drums of -1."""
    return "Drums" if program == DRUMS else str(MIDI_INSTRUMENTS[program]["name"])


def _bars(score: ScoreTick, last: int) -> int:
    """Bars up to the one that holds the tick ``last``; 4/4 where no meter is stated."""
    signs = sorted((sign.time, sign.numerator, sign.denominator) for sign in score.time_signatures)
    if not signs or signs[0][0] > 0:
        signs.insert(0, (0, 4, 4))
    ends = [min(time, last + 1) for time, _, _ in signs[1:]] + [last + 1]
    bars = 0
    for (start, numerator, denominator), end in zip(signs, ends, strict=True):
        bars += max(0, -(-(end - start) * denominator // (score.ticks_per_quarter * 4 * numerator)))
    return bars
