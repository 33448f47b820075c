"""Stage report: everything that was made and measured on one self-contained page, and the README's results table."""

import csv
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.audio.mp3 import read_mp3
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json, write_text
from etude.metrics.descriptors import UNITS
from etude.report import conditioning as control
from etude.report import harmonies
from etude.report.charts import GROUNDS, curves, strips
from etude.report.pianoroll import roll
from etude.report.results import (
    BESIDE,
    COLUMNS,
    DASH,
    ReportInputs,
    beside,
    counted,
    decimal,
    flat_results,
    in_readme,
    markdown,
    notes_beside,
    notes_on,
    results,
    whole_number,
)
from etude.report.sample import Sound, excerpt, look, mp3_bytes, sound_of
from etude.report.templates import inline, render
from etude.scores.engraving import musicxml, picture
from etude.stages import main

TWIN = re.compile(r"(the same notes as|the same bytes as|% like) (.+?), which is ")  # the duplicate that a reason names
HEARD = "energy"  # the attribute whose wishes are heard on the page
SECONDS = 30.0  # of each player on the page
QUALITY = 0.1  # of their mp3: the page must stay small, data/arrange has the better sound
NAMES, REASONS = 12, 40  # sources that are named for one reason, and reasons, on the page
SOUND_BYTES = 2_800_000  # of all players together; more variants get shorter excerpts
MEASURES = {  # what the measures of a training history are called on the page
    "valid/nats_per_note": "nats per note, valid pieces",
    "valid/nats_per_frame": "nats per frame, valid pieces",
    "train/nats_per_token": "nats per token, train batches",
    "train/nats_per_frame": "nats per frame, train batches",
    "train/generator_loss": "generator loss, train batches",
    "train/discriminator_loss": "discriminator loss, train batches",
    "train/wasserstein": "Wasserstein distance as the critic sees it, train batches",
    "train/gradient_penalty": "gradient penalty of the critic, train batches",
    "valid/roll_distance": "distance of generated rolls to valid rolls",
    "valid/pseudo_nats_per_cell": "nats per cell given all other cells, valid pieces",
    "train/pseudo_nats_per_cell": "nats per cell given all other cells, train batches",
}


@dataclass(frozen=True)
class Piece:
    """A piece to show: its notes, and its sound (channels, samples)."""

    title: str
    caption: str
    score: ScoreTick
    audio: np.ndarray
    sample_rate: int


def plain(name: str) -> str:
    """A descriptor's name as a page shows it: ``n_pitches_used`` is ``pitches used``."""
    return name.removeprefix("n_").replace("_", " ")


def pictures(draw: Any, *arguments: Any) -> dict[str, str]:
    """One chart on each ground, as addresses within the page."""
    return {name: inline(draw(*arguments, ground), "image/png") for name, ground in GROUNDS.items()}


