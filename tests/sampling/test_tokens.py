import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_piece, rules_of, smoke
from representations.bands import SETTINGS, learned, make_band

from etude import sampling
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.sections import Settings
from etude.models.building import build_model
from etude.models.lstm import LSTM
from etude.models.ngram import NGram
from etude.representations.base.loading import load_representation
from etude.sampling.control_tokens import meets
from etude.sampling.timing import Timing, timing_rules
from etude.sampling.tokens import Wanted, penalise_repetition, sample_tokens, sample_wanted
from etude.stages import tokenize


@pytest.fixture(scope="module")
def floor(
    encoded: Session, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[NGram, object, Store]:
    """A baseline over plain tokens, without merges: each token has one type."""
    plain = smoke(tokenize={**settings.tokenize, "remi": {**settings.tokenize["remi"], "merges": None}})
    out = tmp_path_factory.mktemp("plain")
    tokenize.run(plain, Session(root=encoded.root, out=out, workers=1, progress=False), "remi")
    store = Store(out / "data/tokenize/remi")
    remi = load_representation(store)
    model = build_model(settings.model("ngram"), "ngram", remi)
    model.count(store.pieces("train"))
    return model, remi, store


def grammar(remi: Any, store: Store, bars: int | None = None) -> Timing:
    return timing_rules(remi, rules_of(remi, *store.pieces("train")), bars, None)


def test_the_same_seed_gives_the_same_pieces_another_seed_others(floor: tuple, settings: Settings) -> None:
    model, remi, store = floor
    config, observed = settings.generate, remi.observe(store.pieces("train"))
    moved = dataclasses.replace(config, seed=config.seed + 1)
    first, same, other = (
        [piece.score.dumps_midi() for piece in sampling.sample_pieces(model, remi, observed, one, 3)]
        for one in (config, config, moved)
    )
    assert first == same
    assert first != other
    assert len(set(first)) > 1


def test_a_piece_does_not_depend_on_its_batch(floor: tuple, settings: Settings) -> None:
    model, remi, store = floor
    config = dataclasses.replace(settings.generate, batch_size=3)
    together = sample_tokens(model, grammar(remi, store), config, range(3))
    alone = sample_tokens(model, grammar(remi, store), dataclasses.replace(config, batch_size=1), range(3))
    assert [piece.tokens.tolist() for piece in together] == [piece.tokens.tolist() for piece in alone]


def test_every_pair_of_types_is_one_of_train_and_positions_go_on(floor: tuple, settings: Settings) -> None:
    model, remi, store = floor
    hot = dataclasses.replace(settings.generate, temperature=10.0, top_p=1.0)
    seen = set()
    for piece in store.pieces("train"):
        names = [remi.types[token] for token in piece]
        seen |= set(pairwise(names))
    for piece in (written.tokens for written in sample_tokens(model, grammar(remi, store), hot, range(4))):
        names = [remi.types[token] for token in piece]
        assert set(pairwise(names)) <= seen
        place = -1
        for token in piece:
            if remi.types[token] == "Bar":
                place = -1
            if remi.types[token] == "Position":
                assert int(remi.values[token]) > place
                place = int(remi.values[token])


def test_the_grammar_allows_what_train_holds(floor: tuple) -> None:
    _, remi, store = floor
    rules = grammar(remi, store)
    tokens = remi.encode(make_piece(0)).astype(np.int64)
    state = rules.start(1)
    for token, after in pairwise(tokens):
        state = rules.move(np.array([token]), state)
        assert rules.allowed(np.array([token]), state)[0, after]


def test_windows_of_a_gan_fill_the_bars(encoded: Session, settings: Settings) -> None:
    store = Store(encoded.root / "data/tokenize/pianoroll")
    roll = load_representation(store)
    torch.manual_seed(0)
    gan = build_model(settings.model("gan"), "gan", roll)
    first, same = (
        [piece.score for piece in sampling.sample_pieces(gan, roll, {}, settings.generate, 2)] for _ in range(2)
    )
    assert [p.dumps_midi() for p in first] == [p.dumps_midi() for p in same]
    bars = settings.generate.open_bars
    assert all(96 * (bars - 4) < piece.end() <= 96 * bars for piece in first)
    wanted = dataclasses.replace(settings.generate, bars=3)
    assert all(0 < piece.score.end() <= 96 * 3 for piece in sampling.sample_pieces(gan, roll, {}, wanted, 4))
    assert [track.name for track in first[0].tracks] == ["Soprano", "Alto", "Tenor", "Bass"]


@pytest.mark.parametrize(("name", "changes"), SETTINGS)
def test_a_model_that_has_learned_nothing_writes_pieces_that_decode(
    name: str, changes: dict[str, Any], settings: Settings
) -> None:
    representation = learned(name, **changes)
    train = np.concatenate([representation.encode(make_band(seed)) for seed in range(4)])
    torch.manual_seed(0)
    model = LSTM(representation.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    config = dataclasses.replace(settings.generate, max_tokens=200, batch_size=8, temperature=1.0, top_p=1.0)
    rules = timing_rules(representation, rules_of(representation, train), None, None)
    written = sample_tokens(model, rules, config, range(8))
    pieces = [piece.tokens for piece in written]
    assert all(piece[0] == 1 and (piece[1:-1] > 2).all() for piece in pieces)
    decoded = [representation.decode(piece) for piece in pieces]
    assert sum(piece.note_num() > 0 for piece in decoded) > 4
    assert all(note.time >= 0 and note.duration > 0 for piece in decoded for t in piece.tracks for note in t.notes)
    for piece in decoded:
        piece.dumps_midi()


def test_bars_of_octuple_do_not_go_back(settings: Settings) -> None:
    octuple = learned("octuple")
    train = np.concatenate([octuple.encode(make_band(seed)) for seed in range(4)])
    model = LSTM(octuple.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    hot = dataclasses.replace(settings.generate, max_tokens=300, temperature=5.0, top_p=1.0)
    for piece in (
        p.tokens
        for p in sample_tokens(model, timing_rules(octuple, rules_of(octuple, train), None, None), hot, range(4))
    ):
        told = [(octuple.types[token], octuple.values[token]) for token in piece]
        bars = [int(value) for kind, value in told if kind == "Bar"]
        places = [int(value) for kind, value in told if kind == "Position"]
        when = list(zip(bars, places, strict=False))
        assert when == sorted(when)


def test_voices_write_whole_frames_of_what_may_sound(encoded: Session, settings: Settings) -> None:
    store = Store(encoded.root / "data/tokenize/voicegrid")
    grid = load_representation(store)
    torch.manual_seed(0)
    model = build_model(settings.model("voices"), "voices", grid).eval()
    config = dataclasses.replace(settings.generate, max_tokens=120, batch_size=4, top_p=1.0)
    rules = timing_rules(grid, rules_of(grid), None, None)
    pieces = sample_tokens(model, rules, config, range(4))
    alone = sample_tokens(model, rules, dataclasses.replace(config, batch_size=1), range(4))
    assert [piece.tokens.tolist() for piece in pieces] == [piece.tokens.tolist() for piece in alone]
    for piece in (written.tokens for written in pieces):
        cells = piece[1:-1] if piece[-1] == 2 else piece[1:]
        assert (cells > 2).all() and len(cells) % 4 == 0
        assert np.array_equal(grid.encode(grid.decode(piece))[1:-1], cells[: len(grid.encode(grid.decode(piece))) - 2])


@pytest.mark.parametrize("model_name", ["lstm", "gru", "lstm_attention", "transformer", "conditional", "voices"])
def test_a_piece_is_the_same_alone_and_in_any_batch(model_name: str, settings: Settings, floor: tuple) -> None:
    """To the last digit: of a network's sums too."""
    from conftest import SMALL, VOICES

    programs = {name: program for name, (program, _) in VOICES.items()}
    train = [make_piece(seed) for seed in range(4)]
    known = {"gru": {**settings.models["lstm"], "_target_": "etude.models.gru.GRU"}, **settings.models}
    name = known[model_name]["representation"]
    representation = learned(name, *train, voices=programs)
    torch.manual_seed(0)
    changed = {**known[model_name], **SMALL[model_name]}
    model = build_model(changed, model_name, representation).eval()
    rules = timing_rules(
        representation,
        rules_of(representation, *map(representation.encode, train)),
        2,
        None,
    )
    found = []
    for size in (1, 3, 16, 40):
        config = dataclasses.replace(settings.generate, batch_size=size, max_tokens=150)
        found.append([piece.tokens.tolist() for piece in sample_tokens(model, rules, config, range(3))])
    assert found[0] == found[1] == found[2] == found[3]


def test_nobody_waits_for_the_rows_that_fill_a_batch_up(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, floor: tuple
) -> None:
    _, remi, store = floor
    torch.manual_seed(0)
    model = LSTM(remi.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    assert model.min_batch > 1
    steps, step = 0, LSTM.step

    def counted(self: LSTM, *given: Any) -> Any:
        nonlocal steps
        steps += 1
        return step(self, *given)

    monkeypatch.setattr(LSTM, "step", counted)
    lengths = []
    for seed in range(4):
        steps = 0
        config = dataclasses.replace(settings.generate, seed=seed, batch_size=1, max_tokens=300)
        (piece,) = sample_tokens(model, grammar(remi, store, 2), config, range(1))
        assert steps == len(piece.tokens) - 1
        lengths.append(steps)
    assert len(set(lengths)) > 1, "else they may all have waited for the same row"


def test_recent_tokens_are_rarer_the_higher_the_penalty(floor: tuple, settings: Settings) -> None:
    scores = np.log(np.array([[0.5, 0.3, 0.2]]))
    assert np.exp(penalise_repetition(scores, np.array([[0, 0]]), 2.0))[0] == pytest.approx([0.25, 0.3, 0.2])
    _, remi, store = floor
    model = LSTM(remi.item_spec, hidden=8, layers=1, dropout=0.0, recurrent_dropout=0.0).eval()
    config = dataclasses.replace(settings.generate, max_tokens=150)
    distinct = []
    for penalty in (1.0, 4.0):
        pieces = sample_tokens(model, grammar(remi, store), dataclasses.replace(config, repetition=penalty), range(4))
        distinct.append(sum(len(set(piece.tokens.tolist())) / len(piece.tokens) for piece in pieces))
    assert distinct[1] > distinct[0]


def test_what_may_be_drawn_is_narrowed(floor: tuple, settings: Settings) -> None:
    model, remi, store = floor
    one = dataclasses.replace(settings.generate, top_k=1, max_tokens=150)
    sure = dataclasses.replace(settings.generate, min_p=1.0, max_tokens=150)
    pieces = [
        [p.tokens.tolist() for p in sample_tokens(model, grammar(remi, store), config, range(3))]
        for config in (one, sure)
    ]
    assert pieces[0] == pieces[1] and pieces[0][0] == pieces[0][1], "the likeliest alone: no luck left"


def test_a_piece_without_what_is_requested_is_sampled_again(encoded: Session, settings: Settings) -> None:
    store = Store(encoded.root / "data/tokenize/attributes")
    made: Any = load_representation(store)
    torch.manual_seed(0)
    model = build_model(settings.model("conditional"), "conditional", made).eval()
    observed = made.observe(store.pieces("train"))
    control: dict[str, str | float | None] = {"mode": "major"}
    config = dataclasses.replace(settings.generate, bars=2, control=control, tries=1, batch_size=16)
    once = sampling.sample_pieces(model, made, observed, config, 8)
    often = sampling.sample_pieces(model, made, observed, dataclasses.replace(config, tries=6), 8)
    has = [[meets(made, piece.score, control) for piece in pieces] for pieces in (once, often)]
    assert sum(has[1]) > sum(has[0]), (has, "more tries meet more")
    for first, last, met, met_at_last in zip(once, often, *has, strict=True):
        if met or not met_at_last:
            assert first.score.dumps_midi() == last.score.dumps_midi(), "it stays as it was sampled first"
    fewer = sampling.sample_pieces(model, made, observed, dataclasses.replace(config, tries=3), 8)
    for few, last in zip(fewer, often, strict=True):
        if meets(made, few.score, control):
            assert few.score.dumps_midi() == last.score.dumps_midi(), "the first that has it is taken"
    wanted = [Wanted({}, 0), Wanted(control, 0), Wanted(control, 3)]
    mixed = sample_wanted(model, made, observed, dataclasses.replace(config, tries=6), wanted)
    assert mixed[1].score.dumps_midi() == often[0].score.dumps_midi()
    assert mixed[2].score.dumps_midi() == often[3].score.dumps_midi(), "the same whatever is sampled with it"
