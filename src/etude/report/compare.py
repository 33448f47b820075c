"""Runs side by side on one page: which settings differ, the main figures, and players of their samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from symusic.core import ScoreTick

from etude.audio.render import render as render_sound
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.core.progress import follow
from etude.report.inputs import read_piece
from etude.report.players import Piece, Player, make_players, style_players
from etude.report.sample import facts
from etude.report.tables import DASH, decimal, percent, whole_number
from etude.report.templates import render

# The main figures in the order of the page: name, heading, decimals, and which is best (-1: the lowest, 1: the highest)
FIGURES = (
    ("valid/nats_per_note", "nats per note, valid", 3, -1),
    ("test/nats_per_note", "nats per note, test", 3, -1),
    ("valid/roll_distance", "distance of rolls, valid", 3, -1),
    ("test/pseudo_nats_per_cell", "nats per cell given all others, test", 3, -1),
    ("samples/distance", "samples: distance to real music", 3, -1),
    ("samples/classifier", "samples: recognised by a classifier (50 % is perfect)", None, -1),
    ("samples/coverage", "samples: coverage of real music", None, 1),
    ("samples/overlap_pitch_class", "samples: overlap of pitch classes", 3, 1),
    ("samples/overlap_duration", "samples: overlap of note lengths", 3, 1),
    ("samples/copied_median", "samples: notes in common with one train piece", 3, 0),
    ("samples/distinct_share", "samples: distinct bars", None, 0),
    ("parameters", "parameters", 0, 0),
    ("best_step", "best step", 0, 0),
    ("steps", "steps", 0, 0),
)


@dataclass(frozen=True)
class Sample:
    """A sample of a run: its MIDI file, its sound where there is one already, and the command that makes both."""

    midi: Path
    mp3: Path | None
    made_by: str


@dataclass(frozen=True)
class Column:
    """One run on the page: a model, its settings (flat, as text), its figures by name, and its samples by number."""

    title: str
    place: str  # where the run lies, in words
    settings: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """A row of a table: a text for each run, and which of them are best."""

    name: str
    cells: Sequence[str]
    best: Sequence[bool]


def differing_settings(columns: Sequence[Column]) -> list[Line]:
    """The settings that are not the same in all runs, by name; a dash where a run has no such setting.

    A run without a whole section, as ``generate`` where nothing was generated, is not compared in it.
    """
    sections = [{_section(name) for name in column.settings} for column in columns]
    lines = []
    for name in sorted({name for column in columns for name in column.settings}):
        cells = [column.settings.get(name, DASH) for column in columns]
        compared = {cell for cell, own in zip(cells, sections, strict=True) if _section(name) in own}
        if len(compared) > 1:
            lines.append(Line(name, cells, [False] * len(cells)))
    return lines


def _section(name: str) -> str:
    return name.partition(".")[0]


def figure_lines(columns: Sequence[Column]) -> list[Line]:
    """The main figures that at least one run has; of several runs the best is marked."""
    lines = []
    for name, heading, digits, sign in FIGURES:
        values = [column.figures.get(name) for column in columns]
        known = [value for value in values if value is not None and not np.isnan(value)]
        if not known:
            continue
        top = max(known, key=lambda value: sign * value) if sign and len(known) > 1 else None
        shown = [_text(value, digits) for value in values]
        lines.append(Line(heading, shown, [top is not None and text == _text(top, digits) for text in shown]))
    return lines


def _text(value: float | None, digits: int | None) -> str:
    if digits is None:
        return percent(value)
    return decimal(value, digits) if digits else whole_number(value)


def chosen_numbers(columns: Sequence[Column], pieces: int) -> list[str]:
    """The numbers of the first ``pieces`` samples, those that most runs have before others."""
    counts: dict[str, int] = {}
    for column in columns:
        for number in column.samples:
            counts[number] = counts.get(number, 0) + 1
    first = sorted(counts, key=lambda number: (-counts[number], number))[:pieces]
    return sorted(first)


def compare_page(columns: Sequence[Column], mix: Mix, pieces: int, show: bool = False) -> str:
    """The page, which needs no other file.

    Args:
        columns: the runs, each with at least one sample.
        mix: how a sample without an mp3 sounds.
        pieces: rows of samples at most. The sounds of a row have the same length at most, 30 seconds or less.
        show: with a progress bar.

    Raises:
        EtudeError: a sample cannot be read.
    """
    rows: list[tuple[str, list[Player | None], float]] = []
    numbers = chosen_numbers(columns, pieces)
    for number in follow(numbers, "rows of samples", len(numbers), show):
        found = [column.samples.get(number) for column in columns]
        read = [_piece(column, number, mix) for column, sample in zip(columns, found, strict=True) if sample]
        players, seconds = make_players(read)
        queue = iter(players)
        rows.append((number, [next(queue) if sample else None for sample in found], seconds))
    return render(
        "compare.html.j2",
        columns=columns,
        settings=differing_settings(columns),
        figures=figure_lines(columns),
        rows=rows,
        dash=DASH,
        **style_players(),
    )


def _piece(column: Column, number: str, mix: Mix) -> Piece:
    """A sample with its sound, which is rendered where there is no mp3."""
    sample, title = column.samples[number], f"{column.title}, sample {number}"
    if sample.mp3 is not None:
        piece = read_piece(sample.midi, sample.mp3, title, "", sample.made_by)
        return Piece(title, _caption(piece.score), piece.score, piece.audio, piece.sample_rate)
    try:
        score = ScoreTick.from_file(sample.midi)
    except (OSError, RuntimeError, ValueError) as error:
        raise EtudeError(f"{sample.midi} cannot be read ({error}). Make it again with: {sample.made_by}") from None
    return Piece(title, _caption(score), score, render_sound(score, mix).mix, mix.sample_rate)


def _caption(score: ScoreTick) -> str:
    known = dict(facts(score))
    return f"Bars: {known['Bars']}, notes: {known['Notes']}, key: {known['Key']}."
