"""A model whose numbers are not finite never generates, whatever sampler draws from it."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import smoke

from etude.core.errors import EtudeError
from etude.models.gan import GAN
from etude.models.lstm import LSTM
from etude.models.wgan import WGAN
from etude.representations.base.vocabulary import ItemSpec
from etude.sampling import sample_pieces
from etude.sampling.filters import draw, softmax, top_p_filter
from etude.sampling.frames import sample_frames
from etude.tasks.trained_model import PACKAGED, TrainedModel

SAID = "The model gives no probabilities"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_token_is_drawn_by_such_scores(value: float) -> None:
    scores = np.array([[0.0, 1.0, 2.0], [0.0, value, 2.0]])
    assert draw(top_p_filter(softmax(scores[:1]), 0.9), np.array([0.5])) == [2]
    with np.errstate(invalid="ignore"), pytest.raises(EtudeError, match=SAID):
        draw(top_p_filter(softmax(scores), 0.9), np.array([0.5, 0.5]))


def test_no_frame_is_drawn() -> None:
    model = LSTM(ItemSpec(8, keys=True), hidden=4, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    config = dataclasses.replace(smoke().generate, pieces=1)
    firsts = np.zeros((1, 8), dtype=np.float32)
    assert sample_frames(model, firsts, 4, config, False).shape == (1, 4, 8)
    with torch.no_grad():
        model.lm_head.bias[0] = torch.nan
    with pytest.raises(EtudeError, match=SAID):
        sample_frames(model, firsts, 4, config, False)


def test_no_window_is_drawn() -> None:
    gan = GAN((2, 16, 12), latent=4, hidden=8, dropout=0.0, rounds=1).eval()
    wgan = WGAN((2, 16, 12), 4, latent=4, hidden=8, row=1, critic_steps=1, penalty=1.0, rounds=1).eval()
    for model in (gan, wgan):
        assert model.draw(2, torch.Generator().manual_seed(1)).max() <= 1
        with torch.no_grad():
            for parameter in model.generator.parameters():
                parameter.fill_(torch.inf)
        with pytest.raises(EtudeError, match=SAID):
            model.draw(2, torch.Generator().manual_seed(1))


def test_finite_weights_that_overflow_write_no_piece() -> None:
    loaded = TrainedModel.read(PACKAGED / "lstm_attention", smoke().generate, "etude train")
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.fill_(3e38)
    with np.errstate(invalid="ignore"), pytest.raises(EtudeError, match=SAID):
        sample_pieces(loaded.model, loaded.representation, loaded.observed, loaded.config, 1)
