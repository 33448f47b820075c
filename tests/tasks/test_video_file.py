"""A video of one's own piece: any score, its own sound, the same bytes, mistakes in sentences."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from conftest import smoke
from symusic.core import ControlChangeTick, ScoreTick
from video.pieces import band, line

from etude.artifacts.context import Session
from etude.cli.main import run_command
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.core.signals import ended_by_signals
from etude.tasks import video_file
from etude.tasks.requests import DEFAULTS, VideoFile, take_request
from etude.tasks.video_file import Filmed
from etude.video import encode
from etude.video.sound import Sound, sound_of

SETTINGS = replace(smoke(), mix=replace(smoke().mix, sample_rate=48000))


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a piece, in which the test works."""
    monkeypatch.chdir(tmp_path)
    band().dump_midi(tmp_path / "song.mid")
    return tmp_path


def film(**asked: Any) -> Filmed:
    own = {"input": "song.mid", "output": "song.mp4", "width": 160, "height": 90, "fps": 10, "seconds": 1.0, **asked}
    return video_file.video_file(SETTINGS, Session(progress=False), VideoFile(**own))


def about(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {key.lower(): value for key, value in container.metadata.items()}


def test_a_piece_becomes_a_video_that_says_what_it_is_made_of(there: Path) -> None:
    found = film()
    assert str(found).startswith("wrote song.mp4 (0:01, 160x90 at 10 frames a second, 0.")
    said = about(there / "song.mp4")
    assert (said["title"], said["artist"]) == ("song", "etude video")
    assert said["comment"].startswith("song.mid; -14 LUFS; reverb seed ") and str(there) not in said["comment"]
    film(output="b.webm", title="Mine", composer="Me", view="score", colours="tracks")
    said = about(there / "b.webm")
    assert (said["title"], said["artist"]) == ("Mine", "Me")


def test_the_same_piece_gives_the_same_bytes(there: Path) -> None:
    for view in ("roll", "score"):
        made = [film(output=f"{name}.mp4", view=view).place.read_bytes() for name in "ab"]
        assert made[0] == made[1]
        for name in "ab":
            (there / f"{name}.mp4").unlink()


def test_other_formats_and_a_sound_of_ones_own(there: Path) -> None:
    (there / "tune.abc").write_text("X:1\nT:One\nM:4/4\nL:1/4\nK:D\nDEFG|A4|\n\nX:2\nT:Two\nM:4/4\nL:1/4\nK:G\nG4|\n")
    film(input="tune.abc", tune=2, output="a.mp4")
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100 * 3) / 44100)
    soundfile.write("mix.wav", wave, 44100)
    found = film(sound="mix.wav", seconds=None, output="b.mp4")
    assert found.seconds == 5, "the piece is longer than the sound"
    soundfile.write("mix.wav", np.tile(wave, 3), 44100)
    assert film(sound="mix.wav", seconds=None, output="c.mp4").seconds == 9, "until the longer has ended"
    assert about(there / "c.mp4")["comment"].startswith("song.mid; mix.wav; ")


def test_the_title_is_the_one_that_a_file_states(there: Path) -> None:
    (there / "a.abc").write_text("X:1\nT:The Rose\nC:Trad.\nM:4/4\nL:1/4\nK:D\nDEFG|A4|\n")
    film(input="a.abc", output="a.mp4")
    assert (about(there / "a.mp4")["title"], about(there / "a.mp4")["artist"]) == ("The Rose", "Trad.")
    film(input="a.abc", output="b.mp4", title="Mine", composer="Me")
    assert (about(there / "b.mp4")["title"], about(there / "b.mp4")["artist"]) == ("Mine", "Me")


