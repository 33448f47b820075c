"""The settings of every stage, section by section, with types and ranges; conf/ says what each key means."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

import yaml

from etude.config.check import Count, Fraction, Loader, Natural, OneOf, Range, Seed, check, construct
from etude.config.names import check_name
from etude.config.schedule import Optim, Train, schedule_of
from etude.core.errors import EtudeError, closest

Temperature = Annotated[float, Range(0.01, 10)]
MOST_BARS = 1000  # that can be requested of a piece
BARS_OF_LIMIT = 16  # that generate.max_tokens is for
# keys of generate of which a model may have its own values
OWN: dict[str, Any] = {"temperature": Temperature | None, "rhythm": Temperature | None, "candidates": Count | None}
SECONDS_OF_BAR = 1.5  # at least
Limit = Count | Annotated[float, Range(1e-9, 1)]  # a number of batches, or a fraction of them


@dataclass(frozen=True)
class Reading:
    """How the files of a dataset are read."""

    voices: dict[str, Annotated[int, Range(0, 127)]] | None
    complete: bool
    tempo: Annotated[float, Range(10, 400)]
    metrical: bool
    ticks_per_quarter: Annotated[int, Range(1, 960)]
    velocity: Annotated[int, Range(1, 127)] | None
    max_rest: Annotated[float, Range(0)] | None
    repeats: Annotated[str, OneOf(("played", "written"))] = "played"  # ingest.repeats decides
    melody: bool = False  # ingest.melody decides

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
                    "own, which distinguishes its tokens."
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
    repeats: Annotated[str, OneOf(("played", "written"))]
    melody: bool
    crosscheck: bool
    near: Annotated[float, Range(0.5, 1)]


@dataclass(frozen=True)
class Split:
    """How pieces are split into train, valid and test."""

    method: Annotated[str, OneOf(("auto", "ratio", "folds", "published"))]
    seed: Seed
    train: Fraction
    valid: Fraction
    test: Fraction
    folds: Annotated[int, Range(3, 1000)]
    fold: Natural
    opening: Annotated[int, Range(4, 64)]
    similarity: Fraction
    held_out: list[str]

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
    transpose: bool | list[Annotated[int, Range(-48, 48)]]
    stretch: list[Annotated[float, Range(0.25, 4)]]
    velocity: list[Annotated[int, Range(-64, 64)]]
    copies: Count | None
    at: Annotated[str, OneOf(("disk", "load"))]

    def __post_init__(self) -> None:
        if isinstance(self.transpose, list) and (len(self.transpose) != 2 or self.transpose[0] > self.transpose[1]):
            raise EtudeError(
                f"augment.transpose = {self.transpose} must be true, false, or two numbers of semitones, the lower "
                "first, as in [-5, 6]."
            )


@dataclass(frozen=True)
class Trainer:
    """What a training runs on. Other CPUs sum in another order, so this decides the last digits."""

    accelerator: Annotated[str, OneOf(("cpu", "gpu", "auto"))]
    devices: Count
    precision: Annotated[str, OneOf(("auto", "float32", "bf16"))]
    compile: bool
    threads: Annotated[int, Range(1, 256)]
    steps: Count | None
    accumulate_grad_batches: Count | None
    num_nodes: Count | None
    strategy: Annotated[str, OneOf(("auto", "ddp", "ddp_find_unused_parameters_true"))] | None
    limit_train_batches: Limit | None
    limit_val_batches: Limit | None
    overfit_batches: Limit | None
    max_time: str | None


@dataclass(frozen=True)
class Generate:
    """Sampling."""

    seed: Seed
    pieces: Count
    bars: Annotated[int, Range(1, MOST_BARS)] | None
    seconds: Annotated[float, Range(0.1, 3600)] | None
    open_bars: Count
    batch_size: Count
    temperature: Temperature | None
    rhythm: Temperature | None
    top_k: Count | None
    top_p: Annotated[float, Range(0.01, 1)]
    min_p: Fraction
    repetition: Annotated[float, Range(1, 10)]
    repetition_span: Count
    max_tokens: Annotated[int, Range(32, 65536)]
    sweeps: Count
    guidance: Annotated[float, Range(1, 20)]
    tries: Annotated[int, Range(1, 1000)]
    candidates: Count | None
    control: dict[str, str | float | None]

    def __post_init__(self) -> None:
        if self.bars is not None and self.seconds is not None:
            raise EtudeError(
                f"generate.bars = {self.bars} and generate.seconds = {self.seconds:g} are both wanted. Set one to null."
            )

    def with_own(self, values: Any, where: str) -> "Generate":
        """With a model's own values of ``OWN`` where these are null.

        Args:
            values: the section ``generate`` of a model; None: it has none.
            where: the key of that section, for messages.

        Raises:
            EtudeError: the section has another key, or a value is out of range.
        """
        own = check(values or {}, dict, where)
        for name in own:
            if name not in OWN:
                raise EtudeError(f"{where}.{name} is not a setting. {closest(name, OWN)}")
        checked = {name: check(value, OWN[name], f"{where}.{name}") for name, value in own.items()}
        return replace(self, **{name: value for name, value in checked.items() if getattr(self, name) is None})

    @property
    def requested(self) -> dict[str, Any]:
        """The requested control attributes."""
        return {name: value for name, value in self.control.items() if value is not None}

    @property
    def most_tokens(self) -> int:
        """Tokens of a piece at most: ``max_tokens``, and in proportion more where a longer piece is requested."""
        bars = math.ceil(self.seconds / SECONDS_OF_BAR) if self.seconds is not None else self.bars or 0
        return max(self.max_tokens, self.max_tokens * bars // BARS_OF_LIMIT)

    def length(self, tempo: float) -> int:
        """The bars of four quarter notes to sample from a model without an end token, at ``tempo`` BPM."""
        if self.seconds is not None:
            return max(1, round(self.seconds * tempo / 60 / 4))
        return self.open_bars if self.bars is None else self.bars


@dataclass(frozen=True)
class Control:
    """Measuring how many pieces have the requested attributes."""

    seed: Seed
    pieces: Count
    bars: Count | None
    keys: list[str]


@dataclass(frozen=True)
class Harmonize:
    """Voices for a given melody."""

    seed: Seed
    candidates: Annotated[int, Range(1, 1000)]
    sweeps: Count
    particles: Annotated[int, Range(1, 1000)]
    sharpness: Annotated[float, Range(0, 10)]
    temperature: Temperature
    top_p: Annotated[float, Range(0.01, 1)]
    parallel_cost: Annotated[float, Range(0, 100)]
    pieces: Count
    bars: Count


@dataclass(frozen=True)
class Evaluate:
    """Measuring samples."""

    resolution: Annotated[int, Range(4, 480)]
    bars: Count
    bootstrap: Annotated[int, Range(10, 100000)]
    permutations: Annotated[int, Range(10, 100000)]
    draws: Annotated[int, Range(2, 100000)]
    window: Annotated[int, Range(8, 1024)]
    train: Count
    snapshots: Count
    seed: Seed


@dataclass(frozen=True)
class Arrange:
    """The best pieces, to be heard, and their arrangement for a band."""

    best: Count
    bands: Annotated[int, Range(0, 1000)]
    seed: Seed
    form: str | None
    choruses: Annotated[int, Range(1, 16)]
    intro: Annotated[int, Range(0, 64)] | None
    ending: Annotated[int, Range(0, 64)] | None
    humanise: Annotated[float, Range(0, 4)]


@dataclass(frozen=True)
class Reverb:
    """The room that tracks are sent to."""

    seconds: Annotated[float, Range(0.1, 10)]
    predelay: Annotated[float, Range(0, 0.2)]
    damping: Fraction
    seed: Seed


@dataclass(frozen=True)
class Compressor:
    """What makes loud passages softer."""

    threshold: Annotated[float, Range(-60, 0)]
    ratio: Annotated[float, Range(1, 20)]
    attack: Annotated[float, Range(0.001, 1)]
    release: Annotated[float, Range(0.01, 5)]


Decibels = Annotated[float, Range(-120, 40)]
Place = Annotated[float, Range(-1, 1)]


@dataclass(frozen=True)
class Mix:
    """How every piece sounds."""

    sample_rate: Annotated[int, Range(8000, 48000)]
    loudness: Annotated[float, Range(-40, -8)]
    peak: Annotated[float, Range(-40, 0)]
    gain: dict[str, Decibels]
    pan: dict[str, Place]
    send: dict[str, Decibels]
    reverb: Reverb
    compressor: Compressor
    fade_in: Annotated[float, Range(0, 60)]
    fade_out: Annotated[float, Range(0, 60)]
    soundfont: str | None
    quality: Fraction


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
    harmonizers: dict[str, Any]
    conditioners: dict[str, Any]
    optim: dict[str, Any]
    train: dict[str, Any]
    trainer: Trainer
    generate: Generate
    control: Control
    harmonize: Harmonize
    evaluate: Evaluate
    arrange: Arrange
    style: dict[str, Any]
    mix: Mix

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
        plain = {name: check(values[name], dict, name) for name in known - {"seed", *sections}}
        settings = cls(seed=check(values["seed"], Seed, "seed"), **plain, **sections)
        settings._check_names()
        for model_name in settings.models:
            settings.schedule(model_name), settings.sampling(model_name)  # which raises where a value is out of range
        settings.require_classes()
        return settings

    def _check_names(self) -> None:
        """Raise EtudeError where a name that becomes the name of a folder is none."""
        check_name(self.dataset.get("name"), "dataset.name")
        for group in ("tokenize", "models", "harmonizers", "conditioners"):
            for name in getattr(self, group):
                check_name(name, f"{group}: the name of a section")
        for name, section in self.models.items():
            model = check(section, dict, f"models.{name}")
            check_name(model.get("representation"), f"models.{name}.representation")

    def require_classes(self) -> None:
        """Raise EtudeError where a ``_target_`` names no class, before any stage starts."""
        from etude.config.code import require_class  # which knows the settings

        require_class(self.dataset, "dataset")
        for group in ("tokenize", "models"):
            for name, section in getattr(self, group).items():
                require_class(check(section, dict, f"{group}.{name}"), f"{group}.{name}")

    @classmethod
    def from_params(cls, path: Path) -> "Settings":
        """Read params.yaml, the only settings that a DVC stage sees."""
        try:
            values = yaml.load(path.read_text(encoding="utf-8"), Loader)
        except FileNotFoundError:
            raise EtudeError(f"{path} does not exist. Compile it from conf/ with: dvc repro params") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise EtudeError(f"{path} is no YAML ({reason}). Compile it from conf/ with: dvc repro params") from None
        return cls.of(check(values, dict, str(path)))

    def as_dict(self) -> dict[str, Any]:
        """All sections as plain values."""
        return asdict(self)

    @property
    def reading(self) -> Reading:
        """How ingest reads the files of the dataset."""
        reading = construct(Reading, check(self.dataset.get("reading"), dict, "dataset.reading"), "dataset.reading")
        return replace(reading, repeats=self.ingest.repeats, melody=self.ingest.melody)

    def schedule(self, model_name: str) -> tuple[Train, Optim]:
        """How one model is trained: ``train`` and ``optim``, with the model's own value for each null key."""
        return schedule_of(model_name, self.model(model_name), self.train, self.optim, self.trainer.steps)

    def sampling(self, model_name: str) -> Generate:
        """How one model is sampled: ``generate``, with the model's own temperatures where those are null."""
        return self.generate.with_own(self.model(model_name).get("generate"), f"models.{model_name}.generate")

    def model(self, model_name: str) -> dict[str, Any]:
        """The section of one model."""
        if model_name not in self.models:
            raise EtudeError(f'There is no model "{model_name}". {closest(model_name, self.models)}')
        return self.models[model_name]
