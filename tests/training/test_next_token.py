"""Windows for the next token: the same batches whether copies stand on disk or are made when they are drawn."""

import shutil
from pathlib import Path

import numpy as np
import torch
from conftest import smoke, tiny

from etude import models, representations
from etude.encoding.store import Store
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
