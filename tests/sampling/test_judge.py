"""The judge of samples, and the choice among several candidates."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import make_piece, tiny
from symusic.core import ScoreTick

from etude import sampling
from etude.core.seeds import seed_of
from etude.sampling import Sampled
from etude.sampling.judge import Judge


def wild_piece(seed: int) -> ScoreTick:
    """``make_piece`` with pitches that leap anywhere."""
    piece, random = make_piece(seed), np.random.default_rng(seed)
    for track in piece.tracks:
        for note in track.notes:
            note.pitch = int(random.integers(40, 80))
    return piece


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.learn([wild_piece(seed) for seed in range(20)], [make_piece(seed) for seed in range(100, 120)])


def test_real_pieces_that_it_has_not_seen_are_rated_above_samples(judge: Judge) -> None:
    ours = judge.rate([wild_piece(seed) for seed in range(30, 40)])
    theirs = judge.rate([make_piece(seed) for seed in range(130, 140)])
    assert ours.shape == (10,) and ours.max() < theirs.min()


def test_a_rating_does_not_depend_on_the_other_pieces(judge: Judge) -> None:
    pieces = [wild_piece(1), make_piece(2), wild_piece(3)]
    assert judge.rate(pieces).tolist() == [judge.rate([piece])[0] for piece in pieces]


def test_a_piece_without_notes_is_rated_last(judge: Judge) -> None:
    assert judge.rate([ScoreTick(24), wild_piece(1)])[0] == -np.inf
    assert len(judge.rate([])) == 0
    with pytest.raises(ValueError, match="with notes"):
        Judge.learn([ScoreTick(24)], [make_piece(1)])
    with pytest.raises(ValueError, match="with notes"):
        Judge.learn([make_piece(1)], [ScoreTick(24)])


class Drawn:
    """In place of a sampler: pieces that its seed decides, some of them in need of repair."""

    def __init__(self, complete: bool = True) -> None:
        self.complete, self.seeds = complete, list[int]()

    def sample(self, _model: Any, _representation: Any, _observed: Any, config: Any, count: int, _show: bool) -> Any:
        self.seeds.append(config.seed)
        make = make_piece if config.seed % 2 else wild_piece
        return [Sampled(make(config.seed % 1000 + place), self.complete) for place in range(count)]


def draw(patch: pytest.MonkeyPatch, drawn: Drawn, judge: Judge | None, **changes: Any) -> list[Sampled]:
    patch.setitem(sys.modules, "etude.sampling.drawn", drawn)
    model: Any = SimpleNamespace(sampler="drawn", eval=lambda: model)
    representation: Any = None
    config = tiny(generate={"seed": 7, **changes}).generate
    return sampling.sample_pieces(model, representation, {}, config, 3, judge=judge)


def test_each_piece_is_the_best_of_its_candidates(monkeypatch: pytest.MonkeyPatch, judge: Judge) -> None:
    drawn = Drawn()
    chosen = draw(monkeypatch, drawn, judge, candidates=5)
    assert drawn.seeds == [7, *(seed_of("candidate", 7, number) for number in range(1, 5))]
    every = [drawn.sample(None, None, {}, SimpleNamespace(seed=seed), 3, False) for seed in drawn.seeds[:5]]
    for place, piece in enumerate(chosen):
        ratings = [judge.rate([candidates[place].score])[0] for candidates in every]
        assert judge.rate([piece.score])[0] == max(ratings)
    fewer = draw(monkeypatch, Drawn(), judge, candidates=1)
    assert [piece.score.dumps_midi() for piece in fewer] == [piece.score.dumps_midi() for piece in every[0]]


def test_without_a_judge_there_is_one_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn()
    draw(monkeypatch, drawn, None, candidates=5)
    assert drawn.seeds == [7]


def test_a_candidate_that_needed_repair_comes_after_those_that_did_not(
    monkeypatch: pytest.MonkeyPatch, judge: Judge
) -> None:
    class Repaired(Drawn):
        def sample(self, *arguments: Any) -> list[Sampled]:
            self.complete = bool(self.seeds)  # all but the first
            return super().sample(*arguments)

    assert all(piece.complete for piece in draw(monkeypatch, Repaired(), judge, candidates=2))
