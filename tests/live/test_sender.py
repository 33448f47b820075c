"""Notes on their way: each starts at its time and ends once, whatever is cut, held, lost or stopped."""

import threading
from collections.abc import Sequence
from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import Script, hanging

from etude.live.clock import FastClock
from etude.live.ports import Loop
from etude.live.sender import ALL_NOTES_OFF, ALL_SOUND_OFF, CHANNELS, Sender
from etude.live.sounding import Part

PIANO, BASS, KIT = Part("Piano", 0), Part("Bass", 32), Part("Kit", -1)
PARTS = [PIANO, BASS, KIT]
TIMES = st.integers(0, 40).map(lambda tenths: tenths / 10)
NOTE = st.tuples(st.just("note"), TIMES, TIMES, st.sampled_from(PARTS), st.sampled_from([60, 61]))
CUT = st.tuples(st.just("cut"), TIMES, st.none() | st.lists(st.sampled_from(["Piano", "Bass", "Kit"])))
HOLD = st.tuples(st.just("hold"), st.sampled_from(["Piano", "Bass", "Kit"]), TIMES)
ADVANCE = st.tuples(st.just("advance"), TIMES)
START = st.tuples(st.just("start"), st.sampled_from(PARTS), st.sampled_from([60, 61]))
FINISH = st.tuples(st.just("finish"), st.sampled_from(PARTS), st.sampled_from([60, 61]))
DEEDS = st.lists(NOTE | NOTE | CUT | HOLD | ADVANCE | START | FINISH, max_size=20)


def sender_of(clock: Any = None) -> tuple[Sender, Loop, list[str]]:
    clock, said = clock or FastClock(), list[str]()
    loop = Loop(clock)
    return Sender([loop], clock, said.append), loop, said


def do(sender: Sender, deeds: Sequence[Any]) -> None:
    for name, *given_ in deeds:
        if name == "note":
            start, length, part, pitch = given_
            sender.note(start, start + length, part, pitch, 80)
        elif name == "cut":
            sender.cut(*given_)
        elif name == "hold":
            sender.hold(*given_)
        elif name == "advance":
            sender.advance(given_[0])
        elif name == "start":
            part, pitch = given_
            sender.start(part, pitch, 80)
        else:
            sender.finish(*given_)


@given(DEEDS)
def test_every_note_ends_once_after_it_starts(deeds: list[Any]) -> None:
    sender, loop, said = sender_of()
    do(sender, deeds)
    sender.advance(100.0)
    messages = [message for _, message in loop.sent]
    struck = [deed for deed in deeds if deed[0] == "start"]
    if not struck:  # what ``start`` lets sound is ended by ``finish`` or ``quiet``
        assert not hanging(messages)
    sender.quiet()
    assert not hanging([message for _, message in loop.sent]) and not said
    times = [at for at, _ in loop.sent]
    assert times == sorted(times) and sender.next is None


@given(DEEDS, st.integers(0, 40))
def test_none_hangs_after_it_is_stopped_at_any_time(deeds: list[Any], tenths: int) -> None:
    sender, loop, _ = sender_of()
    do(sender, deeds)
    sender.advance(tenths / 10)
    sender.quiet()
    count = len(loop.sent)
    assert not hanging([message for _, message in loop.sent])
    assert sender.advance(100.0) and len(loop.sent) == count, "nothing comes after it"


@given(st.lists(st.tuples(TIMES, TIMES, st.sampled_from([60, 61])), max_size=12))
def test_notes_in_order_all_start_at_their_times(notes: list[tuple[float, float, int]]) -> None:
    sender, loop, _ = sender_of()
    for start, length, pitch in sorted(notes):
        sender.note(start, start + length, PIANO, pitch, 80)
    sender.advance(100.0)
    started = [(at, one.note) for at, one in loop.sent if one.type == "note_on"]
    assert sorted(started) == sorted((start, pitch) for start, _, pitch in notes)


def test_a_note_is_held_on_or_ended_by_the_next_of_its_pitch() -> None:
    sender, loop, _ = sender_of()
    sender.note(0, 1, PIANO, 60, 80)
    sender.hold("Piano", 3)
    sender.note(2, 4, PIANO, 60, 80)
    sender.hold("Bass", 9)
    sender.advance(10)
    found = [(at, one.type) for at, one in loop.sent]
    assert found == [(0, "program_change"), (0, "note_on"), (2, "note_off"), (2, "note_on"), (4, "note_off")]


