"""The tables of an analysis for a page, and the analysis as Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from etude.core.files import Json
from etude.core.text import one_line, visible
from etude.listening.analysis import PREFERENCE, reasons, scale_names
from etude.listening.statistics import FEW, LEVEL, POWER, SURE

DASH = "–"
SIMULATED = "These answers are simulated: a program gave them, and no person was asked."
VERDICTS = {"first": "{first} is better", "second": "{second} is better", "equal": "no difference", "open": "open"}


@dataclass(frozen=True)
class Table:
    """A table: its title, headings, rows of texts, and what stands below it."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [f"## {escaped(self.title)}", "", f"| {' | '.join(map(escaped, self.heads))} |"]
        lines += [f"| --- |{' ---: |' * (len(self.heads) - 1)}"]
        lines += [f"| {' | '.join(map(escaped, row))} |" for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


def escaped(text: str) -> str:
    """A text, as the name of a file that somebody sent, as Markdown that shows it as it stands, in one line."""
    return re.sub(r"([\\`*<>\[\]|#~!&])", r"\\\1", one_line(text))


def number(value: float | None, digits: int = 2) -> str:
    """A number with some decimals; a dash for null."""
    return DASH if value is None else f"{value:.{digits}f}"


def spread(entry: Json, name: str, digits: int = 2) -> str:
    """A figure with its interval: ``0.31 [0.28, 0.35]``."""
    text = number(entry[name], digits)
    return text if entry["low"] is None else f"{text} [{number(entry['low'], digits)}, {number(entry['high'], digits)}]"


def probability(value: float | None) -> str:
    """A p value or a posterior probability."""
    return DASH if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def system_table(analysis: Json) -> Table:
    """The systems in the order of their strength, each with its votes and its mean on each scale."""
    scales = scale_names(analysis)
    ranked = sorted(analysis["systems"], key=lambda name: analysis["strengths"][name]["rank"])
    rows = [
        [
            name,
            spread(analysis["strengths"][name], "strength"),
            f"{analysis['strengths'][name]['wins']:.0%}",
            *(spread(analysis["scales"][scale]["means"][name], "mean") for scale in scales),
        ]
        for name in ranked
    ]
    note = (
        "Strength: Bradley-Terry, mean 0; the odds of one system against another are exp of their difference. Votes: "
        "share of the pairs that a system wins, a half for no preference. Scales: mean over listeners, from 1 to 5. In "
        "brackets 95 % intervals over listeners."
    )
    return Table("What listeners prefer", ["system", "strength", "votes", *scales], rows, note)


def comparison_table(analysis: Json) -> Table:
    """All pairs of systems by preference."""
    return Table(
        "Pairs, by preference",
        COMPARED,
        _rows(analysis["preferences"]["comparisons"]),
        _below(analysis, "preference", "from -1 to 1, where 1 always prefers the first"),
    )


def scale_tables(analysis: Json) -> list[Table]:
    """All pairs of systems on each scale."""
    note = _below(analysis, "rating", "in points of the scale")
    return [
        Table(f"Pairs, by {scale}", COMPARED, _rows(analysis["scales"][scale]["comparisons"]), note)
        for scale in scale_names(analysis)
    ]


COMPARED = ["pair", "listeners", "difference", "p, Holm", "P(first)", "P(equal)", "P(second)", "detectable", "verdict"]


def _rows(comparisons: Sequence[Json]) -> list[list[str]]:
    return [
        [
            f"{one['first']}, {one['second']}",
            str(one["listeners"]),
            spread(one, "difference"),
            probability(one["holm"]),
            probability(one["better"]),
            probability(one["equal"]),
            probability(one["worse"]),
            number(one["detectable"]),
            VERDICTS[one["verdict"]].format(**one),
        ]
        for one in comparisons
    ]


def _below(analysis: Json, kind: str, unit: str) -> str:
    return (
        f"Difference: mean over listeners, {unit}. p: Wilcoxon's signed-rank test, corrected by Holm. P: Bayesian "
        f"signed-rank test; up to {analysis['settings']['rope'][kind]:g} counts as equal. Detectable: the smallest "
        f"difference that as many listeners show with {POWER:.0%} probability. That one is better takes p below "
        f"{LEVEL:g}; no difference takes P(equal) above {SURE:g}, and an interval within what counts as equal."
    )


def agreement_table(analysis: Json) -> Table:
    """How far listeners agree."""
    names = [PREFERENCE, *scale_names(analysis)]
    found = analysis["agreement"]
    retest = found["retest"]
    rows = [[name, spread(found[name], "alpha")] for name in names if name in found]
    note = (
        "Krippendorff's alpha, ordinal: 1 is full agreement, 0 as by chance. Tastes differ, so low values are usual. "
        f"Of {retest['pairs']} repeated pairs {retest['contradicted']} were answered the other way round."
    )
    return Table("Agreement", ["answers", "alpha"], rows, note)


def objective_table(analysis: Json) -> Table | None:
    """Rank correlations with objective measures, a row each; None where fewer than three models are evaluated."""
    entries = analysis["objective"]
    if not entries:
        return None
    names = [PREFERENCE, *scale_names(analysis)]
    cells = {(one["measure"], one["subjective"]): spread(one, "rho") for one in entries}
    rows = [
        [measure, *(cells.get((measure, name), DASH) for name in names)]
        for measure in dict.fromkeys(one["measure"] for one in entries)
    ]
    note = (
        f"Spearman's rank correlation over {entries[0]['n']} models; intervals by bootstrap over listeners, which say "
        "nothing about other models. In nats and distances lower is better: there -1 is full agreement with listeners."
    )
    return Table("Listeners and objective measures", ["measure", *names], rows, note)


def page_tables(analysis: Json) -> list[Table]:
    """The tables of a page, in their order."""
    objective = objective_table(analysis)
    return [
        system_table(analysis),
        comparison_table(analysis),
        *scale_tables(analysis),
        agreement_table(analysis),
        *([objective] if objective else []),
    ]


def facts(analysis: Json) -> list[str]:
    """Sentences on who was asked and who is left out; the first says so where no person was."""
    listeners, preferences = analysis["listeners"], analysis["preferences"]
    lines, made = ([SIMULATED] if analysis["simulated"] else []), analysis["design"]
    lines.append(
        f"Test {analysis['test']}: {', '.join(analysis['systems'])}; {made['clips']} clips of {made['prompts']} "
        f"prompts or pieces each, {made['shortest']:.3g} to {made['longest']:.3g} seconds; {made['pages']} pages "
        "a listener."
    )
    lines.append(f"{listeners['kept']} of {listeners['asked']} listeners count, {preferences['answers']} pairs in all.")
    if listeners["kept"] < FEW:
        lines.append(f"With less than {FEW} listeners no intervals and no probabilities are given: ask more.")
    if listeners["silent"]:
        lines.append(f"{listeners['silent']} more opened the test and gave no answer.")
    lines += [f"Left out: {count}, as {reason}." for reason, count in reasons(analysis)]
    lines += [one_line(f"Spoiled: {one['source']}, {one['reason']}.") for one in listeners["spoiled"]]
    if preferences["first"] is not None:
        lines.append(
            f"No preference in {preferences['none']:.0%} of the pairs. The clip that came first was preferred in "
            f"{preferences['first']:.0%} of the others (p {probability(preferences['first_p'])})."
        )
    return lines


def conclusions(analysis: Json) -> list[str]:
    """What each pair of systems shows by preference, a sentence a pair."""
    found = []
    for one in analysis["preferences"]["comparisons"]:
        pair = f"{one['first']} and {one['second']}, by preference"
        if one["verdict"] == "open":
            shown = (
                "so few listeners show no difference, however large"
                if one["detectable"] is None
                else f"as many listeners show differences from {one['detectable']:.2f} on"
            )
            found.append(f"{pair}: open, {number(one['difference'])} of 1; {shown}.")
        else:
            sure = f"p {probability(one['holm'])}" if one["verdict"] != "equal" else f"P {probability(one['equal'])}"
            found.append(f"{pair}: {VERDICTS[one['verdict']].format(**one)} ({sure}).")
    return found


def summary(analysis: Json) -> str:
    """The facts, the conclusions and the table of systems as plain text, for a terminal."""
    table = system_table(analysis)
    rows = [list(table.heads), *map(list, table.rows)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.heads))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return visible("\n".join([*facts(analysis), "", *lines, "", *conclusions(analysis)]))


def markdown(analysis: Json) -> str:
    """The analysis as a page of Markdown."""
    parts = ["# Listening test", "\n".join(f"- {escaped(line)}" for line in (*facts(analysis), *conclusions(analysis)))]
    parts += [table.markdown() for table in page_tables(analysis)]
    for text, choices in analysis["questions"].items():
        rows = [[choice, str(count)] for choice, count in choices.items()]
        parts.append(Table(text, ["answer", "listeners"], rows).markdown())
    left_out = analysis["listeners"]["left_out"]
    if left_out:
        rows = [[one["code"], one["source"], one["reason"], one["detail"]] for one in left_out]
        parts.append(Table("Who is left out", ["code", "source", "reason", "figures"], rows).markdown())
    return "\n\n".join(parts) + "\n"
