"""Sound files: read back, tags, the same bytes, size by quality, disks that are full."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from etude.audio import files
from etude.audio.files import Tags, encode_mp3, read_audio, write_audio
from etude.core.errors import EtudeError
from etude.core.files import aside

RATE = 32000
TIME = np.arange(2 * RATE + 123) / RATE
CHORD = sum(np.sin(2 * np.pi * f * TIME * (1 + 0.001 * np.sin(5 * TIME))) for f in (220, 277, 330, 1760)) / 5
SOUND = np.stack([CHORD, 0.5 * CHORD]).astype(np.float32)


TAGS = Tags("Lied ohne Wörter, 歌", "etude voices", "seed 1")


def test_read_back(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.mp3", SOUND, RATE, 0.4)
    sound, rate = read_audio(tmp_path / "a.mp3")
    assert rate == RATE and sound.shape == SOUND.shape and sound.dtype == np.float32
    error = np.sqrt(np.mean((sound - SOUND) ** 2) / np.mean(SOUND**2))
    assert error < 0.15
    assert np.abs(sound[0]).mean() > 1.7 * np.abs(sound[1]).mean()  # the channels are not exchanged
    assert (tmp_path / "a.mp3").stat().st_size * 8 / 2 < 90_000  # bits a second


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_24_bits_without_loss(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    write_audio(path, SOUND, 44100, 0.4)
    assert soundfile.info(path).subtype == "PCM_24"
    sound, rate = read_audio(path)
    assert rate == 44100 and np.abs(sound - SOUND).max() <= 2**-23
    write_audio(path, SOUND[:1], 12345, 0.4)
    assert read_audio(path)[0].shape == (1, SOUND.shape[1])


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_tags_are_read_back_and_change_no_sample(ending: str, tmp_path: Path) -> None:
    path, plain = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write_audio(path, SOUND, RATE, 0.4, TAGS)
    with soundfile.SoundFile(path) as file:
        assert (file.title, file.artist, file.comment) == (TAGS.title, TAGS.artist, TAGS.comment)
        assert not file.date
    write_audio(plain, SOUND, RATE, 0.4)
    assert np.array_equal(read_audio(path)[0], read_audio(plain)[0])
    assert not soundfile.SoundFile(plain).title


def test_other_processes_write_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from etude.audio.files import *\n"
        "sound = np.sin(np.arange(100000).reshape(2, -1) / 20).astype(np.float32) / 2\n"
        "for end in ('wav', 'flac', 'mp3'):\n"
        " write_audio(Path(sys.argv[1], 'a.' + end), sound, 32000, .4, Tags('Ä', 'etude', 'seed 1'))"
    )
    for name in "12":
        (tmp_path / name).mkdir()
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)], check=True,
            env={"PYTHONPATH": str(Path(files.__file__).parents[2]), "PYTHONHASHSEED": name},
        )  # fmt: skip
    for ending in ("wav", "flac", "mp3"):
        assert (tmp_path / "1" / f"a.{ending}").read_bytes() == (tmp_path / "2" / f"a.{ending}").read_bytes()


def test_same_sound_same_bytes_and_better_is_larger(tmp_path: Path) -> None:
    sizes = []
    for quality in (0.0, 0.5, 1.0):
        for name in ("a", "b"):
            write_audio(tmp_path / f"{name}.mp3", SOUND, RATE, quality)
        assert (tmp_path / "a.mp3").read_bytes() == (tmp_path / "b.mp3").read_bytes()
        assert encode_mp3(SOUND, RATE, quality) == (tmp_path / "a.mp3").read_bytes()
        sizes.append((tmp_path / "a.mp3").stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_part_of_a_file_has_the_ending_of_the_file(tmp_path: Path) -> None:
    write_audio(aside(tmp_path / "a.flac", "part"), SOUND, RATE, 0.4)
    assert soundfile.info(aside(tmp_path / "a.flac", "part")).format == "FLAC"


def test_silence_and_nothing(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.mp3", np.zeros((2, 5000), np.float32), RATE, 0.4)
    assert np.abs(read_audio(tmp_path / "a.mp3")[0]).max() < 1e-4
    with pytest.raises(EtudeError, match="no samples"):
        write_audio(tmp_path / "b.mp3", np.zeros((2, 0), np.float32), RATE, 0.4)
    with pytest.raises(EtudeError, match=r"b\.ogg must end in \.wav"):
        write_audio(tmp_path / "b.ogg", SOUND, RATE, 0.4)


def test_a_rate_that_mp3_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"mix\.sample_rate to 8000"):
        write_audio(tmp_path / "a.mp3", SOUND, 31999, 0.4)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"not sound")
    with pytest.raises(EtudeError, match="cannot be read as sound"):
        read_audio(tmp_path / "a.mp3")


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_where_a_file_cannot_grow_nothing_is_left_of_it(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{ending}").write_bytes(b"earlier")
    code = (
        "import resource, signal, sys, numpy as np; from pathlib import Path; from etude.audio.files import *\n"
        "from etude.core.errors import EtudeError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))\n"
        "noise = np.random.default_rng(0).standard_normal((2, 400000)).astype(np.float32) / 9\n"
        "try: write_audio(Path(sys.argv[1]), noise, 32000, .9)\n"
        "except EtudeError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / f"a.{ending}")], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(files.__file__).parents[2])},
    )  # fmt: skip
    assert "cannot be written" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == [f"a.{ending}"]
    assert (tmp_path / f"a.{ending}").read_bytes() == b"earlier"


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write", refuse)
    with pytest.raises(EtudeError, match=r"a\.wav cannot be written: No space left on device\. Free some space"):
        write_audio(tmp_path / "a.wav", SOUND, RATE, 0.4)
    monkeypatch.setattr(files, "FREE", 1 << 80)
    with pytest.raises(EtudeError, match="the disk is full"):
        write_audio(tmp_path / "a.wav", SOUND, RATE, 0.4)
    assert not list(tmp_path.iterdir())
