"""The benchmark of growth: its exponents are right where the growth is known, and its table names what is above 1.1."""

from pathlib import Path
from types import ModuleType

import pytest
from conftest import benchmark_script

SIZES = (200, 800, 3200)
WORKS = """
def linear(size):
    return lambda: b"1" * (size << 15)

def quadratic(size):
    return lambda: sum(one for _ in range(size) for one in range(3 * size // 2))

def made_ready(size):
    sum(range(size * 1000))
    return lambda: None
"""


@pytest.fixture(scope="module")
def growth() -> ModuleType:
    return benchmark_script("growth")


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_the_exponent_is_found_behind_a_start_up(growth: ModuleType, power: float) -> None:
    sizes = (10, 100, 1000)
    found = growth.exponent(sizes, [7 + 0.3 * size**power for size in sizes])
    assert found.power == pytest.approx(power, abs=0.02) and found.low <= found.power <= found.high


def test_what_hardly_grows_has_the_exponent_0(growth: ModuleType) -> None:
    assert growth.exponent((10, 100, 1000), [5.0, 5.3, 5.2]).power == 0


def test_a_doubtful_exponent_is_not_named(growth: ModuleType) -> None:
    noise, quadratic = growth.exponent((10, 100, 1000), [5.0, 5.1, 6.9]), growth.exponent((1, 4, 16), [1, 10, 160])
    assert noise.power > 1.1 > noise.low and str(noise).endswith("?")
    assert quadratic.low > 1.5 and str(quadratic).startswith("**")
    assert str(growth.exponent((1, 2, 4), [9, 1, 2])).endswith("?"), "no power law"


def test_the_table_names_quadratic_work_and_no_other(growth: ModuleType) -> None:
    costs = {
        "linear": {size: {"cpu": size / 100, "mib": size / 10} for size in SIZES},
        "quadratic": {size: {"cpu": (size / 100) ** 2, "mib": 100.0} for size in SIZES},
    }
    text = growth.table("size", costs)
    assert text.splitlines()[-1] == "Above 1.1: quadratic (time, 2.00)."
    assert "| quadratic | 4.00 | 64.00 | 1,024.00 | **2.00** | 100 | 100 | 100 | 0.00 |" in text
    assert "| linear | 2.00 | 8.00 | 32.00 | 1.00 | 20 | 80 | 320 | 1.00 |" in text


def test_time_and_memory_of_work_are_measured_as_they_grow(growth: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "works.py"
    script.write_text(WORKS)
    with growth.Server(script) as server:
        found = {
            work: {size: server.measure(work, {"size": size}, rounds=1) for size in SIZES}
            for work in ("linear", "quadratic", "made_ready")
        }
    assert 1.6 < growth.growth_of(found["quadratic"], "cpu").power < 2.4
    assert all(cost["cpu"] < 0.01 for cost in found["made_ready"].values()), "what makes ready does not count"
    assert growth.growth_of(found["linear"], "mib").power == pytest.approx(1, abs=0.1)
    assert [found["linear"][size]["mib"] > size / 32 for size in SIZES] == [True] * 3


def test_work_that_fails_is_no_figure(growth: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "works.py"
    script.write_text("def broken(size):\n    return lambda: 1 / 0\n")
    with growth.Server(script) as server, pytest.raises(SystemExit, match="ZeroDivisionError"):
        server.measure("broken", {"size": 1})
