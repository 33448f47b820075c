"""Controls: any text changes them or is refused with a sentence; they are kept as JSON and come back."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etude.core.errors import EtudeError
from etude.live.controls import ATTRIBUTES, CONTROLLERS, MOODS, WHAT, Console, Controls, Surface

FULL = Surface("conditional", ("Soprano", "Bass"), True, styles=("bossa", "swing"))
PLAIN = Surface("gan", ("Soprano", "Bass"), tilts=False)
VALID = {
    "tempo": ["90", "auto", "20", "300"], "temperature": ["0.1", "3", "1.5"], "top_p": ["0.05", "1"],
    "transpose": ["-24", "24", "0"],
    "instruments": ["5", "Bass:32,Soprano:0", "none"], "mute": ["Bass", "Bass, Soprano", "none"],
    "scale": ["D minor", "Bb", "any"], "style": ["bossa", "none"], "mood": [*MOODS, "any"],
    "key": ["F#m", "any"], "mode": ["minor", "any"], "density": ["high", "3.5"], "polyphony": ["low", "any"],
    "bottom": ["40"], "top": ["lowest"], "energy": ["0.5"], "brightness": ["highest"],
}  # fmt: skip


def test_every_control_has_its_values_here() -> None:
    assert set(VALID) == set(WHAT)
    assert set(FULL.names) == set(WHAT) and {*CONTROLLERS.values()} <= set(WHAT)
    assert len(FULL.help()) == len(WHAT)


@given(st.lists(st.sampled_from([(name, text) for name, texts in VALID.items() for text in texts]), max_size=12))
def test_controls_come_back_from_json(changes: list[tuple[str, str]]) -> None:
    controls = Controls()
    for name, text in changes:
        controls = FULL.change(controls, name, text)
    assert Controls.of_json(json.loads(json.dumps(controls.as_json()))) == controls


NAMES = st.sampled_from([*WHAT, "", "tempo ", "volume"])
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["nan", "inf", "-inf", "1e999", "9" * 5000, "Bass:", ":5", ",", "Bass:1:2", "٣", "Cb♭b", "C" * 600, "\0", "1_0"]
)


@given(NAMES, TEXTS)
def test_any_text_is_taken_or_refused_with_a_sentence(name: str, text: str) -> None:
    for surface in (FULL, PLAIN):
        try:
            changed = surface.change(Controls(), name, text)
        except EtudeError as error:
            assert str(error).endswith((".", "any.")) and len(str(error)) < 1000
        else:
            assert Controls.of_json(changed.as_json()) == changed


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("volume", "1", 'There is no control "volume"'),
        ("tempo", "301", "tempo = 301 must be a number from 20 to 300."),
        ("tempo", "nan", "tempo = nan must be"),
        ("transpose", "1.5", "transpose = 1.5 must be a whole number from -24 to 24."),
        ("instruments", "Bas:3", 'instruments: there is no voice "Bas". Did you mean "Bass"'),
        ("instruments", ":5", 'instruments: there is no voice ""'),
        ("instruments", "128", "instruments = 128 must be a whole number from 0 to 127."),
        ("mute", "Tenor", 'mute: there is no voice "Tenor"'),
        ("scale", "H major", "scale = H major must be a key, as D minor"),
        ("key", "x" * 400, f"key = {'x' * 40} must be a key"),
        ("style", "boss", 'There is no style "boss". Did you mean "bossa"'),
        ("mood", "angry", "mood = angry must be happy"),
        ("mode", "dorian", "mode = dorian must be major or minor"),
        ("energy", "2", "energy = 2 must be a number from 0 to 1."),
    ],
)
def test_what_is_out_of_range_is_named(name: str, text: str, words: str) -> None:
    with pytest.raises(EtudeError) as refused:
        FULL.change(Controls(), name, text)
    assert words in str(refused.value)


def test_a_model_takes_no_more_than_it_can() -> None:
    for name in ("scale", "style", "mood", *ATTRIBUTES):
        with pytest.raises(EtudeError, match=f"gan takes no {name}"):
            PLAIN.change(Controls(), name, "any")


def test_open_words_take_a_request_back() -> None:
    controls = Controls(90.0, scale="D minor", mute=("Bass",), style="bossa", instruments=(("Bass", 3),))
    controls = FULL.change(controls, "mood", "happy")
    assert dict(controls.attributes) == {"energy": "high", "brightness": "high"}
    for name, text in (("tempo", "auto"), ("scale", "any"), ("mute", "none"), ("style", ""), ("instruments", "none")):
        controls = FULL.change(controls, name, text)
    assert FULL.change(controls, "mood", "any") == Controls()


def test_only_what_changes_the_writing_has_bars_written_again() -> None:
    controls = Controls()
    for name in ("tempo", "transpose", "instruments", "mute"):
        assert FULL.change(controls, name, VALID[name][0]).written() == controls.written()
    for name in ("temperature", "top_p", "scale", "style", "key"):
        assert FULL.change(controls, name, VALID[name][0]).written() != controls.written()


def test_a_key_and_a_mode_that_do_not_fit_are_refused_one_after_the_other() -> None:
    minor = FULL.change(Controls(), "key", "D minor")
    assert FULL.change(minor, "mode", "minor").attributes == (("key", "D minor"), ("mode", "minor"))
    with pytest.raises(EtudeError, match="key = D minor and mode = major do not fit"):
        FULL.change(minor, "mode", "major")
    major = FULL.change(Controls(), "mode", "major")
    with pytest.raises(EtudeError, match="do not fit"):
        FULL.change(major, "key", "F#m")


def test_the_state_is_told_as_it_is_set() -> None:
    controls = Controls(tempo=90, mute=("Bass", "Soprano"), instruments=(("Bass", 32), ("Soprano", 40)))
    told = dict(pair.split("=") for pair in controls.as_text().split(" "))
    made = Controls()
    for name, text in told.items():
        made = FULL.change(made, name, text)
    assert made == controls and told["mute"] == "Bass,Soprano"


@pytest.mark.parametrize("name", sorted({*CONTROLLERS.values()}))
def test_a_controller_reaches_every_value_within_range(name: str) -> None:
    found = [FULL.turn(Controls(), name, value) for value in (-5, 0, 64, 127, 999)]
    assert found[0] == found[1] and found[3] == found[4] and len(set(found)) >= 2
    assert PLAIN.turn(Controls(), "density", 5) == Controls()


@pytest.mark.parametrize(
    "plain",
    [
        {"tempo": "fast"}, {"tempo": 0}, {"tempo": float("nan")}, {"temperature": None}, {"temperature": [1]},
        {"transpose": 1.5}, {"transpose": 400}, {"instruments": {"Bass": "piano"}}, {"instruments": {"Bass": 128}},
        {"instruments": ["Bass"]}, {"mute": 5}, {"mute": [5]}, {"mute": "Bass"}, {"scale": 5}, {"scale": "H"},
        {"style": 1}, {"style": "../../secret"}, {"key": "H"}, {"key": 3}, {"mode": "dorian"}, {"density": "many"},
        {"energy": 2},
        {"key": "D minor", "mode": "major"},
        {"density": True}, {"volume": 3}, [], "x", None,
    ],
)  # fmt: skip
def test_what_no_control_gives_is_no_control(plain: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        Controls.of_json(plain)


def test_threads_set_controls_and_no_change_is_lost() -> None:
    console, calls = Console(FULL), []
    console.watch(lambda: calls.append(1))
    console.set("tempo", "90")
    console.set("tempo", "90")
    assert console.version == 1 and len(calls) == 2
    before = console.controls
    with pytest.raises(EtudeError):
        console.set("tempo", "fast")
    assert console.controls is before

    def work(voice: str) -> None:
        for program in range(100):
            console.set("instruments", f"{voice}:{program}")

    threads = [threading.Thread(target=work, args=(voice,)) for voice in FULL.voices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert console.controls == replace(before, instruments=(("Bass", 99), ("Soprano", 99)))
    assert console.version == 201
