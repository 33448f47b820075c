"""``etude live``: music that is written while it plays. Its keys read and checked, and the session run."""

import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from etude.cli.values import number, overwrite, path, run_folder, whole_number
from etude.core.errors import EtudeError, closest
from etude.tasks.score_files import check_place

SEED_MOST = 2**32 - 1
SAVED_EVERY = 10.0  # seconds between two writings of a session file, in case the process is killed
MIDI, SOUNDS = (".mid", ".midi"), (".wav", ".flac")
SPECIAL = ("-", "play")  # values of ``sound`` that are no files
ROLES, HARMONIES = ("play", "answer", "accompany"), ("voices", "chords")


def run(words: Sequence[str], keys: Mapping[str, str]) -> int:
    """Play, or play a session again. Returns the exit status."""
    places = _places(keys)
    if keys.get("replay"):
        return _replay(keys, places)
    return _play(keys, places)


def _places(keys: Mapping[str, str]) -> dict[str, Path]:
    """The files to write, checked: ``output``, ``session`` and ``sound``."""
    found: dict[str, Path] = {}
    replace = overwrite(keys)
    read = [place for key in ("replay", "input") if (place := path(keys, key)) is not None]
    for key, endings in (("output", MIDI), ("session", (".json",)), ("sound", SOUNDS)):
        place = path(keys, key)
        if place is None or (key == "sound" and keys[key] in SPECIAL):
            continue
        if place.suffix.lower() not in endings:
            raise EtudeError(f"{key} = {place} must end in {' or '.join(endings)}.")
        check_place(key, place, read, replace)
        found[key] = place
    if len(set(found.values())) < len(found):
        raise EtudeError("Two of output, session and sound name one file. Name different ones.")
    return found


def _load(keys: Mapping[str, str], name: str) -> Any:
    """The trained model: of the run, of the pipeline, or one that comes with etude."""
    from etude.artifacts import catalog
    from etude.artifacts.context import Session
    from etude.config.defaults import section
    from etude.config.sections import Generate
    from etude.live.session import NAME
    from etude.models.building import set_threads
    from etude.tasks.trained_model import TrainedModel, find_model

    if not NAME.fullmatch(name):
        raise EtudeError(f"model = {name[:40]} is no name of a model. Give one, as transformer.")
    session = Session(run=run_folder(keys))
    folder = find_model(session, name)
    set_threads(1)  # their number decides the last digits
    return TrainedModel.read(folder, section(Generate, "generate"), catalog.model(name).made_by)


def _choice(keys: Mapping[str, str], key: str, options: Sequence[str]) -> str:
    value = keys.get(key) or options[0]
    if value not in options:
        raise EtudeError(
            f"{key} = {value} must be {', '.join(options[:-1])} or {options[-1]}. {closest(value, options)}"
        )
    return value


