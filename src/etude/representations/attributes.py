"""REMI whose bars each begin with control tokens: what a piece is like as a whole, so that music can be made to order.

Control tokens: Keskar et al., CTRL, 2019; of bars of music, von Rütte et al., FIGARO, 2022. The tokens under them are
those of MidiTok's ``REMI`` (Huang and Yang, 2020).

Mood has two registers, as in the circumplex of Russell (1980): energy, which rises with tempo and notes a second, and
brightness, which rises with the major mode and with pitch (Gabrielsson and Lindström, The role of structure in the
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

from etude.config.sections import OneOf, Range
from etude.core.errors import EtudeError, closest
from etude.core.files import read_json, write_json
from etude.music.key import best_key
from etude.representations.base.merges import NOTES
from etude.representations.base.midi_tokens import SIZES, Beats, Grid, MidiTokens

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MODES = ("major", "minor")
KEYS = tuple(f"{tonic} {mode}" for mode in MODES for tonic in TONICS)
UNITS = {  # of what is measured in levels
    "tempo": "quarters a minute",
    "density": "notes a quarter",
    "polyphony": "notes at once",
    "bottom": "MIDI pitch",
    "top": "MIDI pitch",
    "energy": "0 to 1",
    "brightness": "0 to 1",
}
NAMES = ("key", "mode", *UNITS)  # in the order of the tokens
WORDS = ("lowest", "low", "middle", "high", "highest")  # levels, whatever their number
RANKED = ("tempo", "rate", "middle")  # what mood is made from, beside the mode
NONE = "none"
FILE = "attributes.json"
DIGITS = 2  # of what is measured: tempos that a file states in whole microseconds a quarter are told no finer
TEMPO = 120.0  # quarters a minute of a piece that states none


@dataclass(frozen=True)
class Measured:
    """What a piece is like. nan, or None of the key, where it has no note to tell."""

    tonic: int | None  # pitch class
    mode: str | None
    tempo: float  # quarters a minute: the mean over its quarters' time
    density: float  # notes a quarter, from the first onset to the last end
    polyphony: float  # pitched notes that sound at once, while any does
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


def measured(score: ScoreTick) -> Measured:
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
    return Measured(
        None if key is None else key[0],
        None if key is None else key[1],
        round(_tempo(score, max(end, 1)), DIGITS),
        round(count * quarter / (end - start), DIGITS) if end > start else float("nan"),
        round(polyphony, DIGITS),
        float(pitches.min()) if len(pitches) else float("nan"),
        float(pitches.max()) if len(pitches) else float("nan"),
    )


def _covered(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
    """Ticks in which any of some spans lies."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    before = np.append(starts[order][0], reached[:-1])
    return int(np.maximum(0, reached - np.maximum(before, starts[order])).sum())


def _tempo(score: ScoreTick, end: int) -> float:
    """Quarters a minute from the begin to the tick ``end``, in the mean over time."""
    marks = sorted((tempo.time, 60e6 / tempo.mspq) for tempo in score.tempos if tempo.time < end)
    if not marks or marks[0][0] > 0:
        marks.insert(0, (0, marks[0][1] if marks else TEMPO))
    times = [time for time, _ in marks] + [end]
    minutes = sum((after - time) / tempo for (time, tempo), after in zip(marks, times[1:], strict=True))
    return end / minutes


