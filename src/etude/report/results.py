"""The tables of results: each variant's numbers beside each other and beside real music, for page, README and DVC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etude.core.errors import EtudeError

BOS, EOS = "<!-- results: begin -->", "<!-- results: end -->"
DASH = "–"
PSEUDO = "test/pseudo_nats_per_cell"
COLUMNS = (  # of the results table: heading, unit
    ("valid", "nats per note"),
    ("test", "nats per note"),
    ("test", "nats per piece"),
    ("distance to real music", "standard deviations [95 % interval]"),
    ("parameters", ""),
    ("best step / steps", ""),
)
BESIDE = (  # of the table of samples beside real music: heading, unit
    ("overlap of pitch classes", "share"),
    ("overlap of note lengths", "share"),
    ("overlap of polyphony", "share"),
    ("distinct bars", "of all"),
)


@dataclass(frozen=True)
class ReportInputs:
    """What the earlier stages left, as read from their files; the mappings are by variant."""

    download: Mapping[str, Any]
    ingest: Mapping[str, Any]
    split: Mapping[str, Any]
    leakage: Mapping[str, Any]
    augment: Mapping[str, Any]
    tokenize: Mapping[str, Mapping[str, Any]]  # by representation
    reference: Mapping[str, Any]
    train: Mapping[str, Mapping[str, Any]]
    generate: Mapping[str, Mapping[str, Any]]
    evaluate: Mapping[str, Mapping[str, Any]]
    harmonize: Mapping[str, Mapping[str, Any]]
    control: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Row:
    """A row of the results table: its texts, which are the best of their column, and the number of its note.

    Note 1 is for a variant that has no likelihood, 2 for one that has a pseudo-likelihood in its place, 0 for none.
    """

    name: str
    cells: tuple[str, ...]
    best: tuple[bool, ...]
    note: int = 0


def results(inputs: ReportInputs) -> list[Row]:
    """The results table: a row a variant in the order of ``evidence.train``, then real music against real music."""
    numbers: dict[str, list[float | None]] = {}
    rows = []
    for model_name in inputs.train:
        metrics = inputs.evaluate[model_name]["metrics"]
        numbers[model_name] = [
            metrics.get(name)
            for name in ("valid/nats_per_note", "test/nats_per_note", "test/nats_per_piece", "samples/distance")
        ]
    lowest = [
        min((value for value in column if value is not None), default=None)
        for column in zip(*numbers.values(), strict=True)
    ]
    for model_name, trained in inputs.train.items():
        metrics, result, row = inputs.evaluate[model_name]["metrics"], trained["result"], numbers[model_name]
        steps = whole_number(result.get("steps"))
        if result.get("best_step") is not None and result.get("steps"):
            steps = f"{whole_number(result['best_step'])} / {steps}"
        cells = (
            decimal(row[0], 3),
            decimal(row[1], 3),
            decimal(row[2], 1),
            spread(row[3], metrics.get("samples/distance_low"), metrics.get("samples/distance_high")),
            whole_number(result.get("parameters")),
            steps,
        )
        best = tuple(value is not None and value == low for value, low in zip(row, lowest, strict=True))
        note = 2 if PSEUDO in metrics else int(not any("/nats_per_" in name for name in metrics))
        rows.append(Row(model_name, cells, (*best, False, False), note))
    real = inputs.reference["real_against_real"]
    cell = spread(real.get("distance"), real.get("low"), real.get("high"))
    rows.append(Row("real music", (DASH, DASH, DASH, cell, DASH, DASH), (False,) * 6))
    return rows


def beside(inputs: ReportInputs) -> list[Row]:
    """The table of samples beside real music, note by note: a row a variant, then real music against real music."""
    real = inputs.reference.get("note_by_note", {})
    found = {model_name: inputs.evaluate[model_name]["metrics"] for model_name in inputs.train}
    measured = {name: {key.removeprefix("samples/"): value for key, value in found[name].items()} for name in found}
    areas = ("overlap_pitch_class", "overlap_duration", "overlap_polyphony")
    columns = [[row[name] for row in measured.values() if row.get(name) is not None] for name in areas]
    highest = [max(column, default=None) for column in columns]
    rows = []
    for model_name, row in [*measured.items(), ("real music", real)]:
        bars = DASH
        if row.get("bars") is not None:
            bars = f"{whole_number(row['distinct_any_key'])} / {whole_number(row['bars'])}"
        best = tuple(
            row is not real and row.get(name) is not None and row[name] == top
            for name, top in zip(areas, highest, strict=True)
        )
        rows.append(Row(model_name, (*(decimal(row.get(name), 3) for name in areas), bars), (*best, False)))
    return rows


def flat_results(inputs: ReportInputs) -> dict[str, dict[str, float]]:
    """Each variant's numbers, for ``dvc metrics show`` and ``dvc exp show``."""
    found = {}
    for model_name, trained in inputs.train.items():
        numbers = {**trained["result"], **inputs.evaluate[model_name]["metrics"]}
        numbers |= inputs.harmonize[model_name].get("metrics", {}) | inputs.control[model_name].get("metrics", {})
        kept = [name for name in sorted(numbers) if not name.endswith("_mean") and numbers[name] is not None]
        found[model_name] = {name: round(float(numbers[name]), 6) for name in kept}
    return found