def _play(keys: Mapping[str, str], places: Mapping[str, Path]) -> int:
    role, harmony = _choice(keys, "role", ROLES), _choice(keys, "harmony", HARMONIES)
    seed = whole_number(keys, "seed", SEED_MOST, 0)
    seconds, bars = number(keys, "seconds", 0.1, 86400 * 7), whole_number(keys, "bars", 10**6)
    ahead, port = whole_number(keys, "ahead", 16), whole_number(keys, "control", 65535, 0)
    fast = _choice(keys, "fast", ("false", "true")) == "true"
    sound = keys.get("sound", "")
    if role != "play" and not keys.get("input"):
        raise EtudeError(
            f"role = {role} listens to somebody. Say where: input=port:NAME, tcp:HOST:PORT, or a MIDI file."
        )
    if role != "play" and sound:
        raise EtudeError(
            f"sound = {sound} is for role=play. With role={role} send the music to an instrument, as out=port:NAME, or "
            "render its file afterwards: etude mix."
        )
    if fast and seconds is None and bars is None and role == "play":
        raise EtudeError("fast = true plays without waiting, and would never end. Say how much: seconds=60 or bars=32.")
    live_input = keys.get("input", "").startswith(("port:", "tcp:"))
    if fast and (port is not None or keys.get("out") or live_input):
        raise EtudeError("fast = true plays without waiting: it takes no control, out or live input.")

    from etude.live.clock import FastClock, RealClock
    from etude.live.control_port import ControlPort
    from etude.live.engine import Bounds
    from etude.live.performance import Performance
    from etude.live.player import Player
    from etude.live.ports import Input, open_output
    from etude.live.sender import Sender

    name = keys.get("model") or "voices"
    loaded = None if role == "accompany" and harmony == "chords" else _load(keys, name)
    temperature = _temperature() if role == "accompany" else None
    performance = Performance.of(name, loaded, role, harmony, 1 if seed is None else seed, temperature, keys)
    console, recording = performance.console, performance.recording
    say = _say
    with ExitStack() as stack:
        clock = FastClock() if fast else RealClock()
        outputs = [open_output(address) for address in keys.get("out", "").split(",") if address]
        sender = Sender(outputs, clock, say)
        stack.callback(sender.close)
        player = None
        if keys.get("input"):
            source = Input(keys["input"], clock, say)
            stack.callback(source.close)
            echo = sender.send if _choice(keys, "echo", ("true", "false")) == "true" else None
            player = Player(source, console, say, echo)
            if source.port:
                say(f"plays what comes to tcp:127.0.0.1:{source.port}")
        bounds = Bounds(seconds, bars)
        running: list[Any] = []
        stopped = threading.Event()

        def stop() -> None:
            stopped.set()
            for one in running:
                one.stop()

        if port is not None:  # before the sound, as it may be taken
            control = ControlPort(console, port, stop)
            stack.callback(control.close)
            say(
                f"controls are set at 127.0.0.1:{control.port}, as with: echo tempo=90 | nc -N 127.0.0.1 {control.port}"
            )
        listeners = _listeners(keys, places, recording, outputs, fast, say) if role == "play" else []
        if not (outputs or listeners or places):
            say("nobody hears this, and nothing is written. Give out=..., sound=... or output=FILE.mid")
        engine = performance.engine(sender, clock, player, listeners, say, bounds, ahead or 2)
        running.append(engine)
        if not fast:
            doing = {"play": "plays", "answer": "listens, and answers", "accompany": "listens, and accompanies"}[role]
            length = "" if seconds or bars else " until Ctrl-C"
            say(f"{console.surface.model} {doing}{length} (seed {recording.seed})")
        if stopped.is_set():
            engine.stop()
        try:
            _run(engine, recording, places, say)
        finally:  # what has sounded is kept, whatever has ended it
            for key, place in _write(recording, places).items():
                say(f"live wrote {place}" + (f" ({len(recording.slots)} bars)" if key == "output" else ""))
    return 0


def _temperature() -> float:
    """That of ``harmonize``: a melody leaves little room."""
    from etude.config.defaults import section
    from etude.config.sections import Harmonize

    return float(section(Harmonize, "harmonize").temperature or 1.0)


def _listeners(
    keys: Mapping[str, str], places: Mapping[str, Path], recording: Any, outputs: Sequence[Any], fast: bool, say: Any
) -> list[Any]:
    """What makes the sound: where none is asked for and no MIDI goes out, a program of this machine that plays it."""
    from etude.config.defaults import section
    from etude.config.sections import Mix
    from etude.live.sound import (
        BarSound,
        FileSink,
        PipeSink,
        PlayerSink,
        Stream,
        find_player,
        standard_output,
        wav_header,
    )  # fmt: skip

    mix = section(Mix, "mix")
    sound = keys.get("sound", "")
    if not sound and not outputs and not fast and sys.stderr.isatty() and find_player(mix.sample_rate):
        sound = "play"
    if not sound:
        return []
    if sound == "play":
        sink: Any = PlayerSink(mix.sample_rate, say)
    elif sound == "-":
        sink = PipeSink(standard_output(), say, wav_header(mix.sample_rate), waits=fast)
    else:
        sink = FileSink(places["sound"], mix.sample_rate)
    return [Stream(BarSound(mix, recording.voices), sink)]