@dataclass(frozen=True)
class Scale:
    """What train is like: where levels begin, and the percentiles that ranks are read from."""

    edges: dict[str, list[float]]  # of each of UNITS the values at which a new level begins
    percentiles: dict[str, list[float]]  # of each of RANKED, from 0 to 100

    @classmethod
    def learned(cls, pieces: Sequence[Measured], levels: int) -> "Scale":
        """The scale of some pieces in any order; ``levels`` have as many pieces each as ties allow.

        A level begins half-way between two values of train, so that what is written on a grid of tempos, and not quite
        as fast, counts as what it stands for.
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

    def value(self, piece: Measured, name: str) -> float:
        """What is measured of a piece, or what follows from it: energy and brightness, from 0 to 1."""
        if name == "energy":
            return (self.rank("tempo", piece.tempo) + self.rank("rate", piece.rate)) / 2
        if name == "brightness":
            mode = float("nan") if piece.mode is None else float(piece.mode == "major")
            return (mode + self.rank("middle", piece.middle)) / 2
        return float(getattr(piece, name))

    def rank(self, name: str, value: float) -> float:
        """The share of train pieces below a value, and half of those that have it."""
        known = np.array(self.percentiles[name])
        if np.isnan(value) or not len(known):
            return float("nan")
        below, upto = (int(np.searchsorted(known, value, split=split)) for split in ("left", "right"))  # type: ignore[call-overload]
        return (below + upto) / 2 / len(known)

    def level(self, name: str, value: float) -> int | None:
        """The level of a value, from 0; None of nan."""
        return None if np.isnan(value) else int(np.searchsorted(self.edges[name], value, side="right"))

    def levels(self, name: str) -> int:
        """How many levels there are."""
        return len(self.edges[name]) + 1

    def span(self, name: str, level: int) -> tuple[float | None, float | None]:
        """Where a level begins, and where the next one does; None where there is no end."""
        edges = [None, *self.edges[name], None]
        return edges[level], edges[level + 1]


def _known(values: Iterable[float]) -> NDArray[np.float64]:
    found = np.array(list(values), dtype=np.float64)
    return np.sort(found[~np.isnan(found)])


class Attributes(MidiTokens):
    """REMI tokens; after each bar token come those of the piece's key, mode, and levels of all that is measured.

    Each of them may be ``none``, which says nothing: that is how a model is asked for what was not wished for.
    """

    tokenizer = miditok.REMI

    def __init__(
        self,
        positions_per_beat: Grid,
        max_beats: Beats,
        levels: Annotated[int, Range(2, 64)],
        merges: Annotated[str, OneOf((NOTES,))] | None = None,
        vocabulary: Annotated[int, Range(8, SIZES)] = SIZES,
    ) -> None:
        """Settings alone; see MidiTokens. ``levels`` is how many each quantity is cut into, where train has as many."""
        super().__init__(positions_per_beat, max_beats, merges=merges, vocabulary=vocabulary)
        self.most = levels
        self.scale: Scale | None = None

    # --- the vocabulary

    def survey(self, scores: Iterable[ScoreTick]) -> dict[str, Any]:
        """See MidiTokens."""
        found: list[dict[str, Any]] = []

        def passed() -> Iterator[ScoreTick]:
            for score in scores:
                found.append(asdict(measured(score)))
                yield score

        return {**super().survey(passed()), "measured": found}

    def learn(self, surveys: Sequence[Mapping[str, Any]], voices: Mapping[str, int] | None) -> None:
        """See MidiTokens."""
        super().learn(surveys, voices)
        self.scale = Scale.learned([Measured(**piece) for one in surveys for piece in one["measured"]], self.most)
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
        made.scale = Scale(**read_json(folder / FILE, f"etude tokenize tokenize={folder.name}"))
        made._ready(made.made)
        made._load_notes(folder)
        return made

    def _ready(self, made: Any, merges: Any = None) -> None:
        for name in ("base", "controls"):
            self.__dict__.pop(name, None)
        super()._ready(made, merges)

    @cached_property
    def base(self) -> int:
        """The number of tokens that are no control tokens; these come after them."""
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
        """The tokens of each of NAMES: first that which says nothing."""
        return [[token for token, kind in enumerate(self.types) if kind == f"Attribute.{name}"] for name in NAMES]

    # --- encode and decode

    def ids(self, score: ScoreTick) -> list[int]:
        """See MidiTokens."""
        said = self.said(score)
        found: list[int] = []
        for token in super().ids(score):
            found.append(token)
            if self.types[token] == "Bar":
                found += said
        return found

    def score(self, ids: list[int]) -> ScoreTick | None:
        """See MidiTokens."""
        return super().score([token for token in ids if token < self.base])

    def said(self, score: ScoreTick) -> list[int]:
        """The control tokens of a piece, in the order of NAMES."""
        assert self.scale is not None
        piece = measured(score)
        places: list[int | None] = [None, None]
        if piece.tonic is not None and piece.mode is not None:
            places = [KEYS.index(f"{TONICS[piece.tonic]} {piece.mode}"), MODES.index(piece.mode)]
        places += [self.scale.level(name, self.scale.value(piece, name)) for name in UNITS]
        return self._tokens(places)

    def _tokens(self, places: Sequence[int | None]) -> list[int]:
        return [of[0 if place is None else place + 1] for of, place in zip(self.controls, places, strict=True)]

    # --- what is wished for

    def requested(self, control: Mapping[str, Any]) -> list[int]:
        """The control tokens of a wish, in the order of NAMES.

        Args:
            control: of NAMES what is wanted: a key as ``D minor``, a mode, and of the others a number in UNITS or one of
                WORDS; None, or left out, where nothing is.

        Raises:
            EtudeError: it cannot be read, or two of them do not fit each other.
        """
        assert self.scale is not None
        for name in control:
            if name not in NAMES:
                raise EtudeError(f"wish.{name} is not measured. {closest(name, NAMES)}")
        places: dict[str, int | None] = dict.fromkeys(NAMES)
        given = {name: value for name, value in control.items() if value is not None}
        if "mode" in given:
            if given["mode"] not in MODES:
                raise EtudeError(f"wish.mode = {given['mode']} must be {' or '.join(MODES)}.")
            places["mode"] = MODES.index(given["mode"])
        if "key" in given:
            tonic, mode = key_of(str(given["key"]))
            if places["mode"] not in (None, MODES.index(mode)):
                raise EtudeError(
                    f"wish.key = {given['key']} and wish.mode = {given['mode']} do not fit. Leave one out."
                )
            places["key"], places["mode"] = KEYS.index(f"{TONICS[tonic]} {mode}"), MODES.index(mode)
        for name in UNITS:
            if name in given:
                places[name] = self.level(name, given[name])
        return self._tokens([places[name] for name in NAMES])

    def level(self, name: str, value: Any) -> int:
        """The level that is meant by a number in UNITS or one of WORDS.

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
                f"wish.{name} = {value} must be a number ({UNITS[name]}) or one of {', '.join(WORDS)}."
            ) from None
        level = self.scale.level(name, number)
        if level is None:
            raise EtudeError(f"wish.{name} = {value} must be a number.")
        return level

    def forced(self, requested: Sequence[int]) -> NDArray[np.int64]:
        """The token that has to follow each token, -1 where any may: (V,); ``requested`` as the method of that name."""
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
        raise EtudeError(f"wish.key = {text} must be a key, as D minor, F#m or Bb major.")
    letter, marks, mode = found.groups()
    steps = sum(1 if mark in "#♯" else -1 for mark in marks)
    tonic = ("C", "", "D", "", "E", "F", "", "G", "", "A", "", "B").index(letter.upper())
    return (tonic + steps) % 12, "minor" if mode in ("m", "min", "minor") else "major"
