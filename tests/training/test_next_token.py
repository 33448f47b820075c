"""Windows for the next token: the same batches whether copies stand on disk or are made when they are drawn."""

import shutil
from pathlib import Path

import numpy as np
import torch
from conftest import smoke, tiny

from etude import models, representations
from etude.encoding.store import Store
from etude.models.voices import Voices
from etude.outputs import read_json, write_json
from etude.session import Session
from etude.settings import Settings
from etude.stages import tokenize
from etude.training import Task
from etude.training.adversarial import Adversarial
from etude.training.next_token import NextToken


def schemes(session: Session, settings: Settings, out: Path) -> list[NextToken | Adversarial]:
    found: list[NextToken | Adversarial] = []
    for variant, scheme in (("lstm", NextToken), ("gan", Adversarial)):
        name = settings.model(variant)["representation"]
        store = Store(session.read(f"data/tokenize/{name}", ""))
        representation = representations.load(store)
        torch.manual_seed(0)
        model = models.build(settings, variant, representation)
        found.append(scheme(model, Task(settings, session, store, representation, out, lambda values, step: None)))
    return found


def test_windows_of_a_voice_grid_begin_with_a_bar_and_reach_the_end_of_each_piece(
    encoded: Session, tmp_path: Path
) -> None:
    settings = tiny(train={"window": 100, "batch_size": 64})
    store = Store(encoded.root / "data/tokenize/voicegrid")
    grid = representations.load(store)
    torch.manual_seed(0)
    model = Voices(grid.vocabulary, grid.frame, 1, 8, 1, 1, 2, 4, 1, 0.1)  # one step a beat: bars of 12 steps
    scheme = NextToken(model, Task(settings, encoded, store, grid, tmp_path, lambda values, step: None))
    pieces, starts, ends = [piece.tolist() for piece in store.pieces("train")], set(), 0
    for row in scheme.draw(np.random.default_rng(0)).tolist():
        window = row[: row.index(0)] if 0 in row else row
        found = [
            start
            for piece in pieces
            for start in range(0, len(piece), model.stride)
            if piece[start : start + len(window)] == window
        ]
        assert found and len(window) > 1
        starts |= set(found)
        ends += window[-1] == 2
    assert model.stride == 48 and {0, 48, 96} <= starts and ends > 5


def test_batches_do_not_depend_on_where_copies_are_made(encoded: Session, tmp_path: Path) -> None:
    later = smoke(augment={"at": "load"})
    root = tmp_path / "later"
    for place in ("data/ingest", "data/split", "data/augment"):
        shutil.copytree(encoded.root / place, root / place)
    shutil.rmtree(root / "data/augment/pieces")
    manifest = root / "data/augment/manifest.json"
    chain = {**read_json(manifest, "")["settings"], "augment": later.as_dict()["augment"]}
    write_json(manifest, {**read_json(manifest, ""), "settings": chain, "shards": []})
    session = Session(root=root, progress=False)
    for name in later.tokenize:
        tokenize.run(later, session, name)
    for stored, made in zip(schemes(encoded, tiny(), tmp_path), schemes(session, tiny(), tmp_path), strict=True):
        for seed in range(20):
            ours, theirs = (scheme.draw(np.random.default_rng(seed)) for scheme in (made, stored))
            assert torch.equal(ours, theirs)