def _run(engine: Any, recording: Any, places: Mapping[str, Path], say: Any) -> None:
    """Run until the end, or a signal; a session file is written every few seconds meanwhile."""
    before = {}
    switch = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)  # who sends notes must not wait for who writes them
    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before[one] = signal.signal(one, lambda *_: engine.stop())
    done = threading.Event()
    saver = threading.Thread(target=_save, args=(done, recording, places), daemon=True)
    saver.start()
    try:
        engine.run()
    finally:
        done.set()
        saver.join()
        sys.setswitchinterval(switch)
        for one, handler in before.items():
            signal.signal(one, handler)
        punctuality = engine.sender.punctuality
        if punctuality.late:
            say(
                f"{punctuality.late} of {punctuality.sent} messages were sent more than 10 ms late, the worst by "
                f"{1000 * punctuality.worst:.0f} ms"
            )


def _save(done: threading.Event, recording: Any, places: Mapping[str, Path]) -> None:
    while not done.wait(SAVED_EVERY):
        if "session" in places and recording.slots:
            with suppress(OSError, EtudeError):
                recording.write(places["session"])


def _write(recording: Any, places: Mapping[str, Path]) -> dict[str, Path]:
    """Write what was played, each file whole. Returns the files."""
    from etude.core.files import whole

    if not recording.slots:
        if places:
            _say("nothing was played, so that nothing is written")
        return {}
    faults = []
    for key in ("session", "output"):
        try:
            if key == "session" and key in places:
                recording.write(places[key])
            elif key in places:
                with whole(places[key]) as part:
                    part.write_bytes(recording.midi())
        except (OSError, EtudeError) as error:  # of one is no reason to leave out the other
            reason = str(error).rstrip(".") if isinstance(error, EtudeError) else error.strerror or error
            faults.append(f"{key} = {places[key]} cannot be written ({reason}).")
    if faults:
        raise EtudeError(" ".join(faults))
    return dict(places)


def _replay(keys: Mapping[str, str], places: Mapping[str, Path]) -> int:
    if "output" not in places and not keys.get("sound"):
        raise EtudeError("replay = ... writes a file. Name it, as in: etude live replay=session.json output=again.mid")
    if keys.get("sound") in SPECIAL:
        raise EtudeError(f"sound = {keys['sound']}: a session is played again into a file. Name it, as sound=again.wav")
    source = path(keys, "replay")
    assert source is not None
    if not source.is_file():
        raise EtudeError(f"replay = {source} is no file. Give one that etude live session=... has written.")
    from etude.live.controls import WHAT

    kept = ("seed", "seconds", "bars", "role", "harmony", "input", "echo", "out", "control", "session", "ahead", "fast")
    for key in (*kept, *WHAT):
        if keys.get(key):
            raise EtudeError(f"{key} is kept in the session that is played again. Leave it out.")
    import hashlib

    from etude.live.band import StyleBand
    from etude.live.replay import replay
    from etude.live.session import check_same, read_session

    session = read_session(source)
    if keys.get("model") and keys["model"] != session.model:
        raise EtudeError(f"{source} was played by {session.model}. Leave model out.")
    needs = not (session.role == "accompany" and session.harmony == "chords")
    loaded = _load(keys, session.model) if needs else None
    if loaded is not None and (differs := check_same(session, loaded.trained, str(source))):
        _say(differs)
    show = os.environ.get("ETUDE_PROGRESS", "1") != "0"
    made = replay(session, loaded, lambda writer: StyleBand(writer.voices, writer.tempo, session.seed), show)
    if hashlib.sha256(made.midi()).hexdigest() != session.midi:
        _say(f"{source}: the music differs from what was played, as the code or the kind of CPU is another one")
    _write(made, {key: place for key, place in places.items() if key == "output"})
    if "sound" in places:
        _sound(made, places["sound"])
    for place in places.values():
        print(f"etude: live wrote {place} ({len(made.slots)} bars)", file=sys.stderr)
    return 0


def _sound(recording: Any, place: Path) -> None:
    from etude.audio.files import Tags
    from etude.audio.render import write_sound
    from etude.config.defaults import section
    from etude.config.sections import Mix
    from etude.core.files import whole

    with whole(place) as part:
        tags = Tags(place.stem, f"etude {recording.model}", f"seed {recording.seed}")
        write_sound(part, recording.score(), section(Mix, "mix"), at_once=True, tags=tags)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it, which is no reason to stop the music
        print(f"etude: {text}", file=sys.stderr, flush=True)
