"""The live engine: steered from the next bar on, late with a word, quiet at every end, and small for hours."""

import gc
import json
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mido
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import BAR, SECONDS, VOICES, Desk, Fails, Quarters, Script, Waits, hanging, tune, until

from etude.core.errors import EtudeError
from etude.live.bars import Bar, Note
from etude.live.clock import FastClock, RealClock
from etude.live.controls import Controls
from etude.live.engine import LEAD, SETTLE, punched
from etude.live.replay import replay
from etude.live.session import Recording, session_of
from etude.live.sounding import Part, Slot, Sound

START = SETTLE + LEAD  # of the first bar, by a clock that starts at 0


def again(recording: Recording, monkeypatch: pytest.MonkeyPatch, band: Any = None) -> Recording:
    """The session, kept as JSON and played again."""
    writer = Quarters()
    monkeypatch.setattr("etude.live.replay.writer_of", lambda loaded, seed: writer)
    session = session_of(json.loads(json.dumps(recording.as_json())), "here")
    loaded: Any = SimpleNamespace(trained={"sha256": {"model.safetensors": ""}})
    return replay(session, loaded, lambda _: band)


def loudness(desk: Desk) -> list[int]:
    """The velocity of each bar's notes: ten times the temperature that it was written for."""
    return [slot.bar.notes[0].velocity for slot in desk.recording.slots]


def paced(desk: Desk, bars: int, *more: tuple[float, Callable[[], object]]) -> list[tuple[float, Callable[[], object]]]:
    """What happens, and in the middle of each bar a look whether the next one is there."""
    looks: list[tuple[float, Callable[[], object]]] = [
        (START + SECONDS * (bar + 0.5), lambda: desk.engine.planner.ready(10)) for bar in range(bars)
    ]
    return sorted([*more, *looks], key=lambda one: one[0])


def test_bars_follow_each_other_in_time() -> None:
    desk = Desk(bars=3).run()
    found = sorted((at, pitch) for at, pitch, _ in desk.starts() if pitch >= 60)
    assert [round(at - SETTLE, 6) for at, _ in found] == [0.5 * beat for beat in range(12)]
    assert [pitch for _, pitch in found] == [n.pitch for s in desk.recording.slots for n in s.bar.notes if not n.voice]
    assert not hanging([one for _, one in desk.loop.sent]) and desk.engine.played == 6.0


def test_the_same_seed_gives_the_same_music_and_another_seed_another() -> None:
    first, same, other = (Desk(bars=6, seed=seed).run().recording.midi() for seed in (1, 1, 2))
    assert first == same != other
    assert Desk(bars=6, ahead=5).run().recording.midi() == first, "however far ahead it is written"


def test_a_change_is_heard_from_the_next_bar_on() -> None:
    clock = Script()
    desk = Desk(clock=clock, bars=5)
    clock.happens = paced(desk, 5, (START + 2.5, desk.set("temperature", "0.5")))
    desk.run()
    assert loudness(desk) == [10, 10, 5, 5, 5] and not any(slot.repeats for slot in desk.recording.slots)


def test_tempo_pitch_and_instrument_change_with_the_next_bar_line() -> None:
    clock = Script()
    desk = Desk(clock=clock, bars=3)
    changes = [desk.set("tempo", "60"), desk.set("transpose", "12"), desk.set("instruments", "Top:40")]
    clock.happens = paced(desk, 3, *[(START + 0.5, change) for change in changes])
    desk.run()
    top = sorted(at for at, pitch, _ in desk.starts() if pitch >= 60)
    assert [round(at - START, 6) for at in top] == [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]
    assert all(slot.bar.notes[0].velocity == 10 for slot in desk.recording.slots)
    programs = [(round(at - START, 6), one.program) for at, one in desk.loop.sent if one.type == "program_change"]
    assert sorted(programs) == [(0, 0), (0, 32), (2, 40)]


def test_with_a_slow_writer_the_bar_of_before_is_played_and_the_change_comes_a_bar_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writer, clock = Waits(2), Script()
    desk = Desk(writer, clock, bars=4)

    def catch_up() -> None:
        writer.may.release(99)
        assert desk.engine.planner.ready(10)

    clock.happens = [
        (START + 0.4, lambda: until(lambda: writer.started == 3)), (START + 0.5, desk.set("temperature", "0.5")),
        (START + 2.5, catch_up), *paced(desk, 4)[2:],
    ]  # fmt: skip
    desk.run()
    assert loudness(desk) == [10, 10, 5, 5] and not desk.said
    kept = desk.recording.as_json()["bars"]
    assert kept[1]["controls"]["temperature"] == 0.5 and kept[1]["written"]["temperature"] == 1.0
    assert again(desk.recording, monkeypatch).midi() == desk.recording.midi()


