"""Tracks of one's own: offsets and loops to the sample, stems that add up, same bytes, mistakes in sentences."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import smoke
from symusic.core import ControlChangeTick, NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude import cli
from etude.artifacts.context import Session
from etude.audio import files
from etude.audio.files import read_audio
from etude.audio.loudness import loudness_of
from etude.audio.mixing import Channel
from etude.cli.main import run_command
from etude.core.errors import EtudeError
from etude.tasks import given_tracks, mix_files
from etude.tasks.given_tracks import clipped, find_tracks, read_track
from etude.tasks.mix_files import Mixed, place_tracks
from etude.tasks.requests import MixFiles

RATE = 16000
SETTINGS = replace(smoke(), mix=replace(smoke().mix, sample_rate=RATE))


def write_score(path: Path, quarters: int = 3, name: str = "Melody") -> None:
    """Quarter notes at 120 BPM in 4/4."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 120))
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    track = TrackTick(name, 73)
    for quarter in range(quarters):
        track.notes.append(NoteTick(24 * quarter, 24, 72 + quarter, 90))
    score.tracks.append(track)
    score.dump_midi(path)


def write_tone(path: Path, seconds: float = 1.0, rate: int = RATE, level: float = 0.3, channels: int = 1) -> None:
    wave = level * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate, subtype=None)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a score and two sounds, in which the test works."""
    monkeypatch.chdir(tmp_path)
    write_score(tmp_path / "melody.mid")
    write_tone(tmp_path / "bass.wav", 2.0, 48000)
    write_tone(tmp_path / "drums, é.flac", 0.25, channels=2)
    return tmp_path


def mix(**asked: Any) -> Mixed:
    return mix_files.mix_files(SETTINGS, Session(progress=False), MixFiles(**{"output": "out.wav", **asked}))


def test_scores_and_sounds_become_one_mix(there: Path) -> None:
    found = mix(tracks="[melody.mid,bass.wav,'drums, é.flac']", title="Song")
    assert found.places == [Path("out.wav")]
    sound, rate = read_audio(there / "out.wav")
    assert rate == RATE and sound.shape == (2, round((1.5 + 1 + 0.9) * RATE)), (
        "the score with its release, and the room"
    )
    assert loudness_of(sound, RATE) == pytest.approx(-14, abs=0.2)
    assert str(found).startswith("wrote out.wav (0:03, -14.0 LUFS, -")
    with soundfile.SoundFile("out.wav") as file:
        assert (file.title, file.artist) == ("Song", "etude mix") and "bass.wav" in file.comment
        assert str(there) not in file.comment


def test_stems_add_up_to_the_mix_and_are_aligned(there: Path) -> None:
    mix(
        tracks="[melody.mid,bass.wav,'drums, é.flac',bass.wav]",
        gain="{bass.wav: -3}", pan="{melody: -0.5}", offset="{bass 2: 0.5}", loop="{'drums, é': true}", stems="parts",
    )  # fmt: skip
    names = sorted(file.name for file in (there / "parts").iterdir())
    assert names == ["bass.wav", "bass_2.wav", "drums_é.wav", "melody.wav"]
    stems = [read_audio(there / "parts" / name)[0] for name in names]
    whole = read_audio(there / "out.wav")[0]
    assert all(stem.shape == whole.shape for stem in stems) and np.abs(sum(stems) - whole).max() <= 4 * 2**-23
    first, again, loop, _ = stems
    assert not np.abs(again[:, : RATE // 2]).max() and np.abs(first[:, : RATE // 2]).max() > 0.01
    assert np.abs(loop[:, 2 * RATE : 2 * RATE + RATE // 4]).max() > 0.01, "it repeats"


def test_offsets_and_loops_are_exact() -> None:
    click = np.zeros((2, 1000), np.float32)
    click[:, 10] = 1
    channel = Channel()
    tracks = [
        given_tracks.Track(Path("a"), "a", channel, offset=0.5),
        given_tracks.Track(Path("b"), "b", channel, offset=0.01, loop=True),
    ]
    long = np.zeros((2, 20000), np.float32)
    first, second = place_tracks(tracks, [given_tracks.Sound(long, 20000), given_tracks.Sound(click, 700)], RATE)
    assert first.shape[1] == 8000 + 20000 and second.shape[1] == 28000, "until the last of the others ends"
    assert np.flatnonzero(second[0]).tolist() == list(range(160 + 10, 28000, 700))
    both = [replace(track, loop=True) for track in tracks]
    assert [one.shape[1] for one in place_tracks(both, [given_tracks.Sound(click, 700)] * 2, RATE)] == [9000, 9000]


def test_a_score_repeats_after_whole_bars_and_a_sound_keeps_its_pitch(there: Path) -> None:
    melody, bass = find_tracks(MixFiles("[melody.mid,bass.wav]"), SETTINGS.mix)
    assert read_track(melody, SETTINGS, RATE, False).period == 2 * RATE, "three quarters of a bar of 2 seconds"
    sound = read_track(bass, SETTINGS, RATE, False)
    assert sound.audio.shape == (2, 2 * RATE) and sound.period == 2 * RATE
    spectrum = np.abs(np.fft.rfft(sound.audio[0]))
    assert np.argmax(spectrum) == 440 and abs(spectrum[440] / RATE - 0.3) < 0.01


def test_same_files_same_bytes_and_a_file_counts_twice(there: Path) -> None:
    for ending in ("wav", "flac", "mp3"):
        for name in "ab":
            mix(tracks="[melody.mid,bass.wav]", output=f"{name}.{ending}", title="x")
        assert (there / f"a.{ending}").read_bytes() == (there / f"b.{ending}").read_bytes()
    first, second = find_tracks(MixFiles("bass.wav,bass.wav"), SETTINGS.mix)
    assert (first.name, second.name) == ("bass", "bass 2")
    write_tone(there / "bass.flac")
    assert [track.name for track in find_tracks(MixFiles("bass.wav,bass.flac"), SETTINGS.mix)] == [
        "bass.wav",
        "bass.flac",
    ]


def test_a_folder_gives_its_files_in_order(there: Path) -> None:
    (there / "notes.txt").write_text("no track")
    tracks = find_tracks(MixFiles(str(there), gain="{bass: -3}", send="{melody: -6}"), SETTINGS.mix)
    assert [track.name for track in tracks] == ["bass", "drums, é", "melody"]
    assert [track.channel.gain for track in tracks] == [-3, 0, 0]
    assert [track.channel.send for track in tracks] == [-20, -20, -6]
    assert find_tracks(MixFiles("drums, é.flac"), SETTINGS.mix)[0].path.name == "drums, é.flac"


def test_silent_and_clipped_tracks_are_named(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tone(there / "quiet.wav", level=0.0)
    write_tone(there / "loud.wav", level=3.0)
    mix(tracks="[bass.wav,quiet.wav,loud.wav]")
    said = capsys.readouterr().err
    assert "quiet is silent" in said and "loud.wav: " in said and "samples are clipped" in said and "bass" not in said
    with pytest.raises(EtudeError, match="All tracks are silent: quiet"):
        mix(tracks="quiet.wav", output="other.wav")
    assert not (there / "other.wav").exists()
    assert clipped(np.array([[0, 1, 1, 1, 0, 1, 0.5]])) == 3 and clipped(np.array([[2.0, 1, 1, 1]])) == 0


def test_sounds_that_are_cut_off_are_named(there: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_tone(there / "tone.mp3", 2.0)
    write_tone(there / "tone.aiff", 2.0)
    for name in ("bass.wav", "tone.mp3", "tone.aiff"):
        whole = (there / name).read_bytes()
        mix(tracks=name)
        assert "cut off" not in capfd.readouterr().err
        (there / name).write_bytes(whole[: len(whole) // 2])
        mix(tracks=name, overwrite=True)
        said = capfd.readouterr().err
        assert said.startswith(f"{name} is cut off: it has ") and "of the 2.00 seconds that its header promises" in said
        assert len(said.splitlines()) == 1, "not the decoder's words"
        (there / "out.wav").unlink()
    write_tone(there / "stream.wav")
    stream = bytearray((there / "stream.wav").read_bytes())
    place = stream.index(b"data")
    stream[place + 4 : place + 8] = 4 * b"\xff"  # as a program writes that does not know the length yet
    (there / "stream.wav").write_bytes(stream)
    mix(tracks="stream.wav")
    assert not capfd.readouterr().err


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, r"tracks names no file\. Give some, as in: etude mix"),
        ({"tracks": "[]"}, "tracks names no file"),
        ({"tracks": "bass.wav", "output": None}, "output names no file"),
        ({"tracks": "bass.wav", "output": "out.ogg"}, r"output = out\.ogg must end in \.wav or \.flac or \.mp3"),
        ({"tracks": "bass.wav", "output": "gone/out.wav"}, "the folder gone does not exist"),
        ({"tracks": "bass.wav", "output": "bass.wav"}, r"bass\.wav is a file that you give"),
        ({"tracks": "bas.wav"}, r"bas\.wav does not exist\. Did you mean bass\.wav"),
        ({"tracks": "[bass.wav,.]"}, r"tracks: \. is a folder"),
        ({"tracks": "empty.wav"}, r"empty\.wav is empty"),
        ({"tracks": "broken.wav"}, r"broken\.wav is damaged: its sound cannot be decoded\. Export it again"),
        ({"tracks": "false.mp3"}, r"false\.mp3 ends in \.mp3, but holds no sound\. Export it again, as WAV or FLAC"),
        ({"tracks": "huge.wav"}, r"huge\.wav has 1 sample far beyond full scale, up to 1e\+30"),
        ({"tracks": "broken.mid"}, r"broken\.mid cannot be read"),
        ({"tracks": "notes.txt"}, r"notes\.txt is neither a score nor a sound"),
        ({"tracks": "nan.wav"}, r"nan\.wav has 2 samples that are no numbers"),
        ({"tracks": "none.wav"}, r"none\.wav holds no samples"),
        ({"tracks": "slow.wav"}, r"slow\.wav says 10 samples a second"),
        ({"tracks": "zero.wav"}, r"zero\.wav states 0 samples a second, which no sound has\. Export it again"),
        ({"tracks": "long.wav"}, r"long\.wav lasts 33\.3 minutes, and 30 can be mixed"),
        ({"tracks": "bass.wav", "offset": "{bass: 1799}"}, r"bass would end after 30\.0 minutes"),
        ({"tracks": "bass.wav", "offset": "{bass: -1}"}, r"offset\.bass = -1 must be seconds from 0"),
        ({"tracks": "bass.wav", "gain": "{bas: -3}"}, r'gain names "bas", which is no track\. Did you mean "bass"'),
        ({"tracks": "bass.wav", "gain": "{bass, x: 1}"}, "Names with commas stand in quotes"),
        ({"tracks": "bass.wav", "gain": "{bass: loud}"}, r"gain\.bass = 'loud' must be a number"),
        ({"tracks": "bass.wav", "gain": "{bass: nan}"}, r"gain\.bass = 'nan' must be a number"),
        ({"tracks": "bass.wav", "pan": "{bass: 2}"}, r"pan\.bass = 2.* is out of range"),
        ({"tracks": "bass.wav", "loop": "{bass: 2}"}, r"loop\.bass = 2.* must be true or false"),
        ({"tracks": "bass.wav", "stems": "notes.txt"}, r"stems = notes\.txt is a file"),
        ({"tracks": "bass.wav", "stems": "gone/parts"}, r"the folder gone does not exist"),
        ({"tracks": "bass.wav", "stems": "."}, r"stems = \. holds bass\.wav"),
    ],
)
def test_mistakes_are_sentences_and_leave_nothing(
    there: Path, asked: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (there / "empty.wav").touch()
    (there / "notes.txt").write_text("no track")
    (there / "broken.wav").write_bytes(b"RIFF, it says")
    (there / "broken.mid").write_bytes(b"MThd, it says")
    soundfile.write("nan.wav", np.array([0, np.nan, np.inf, 0.1], np.float32), RATE, subtype="FLOAT")
    soundfile.write("huge.wav", np.array([0, 0.5, 1e30, 0.1], np.float32), RATE, subtype="FLOAT")
    (there / "false.mp3").write_bytes(500 * b"no mp3, ")
    soundfile.write("none.wav", np.zeros(0), RATE)
    soundfile.write("slow.wav", np.zeros(9), 10)
    soundfile.write("long.wav", np.zeros(2_000_000, np.int16), 1000)
    header = bytearray((there / "slow.wav").read_bytes())
    header[24:28] = bytes(4)
    (there / "zero.wav").write_bytes(header)
    before = sorted(there.iterdir())
    with pytest.raises(EtudeError, match=message):
        mix(**asked)
    assert sorted(there.iterdir()) == before
    assert not capfd.readouterr().err, "not the decoder's words"


def test_existing_files_are_replaced_only_where_that_is_asked_for(there: Path) -> None:
    mix(tracks="bass.wav", stems="parts")
    first = (there / "out.wav").read_bytes()
    with pytest.raises(EtudeError, match=r"out\.wav exists\. Name another file, or replace it with overwrite=true"):
        mix(tracks="melody.mid")
    with pytest.raises(EtudeError, match="stems = parts exists"):
        mix(tracks="melody.mid", output="b.wav", stems="parts")
    (there / "link.wav").symlink_to(there / "nowhere.wav")
    with pytest.raises(EtudeError, match=r"link\.wav exists"):
        mix(tracks="melody.mid", output="link.wav")
    assert (there / "out.wav").read_bytes() == first
    mix(tracks="melody.mid", stems="parts", overwrite=True)
    assert [file.name for file in (there / "parts").iterdir()] == ["melody.wav"]
    (there / "parts" / "mine.txt").touch()
    with pytest.raises(EtudeError, match=r"holds other files, as mine\.txt"):
        mix(tracks="melody.mid", stems="parts", overwrite=True)


def test_a_full_disk_leaves_neither_mix_nor_stems(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(there.iterdir())
    write, calls = files._write, []

    def fail_later(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(*given)

    monkeypatch.setattr(files, "_write", fail_later)
    with pytest.raises(EtudeError, match=r"bass\.wav cannot be written: No space left on device"):
        mix(tracks="[melody.mid,bass.wav]", stems="parts")
    assert sorted(there.iterdir()) == before


def test_other_kinds_of_sound_and_channels(there: Path) -> None:
    for name in ("a.ogg", "a.aiff", "a.mp3"):
        write_tone(there / name, 0.5, 44100)
    write_tone(there / "six.wav", 0.5, channels=6)
    for track in find_tracks(MixFiles("[a.ogg,a.aiff,a.mp3,six.wav]"), SETTINGS.mix):
        sound = read_track(track, SETTINGS, RATE, False)
        assert sound.audio.shape[0] == 2 and abs(sound.audio.shape[1] - RATE // 2) < 0.1 * RATE
        assert np.abs(sound.audio).max() > 0.2


def test_the_command_takes_its_keys(
    there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli.main, "working_root", lambda: there)
    monkeypatch.setattr("sys.argv", ["etude"])
    given = ["tracks=[melody.mid, 'drums, é.flac']", "output=my mix é.flac", "loop={'drums, é': true}"]
    assert run_command(["mix", *given, "fade_out=0.5", "reverb.seconds=0.5", "gain={melody: -2}"]) == 0
    assert "etude: mix wrote my mix é.flac (0:02, -14.0 LUFS" in capsys.readouterr().out.replace("0:03", "0:02")
    assert soundfile.info("my mix é.flac").samplerate == 44100
    with pytest.raises(EtudeError, match='There is no setting "gian"'):
        run_command(["mix", *given, "gian={melody: -2}"])


def test_a_score_has_the_volume_and_pan_that_it_states(there: Path) -> None:
    score = ScoreTick(there / "melody.mid")
    (plain,) = find_tracks(MixFiles("melody.mid"), SETTINGS.mix)
    before = read_track(plain, SETTINGS, RATE, False).audio
    score.tracks[0].controls.append(ControlChangeTick(0, 7, 50))
    score.tracks[0].controls.append(ControlChangeTick(0, 10, 127))
    score.dump_midi(there / "melody.mid")
    after = read_track(plain, SETTINGS, RATE, False).audio
    assert np.abs(after[0]).max() < 1e-6 and np.allclose(after[1], before[1] * np.sqrt(2) / 4, atol=1e-6)
    own = read_track(plain, replace(SETTINGS, mix=replace(SETTINGS.mix, gain={"Melody": 0.0}, pan={"Melody": 0.0})),
                     RATE, False, {"gain": {"Melody": 0.0}, "pan": {"Melody": 0.0}})  # fmt: skip
    assert np.array_equal(own.audio, before), "what somebody sets holds"


def test_an_interruption_leaves_nothing_half_written(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(there.iterdir())

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mix_files, "write_audio", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mix(tracks="[melody.mid,bass.wav]", stems="parts")
    assert sorted(there.iterdir()) == before
