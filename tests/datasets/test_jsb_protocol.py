"""The protocol of experiment=jsb_16th on the real chorales: every piece on its published side, every cell as published.

A token says as much as the published cell and no more: one follows from the other, given the cells before.
"""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from etude import representations
from etude.encoding.grid import FIRST, HOLD, REST
from etude.encoding.store import Store
from etude.metrics.likelihood import per_unit
from etude.metrics.voice_floors import floors
from etude.outputs import read_json
from etude.params import compile_params
from etude.session import Session
from etude.settings import Settings

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


def test_all_pieces_all_cells_and_the_counting_floors(mirror: Path, tmp_path: Path) -> None:
    overrides = ["experiment=jsb_16th", "augment.transpose=false", "ingest.seconds=120"]
    settings = Settings.of(yaml.safe_load(compile_params(ROOT / "conf", overrides)))
    session = Session(root=tmp_path, progress=False, workers=1)
    for stage in ("download", "ingest", "split", "augment"):
        importlib.import_module(f"etude.stages.{stage}").run(settings, session)
    importlib.import_module("etude.stages.tokenize").run(settings, session, "voicegrid")
    store = Store(tmp_path / "data/tokenize/voicegrid")
    grid = representations.load(store)

    published = json.loads((tmp_path / "data/download/files/Jsb16thSeparated.json").read_text())
    split = read_json(tmp_path / "data/split/split.json", "")
    for side, size in SIZES.items():
        assert split[side] == [f"{side}-{place:03d}" for place in range(size)]
        assert len(published[side]) == len(store.offsets(side)) - 1 == size
        for rows, tokens in zip(published[side], store.pieces(side), strict=True):
            cells = np.array(rows, dtype=np.int64)
            ours = tokens[1:-1].astype(np.int64).reshape(-1, 4)
            assert np.array_equal(ours, to_tokens(cells, grid.low))
            assert np.array_equal(to_cells(ours, grid.low), cells)
        if side != "train":
            counted = [fact["cells"] for fact in store.manifest["pieces"][side]]
            assert counted == [4 * len(rows) for rows in published[side]]

    found = [
        per_unit(costs["test"], store.manifest["pieces"]["test"], "test")["test/nats_per_cell"]
        for _, costs in floors(store, grid)
    ]
    assert found == pytest.approx([0.984, 0.739], abs=0.003)
