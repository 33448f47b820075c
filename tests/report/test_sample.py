"""A sample: four files, and a page that needs nothing else."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import smoke
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.audio.files import read_audio
from etude.report.sample import key_name, page, write_sample

MIX = replace(smoke().mix, sample_rate=16000, loudness=-16.0, peak=-3.0, gain={}, pan={"Bass": -0.5}, quality=0.2)


@pytest.fixture
def score() -> ScoreTick:
    """Four seconds of a scale in C over a C."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 120))
    for name, program, pitches in (("Soprano", 68, (72, 74, 76, 77, 79, 81, 83, 84)), ("Bass", 70, (48,) * 8)):
        track = TrackTick(name, program)
        for place, pitch in enumerate(pitches):
            track.notes.append(NoteTick(place * 24, 24, pitch, 90))
        score.tracks.append(track)
    return score


def test_four_files_twice_the_same(score: ScoreTick, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_sample(tmp_path / folder, "00", score, MIX, "Piece", seconds=2)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["00.html", "00.mid", "00.mp3", "00.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    sound, rate = read_audio(tmp_path / "a" / "00.mp3")
    assert sound.shape == (2, 2 * rate)
    assert ScoreTick.from_file(tmp_path / "a" / "00.mid").note_num() == 16
    html = (tmp_path / "a" / "00.html").read_text(encoding="utf-8")
    embedded = re.search(r'src="data:audio/mpeg;base64,([^"]+)"', html)
    assert embedded and base64.b64decode(embedded[1]) == (tmp_path / "a" / "00.mp3").read_bytes()
    assert "The first 2 seconds" in html


def test_page_is_self_contained_and_escaped(score: ScoreTick) -> None:
    score.tracks[0].name = "</script><b>"
    html = page(score, b"ID3", "A <script> & more")
    assert "A &lt;script&gt; &amp; more" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "http" not in html and "@import" not in html
    data = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)
    assert data
    shown = json.loads(data[1])
    assert shown["tracks"][0]["name"] == "</script><b>" and len(shown["tracks"][1]["notes"]) == 8
    assert "<dd>C major</dd>" in html and "<dd>16</dd>" in html and "The first" not in html


def test_empty_piece(tmp_path: Path) -> None:
    write_sample(tmp_path, "00", ScoreTick(24), MIX, "Nothing")
    sound, rate = read_audio(tmp_path / "00.mp3")
    assert sound.shape[1] >= rate and np.abs(sound).max() < 1e-4
    assert "unclear" in (tmp_path / "00.html").read_text(encoding="utf-8")
    assert key_name(ScoreTick(24)) == "unclear"
