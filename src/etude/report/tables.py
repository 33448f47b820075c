"""Tables of the report: rows and their Markdown, numbers as text, and the page's tables of data and settings."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etude.core.files import Json
from etude.metrics.descriptors import UNITS
from etude.report.inputs import ReportInputs
from etude.scores.reading import CHANGES

DASH = "–"
DUPLICATE = re.compile(r"(the same notes as|the same bytes as|% like) (.+?), which is ")  # that a reason names
NAMES, REASONS = 12, 40  # sources that are named for one reason, and reasons, on the page

Columns = Sequence[tuple[str, str]]  # heading, unit


@dataclass(frozen=True)
class Light:
    """A traffic light that needs no colour: a word and a shape. ``colour`` names its style on the page."""

    word: str
    shape: str
    colour: str


@dataclass(frozen=True)
class Row:
    """A row of a table: its texts, which are the best of their column, and the number of its note.

    Note 1 is for a model that has no likelihood, 2 for one that has a pseudo-likelihood instead, 0 for none. A line
    separates a row that is ``apart``, as real music, from those above; on the page it stays last however the others are
    sorted. ``lights`` has a traffic light for each text, or None.
    """

    name: str
    cells: tuple[str, ...]
    best: tuple[bool, ...] = ()
    note: int = 0
    apart: bool = False
    lights: tuple[Light | None, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows under their headings, and the notes below.

    ``caption`` says on the page what the table holds, ``first`` what its rows are.
    """

    caption: str
    columns: Columns
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    first: str = "model"

    def markdown(self) -> str:
        """The table in Markdown, the best of each column in bold, with its notes below."""
        heads = [self.first] + [f"{name}, {unit}" if unit else name for name, unit in self.columns]
        lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * len(self.columns)]
        for row in self.rows:
            best = row.best or (False,) * len(row.cells)
            cells = [f"**{cell}**" if bold else cell for cell, bold in zip(row.cells, best, strict=True)]
            lines.append(f"| {row.name}{('', '¹', '²')[row.note]} | {' | '.join(cells)} |")
        return "\n".join([*lines, "", *(f"{note}  " for note in self.notes[:-1]), *self.notes[-1:]]) + "\n"


def decimal(value: float | None, digits: int) -> str:
    """A number with a fixed count of decimals; a dash where there is none."""
    return DASH if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return DASH if value is None else f"{value:.1%}"


def whole_number(value: float | None) -> str:
    """A whole number with thousands set apart; a dash where there is none."""
    return DASH if value is None else f"{round(value):,}"


def count_of(count: int, one: str, many: str) -> str:
    """A count with its noun: ``1 piece``, ``1,200 pieces``."""
    return f"{whole_number(count)} {one if count == 1 else many}"


def spread(value: float | None, low: float | None, high: float | None) -> str:
    """A value with its interval: ``0.31 [0.28, 0.35]``."""
    return decimal(value, 3) if low is None or high is None else f"{decimal(value, 3)} [{low:.2f}, {high:.2f}]"


def plain(name: str) -> str:
    """A descriptor's name as a page shows it: ``n_pitches_used`` is ``pitches used``."""
    return name.removeprefix("n_").replace("_", " ")


def in_order(descriptors: Mapping[str, object]) -> list[str]:
    """The names of descriptors in the order of ``UNITS``, others after them by name."""
    return sorted(descriptors, key=lambda name: ([*UNITS, name].index(name), name))