def test_a_late_writer_has_the_bar_repeated_said_kept_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, clock = Waits(2), Script()
    desk = Desk(writer, clock, bars=7)

    def late() -> None:
        writer.may.release()
        until(lambda: bool(desk.engine.planner.planned()))

    def fast() -> None:
        writer.may.release(99)
        assert desk.engine.planner.ready(10)

    starts = (START + 0.5, lambda: until(lambda: writer.started == 3))
    clock.happens = [starts, (START + 6.5, late), (START + 8.5, fast), *paced(desk, 7)[5:]]
    desk.run()
    repeats = [slot.repeats for slot in desk.recording.slots]
    assert repeats == [False, False, True, True, False, False, False]
    assert desk.said == [f"bar {bar} was not there in time: the one before is repeated" for bar in (3, 4)]
    assert desk.recording.slots[4].number == 2, "the late one takes the next place"
    kept = desk.recording.as_json()["bars"]
    assert kept[2]["repeats"] and kept[4]["for"] == 2
    assert again(desk.recording, monkeypatch).midi() == desk.recording.midi()
    assert not hanging([one for _, one in desk.loop.sent])


def test_controls_that_change_all_the_time_are_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, bars = Script(), 10
    desk = Desk(clock=clock, bars=bars)
    texts = [("temperature", "0.5"), ("mute", "Bass"), ("tempo", "200"), ("temperature", "1.5"), ("scale", "D minor"),
             ("transpose", "-7"), ("mute", "none"), ("instruments", "Bass:40"), ("tempo", "auto")]  # fmt: skip
    changes = [(START + 0.1 + 1.3 * place, desk.set(*text)) for place, text in enumerate(texts)]
    clock.happens = sorted(paced(desk, bars, *changes), key=lambda one: one[0])
    desk.run()
    assert len({slot.controls for slot in desk.recording.slots}) > 5
    assert again(desk.recording, monkeypatch).midi() == desk.recording.midi()


class Drums:
    """Plays along: a drum whose pitch is the bar's number."""

    def play(self, past: Sequence[Bar], bar: Bar, style: str, number: int) -> tuple[Sound, ...]:
        return (Sound(0, 12, 36 + number + len(past), 90, Part("kit", -1)),)


def test_a_style_is_played_kept_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Script()
    desk = Desk(clock=clock, bars=6, band=Drums())
    changes = [(START + 2.5, desk.set("style", "bossa")), (START + 8.5, desk.set("style", "none"))]
    clock.happens = paced(desk, 6, *changes)
    desk.run()
    assert [bool(slot.band) for slot in desk.recording.slots] == [False, False, True, True, True, False]
    assert any(one.channel == 9 for _, one in desk.loop.sent if one.type == "note_on")
    assert again(desk.recording, monkeypatch, Drums()).midi() == desk.recording.midi()
    assert not hanging([one for _, one in desk.loop.sent])


# --- who plays along


def test_what_is_played_on_the_channel_of_a_voice_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [(5.0, 6.0, 72), (6.0, 6.5, 74), (15.5, 17.0, 76)]  # bar 2 from its second beat on, bars 4 and 5
    desk = Desk(bars=6, source=tune(tmp_path / "a.mid", notes)).run()
    second = [note for note in desk.recording.slots[1].bar.notes if not note.voice]
    assert [note.pitch for note in second if note.onset >= 20] == [72, 74] and second[0].pitch < 72
    assert all(note.voice for note in desk.recording.slots[1].bar.notes if note.pitch == 36)
    assert desk.recording.slots[3].player and not desk.recording.slots[2].player
    assert [note[:3] for note in desk.recording.slots[3].bar.notes if note.pitch == 76] == [(82, 14, 76)]
    held = [note for note in desk.recording.score().tracks[0].notes if note.pitch == 76]
    assert [(note.time, note.end) for note in held] == [(3 * BAR + 82, 4 * BAR + 22)], "it is held over a bar line"
    assert [asked for asked, _ in desk.writer.asked].count(2) >= 1
    assert again(desk.recording, monkeypatch).midi() == desk.recording.midi()
    assert not hanging([one for _, one in desk.loop.sent])


