"""Bars ahead: which are written again after a change, and what is taken when none is there."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from live_music import BAR, until

from etude.live.bars import Bar, Note
from etude.live.controls import Console, Controls, Surface
from etude.live.planner import Planner
from etude.live.sounding import Sound


class Writes:
    """Keeps what it was asked for; waits for a permit where it has none."""

    def __init__(self, permits: int = 1000) -> None:
        self.asked: list[tuple[int, int, float]] = []  # bars before, number, temperature
        self.may = threading.Semaphore(permits)

    def __call__(self, past: Sequence[Bar], controls: Controls, number: int) -> tuple[Bar, tuple[Sound, ...]]:
        self.asked.append((len(past), number, controls.temperature))
        self.may.acquire()
        return Bar((Note(0, 24, number % 128, 80, 0),), BAR + number), ()


def planner_of(writes: Writes, ahead: int = 2) -> Planner:
    planner = Planner(writes, Console(Surface("fake", ("Top",))), ahead)
    planner.start()
    return planner


def test_it_keeps_as_many_ahead_as_asked_in_order() -> None:
    writes = Writes()
    planner = planner_of(writes, 3)
    until(lambda: len(planner.planned()) == 3)
    taken = [planner.take().number for _ in range(2)]
    until(lambda: len(planner.planned()) == 3)
    planner.close()
    assert taken == [0, 1] and [one.number for one in planner.planned()] == [2, 3, 4]
    assert [before for before, number, _ in writes.asked] == [number for _, number, _ in writes.asked]


def test_a_change_has_bars_written_again_that_are_kept_until_then() -> None:
    writes = Writes(2)
    planner = planner_of(writes)
    until(lambda: len(planner.planned()) == 2)
    planner.console.set("temperature", "0.5")
    until(lambda: len(writes.asked) == 3)
    assert [one.controls.temperature for one in planner.planned()] == [1.0, 1.0]
    assert not planner.ready(0.01) and planner.ready(0.01, fresh=False)
    writes.may.release(5)
    assert planner.ready(10)
    until(lambda: [one.controls.temperature for one in planner.planned()] == [0.5, 0.5])
    planner.close()


def test_tempo_and_instruments_have_nothing_written_again() -> None:
    writes = Writes()
    planner = planner_of(writes)
    until(lambda: len(planner.planned()) == 2)
    for name, text in (("tempo", "90"), ("transpose", "3"), ("mute", "Top"), ("instruments", "5")):
        planner.console.set(name, text)
    assert planner.ready(0)
    slot = planner.take()
    planner.close()
    assert slot.controls.tempo == 90 and slot.written.tempo is None and len(writes.asked) <= 3


def test_a_bar_that_is_not_there_repeats_the_last_and_takes_the_next_place() -> None:
    writes = Writes(1)
    planner = planner_of(writes)
    assert planner.ready(10)
    first = planner.take()
    until(lambda: len(writes.asked) == 2)
    second = planner.take()
    assert second.repeats and second.bar is first.bar and planner.repeats == 1 and second.number == 1
    writes.may.release()
    until(lambda: len(planner.planned()) == 1)
    third = planner.take()
    writes.may.release(5)
    planner.close()
    assert not third.repeats and third.number == 1 and third.bar.length == BAR + 1


def test_nothing_written_at_all_repeats_silence() -> None:
    writes = Writes(0)
    planner = planner_of(writes)
    slot = planner.take()
    writes.may.release(9)
    planner.close()
    assert slot.repeats and not slot.bar.notes


def test_what_was_heard_is_the_past_of_what_comes() -> None:
    writes = Writes()
    planner = planner_of(writes)
    until(lambda: len(planner.planned()) == 2)
    slot = planner.take()
    until(lambda: len(planner.planned()) == 2)
    count = len(writes.asked)
    planner.amend(0, slot)
    assert len(writes.asked) == count and planner.ready(0), "the same notes change nothing"
    planner.amend(0, replace(slot, bar=slot.bar.with_notes([Note(0, 24, 99, 80, 0)])))
    until(lambda: [one.known for one in planner.planned()] == [1, 1])
    planner.close()
    assert planner.take().known == 1


def test_a_fault_of_the_writer_comes_where_bars_are_taken() -> None:
    def fails(past: Sequence[Bar], controls: Controls, number: int) -> tuple[Bar, tuple[Sound, ...]]:
        raise RuntimeError("no memory")

    planner = Planner(fails, Console(Surface("fake", ("Top",))), 2)
    planner.start()
    assert planner.ready(10)
    with pytest.raises(RuntimeError, match="no memory"):
        planner.take()
    planner.close()


def test_a_storm_of_changes_leaves_bars_to_take() -> None:
    writes, done = Writes(), threading.Event()
    planner = planner_of(writes)

    def storm() -> None:
        number = 0
        while not done.is_set():
            number += 1
            planner.console.set("temperature", f"{0.5 + number % 100 / 100}")

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(20):
            assert planner.ready(10, fresh=False)
            assert not planner.take().repeats
    finally:
        done.set()
        thread.join()
        planner.close()


def test_it_ends_though_it_never_started() -> None:
    Planner(Writes(), Console(Surface("fake", ("Top",))), 2).close()