def descriptor_tables(inputs: ReportInputs) -> tuple[Table, Table]:
    """The descriptors by model: their means, then their distances to real music."""
    real, apart = inputs.reference["descriptors"], inputs.reference["real_against_real"]["descriptors"]
    means, distances = [], []
    for name in in_order(real):
        found = [inputs.evaluate[model_name]["descriptors"].get(name, {}) for model_name in inputs.train]
        unit = f", {UNITS[name]}" if name in UNITS else ""
        cells = [interval(entry) for entry in [real[name], *found]]
        means.append(Row(f"{plain(name)}{unit}", tuple(cells)))
        cells = [decimal(value, 2) for value in (apart.get(name), *(entry.get("distance") for entry in found))]
        distances.append(Row(plain(name), tuple(cells)))
    columns = [("real music", ""), *((model_name, "") for model_name in inputs.train)]
    return (
        Table("Mean of each measure over the pieces, with its 95 % bootstrap interval.", columns, means, (), "measure"),
        Table(
            "Distance of each measure from real music, in standard deviations of real music; lower is better.",
            columns,
            distances,
            (),
            "measure",
        ),
    )


def interval(entry: Mapping[str, float | None]) -> str:
    """The mean of a descriptor with its interval: ``3.91 [3.88, 3.94]``; a dash where there is none."""
    mean, low, high = (entry.get(name) for name in ("mean", "low", "high"))
    if mean is None:
        return DASH
    return f"{mean:.3g}" if low is None or high is None else f"{mean:.3g} [{low:.3g}, {high:.3g}]"


def data_facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    """The data in numbers: name and text."""
    pieces = inputs.ingest["pieces"]
    families = inputs.split["families"]
    rows = [
        ("Pieces", whole_number(len(pieces))),
        ("Bars", whole_number(sum(piece["bars"] for piece in pieces))),
        ("Notes", whole_number(sum(piece["notes"] for piece in pieces))),
        ("Tune families", whole_number(len(set(families.values())))),
    ]
    for split in ("train", "valid", "test"):
        names = inputs.split[split]
        related = len({families.get(name, name) for name in names})
        rows.append(
            (f"In {split}", f"{count_of(len(names), 'piece', 'pieces')}, {count_of(related, 'family', 'families')}")
        )
    rows.append(("Train, with copies", whole_number(len(inputs.augment["copies"]))))
    rows.append(("Left out, refused", f"{len(inputs.download['left_out'])}, {len(inputs.ingest['refused'])}"))
    return rows


def audit_table(leakage: Json) -> Table:
    """The audit of the split: a column a pair of splits, a row a finding.

    The numbers are the pairs of pieces that two splits share, and their pieces: ``21 pairs (19 train, 17 test)``.
    """
    pairs = leakage["pairs"]
    rows = []
    for finding in dict.fromkeys(finding for entry in pairs.values() for finding in entry if finding != "closest"):
        rows.append(Row(plain(finding), tuple(_overlap(entry.get(finding), pair) for pair, entry in pairs.items())))
    closest = [entry.get("closest") for entry in pairs.values()]
    texts = [f"{near['similarity']:.2f} ({' and '.join(near['pieces'])})" if near else DASH for near in closest]
    return Table(
        "Pairs of pieces, one in each split, that share what the row names; in brackets their pieces in each split; "
        "and the two most similar melodies.",
        [(pair.replace("/", " / "), "") for pair in pairs],
        [*rows, Row("most similar melodies", tuple(texts), apart=True)],
        (),
        "what is shared",
    )


def _overlap(count: Mapping[str, int] | None, pair: str) -> str:
    """What two splits (``train/test``) share, in pairs and in pieces of each; a dash where it was not counted."""
    if count is None:
        return DASH
    if not count["pairs"]:
        return "0"
    splits = ", ".join(f"{whole_number(count[split])} {split}" for split in pair.split("/"))
    return f"{count_of(count['pairs'], 'pair', 'pairs')} ({splits})"


