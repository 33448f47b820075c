"""How much memory there is, and amounts of it as text."""

from pathlib import Path

import pytest

from etude.core import memory
from etude.core.memory import in_words, total_memory


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (25_300_000_000, "25.3 GB"), (3 * 10**12, "3 TB"), (3 * 10**21, "3000 EB")],
)
def test_amounts_have_their_unit(size: int, text: str) -> None:
    assert in_words(size) == text


def test_a_container_has_what_it_is_limited_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTROL_GROUPS", (str(tmp_path / "none"), str(limit)))
    there = total_memory()
    assert there > 1 << 26
    limit.write_text("max\n")
    assert total_memory() == there
    limit.write_text("67108864\n")
    assert total_memory() == 1 << 26
