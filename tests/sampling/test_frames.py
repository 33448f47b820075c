"""Sampling frames: keys drawn by themselves, each piece with its own random numbers."""

import dataclasses

import numpy as np
import torch
from conftest import tiny

from etude.models.gru import GRU
from etude.representations.base.vocabulary import ItemSpec
from etude.sampling.frames import sample_frames

CONFIG = dataclasses.replace(tiny().generate, top_p=1.0, temperature=1.0, batch_size=4, seed=3)
FIRSTS = np.eye(8, dtype=np.float32)[:6]


def model(bias: float = 0.0) -> GRU:
    torch.manual_seed(0)
    made = GRU(ItemSpec(8, keys=True), 16, 1, 0.0, 0.0).eval()
    torch.nn.init.normal_(made.lm_head.weight)
    torch.nn.init.constant_(made.lm_head.bias, bias)
    return made


def test_pieces_begin_with_their_first_frame_and_are_as_long_as_asked() -> None:
    sample_pieces = sample_frames(model(), FIRSTS, 9, CONFIG)
    assert sample_pieces.shape == (6, 9, 8) and set(np.unique(sample_pieces)) == {0, 1}
    assert (sample_pieces[:, 0] == FIRSTS).all() and not (sample_pieces[:, 1:] == sample_pieces[:, :1]).all()


def test_a_piece_depends_on_seed_and_place_and_not_on_the_batch() -> None:
    sample_pieces = sample_frames(model(), FIRSTS, 9, CONFIG)
    alone = sample_frames(model(), FIRSTS, 9, dataclasses.replace(CONFIG, batch_size=1))
    assert (sample_pieces == alone).all()
    assert (sample_frames(model(), FIRSTS, 9, CONFIG) == sample_pieces).all()
    assert (sample_frames(model(), FIRSTS, 9, dataclasses.replace(CONFIG, seed=4)) != sample_pieces).any()


def test_shares_are_those_of_the_model() -> None:
    made = model()
    firsts = np.repeat(FIRSTS[:1], 2000, axis=0)
    sample_pieces = sample_frames(made, firsts, 2, dataclasses.replace(CONFIG, batch_size=2000))
    logits, _ = made.step(torch.from_numpy(firsts[:1]))
    assert np.abs(sample_pieces[:, 1].mean(0) - logits[0].sigmoid().numpy()).max() < 0.05


def test_top_p_silences_keys_that_hardly_ever_sound() -> None:
    stray = model(bias=-4.0)
    torch.nn.init.zeros_(stray.lm_head.weight)  # every key sounds with a share of 1.8 percent
    assert sample_frames(stray, FIRSTS, 50, CONFIG)[:, 1:].any()
    assert not sample_frames(stray, FIRSTS, 50, dataclasses.replace(CONFIG, top_p=0.98))[:, 1:].any()


def test_a_low_temperature_takes_the_likelier_of_sounding_and_silence() -> None:
    made = model()
    sample_pieces = sample_frames(made, FIRSTS, 2, dataclasses.replace(CONFIG, temperature=0.01))
    logits, _ = made.step(torch.from_numpy(FIRSTS))
    clear = logits.abs().numpy() > 0.2
    assert clear.any() and (sample_pieces[:, 1][clear] == (logits.numpy() > 0)[clear]).all()
