"""The comparison of the GANs: its table, and that the committed table matches the committed result."""

import json
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT, benchmark_script


@pytest.fixture(scope="module")
def gans() -> ModuleType:
    return benchmark_script("gans")


def row(model_name: str, seed: int, distance: float) -> dict[str, Any]:
    areas = {f"overlap_{name}": 0.5 for name in ("pitch_class", "duration", "polyphony")}
    counts = {"bars": 1024, "distinct_bars": 1000, "distinct_any_key": 512, "distinct_share": 0.5}
    return {
        "model": model_name,
        "seed": seed,
        "distance": distance,
        "best_step": 1500,
        "steps": 3000,
        **areas,
        **counts,
    }


def test_the_table_has_each_seed_and_means_with_their_spread(gans: ModuleType) -> None:
    music = {**row("", 0, 0.3), "distance": 0.25}
    table = gans.table({"rows": [row("gan", 1, 1.0), row("gan", 2, 3.0), row("wgan", 1, 0.5)], "real_music": music})
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert lines[2] == "| gan | 1 | 1.000 | 0.500 | 0.500 | 0.500 | 0.500 | 1,024 | 1,500 / 3,000 |"
    assert lines[4].startswith("| **gan** | all | **2.000 ± 1.414** | **0.500 ± 0.000** |")
    assert lines[6].startswith("| **wgan** | all | **0.500** |"), "one seed has no spread"
    assert lines[7].startswith("| real music | – | 0.250 |") and len(lines) == 8


def test_the_committed_table_matches_the_committed_result(gans: ModuleType) -> None:
    result, page = ROOT / "reports/gans.json", ROOT / "reports/gans.md"
    assert result.is_file() == page.is_file()
    if result.is_file():
        assert page.read_text(encoding="utf-8") == f"# GANs\n\n{gans.table(json.loads(result.read_text()))}"
