"""The benchmark of growth: its exponents are right where the growth is known, and its table names what is above 1.1."""

from pathlib import Path
from types import ModuleType

import pytest
from conftest import benchmark_script

SIZES = (400, 800, 1600)
WORKS = """
def linear(size):
    return lambda: b"1" * (size << 16)

def quadratic(size):
    return lambda: sum(one for _ in range(size) for one in range(size))

def made_ready(size):
    sum(range(size * 2000))
    return lambda: None
"""


@pytest.fixture(scope="module")
def growth() -> ModuleType:
    return benchmark_script("growth")


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_the_exponent_is_found_behind_a_start_up(growth: ModuleType, power: float) -> None:
    sizes = (10, 100, 1000)
    assert growth.exponent(sizes, [7 + 0.3 * size**power for size in sizes]) == pytest.approx(power, abs=0.02)


def test_what_hardly_grows_has_the_exponent_0(growth: ModuleType) -> None:
    assert growth.exponent((10, 100, 1000), [5.0, 5.3, 5.2]) == 0


def test_the_table_names_quadratic_work_and_no_other(growth: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "works.py"
    script.write_text(WORKS)
    with growth.Server(script) as server:
        found = {
            work: {size: server.measure(work, {"size": size}, rounds=1) for size in SIZES}
            for work in ("linear", "quadratic", "made_ready")
        }
    assert 1.6 < growth.exponent_of(found["quadratic"], "cpu") < 2.4
    assert all(cost["cpu"] < 0.01 for cost in found["made_ready"].values()), "what makes ready does not count"
    assert growth.exponent_of(found["linear"], "mib") == pytest.approx(1, abs=0.1)
    assert [found["linear"][size]["mib"] > size / 16 for size in SIZES] == [True] * 3
    text = growth.table("size", {work: found[work] for work in ("linear", "quadratic")})
    assert "quadratic (time, " in text.splitlines()[-1] and "linear (memory" not in text.splitlines()[-1]
    assert f"| **{growth.exponent_of(found['quadratic'], 'cpu'):.2f}** |" in text


def test_work_that_fails_is_no_figure(growth: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "works.py"
    script.write_text("def broken(size):\n    return lambda: 1 / 0\n")
    with growth.Server(script) as server, pytest.raises(SystemExit, match="ZeroDivisionError"):
        server.measure("broken", {"size": 1})
