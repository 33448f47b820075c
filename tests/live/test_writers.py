"""What all writers share: scales, keys, random numbers, how much of the past is read."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.live.bars import Bar, Note
from etude.live.grid_writer import GridWriter
from etude.live.stream_writer import StreamWriter
from etude.live.writers import RARE, SECTION, key_in, outside, recent, rng_of, writer_of

NOTE = (Note(0, 24, 60, 80, 0),)


def test_notes_outside_a_scale_are_rare() -> None:
    pitches = np.array([-1, *range(60, 72)])
    assert not outside(pitches, None).any()
    rare = outside(pitches, "C major")
    assert rare[0] == 0 and [60 + at for at in np.flatnonzero(rare[1:])] == [61, 63, 66, 68, 70]
    assert set(rare) == {0.0, RARE}
    minor = outside(pitches, "A minor")
    assert [60 + at for at in np.flatnonzero(minor[1:])] == [61, 63, 66, 70], "with the raised seventh"


def test_the_key_of_bars() -> None:
    scale = [Note(12 * place, 24, pitch, 80, 0) for place, pitch in enumerate([60, 64, 67, 72, 65, 62, 59, 60])]
    assert key_in([Bar(tuple(scale))]) == "C major"
    assert key_in([]) is None and key_in([Bar(())]) is None


def test_a_bar_has_its_own_random_numbers() -> None:
    assert rng_of(1, 2).random() == rng_of(1, 2).random()
    assert len({rng_of(seed, number).random() for seed in range(4) for number in range(4)}) == 16


BARS = st.lists(
    st.builds(Bar, st.sampled_from([(), NOTE]), asked=st.sampled_from([(), (("key", "C major"),)]),
              tokens=st.sampled_from([None, (1,)])),
    max_size=40,
)  # fmt: skip


@given(BARS)
def test_a_writer_reads_six_to_twelve_bars_of_one_section(past: list[Bar]) -> None:
    first = recent(past, ())
    assert 0 <= first <= len(past) and len(past) - first < 2 * SECTION + 1
    read = past[first:]
    assert all(bar.tokens is None or bar.asked == () for bar in read[1:]), "no bar that was written for something else"
    plain = all(bar.asked == () and bar.notes for bar in past)
    if plain:
        assert len(read) >= min(len(past), SECTION)


def test_after_two_silent_bars_it_starts_afresh() -> None:
    past = [Bar(NOTE)] * 3 + [Bar(())] * 2 + [Bar(NOTE)]
    assert recent(past, ()) == 5 and recent(past[:5], ()) == 5 and recent(past[:4], ()) == 0


def test_each_model_has_its_writer_or_is_refused(voices: Any, lstm: Any) -> None:
    assert isinstance(writer_of(voices, 1), GridWriter) and isinstance(writer_of(lstm, 1), StreamWriter)
    whole: Any = SimpleNamespace(name="deepbach", representation=SimpleNamespace(), model=SimpleNamespace())
    with pytest.raises(EtudeError, match="deepbach writes whole pieces"):
        writer_of(whole, 1)
