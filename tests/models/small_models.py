"""A small model of each kind that reads tokens, with the weights of a first step."""

import numpy as np
import torch

from etude.models.gru import GRU
from etude.models.lstm import LSTM
from etude.models.lstm_attention import LSTMAttention
from etude.models.ngram import NGram
from etude.models.sequence import SequenceModel
from etude.models.transformer import Transformer
from etude.models.voices import Voices
from etude.representations.base.vocabulary import ItemSpec

VOCABULARY = 17


def build(kind: str) -> SequenceModel:
    torch.manual_seed(0)
    if kind == "lstm":
        return LSTM(ItemSpec(VOCABULARY), 16, 2, 0.3, 0.0).eval()
    if kind == "lstm_widths":
        return LSTM(ItemSpec(VOCABULARY), [16, 24, 8], 3, 0.3, 0.0).eval()
    if kind == "gru":
        return GRU(ItemSpec(VOCABULARY), 16, 2, 0.3, 0.0).eval()
    if kind == "transformer":
        return Transformer(ItemSpec(VOCABULARY), 16, 2, 2, 5, 0.3).eval()
    if kind == "voices":
        return Voices(ItemSpec(VOCABULARY), 3, 2, 16, 2, 2, 2, 3, 2, 2, 0.3, 0.2, 1.2, 0, 0.5).eval()
    if kind in ("lstm_attention", "following"):
        follows = kind == "following"
        return LSTMAttention(ItemSpec(VOCABULARY), 16, 2, 0.3, 0.0, 2, 5, follows, 3 * follows).eval()
    model = NGram(VOCABULARY, 4, 10**6)
    model.count([np.random.default_rng(seed).integers(1, VOCABULARY, 50) for seed in range(4)])
    return model
