"""REMI with control tokens at the start of each bar: they describe the whole piece, for conditional generation.

Control tokens: Keskar et al., CTRL, 2019; of bars of music, von Rütte et al., FIGARO, 2022. The tokens under them are
those of MidiTok's ``REMI`` (Huang and Yang, 2020).

Mood has two axes, as in the circumplex of Russell (1980). Energy rises with tempo and notes a second, brightness with
the major mode and with pitch (Gabrielsson and Lindström, The role of structure in the
musical expression of emotions, 2010).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import miditok
import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.config.check import OneOf, Range
from etude.core.errors import EtudeError, closest
from etude.core.files import write_json
from etude.music.key import best_key
from etude.representations.base.learned_files import read_learned
from etude.representations.base.merges import NOTES
from etude.representations.base.midi_tokens import SIZES, Beats, Grid, MidiTokens

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("major", "minor")
KEYS = tuple(f"{tonic} {mode}" for mode in MODES for tonic in TONICS)
UNITS = {  # of the attributes that have levels
    "tempo": "BPM",
    "density": "notes a quarter note",
    "polyphony": "notes at once",
    "bottom": "MIDI pitch",
    "top": "MIDI pitch",
    "energy": "0 to 1",
    "brightness": "0 to 1",
}
NAMES = ("key", "mode", *UNITS)  # in the order of the tokens
WORDS = ("lowest", "low", "middle", "high", "highest")  # levels, whatever their number
RANKED = ("tempo", "rate", "middle")  # what mood is computed from, besides the mode
NONE = "none"
FILE = "attributes.json"
OBSERVED = 20_000
DIGITS = 2  # of measurements: files state tempos in whole microseconds a quarter note, which is no finer
TEMPO = 120.0  # BPM of a piece that states none


@dataclass(frozen=True)
class Measurements:
    """Measurements of a piece: nan, or None for the key, where it has no note to measure."""

    tonic: int | None  # pitch class
    mode: str | None
    tempo: float  # BPM, the mean over time
    density: float  # notes a quarter note, from the first onset to the last end
    polyphony: float  # pitched notes that sound at once, while any sounds
    bottom: float  # MIDI pitch of the lowest note
    top: float

    @property
    def rate(self) -> float:
        """Notes a second."""
        return self.density * self.tempo / 60

    @property
    def middle(self) -> float:
        """The middle of the pitch range."""
        return (self.bottom + self.top) / 2


def measure(score: ScoreTick) -> Measurements:
    """Measure a piece; drums count for density alone."""
    quarter = score.ticks_per_quarter
    tracks = [(track.is_drum, track.notes.numpy()) for track in score.tracks if len(track.notes)]
    start = min((int(notes["time"].min()) for _, notes in tracks), default=0)
    end = max((int((notes["time"] + notes["duration"]).max()) for _, notes in tracks), default=0)
    count = sum(len(notes["time"]) for _, notes in tracks)
    pitched = [notes for is_drum, notes in tracks if not is_drum]
    durations, pitches = np.zeros(12), np.zeros(0, dtype=np.int64)
    polyphony = float("nan")
    if pitched:
        times, lengths, pitches = (
            np.concatenate([notes[name].astype(np.int64) for notes in pitched])
            for name in ("time", "duration", "pitch")
        )
        np.add.at(durations, pitches % 12, lengths)
        sounding = _covered(times, times + lengths)
        polyphony = int(lengths.sum()) / sounding if sounding else float("nan")
    key = best_key(durations)
    return Measurements(
        None if key is None else key[0],
        None if key is None else key[1],
        round(_tempo(score, max(end, 1)), DIGITS),
        round(count * quarter / (end - start), DIGITS) if end > start else float("nan"),
        round(polyphony, DIGITS),
        float(pitches.min()) if len(pitches) else float("nan"),
        float(pitches.max()) if len(pitches) else float("nan"),
    )


def _covered(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
    """Number of ticks that lie in any of some intervals."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    before = np.append(starts[order][0], reached[:-1])
    return int(np.maximum(0, reached - np.maximum(before, starts[order])).sum())


