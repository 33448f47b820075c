"""Counting: no more tokens of train than max_tokens, spread over its copies."""

import dataclasses
from pathlib import Path

from conftest import tiny

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.models.building import build_model
from etude.representations.base.loading import load_representation
from etude.training.objectives.counting import learn
from etude.training.task import Task


def test_a_large_train_split_is_counted_in_part(encoded: Session, tmp_path: Path) -> None:
    store = Store(encoded.root / "data/tokenize/remi")
    representation = load_representation(store)
    total = store.count("train")

    def count(max_tokens: int) -> int:
        section = {**tiny().models["ngram"], "max_tokens": max_tokens}
        settings = dataclasses.replace(tiny(), models={"ngram": section})
        model = build_model(settings.model("ngram"), "ngram", representation)
        learn(model, Task(settings, "ngram", encoded, store, representation, tmp_path, lambda values, step: None))
        return int(model.tables[0][3].sum()) + len(store.offsets("train")) - 1  # start tokens are not counted

    assert count(total) == total
    assert 0.2 * total < count(total // 2) - (len(store.offsets("train")) - 1) // 2 < 0.6 * total
