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
Cells = list[tuple[str, list[str]]]  # the name of each row, and its texts


@dataclass(frozen=True)
class Row:
    """A row of a table: its texts, which are the best of their column, and the number of its note.

    Note 1 is for a model that has no likelihood, 2 for one that has a pseudo-likelihood instead, 0 for none. A line
    separates a row that is ``apart``, as real music, from those above.
    """

    name: str
    cells: tuple[str, ...]
    best: tuple[bool, ...] = ()
    note: int = 0
    apart: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under their headings, and the notes below."""

    columns: Columns
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def markdown(self) -> str:
        """The table in Markdown, the best of each column in bold, with its notes below."""
        heads = ["model"] + [f"{name}, {unit}" if unit else name for name, unit in self.columns]
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


def descriptor_rows(inputs: ReportInputs) -> list[Json]:
    """The descriptors as a table: the mean of real music, then mean and distance of each model."""
    rows = []
    real = inputs.reference["descriptors"]
    for name in in_order(real):
        cells = [(decimal(real[name]["mean"], 3), "")]
        for model_name in inputs.train:
            found = inputs.evaluate[model_name]["descriptors"].get(name, {})
            cells.append((decimal(found.get("mean"), 3), decimal(found.get("distance"), 2)))
        rows.append({"name": plain(name), "unit": UNITS.get(name, ""), "cells": cells})
    return rows


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


def audit_rows(leakage: Json) -> tuple[list[str], Cells]:
    """The audit of the split as a table: its columns (``train / test``) and rows, a finding and its numbers each.

    The numbers are the pairs of pieces that two splits share, and their pieces: ``21 pairs (19 train, 17 test)``.
    """
    pairs = leakage["pairs"]
    rows = []
    for finding in dict.fromkeys(finding for entry in pairs.values() for finding in entry if finding != "closest"):
        rows.append((plain(finding), [_overlap(entry.get(finding), pair) for pair, entry in pairs.items()]))
    closest = [entry.get("closest") for entry in pairs.values()]
    texts = [f"{' and '.join(near['pieces'])}: {near['similarity']:.2f}" if near else DASH for near in closest]
    return [pair.replace("/", " / ") for pair in pairs], [*rows, ("most similar melodies", texts)]


def _overlap(count: Mapping[str, int] | None, pair: str) -> str:
    """What two splits (``train/test``) share, in pairs and in pieces of each; a dash where it was not counted."""
    if count is None:
        return DASH
    if not count["pairs"]:
        return "0"
    splits = ", ".join(f"{whole_number(count[split])} {split}" for split in pair.split("/"))
    return f"{count_of(count['pairs'], 'pair', 'pairs')} ({splits})"


def round_trip_rows(inputs: ReportInputs) -> Cells:
    """The representations as a table: what encoding and decoding the valid and test pieces costs."""
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
