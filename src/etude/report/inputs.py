"""What the report shows, read from the files that the earlier stages left."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.catalog import Artifact
from etude.artifacts.context import Session
from etude.audio.files import read_audio
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import Json, read_json, require_unchanged
from etude.report.players import Piece
from etude.report.words import describe_pair

BANDS = 4  # models whose best sample the page plays for a band too: those nearest to real music, so that it stays small


@dataclass(frozen=True)
class Training:
    """A training, as models/V holds it.

    A row of ``history`` leaves out what was not measured at its step. ``in_steps`` is false for a model that counts:
    its history is by order of the n-gram.
    """

    result: Json
    history: Sequence[Mapping[str, float]]
    in_steps: bool


@dataclass(frozen=True)
class Pieces:
    """The pieces to show: real music, and those of each model."""

    real: Piece
    samples: Mapping[str, Sequence[Piece]]
    harmonies: Mapping[str, Piece]
    conditioned: Sequence[Piece]
    copies: Mapping[str, tuple[Piece, Piece]]  # an excerpt of a sample, and that of the train piece nearest to it


@dataclass(frozen=True)
class ReportInputs:
    """What the earlier stages left; the mappings are by model, ``tokenize`` by representation.

    ``harmonize`` and ``control`` have the models that can harmonise and that can be conditioned, and no others.
    """

    download: Json
    ingest: Json
    split: Json
    leakage: Json
    augment: Json
    tokenize: Mapping[str, Json]
    reference: Json
    train: Mapping[str, Training]
    generate: Mapping[str, Json]
    evaluate: Mapping[str, Json]
    harmonize: Mapping[str, Json]
    control: Mapping[str, Json]


def read_inputs(settings: Settings, session: Session) -> ReportInputs:
    """Read the files of all models in the settings.

    Raises:
        EtudeError: a file is missing or damaged; it names the command that makes it.
    """

    def read(artifact: Artifact) -> Json:
        return dict(read_json(session.read(artifact), artifact.made_by))

    return ReportInputs(
        download=read(catalog.DOWNLOAD / "manifest.json"),
        ingest=read(catalog.INGEST / "manifest.json"),
        split=read(catalog.SPLIT / "split.json"),
        leakage=read(catalog.SPLIT / "leakage.json"),
        augment=read(catalog.AUGMENT / "manifest.json"),
        tokenize={name: read(catalog.tokens(name) / "manifest.json") for name in settings.tokenize},
        reference=read(catalog.REFERENCE),
        train={name: _read_training(settings, session, name) for name in settings.models},
        generate={name: read(catalog.samples(name) / "manifest.json") for name in settings.models},
        evaluate={name: read(catalog.evaluation(name)) for name in settings.models},
        harmonize={name: read(catalog.report("harmonize", name)) for name in settings.harmonizers},
        control={name: read(catalog.report("control", name)) for name in settings.conditioners},
    )


def _read_training(settings: Settings, session: Session, model_name: str) -> Training:
    made = catalog.model(model_name)
    folder = session.read(made)
    try:
        with require_unchanged(folder / "history.csv", made.made_by).open(encoding="utf-8", newline="") as stream:
            history = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
    except (OSError, ValueError) as error:
        raise EtudeError(
            f"{folder / 'history.csv'} cannot be read ({error}). Make it again with: {made.made_by}"
        ) from None
    in_steps = settings.model(model_name)["objective"] != "counting"
    return Training(read_json(folder / "result.json", made.made_by), history, in_steps)


def read_pieces(settings: Settings, session: Session, inputs: ReportInputs) -> Pieces:
    """Read the notes and the sound of every piece that the page shows; each has its mp3 from the stage that made it.

    Raises:
        EtudeError: a file is missing or damaged; it names the command that makes it.
    """
    example = inputs.reference["example"]
    made_by = catalog.EXAMPLE.made_by
    real = read_piece(
        session.read(Artifact(example["midi"], made_by)),
        session.read(Artifact(example["mp3"], made_by)),
        f"Real music: {example['title']}",
        f"A real test piece ({example['id']}): of all test pieces the one whose measures are nearest to the middle.",
        made_by,
    )
    far = {name: inputs.evaluate[name]["metrics"].get("samples/distance") for name in settings.models}
    known = sorted((value, name) for name, value in far.items() if value is not None)
    banded = {name for _, name in known[:BANDS]}
    return Pieces(
        real=real,
        samples={name: _read_samples(session, name, name in banded) for name in settings.models},
        harmonies={
            name: _read_harmony(session, name, found) for name, found in inputs.harmonize.items() if found["pieces"]
        },
        conditioned=[
            _read_conditioned(session, name, row)
            for name, found in inputs.control.items()
            for row in found["controls"]
            if "sound" in row
        ],
        copies={name: pair for name in settings.models if (pair := _read_copies(session, name)) is not None},
    )


def _read_samples(session: Session, model_name: str, with_band: bool) -> list[Piece]:
    """A model's best sample, and those that are arranged for a band."""
    sound, facts = catalog.data("arrange", model_name), catalog.report("arrange", model_name)
    folder = session.read(sound)
    found = read_json(session.read(facts), facts.made_by)
    best = found["pieces"][0]
    mp3 = folder / best["file"]
    title = f"{model_name}, sample {mp3.stem}"
    caption = f"Sample {mp3.stem} of {model_name}: the nearest to real music."
    pieces = [read_piece(mp3.with_suffix(".mid"), mp3, title, caption, sound.made_by)]
    for band in found["bands"] if with_band else []:
        mp3 = folder / band["file"]
        title = f"{model_name}, sample {Path(band['of']).stem} for a band"
        caption = (
            f"The melody of sample {Path(band['of']).stem}, arranged for a band: style {band['style']}, "
            f"chords: {band['chords']}." + "".join(f" {part}: played by a trained model." for part in band["learned"])
        )
        pieces.append(read_piece(mp3.with_suffix(".mid"), mp3, title, caption, sound.made_by))
    return pieces


