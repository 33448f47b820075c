"""What somebody plays: notes as they are held, controllers, and what is sent on, all of which ends."""

from collections import deque
from typing import Any

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_music import hanging

from etude.live.controls import Console, Surface
from etude.live.player import CHANNEL, Player


class Given:
    """An input of messages with times."""

    def __init__(self, messages: list[tuple[float, mido.Message]] | None = None, is_live: bool = True) -> None:
        self.messages, self.is_live, self.at_once, self.closed = deque(messages or []), is_live, None, False

    def take(self, until: float) -> list[tuple[float, mido.Message]]:
        found = []
        while self.messages and self.messages[0][0] <= until:
            found.append(self.messages.popleft())
        return found

    def close(self) -> None:
        self.closed = True


def on(pitch: int, channel: int = 0, velocity: int = 80) -> mido.Message:
    return mido.Message("note_on", note=pitch, channel=channel, velocity=velocity)


def off(pitch: int, channel: int = 0) -> mido.Message:
    return mido.Message("note_off", note=pitch, channel=channel)


def player_of(source: Any, echo: Any = None) -> tuple[Player, list[str]]:
    said: list[str] = []
    return Player(source, Console(Surface("voices", ("Top", "Bass"))), said.append, echo), said


def test_notes_have_their_times_and_lengths() -> None:
    player, _ = player_of(Given([(1.0, on(60)), (1.5, on(62, 3)), (2.0, off(60)), (2.5, on(62, 3, 0)), (3.0, on(64))]))
    assert player.listen(1.2) and player.listen(1.6) and not player.listen(2.6) and player.listen(3.0)
    notes = player.within(1.0, 0.01, 300, 3.5)
    assert [(one.onset, one.length, one.pitch, one.voice) for one in notes] == [
        (0, 100, 60, 0), (50, 100, 62, 3), (200, 50, 64, 0),
    ]  # fmt: skip
    player.forget(2.2)
    assert [note.pitch for note in player.notes] == [62, 64], "what sounds, or has ended later"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([60, 61]), st.integers(0, 1), st.integers(0, 2)), max_size=20))
def test_every_note_has_a_length_and_nothing_is_held_that_has_ended(deeds: list[tuple[bool, int, int, int]]) -> None:
    at, messages = 0.0, []
    for starts, pitch, channel, later in deeds:
        at += later / 10
        messages.append((at, on(pitch, channel) if starts else off(pitch, channel)))
    player, _ = player_of(Given(messages))
    player.listen(at)
    assert len(player.notes) == sum(starts for starts, *_ in deeds)
    assert [note.number for note in player.notes] == list(range(len(player.notes)))
    assert all(note.length >= 1 for note in player.within(0, 0.02, 10**6, at))
    still = {}
    for starts, pitch, channel, _ in deeds:
        still[channel, pitch] = starts
    assert set(player.held) == {key for key, sounds in still.items() if sounds}
    player.close()
    assert not player.held


@pytest.mark.parametrize("is_live", [True, False])
def test_what_is_played_is_sent_on_and_ended(is_live: bool) -> None:
    sent: list[mido.Message] = []
    source = Given([(0.0, on(60)), (0.5, off(60)), (1.0, on(62)), (1.0, mido.Message("pitchwheel"))], is_live)
    player, _ = player_of(source, sent.append)
    assert (source.at_once is not None) == is_live, "what comes from somebody is heard as soon as it is there"
    if source.at_once is not None:
        for _, message in source.messages:
            source.at_once(message)
    else:
        player.listen(2.0)
    assert [(one.type, one.channel) for one in sent] == [
        ("note_on", CHANNEL), ("note_off", CHANNEL), ("note_on", CHANNEL),
    ]  # fmt: skip
    player.close()
    assert source.closed and not hanging(sent)
    player.listen(9.0)
    if source.at_once is not None:
        source.at_once(on(70))
    assert not hanging(sent), "nothing is sent on after the end"


def test_controllers_set_controls_and_others_nothing() -> None:
    wheel = [
        mido.Message("control_change", control=number, value=value) for number, value in ((1, 127), (16, 0), (7, 3))
    ]
    player, said = player_of(Given([(0.0, one) for one in wheel]))
    assert not player.listen(1.0) and not said
    assert (player.console.controls.temperature, player.console.controls.tempo) == (1.6, 40)
