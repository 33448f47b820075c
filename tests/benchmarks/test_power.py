"""The benchmark of measures: what its degradations do; its claims and its table in docs/ are those of its file."""

import copy
import json
from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, benchmark_script, make_piece, smoke
from metrics.made_pieces import line, piece
from symusic.core import ScoreTick

EVALUATE = replace(smoke().evaluate, bars=4, bootstrap=10, permutations=10, window=16)
Notes = list[tuple[int, int, int]]  # onset, length, pitch


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_script("power")


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks/power.json").read_text(encoding="utf-8"))
    return found


def notes(score: ScoreTick) -> list[Notes]:
    """The notes of each track."""
    return [[(note.time, note.duration, note.pitch) for note in track.notes] for track in score.tracks]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_a_share_of_the_notes_is_wrong_by_up_to_three_semitones(share: float, benchmark: ModuleType) -> None:
    score = piece(line(*[60 + place % 5 for place in range(4000)]))
    found = benchmark.wrong_notes(share)(score, rng())
    steps = [after[2] - before[2] for before, after in zip(notes(score)[0], notes(found)[0], strict=True)]
    wrong = [step for step in steps if step]
    assert len(wrong) / 4000 == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 4000))
    assert set(wrong) <= {-3, -2, -1, 1, 2, 3} and len(set(wrong)) == 6
    assert [one[:2] for one in notes(found)[0]] == [one[:2] for one in notes(score)[0]], "rhythm stays"


def test_wrong_notes_stay_within_midi_and_come_again_with_the_seed(benchmark: ModuleType) -> None:
    score = piece(line(*[0] * 50, *[127] * 50))
    wrong = benchmark.wrong_notes(1.0)
    assert all(0 <= pitch <= 127 for *_, pitch in notes(wrong(score, rng()))[0])
    assert notes(wrong(score, rng(1))) == notes(wrong(score, rng(1))) != notes(wrong(score, rng(2)))
    assert notes(benchmark.wrong_notes(0.0)(score, rng())) == notes(score)


