"""``etude live``: its keys, its files, and its ends: whatever ends it, no note hangs and what was played is kept."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mido
import pytest
import soundfile
from live_music import Fails, Quarters, hanging, tune, until
from mido.parser import Parser

from etude.cli import live
from etude.cli.plain import parse
from etude.core.errors import EtudeError

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


class Synth:
    """Something that listens on a TCP port, and keeps the MIDI that it is sent."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp:127.0.0.1:{self.server.getsockname()[1]}"
        self.parser, self.messages = Parser(), list[mido.Message]()
        self.times: list[float] = []
        self.ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        client, _ = self.server.accept()
        while data := client.recv(4096):
            self.parser.feed(data)
            self.messages.extend(self.parser)
            self.times.append(time.monotonic())
        self.ended.set()

    def starts(self) -> int:
        return sum(one.type == "note_on" for one in self.messages)


@pytest.fixture
def synth() -> Iterator[Synth]:
    made = Synth()
    yield made
    made.server.close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Any], None]:
    """Has a writer without a model take the place of the trained one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETUDE_PROGRESS", "0")
    trained = {"sha256": {"model.safetensors": "ab" * 32}, "model": {}}
    config = SimpleNamespace(temperature=1.0)
    loaded = SimpleNamespace(name="voices", model=SimpleNamespace(step=None), trained=trained, config=config)
    monkeypatch.setattr(live, "_load", lambda keys, name: loaded)

    def take(make: Any) -> None:
        monkeypatch.setattr("etude.live.performance.writer_of", lambda loaded, seed: make())
        monkeypatch.setattr("etude.live.replay.writer_of", lambda loaded, seed: make())

    take(Quarters)
    return take


def run(*arguments: str) -> int:
    return live.run(*parse("live", arguments))


# --- keys


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("role=play2", 'role = play2 must be play, answer or accompany. Did you mean "play"'),
        ("harmony=four", "harmony = four must be voices or chords"), ("fast=yes", "fast = yes must be false or true"),
        ("seed=-1", "seed = -1 must be a whole number"), ("seed=99999999999", "seed = 99999999999 must be"),
        ("seconds=0", "seconds = 0 must be a number from 0.1"), ("seconds=nan", "seconds = nan"),
        ("bars=0", "bars = 0 must"),
        ("ahead=17", "ahead = 17 must be a whole number from 1 to 16"), ("ahead=0", "ahead = 0"),
        ("control=70000", "control = 70000 must"), ("overwrite=yes", "overwrite = yes must be true or false"),
        ("role=answer", "role = answer listens to somebody"),
        ("role=accompany", "role = accompany listens to somebody"),
        ("role=answer input=a.mid sound=a.wav", "sound = a.wav is for role=play"),
        ("fast=true", "fast = true plays without waiting, and would never end"),
        ("fast=true bars=1 control=0", "takes no control, out or live input"),
        ("fast=true bars=1 out=tcp:127.0.0.1:1", "takes no control, out or live input"),
        ("fast=true role=answer input=tcp:127.0.0.1:0", "takes no control, out or live input"),
        ("fast=true role=answer input=port:x", "takes no control, out or live input"),
        ("output=a.wav", "output = a.wav must end in .mid or .midi"),
        ("session=a.txt", "session = a.txt must end in .json"),
        ("sound=a.mp3", "sound = a.mp3 must end in .wav or .flac"),
        ("output=none/a.mid", "the folder none does not exist"),
        ("output=a\0.mid", "is no path"), ("tempo=fast", "tempo = fast must be a number"),
        ("mood=sad", "takes no mood"),
        ("mute=Alto", "mute: there is no voice"), ("style=polka", "There is no style"),
        ("scale=H", "scale = H must be a key"),
        ("out=nowhere", "out = nowhere is no address"), ("out=tcp:127.0.0.1:1", "nothing listens there"),
        ("input=none.mid", "input = none.mid is no file"), ("bars=1 fast=true input=none", "is no file"),
        ("echo=loud bars=1 input=t.mid", "echo = loud must be true or false"),
        ("colour=3", 'etude live has no key "colour"'),
        ("extra", "etude live does not take extra"), ("model=lstm2", "models/lstm2 does not exist"),
        ("replay=s.json", "replay = ... writes a file"), ("replay=none.json output=a.mid", "is no file"),
        ("replay=t.mid output=a.mid", "is damaged"),
        ("replay=s.json output=a.mid seed=3", "seed is kept in the session"),
        ("replay=s.json output=a.mid tempo=90", "tempo is kept in the session"),
        ("replay=s.json sound=play", "a session is played again into a file"), ("replay=s.json sound=-", "into a file"),
        ("replay=s.json output=a.mid model=lstm", "was played by voices"),
        ("replay=e.json output=a.mid", "it has no bars"), ("replay=m.json output=a.mid", "model ../../etc"),
        ("replay=b.json output=a.mid", 'There is no style "zzz"'),
        ("fast=true bars=1 sound=/proc/a.wav", "sound = /proc/a.wav cannot be written"),
        (f"model={'x' * 300}", "is no name of a model"), ("model=../models/voices", "is no name of a model"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_a_sentence(
    arguments: str, words: str, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tune(tmp_path / "t.mid", [(0, 1, 60)])
    bar: dict[str, Any] = {"controls": {}}
    good = {"kind": "etude session 1", "model": "voices", "weights": "", "seed": 1, "role": "play", "bars": [bar],
            "midi": ""}  # fmt: skip
    changes: dict[str, dict[str, Any]] = {
        "s": {},
        "e": {"bars": []},
        "m": {"model": "../../etc"},
        "b": {"bars": [{"controls": {"style": "zzz"}}]},
    }
    for name, change in changes.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({**good, **change}))
    if arguments.startswith("model="):
        monkeypatch.undo()
        monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(EtudeError) as refused:
        run(*arguments.split(" "))
    assert words in str(refused.value) and " " in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before, "nothing is written"


def test_files_that_exist_stay_unless_asked(fake: Any, tmp_path: Path) -> None:
    for key, name in (("output", "a.mid"), ("session", "a.json"), ("sound", "a.wav")):
        (tmp_path / name).write_text("mine")
        with pytest.raises(EtudeError, match=f"{key}: {name} exists"):
            run("fast=true", "bars=1", f"{key}={name}")
        assert (tmp_path / name).read_text() == "mine"
    assert run("fast=true", "bars=1", "output=a.mid", "session=a.json", "overwrite=true") == 0
    assert (tmp_path / "a.mid").read_bytes()[:4] == b"MThd"
    with pytest.raises(EtudeError, match="is a file that you give"):
        run("replay=a.json", "session=a.json", "output=b.mid", "overwrite=true")
    (tmp_path / "folder.mid").mkdir()
    with pytest.raises(EtudeError, match="is a folder"):
        run("fast=true", "bars=1", "output=folder.mid")


# --- files


def test_music_in_files_and_the_same_again(fake: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fast=true", "bars=4", "tempo=140", "style=bossa", "transpose=2", "output=a.mid", "session=a.json"]
    assert run(*arguments) == 0
    said = capsys.readouterr()
    assert "live wrote a.mid (4 bars)" in said.err and not said.out
    session = json.loads((tmp_path / "a.json").read_text())
    assert session["bars"][0]["controls"]["style"] == "bossa" and len(session["bars"]) == 4
    assert run("replay=a.json", "output=b.mid") == 0
    assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
    assert "differs" not in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.mid", "b.mid"]
    session["weights"], session["midi"] = "cd", "ef"
    (tmp_path / "a.json").write_text(json.dumps(session))
    assert run("replay=a.json", "output=c.mid") == 0
    said = capsys.readouterr()
    assert "was played by other weights" in said.err and "the music differs from what was played" in said.err


def test_a_sound_file_has_the_length_of_the_music(fake: Any, tmp_path: Path) -> None:
    assert run("fast=true", "seconds=4", "sound=a.wav", "output=a.mid") == 0
    found = soundfile.info(tmp_path / "a.wav")
    assert 4.0 <= found.duration < 9.0 and found.channels == 2


def test_what_was_played_before_a_fault_is_kept(fake: Any, tmp_path: Path) -> None:
    fake(lambda: Fails(3, EtudeError("key = H is none.")))
    with pytest.raises(EtudeError, match="key = H is none"):
        run("fast=true", "bars=9", "output=a.mid", "session=a.json")
    count = len(json.loads((tmp_path / "a.json").read_text())["bars"])
    assert 1 <= count <= 3 and (tmp_path / "a.mid").is_file()


def test_a_file_that_cannot_be_written_costs_no_other(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etude.live.session.Recording.write", full)
    with pytest.raises(EtudeError, match=r"session = a\.json cannot be written \(No space left on device\)"):
        run("fast=true", "bars=2", "output=a.mid", "session=a.json")
    assert (tmp_path / "a.mid").is_file() and not (tmp_path / "a.json").exists()


def test_a_folder_in_the_way_of_one_file_costs_no_other(fake: Any, tmp_path: Path) -> None:
    class Blocks(Quarters):
        def write(self, *given: Any) -> Any:
            (tmp_path / "a.json").mkdir(exist_ok=True)
            return super().write(*given)

    fake(Blocks)
    with pytest.raises(EtudeError, match=r"session = a\.json cannot be written \(a\.json is a folder"):
        run("fast=true", "bars=2", "output=a.mid", "session=a.json")
    assert (tmp_path / "a.mid").is_file()


def test_music_that_nobody_hears_is_said(fake: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fast=true", "bars=1") == 0
    assert "nobody hears this, and nothing is written" in capsys.readouterr().err


def test_an_accompaniment_and_an_answer_of_a_file(fake: Any, tmp_path: Path) -> None:
    tune(tmp_path / "t.mid", [(0, 1, 60), (1, 2, 62), (2, 3, 64)])
    for role in (["role=accompany", "harmony=chords"], ["role=answer"]):
        assert run(*role, "fast=true", "input=t.mid", "output=a.mid", "session=a.json", "overwrite=true") == 0
        assert run("replay=a.json", "output=b.mid", "overwrite=true") == 0
        assert (tmp_path / "a.mid").read_bytes() == (tmp_path / "b.mid").read_bytes()
        assert mido.MidiFile(tmp_path / "a.mid").length > 1


# --- ends


@pytest.mark.parametrize("one", SIGNALS)
def test_a_signal_ends_all_notes_and_writes_both_files(one: int, fake: Any, synth: Synth, tmp_path: Path) -> None:
    def press() -> None:
        until(lambda: synth.starts() > 3)
        os.kill(os.getpid(), one)

    thread = threading.Thread(target=press)
    thread.start()
    before = [signal.getsignal(kind) for kind in SIGNALS]
    assert run(f"out={synth.address}", "tempo=240", "output=a.mid", "session=a.json") == 0
    thread.join()
    assert synth.ended.wait(5) and not hanging(synth.messages)
    assert synth.messages[-1].type == "control_change"
    assert [signal.getsignal(kind) for kind in SIGNALS] == before
    assert json.loads((tmp_path / "a.json").read_text())["bars"] and (tmp_path / "a.mid").is_file()


def test_the_end_of_its_seconds_ends_all_notes(fake: Any, synth: Synth) -> None:
    start = time.monotonic()
    assert run(f"out={synth.address}", "tempo=300", "seconds=1") == 0
    assert 1.0 <= time.monotonic() - start < 6 and synth.ended.wait(5) and not hanging(synth.messages)
    assert synth.starts() == 10


def test_an_output_that_goes_away_does_not_stop_the_music(
    fake: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def leave() -> None:
            client, _ = server.accept()
            client.recv(3)
            client.close()

        threading.Thread(target=leave, daemon=True).start()
        address = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        assert run(f"out={address}", "tempo=300", "bars=3", "output=a.mid") == 0
    said = capsys.readouterr().err
    assert f"the output {address} is lost" in said and "live wrote a.mid (3 bars)" in said


def test_the_control_port_steers_and_stops(fake: Any, synth: Synth, capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    def steer() -> None:

        def there() -> bool:
            said.append(capsys.readouterr().err)
            return "127.0.0.1:" in "".join(said)

        until(there)
        port = int("".join(said).partition("127.0.0.1:")[2].partition(",")[0])
        until(lambda: synth.starts() > 0)
        with socket.create_connection(("127.0.0.1", port), 5) as client, client.makefile("rb") as lines:
            lines.readline()
            for line in (b"transpose=12\n", b"stop\n"):
                client.sendall(line)
                assert lines.readline() == b"ok\n"

    thread = threading.Thread(target=steer)
    thread.start()
    assert run(f"out={synth.address}", "control=0", "seconds=60") == 0
    thread.join()
    assert synth.ended.wait(5) and not hanging(synth.messages)


def test_a_control_port_that_is_taken_leaves_no_file(fake: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(EtudeError, match="cannot be used"):
        run(f"control={server.getsockname()[1]}", "bars=1", "sound=a.wav")
    assert not list(tmp_path.iterdir())


def environment() -> dict[str, str]:
    return {**os.environ, "ETUDE_PROGRESS": "0", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_ended_leaves_no_note(one: int, synth: Synth, tmp_path: Path) -> None:
    """A player whose keys are down, chords under them: a signal comes, and all ends."""
    arguments = [
        "etude", "live", "role=accompany", "harmony=chords", "input=tcp:127.0.0.1:0",
        f"out={synth.address}", "output=a.mid", "session=a.json",
    ]  # fmt: skip
    code = f"import sys; sys.argv = {arguments!r}; from etude.cli.entry import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    port = int(line.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 5) as keyboard:
        for pitch in (60, 64, 67):
            keyboard.sendall(bytes([0x90, pitch, 80]))
        until(lambda: synth.starts() >= 6, 20)
        process.send_signal(one)
        rest = process.communicate(timeout=20)[1]
    assert process.returncode == 0 and "Traceback" not in rest, rest
    assert synth.ended.wait(5) and not hanging(synth.messages)
    assert json.loads((tmp_path / "a.json").read_text())["bars"] and "live wrote a.mid" in rest
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.mid"]


def test_a_stream_of_sound_is_whole_and_its_reader_may_leave(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "stream.wav").open("w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert run("sound=-", "fast=true", "bars=3") == 0
    whole = (tmp_path / "stream.wav").read_bytes()
    found, rate = soundfile.read(tmp_path / "stream.wav")
    assert whole[:4] == b"RIFF" and 6.0 <= len(found) / rate < 12.0 and len(whole) == 44 + 4 * len(found)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr("sys.stdout", output)
        assert run("sound=-", "fast=true", "bars=2", "output=a.mid") == 0
    said = capsys.readouterr().err
    assert "the sound has no listener any more" in said and "live wrote a.mid (2 bars)" in said


def test_a_reader_that_sleeps_does_not_keep_it_from_its_end(tmp_path: Path) -> None:
    code = (
        "import sys, types\n"
        f"sys.path[:0] = [{str(Path(__file__).parents[1])!r}]\n"
        "from etude.cli import live\n"
        "from etude.live import performance, sound\n"
        "from live_music import Quarters\n"
        "sound.PipeSink.PATIENCE = 0.5\n"
        "live._load = lambda *_: types.SimpleNamespace(name='x', model=types.SimpleNamespace(step=None), "
        "trained={'sha256': {'model.safetensors': ''}, 'model': {}}, config=types.SimpleNamespace(temperature=1.0))\n"
        "performance.writer_of = lambda *_: Quarters()\n"
        "sys.exit(live.run([], {'sound': '-', 'tempo': '300', 'bars': '2'}))\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdout.read(4) == b"RIFF"
        assert process.wait(60) == 0 and process.stderr is not None
        said = process.stderr.read()
    assert b"Fatal" not in said and b"Traceback" not in said, said
