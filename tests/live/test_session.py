"""A session as JSON: what a recording gives comes back, and anything else is refused with a sentence."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_music import BAR, VOICES, Desk

from etude.core.errors import EtudeError
from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.session import KIND, Recording, Replayed, check_same, past_of, read_session, session_of
from etude.live.sounding import Slot

GOOD: dict[str, Any] = {
    "kind": KIND, "model": "lstm", "weights": "ab", "seed": 3, "role": "play", "midi": "cd",
    "bars": [{"controls": {"tempo": 90.0}}, {"repeats": True, "known": 1}, {"for": 1, "player": [[0, 24, 60, 80, 15]]}],
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-300, 300) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BAR_KEYS = ("controls", "written", "for", "known", "repeats", "player", "since", "ends", "melody", "late")
BARS = st.lists(JSON | st.dictionaries(st.sampled_from(BAR_KEYS), JSON, max_size=4), max_size=3)


def refused(plain: Any) -> bool:
    try:
        assert isinstance(session_of(plain, "s.json"), Replayed)
    except EtudeError as error:
        assert str(error).startswith("s.json is ") and len(str(error)) < 400
        return True
    return False


@settings(max_examples=50)
@given(JSON)
def test_any_json_is_a_session_or_refused(plain: Any) -> None:
    assert refused(plain)


@settings(max_examples=50)
@given(st.sampled_from([*GOOD, "harmony"]), JSON)
def test_any_value_of_a_key_is_taken_or_refused(key: str, value: Any) -> None:
    refused({**GOOD, key: value})


@settings(max_examples=50)
@given(BARS)
def test_any_bars_are_taken_or_refused(bars: list[Any]) -> None:
    refused({**GOOD, "bars": bars})


@pytest.mark.parametrize(
    "bar",
    [
        {"controls": {"tempo": 0}}, {"controls": {"style": "../../x"}}, {"written": {"scale": "H"}}, {"for": 7},
        {"known": -1}, {"known": True}, {"player": [[0, 0, 60, 80, 0]]}, {"player": [[0, 1, 200, 80, 0]]},
        {"player": 5}, {"player": [[0, 1]]}, {"since": -1}, {"ends": 1.5}, {"melody": [-3]}, {"melody": [60] * 17},
        {"late": ["x"]}, 7, None,
    ],
)  # fmt: skip
def test_a_bar_that_none_has_played_is_refused(bar: Any) -> None:
    assert refused({**GOOD, "bars": [bar]})


def test_what_a_recording_gives_comes_back() -> None:
    controls = Controls(tempo=90.0, mute=("Bass",), attributes=(("key", "D minor"),))
    first = Slot(Bar((Note(0, 24, 60, 80, 0),)), controls, Controls(), 0)
    second = Slot(first.bar, controls, controls, 0, 1, player=(Note(1, 2, 3, 4, 5),), since=48, ends=72, late=(60,))
    third = Slot(first.bar, controls, controls, 2, repeats=True)
    recording = Recording("lstm", "ab", 7, "answer", dict(VOICES), 120.0, slots=[first, second, third])
    session = session_of(json.loads(json.dumps(recording.as_json())), "here")
    assert (session.model, session.weights, session.seed, session.role) == ("lstm", "ab", 7, "answer")
    one, two, three = session.bars
    assert (one.controls, one.written, one.number, one.repeats) == (controls, Controls(), 0, False)
    assert (two.written, two.number, two.known, two.since, two.ends, two.late) == (controls, 0, 1, 48, 72, (60,))
    assert two.player == second.player and three.repeats and three.number == 2


def test_a_file_is_written_whole_and_read(tmp_path: Path) -> None:
    desk = Desk(bars=3).run()
    place = tmp_path / "s.json"
    desk.recording.write(place)
    first = place.read_bytes()
    desk.recording.write(place)
    assert place.read_bytes() == first and [file.name for file in tmp_path.iterdir()] == ["s.json"]
    assert len(read_session(place).bars) == 3 and b"\\u" not in first and str(tmp_path).encode() not in first


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"kind": ' + b"9" * 6000 + b"}", b"MThd\0\0\0\6", b"null"]
)
def test_a_damaged_file_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(data)
    for place in ("s.json", "none.json", "."):
        with pytest.raises(EtudeError):
            read_session(tmp_path / place)


def test_a_session_that_is_saved_while_it_plays_is_of_one_moment() -> None:
    """The digest is that of the bars that it lists, though bars are added meanwhile."""
    recording, done = Recording("x", "", 1, voices=dict(VOICES)), threading.Event()
    bar = Bar((Note(0, 24, 60, 80, 0),), BAR)

    def play() -> None:
        while not done.is_set() and len(recording.slots) < 3000:
            recording.slots.append(Slot(bar, Controls(), Controls(), len(recording.slots)))

    thread = threading.Thread(target=play)
    thread.start()
    saved = [recording.as_json() for _ in range(20)]
    done.set()
    thread.join()
    slots = recording.slots
    for one in saved:
        recording.slots = slots[: len(one["bars"])]
        assert recording.as_json()["midi"] == one["midi"]


def test_other_weights_are_named() -> None:
    session = session_of({**GOOD, "weights": "a" * 64}, "s.json")
    assert check_same(session, {"sha256": {"model.safetensors": "a" * 64}}, "s.json") is None
    said = check_same(session, {"sha256": {"model.safetensors": "b" * 64}}, "s.json")
    assert said is not None and "aaaaaaaaaaaa, here bbbbbbbbbbbb" in said


def test_the_past_is_what_was_heard_then_what_was_written() -> None:
    heard = [Slot(Bar((), length), Controls(), Controls(), 0) for length in (1, 2, 3)]
    plain = [Bar((), length) for length in (11, 12, 13)]
    assert [bar.length for bar in past_of(heard, plain, 3, 2)] == [1, 2, 13]
    assert [bar.length for bar in past_of(heard, plain, 1, 1)] == [1]
