"""Call and response: an answer comes after each phrase, as long as it, and stops when the player has the word."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import BAR, VOICES, Fails, Quarters, Script, Waits, hanging, tune, until

from etude.live.answer import GRID, Answerer, answered, heard, start_of_answer, with_answer
from etude.live.bars import TICKS, Bar, Note
from etude.live.clock import Clock, FastClock
from etude.live.controls import Console, Controls, Surface
from etude.live.engine import ENDLESS, SETTLE, Bounds
from etude.live.player import Player
from etude.live.ports import Input, Loop
from etude.live.replay import replay
from etude.live.sender import Sender
from etude.live.session import ANSWER, Recording, session_of
from etude.live.sounding import Slot, sounds_of

NOTES = st.builds(Note, st.integers(0, BAR - 1), st.integers(1, 200), st.integers(0, 127), st.integers(1, 127),
                  st.integers(0, 15))  # fmt: skip


@given(st.lists(NOTES, max_size=10))
def test_what_is_heard_is_one_line_on_the_grid(played: list[Note]) -> None:
    bar = heard(sorted(played))
    assert bar.tokens is None and bar.length == BAR and bar.notes == heard(sorted(played, reverse=True)).notes
    for note in bar.notes:
        assert not note.onset % GRID and note.onset < BAR and note.length >= GRID and not note.voice
        assert note.onset + note.length <= BAR or not (note.onset + note.length) % GRID
    for note, after in zip(bar.notes, bar.notes[1:], strict=False):
        assert note.onset + note.length <= after.onset
    onsets = {round(note.onset / GRID) * GRID for note in played}
    assert {note.onset for note in bar.notes} == {onset for onset in onsets if onset < BAR}
    for note in bar.notes:
        chord = [one.pitch for one in played if round(one.onset / GRID) * GRID == note.onset]
        assert note.pitch == max(chord), "the highest of a chord"


@given(st.integers(-4 * BAR, 4 * BAR))
def test_an_answer_starts_half_a_beat_to_a_beat_after_the_phrase(ended: int) -> None:
    start = start_of_answer(ended)
    assert TICKS / 2 <= start - ended <= TICKS and not start % (TICKS // 2)
    if any(not tick % TICKS for tick in range(ended + TICKS // 2, ended + TICKS + 1)):
        assert not start % TICKS, "on a beat where there is one"


@given(
    st.lists(NOTES, max_size=6), st.lists(NOTES.map(lambda note: note._replace(voice=note.voice % 2)), max_size=6),
    st.integers(0, BAR), st.none() | st.integers(0, BAR), st.integers(0, BAR),
)  # fmt: skip
def test_the_answer_is_between_its_ends_and_the_player_before_and_after(
    played: list[Note], own: list[Note], since: int, ends: int | None, late: int
) -> None:
    given_ = tuple(sorted(played))
    ends = None if ends is None else max(ends, since)
    slot = with_answer(given_, Controls(), Controls(), 3, Bar(tuple(sorted(own))), since, ends, late)
    stop = BAR if ends is None else ends
    assert slot.player == given_ and slot.bar.notes == tuple(sorted(slot.bar.notes)) and slot.number == 3
    answer = sorted(note for note in own if max(since, late) <= note.onset < stop)
    others = [note for note in heard(given_).notes if not since <= note.onset < stop]
    assert len(slot.bar.notes) == len(answer) + len(others)
    if ends is not None:
        inside = [note for note in slot.bar.notes if since <= note.onset < stop]
        assert all(note.onset + note.length <= ends for note in inside)
    sounding = [(one.onset, one.pitch) for one in sounds_of(slot, VOICES)]
    assert sorted(sounding) == sorted((note.onset, note.pitch) for note in answer), "the player's notes are not doubled"


def test_a_bar_without_an_answer_is_what_was_played() -> None:
    played = (Note(1, 20, 60, 80, 3),)
    slot = answered(played, Controls(), 2, None, None, None, 0)
    assert slot.since == BAR and slot.bar == heard(played) and not sounds_of(slot, VOICES)


def test_the_key_is_that_of_all_that_was_played(tmp_path: Path) -> None:
    first = [67, 71, 74, 71, 72, 69, 66, 67]  # G major
    second = [72, 71, 69, 66, 67]  # alone it is taken for D major
    notes = [(place, place + 1, pitch) for place, pitch in enumerate(first)]
    notes += [(20 + place, 21 + place, pitch) for place, pitch in enumerate(second)]
    call = Call(tune(tmp_path / "a.mid", [(float(a), float(b), pitch) for a, b, pitch in notes])).run()
    scales = [slot.written.scale for slot in call.recording.slots if slot.since is not None and slot.since < BAR]
    assert len(call.answerer.answers) == 2 and set(scales) == {"G major"}


class Call:
    """An answerer with all that it needs."""

    def __init__(
        self,
        source: Path,
        writer: Any = None,
        clock: Clock | None = None,
        bounds: Bounds = ENDLESS,
        tempo: float = 120.0,
    ) -> None:
        self.clock = FastClock() if clock is None else clock
        self.said: list[str] = []
        self.console = Console(Surface("quarters", tuple(VOICES)), Controls(tempo=tempo))
        self.recording = Recording("quarters", "", 1, ANSWER, dict(VOICES), tempo)
        self.loop = Loop(self.clock)
        self.player = Player(Input(str(source), self.clock, self.said.append), self.console, self.said.append)
        made: Any = writer or Quarters()
        self.answerer = Answerer(
            made, self.console, self.recording, Sender([self.loop], self.clock, self.said.append),
            self.clock, self.player, self.said.append, bounds,
        )  # fmt: skip

    def run(self) -> "Call":
        self.answerer.run()
        assert not hanging([one for _, one in self.loop.sent])
        assert not self.answerer.drafts._thread.is_alive()
        return self

    def starts(self) -> list[float]:
        return [at for at, one in self.loop.sent if one.type == "note_on"]


def again(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr("etude.live.replay.writer_of", lambda loaded, seed: Quarters())
    session = session_of(json.loads(json.dumps(recording.as_json())), "here")
    loaded: Any = SimpleNamespace(trained={"sha256": {"model.safetensors": ""}})
    return replay(session, loaded, lambda _: None).midi()


PHRASE = [(0.0, 1.0, 67), (1.0, 2.0, 69), (2.0, 3.0, 71)]


def test_a_phrase_is_answered_in_time_at_its_length_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call(tune(tmp_path / "a.mid", PHRASE)).run()
    ((ended, started),) = call.answerer.answers
    assert ended == pytest.approx(SETTLE + 1.5, abs=0.01) and 0.25 <= started - ended + 0.01 <= 0.51
    top = [slot for slot in call.recording.slots if slot.since != BAR]
    assert top[0].since == 0 and top[0].ends == BAR and top[0].number == 1, "three beats are answered by a bar"
    assert call.recording.midi() == again(call.recording, monkeypatch) and not call.said


def test_two_phrases_have_two_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = [(start + 10.3, end + 10.1, pitch) for start, end, pitch in PHRASE]
    call = Call(tune(tmp_path / "a.mid", [*PHRASE, *later])).run()
    assert len(call.answerer.answers) == 2
    assert all(0.24 <= started - ended <= 0.52 for ended, started in call.answerer.answers)
    assert call.recording.midi() == again(call.recording, monkeypatch)


def test_an_answer_of_a_long_phrase_has_four_bars_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [(float(beat), beat + 0.9, 60 + beat % 12) for beat in range(30)]
    call = Call(tune(tmp_path / "a.mid", long)).run()
    ((ended, _),) = call.answerer.answers
    after = [at for at in call.starts() if at > ended]
    assert 6.0 < after[-1] - after[0] < 8.0 and len(call.recording.slots) <= 13
    assert call.recording.midi() == again(call.recording, monkeypatch)


@pytest.mark.parametrize("at", [4.0, 4.02, 5.3, 7.99, 8.0])
def test_who_plays_again_has_the_word(at: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(tune(tmp_path / "a.mid", [*PHRASE, (at, at + 3, 72)])).run()
    again_at = SETTLE + at / 2
    while_playing = [one for one in call.starts() if again_at + 0.005 < one < again_at + 1.5]
    assert not while_playing and len(call.answerer.answers) == 2
    assert call.recording.midi() == again(call.recording, monkeypatch)


def test_the_tempo_may_change_and_no_note_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = [(float(beat), beat + 0.5, 60 + beat % 7) for beat in range(0, 24, 2)]
    long = [(24.0, 60.0, 72)]
    clock = Script()
    call = Call(tune(tmp_path / "a.mid", [*notes, *long]), clock=clock, tempo=60)
    clock.happens = [(12.5, lambda: call.console.set("tempo", "300"))]

    def wait(draft: Any, wait_: bool) -> Any:
        return take(draft, True)

    take = call.answerer.drafts.take
    monkeypatch.setattr(call.answerer.drafts, "take", wait)
    call.run()
    played = [note.pitch for slot in call.recording.slots for note in slot.player]
    assert played == [pitch for _, _, pitch in [*notes, *long]]
    assert call.recording.midi() == again(call.recording, monkeypatch)


def test_an_answer_that_is_late_is_said_and_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, clock = Waits(), Script()
    phrase = [(0.0, 0.5, 67), (0.5, 1.0, 69)]  # answered on the second beat of the same bar
    call = Call(tune(tmp_path / "a.mid", phrase), writer, clock, Bounds(bars=4))

    def permit(at: float) -> tuple[float, Callable[[], object]]:
        def one() -> None:
            before = call.answerer.drafts._made
            writer.may.release()
            until(lambda: call.answerer.drafts._made is not before)

        return (at, one)

    first = (SETTLE + 0.8, lambda: until(lambda: writer.started == 1))
    clock.happens = [first, permit(SETTLE + 1.1), permit(SETTLE + 1.2), (SETTLE + 2.9, lambda: writer.may.release(99))]
    call.run()
    assert writer.done >= 2 and len(call.answerer.answers) == 1
    assert any("it starts a beat later" in said for said in call.said)
    assert call.recording.midi() == again(call.recording, monkeypatch)


def test_a_stop_and_a_fault_end_all_notes(tmp_path: Path) -> None:
    file = tune(tmp_path / "a.mid", PHRASE)
    clock = Script()
    call = Call(file, clock=clock)
    clock.happens = [(SETTLE + 2.6, call.answerer.stop)]
    call.run()
    assert len(call.recording.slots) == 2
    broken = Call(file, Fails(1, RuntimeError("no memory")))
    with pytest.raises(RuntimeError, match="no memory"):
        broken.run()
    assert not hanging([one for _, one in broken.loop.sent]) and not broken.answerer.drafts._thread.is_alive()


def test_it_ends_as_asked(tmp_path: Path) -> None:
    file = tune(tmp_path / "a.mid", PHRASE)
    assert len(Call(file, bounds=Bounds(bars=1)).run().recording.slots) == 1
    assert len(Call(file, bounds=Bounds(seconds=5.0)).run().recording.slots) == 3
    assert len(Call(file, bounds=Bounds(seconds=0.5)).run().recording.slots) == 1


def test_a_slot_of_what_was_played_alone_sounds_nothing() -> None:
    slot = Slot(heard((Note(0, 24, 60, 80, 0),)), Controls(), Controls(), 0, since=BAR)
    assert not sounds_of(slot, VOICES)
