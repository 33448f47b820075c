"""Volume and pan of tracks: there and back, the first note decides, what somebody sets holds."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import smoke
from hypothesis import given
from hypothesis import strategies as st
from symusic.core import ControlChangeTick, NoteTick, ScoreTick, TrackTick

from etude.audio.controllers import MOST, PAN, VOLUME, as_stated, gain_of, pan_of, state, volume_of
from etude.audio.mixing import NONE
from etude.audio.synthesis import soundfont, synthesize

MIX = replace(smoke().mix, gain={"Bass": -1.0}, pan={"Bass": 0.5})


def piece(*controls: tuple[int, int, int], name: str = "Bass", first: int = 24) -> ScoreTick:
    score, track = ScoreTick(24), TrackTick(name, 33)
    track.notes.append(NoteTick(first, 24, 40, 90))
    for time, number, value in controls:
        track.controls.append(ControlChangeTick(time, number, value))
    score.tracks.append(track)
    return score


def test_the_formulas_of_general_midi() -> None:
    assert gain_of(100) == 0 and gain_of(127) - gain_of(64) == pytest.approx(40 * np.log10(127 / 64))
    assert gain_of(0) == NONE and volume_of(NONE) == 0 and volume_of(60.0) == MOST
    assert [pan_of(value) for value in (0, 1, 64, 127)] == [-1, -1, 0, 1]


@given(st.floats(-24, 12), st.floats(-24, 12), st.floats(-1, 1))
def test_gains_and_pans_come_back_from_the_file(one: float, other: float, pan: float) -> None:
    both = piece(name="Bass")
    both.tracks.append(piece(name="Flute").tracks[0])
    stated = state(both, replace(MIX, gain={"Bass": one, "Flute": other}, pan={"Flute": pan}))
    back = as_stated(ScoreTick.from_midi(stated.dumps_midi()), MIX, {})
    assert back.gain["Bass"] - back.gain["Flute"] == pytest.approx(one - other, abs=2.0 if one * other < -100 else 1.2)
    assert back.pan["Flute"] == pytest.approx(pan, abs=0.5 / 63 + 1e-9) and back.pan["Bass"] == 0
    assert max(back.gain["Bass"], back.gain["Flute"]) <= gain_of(MOST)
    assert not len(both.tracks[0].controls), "the piece stays as it is"


def test_usual_gains_come_back_within_a_tenth_of_a_decibel() -> None:
    for gain in np.arange(-6, 4.1, 0.5):
        assert gain_of(volume_of(float(gain))) == pytest.approx(gain, abs=0.13)


def test_what_holds_at_the_first_note_counts() -> None:
    assert as_stated(piece(), MIX, {}) == MIX, "nothing is stated"
    found = as_stated(piece((0, VOLUME, 127), (24, VOLUME, 50), (30, VOLUME, 120), (48, PAN, 0)), MIX, {})
    assert found.gain["Bass"] == gain_of(50) and found.pan["Bass"] == 0.5
    fades_in = as_stated(piece((0, VOLUME, 0), (30, VOLUME, 60), (40, VOLUME, 90)), MIX, {})
    assert fades_in.gain["Bass"] == gain_of(90), "a track that fades in is heard"
    assert as_stated(piece((0, VOLUME, 0)), MIX, {}).gain["Bass"] == NONE


def test_what_somebody_sets_holds() -> None:
    stated = piece((0, VOLUME, 50), (0, PAN, 127))
    found = as_stated(stated, replace(MIX, gain={"Bass": -3.0}), {"gain": {"Bass": -3.0}})
    assert found.gain["Bass"] == -3.0 and found.pan["Bass"] == 1.0


def test_the_synthesizer_applies_neither() -> None:
    font = soundfont()
    plain = synthesize(piece(), 16000, font)["Bass"]
    for number in (VOLUME, PAN):
        assert np.array_equal(plain, synthesize(piece((0, number, 20)), 16000, font)["Bass"]), "it would count twice"