def round_trip_table(inputs: ReportInputs) -> Table:
    """A row a representation: what encoding and decoding the valid and test pieces costs."""
    rows = []
    for name, manifest in inputs.tokenize.items():
        trip = manifest["round_trip"]
        per_note = sum(manifest["items"][split] for split in ("valid", "test")) / max(1, trip["notes"])
        cells = (
            whole_number(manifest["vocabulary"]),
            decimal(per_note, 2) if manifest["kind"] == "tokens" else DASH,
            DASH if trip["share"] is None else f"{trip['share']:.2%}",
            decimal(trip["onset_error"], 3),
            decimal(trip["duration_error"], 3),
            whole_number(trip["extra"]),
        )
        rows.append(Row(name, cells))
    return Table(
        "Pieces are encoded, decoded and compared. A note is kept where its track has one of its pitch within half a "
        "step of the grid; errors are mean distances of kept notes; extra notes are not in the piece.",
        (
            ("vocabulary", "tokens"),
            ("tokens", "a note"),
            ("notes kept", "of all"),
            ("onset error", "quarter notes"),
            ("duration error", "quarter notes"),
            ("extra notes", ""),
        ),
        rows,
        (),
        "representation",
    )


def group_reasons(entries: Sequence[Mapping[str, str]]) -> list[tuple[str, int, list[str]]]:
    """Refused sources by reason: the reason, how many there are, and the names of the first.

    Reasons that differ only in their numbers are one group, under the first of them. So are reasons that name the
    duplicate that was kept; its name then follows the source in brackets. The most frequent reason comes first.
    """
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry["source"], entry["reason"])):
        name, reason = entry["source"].rpartition("/")[2], entry["reason"]
        if duplicate := DUPLICATE.search(reason):
            name = f"{name} ({duplicate[2]})"
            reason = f"{reason[: duplicate.start(2)]}another piece{reason[duplicate.end(2) :]}"
        found[re.sub(r"\d[\d.,]*%?", "#", reason)].append((reason, name))
    groups = sorted(found.values(), key=lambda group: (-len(group), group[0]))
    rows = []
    for group in groups[:REASONS]:
        others = " and the like" if len({reason for reason, _ in group}) > 1 else ""
        rows.append((group[0][0] + others, len(group), [name for _, name in group[:NAMES]]))
    if rest := sum(map(len, groups[REASONS:])):
        rows.append((f"{len(groups) - REASONS} other reasons", rest, []))
    return rows


def group_changes(pieces: Sequence[Json]) -> list[tuple[str, int, list[str]]]:
    """What reading changed: how much of what, in how many pieces, and the names of the first."""
    rows = []
    for change, what in CHANGES.items():
        changed = [piece for piece in pieces if piece.get("changed", {}).get(change)]
        if changed:
            total = whole_number(sum(piece["changed"][change] for piece in changed))
            rows.append((f"{what}: {total}", len(changed), [piece["id"] for piece in changed[:NAMES]]))
    return rows


def group_differences(pieces: Sequence[Json]) -> tuple[int, list[tuple[str, int, list[str]]]]:
    """Pieces in which a second reader finds other notes, or which it cannot read: how many, and the first by name."""
    found: dict[str, list[str]] = defaultdict(list)
    for piece in pieces:
        second = piece.get("second_reader", {})
        if "reason" in second:
            found[f"{second['name']} does not read them"].append(piece["id"])
        elif differing := second.get("own", 0) + second.get("other", 0):
            where = f"{piece['id']} ({differing}, the first in bar {second['bar']})"
            found[f"{second['name']} finds other notes"].append(where)
    rows = [(text, len(names), names[:NAMES]) for text, names in sorted(found.items())]
    return sum(map(len, found.values())), rows


def flatten(values: object, name: str = "") -> list[tuple[str, str]]:
    """Nested values as name and text, ``lstm.hidden`` and ``256``; a long list as its length."""
    if isinstance(values, Mapping):
        return [pair for key in values for pair in flatten(values[key], f"{name}.{key}" if name else str(key))]
    if isinstance(values, list | tuple):
        short = len(values) <= 8 and not any(isinstance(value, Mapping | list | tuple) for value in values)
        return [(name, ", ".join(map(_word, values)) or "none" if short else f"{len(values)} entries")]
    return [(name, _word(values))]


def _word(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def state(text: str | None) -> str:
    """A statement of a dataset on itself; empty where it says that there is none."""
    return "" if not text or text.lower().startswith("none stated") else text