def _read_copies(session: Session, model_name: str) -> tuple[Piece, Piece] | None:
    """The two excerpts of a model's least original sample; None where no sample has a score."""
    sound, facts = catalog.data("arrange", model_name), catalog.report("arrange", model_name)
    copied = read_json(session.read(facts), facts.made_by)["copied"]
    if copied is None:
        return None
    folder = session.read(sound) / catalog.COPIES
    captions = describe_pair(f"Sample {copied['file']} of {model_name}", copied)
    titles = (f"{model_name}, sample {Path(copied['file']).stem}", f"Train piece {copied['nearest']}")
    ours, theirs = (
        read_piece(folder / f"{name}.mid", folder / f"{name}.mp3", title, caption, sound.made_by)
        for name, title, caption in zip(("sample", "train"), titles, captions, strict=True)
    )
    return ours, theirs


def _read_harmony(session: Session, model_name: str, found: Json) -> Piece:
    made = catalog.data("harmonize", model_name)
    folder = session.read(made)
    midi = folder / found["example"]
    caption = (
        f"The melody of {midi.stem}, harmonised by {model_name}: of all test melodies the one with median agreement."
    )
    return read_piece(midi, folder / found["sound"], f"{model_name}, {midi.stem}", caption, made.made_by)


def _read_conditioned(session: Session, model_name: str, row: Json) -> Piece:
    """A piece that is as requested, or the first where none is."""
    made = catalog.data("control", model_name)
    folder = session.read(made)
    title = f"{model_name}, {row['control']} {row['value']}"
    which = "the first that is as requested" if row["met"] else "the first piece; none is as requested"
    caption = f"Conditioned by {row['control']} {row['value']}, from {model_name}: {which}."
    return read_piece(folder / row["example"], folder / row["sound"], title, caption, made.made_by)


def read_piece(midi: Path, mp3: Path, title: str, caption: str, made_by: str) -> Piece:
    """Read a MIDI file and its sound. Raises EtudeError, naming the command ``made_by``, where one cannot be read."""
    for path in (midi, mp3):
        if not path.is_file():
            raise EtudeError(f"{path} does not exist. Make it with: {made_by}")
        require_unchanged(path, made_by)
    try:
        score = ScoreTick.from_file(midi)
    except (OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{midi} cannot be read ({error}). Make it again with: {made_by}") from None
    try:
        audio, sample_rate = read_audio(mp3)
    except EtudeError as error:
        raise EtudeError(f"{error} Make it again with: {made_by}") from None
    return Piece(title, caption, score, audio, sample_rate)