@pytest.mark.parametrize("lead", [0.02, 0.3])
def test_no_note_of_the_player_is_lost_at_a_bar_line(lead: float, tmp_path: Path) -> None:
    """The next bar is taken before this one ends: what is played meanwhile is this one's."""

    class Sounds:
        def __init__(self) -> None:
            self.lead = lead

        def bar(self, *given_: Any) -> None:
            """Nothing is heard."""

        def close(self) -> None:
            """Nothing was."""

    quarters = [(beat / 8, beat / 8 + 0.1, 40 + beat % 60) for beat in range(1, 56)]
    clock = Script()
    desk = Desk(clock=clock, bars=4, source=tune(tmp_path / "a.mid", quarters, channel=5), listeners=[Sounds()])
    clock.happens = [(SETTLE + lead + SECONDS * (bar + 0.4), lambda: desk.engine.planner.ready(10)) for bar in range(4)]
    desk.run()
    heard = [note.pitch for slot in desk.recording.slots for note in slot.player]
    early = [pitch for start, _, pitch in quarters if start / 2 < SETTLE + lead - 0.01]  # before the first bar
    assert heard == [pitch for _, _, pitch in quarters][len(early) :]


def test_a_note_that_never_ends_keeps_nothing_else(tmp_path: Path) -> None:
    played = [(beat / 2, beat / 2 + 0.4, 70 + beat % 12) for beat in range(2, 700)]
    desk = Desk(bars=80, source=tune(tmp_path / "a.mid", [(0.5, 400.0, 60), *played], channel=5)).run()
    player = desk.engine.player
    assert player is not None and len(player.notes) < 64 * 8 + 20 and len(desk.engine._held) <= 64
    assert sum(len(slot.player) for slot in desk.recording.slots) > 600


def test_what_was_played_before_a_stop_is_kept(tmp_path: Path) -> None:
    clock = Script()
    desk = Desk(clock=clock, bars=9, source=tune(tmp_path / "a.mid", [(1.0, 2.0, 72)]))
    clock.happens = [(START + 1.5, desk.engine.stop)]
    desk.run()
    assert [note.pitch for note in desk.recording.slots[-1].player] == [72]


def test_a_channel_of_no_voice_leaves_the_bar_as_it_was() -> None:
    bar = Bar((Note(0, 96, 60, 80, 0),), tokens=(1, 2), holds=(0, 24))
    slot = Slot(bar, Controls(), Controls(), 0)
    assert punched(slot, (Note(0, 24, 70, 80, 15),), VOICES).bar is bar


NOTES = st.builds(Note, st.integers(0, BAR - 1), st.integers(1, 200), st.integers(0, 127), st.integers(1, 127),
                  st.integers(0, 3))  # fmt: skip


@given(st.lists(NOTES, max_size=8), st.lists(NOTES, max_size=8), st.tuples(st.integers(0, 96), st.integers(0, 96)))
def test_punched_keeps_what_nobody_has_taken(own: list[Note], played: list[Note], holds: tuple[int, int]) -> None:
    bar = Bar(tuple(sorted(note._replace(voice=note.voice % 2) for note in own)), holds=holds)
    slot = punched(Slot(bar, Controls(), Controls(), 0), tuple(sorted(played)), VOICES)
    assert slot.player == tuple(sorted(played)) and slot.bar.notes == tuple(sorted(slot.bar.notes))
    for voice in range(2):
        before = [note for note in bar.notes if note.voice == voice]
        after = [note for note in slot.bar.notes if note.voice == voice]
        taken = sorted(note for note in played if note.voice == voice)
        if not taken:
            assert after == before and slot.bar.holds[voice] == holds[voice], "holds of the others go on"
            continue
        since = taken[0].onset
        ends = [note._replace(length=min(note.length, BAR - note.onset)) for note in taken]
        assert [note for note in after if note.onset >= since] == sorted(ends), "the model knows it up to the bar line"
        assert all(note.onset + note.length <= since for note in after if note.onset < since)
        assert len([note for note in after if note.onset < since]) == len([n for n in before if n.onset < since])
        assert slot.bar.holds[voice] <= since


# --- its ends


@pytest.mark.parametrize(("seconds", "bars"), [(0.1, 1), (2.0, 1), (2.1, 2), (10.0, 5)])
def test_seconds_are_filled_with_whole_bars(seconds: float, bars: int) -> None:
    desk = Desk(bars=None, seconds=seconds).run()
    assert len(desk.recording.slots) == bars and desk.engine.played >= seconds
    assert not hanging([one for _, one in desk.loop.sent])


