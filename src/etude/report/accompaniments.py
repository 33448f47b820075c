"""The tables of accompaniments of test passages: people, block chords, retrieval and a model by the same measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etude.core.files import Json
from etude.report.inputs import ReportInputs
from etude.report.tables import DASH, Row, Table, count_of, decimal, percent, whole_number

HUMAN, BLOCKS, RETRIEVAL = "human", "block chords", "retrieval"  # rows of every comparison; the others are models


@dataclass(frozen=True)
class Column:
    """A column: the name of its measure in the comparison, heading and unit, decimals, and which values are better.

    A measure without ``digits`` is a share, shown in per cent. ``human``: the nearer to the people's, the better; None:
    none is.
    """

    key: str
    heading: str
    unit: str
    digits: int | None
    better: Literal["human", "lower"] | None = "human"


FLAGGED = Column("flagged", "flagged", "passages, lower is better", 0, "lower")
COLUMNS = (
    Column("chord_accuracy", "chord accuracy", "major or minor, of the beats", None),
    Column("chord_accuracy_exact", "chord accuracy", "exact, of the beats", None),
    Column("chord_tones", "chord tones", "of note time", None),
    Column("consonant", "consonant", "of melody time", None),
    Column("unsupported", "unsupported", "of melody time", None),
    Column("notes_per_bar", "notes", "a bar", 1),
    Column("jsd_pitch", "JSD of pitches", "bits, lower is better", 3, "lower"),
    Column("jsd_onset", "JSD of onsets", "bits, lower is better", 3, "lower"),
    Column("copied_median", "copied", "of a window, median", None, None),
    Column("copied_high", "copied", "of a window, 97.5 % quantile", None, None),
    FLAGGED,
)


def compared(inputs: ReportInputs) -> dict[str, Json]:
    """The comparison of each model that has one, as ``evaluate`` left it."""
    return {name: inputs.evaluate[name]["comparison"] for name in inputs.train if "comparison" in inputs.evaluate[name]}


def accompaniment_tables(inputs: ReportInputs) -> dict[str, Table]:
    """A table for each model whose accompaniments were compared on at least one passage."""
    return {name: _table(name, found, inputs) for name, found in compared(inputs).items() if found["passages"]}


def without_passages(inputs: ReportInputs) -> list[str]:
    """A sentence for each model whose test pieces had no passage to compare accompaniments on."""
    return [
        f"{name}: there was no passage of {found['bars']} bars to compare accompaniments on in "
        f"{count_of(found['pieces'], 'test piece', 'test pieces')}, so there are no figures."
        for name, found in compared(inputs).items()
        if not found["passages"]
    ]


def accompaniment_texts(inputs: ReportInputs) -> list[str]:
    """The tables in Markdown, then the sentences on models without passages; empty where nothing was compared."""
    tables = [table.markdown() for table in accompaniment_tables(inputs).values()]
    return [*tables, *(f"{sentence}\n" for sentence in without_passages(inputs))]


def flat_accompaniments(found: Json) -> dict[str, float | None]:
    """A comparison as flat numbers: ``accompaniments/passages``, ``accompaniments/block_chords/chord_tones``."""
    numbers = {name: found.get(name) for name in ("passages", "nats_per_note_counts")}
    for name, row in found["rows"].items():
        numbers |= {f"{name.replace(' ', '_')}/{key}": value for key, value in row.items()}
    return {f"accompaniments/{name}": value for name, value in numbers.items()}


def _table(model_name: str, found: Json, inputs: ReportInputs) -> Table:
    """Rows of the simple methods and of the model, the best of each column marked, then people."""
    rows, simple = found["rows"], (BLOCKS, RETRIEVAL)
    searched = found["searched"]
    names = [*simple, *(name for name in rows if name not in (HUMAN, *simple))]
    best = [_best(column, rows[HUMAN], {name: rows[name] for name in names}) for column in COLUMNS]
    shown = [
        Row(
            name, tuple(_cell(one, rows[name], searched) for one in COLUMNS), tuple(name in winners for winners in best)
        )
        for name in names
    ]
    people = {**rows[HUMAN], "jsd_pitch": None, "jsd_onset": None}  # 0 by definition
    shown.append(Row(HUMAN, tuple(_cell(one, people, searched) for one in COLUMNS), apart=True))
    passages, pieces = (whole_number(found[name]) for name in ("passages", "pieces"))
    return Table(
        f"{model_name}: accompaniments of {passages} passages of {found['bars']} bars, compared with those of people.",
        [(column.heading, column.unit) for column in COLUMNS],
        shown,
        _notes(model_name, found, inputs, f"n = {passages} passages of {found['bars']} bars from {pieces} test pieces"),
        "accompanied by",
    )


def _best(column: Column, human: Json, rows: Mapping[str, Json]) -> set[str]:
    """The rows that are best by a column; none where it says nothing of that, or has no value to be near to."""
    if column.better is None:
        return set()
    aim = human.get(column.key) if column.better == "human" else 0.0
    if aim is None:
        return set()
    apart = {name: abs(row[column.key] - aim) for name, row in rows.items() if row.get(column.key) is not None}
    return {name for name, value in apart.items() if value == min(apart.values())}


def _cell(column: Column, row: Json, searched: int) -> str:
    """A value with its standard error where one was measured: ``95.5% ± 0.6``; a dash where there is none."""
    value, error = row.get(column.key), row.get(f"{column.key}_sem")
    if value is None:
        return DASH
    if column is FLAGGED:
        return f"{whole_number(value)} of {searched}"
    text = percent(value) if column.digits is None else decimal(value, column.digits)
    if error is None:
        return text
    return f"{text} ± {decimal(100 * error, 1) if column.digits is None else decimal(error, column.digits)}"


def _notes(model_name: str, found: Json, inputs: ReportInputs, count: str) -> list[str]:
    window = inputs.reference["window"]
    own, counts = inputs.evaluate[model_name]["metrics"].get("test/nats_per_note"), found.get("nats_per_note_counts")
    return [
        f"{model_name}, {count}: the same melodies and chords, accompanied by the model, by people, and by two simple "
        "methods. Block chords: each chord held until the next. Retrieval: the accompaniments of the most similar "
        "phrases of train pieces, fitted to the chords. Means over passages ± their standard error.",
        f"The likelihood decides: {model_name} has {decimal(own, 3)} nats per note (NLL) of the accompaniments of the "
        f"test pieces given melody and chords, a counting baseline {decimal(counts, 3)}; lower is better. Where a "
        "column does not say which values are better, those nearest to people are; the best of each is bold. Block "
        "chords are always right, so that more chord tones alone make no better accompaniment.",
        "Chord accuracy: beats in which accompaniment and chord symbols alone are recognised as the same major or "
        "minor chord, the seventh ignored; exact: with the same root and the same pitch classes. Chord tones: inside "
        "the chord. Consonant: melody with a note at a unison, third, fifth or sixth; unsupported: with none sounding.",
        "JSD: Jensen-Shannon divergence of all notes' pitches, and of their onsets' places in the bar, from those of "
        "people, 0 to 1; for people themselves it is 0 by definition.",
        f"Copied: the share of {window} successive notes that one train accompaniment has too, moved in time and by up "
        "to an octave. Flagged: accompaniments that copy more than any of people, or all of a window, of the "
        f"{found['searched']} passages that were searched. Block chords copy nobody.",
    ]
