"""Ticks as seconds: each tempo holds until the next, whatever the order of the ticks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import ScoreTick, TempoTick

from etude.music.seconds import seconds_at


def test_each_tempo_holds_until_the_next() -> None:
    score = ScoreTick(24)
    assert seconds_at(score, [0, 48]).tolist() == [0, 1], "120 BPM where nothing is stated"
    score.tempos.append(TempoTick(0, 60))
    score.tempos.append(TempoTick(48, 120))
    assert seconds_at(score, [72, 0, 24, 48]).tolist() == [2.5, 0, 1, 2] and len(seconds_at(score, [])) == 0


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(20, 300)), max_size=5), st.integers(0, 2000))
def test_the_time_is_the_sum_over_all_tempos(changes: list[tuple[int, float]], tick: int) -> None:
    score, at = ScoreTick(96), 0
    score.tempos.append(TempoTick(0, 100))
    for step, tempo in changes:
        at += step
        score.tempos.append(TempoTick(at, tempo))
    marks = [(mark.time, mark.mspq) for mark in score.tempos]
    ends = [*(time for time, _ in marks[1:]), 1 << 30]
    total = sum(max(0, min(tick, end) - time) * mspq for (time, mspq), end in zip(marks, ends, strict=True))
    assert seconds_at(score, [tick])[0] == pytest.approx(total / 96 / 1e6, abs=1e-4)