class Upbeat(Quarters):
    """Its first bar starts on the last half-beat but one."""

    def write(
        self, past: Sequence[Bar], controls: Controls, rng: np.random.Generator, opening: Bar | None = None
    ) -> Bar:
        bar = super().write(past, controls, rng, opening)
        return bar if past else Bar((Note(60, 36, 67, 80, 0),), BAR)


def test_the_first_notes_come_at_once() -> None:
    desk = Desk(Upbeat(), bars=2).run()
    times = [at for at, _, _ in desk.starts()]
    assert times[0] == pytest.approx(SETTLE + 0.25), "the rest of whole beats is left out"
    assert times[1] == pytest.approx(SETTLE + 1.0) and desk.engine.played == pytest.approx(3.0)


def test_a_stop_ends_all_notes_though_a_bar_is_being_written() -> None:
    writer, clock = Waits(2), Script()
    desk = Desk(writer, clock, bars=None)
    clock.happens = [(START + 0.7, lambda: until(lambda: writer.started == 3)), (START + 0.75, desk.engine.stop)]
    thread = threading.Thread(target=desk.engine.run)
    thread.start()
    until(lambda: any(one.type == "control_change" for _, one in desk.loop.sent))
    assert thread.is_alive(), "the writer has not ended"
    assert not hanging([one for _, one in desk.loop.sent])
    writer.may.release(9)
    thread.join(10)
    assert not thread.is_alive() and len(desk.recording.slots) == 1


@pytest.mark.parametrize("error", [EtudeError("key = H is none."), RuntimeError("no memory")])
def test_a_fault_of_the_writer_ends_all_notes(error: Exception) -> None:
    desk = Desk(Fails(3, error), bars=None)
    with pytest.raises(type(error)):
        desk.run()
    assert len(desk.recording.slots) >= 1 and not hanging([one for _, one in desk.loop.sent])
    assert desk.loop.sent[-1][1].type == "control_change" and not desk.engine.planner._thread.is_alive()


def test_the_music_goes_on_without_an_output_or_a_sound_that_fails() -> None:
    class Unplugged:
        name = "cable"

        def send(self, message: mido.Message) -> None:
            raise OSError("unplugged")

        def close(self) -> None:
            """It is gone."""

    class Full:
        lead = 0.0

        def bar(self, *given_: Any) -> None:
            raise RuntimeError("no space left")

        def close(self) -> None:
            raise AssertionError("it was left out")

    desk = Desk(bars=3, listeners=[Full()])
    desk.sender.outputs.append(Unplugged())
    desk.run()
    assert len(desk.recording.slots) == 3 and len(desk.starts()) == 15
    assert sorted(desk.said) == [
        "the output cable is lost (unplugged); the music goes on without it",
        "the sound is lost (no space left); the music goes on without it",
    ]


def test_a_stop_before_it_starts_plays_nothing() -> None:
    desk = Desk(bars=None)
    desk.engine.stop()
    desk.run()
    assert not desk.recording.slots and not desk.starts()


def test_threads_in_real_time() -> None:
    """A second of the real clock: notes come at their times, and a stop from another thread ends them at once."""
    desk = Desk(clock=RealClock(), bars=None)
    desk.console.set("tempo", "300")
    timer = threading.Timer(1.0, desk.engine.stop)
    timer.start()
    desk.run()
    timer.join()
    starts = [at for at, pitch, _ in desk.starts() if pitch >= 60]
    assert 3 <= len(starts) <= 6 and not hanging([one for _, one in desk.loop.sent])
    assert all(abs(later - earlier - 0.2) < 0.15 for earlier, later in pairwise(starts))


def test_two_thousand_bars_stay_small() -> None:
    Desk(Quarters(remembers=False), FastClock(), bars=50).run()
    desk = Desk(Quarters(remembers=False), FastClock(), bars=2000)
    desk.sender.outputs.clear()  # the loop keeps all that it is sent
    gc.collect()
    before = psutil.Process().memory_info().rss
    desk.run()
    grown = psutil.Process().memory_info().rss - before
    assert len(desk.recording.slots) == 2000 and grown < 20_000_000, f"{grown / 1e6:.1f} MB"
    assert not desk.sender._events and not desk.sender._sounding
