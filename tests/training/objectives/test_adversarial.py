import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.training.objectives.adversarial import roll_distance, roll_features


def rolls(seed: int, count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(0, 9, (count, 4, 16), generator=generator)
    return torch.nn.functional.one_hot(place, 9)[..., :8].to(torch.uint8)


@hypothesis(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(0, 1000))
def test_the_distance_is_a_distance(a: int, b: int) -> None:
    first, second = roll_features(rolls(a)), roll_features(rolls(b))
    assert roll_distance(first, first) == 0
    assert roll_distance(first, second) == pytest.approx(roll_distance(second, first))
    assert 0 <= roll_distance(first, second) <= 1


def test_silence_is_far_from_music_and_the_order_of_windows_does_not_count() -> None:
    music = rolls(1)
    assert roll_distance(roll_features(music), roll_features(torch.zeros_like(music))) > 0.5
    assert roll_distance(roll_features(music), roll_features(music.flip(0))) == pytest.approx(0, abs=1e-6)
