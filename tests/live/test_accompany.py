"""Accompany me: a step a sixteenth, notes in the first half of a step at once, late steps held; all replayed."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from live_music import Script, hanging, tune

from etude.live.accompany import SILENCE, Accompanist
from etude.live.bars import Bar, Note
from etude.live.chords import Chords
from etude.live.clock import Clock, FastClock
from etude.live.controls import Console, Controls, Surface
from etude.live.engine import ENDLESS, SETTLE, Bounds
from etude.live.harmony import HOLD_ON, SILENT, Harmony
from etude.live.player import Player
from etude.live.ports import Input, Loop
from etude.live.replay import harmony_of, replay
from etude.live.sender import Sender
from etude.live.session import ACCOMPANY, CHORDS, Recording, session_of

STEP = 0.125  # seconds at 120 BPM
TUNE = [(0.0, 1.0, 60), (1.0, 1.5, 62), (1.5, 2.0, 64), (2.0, 4.0, 67), (4.0, 5.0, 65), (5.0, 7.5, 64), (8.0, 9.0, 62)]


class Follows:
    """Plays an octave below what it hears, and keeps what it was asked."""

    def __init__(self) -> None:
        self.voices = {"Melody": 0, "Low": 32}
        self.asked: list[tuple[int, int, bool]] = []
        self.skipped: list[int] = []
        self.cells: list[int] = []

    def open(self, past: list[Bar], controls: Controls, number: int) -> None:
        self.cells = []

    def step(self, frame: int, cell: int, again: bool) -> list[int]:
        if again:
            self.cells.pop()
        self.asked.append((frame, cell, again))
        self.cells.append(cell - 12 if cell >= 0 else cell)
        return [self.cells[-1]]

    def skip(self, frame: int, cell: int) -> None:
        self.skipped.append(frame)
        self.cells.append(HOLD_ON)

    def end(self) -> Bar:
        starts = [(6 * frame, cell) for frame, cell in enumerate(self.cells) if cell >= 0]
        return Bar(tuple(Note(at, 6, cell, 70, 1) for at, cell in starts))


class Stage:
    def __init__(
        self, source: Path, harmony: Harmony, clock: Clock | None = None, bounds: Bounds = ENDLESS, kind: str = "chords"
    ) -> None:
        self.clock = FastClock() if clock is None else clock
        self.said: list[str] = []
        self.console = Console(Surface("chords", tuple(harmony.voices)), Controls(tempo=120.0))
        self.recording = Recording("chords", "", 1, ACCOMPANY, dict(harmony.voices), 120.0, kind)
        self.loop = Loop(self.clock)
        self.player = Player(Input(str(source), self.clock, self.said.append), self.console, self.said.append)
        self.accompanist = Accompanist(
            harmony, self.console, self.recording, Sender([self.loop], self.clock, self.said.append), self.clock,
            self.player, self.said.append, bounds,
        )  # fmt: skip

    def run(self) -> "Stage":
        self.accompanist.run()
        assert not hanging([one for _, one in self.loop.sent])
        return self

    def again(self, loaded: Any = None) -> bytes:
        session = session_of(json.loads(json.dumps(self.recording.as_json())), "here")
        return replay(session, loaded, lambda _: None).midi()


def test_each_note_is_followed_within_its_step(tmp_path: Path) -> None:
    harmony = Follows()
    stage = Stage(tune(tmp_path / "a.mid", TUNE), harmony).run()
    played = [(at, one.note) for at, one in stage.loop.sent if one.type == "note_on"]
    assert [pitch for _, pitch in played] == [pitch - 12 for _, _, pitch in TUNE]
    wanted = [SETTLE + start / 2 for start, _, _ in TUNE]
    assert all(-0.001 <= at - start <= 0.01 for (at, _), start in zip(played, wanted, strict=True))
    assert stage.accompanist.late == 0 and len(stage.accompanist.answered) >= len(TUNE)


def test_a_note_in_the_second_half_of_a_step_is_of_the_next(tmp_path: Path) -> None:
    quarters = STEP * 2
    notes = [(2 * quarters + 0.3 * quarters, 2.5, 60), (12 * quarters + 0.7 * quarters, 4.5, 64)]
    harmony = Follows()
    Stage(tune(tmp_path / "a.mid", notes), harmony, bounds=Bounds(bars=2)).run()
    starts = [(frame, cell, again) for frame, cell, again in harmony.asked if cell >= 0]
    assert starts == [(2, 60, True), (13, 64, False)]


def test_every_downbeat_is_heard_for_many_bars(tmp_path: Path) -> None:
    """Notes are forgotten at bar lines; those that come at the line are new ones."""
    notes = [(beat / 2, beat / 2 + 0.4, 60 + beat % 12) for beat in range(8 * 24)]
    harmony = Follows()
    stage = Stage(tune(tmp_path / "a.mid", notes), harmony).run()
    cells = [cell for slot in stage.recording.slots for cell in slot.melody if cell >= 0]
    assert cells == [pitch for _, _, pitch in notes]
    assert len(stage.player.notes) < 40, "what is over is forgotten"


def test_after_a_silence_the_harmony_is_silent_too(tmp_path: Path) -> None:
    harmony = Follows()
    Stage(tune(tmp_path / "a.mid", [(0, 1, 60), (6, 6.5, 62)]), harmony, bounds=Bounds(bars=2)).run()
    cells = [cell for _, cell, _ in harmony.asked]
    assert cells[0] == 60 and cells[1 : 4 + SILENCE] == [HOLD_ON] * (3 + SILENCE)
    assert cells[4 + SILENCE] == SILENT and cells.count(SILENT) >= 8


@pytest.mark.parametrize(("bounds", "bars"), [(Bounds(bars=2), 2), (Bounds(seconds=2.5), 2), (ENDLESS, 3)])
def test_it_ends_as_asked(bounds: Bounds, bars: int, tmp_path: Path) -> None:
    assert len(Stage(tune(tmp_path / "a.mid", TUNE), Follows(), bounds=bounds).run().recording.slots) == bars


def test_a_stop_in_a_bar_keeps_it_and_ends_all_notes(tmp_path: Path) -> None:
    clock = Script()
    stage = Stage(tune(tmp_path / "a.mid", TUNE), Chords(), clock)
    clock.happens = [(SETTLE + 2.6, stage.accompanist.stop)]
    stage.run()
    assert len(stage.recording.slots) == 2 and 0 < len(stage.recording.slots[1].melody) < 16
    assert stage.again() == stage.recording.midi()


def test_a_fault_of_the_harmony_ends_all_notes(tmp_path: Path) -> None:
    class Breaks(Follows):
        def step(self, frame: int, cell: int, again: bool) -> list[int]:
            if len(self.asked) == 5:
                raise RuntimeError("no memory")
            return super().step(frame, cell, again)

    stage = Stage(tune(tmp_path / "a.mid", TUNE), Breaks())
    with pytest.raises(RuntimeError, match="no memory"):
        stage.run()
    assert stage.loop.sent and not hanging([one for _, one in stage.loop.sent])


class Tardy(Chords):
    """A harmony that takes half a second for one step."""

    def __init__(self, clock: Script) -> None:
        super().__init__()
        self.clock, self.steps = clock, 0

    def step(self, frame: int, cell: int, again: bool) -> list[int]:
        self.steps += 1
        if self.steps in (10, 30):
            self.clock._now += 0.5
        return super().step(frame, cell, again)


def test_a_late_step_is_held_said_kept_and_replayed(tmp_path: Path) -> None:
    clock = Script()
    stage = Stage(tune(tmp_path / "a.mid", TUNE), Tardy(clock), clock).run()
    lates = [slot.late for slot in stage.recording.slots]
    assert any(lates) and stage.accompanist.late >= 4 and "the harmony was late" in stage.said[0]
    assert stage.again() == stage.recording.midi()


def test_chords_with_controls_that_change_are_replayed(tmp_path: Path) -> None:
    clock = Script()
    stage = Stage(tune(tmp_path / "a.mid", TUNE), Chords(), clock)
    changes = [("transpose", "5"), ("tempo", "90"), ("scale", "D minor"), ("mute", "Low"), ("instruments", "High:40")]
    clock.happens = [(0.5 + 0.7 * place, partial(stage.console.set, *one)) for place, one in enumerate(changes)]
    stage.run()
    assert len({slot.controls for slot in stage.recording.slots}) > 1
    assert stage.again() == stage.recording.midi()


def test_voices_are_replayed_with_notes_that_come_late(voices: Any, tmp_path: Path) -> None:
    from etude.live.writers import writer_of

    harmony = harmony_of("voices", writer_of(voices, 1), 1)
    late = [(start + 0.07, end, pitch + 7) for start, end, pitch in TUNE[:4]]  # in the first half of their steps
    stage = Stage(tune(tmp_path / "a.mid", late), harmony, kind="voices")
    stage.recording.weights = str(voices.trained["sha256"]["model.safetensors"])
    stage.run()
    assert any(slot.bar.notes for slot in stage.recording.slots) and stage.recording.harmony != CHORDS
    assert stage.again(voices) == stage.recording.midi()