def _tempo(score: ScoreTick, end: int) -> float:
    """BPM from the start to the tick ``end``, the mean over time."""
    marks = sorted((tempo.time, 60e6 / tempo.mspq) for tempo in score.tempos if tempo.time < end)
    if not marks or marks[0][0] > 0:
        marks.insert(0, (0, marks[0][1] if marks else TEMPO))
    times = [time for time, _ in marks] + [end]
    minutes = sum((after - time) / tempo for (time, tempo), after in zip(marks, times[1:], strict=True))
    return end / minutes


@dataclass(frozen=True)
class Scale:
    """Statistics of train: where levels start, and the percentiles that ranks are read from."""

    edges: dict[str, list[float]]  # for each of UNITS the values at which a new level starts
    percentiles: dict[str, list[float]]  # for each of RANKED, from 0 to 100

    @classmethod
    def learn(cls, pieces: Sequence[Measurements], levels: int) -> "Scale":
        """Learn the scale of some pieces in any order; levels have equally many pieces, as far as ties allow.

        A level starts half-way between two values of train, so that a tempo that a grid has rounded keeps its level.
        """
        percentiles = {}
        for name in RANKED:
            values = _known(getattr(piece, name) for piece in pieces)
            percentiles[name] = (
                np.quantile(values, np.arange(101) / 100, method="lower").tolist() if len(values) else []
            )
        made = cls({}, percentiles)
        for name in UNITS:
            values = _known(made.value(piece, name) for piece in pieces)
            inner = np.quantile(values, np.arange(1, levels) / levels, method="higher") if len(values) else values
            below = [values[values < edge].max() for edge in np.unique(inner) if edge > values.min()]
            made.edges[name] = [(low + values[values > low].min()).item() / 2 for low in below]
        return made

    def value(self, piece: Measurements, name: str) -> float:
        """A measurement of a piece, or what is computed from several: energy and brightness, from 0 to 1."""
        if name == "energy":
            return (self.rank("tempo", piece.tempo) + self.rank("rate", piece.rate)) / 2
        if name == "brightness":
            mode = float("nan") if piece.mode is None else float(piece.mode == "major")
            return (mode + self.rank("middle", piece.middle)) / 2
        return float(getattr(piece, name))

    def rank(self, name: str, value: float) -> float:
        """The share of train pieces below a value, plus half of those that have it."""
        known = np.array(self.percentiles[name])
        if np.isnan(value) or not len(known):
            return float("nan")
        below, upto = (int(np.searchsorted(known, value, side=end)) for end in ("left", "right"))  # type: ignore[call-overload]
        return (below + upto) / 2 / len(known)

    def level(self, name: str, value: float) -> int | None:
        """The level of a value, from 0; None for nan."""
        return None if np.isnan(value) else int(np.searchsorted(self.edges[name], value, side="right"))

    def levels(self, name: str) -> int:
        """The number of levels."""
        return len(self.edges[name]) + 1

    def span(self, name: str, level: int) -> tuple[float | None, float | None]:
        """Where a level starts, and where the next one does; None at an open end."""
        edges = [None, *self.edges[name], None]
        return edges[level], edges[level + 1]


def _known(values: Iterable[float]) -> NDArray[np.float64]:
    found = np.array(list(values), dtype=np.float64)
    return np.sort(found[~np.isnan(found)])


