"""Pseudo-Gibbs: clamped voices stay, seeds decide, and what is drawn follows the conditionals."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny

from etude.config.sections import Generate
from etude.metrics.voice_leading import parallels, sounding
from etude.models.deepbach import DeepBach
from etude.representations.base.grid import HOLD
from etude.representations.chorale import BAR, BEAT, COLUMNS, FERMATA, STEP
from etude.sampling.gibbs import _local_minima, cut_at_fermata, gibbs

VOICES = {"A": 0, "B": 1}
CONFIG = dataclasses.replace(tiny().generate, sweeps=3, top_p=1.0)


def model(tokens: int = 6) -> DeepBach:
    torch.manual_seed(1)
    made = DeepBach(HOLD + tokens, VOICES, 4, 6, 1, 0.0, 16, 0).eval()
    made.counts += 1
    return made


def row(frames: int, seed: int = 0) -> np.ndarray:
    cells = np.random.default_rng(seed).integers(HOLD, HOLD + 6, (frames, 2))
    return np.concatenate([cells, np.zeros((frames, COLUMNS), dtype=int)], axis=1)


def sample_pieces(
    made: DeepBach, rows: list[np.ndarray], free: list[int], seed: int, config: Generate = CONFIG
) -> list[np.ndarray]:
    rngs = [np.random.default_rng((seed, place)) for place in range(len(rows))]
    return gibbs(made, rows, [free] * len(rows), rngs, config)


def test_clamped_voices_and_columns_stay_and_free_ones_are_drawn() -> None:
    made, rows = model(), [row(20), row(9, 1)]
    for free, kept in (([1], [0]), ([0], [1]), ([0, 1], [])):
        found = sample_pieces(made, rows, free, 3)
        for before, after in zip(rows, found, strict=True):
            assert after.shape == before.shape and (after[:, :2] >= HOLD).all()
            assert np.array_equal(after[:, [*kept, *range(2, 8)]], before[:, [*kept, *range(2, 8)]])
            assert all((after[:, voice] != before[:, voice]).any() for voice in free)


def test_the_same_seed_gives_the_same_another_others_and_other_pieces_do_not_matter() -> None:
    made, rows = model(), [row(20), row(9, 1)]
    first, again, other = (sample_pieces(made, rows, [0, 1], seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert np.array_equal(sample_pieces(made, rows[:1], [0, 1], 1)[0], first[0])


def test_what_a_voice_never_has_in_train_is_never_drawn() -> None:
    made = model()
    made.counts[1, 2:] = 0
    (found,) = sample_pieces(made, [row(200)], [0, 1], 1)
    assert set(found[:, 1].tolist()) <= {HOLD, HOLD + 1} and len(set(found[:, 0].tolist())) == 6


def test_cells_are_drawn_by_their_conditionals() -> None:
    """A model that says the same of every cell: after the heat is gone, its shares come out."""
    made = model()
    probabilities = torch.tensor([0.5, 0.25, 0.125, 0.125, 1e-9, 1e-9])
    for network in made.networks:
        last: Any = list(network.merge.children())[-1]  # type: ignore[union-attr]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = probabilities.log()
    (found,) = sample_pieces(made, [row(4000)], [0], 1, dataclasses.replace(CONFIG, sweeps=80))
    seen = np.bincount(found[:, 0] - HOLD, minlength=6) / 4000
    assert seen == pytest.approx(probabilities.numpy(), abs=0.03)
    (cold,) = sample_pieces(made, [row(400)], [0], 1, dataclasses.replace(CONFIG, sweeps=80, temperature=0.05))
    assert (cold[:, 0] == HOLD).mean() > 0.97
    (sure,) = sample_pieces(made, [row(400)], [0], 1, dataclasses.replace(CONFIG, sweeps=80, top_p=0.6))
    assert set(sure[:, 0].tolist()) == {HOLD, HOLD + 1}


def test_parallels_cost_what_is_asked_in_each_piece() -> None:
    """A model to which all tokens are alike writes them often; one piece of the batch pays for them."""
    made = model(tokens=14)
    for network in made.networks:
        last: Any = list(network.merge.children())[-1]  # type: ignore[union-attr]
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
    rows = [row(1500), row(1500)]
    rngs = [np.random.default_rng(0), np.random.default_rng(0)]
    config = dataclasses.replace(CONFIG, sweeps=40)
    free, dear = gibbs(made, rows, [[1], [1]], rngs, config, costs=[0.0, 20.0])
    free_count, dear_count = (int(parallels_of(found[:, :2])) for found in (free, dear))
    assert free_count > 5 and dear_count <= free_count / 5


def parallels_of(cells: np.ndarray) -> int:
    pitches = sounding(cells, 50)
    return int(parallels(pitches[:-1], pitches[1:]).sum())


def test_each_piece_has_its_own_voices_and_its_own_tokens() -> None:
    made, rows = model(), [row(20), row(9, 1)]
    allowed = [np.zeros((len(one), 2, HOLD + 6), dtype=bool) for one in rows]
    allowed[0][..., HOLD : HOLD + 2] = allowed[1][..., HOLD + 3 :] = True
    rngs = [np.random.default_rng((1, place)) for place in range(2)]
    first, second = gibbs(made, rows, [[0], [0, 1]], rngs, CONFIG, allowed=allowed)
    assert np.array_equal(first[:, 1], rows[0][:, 1]) and set(first[:, 0].tolist()) == {HOLD, HOLD + 1}
    assert (second[:, :2] >= HOLD + 3).all()
    (alone,) = gibbs(made, rows[1:], [[0, 1]], [np.random.default_rng((1, 1))], CONFIG, allowed=allowed[1:])
    assert np.array_equal(alone, second)


def test_no_two_cells_that_are_drawn_at_once_are_neighbours() -> None:
    chosen = _local_minima(np.random.default_rng(0).random((5, 300)))
    assert not (chosen[:, 1:] & chosen[:, :-1]).any()
    assert 0.28 < chosen.mean() < 0.38


def frames(bars: int, pickup: int, held: list[int]) -> np.ndarray:
    """Columns of 4/4 on quarters, after a pickup; fermatas on some frames."""
    place = np.arange(4 * bars + pickup) - pickup
    known = np.zeros((len(place), COLUMNS), dtype=int)
    known[:, BEAT], known[:, BAR] = place % 4, 4
    known[held, FERMATA] = 1
    assert not known[:, STEP].any()
    return known


def test_a_piece_is_cut_after_its_last_fermata_within_the_bars() -> None:
    assert len(cut_at_fermata(frames(8, 0, []), 3)) == 12
    assert len(cut_at_fermata(frames(8, 1, []), 3)) == 1 + 8, "a pickup counts as a bar"
    assert len(cut_at_fermata(frames(8, 1, [3, 7, 8, 20]), 4)) == 9
    assert len(cut_at_fermata(frames(8, 1, [3]), 9)) == 33 and len(cut_at_fermata(frames(8, 1, [3]), 99)) == 33
