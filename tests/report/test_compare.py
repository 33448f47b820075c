"""The page of runs side by side: what differs, which is best, and a player for each sample."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_piece, smoke

from etude.audio.render import write_sound
from etude.core.errors import EtudeError
from etude.report.compare import Column, Sample, chosen_numbers, compare_page, differing_settings, figure_lines

MIX = replace(smoke().mix, sample_rate=16000, loudness=-16.0, peak=-3.0, gain={}, pan={}, quality=0.1)


def sample(folder: Path, seed: int, with_sound: bool = False) -> Sample:
    midi = folder / f"{seed}.mid"
    piece = make_piece(seed, beats=4)
    piece.dump_midi(midi)
    if with_sound:
        write_sound(midi.with_suffix(".mp3"), piece, MIX)
    return Sample(midi, midi.with_suffix(".mp3") if with_sound else None, "etude generate model=lstm")


def test_a_row_a_sample_and_a_column_a_run(tmp_path: Path) -> None:
    more = {number: sample(tmp_path, int(number)) for number in ("00", "01")}
    columns = [
        Column("lstm <1>", "runs/a", {"seed": "1", "optim.lr": "0.01"}, {}, {"00": sample(tmp_path, 0, True)}),
        Column("gan", "runs/b", {"seed": "2", "optim.lr": "0.01"}, {}, more),
    ]
    html = compare_page(columns, MIX, pieces=4)
    assert "lstm &lt;1&gt;" in html and "lstm <1>" not in html
    assert html.count("data:audio/mpeg;base64,") == 3 and html.count("<canvas") == 3
    rolls = [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', html, re.S)]
    assert [len(roll["tracks"]) for roll in rolls] == [4, 4, 4] and all(roll["tracks"][0]["notes"] for roll in rolls)
    assert html.index('id="sample-00"') < html.index('id="sample-01"') and "has no sample 01" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "http" not in html  # it needs no other file
    assert ">seed</th><td>1</td><td>2</td>" in html and "optim.lr" not in html


def test_only_settings_that_differ_are_listed() -> None:
    first = {"seed": "1", "model.hidden": "2", "generate.pieces": "8"}
    second = {"seed": "1", "model.hidden": "3", "model.layers": "4"}  # nothing was generated
    lines = differing_settings([Column("a", "", first), Column("b", "", second)])
    found = {line.name: list(line.cells) for line in lines}
    assert found == {"model.hidden": ["2", "3"], "model.layers": ["–", "4"]}


def test_the_best_figure_is_marked_lowest_or_highest() -> None:
    columns = [
        Column("a", "", {}, {"test/nats_per_note": 0.5, "samples/overlap_duration": 0.9, "parameters": 1000}),
        Column("b", "", {}, {"test/nats_per_note": 0.7, "samples/overlap_duration": 0.95, "parameters": 2000}),
        Column("c", "", {}, {"test/nats_per_note": float("nan"), "unknown": 1.0}),
    ]
    lines = {line.name: line for line in figure_lines(columns)}
    assert list(lines["nats per note, test"].cells)[:2] == ["0.500", "0.700"]
    assert list(lines["nats per note, test"].best) == [True, False, False]
    assert list(lines["samples: overlap of note lengths"].best) == [False, True, False]
    assert list(lines["parameters"].cells) == ["1,000", "2,000", "–"] and not any(lines["parameters"].best)
    assert len(lines) == 3
    (alone,) = figure_lines(columns[:1])[:1]
    assert not any(alone.best)  # of one run nothing is best


def test_samples_that_most_runs_have_go_first(tmp_path: Path) -> None:
    one = Sample(tmp_path / "x.mid", None, "")
    columns = [
        Column("a", "", samples={"00": one, "02": one, "03": one}),
        Column("b", "", samples={"02": one, "03": one}),
    ]
    assert chosen_numbers(columns, 2) == ["02", "03"] and chosen_numbers(columns, 9) == ["00", "02", "03"]


def test_a_damaged_sample_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "0.mid").write_bytes(b"no MIDI")
    broken = Column("lstm", "", samples={"00": Sample(tmp_path / "0.mid", None, "etude generate model=lstm")})
    with pytest.raises(EtudeError, match=r"0\.mid cannot be read.*etude generate model=lstm"):
        compare_page([broken], MIX, pieces=1)
