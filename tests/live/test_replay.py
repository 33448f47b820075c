"""A session is played again to the same bytes: with trained models, for play, answers and styles."""

import json
from pathlib import Path
from typing import Any

import pytest
from live_music import hanging, tune

from etude.core.errors import EtudeError
from etude.live.answer import Answerer
from etude.live.band import StyleBand
from etude.live.clock import FastClock
from etude.live.controls import Console, Controls, Surface
from etude.live.engine import Bounds, Engine
from etude.live.player import Player
from etude.live.ports import Input, Loop
from etude.live.replay import harmony_of, replay
from etude.live.sender import Sender
from etude.live.session import ANSWER, PLAY, Recording, Replayed, session_of
from etude.live.writers import writer_of

PHRASE = [(0.0, 1.0, 67), (1.0, 2.0, 69), (2.0, 2.5, 71)]


def perform(loaded: Any, role: str, bars: int, source: Path | None, changes: dict[int, tuple[str, str]]) -> Recording:
    """A session under the fast clock; each change comes when so many bars have sounded."""
    clock, said = FastClock(), list[str]()
    writer = writer_of(loaded, 3)
    recording = Recording.of(loaded.name, loaded, writer, None, 3, role, "voices")
    console = Console(
        Surface(loaded.name, tuple(writer.voices), styles=("bossa",)), Controls(tempo=100, temperature=0.8)
    )
    loop = Loop(clock)
    sender = Sender([loop], clock, said.append)
    player = None if source is None else Player(Input(str(source), clock, said.append), console, said.append)
    if role == ANSWER:
        assert player is not None
        Answerer(writer, console, recording, sender, clock, player, said.append, Bounds(bars=bars)).run()
    else:

        class Changes:
            lead = 0.0

            def bar(self, *given: Any) -> None:
                if (change := changes.get(len(recording.slots))) is not None:
                    console.set(*change)

            def close(self) -> None:
                """The end."""

        band = StyleBand(writer.voices, writer.tempo, 3)
        Engine(
            writer, console, recording, sender, clock, [Changes()], band, 2, said.append, Bounds(bars=bars), player
        ).run()
    assert not hanging([one for _, one in loop.sent]) and len(recording.slots) == bars
    return recording


def again(recording: Recording, loaded: Any) -> Recording:
    session = session_of(json.loads(json.dumps(recording.as_json())), "here")
    return replay(session, loaded, lambda writer: StyleBand(writer.voices, writer.tempo, 3))


CHANGES = {1: ("style", "bossa"), 2: ("scale", "D minor"), 3: ("temperature", "1.2")}


@pytest.mark.parametrize(("name", "bars"), [("voices", 2), ("lstm", 4)])
def test_play_with_controls_a_style_and_a_player(
    name: str, bars: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    loaded = request.getfixturevalue(name)
    source = tune(tmp_path / "a.mid", [(2.0, 3.0, 67), (3.0, 4.5, 69), (9.0, 10.0, 72)])
    recording = perform(loaded, PLAY, bars, source, CHANGES)
    assert any(slot.band for slot in recording.slots) and any(slot.player for slot in recording.slots)
    assert len({slot.controls for slot in recording.slots}) >= min(3, bars)
    assert again(recording, loaded).midi() == recording.midi()


@pytest.mark.parametrize(("name", "bars"), [("voices", 2), ("lstm", 4)])
def test_answers(name: str, bars: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    loaded = request.getfixturevalue(name)
    source = tune(tmp_path / "a.mid", [*PHRASE, (9.6, 10.5, 60), (10.5, 11.4, 64)])
    recording = perform(loaded, ANSWER, bars, source, {})
    assert sum(slot.since is not None and slot.since < 96 for slot in recording.slots) >= bars / 2
    made = again(recording, loaded)
    assert made.midi() == recording.midi() and made.as_json() == recording.as_json()


def test_harmonies_by_name() -> None:
    assert next(iter(harmony_of("chords", None, 1).voices)) == "Melody"
    with pytest.raises(EtudeError, match="harmony=chords needs none"):
        harmony_of("voices", None, 1)


def test_an_empty_session_is_silence() -> None:
    nothing = Replayed("chords", "", 1, "accompany", "chords", (), "")
    assert replay(nothing, None, lambda writer: None).score().note_num() == 0