def test_what_a_piece_states_of_its_sound_counts(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = band()
    score.tracks[0].controls.append(ControlChangeTick(0, 10, 1))
    score.dump_midi(there / "panned.mid")
    asked: list[Mix] = []

    def keep(score: ScoreTick, mix: Mix, start: float, seconds: float | None) -> Sound:
        asked.append(mix)
        return sound_of(score, mix, start, seconds)

    monkeypatch.setattr(video_file, "sound_of", keep)
    film(input="panned.mid")
    assert asked[0].pan["Piano"] == -1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"input": None}, r"input names no file\. Give one, as in: etude video input=song\.mid output=song\.mp4"),
        ({"output": None}, r"output names no file"),
        ({"input": "nope.mid"}, r"input = nope\.mid is no file"),
        ({"input": "."}, r"input = \. is a folder"),
        ({"input": "damaged.mid"}, r"damaged\.mid cannot be read: "),
        ({"input": "empty.mid"}, r"input = empty\.mid: it has no notes to show"),
        ({"input": "drums.mid", "view": "score"}, r"input = drums\.mid: it has no notes but drums.* view=roll"),
        ({"input": f"{'x' * 300}.mid"}, r"input = x{60}…: file name too long\. Name another file"),
        ({"output": f"{'x' * 300}.mp4"}, r"output = x{60}…: file name too long\. Name another file"),
        ({"output": f"{'x' * 245}.mp4"}, r"output = x{60}…: file name too long"),
        ({"output": "song.avi"}, r"output = song\.avi must end in \.mp4 or \.webm"),
        ({"output": "there.mp4"}, r"there\.mp4 exists\. Name another file, or replace it with overwrite=true"),
        ({"output": "no/song.mp4"}, r"the folder no does not exist"),
        ({"width": 161}, r"width = 161 must be even, as 160 or 162"),
        ({"height": 91}, r"height = 91 must be even"),
        ({"start": 60.0}, r"input = song\.mid: start = 60 is after its end at 5\.0 seconds"),
        ({"sound": "nope.wav"}, r"sound = nope\.wav is no file"),
        ({"sound": "."}, r"sound = \. is a folder"),
        ({"sound": "noise.wav"}, r"sound: noise\.wav ends in \.wav, but holds no sound"),
        ({"input": "long.mid", "seconds": None}, r"lasts 3[0-9]\.\d minutes, and a video 30 at most.* seconds=1800"),
    ],
)
def test_mistakes_are_sentences_and_leave_nothing(there: Path, asked: dict[str, Any], message: str) -> None:
    (there / "damaged.mid").write_bytes((there / "song.mid").read_bytes()[:40])
    ScoreTick(24).dump_midi(there / "empty.mid")
    (there / "there.mp4").write_bytes(b"x")
    (there / "noise.wav").write_bytes(b"nothing" * 9)
    drums, late = band(), line(60, 62)
    drums.tracks = type(drums.tracks)([drums.tracks[2]])
    drums.dump_midi(there / "drums.mid")
    late.tracks[0].notes[1].time = 24 * 2 * 60 * 31
    late.dump_midi(there / "long.mid")
    before = sorted(file.name for file in there.iterdir())
    if asked.get("input") == "long.mid":
        soundfile.write("short.wav", np.zeros(100), 48000)
        before = sorted([*before, "short.wav"])
        asked = {**asked, "sound": "short.wav"}
    with pytest.raises(EtudeError, match=message):
        film(**asked)
    assert sorted(file.name for file in there.iterdir()) == before


def test_a_piece_that_is_too_long_is_refused_before_it_is_rendered(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = line(60, 62)
    late.tracks[0].notes[1].time = 24 * 2 * 60 * 31
    late.dump_midi(there / "long.mid")
    monkeypatch.setattr(video_file, "sound_of", lambda *_: pytest.fail("rendered"))
    for asked, message in (({"seconds": None}, r"lasts 31\.\d minutes"), ({"start": 1900.0}, r"start = 1900 is after")):
        with pytest.raises(EtudeError, match=message):
            film(input="long.mid", **asked)


def test_a_part_has_the_loudness_and_the_sound_of_its_place(there: Path) -> None:
    piece = line(60)
    piece.tracks[0].notes[0].time = 24 * 2 * 40  # at 40 seconds, and nothing before
    piece.dump_midi(there / "late.mid")
    film(input="late.mid", output="late.mp4", start=38.0, seconds=4.0)
    with av.open(str(there / "late.mp4")) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    assert np.flatnonzero(np.abs(sound).max(axis=0) > 0.01)[0] / 48000 == pytest.approx(2.0, abs=0.03)


def test_sigterm_ends_the_command_as_ctrl_c_does(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("it goes on")

    monkeypatch.setattr(encode, "_give", slow)
    before = sorted(file.name for file in there.iterdir())
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
        run_command(["video", "input=song.mid", "output=song.mp4", "width=160", "height=90", "session.progress=false"])
    assert sorted(file.name for file in there.iterdir()) == before


def test_drums_alone_are_shown_in_a_roll(there: Path) -> None:
    drums = band()
    drums.tracks = type(drums.tracks)([drums.tracks[2]])
    drums.dump_midi(there / "drums.mid")
    assert film(input="drums.mid").place.is_file()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("width", 100, r"width = 100 is out of range: it must be between 160 and 3840"),
        ("fps", 300, r"fps = 300 is out of range: it must be between 10 and 60"),
        ("seconds", -1.0, r"seconds = -1\.0 is out of range"),
        ("view", "stairs", r"view = stairs is not known.*roll, score"),
        ("colours", "pink", r"colours = pink is not known.*harmony, tracks"),
    ],
)
def test_values_out_of_range_name_their_key(key: str, value: object, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        take_request("video", {**DEFAULTS, key: value})


def test_the_command_writes_a_video(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["video", "input=song.mid", "output=song.mp4", "width=160", "height=90", "fps=10", "seconds=1"]
    run_command([*given, "title=A title, with commas", "session.progress=false"])
    assert capsys.readouterr().out.startswith("etude: video wrote song.mp4 (0:01, 160x90 at 10 frames a second, ")
    assert about(there / "song.mp4")["title"] == "A title, with commas"