def training(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The charts of training: ``title`` and pictures, one a measure, likelihood first."""
    order = list(inputs.train)
    known = {name for trained in inputs.train.values() for row in trained["history"] for name in row if "/" in name}
    charts = []
    for measure in sorted(known, key=lambda name: (name not in MEASURES, [*MEASURES, name].index(name), name)):
        lines, levels = {}, {}
        for model_name, trained in inputs.train.items():
            points = [(row["step"], row[measure]) for row in trained["history"] if row.get(measure) is not None]
            if len(points) > 1 and trained["in_steps"]:
                lines[model_name] = points
            elif points and trained["in_steps"]:
                levels[model_name] = points[0][1]
            elif trained["result"].get(measure) is not None:
                levels[model_name] = trained["result"][measure]
        if lines or levels:
            title = MEASURES.get(measure, measure)
            charts.append({"title": title, **pictures(curves, lines, levels, order)})
    return charts


def measures(inputs: ReportInputs) -> tuple[list[dict[str, Any]], list[str]]:
    """The charts of descriptors, ``title`` and pictures, in the order of ``UNITS``; and the names of those that have no
    values or one and the same value everywhere, which get no chart.
    """
    real, order = inputs.reference["descriptors"], list(inputs.train)
    charts, silent = [], []
    for name in sorted(real, key=lambda name: ([*UNITS, name].index(name), name)):
        ours = {model_name: values_of(inputs.evaluate[model_name]["descriptors"].get(name)) for model_name in order}
        theirs = values_of(real[name])
        if len({value for values in (theirs, *ours.values()) for value in values if value is not None}) < 2:
            silent.append(plain(name))
            continue
        sample_pieces = pictures(strips, theirs, ours, order, UNITS.get(name, ""))
        charts.append({"title": plain(name), **sample_pieces})
    return charts, silent


def values_of(descriptor: Mapping[str, Any] | None) -> list[float | None]:
    """The values of one descriptor; none where it was not measured."""
    return list(descriptor["values"]) if descriptor else []


def numbers(inputs: ReportInputs) -> list[dict[str, Any]]:
    """The descriptors as a table: mean of real music, then mean and distance of each variant."""
    rows = []
    real = inputs.reference["descriptors"]
    for name in sorted(real, key=lambda name: ([*UNITS, name].index(name), name)):
        cells = [(decimal(real[name]["mean"], 3), "")]
        for model_name in inputs.train:
            found = inputs.evaluate[model_name]["descriptors"].get(name, {})
            cells.append((decimal(found.get("mean"), 3), decimal(found.get("distance"), 2)))
        rows.append({"name": plain(name), "unit": UNITS.get(name, ""), "cells": cells})
    return rows


def facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    """The data in numbers: name and text."""
    pieces = inputs.ingest["pieces"]
    families = inputs.split["families"]
    rows = [
        ("Pieces", whole_number(len(pieces))),
        ("Bars", whole_number(sum(piece["bars"] for piece in pieces))),
        ("Notes", whole_number(sum(piece["notes"] for piece in pieces))),
        ("Tune families", whole_number(len({families[name] for name in sorted(families)}))),
    ]
    for part in ("train", "valid", "test"):
        names = inputs.split[part]
        related = len({families.get(name, name) for name in names})
        rows.append(
            (f"In {part}", f"{counted(len(names), 'piece', 'pieces')}, {counted(related, 'family', 'families')}")
        )
    rows.append(("Train, with copies", whole_number(len(inputs.augment["copies"]))))
    rows.append(("Left out, refused", f"{len(inputs.download['left_out'])}, {len(inputs.ingest['refused'])}"))
    return rows


def audit(leakage: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The audit of the split as a table: its columns (``train / test``) and rows, a finding and its numbers each.

    Of what two sides share, the pairs of pieces, and the pieces on each side: ``21 pairs (19 train, 17 test)``.
    """
    pairs = leakage["pairs"]
    rows = []
    for what in dict.fromkeys(what for entry in pairs.values() for what in entry if what != "closest"):
        rows.append((what.replace("_", " "), [shared(entry.get(what), pair) for pair, entry in pairs.items()]))
    nearest = [entry.get("closest") for entry in pairs.values()]
    named = [f"{' and '.join(near['pieces'])}: {near['similarity']:.2f}" if near else DASH for near in nearest]
    return [pair.replace("/", " / ") for pair in pairs], [*rows, ("most similar melodies", named)]


def shared(count: Mapping[str, int] | None, pair: str) -> str:
    """What two sides (``train/test``) share, in pairs and in pieces of each; a dash where it was not counted."""
    if count is None:
        return DASH
    if not count["pairs"]:
        return "0"
    splits = ", ".join(f"{whole_number(count[split])} {split}" for split in pair.split("/"))
    return f"{counted(count['pairs'], 'pair', 'pairs')} ({splits})"


def encodings(inputs: ReportInputs) -> list[tuple[str, list[str]]]:
    """The representations as a table: a row each, its name, and what coding and decoding the held-out pieces costs."""
    rows = []
    for name, manifest in inputs.tokenize.items():
        trip = manifest["round_trip"]
        per_note = sum(manifest["items"][split] for split in ("valid", "test")) / max(1, trip["notes"])
        cells = [
            whole_number(manifest["vocabulary"]),
            decimal(per_note, 2) if manifest["kind"] == "tokens" else DASH,
            DASH if trip["share"] is None else f"{trip['share']:.2%}",
            decimal(trip["onset_error"], 3),
            decimal(trip["duration_error"], 3),
            whole_number(trip["extra"]),
        ]
        rows.append((name, cells))
    return rows


def reasons(entries: Sequence[Mapping[str, str]]) -> list[tuple[str, int, list[str]]]:
    """Sources by the reason for which they were turned away: reason, their number and the first of them.

    Reasons that differ only in their numbers are one, and the first of them stands for all. So are those that name the
    duplicate that was kept, which stands in brackets after the source then. The most frequent reason comes first.
    """
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry["source"], entry["reason"])):
        name, reason = entry["source"].rpartition("/")[2], entry["reason"]
        if twin := TWIN.search(reason):
            name = f"{name} ({twin[2]})"
            reason = f"{reason[: twin.start(2)]}another piece{reason[twin.end(2) :]}"
        found[re.sub(r"\d[\d.,]*%?", "#", reason)].append((reason, name))
    ordered = sorted(found.values(), key=lambda group: (-len(group), group[0]))
    shown = []
    for group in ordered[:REASONS]:
        others = " and the like" if len({reason for reason, _ in group}) > 1 else ""
        shown.append((group[0][0] + others, len(group), [name for _, name in group[:NAMES]]))
    if rest := sum(map(len, ordered[REASONS:])):
        shown.append((f"{len(ordered) - REASONS} other reasons", rest, []))
    return shown


