"""The benchmark of sampling: all its sides draw as many tokens, so that their times may be compared."""

import dataclasses

import numpy as np
import torch
from conftest import benchmark_script, make_piece, rules_of
from representations.bands import learned

from etude.config.sections import Settings
from etude.models.lstm import LSTM
from etude.sampling.timing import timing_rules
from etude.sampling.tokens import sample_tokens


def test_no_piece_ends_under_endless_rules(settings: Settings) -> None:
    remi = learned("remi", make_piece(0), make_piece(1))
    torch.manual_seed(0)
    model = LSTM(remi.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    rules = timing_rules(
        remi,
        rules_of(remi, np.concatenate([remi.encode(make_piece(seed)) for seed in range(2)])),
        None,
        None,
    )
    endless = benchmark_script("sampling").Endless(rules)
    config = dataclasses.replace(settings.generate, max_tokens=90)
    pieces = sample_tokens(model, endless, config, range(3))
    assert [len(piece.tokens) for piece in pieces] == [91] * 3 and not any(piece.complete for piece in pieces)
