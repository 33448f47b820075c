"""The settings of every stage: types and ranges, checked with messages that name the key."""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml

from etude.core.errors import EtudeError, closest

T = TypeVar("T")


class Loader(yaml.SafeLoader):
    """YAML as DVC writes it: 1e-05 is a number (YAML 1.2), for PyYAML alone (1.1) it is a text."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass(frozen=True)
class Range:
    """Inclusive limits of a number; ``None`` leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None:
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if self.high is None else f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class OneOf:
    """The texts that a setting may be."""

    options: tuple[str, ...]


Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Share = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(1e-12)]
Seed = Annotated[int, Range(0, 2**31 - 1)]


def check(value: Any, annotation: Any, key: str) -> Any:
    """``value``, if it has the type and range of ``annotation``; whole numbers pass as float. Errors name ``key``."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        value = check(value, args[0], key)
        for limit in args[1:]:
            if isinstance(limit, Range) and value is not None:
                low, high = limit.low, limit.high
                if not ((low is None or value >= low) and (high is None or value <= high)):
                    raise EtudeError(f"{key} = {value} is out of range: it must be {limit}.")
            if isinstance(limit, OneOf) and value not in limit.options:
                raise EtudeError(f"{key} = {value} is not known. {closest(str(value), limit.options)}")
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        options = [option for option in args if option is not type(None)]
        for option in options[:-1]:
            try:
                return check(value, option, key)
            except EtudeError:
                continue
        return check(value, options[-1], key)
    if origin is list or origin is tuple:
        if not isinstance(value, list | tuple):
            raise EtudeError(f"{key} = {value!r} must be a list.")
        return [check(item, args[0], f"{key}[{place}]") for place, item in enumerate(value)]
    if origin is dict or annotation is dict:
        if not isinstance(value, Mapping):
            raise EtudeError(f"{key} = {value!r} must be a section of keys.")
        of = args[1] if len(args) == 2 else Any
        return {name: check(item, of, f"{key}.{name}") for name, item in value.items()}
    if annotation is Any or annotation is inspect.Parameter.empty:
        return value
    if annotation is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (isinstance(value, bool) and annotation is not bool) or not isinstance(value, annotation):
        kind = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}
        hint = " In YAML 1.1 a power needs a dot: write 1.0e-4." if annotation is float and "e" in str(value) else ""
        raise EtudeError(f"{key} = {value!r} must be {kind.get(annotation.__name__, annotation.__name__)}.{hint}")
    return value


def construct(make: Callable[..., T], values: Mapping[str, Any], where: str, **given: Any) -> T:
    """Call ``make`` with the keys of one section, checked against the signature of ``make``.

    Args:
        make: a class or function whose parameters are annotated.
        values: the section; ``_target_`` is passed over.
        where: the name of the section, for messages.
        given: arguments that are not settings (a vocabulary's size); they are not checked.
    """
    signature = inspect.signature(make)
    hints = typing.get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
    known = {name: p for name, p in signature.parameters.items() if name not in given}
    values = {name: value for name, value in values.items() if name != "_target_"}
    for name in values:
        if name not in known:
            raise EtudeError(f"{where}.{name} is not a setting. {closest(name, known)}")
    for name, parameter in known.items():
        if name not in values and parameter.default is inspect.Parameter.empty:
            raise EtudeError(f"{where}.{name} is missing. Set it in conf/.")
    checked = {name: check(value, hints.get(name, Any), f"{where}.{name}") for name, value in values.items()}
    return make(**checked, **given)


def target(values: Mapping[str, Any], where: str) -> Any:
    """The class that a section's ``_target_`` names. Only classes of etude: a settings file runs no other code."""
    path = values.get("_target_")
    if not isinstance(path, str) or not path.startswith("etude.") or path.count(".") < 2:
        raise EtudeError(f'{where}._target_ = {path!r} must name a class of etude, as in "etude.models.lstm.LSTM".')
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EtudeError(f"{where}._target_ = {path!r} cannot be imported: {error}.") from None
    if not inspect.isclass(found):
        raise EtudeError(f"{where}._target_ = {path!r} must name a class.")
    return found


@dataclass(frozen=True)
class Reading:
    """How the files of a dataset are read."""

    voices: dict[str, Annotated[int, Range(0, 127)]] | None  # track -> General MIDI program; None: tracks as they come
    complete: bool  # every voice must have notes; else only the first one
    tempo: Annotated[float, Range(10, 400)]  # quarters a minute where the file states none
    metrical: bool  # ticks follow the beat; in a performance they are only time
    ticks_per_quarter: Annotated[int, Range(1, 960)]
    velocity: Annotated[int, Range(1, 127)] | None  # of every note; None: as the file has it
    max_rest: Annotated[float, Range(0)] | None  # quarters in which all tracks may be silent

    def __post_init__(self) -> None:
        if self.voices is not None and not self.voices:
            raise EtudeError(
                "dataset.reading.voices names no voice. Name some, or set it to null to take every track as it comes."
            )
        programs = list((self.voices or {}).values())
        for voice, program in (self.voices or {}).items():
            if programs.count(program) > 1:
                raise EtudeError(
                    f"dataset.reading.voices.{voice} = {program} is also another voice's program: each voice needs its "
                    "own, by which its tokens are told apart."
                )


@dataclass(frozen=True)
class Ingest:
    """Limits on what is read, and what is made of it."""

    seconds: Annotated[float, Range(1, 3600)]
    max_memory: Annotated[int, Range(1 << 26)]
    max_bytes: Count
    max_notes: Count
    max_tracks: Count
    max_bars: Count
    min_notes: Count
    pedal: bool
    near: Annotated[float, Range(0.5, 1)]  # Jaccard similarity from which on a piece is a near duplicate


@dataclass(frozen=True)
class Split:
    """How pieces are dealt to train, valid and test."""

    method: Annotated[str, OneOf(("auto", "ratio", "folds", "published"))]
    seed: Seed
    train: Share
    valid: Share
    test: Share
    folds: Annotated[int, Range(3, 1000)]
    fold: Natural  # which of the folds is test; the next one is valid
    opening: Annotated[int, Range(4, 64)]  # intervals of the melody that make an opening phrase
    similarity: Share  # of two melodies, from which on they count as one tune

    def __post_init__(self) -> None:
        if self.fold >= self.folds:
            raise EtudeError(f"split.fold = {self.fold} must be below split.folds = {self.folds}: they count from 0.")
        total = self.train + self.valid + self.test
        if abs(total - 1) > 1e-6:
            raise EtudeError(f"split.train + split.valid + split.test = {total:g}: the three shares must add up to 1.")


@dataclass(frozen=True)
class Augment:
    """Copies of the train pieces."""

    seed: Seed
    transpose: bool | list[Annotated[int, Range(-48, 48)]]  # to every key that fits, or from and to so many semitones
    stretch: list[Annotated[float, Range(0.25, 4)]]  # factors of the speed; one is drawn a copy
    velocity: list[Annotated[int, Range(-64, 64)]]  # steps louder or softer; one is drawn a copy
    copies: Count | None  # of a piece, the unaltered one included
    at: Annotated[str, OneOf(("disk", "load"))]

    def __post_init__(self) -> None:
        if isinstance(self.transpose, list) and (len(self.transpose) != 2 or self.transpose[0] > self.transpose[1]):
            raise EtudeError(
                f"augment.transpose = {self.transpose} must be true, false, or two numbers of semitones, the lower "
                "first, as in [-5, 6]."
            )


@dataclass(frozen=True)
class Optim:
    """AdamW with linear warm-up and cosine decay."""

    lr: Annotated[float, Range(1e-8, 1)]
    weight_decay: Annotated[float, Range(0, 10)]
    warmup_steps: Natural
    final_lr: Share  # share of lr that is left at the last step
    clip: Annotated[float, Range(1e-6)]
    label_smoothing: Annotated[float, Range(0, 0.9)]  # share of a training target that is spread over all tokens
    averaging: Annotated[float, Range(0, 0.99999)] | None  # decay of the weights' exponential moving average


@dataclass(frozen=True)
class Train:
    """One training."""

    seed: Seed
    max_steps: Count
    steps_per_epoch: Count
    batch_size: Count
    window: Annotated[int, Range(2, 65536)]  # tokens
    patience: Count  # epochs without a better validation


@dataclass(frozen=True)
class Trainer:
    """What a training runs on. Other processors sum in another order, so this decides the last digits."""

    accelerator: Annotated[str, OneOf(("cpu", "gpu", "auto"))]
    devices: Count  # processes, each with a share of every batch
    precision: Annotated[str, OneOf(("auto", "float32", "bf16"))]
    compile: bool
    threads: Annotated[int, Range(1, 256)]
    steps: Count | None  # of a training at most, whatever train.max_steps says


@dataclass(frozen=True)
class Generate:
    """Sampling."""

    seed: Seed
    pieces: Count
    bars: Count | None  # of a piece; None: as the model ends it
    seconds: Positive | None  # that a piece lasts, to the nearest bar, in place of bars
    open_bars: Count  # of a piece from a model that does not end it by itself, where nothing else is wanted
    batch_size: Count
    temperature: Annotated[float, Range(0.01, 10)] | None  # None: the variant's own
    temperatures: dict[str, Annotated[float, Range(0.01, 10)]]  # variant -> its own; 1 where there is none
    top_k: Count | None
    top_p: Annotated[float, Range(0.01, 1)]
    min_p: Share
    repetition: Annotated[float, Range(1, 10)]  # by which the log shares of recent tokens are multiplied
    repetition_span: Count  # tokens that are recent
    max_tokens: Annotated[int, Range(32, 65536)]
    sweeps: Count  # over all voices, of pseudo-Gibbs sampling
    guidance: Annotated[float, Range(1, 20)]  # how far a wish leads the shares, 1: as the model learned
    control: dict[str, str | float | None]  # of what a piece is to be like; None: as the model likes

    def __post_init__(self) -> None:
        if self.bars is not None and self.seconds is not None:
            raise EtudeError(
                f"generate.bars = {self.bars} and generate.seconds = {self.seconds:g} are both wanted. Set one to null."
            )

    def of(self, model_name: str) -> "Generate":
        """The same with the temperature that a variant is sampled at."""
        return replace(self, temperature=self.temperature_of(model_name))

    def temperature_of(self, model_name: str = "") -> float:
        """The temperature, of a variant where it is left to the variants."""
        return self.temperatures.get(model_name, 1.0) if self.temperature is None else self.temperature

    @property
    def requested(self) -> dict[str, Any]:
        """What is wished for."""
        return {name: value for name, value in self.control.items() if value is not None}

    def length(self, tempo: float) -> int:
        """The bars of four quarters that are wanted of a model that does not end its pieces, at ``tempo`` a minute."""
        if self.seconds is not None:
            return max(1, round(self.seconds * tempo / 60 / 4))
        return self.open_bars if self.bars is None else self.bars


@dataclass(frozen=True)
class Control:
    """Measuring how well wishes are met."""

    seed: Seed
    pieces: Count  # of each wish
    keys: list[str]  # that are wished for, beside both modes and the ends of all that is measured


@dataclass(frozen=True)
class Harmonize:
    """Voices for a given melody."""

    seed: Seed
    candidates: Count  # that are drawn; the one that is best by likelihood and rules is taken
    sweeps: Count  # over all voices, of pseudo-Gibbs sampling
    particles: Count  # of each candidate, of a model that writes forwards
    temperature: Annotated[float, Range(0.01, 10)]
    top_p: Annotated[float, Range(0.01, 1)]
    parallel_cost: Annotated[float, Range(0, 100)]  # nats that each parallel fifth or octave costs
    pieces: Count  # test pieces at most, whose melodies the pipeline harmonises
    bars: Count  # of four quarters, of each of them at most


@dataclass(frozen=True)
class Evaluate:
    """Measuring samples."""

    resolution: Annotated[int, Range(4, 480)]  # ticks a quarter note at which muspy measures
    bars: Count  # a piece's opening bars that are measured, so that lengths compare
    bootstrap: Annotated[int, Range(10, 100000)]
    seed: Seed


@dataclass(frozen=True)
class Arrange:
    """Sound of the best pieces."""

    best: Count
    sample_rate: Annotated[int, Range(8000, 48000)]
    peak: Annotated[float, Range(-40, 0)]  # dBFS
    gain: dict  # track name -> dB
    pan: dict  # track name -> -1 (left) to 1 (right)
    quality: Share  # of the mp3


@dataclass(frozen=True)
class Settings:
    """All settings, as params.yaml shows them."""

    seed: int
    dataset: dict[str, Any]
    ingest: Ingest
    split: Split
    augment: Augment
    tokenize: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]
    optim: Optim
    train: Train
    trainer: Trainer
    generate: Generate
    control: Control
    harmonize: Harmonize
    evaluate: Evaluate
    arrange: Arrange

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Settings":
        """Check a whole mapping, as read from params.yaml or composed from conf/."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise EtudeError(f"{name} is not a section of the settings. {closest(name, known)}")
        for name in known:
            if name not in values:
                raise EtudeError(f"The settings have no section {name}. Compile conf/ with: dvc repro params")
        sections = {
            field.name: construct(field.type, check(values[field.name], dict, field.name), field.name)
            for field in fields(cls)
            if inspect.isclass(field.type) and field.type.__module__ == __name__
        }
        return cls(
            seed=check(values["seed"], Seed, "seed"),
            dataset=check(values["dataset"], dict, "dataset"),
            tokenize=check(values["tokenize"], dict, "tokenize"),
            models=check(values["models"], dict, "models"),
            **sections,
        )

    @classmethod
    def from_params(cls, path: Path) -> "Settings":
        """Read params.yaml, the only settings that a DVC stage sees."""
        try:
            values = yaml.load(path.read_text(encoding="utf-8"), Loader)
        except FileNotFoundError:
            raise EtudeError(f"{path} does not exist. Compile it from conf/ with: dvc repro params") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise EtudeError(f"{path} is no YAML ({said}). Compile it from conf/ with: dvc repro params") from None
        return cls.of(check(values, dict, str(path)))

    def as_dict(self) -> dict[str, Any]:
        """All sections as plain values."""
        return asdict(self)

    @property
    def reading(self) -> Reading:
        """How ingest reads the files of the dataset."""
        return construct(Reading, check(self.dataset.get("reading"), dict, "dataset.reading"), "dataset.reading")

    @property
    def config(self) -> Train:
        """The section ``train``, ended sooner where ``trainer.steps`` says so."""
        steps = min(self.train.max_steps, self.trainer.steps or self.train.max_steps)
        return replace(self.train, max_steps=steps, steps_per_epoch=min(self.train.steps_per_epoch, steps))

    def model(self, model_name: str) -> dict[str, Any]:
        """The section of one variant."""
        if model_name not in self.models:
            raise EtudeError(f'There is no variant "{model_name}". {closest(model_name, self.models)}')
        return self.models[model_name]