def flat(values: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested values as name and text, ``lstm.hidden`` and ``256``; a long list as its length."""
    if isinstance(values, Mapping):
        return [pair for key in values for pair in flat(values[key], f"{name}.{key}" if name else str(key))]
    if isinstance(values, list | tuple):
        short = len(values) <= 8 and not any(isinstance(value, Mapping | list | tuple) for value in values)
        return [(name, ", ".join(map(_word, values)) or "none" if short else f"{len(values)} entries")]
    return [(name, _word(values))]


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def sounds(pieces: Sequence[Piece]) -> tuple[list[Sound], float]:
    """The pieces with players that fit on the page, and the seconds that the longest may last."""
    seconds = SECONDS
    while True:
        files = [
            mp3_bytes(excerpt(piece.audio, piece.sample_rate, seconds), piece.sample_rate, QUALITY) for piece in pieces
        ]
        total = sum(4 * len(file) / 3 for file in files)
        if total <= SOUND_BYTES or seconds <= 5:
            break
        seconds = max(5.0, float(int(seconds * SOUND_BYTES / total * 0.97)))
    shown = [
        Sound(piece.title, piece.caption, roll(piece.score, seconds), inline(file, "audio/mpeg"))
        for piece, file in zip(pieces, files, strict=True)
    ]
    return shown, seconds


def report(
    settings: Settings,
    inputs: ReportInputs,
    real: Piece,
    samples: Mapping[str, Sequence[Piece]],
    chorales: Mapping[str, Piece],
    ordered: Sequence[Piece],
) -> tuple[str, str]:
    """The page, and the results table in Markdown; the same evidence gives the same bytes."""
    rows = results(inputs)
    notes, near = notes_on(rows, inputs), beside(inputs)
    charts, silent = measures(inputs)
    every = [real, *(piece for pieces in samples.values() for piece in pieces), *ordered, *chorales.values()]
    (original, *played), seconds = sounds(every)
    left = iter(played)
    sample_pieces = harmonies.rows(inputs.harmonize)
    values = settings.as_dict()
    page = render(
        "report.html.j2",
        download=inputs.download,
        facts=facts(inputs),
        audit=audit(inputs.leakage),
        turned_away=[
            ("Left out by download", reasons(inputs.download["left_out"])),
            ("Refused by ingest", reasons(inputs.ingest["refused"])),
        ],
        tables=[(COLUMNS, rows, notes), (BESIDE, near, notes_beside(inputs))],
        training=training(inputs),
        measures=charts,
        silent=silent,
        encodings=encodings(inputs),
        reference=inputs.reference,
        model_names=list(inputs.train),
        numbers=numbers(inputs),
        real=original,
        samples=[
            (model_name, len(inputs.generate[model_name]["pieces"]), [next(left) for _ in pieces])
            for model_name, pieces in samples.items()
        ],
        harmonies=[(harmonies.COLUMNS, sample_pieces, harmonies.notes(inputs.harmonize))] if sample_pieces else [],
        rules=harmonies.rules(inputs.harmonize),
        orders=[
            (control.COLUMNS, control.rows(inputs.control), control.notes(inputs.control)),
            (control.EACH, control.each(inputs.control), []),
        ]
        if control.able(inputs.control)
        else [],
        ordered=[next(left) for _ in ordered],
        chorales=[(engraved(piece), next(left)) for piece in chorales.values()],
        silent_on_harmony=[name for name, found in inputs.harmonize.items() if not found["harmonizes"]],
        seconds=seconds,
        settings=[(name, flat(values[name], name)) for name in values],
        **look(),
    )
    table = f"{markdown(rows, notes)}\n{markdown(near, notes_beside(inputs), BESIDE)}"
    if sample_pieces:
        table += f"\n{markdown(sample_pieces, harmonies.notes(inputs.harmonize), harmonies.COLUMNS)}"
    if orders := control.rows(inputs.control):
        table += f"\n{markdown(orders, control.notes(inputs.control), control.COLUMNS)}"
    return page, table


def run(settings: Settings, session: Session) -> Path:
    """Read what all stages left for the variants in the settings; write index.html, results.md and README's block.

    Returns the page.
    """

    def read(place: str, made_by: str) -> Any:
        return read_json(session.read(place, made_by), made_by)

    def of_each(place: str, stage: str) -> dict[str, Any]:
        return {v: read(place.format(v), f"etude {stage} model={v}") for v in settings.models}

    inputs = ReportInputs(
        download=read("data/download/manifest.json", "etude download"),
        ingest=read("data/ingest/manifest.json", "etude ingest"),
        split=read("data/split/split.json", "etude split"),
        leakage=read("data/split/leakage.json", "etude split"),
        augment=read("data/augment/manifest.json", "etude augment"),
        tokenize={
            name: read(f"data/tokenize/{name}/manifest.json", f"etude tokenize tokenize={name}")
            for name in settings.tokenize
        },
        reference=read("reports/reference.json", "etude reference"),
        train={model_name: _training(settings, session, model_name) for model_name in settings.models},
        generate=of_each("data/generate/{}/manifest.json", "generate"),
        evaluate=of_each("reports/evaluate/{}.json", "evaluate"),
        harmonize=of_each("reports/harmonize/{}.json", "harmonize"),
        control=of_each("reports/control/{}.json", "control"),
    )
    arranged = of_each("reports/arrange/{}.json", "arrange")
    example = inputs.reference["example"]
    real = _piece(
        session.read(example["midi"], "etude reference"),
        session.read(example["mp3"], "etude reference"),
        example["title"],
        f"A real test piece ({example['id']}): of all test pieces the one whose measures are nearest to the middle.",
        "etude reference",
    )
    shown = 2 if len(settings.models) <= 5 else 1  # pieces a variant, so that the page stays small
    samples = {}
    for model_name in settings.models:
        made_by = f"etude arrange model={model_name}"
        folder = session.read(f"data/arrange/{model_name}", made_by)
        pieces = []
        for place, piece in enumerate(arranged[model_name]["pieces"][:shown], start=1):
            name = Path(piece["file"]).stem
            pieces.append(
                _piece(
                    folder / f"{name}.mid",
                    folder / piece["file"],
                    f"{model_name}, sample {name}",
                    f"Sample {name} of {model_name}: number {place} by nearness to real music.",
                    made_by,
                )
            )
        samples[model_name] = pieces
    chorales = {
        model_name: _harmony(settings, session, model_name, harmonies.typical(found))
        for model_name, found in harmonies.able(inputs.harmonize).items()
    }
    ordered = [
        _made_to_order(settings, session, model_name, wish)
        for model_name, found in control.able(inputs.control).items()
        for wish in found["controls"]
        if wish["control"] == HEARD
    ]
    page, table = report(settings, inputs, real, samples, chorales, ordered)
    write_text(session.write("reports/index.html"), page)
    columns, broken = harmonies.rules(inputs.harmonize)
    rules = f"\n{harmonies.markdown_rules(columns, broken)}" if broken else ""
    orders = control.each(inputs.control)
    controls = f"\n{markdown(orders, [], control.EACH)}" if orders else ""
    write_text(session.write("reports/results.md"), f"# Results\n\n{table}{controls}{rules}")
    write_json(session.write("reports/results.json"), flat_results(inputs))
    readme = session.root / "README.md"
    # an experiment is not the result
    if session.out is None and readme.is_file() and not os.environ.get("DVC_EXP_NAME"):
        text = readme.read_text(encoding="utf-8")
        if (changed := in_readme(text, table)) != text:
            write_text(readme, changed)
    return session.write("reports/index.html")


def _training(settings: Settings, session: Session, model_name: str) -> dict[str, Any]:
    """``result`` and ``history`` of a training, as models/V holds them; what was not measured at a step is left out.

    ``in_steps`` is false of a variant that counts: its history is by order of the n-gram.
    """
    made_by = f"etude train model={model_name}"
    folder = session.read(f"models/{model_name}", made_by)
    try:
        with (folder / "history.csv").open(encoding="utf-8", newline="") as stream:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(stream)]
    except (OSError, ValueError) as error:
        raise EtudeError(f"{folder / 'history.csv'} cannot be read ({error}). Make it again with: {made_by}") from None
    in_steps = settings.model(model_name)["objective"] != "counting"
    return {"result": read_json(folder / "result.json", made_by), "history": rows, "in_steps": in_steps}


def engraved(piece: Piece) -> str:
    """The score of a piece, as an address within the page."""
    return inline(picture(musicxml(piece.score, piece.title)).encode(), "image/svg+xml")


def _harmony(settings: Settings, session: Session, model_name: str, name: str) -> Piece:
    """A harmonised melody to look at and to listen to."""
    made_by = f"etude harmonize model={model_name}"
    midi = session.read(f"data/harmonize/{model_name}/{name}.mid", made_by)
    score = _read(midi, made_by)
    caption = (
        f"The melody of {name}, harmonised by {model_name}: of all test melodies the one in the middle by agreement."
    )
    return Piece(
        f"{model_name}, {name}", caption, score, sound_of(score, settings.arrange), settings.arrange.sample_rate
    )


def _made_to_order(settings: Settings, session: Session, model_name: str, wish: Mapping[str, Any]) -> Piece:
    """A piece that is what was wished for, or the first where none is."""
    made_by = f"etude control model={model_name}"
    midi = session.read(f"data/control/{model_name}/{wish['example']}", made_by)
    score = _read(midi, made_by)
    title = f"{model_name}, {wish['wish']} {wish['value']}"
    which = "the first that is what was wished for" if wish["met"] else "the first of those made, none of which is that"
    caption = f"Made to order by {model_name}, {wish['wish']} {wish['value']}: {which}."
    return Piece(title, caption, score, sound_of(score, settings.arrange), settings.arrange.sample_rate)


def _read(midi: Path, made_by: str) -> ScoreTick:
    try:
        return ScoreTick.from_file(midi)
    except (OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{midi} cannot be read ({error}). Make it again with: {made_by}") from None


def _piece(midi: Path, mp3: Path, title: str, caption: str, made_by: str) -> Piece:
    for path in (midi, mp3):
        if not path.is_file():
            raise EtudeError(f"{path} does not exist. Make it with: {made_by}")
    score = _read(midi, made_by)
    audio, sample_rate = read_mp3(mp3)
    return Piece(title, caption, score, audio, sample_rate)


if __name__ == "__main__":
    main(run)
