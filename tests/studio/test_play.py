"""The tab Play without a browser: what its socket takes and refuses, and sessions that give the same music again."""

import json
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from studio.served import Studio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from etude.studio.play import MOST

PATIENCE = 60.0


@contextmanager
def playing(studio: Studio, page: str = "page1", **headers: str) -> Iterator[ClientConnection]:
    address = f"ws://127.0.0.1:{studio.port}/ws/play?page={page}&token={studio.token}"
    with connect(address, additional_headers=headers, max_size=2**24, open_timeout=10) as socket:
        yield socket


def receive(socket: ClientConnection, *types: str) -> dict[str, Any]:
    """The next message of one of some types; a bar has its sound under ``sound``."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        data = socket.recv(timeout=PATIENCE)
        if isinstance(data, bytes):
            (size,) = struct.unpack(">I", data[:4])
            message = {**json.loads(data[4 : 4 + size]), "sound": data[4 + size :]}
        else:
            message = json.loads(data)
        if message["type"] in types:
            return message
    raise AssertionError(f"no {types} came")


def send(socket: ClientConnection, **message: Any) -> None:
    socket.send(json.dumps(message))


def start(socket: ClientConnection, **asked: Any) -> dict[str, Any]:
    send(socket, type="start", **{"model": "lstm_attention", "seed": 3, **asked})
    return receive(socket, "started", "refused")


def test_bars_come_with_their_sound_a_change_is_heard_and_the_session_gives_the_same_music_again(
    studio: Studio,
) -> None:
    with playing(studio) as socket:
        made = start(socket, controls={"tempo": "200"})
        assert made["type"] == "started" and "transpose" in made["controls"] and made["state"]["tempo"] == 200
        first = receive(socket, "bar")
        assert first["number"] == 0 and first["rate"] == studio.models.settings.mix.sample_rate
        assert len(first["sound"]) % 4 == 0 and any(first["sound"])
        second = receive(socket, "bar")
        assert second["start"] == pytest.approx(first["seconds"]) and second["planned"]
        send(socket, type="set", name="transpose", value="7")
        assert receive(socket, "state")["state"]["transpose"] == 7
        later = [receive(socket, "bar") for _ in range(2)]
        assert later[-1]["controls"]["transpose"] == 7
        send(socket, type="stop")
        session = receive(socket, "ended")["session"]
    recipe = {"task": "play", "session": session}
    kept = studio.ask("/api/file", {"recipe": recipe, "kind": "midi", "title": "a"}).content
    playing_of = studio.app.state.playing
    playing_of.forget()
    again = studio.ask("/api/file", {"recipe": recipe, "kind": "midi", "title": "a"}).content
    assert kept == again and kept.startswith(b"MThd")
    described = studio.make(recipe)
    assert described["differs"] is None and described["candidates"][0]["piece"]["tracks"]
    other = {**session, "weights": "0" * 64}
    assert "other weights" in studio.make({"task": "play", "session": other})["differs"]


def test_a_session_is_known_by_all_that_it_says_and_has_a_longest_sound(studio: Studio) -> None:
    with playing(studio) as socket:
        start(socket, controls={"tempo": "300"})
        receive(socket, "bar")
        send(socket, type="stop")
        session = receive(socket, "ended")["session"]

    def midi(bars: int) -> Any:
        own = {**session, "bars": session["bars"][:1] + [{"repeats": True}] * bars}
        return studio.ask("/api/file", {"recipe": {"task": "play", "session": own}, "kind": "midi", "title": "a"})

    lengths = [len(midi(bars).content) for bars in (1, 3)]
    assert lengths[0] < lengths[1], "a changed session with the old digest is another one"
    own = {**session, "bars": session["bars"][:1] + [{"repeats": True}] * 2000}
    for path, more in (
        ("/api/sound", {}),
        ("/api/score", {"width": 900}),
        ("/api/file", {"kind": "mp3", "title": "a"}),
    ):
        answer = studio.ask(path, {"recipe": {"task": "play", "session": own}, **more})
        assert answer.status_code == 422 and "minutes" in answer.json()["detail"], path
    style = {**session, "bars": [{"controls": {"style": "zzz"}}]}
    answer = studio.ask("/api/make", {"task": "play", "session": style})
    assert answer.status_code == 422 and 'no style "zzz"' in answer.json()["detail"]


def test_a_player_is_accompanied_note_by_note(studio: Studio) -> None:
    with playing(studio) as socket:
        assert start(socket, role="accompany", harmony="chords", model="")["type"] == "started"
        line = receive(socket, "line")
        assert line["beats"] == 4 and line["beat"] > 0
        send(socket, type="midi", data=[0x90, 72, 90])
        chord = [receive(socket, "note") for _ in range(3)]
        assert all(note["on"] for note in chord) and {note["pitch"] % 12 for note in chord} == {0, 7}
        send(socket, type="midi", data=[0x80, 72, 0])
        send(socket, type="stop")
        assert receive(socket, "ended")["session"]["role"] == "accompany"


def test_what_is_no_message_is_refused_and_the_music_goes_on(studio: Studio) -> None:
    with playing(studio) as socket:
        start(socket)
        wrong = [
            "{", "[]", '"set"', "null", '{"type": 3}', '{"type": "dance"}', "x" * 5000, '{"type": "set"}',
            '{"type": "set", "name": "tempo", "value": 3}', '{"type": "set", "name": "tempo", "value": "nan"}',
            '{"type": "set", "name": "density", "value": "high"}', '{"type": "midi", "data": [999]}',
            '{"type": "midi", "data": []}', "[" * 2000,
        ]  # fmt: skip
        for text in wrong:
            socket.send(text)
            assert receive(socket, "refused")["text"]
        socket.send(b"\x00\xff")
        assert receive(socket, "refused")
        assert receive(socket, "bar")["notes"] is not None


def test_a_flood_of_midi_does_not_stop_the_music(studio: Studio) -> None:
    with playing(studio) as socket:
        start(socket, controls={"tempo": "200"})
        receive(socket, "bar")
        for place in range(5000):
            socket.send(json.dumps({"type": "midi", "data": [0x90, place % 128, 64]}))
        numbers = [receive(socket, "bar")["number"] for _ in range(3)]
        assert numbers == sorted(numbers)


def test_a_start_that_cannot_be_is_a_sentence(studio: Studio) -> None:
    with playing(studio) as socket:
        wrong: tuple[dict[str, Any], ...] = (
            {"model": "nobody"}, {"role": "dance"}, {"seed": -1}, {"controls": {"tempo": "9000"}}, {"controls": []},
            {"role": "accompany", "harmony": "voices"}, {"controls": {"key": "D minor"}},
            {"role": "accompany", "harmony": "zz"},
        )  # fmt: skip
        for asked in wrong:
            answer = start(socket, **asked)
            assert answer["type"] == "refused" and len(answer["text"]) > 10, asked


def test_only_so_many_pages_play_at_a_time_and_one_that_goes_away_leaves_its_place(studio: Studio) -> None:
    while studio.app.state.playing.count:  # of the tests before
        time.sleep(0.05)
    with playing(studio, "last") as last:
        sockets = []
        try:
            for place in range(MOST):
                context = playing(studio, f"page{place}")
                sockets.append((context, context.__enter__()))
                assert start(sockets[-1][1])["type"] == "started"
            assert "already" in start(last)["text"]
        finally:
            for context, _ in sockets:
                context.__exit__(None, None, None)
        end = time.monotonic() + PATIENCE
        while start(last)["type"] == "refused":
            assert time.monotonic() < end


def test_the_socket_needs_the_token_and_its_own_origin(studio: Studio) -> None:
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{studio.port}/ws/play?page=a"):
        pass
    with pytest.raises(InvalidStatus), playing(studio, Origin="http://evil.example"):
        pass
    with pytest.raises(ConnectionClosed), playing(studio, page="../x") as socket:
        socket.recv(timeout=5)