class Attributes(MidiTokens):
    """REMI tokens; after each bar token come those of the piece's key, mode and levels.

    Each of them may be ``none``, the neutral token: the attribute is left open.
    """

    tokenizer = miditok.REMI
    has_controls = True

    def __init__(
        self,
        positions_per_beat: Grid,
        max_beats: Beats,
        levels: Annotated[int, Range(2, 64)],
        merges: Annotated[str, OneOf((NOTES,))] | None = None,
        vocabulary: Annotated[int, Range(8, SIZES)] = SIZES,
    ) -> None:
        """Settings alone; see MidiTokens. ``levels`` is their number for each attribute, where train has as many."""
        super().__init__(positions_per_beat, max_beats, merges=merges, vocabulary=vocabulary)
        self.most = levels
        self.scale: Scale | None = None

    # --- the vocabulary

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """See MidiTokens."""
        found: list[dict[str, Any]] = []

        def passed() -> Iterator[ScoreTick]:
            for score in scores:
                found.append(asdict(measure(score)))
                yield score

        return {**super().survey(passed()), "measured": found}

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """See MidiTokens."""
        super().learn(surveys, voices)
        self.scale = Scale.learn([Measurements(**piece) for one in surveys for piece in one["measured"]], self.most)
        self._ready(self.made)

    def save(self, folder: Path) -> None:
        """Write tokenizer.json and attributes.json into ``folder``."""
        super().save(folder)
        assert self.scale is not None
        write_json(folder / FILE, asdict(self.scale))

    @classmethod
    def load(cls, folder: Path, values: Mapping[str, Any], voices: Mapping[str, int]) -> "Attributes":
        """See MidiTokens."""
        made = super().load(folder, values, voices)
        assert isinstance(made, Attributes)
        numbers = dict[str, list[Annotated[float, Range(-1e9, 1e9)]]]
        kinds = {"edges": numbers, "percentiles": numbers}
        made.scale = Scale(**read_learned(folder / FILE, catalog.tokens(made.name).made_by, kinds))
        if set(made.scale.edges) != set(UNITS) or set(made.scale.percentiles) != set(RANKED):
            raise EtudeError(f"{folder / FILE}: edges must have {', '.join(UNITS)}; percentiles {', '.join(RANKED)}.")
        made._ready(made.made)
        made._load_notes(folder)
        return made

    def _ready(self, made: Any, merges: Any = None) -> None:
        for name in ("base", "controls"):
            self.__dict__.pop(name, None)
        super()._ready(made, merges)

    @cached_property
    def base(self) -> int:
        """The number of tokens that are no control tokens; the control tokens come after them."""
        return len(self.names_of(self.made))

    @cached_property
    def names(self) -> list[str]:
        """See MidiTokens."""
        if self.scale is None:
            return self.names_of(self.made)
        texts: dict[str, Sequence[str]] = {"key": KEYS, "mode": MODES}
        texts |= {name: [str(level) for level in range(self.scale.levels(name))] for name in UNITS}
        own = [f"Attribute.{name}_{text}" for name in NAMES for text in (NONE, *texts[name])]
        return [*self.names_of(self.made), *own]

    @cached_property
    def types(self) -> list[str]:
        """See MidiTokens."""
        return [name.split("_")[0] for name in self.names]

    @cached_property
    def controls(self) -> list[list[int]]:
        """The tokens of each of NAMES, the neutral one first."""
        return [[token for token, kind in enumerate(self.types) if kind == f"Attribute.{name}"] for name in NAMES]

    # --- encode and decode

    def ids(self, score: ScoreTick) -> list[int]:
        """See MidiTokens."""
        controls = self.control_tokens(score)
        found: list[int] = []
        for token in super().ids(score):
            found.append(token)
            if self.types[token] == "Bar":
                found += controls
        return found

    def observe(self, train: Sequence[NDArray[np.integer]]) -> dict[str, NDArray[Any]]:
        """See MidiTokens; and the ``controls`` of ``OBSERVED`` train pieces at most, spread evenly: (pieces, NAMES)."""
        chosen = range(0, len(train), -(-len(train) // OBSERVED) or 1)
        rows = [train[place][2 : 2 + len(NAMES)] for place in chosen]  # after the start and a bar
        controls = np.array([row for row in rows if len(row) == len(NAMES)], dtype=np.uint16)
        return {**super().observe(train), "controls": controls.reshape(-1, len(NAMES))}

    def score(self, ids: list[int]) -> ScoreTick | None:
        """See MidiTokens."""
        return super().score([token for token in ids if token < self.base])

    def control_tokens(self, score: ScoreTick) -> list[int]:
        """The control tokens of a piece, in the order of NAMES."""
        assert self.scale is not None
        piece = measure(score)
        places: list[int | None] = [None, None]
        if piece.tonic is not None and piece.mode is not None:
            places = [KEYS.index(f"{TONICS[piece.tonic]} {piece.mode}"), MODES.index(piece.mode)]
        places += [self.scale.level(name, self.scale.value(piece, name)) for name in UNITS]
        return self._tokens(places)

    def _tokens(self, places: Sequence[int | None]) -> list[int]:
        return [of[0 if place is None else place + 1] for of, place in zip(self.controls, places, strict=True)]

    # --- requested attributes

    def requested_tokens(self, control: Mapping[str, Any]) -> list[int]:
        """The control tokens of requested attributes, in the order of NAMES.

        Args:
            control: by name: a key as ``D minor``, a mode, and for others a number in UNITS or one of WORDS; None, or
                left out, for any.

        Raises:
            EtudeError: it cannot be read, or two of them do not fit each other.
        """
        assert self.scale is not None
        for name in control:
            if name not in NAMES:
                raise EtudeError(f"control.{name} is not measured. {closest(name, NAMES)}")
        places: dict[str, int | None] = dict.fromkeys(NAMES)
        given = {name: value for name, value in control.items() if value is not None}
        if "mode" in given:
            if given["mode"] not in MODES:
                raise EtudeError(f"control.mode = {given['mode']} must be {' or '.join(MODES)}.")
            places["mode"] = MODES.index(given["mode"])
        if "key" in given:
            tonic, mode = key_of(str(given["key"]))
            if places["mode"] not in (None, MODES.index(mode)):
                raise EtudeError(
                    f"control.key = {given['key']} and control.mode = {given['mode']} do not fit. Leave one out."
                )
            places["key"], places["mode"] = KEYS.index(f"{TONICS[tonic]} {mode}"), MODES.index(mode)
        for name in UNITS:
            if name in given:
                places[name] = self.level(name, given[name])
        return self._tokens([places[name] for name in NAMES])

    def level(self, name: str, value: Any) -> int:
        """The level of a number in UNITS or of one of WORDS.

        Raises:
            EtudeError: it is neither.
        """
        assert self.scale is not None
        if value in WORDS:
            return round(WORDS.index(value) / (len(WORDS) - 1) * (self.scale.levels(name) - 1))
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise EtudeError(
                f"control.{name} = {value} must be a number ({UNITS[name]}) or one of {', '.join(WORDS)}."
            ) from None
        level = self.scale.level(name, number)
        if level is None:
            raise EtudeError(f"control.{name} = {value} must be a number.")
        return level

    def forced_tokens(self, requested: Sequence[int]) -> NDArray[np.int64]:
        """The token that must follow each token, -1 where any may, for ``requested_tokens``: (V,)."""
        follows = np.full(self.vocabulary, -1)
        before = [token for token, kind in enumerate(self.types) if kind == "Bar"]
        for tokens, wanted in zip(self.controls, requested, strict=True):
            follows[before] = wanted
            before = tokens
        return follows


def key_of(text: str) -> tuple[int, str]:
    """The tonic, as a pitch class, and the mode of a key as ``D minor``, ``F#m`` or ``Bb``.

    Raises:
        EtudeError: it is none.
    """
    found = re.fullmatch(r"\s*([A-Ga-g])([#♯b♭]*)\s*(m|min|minor|maj|major|)\s*", text)
    if found is None:
        raise EtudeError(f"control.key = {text} must be a key, as D minor, F#m or Bb major.")
    letter, marks, mode = found.groups()
    steps = sum(1 if mark in "#♯" else -1 for mark in marks)
    tonic = ("C", "", "D", "", "E", "F", "", "G", "", "A", "", "B").index(letter.upper())
    return (tonic + steps) % 12, "minor" if mode in ("m", "min", "minor") else "major"
