"""REMI tokens by MidiTok: one stream for all voices; ranges are learned from the train pieces.

Source: Huang and Yang, Pop Music Transformer, 2020; MidiTok's ``REMI``.
"""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from miditok import REMI, TokenizerConfig
from numpy.typing import NDArray
from symusic.core import ScoreTick, TrackTick

from etude.errors import EtudeError
from etude.outputs import write_text
from etude.settings import Range

TICKS_PER_QUARTER = 24  # of decoded pieces; every grid of positions_per_beat that divides it is exact


class Remi:
    """Encode pieces as REMI tokens and back."""

    kind = "tokens"

    def __init__(
        self, positions_per_beat: Annotated[int, Range(1, 24)], max_beats: Annotated[int, Range(1, 64)]
    ) -> None:
        """Settings alone; ``learn`` or ``load`` makes it ready."""
        self.positions_per_beat = positions_per_beat
        self.max_beats = max_beats
        self._tokenizer: REMI | None = None
        self._names: dict[int, str] = {}

    # --- the vocabulary

    def learn(self, train: Iterable[ScoreTick], voices: Mapping[str, int]) -> None:
        """Learn ranges of pitch, duration, tempo and the time signatures from the train pieces alone."""
        pitches: set[int] = set()
        velocities: set[int] = set()
        tempos: set[int] = set()
        signatures: set[tuple[int, int]] = set()
        beats, drums = 1.0, False
        for score in train:
            for track in score.tracks:
                notes = track.notes.numpy()
                drums |= track.is_drum
                if len(notes["pitch"]):
                    pitches.update(np.unique(notes["pitch"]).tolist())
                    velocities.update(np.unique(notes["velocity"]).tolist())
                    beats = max(beats, notes["duration"].max() / score.ticks_per_quarter)
            tempos.update(round(tempo.qpm) for tempo in score.tempos)
            signatures.update((sign.numerator, sign.denominator) for sign in score.time_signatures)
        if not pitches:
            raise EtudeError("There is no note in the train pieces: nothing to learn a vocabulary from.")
        by_denominator: dict[int, list[int]] = {}
        for numerator, denominator in sorted(signatures or {(4, 4)}):
            by_denominator.setdefault(denominator, []).append(numerator)
        low, high = min(tempos, default=120), max(tempos, default=120)
        programs = sorted(voices.values())
        config = TokenizerConfig(
            pitch_range=(min(pitches), max(pitches) + 1),
            beat_res={(0, min(self.max_beats, math.ceil(beats))): self.positions_per_beat},
            special_tokens=["PAD", "BOS", "EOS"],
            use_velocities=len(velocities) > 1,  # no velocity tokens where the music has no dynamics
            use_pitchdrum_tokens=drums,
            use_programs=True,
            programs=programs,
            use_note_duration_programs=programs,
            one_token_stream_for_programs=True,
            use_time_signatures=True,
            time_signature_range=by_denominator,
            use_tempos=True,
            tempo_range=(low, high),
            num_tempos=min(high - low + 1, 64),
        )
        self._ready(REMI(config), voices)

    def _ready(self, tokenizer: REMI, voices: Mapping[str, int]) -> None:
        self._tokenizer = tokenizer
        self._names = {program: name for name, program in voices.items()}

    @property
    def tokenizer(self) -> REMI:
        """MidiTok's tokenizer."""
        if self._tokenizer is None:
            raise EtudeError("The REMI vocabulary was neither learned nor loaded.")
        return self._tokenizer

    @property
    def vocabulary(self) -> int:
        """Number of tokens; 0 is padding, 1 the begin, 2 the end of a piece."""
        return len(self.tokenizer)

    def save(self, folder: Path) -> None:
        """Write tokenizer.json into ``folder``."""
        self.tokenizer.save(folder / "tokenizer.json")
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        write_text(folder / "tokenizer.json", text)

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "Remi":
        """Read what ``save`` wrote, for the settings ``values`` of the representation."""
        made = cls(values["positions_per_beat"], values["max_beats"])
        made._ready(REMI(params=folder / "tokenizer.json"), voices)
        return made

    # --- encode and decode

    def encode(self, score: ScoreTick) -> NDArray[np.uint16]:
        """The tokens of a piece, begin and end included: (tokens,)."""
        sequence = self.tokenizer.encode(score)
        ids = sequence.ids if not isinstance(sequence, list) else sequence[0].ids
        return np.array([1, *ids, 2], dtype=np.uint16)

    def decode(self, tokens: NDArray[Any]) -> ScoreTick:
        """The piece of some tokens, at 24 ticks a quarter; padding, begin, end and a torn last note are passed over."""
        ids = [int(token) for token in tokens if int(token) > 2]
        types = self.types
        while ids and types[ids[-1]] not in ("Duration", "TimeSig"):
            ids.pop()
        decoded = self.tokenizer.decode(ids) if ids else ScoreTick(self.positions_per_beat)
        decoded = decoded.resample(TICKS_PER_QUARTER, min_dur=1)
        found = {track.program: track for track in decoded.tracks}
        piece = ScoreTick(TICKS_PER_QUARTER)
        for program, name in self._names.items():
            track = TrackTick(name=name, program=program)
            if program in found:
                track.notes = found[program].notes
            piece.tracks.append(track)
        piece.tempos = decoded.tempos
        piece.time_signatures = decoded.time_signatures
        return piece

    # --- what sampling needs to know

    @cached_property
    def types(self) -> list[str]:
        """The type of each token: Bar, TimeSig, Position, Tempo, Program, Pitch, Duration, PAD, BOS, EOS."""
        names = {index: token for token, index in self.tokenizer.vocab.items()}
        return [names[index].split("_")[0] for index in range(len(names))]

    @cached_property
    def values(self) -> list[str]:
        """The value of each token, as text."""
        names = {index: token for token, index in self.tokenizer.vocab.items()}
        return [names[index].split("_", 1)[1] for index in range(len(names))]

    def cells(self, score: ScoreTick) -> int:
        """Voices times sixteenths of a piece: the unit of the JSB literature."""
        return len(self._names) * math.ceil(score.end() * 4 / score.ticks_per_quarter)

    def notes_kept(self, score: ScoreTick) -> tuple[int, int]:
        """How many of a piece's notes come back from its tokens: place, meter there, pitch, voice and length."""

        def notes(piece: ScoreTick) -> set[tuple[Any, ...]]:
            grid = piece.resample(self.positions_per_beat, min_dur=1)
            meters = [(sign.time, f"{sign.numerator}/{sign.denominator}") for sign in grid.time_signatures]

            def meter(time: int) -> str:
                return max(((at, name) for at, name in meters if at <= time), default=(0, "4/4"))[1]

            return {(t.program, n.time, meter(n.time), n.pitch, n.duration) for t in grid.tracks for n in t.notes}

        return len(notes(score) & notes(self.decode(self.encode(score)))), score.note_num()
