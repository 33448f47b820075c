"""Progress: lines with the time that remains where there is no terminal, a bar where there is one."""

import io
import re
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from etude.core import progress
from etude.core.progress import at_place, bar, follow, watched


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_a_line_carries_what_is_done_and_the_time_that_remains(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with bar("train lstm", 100) as tell:
        tell(0)
        clock.now += 20
        tell(10, "train/loss 0.5")
    found = capsys.readouterr()
    assert found.err == "train lstm: 10/100, 180 s left train/loss 0.5\n" and found.out == ""


def test_a_resumed_task_is_timed_by_what_it_did_itself(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("train lstm", 100) as tell:
        tell(60)
        clock.now += 20
        tell(80)
    assert capsys.readouterr().err == "train lstm: 80/100, 20 s left\n"


def test_before_anything_is_done_the_time_is_unknown(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("train lstm", 100) as tell:
        clock.now += 11
        tell(60)
    assert capsys.readouterr().err == "train lstm: 60/100, time left unknown\n"


def test_lines_come_no_faster_than_every_ten_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("measure", 1000) as tell:
        tell(0)
        for done in range(1, 101):
            clock.now += 0.5
            tell(done)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].split("/")[0].strip() for line in lines] == ["20", "40", "60", "80", "100"]


@hypothesis(deadline=None, max_examples=25)
@given(st.integers(2, 500), st.integers(1, 499), st.floats(10, 1000))
def test_at_an_even_pace_the_time_that_remains_is_right(total: int, done: int, spent: float) -> None:
    done = min(done, total - 1)
    with pytest.MonkeyPatch.context() as patch:
        clock, errors = Clock(), io.StringIO()
        patch.setattr(progress, "time", clock)
        patch.setattr(sys, "stderr", errors)
        with bar("work", total) as tell:
            tell(0)
            clock.now += spent
            tell(done)
    left = float(errors.getvalue().split(", ")[1].split(" s")[0])
    assert left == pytest.approx(spent / done * (total - done), abs=0.51)


def test_nothing_is_said_where_nothing_is_wanted(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("quiet", 3, show=False) as tell:
        clock.now += 100
        tell(1, "note")
    assert list(follow("abc", "quiet", 3, show=False)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_what_is_followed_comes_out_in_order(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    seen = []
    for item in follow("abcd", "read", 4):
        seen.append(item)
        clock.now += 20
    assert seen == list("abcd")
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        f"read: {done}/4" for done in range(1, 5)
    ]


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> io.StringIO:
    """Make standard error a terminal of so many columns."""
    made = io.StringIO()
    monkeypatch.setattr(made, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    return made


def test_a_terminal_shows_a_bar_with_the_time_that_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch, 120)
    with bar("train lstm", 3) as tell:
        for done in (1, 2, 3):
            tell(done, f"loss {done}")
    shown = screen.getvalue()
    assert all(part in shown for part in ("train lstm", "3/3", "left", "loss 3"))


def test_a_narrow_terminal_cuts_the_note_and_keeps_bar_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch, 80)
    note = "train/discriminator_loss 0.693 train/generator_loss 0.693 valid/roll_distance 0.412"
    with at_place("[35/57]"), bar("train lstm_attention", 800) as tell:
        tell(450, note)
    line = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", screen.getvalue()).splitlines()[-1].rpartition("\r")[2]
    assert len(line) <= 80 and line.count("━") >= 6
    assert re.search(r"\[35/57\] train lstm_attention .*450/800 0:00:0\d left -?:?[-\d:]+ train/", line)


def test_tasks_that_share_a_terminal_print_lines_once_a_minute(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch, 80)
    with at_place("[5/60]", shared=True), bar("train lstm", 100) as tell:
        tell(0)
        for done in (10, 20, 30):
            clock.now += 45
            tell(done)
    with bar("train gan", 2, show=False):
        pass
    assert screen.getvalue() == "[5/60] train lstm: 20/100, 360 s left\n"


def test_what_watches_a_task_hears_of_it_and_may_end_it(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[tuple[str, int, int]] = []

    def watch(what: str, done: int, total: int) -> None:
        heard.append((what, done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watched(watch), bar("draw", 3, show=False) as tell:
        for done in (1, 2, 3):
            tell(done)
    assert heard == [("draw", 1, 3), ("draw", 2, 3)]
    with bar("draw", 3, show=False) as tell:
        tell(1)
    assert len(heard) == 2 and capsys.readouterr().err == ""


def test_a_line_that_cannot_be_printed_ends_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etude.core.progress.LINE_EVERY", 0.0)
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        assert list(follow([1, 2], "work", 2)) == [1, 2]
        with suppress(OSError):
            full.close()