def test_a_cut_ends_what_sounds_and_drops_what_comes_of_its_parts_alone() -> None:
    sender, loop, _ = sender_of()
    for part in (PIANO, BASS):
        sender.note(0, 4, part, 60, 80)
        sender.note(2, 3, part, 62, 80)
    sender.advance(1)
    sender.cut(1, ["Piano"])
    sender.advance(10)
    piano = [(at, one.type, one.note) for at, one in loop.sent if one.channel == 0 and one.type != "program_change"]
    assert piano == [(0, "note_on", 60), (1, "note_off", 60)]
    assert len([one for _, one in loop.sent if one.channel == 1 and one.type == "note_on"]) == 2


def test_a_program_is_sent_once_before_the_notes_that_use_it_and_drums_have_none() -> None:
    sender, loop, _ = sender_of()
    for place, part in enumerate([PIANO, PIANO, Part("Piano", 5), KIT]):
        sender.note(place, place + 1, part, 60, 80)
    sender.advance(10)
    found = [(at, one.type, one.channel) for at, one in loop.sent if one.type != "note_off"]
    assert found == [
        (0, "program_change", 0), (0, "note_on", 0), (1, "note_on", 0), (2, "program_change", 0), (2, "note_on", 0),
        (3, "note_on", 9),
    ]  # fmt: skip


def test_more_parts_than_channels_share_the_last_one() -> None:
    sender, _, _ = sender_of()
    channels = [sender.channel(Part(f"{number}", 0)) for number in range(20)]
    assert channels == [*CHANNELS, *[CHANNELS[-1]] * 5] and 9 not in channels


def test_velocities_stay_in_range() -> None:
    sender, loop, _ = sender_of()
    sender.note(0, 1, KIT, 36, 0)
    sender.note(0, 1, KIT, 38, 400)
    sender.advance(2)
    assert [one.velocity for _, one in loop.sent if one.type == "note_on"] == [1, 127]


class Broken:
    """An output that fails after some messages."""

    name = "cable"

    def __init__(self, after: int, error: Exception) -> None:
        self.after, self.error, self.sent, self.closed = after, error, list[mido.Message](), False

    def send(self, message: mido.Message) -> None:
        if len(self.sent) == self.after:
            raise self.error
        self.sent.append(message)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [OSError("unplugged"), RuntimeError("driver"), IndexError("tuple")])
def test_an_output_that_is_lost_is_left_out_and_the_others_go_on(error: Exception) -> None:
    clock, said = FastClock(), list[str]()
    loop, broken = Loop(clock), Broken(3, error)
    sender = Sender([broken, loop], clock, said.append)
    for beat in range(4):
        sender.note(beat, beat + 1, PIANO, 60, 80)
    sender.advance(10)
    sender.close()
    assert said == [f"the output cable is lost ({error}); the music goes on without it"] and broken.closed
    assert not hanging([message for _, message in loop.sent]) and len(broken.sent) == 3


def test_two_threads_that_lose_an_output_at_once_say_it_once() -> None:
    both = threading.Barrier(2)

    class Falls(Broken):
        def send(self, message: mido.Message) -> None:
            both.wait(5)
            raise OSError("gone")

    said, faults = list[str](), list[BaseException]()
    sender = Sender([Falls(0, OSError())], FastClock(), said.append)

    def send() -> None:
        try:
            sender.send(mido.Message("note_on"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and len(said) == 1 and not sender.outputs


def test_quiet_ends_all_of_each_channel_that_was_used() -> None:
    sender, loop, _ = sender_of()
    sender.note(0, 9, BASS, 40, 80)
    sender.start(PIANO, 60, 80)
    sender.advance(1)
    sender.quiet()
    last = [(one.channel, one.control) for _, one in loop.sent if one.type == "control_change"]
    assert last == [(channel, control) for channel in (0, 1, 9) for control in (ALL_NOTES_OFF, ALL_SOUND_OFF)]
    assert not hanging([message for _, message in loop.sent])


def test_it_counts_what_is_late() -> None:
    clock = Script()
    sender, _, _ = sender_of(clock)
    sender.note(1.0, 2.0, KIT, 36, 80)
    clock.wait(1.5, threading.Event())
    sender.advance(3.0)
    assert (sender.punctuality.sent, sender.punctuality.late) == (2, 1)
    assert sender.punctuality.worst == pytest.approx(0.5)


def test_a_stop_ends_every_wait() -> None:
    sender, loop, _ = sender_of()
    sender.note(5.0, 6.0, KIT, 36, 80)
    sender.woken.set()
    assert not sender.advance(10.0) and not loop.sent
