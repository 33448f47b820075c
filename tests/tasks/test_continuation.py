"""Continuing a piece: it stays note for note, and what comes after starts when it ends."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece
from representations.bands import learned
from symusic.core import ScoreTick

from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models.lstm import LSTM
from etude.music.key import best_keys
from etude.representations.base.grid import FIRST
from etude.tasks.continuation import continue_piece

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
TRAIN = [make_piece(seed) for seed in range(6)]


def going_on(name: str, prime: ScoreTick, settings: Settings, **changes: Any) -> list[ScoreTick]:
    name, _, merges = name.partition(" ")
    merged = {"merges": merges, "vocabulary": 2000} if merges else {}
    representation = learned(name, *TRAIN, voices=PROGRAMS, **merged)
    torch.manual_seed(0)
    model = LSTM(representation.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    config = dataclasses.replace(settings.generate, **{"max_tokens": 1500, "temperature": 1.0, **changes})
    observed = representation.observe([representation.encode(piece) for piece in TRAIN])
    return [piece.score for piece in continue_piece(model, representation, observed, config, 4, prime)]


def notes(piece: ScoreTick) -> list[tuple[str, int, int, int]]:
    return sorted((t.name, n.time, n.duration, n.pitch) for t in piece.tracks for n in t.notes)


@pytest.mark.parametrize("name", ["remi", "remi notes", "tsd", "structured", "attributes", "cpword", "voicegrid"])
@pytest.mark.parametrize("quarter", [24, 480])
def test_the_prime_stays_and_the_rest_comes_after_it(name: str, quarter: int, settings: Settings) -> None:
    prime = make_piece(3, 6).resample(quarter)
    made, added = going_on(name, prime, settings, bars=4), 0
    for piece in made:
        assert piece.ticks_per_quarter == quarter and piece.tempos == prime.tempos
        before = [note for note in notes(piece) if note[1] < prime.end()]
        assert before == notes(prime)
        after = [note for note in notes(piece) if note[1] >= prime.end()]
        added += len(after)
        assert after and max(time + lasts for _, time, lasts, _ in after) <= 16 * quarter
    assert added > 16 and len({tuple(notes(piece)) for piece in made}) == 4


def test_a_prime_that_is_too_long_is_said(settings: Settings) -> None:
    for name in ("remi", "voicegrid"):
        with pytest.raises(EtudeError, match="as long as the requested bars or seconds or longer"):
            going_on(name, make_piece(3, 16), settings, bars=4)
        with pytest.raises(EtudeError, match=r"more than half of the 100 of a piece .* Raise generate\.max_tokens"):
            going_on(name, make_piece(3, 16), settings, max_tokens=100)


@pytest.mark.parametrize("semitones", [0, 3])
def test_a_model_of_voices_goes_on_in_the_key_of_the_prime(
    semitones: int, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def start(self: LSTM, keys: torch.Tensor, melody: torch.Tensor) -> None:
        given.append((keys.tolist(), melody.shape[1]))

    monkeypatch.setattr(LSTM, "start", start)
    prime = make_piece(3, 6, semitones)
    going_on("voicegrid", prime, settings, bars=4)
    [(keys, frames)] = given
    times = np.zeros((1, 12))
    for track in prime.tracks:
        for note in track.notes:
            times[0, note.pitch % 12] += note.duration
    representation = learned("voicegrid", *TRAIN, voices=PROGRAMS)
    tonic = ((keys[0] - 1) // 2 - FIRST + representation.low) % 12
    assert 2 * tonic + (keys[0] - 1) % 2 == best_keys(times)[0]
    assert keys[:4] == keys[:1] * 4 and not any(keys[4:]) and not frames
    given.clear()
    going_on("remi", prime, settings, bars=4)
    assert not any(given[0][0])