def bars(score: ScoreTick, length: int) -> list[list[Notes]]:
    """The notes of each track by bar, moved to its start."""
    count = 1 + max(onset for track in notes(score) for onset, *_ in track) // length
    found: list[list[Notes]] = [[[] for _ in score.tracks] for _ in range(count)]
    for place, track in enumerate(notes(score)):
        for onset, duration, pitch in track:
            found[onset // length][place].append((onset % length, duration, pitch))
    return [[sorted(track) for track in bar] for bar in found]


@pytest.mark.parametrize(("meter", "length"), [((4, 4), 96), ((3, 4), 72), ((6, 8), 72), (None, 96)])
def test_shuffled_bars_keep_their_notes(meter: tuple[int, int] | None, length: int, benchmark: ModuleType) -> None:
    score = piece(line(*range(50, 74)), line(*range(30, 42), length=2), meter=meter)
    found = benchmark.shuffled_bars(score, rng(3))
    assert bars(found, length) != bars(score, length)
    assert sorted(map(repr, bars(found, length))) == sorted(map(repr, bars(score, length)))
    for track in notes(found):
        assert [onset for onset, *_ in track] == sorted(onset for onset, *_ in track)


def test_an_upbeat_and_an_empty_piece_are_no_fault(benchmark: ModuleType) -> None:
    empty = ScoreTick(24)
    for degrade in benchmark.KINDS.values():
        assert degrade(empty, rng()).note_num() == 0
        one = piece(line(60), meter=None)
        assert degrade(one, rng()).note_num() == 1 and notes(one) == [[(0, 24, 60)]]


def test_halved_durations_leave_silence(benchmark: ModuleType) -> None:
    score = piece([(0, 1, 60), (1, 0.5, 62), (2, 1 / 24, 64)])
    assert notes(benchmark.halved_durations(score, rng())) == [[(0, 12, 60), (24, 6, 62), (48, 1, 64)]]


def test_twice_the_speed_is_half_of_everything(benchmark: ModuleType) -> None:
    score = piece([(0, 1, 60), (1, 0.5, 62), (4, 2, 64)])
    assert notes(benchmark.doubled_speed(score, rng())) == [[(0, 12, 60), (12, 6, 62), (48, 24, 64)]]


def test_a_random_melody_keeps_rhythm_and_pitches_of_each_track(benchmark: ModuleType) -> None:
    score = make_piece(3)
    found = benchmark.random_melody(score, rng())
    for before, after in zip(notes(score), notes(found), strict=True):
        assert [one[:2] for one in after] == [one[:2] for one in before]
        assert Counter(pitch for *_, pitch in after) == Counter(pitch for *_, pitch in before)
        assert [pitch for *_, pitch in after] != [pitch for *_, pitch in before]


def test_the_first_two_bars_come_again_to_the_end(benchmark: ModuleType) -> None:
    score = piece(line(*range(60, 80)))
    found = bars(benchmark.first_bars_again(score, rng()), 96)
    first, second = bars(score, 96)[:2]
    assert found == [first, second, first, second, first], "five bars"
    held = piece([(0, 1, 60), (7, 3, 62), (10, 2, 65)], meter=(4, 4))
    assert notes(benchmark.first_bars_again(held, rng()))[0][:3] == [(0, 24, 60), (168, 24, 62), (192, 24, 60)]


@pytest.mark.parametrize("seed", range(3))
def test_no_degradation_changes_the_piece_that_it_is_given(seed: int, benchmark: ModuleType) -> None:
    score = make_piece(seed)
    for degrade in benchmark.KINDS.values():
        degrade(score, rng(seed))
        assert notes(score) == notes(make_piece(seed))


@pytest.fixture(scope="module")
def small(benchmark: ModuleType) -> dict[str, Any]:
    train, valid, test = ({f"{first + seed}": make_piece(first + seed) for seed in range(8)} for first in (0, 20, 40))
    found: dict[str, Any] = benchmark.power(train, valid, test, EVALUATE, 6, draws=2)
    return found


def test_power_measures_every_kind_by_every_measure(small: dict[str, Any], benchmark: ModuleType) -> None:
    assert (small["size"], small["draws"]) == (6, 2)
    table = small["measures"]
    claimed = {name for names in benchmark.CLAIMS.values() for name in names}
    assert claimed <= set(table)
    for row in table.values():
        assert set(row) == {"as it is", "limit", "in order", *benchmark.KINDS, *benchmark.SETS}
        for kind in (*benchmark.KINDS, *benchmark.SETS):
            value = row[kind]["value"]
            assert row[kind]["sees"] == (value is not None and value > row["limit"])
    assert table["copied, highest score"]["train pieces copied"] == {"value": 1.0, "sees": True}
    assert table["duration, Jensen-Shannon"]["durations halved"]["sees"]
    assert table["distinct bars, fewer"]["two bars repeated"]["sees"]
    json.dumps(small, allow_nan=False)


def test_power_is_the_same_again(small: dict[str, Any], benchmark: ModuleType) -> None:
    train, valid, test = ({f"{first + seed}": make_piece(first + seed) for seed in range(8)} for first in (0, 20, 40))
    assert benchmark.power(train, valid, test, EVALUATE, 6, draws=2) == small


def test_the_committed_results_meet_every_claim(committed: dict[str, Any], benchmark: ModuleType) -> None:
    assert benchmark.broken_claims(committed) == []
    assert committed["draws"] == benchmark.DRAWS


def test_a_claim_that_is_not_met_is_a_sentence(committed: dict[str, Any], benchmark: ModuleType) -> None:
    found = copy.deepcopy(committed)
    found["measures"]["precision"]["in order"] = False
    found["measures"]["recall"]["4 pieces for all"]["sees"] = False
    assert benchmark.broken_claims(found) == [
        "precision does not rank wrong notes in order.",
        "recall does not see '4 pieces for all'.",
    ]


def test_the_table_has_a_row_a_measure_and_a_column_a_kind(committed: dict[str, Any], benchmark: ModuleType) -> None:
    header, rule, *rows = benchmark.as_markdown(committed).splitlines()
    assert header.startswith("| measure | ") and header.endswith("| ranks wrong notes |")
    assert len(rows) == len(committed["measures"]) and {row.count("|") for row in (header, rule, *rows)} == {
        len(benchmark.KINDS) + len(benchmark.SETS) + 3
    }
    cells = next(row for row in rows if row.startswith("| copied, highest score |")).split(" | ")
    assert cells[-2] == "●", "train pieces copied"


def test_the_docs_show_the_committed_table_word_for_word(committed: dict[str, Any], benchmark: ModuleType) -> None:
    text = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    _, found, after = text.partition("<!-- power")
    assert found, "docs/evaluation.md has a comment <!-- power --> before the table"
    shown = after.partition("-->\n")[2].lstrip("\n")
    assert shown.startswith(benchmark.as_markdown(committed)), "paste what python benchmarks/power.py show prints"
