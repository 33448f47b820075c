"""Where a piece ends: on a bar line, after the wanted bars or seconds, whatever the model knows."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from conftest import VOICES, make_piece, rules_of, smoke
from representations.bands import learned, make_band
from symusic.core import ScoreTick

from etude import sampling
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.models.building import build_model
from etude.models.lstm import LSTM
from etude.representations.base.loading import load_representation
from etude.sampling.timing import Stream, timing_rules
from etude.sampling.tokens import sample_tokens

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}
TOLD = (
    "remi",
    "remi notes",
    "tsd",
    "structured",
    "attributes",
    "attributes notes",
    "cpword",
    "voicegrid",
)  # representations that tell where in time they are


def in_three(seed: int) -> ScoreTick:
    piece = make_piece(seed, 12)
    piece.time_signatures[0].numerator = 3
    return piece


def written(name: str, settings: Settings, count: int = 12, **requests: Any) -> tuple[Any, list[Any]]:
    """Pieces of a model that knows nothing; ``name`` is that of a representation, and of its merges."""
    name, _, merges = name.partition(" ")
    changes = {"merges": merges, "vocabulary": 2000} if merges else {}
    train = [make_piece(seed) for seed in range(4)] + [in_three(seed) for seed in range(4)]
    representation = learned(name, *train, voices=PROGRAMS, **changes)
    torch.manual_seed(0)
    model = LSTM(representation.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    parts = [representation.encode(piece) for piece in train]
    rules = timing_rules(
        representation,
        rules_of(representation, *parts),
        *(requests.get(k) for k in ("bars", "seconds")),
    )
    longest = requests.get("max_tokens", 1500)
    config = dataclasses.replace(settings.generate, max_tokens=longest, top_p=1.0, temperature=1.0, batch_size=count)
    return representation, sample_tokens(model, rules, config, range(count))


def bar_lines(piece: ScoreTick, bars: int) -> list[float]:
    """In quarters: where the first bars begin, and the last of them ends."""
    signs = [
        (sign.time / piece.ticks_per_quarter, sign.numerator * 4 / sign.denominator) for sign in piece.time_signatures
    ]
    lines = [0.0]
    while len(lines) <= bars:
        length = [length for time, length in signs if time <= lines[-1]][-1] if signs else 4
        lines.append(lines[-1] + length)
    return lines


@pytest.mark.parametrize("name", TOLD)
def test_pieces_have_the_wanted_bars_and_nothing_rings_after_them(name: str, settings: Settings) -> None:
    representation, pieces = written(name, settings, bars=3)
    ends = []
    for piece in pieces:
        assert piece.complete
        score = representation.decode(piece.tokens)
        end = bar_lines(score, 3)[-1]
        ends.append(score.end() / score.ticks_per_quarter / end)
        assert ends[-1] <= 1, "nothing after the last bar line"
    assert np.mean([end > 2 / 3 for end in ends]) > 0.7, "the last bar is used"


@pytest.mark.parametrize("name", TOLD)
def test_a_piece_that_the_model_ends_rings_over_no_bar_line(name: str, settings: Settings) -> None:
    representation, pieces = written(name, settings)
    whole = [representation.decode(piece.tokens) for piece in pieces if piece.complete]
    assert len(whole) > len(pieces) / (10 if name == "voicegrid" else 2)
    for score in whole:
        starts = [note.time for track in score.tracks for note in track.notes]
        if starts and name != "voicegrid":
            last = max(starts) / score.ticks_per_quarter
            bar = next(line for line in bar_lines(score, 400) if line > last)
            assert score.end() / score.ticks_per_quarter <= bar
    if name == "voicegrid":
        assert all((len(piece.tokens) - 2) % 16 == 0 for piece in pieces if piece.complete)


def test_a_piece_lasts_as_many_seconds_as_are_wanted(settings: Settings) -> None:
    representation, pieces = written("remi", settings, seconds=9.0)
    for piece in pieces:
        score = representation.decode(piece.tokens)
        quarter = 60 / score.tempos[0].qpm
        meter = score.time_signatures[0]
        bar = meter.numerator * 4 / meter.denominator * quarter
        assert abs(score.end() / score.ticks_per_quarter * quarter - 9) <= bar or len(score.time_signatures) > 1


def test_time_goes_as_the_tokens_say() -> None:
    piece = make_band(1)  # 3/4, then 4/4
    for name in ("remi", "tsd", "cpword"):
        representation = learned(name)
        rules = timing_rules(representation, rules_of(representation, representation.encode(piece)), None, None)
        assert isinstance(rules, Stream)
        state = rules.start(1)
        onsets = set()
        for token in representation.encode(piece)[1:-1].tolist():
            state = rules.move(np.array([token]), state)
            if representation.types[token] in ("Duration",):
                onsets.add(int(state[0, rules.CURSOR]) / rules.unit)
        played = {
            note.time / 24
            for track in representation.decode(representation.encode(piece)).tracks
            for note in track.notes
        }
        assert onsets == played, name


def test_tokens_that_do_not_tell_the_time_end_as_the_model_ends_them(settings: Settings) -> None:
    merged: dict[str, Any] = {"merges": "bpe", "vocabulary": 400}
    plain: dict[str, Any] = {}
    for name, changes in (("octuple", plain), ("mmm", plain), ("midilike", plain), ("remi", merged)):
        representation = learned(name, **changes)
        rules = rules_of(representation, representation.encode(make_band(0)))
        timing_rules(representation, rules, None, None)
        with pytest.raises(EtudeError, match=r"generate\.bars: pieces in .* tokens.* end where the model ends them"):
            timing_rules(representation, rules, 4, None)


# without notes as tokens, of which a model that knows nothing writes hundreds a bar
@pytest.mark.parametrize("name", [name for name in TOLD if not name.endswith("notes")])
def test_pieces_that_go_on_too_long_end_with_a_bar_and_need_no_repair(name: str, settings: Settings) -> None:
    representation, pieces = written(name, settings, max_tokens=700)
    assert all(piece.complete and len(piece.tokens) <= 700 for piece in pieces)
    if name != "voicegrid":
        for piece in pieces:
            score = representation.decode(piece.tokens)
            starts = [note.time for track in score.tracks for note in track.notes]
            last = max(starts, default=0) / score.ticks_per_quarter
            assert score.end() / score.ticks_per_quarter <= next(line for line in bar_lines(score, 400) if line > last)


@pytest.mark.parametrize("bars", [None, 3])
def test_each_bar_is_followed_by_the_forced_tokens(bars: int | None, settings: Settings) -> None:
    train = [make_piece(seed) for seed in range(4)]
    representation = learned("attributes", *train, voices=PROGRAMS)
    torch.manual_seed(0)
    model = LSTM(representation.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    parts = [representation.encode(piece) for piece in train]
    config = dataclasses.replace(settings.generate, max_tokens=400, top_p=1.0, temperature=1.0)
    controls = {token for of in representation.controls for token in of}
    for control in ({}, {"key": "D minor", "density": "highest"}):
        requested = representation.requested_tokens(control)
        rules = timing_rules(
            representation,
            rules_of(representation, *parts),
            bars,
            None,
            representation.forced_tokens(requested)[None],
        )
        for piece in sample_tokens(model, rules, config, range(6)):
            tokens = piece.tokens.tolist()
            lines = [place for place, token in enumerate(tokens) if representation.types[token] == "Bar"]
            assert lines and (bars is None or len(lines) == bars)
            said = [tokens[place + 1 : place + 1 + len(requested)] for place in lines]
            assert all(found == requested[: len(found)] for found in said) and said[0] == requested
            assert sum(token in controls for token in tokens) == sum(map(len, said))


def test_a_prime_gets_the_forced_tokens() -> None:
    train = [make_piece(seed) for seed in range(4)]
    representation = learned("attributes", *train, voices=PROGRAMS)
    tokens = representation.encode(train[0]).astype(np.int64)
    requested = representation.requested_tokens({"mode": "minor"})
    other = representation.requested_tokens({"mode": "major"})
    forced = np.stack([representation.forced_tokens(requested), representation.forced_tokens(other)])
    rules = timing_rules(representation, rules_of(representation, tokens), None, None, forced)
    assert isinstance(rules, Stream)
    found, second = rules.with_forced(tokens)
    assert second[2 : 2 + 9].tolist() == other
    own = [tokens.tolist(), found.tolist()]
    plain = [[token for token in one if token < representation.base] for one in own]
    assert plain[0] == plain[1] and found[2 : 2 + 9].tolist() == requested
    remi = learned("remi", *train, voices=PROGRAMS)
    tokens = remi.encode(train[0]).astype(np.int64)
    plain_rules = timing_rules(remi, rules_of(remi, tokens), None, None)
    assert isinstance(plain_rules, Stream) and np.array_equal(plain_rules.with_forced(tokens), tokens[None])


def test_a_piece_on_a_grid_ends_near_its_length() -> None:
    train = [make_piece(seed) for seed in range(4)]
    grid = learned("voicegrid", *train, voices=PROGRAMS)
    torch.manual_seed(0)
    model = LSTM(grid.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    config = dataclasses.replace(smoke().generate, max_tokens=1500, top_p=1.0, temperature=1.0, batch_size=4)
    lengths = np.array([3 * 16, 4 * 16 + 3, 6 * 16, 7 * 16])
    rules = timing_rules(grid, rules_of(grid), None, None, lengths=lengths)
    for wanted, piece in zip(lengths, sample_tokens(model, rules, config, range(4)), strict=True):
        frames = (len(piece.tokens) - 2) // 4
        assert piece.complete and abs(frames - wanted) <= 2 * 16 + 15 and frames % 4 == 0, "within two bars, on a beat"
        assert frames >= wanted - 2 * 16


def test_pieces_are_as_long_as_those_of_train(encoded: Session, settings: Settings) -> None:
    store = Store(encoded.root / "data/tokenize/voicegrid")
    grid = load_representation(store)
    torch.manual_seed(0)
    model = build_model(settings.model("voices"), "voices", grid).eval()
    observed = grid.observe(store.pieces("train"))
    assert observed["lengths"].tolist() == [(len(piece) - 2) // 4 for piece in store.pieces("train")]
    config = dataclasses.replace(settings.generate, max_tokens=4 * 16 * 16 * 2, batch_size=8)
    made = sampling.sample_pieces(model, grid, observed, config, 8)
    shortest, longest = observed["lengths"].min(), observed["lengths"].max()
    for piece in made:
        assert shortest - 2 * 16 - 1 <= piece.score.end() * 4 / piece.score.ticks_per_quarter <= longest + 3 * 16
