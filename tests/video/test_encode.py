"""Files: the same bytes twice, picture and sound in time, the index in front, nothing left after a failure."""

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from video.pieces import RATE, SMALL, band, line, silence

from etude.audio.files import Tags
from etude.core.errors import EtudeError
from etude.video import encode
from etude.video.encode import write_video
from etude.video.film import Words
from etude.video.piece import Shooting, film_of, shoot

SIZE = (160, 90)


def frames(count: int, bright_from: int = 10**6) -> Iterator[NDArray[np.uint8]]:
    """Dark frames, and bright ones from a number on."""
    for number in range(count):
        frame = np.full((135, 160), 128, np.uint8)
        frame[:90] = 200 if number >= bright_from else 30
        yield frame


def decode(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """The times of frames, their mean luma, and the sound, (samples,), from time 0 on."""
    with av.open(str(path)) as container:
        shown = [
            (float(frame.time or 0), frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)
        ]
    sound = np.zeros(RATE * 60, np.float32)
    end = 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            start = round(float(frame.time or 0) * RATE)
            part = frame.to_ndarray()[0] if frame.format.is_planar else frame.to_ndarray()[0][::2]
            sound[max(0, start) : start + len(part)] = part[max(0, -start) :]
            end = max(end, start + len(part))
    times, luma = np.array(shown).T
    return times, luma, sound[:end]


@pytest.mark.parametrize("ending", encode.ENDINGS)
def test_picture_and_sound_are_in_time(ending: str, tmp_path: Path) -> None:
    click = silence(2)
    click[:, RATE : RATE + 400] = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(400) / RATE)
    path = tmp_path / f"click{ending}"
    write_video(path, frames(60, bright_from=30), SIZE, 30, click)
    times, luma, sound = decode(path)
    assert len(times) == 60 and np.abs(times - np.arange(60) / 30).max() < 0.002
    seen = times[np.argmax(luma > 110)]
    heard = int(np.argmax(np.abs(sound) > 0.3)) / RATE
    assert abs(seen - 1) < 0.002 and abs(heard - 1) < 0.004
    assert len(sound) >= 2 * RATE - 10, "no sound is lost at the end"


@pytest.mark.parametrize("ending", encode.ENDINGS)
def test_a_note_is_seen_when_it_is_heard(ending: str, tmp_path: Path) -> None:
    score = line(60, 72, quarters=2)  # the second starts after one second
    sound = silence(2)
    sound[:, RATE:] = 0.5 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    path, how = tmp_path / f"note{ending}", Shooting(width=320, height=180, fps=30)
    shoot(path, score, sound, RATE, how, Words())
    film = film_of(score, sound, RATE, how, Words())
    boxes, layout = film.strip.boxes, film.strip.layout
    y, x = layout.head + int(boxes.top[1] + boxes.bottom[1]) // 2, layout.playhead + 8
    levels = []
    for number in (29, 40):  # to come, and lit
        film.draw(number)
        levels.append(int(film.frame.luma[y, x]))
    assert levels[1] > levels[0] + 15
    with av.open(str(path)) as container:
        seen = [frame.to_ndarray(format="yuv420p")[y, x] for frame in container.decode(video=0)]
    lit = next(place for place, level in enumerate(seen) if level > sum(levels) / 2) / 30
    heard = int(np.argmax(np.abs(decode(path)[2]) > 0.2)) / RATE
    assert abs(lit - heard) <= 1 / 30


@pytest.mark.parametrize("ending", encode.ENDINGS)
def test_the_same_bytes_twice_and_tags(ending: str, tmp_path: Path) -> None:
    tags = Tags("Ode — an die Freude", "L. v. B.", "seed 3")
    noise = np.random.default_rng(1).normal(0, 0.1, (2, RATE)).astype(np.float32)
    for name in "ab":
        shoot(tmp_path / f"{name}{ending}", band(), noise, RATE, SMALL, Words("x"), tags)
    first, second = ((tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert first == second and str(tmp_path).encode() not in first
    with av.open(str(tmp_path / f"a{ending}")) as container:
        said = {key.lower(): value for key, value in container.metadata.items()}
        assert (said["title"], said["artist"], said["comment"]) == (tags.title, tags.artist, tags.comment)
        assert "creation_time" not in said and [one.type for one in container.streams] == ["video", "audio"]
        video: Any = container.streams.video[0].codec_context
        assert (video.width, video.height, video.pix_fmt) == (160, 90, "yuv420p")
        assert container.streams.audio[0].codec_context.sample_rate == RATE


@pytest.mark.parametrize("ending", encode.ENDINGS)
def test_the_bytes_do_not_depend_on_the_number_of_cores(ending: str, tmp_path: Path) -> None:
    cores = os.sched_getaffinity(0)
    made = []
    try:
        for own in (cores, {min(cores)}):
            os.sched_setaffinity(0, own)
            shoot(tmp_path / f"a{ending}", band(), silence(1), RATE, replace(SMALL, width=640, height=360), Words())
            made.append((tmp_path / f"a{ending}").read_bytes())
    finally:
        os.sched_setaffinity(0, cores)
    assert made[0] == made[1]


def test_an_mp4_has_its_index_in_front(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(10), SIZE, 10, silence(1))
    made = (tmp_path / "a.mp4").read_bytes()
    assert made.index(b"moov") < made.index(b"mdat")


def test_an_unfinished_file_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> Iterator[NDArray[np.uint8]]:
        yield from frames(5)
        raise KeyboardInterrupt

    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        write_video(path, stopped(), SIZE, 10, silence(1))
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"] and path.read_bytes() == b"before"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encode, "_give", full)
    with pytest.raises(EtudeError, match=r"a\.mp4 cannot be written: the disk is full\. Free some space"):
        write_video(tmp_path / "a.mp4", frames(10), SIZE, 10, silence(1))
    assert not list(tmp_path.iterdir())


def test_a_place_that_takes_no_file_is_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing:  # as /proc has
        free = total = 0

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Nothing)
    monkeypatch.setattr(encode, "_write", refuse)
    with pytest.raises(EtudeError) as error:
        write_video(tmp_path / "a.mp4", frames(10), SIZE, 10, silence(1))
    assert str(error.value) == f"{tmp_path}/a.mp4 cannot be written: no such file or directory. Name another place."
