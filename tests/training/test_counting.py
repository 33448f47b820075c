"""Counting: no more tokens of train than are asked for, spread over its copies."""

import dataclasses
from pathlib import Path

from conftest import tiny

from etude import models, representations
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.training import Task
from etude.training.counting import learn


def test_a_large_train_side_is_counted_in_part(encoded: Session, tmp_path: Path) -> None:
    store = Store(encoded.root / "data/tokenize/remi")
    representation = representations.load(store)
    total = store.count("train")

    def counted(max_tokens: int) -> int:
        section = {**tiny().models["ngram"], "max_tokens": max_tokens}
        settings = dataclasses.replace(tiny(), models={"ngram": section})
        model = models.build(settings, "ngram", representation)
        learn(model, Task(settings, encoded, store, representation, tmp_path, lambda values, step: None))
        return int(model.tables[0][3].sum()) + len(store.offsets("train")) - 1  # begins are in no count

    assert counted(total) == total
    assert 0.2 * total < counted(total // 2) - (len(store.offsets("train")) - 1) // 2 < 0.6 * total