def markdown(rows: Sequence[Row], notes: Sequence[str], columns: Sequence[tuple[str, str]] = COLUMNS) -> str:
    """A table in Markdown, with its notes below."""
    heads = ["model"] + [f"{name}, {unit}" if unit else name for name, unit in columns]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * len(columns)]
    for row in rows:
        cells = [f"**{cell}**" if best else cell for cell, best in zip(row.cells, row.best, strict=True)]
        lines.append(f"| {row.name}{('', '¹', '²')[row.note]} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *(f"{note}  " for note in notes[:-1]), *notes[-1:]]) + "\n"


def notes_on(rows: Sequence[Row], inputs: ReportInputs) -> list[str]:
    """What has to be said below the results table."""
    reference = inputs.reference
    counts = [len(inputs.generate[model_name]["pieces"]) for model_name in inputs.train]
    sample_pieces = (
        f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts, default=0)} to {max(counts, default=0)}"
    )
    notes = [
        "Lower is better in every column of nats and in the distance; the best of each is bold. Nats per note: how "
        "surprised a model is by each note of pieces that it has not seen (natural logarithm).",
        f"Distance: how far the measures of {sample_pieces} samples lie from those of {reference['pieces']} real test pieces: "
        "the mean over all measures, in standard deviations of real music, in brackets the 95 % bootstrap interval. "
        f"Of each piece the first {reference['bars']} bars are measured, at {reference['resolution']} steps a quarter.",
        f"Real music: sets of {reference['real_against_real']['pieces']} valid pieces, measured as if they were "
        "samples. This is what a perfect model would score.",
    ]
    framed = {
        model_name: inputs.evaluate[model_name]["metrics"]["test/nats_per_frame"]
        for model_name in inputs.train
        if "test/nats_per_frame" in inputs.evaluate[model_name]["metrics"]
    }
    if framed:
        told = ", ".join(f"{model_name} {decimal(value, 3)}" for model_name, value in framed.items())
        notes.append(f"Of frames of keys, in nats per frame on test, the first frame of a piece given: {told}.")
    for model_name in inputs.train:
        if empty := inputs.evaluate[model_name]["metrics"].get("samples/empty"):
            notes.append(
                f"{model_name}: {round(empty)} samples have no note and do not count in the distance, which flatters it."
            )
    repaired = {v: inputs.evaluate[v]["metrics"].get("samples/repaired", 0) for v in inputs.train}
    told = ", ".join(f"{model_name} {count}" for model_name, count in repaired.items() if count)
    notes.append(f"Samples that had to be repaired, as they were cut where they could not end: {told or 'none'}.")
    if any(row.note == 1 for row in rows):
        notes.append("¹ Draws music without giving it a probability, so has no likelihood: judge it by its samples.")
    for row in rows:
        if row.note == 2:
            metrics = inputs.evaluate[row.name]["metrics"]
            right, started = (percent(metrics.get(f"test/{name}")) for name in ("accuracy", "onset_accuracy"))
            notes.append(
                f"² Foretells each cell of its grid, a step of a voice, from all others, past and future: {row.name} "
                f"on test with {decimal(metrics[PSEUDO], 3)} nats per cell, {right} of all cells right, {started} of "
                "those where a note begins. That is a pseudo-likelihood, which compares with no nats per note."
            )
    return notes


def notes_beside(inputs: ReportInputs) -> list[str]:
    """What has to be said below the table of samples beside real music."""
    return [
        "Overlap: the area that two histograms have in common, of the samples' notes (or time steps) and of those of "
        f"the {inputs.reference['pieces']} real test pieces, from 0 to 1; higher is better. Polyphony: how many "
        "pitches sound at once.",
        "Distinct bars: of the samples' bars those that differ in any voice, onset, length or pitch, transposed ones "
        "counted once. A generator that has collapsed writes few; real music repeats some. Real music: means over sets "
        "of valid pieces.",
    ]


def in_readme(text: str, block: str) -> str:
    """A README's text with ``block`` between its two markers, unchanged where it has neither.

    Raises:
        EtudeError: one marker is missing, comes twice, or they are in the wrong order.
    """
    counts = text.count(BOS), text.count(EOS)
    if counts == (0, 0):
        return text
    if counts != (1, 1) or text.index(BOS) > text.index(EOS):
        raise EtudeError(f"README.md must have {BOS} once, and {EOS} once after it. Set both, or take both out.")
    head, rest = text.split(BOS)
    return f"{head}{BOS}\n\n{block}\n{EOS}{rest.split(EOS)[1]}"


def decimal(value: float | None, digits: int) -> str:
    """A number with a fixed count of decimals; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return DASH if value is None else f"{value:.1%}"


def whole_number(value: float | None) -> str:
    """A whole number with thousands set apart; a dash where there is none."""
    return DASH if value is None else f"{round(value):,}"


def counted(count: int, one: str, many: str) -> str:
    """A count with its noun: ``1 piece``, ``1,200 pieces``."""
    return f"{whole_number(count)} {one if count == 1 else many}"


def spread(value: float | None, low: float | None, high: float | None) -> str:
    """A value with its interval: ``0.31 [0.28, 0.35]``."""
    return decimal(value, 3) if low is None or high is None else f"{decimal(value, 3)} [{low:.2f}, {high:.2f}]"
