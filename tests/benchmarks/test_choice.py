"""The benchmark of choice: prices choose among the same harmonies, whose differences are those that etude counts."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import benchmark_script, make_piece, tiny

from etude.artifacts.context import Session
from etude.metrics.voice_leading import agreement, sounding
from etude.sampling.harmonies import HarmonyTask
from etude.stages.harmonize import given_melody
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.harmony import harmonize
from etude.tasks.trained_model import TrainedModel

choice = benchmark_script("choice")


def test_a_price_turns_the_choice_to_what_others_have_too() -> None:
    one = choice.Candidates(2.0, np.array([10.0, 12.0]), np.array([0, 0]), np.array([0.5, 0.3]), np.array([0.2, 0.4]))
    assert one.chosen(0.0, 5.0) == 0 and one.chosen(10.0, 5.0) == 1  # 10 + 10 and 12 + 6
    assert replace(one, parallels=np.array([0, 1])).chosen(10.0, 5.0) == 0  # 20 and 23
    first, *_, last = choice.table([one, one], 5.0)[2:-1]
    assert first.startswith("| 0 | 0.200 | 0.000 (0.000 to 0.000) | 5.00 |")
    assert last.startswith("| 80 | 0.400 | 0.200 (0.200 to 0.200) | 6.00 |")
    assert choice.table([one, one], 5.0)[-1] == "mean of all candidates 0.300, the nearest to Bach of each melody 0.400"


def test_candidates_differ_by_the_share_of_steps_that_sound_otherwise(trained: Session) -> None:
    harmonizer = Harmonizer.of(TrainedModel.load(tiny(), trained, "deepbach"))
    config = replace(tiny().harmonize, candidates=3, bars=2, sweeps=2)
    found = choice.draw(harmonizer, make_piece(8), config, 0)
    given = given_melody(harmonizer, make_piece(8), config)
    task = HarmonyTask(given.melody.piece, given.allowed, config, harmonizer.rngs(config, 0))
    [harmonies] = harmonize(harmonizer.model, harmonizer.representation, [task])
    pitches = [sounding(one.grid, harmonizer.representation.low) for one in harmonies]
    others = [1 - np.mean([agreement(own, other) for other in pitches]) for own in pitches]
    assert found.bars == 2 and found.difference == pytest.approx(others)
    real = sounding(given.own, harmonizer.representation.low)
    assert found.agreement == pytest.approx([agreement(own, real)[1:].mean() for own in pitches])
