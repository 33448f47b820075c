"""Sampling accompaniments."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lead_sheets import make_song

from etude.models.accompaniment import Accompaniment
from etude.models.accompaniment_features import Sheet, collate, leave_open, read_sheet, window
from etude.representations.leadsheet import KIND, NOTE, LeadSheet
from etude.sampling.accompaniment import AccompanimentTask, Steering, open_task, sample_accompaniments

SHEET = LeadSheet(4, "MELODY", "PIANO")
DENSITY = [1.0, 2.0, 3.0, 4.0]
PLAIN = Steering(1.0, 1.0)


@pytest.fixture(scope="module")
def model() -> Accompaniment:
    """Weights as they are drawn, but for a tendency to go on: pieces of some notes."""
    torch.manual_seed(1)
    made = Accompaniment(DENSITY, 4, 16, 1, 0.0, 4, 0, 0.5).eval()
    with torch.no_grad():
        made.absolute.bias[88:] += 3
        made.length.bias[0] += 30  # short notes, which no end cuts off
    return made


def sheet_of(seed: int, bars: int = 3, beats: int = 4, given: bool = False) -> Sheet:
    rows = SHEET.encode(make_song(seed, bars, beats))
    return leave_open(read_sheet(rows if given else rows[rows[:, KIND] != NOTE], DENSITY, 4))


def task(sheet: Sheet, seed: int, free: list[bool] | None = None) -> AccompanimentTask:
    chosen = np.ones(len(sheet.bars), bool) if free is None else np.array(free)
    return AccompanimentTask(sheet, chosen, np.random.default_rng(seed))


@pytest.mark.parametrize("beats", [3, 4, 5, 7])
def test_the_cost_of_a_sample_is_that_of_the_model(model: Accompaniment, beats: int) -> None:
    """What sampling sees step by step is what training sees at once, in any meter."""
    made = sample_accompaniments(model, [task(sheet_of(1, 3, beats), 5)], PLAIN)[0]
    assert len(made.notes) > 3 and made.notes[:, 0].max() < 12 * beats
    sheet = replace(sheet_of(1, 3, beats), notes=made.notes)
    with torch.no_grad():
        cost = float(model.nats(collate([window(sheet, 0, 3, cold=True)])).double().sum())
    assert made.nats == pytest.approx(cost, rel=1e-4)


def test_the_seed_decides_and_nothing_else(model: Accompaniment) -> None:
    tasks = lambda: [task(sheet_of(seed, 2 + seed % 2), seed) for seed in range(20)]  # noqa: E731
    together = sample_accompaniments(model, tasks(), PLAIN)
    for place in (0, 3, 19):
        (alone,) = sample_accompaniments(model, [tasks()[place]], PLAIN)
        assert np.array_equal(alone.notes, together[place].notes)
    other = sample_accompaniments(model, [task(sheet_of(0, 2), 77)], PLAIN)[0]
    assert not np.array_equal(other.notes, together[0].notes)
    assert sample_accompaniments(model, [], PLAIN) == []


@pytest.mark.parametrize("candidates", [1, 4])
def test_given_bars_stay_note_for_note(model: Accompaniment, candidates: int) -> None:
    sheet = sheet_of(2, 4, given=True)
    free = [False, True, False, True]
    made = sample_accompaniments(model, [task(sheet, 3, free)], Steering(1.0, 1.0, candidates))[0]
    ours, theirs = (notes[~np.array(free)[sheet.bar_of(notes[:, 0])]] for notes in (made.notes, sheet.notes))
    assert np.array_equal(ours, theirs)
    between = made.notes[np.array(free)[sheet.bar_of(made.notes[:, 0])]]
    assert len(between) and not np.array_equal(
        between[:, :2], sheet.notes[np.array(free)[sheet.bar_of(sheet.notes[:, 0])], :2]
    )


def test_chord_cost_keeps_candidates_within_the_chords(model: Accompaniment) -> None:
    def outside(steering: Steering) -> float:
        sheets = [sheet_of(seed, 4) for seed in range(6)]
        total = away = 0
        for sheet, made in zip(
            sheets, sample_accompaniments(model, [task(s, 1) for s in sheets], steering), strict=True
        ):
            for step, pitch, length in made.notes.tolist():
                total += length
                away += length * (not sheet.bits[step, (pitch - sheet.root[step]) % 12])
        return away / total

    assert outside(Steering(1.0, 1.0, 8, 4.0)) < outside(PLAIN) - 0.1


def test_an_open_task_ignores_the_accompaniment(model: Accompaniment) -> None:
    rows = SHEET.encode(make_song(1))
    one, other = (
        sample_accompaniments(model, [open_task(model, given, (1, 2))], PLAIN)[0].notes
        for given in (rows, rows[rows[:, KIND] != NOTE])
    )
    assert np.array_equal(one, other)
