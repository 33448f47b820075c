"""Seeds depend on the purpose and on every number."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from etude.core.seeds import seed_of


@given(st.text("abc ", max_size=4), st.lists(st.integers(0, 2**31), max_size=4))
def test_a_seed_is_one_that_torch_takes_and_always_the_same(purpose: str, numbers: list[int]) -> None:
    seed = seed_of(purpose, *numbers)
    torch.Generator().manual_seed(seed)
    assert 0 <= seed < 2**63 and seed == seed_of(purpose, *numbers)


def test_zeros_and_purposes_make_other_seeds() -> None:
    found = [seed_of("step", 1), seed_of("step", 1, 0), seed_of("step", 1, 0, 0), seed_of("sample", 1, 0)]
    assert len(set(found)) == 4
