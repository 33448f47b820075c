"""The protocol of experiment=jsb_16th on the real chorales: pieces in their published split, cells as published.

A token and its published cell hold the same information: each follows from the other, given the previous cells.
"""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.baselines.voice_counts import measure
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.files import read_json
from etude.metrics.likelihood import per_unit
from etude.representations.base.grid import FIRST, HOLD, REST
from etude.representations.base.loading import load_representation

SIZES = {"train": 229, "valid": 76, "test": 77}


def to_tokens(cells: np.ndarray, low: int) -> np.ndarray:
    """Published cells (frames, voices), a pitch or -1 for silence, as tokens of the voice grid."""
    before = np.vstack([np.full((1, cells.shape[1]), -2), cells[:-1]])
    pitched = np.where(cells == before, HOLD, cells - low + FIRST)
    return np.where(cells < 0, REST, pitched)


def to_cells(tokens: np.ndarray, low: int) -> np.ndarray:
    """Tokens of the voice grid (frames, voices) as published cells."""
    cells = np.full(tokens.shape, -1)
    for frame, row in enumerate(tokens):
        for voice, token in enumerate(row):
            if token != REST:
                cells[frame, voice] = cells[frame - 1, voice] if token == HOLD else token - FIRST + low
    return cells


def test_all_pieces_all_cells_and_the_baselines(mirror: Path, tmp_path: Path) -> None:
    overrides = ["experiment=jsb_16th", "augment.transpose=false", "ingest.seconds=120"]
    settings = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", overrides)))
    session = Session(root=tmp_path, progress=False, workers=1)
    for stage in ("download", "ingest", "split", "augment"):
        importlib.import_module(f"etude.stages.{stage}").run(settings, session)
    importlib.import_module("etude.stages.tokenize").run(settings, session, "voicegrid")
    store = Store(tmp_path / "data/tokenize/voicegrid")
    grid = load_representation(store)

    published = json.loads((tmp_path / "data/download/files/Jsb16thSeparated.json").read_text())
    split_ids = read_json(tmp_path / "data/split/split.json", "")
    for split, size in SIZES.items():
        assert split_ids[split] == [f"{split}-{place:03d}" for place in range(size)]
        assert len(published[split]) == len(store.offsets(split)) - 1 == size
        for rows, tokens in zip(published[split], store.pieces(split), strict=True):
            cells = np.array(rows, dtype=np.int64)
            ours = tokens[1:-1].astype(np.int64).reshape(-1, 4)
            assert np.array_equal(ours, to_tokens(cells, grid.low))
            assert np.array_equal(to_cells(ours, grid.low), cells)
        if split != "train":
            counted = [fact["cells"] for fact in store.manifest["pieces"][split]]
            assert counted == [4 * len(rows) for rows in published[split]]

    found = [
        per_unit(costs["test"], store.manifest["pieces"]["test"], "test")["test/nats_per_cell"]
        for _, costs in measure(store, grid)
    ]
    assert found == pytest.approx([0.984, 0.739], abs=0.003)
