import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, VOICES, make_piece, rules_of
from representations.bands import learned, make_band, values_of

from etude.config.check import target
from etude.core.errors import EtudeError
from etude.representations.base.grammar import Types

KINDS = pytest.mark.parametrize("kind", ["bpe", "unigram"])


@KINDS
@pytest.mark.parametrize("name", ["remi", "tsd", "midilike", "structured", "pertok", "mmm"])
def test_fewer_tokens_stand_for_the_same_notes(name: str, kind: str, tmp_path: Path) -> None:
    train = [make_band(seed, beats=8) for seed in range(3)]
    plain = learned(name, *train)
    merged = learned(name, *train, merges=kind, vocabulary=300)
    assert plain.vocabulary < merged.vocabulary <= 300 and merged.types == plain.types
    for piece in (*train, make_band(9, beats=8)):
        tokens = merged.encode(piece)
        assert tokens[0] == 1 and tokens[-1] == 2 and tokens.max() < merged.vocabulary
        assert merged.decode(tokens).dumps_midi() == plain.decode(plain.encode(piece)).dumps_midi()
    assert sum(len(merged.encode(p)) for p in train) < 0.9 * sum(len(plain.encode(p)) for p in train)
    merged.save(tmp_path)
    values = values_of(name, merges=kind, vocabulary=300)
    again = target(values, name).load(tmp_path, values, merged.voices)
    assert np.array_equal(again.encode(train[0]), merged.encode(train[0]))
    assert again.vocabulary == merged.vocabulary


@pytest.fixture(scope="module")
def learned_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Merges of either kind, each in its folder, that another process learned."""
    folder = tmp_path_factory.mktemp("elsewhere")
    code = """
import sys
from pathlib import Path
from representations.bands import learned
for kind in ("bpe", "unigram"):
    folder = Path(sys.argv[1]) / kind
    folder.mkdir()
    learned("tsd", merges=kind, vocabulary=250).save(folder)
"""
    path = f"{ROOT / 'src'}:{ROOT / 'tests'}"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env={"PYTHONPATH": path}, cwd=folder)
    return folder


@KINDS
def test_two_processes_learn_the_same_bytes(kind: str, learned_elsewhere: Path, tmp_path: Path) -> None:
    learned("tsd", merges=kind, vocabulary=250).save(tmp_path)
    first, second = ((folder / "tokenizer.json").read_bytes() for folder in (tmp_path, learned_elsewhere / kind))
    assert first == second
    assert b'"_model"' in first


def test_merged_tokens_stay_within_a_bar() -> None:
    remi = learned("remi", merges="bpe", vocabulary=400)
    assert remi._merges is not None
    longer = [part for part in remi._merges.parts if len(part) > 1]
    assert longer and not any("Bar" in [remi.types[token] for token in part[1:]] for part in longer)


def test_a_vocabulary_that_leaves_no_room_is_refused() -> None:
    with pytest.raises(EtudeError, match=r"tokenize.remi.vocabulary = 20 must be more than the \d+ tokens"):
        learned("remi", merges="bpe", vocabulary=20)


def test_merges_that_were_not_asked_for_are_refused() -> None:
    remi = learned("remi")
    with pytest.raises(EtudeError, match=r"tokenize\.remi\.merges = null asks for no merged tokens"):
        remi.learn_merges([])


def test_rules_look_into_merged_tokens() -> None:
    remi = learned("remi", merges="bpe", vocabulary=400)
    train = [remi.encode(make_band(seed)) for seed in range(4)]
    rules = rules_of(remi, *train)
    assert isinstance(rules, Types) and remi._merges is not None
    parts = remi._merges.parts
    for piece in train:
        state = rules.start(1)
        for token, after in zip(piece[:-1].tolist(), piece[1:].tolist(), strict=True):
            if token != 1:
                state = rules.move(np.array([token]), state)
            allowed = rules.allowed(np.array([token]), state)[0]
            assert allowed[after]
            place = state[0, 1]
            for other in np.flatnonzero(allowed):
                first = [int(remi.values[t]) for t in parts[other][:1] if remi.types[t] == "Position"]
                assert not first or first[0] > place


@pytest.mark.parametrize("name", ["remi", "attributes"])
def test_a_note_is_one_token(name: str, tmp_path: Path) -> None:
    programs = {voice: program for voice, (program, _) in VOICES.items()}
    train = [make_piece(seed) for seed in range(3)]
    plain = learned(name, *train, voices=programs)
    merged = learned(name, *train, voices=programs, merges="notes", vocabulary=2000)
    assert merged.types == plain.types and merged.item_spec.parts == tuple(merged.parts)
    for piece in train:
        tokens, before = merged.encode(piece), plain.encode(piece)
        assert len(tokens) == len(before) - 2 * piece.note_num() and tokens.max() < merged.vocabulary
        assert [part for token in tokens.tolist() for part in merged.parts[token]] == before.tolist()
        assert merged.decode(tokens).dumps_midi() == plain.decode(before).dumps_midi()
    merged.save(tmp_path)
    values = values_of(name, merges="notes", vocabulary=2000)
    again = target(values, name).load(tmp_path, values, merged.voices)
    assert again.parts == merged.parts
    assert np.array_equal(again.encode(train[0]), merged.encode(train[0]))


def test_notes_that_train_seldom_has_stay_as_they_are() -> None:
    train = [make_piece(seed) for seed in range(3)]
    plain = learned("remi", *train)
    few = learned("remi", *train, merges="notes", vocabulary=plain.vocabulary + 20)
    assert few.vocabulary == plain.vocabulary + 20
    for piece in (*train, make_piece(9)):
        assert few.decode(few.encode(piece)).dumps_midi() == plain.decode(plain.encode(piece)).dumps_midi()
    none = learned("remi", *train, merges="notes", vocabulary=8)
    assert none.vocabulary == plain.vocabulary and not none.item_spec.parts
    assert np.array_equal(none.encode(train[0]), plain.encode(train[0]))
