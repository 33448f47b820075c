"""Rendering: stems that add up to the mix, the mp3 of it, and that nobody else makes sound."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from conftest import smoke
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

import etude
from etude.audio.files import read_audio
from etude.audio.loudness import loudness_of
from etude.audio.render import render, write_sound

MIX = replace(
    smoke().mix, sample_rate=16000, loudness=-16.0, peak=-1.0, gain={"Bass": -2.0}, pan={"Bass": 0.3}, quality=0.2
)


def piece() -> ScoreTick:
    """Two seconds of two voices."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 60))
    for name, program, pitch in (("Soprano", 68, 72), ("Bass", 70, 48)):
        track = TrackTick(name, program)
        for onset in (0, 24):
            track.notes.append(NoteTick(onset, 24, pitch, 90))
        score.tracks.append(track)
    return score


def test_stems_add_up_to_a_mix_of_the_wanted_loudness() -> None:
    sound = render(piece(), MIX)
    assert list(sound.stems) == ["Soprano", "Bass"] and sound.mix.shape == (2, 3 * 16000)
    assert np.allclose(sum(sound.stems.values()), sound.mix, atol=1e-6)
    assert abs(loudness_of(sound.mix, 16000) + 16) < 0.1


def test_the_mp3_holds_the_mix_or_its_start(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.mp3", piece(), MIX)
    write_sound(tmp_path / "b.mp3", piece(), MIX)
    assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()
    sound, rate = read_audio(tmp_path / "a.mp3")
    assert rate == 16000 and sound.shape == (2, 3 * rate)
    write_sound(tmp_path / "c.mp3", piece(), MIX, seconds=1)
    assert read_audio(tmp_path / "c.mp3")[0].shape == (2, rate)


def test_no_other_file_synthesises() -> None:
    package = Path(etude.__file__).parent
    found = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        if re.search(r"import .*\bsynthesize\b|(?<!\")\bSynthesizer\b", file.read_text(encoding="utf-8"))
    }
    others = {"tasks/given_tracks.py", "live/sound.py"}  # among other tracks; bar by bar
    assert found == {"audio/synthesis.py", "audio/render.py", *others}
