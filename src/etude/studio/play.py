"""The tab Play: one live engine for each page that plays, behind a WebSocket of its own."""

import asyncio
import json
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import mido
import numpy as np
from fastapi import WebSocket, WebSocketDisconnect
from symusic.core import ScoreSecond, ScoreTick

from etude.config.check import Natural, check
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.live.bars import TICKS, Bar
from etude.live.clock import RealClock
from etude.live.controls import WHAT, Controls
from etude.live.engine import Bounds, Engine
from etude.live.performance import Performance
from etude.live.player import Player
from etude.live.ports import BUSIEST
from etude.live.replay import replay
from etude.live.sender import Sender
from etude.live.session import ACCOMPANY, CHORDS, HARMONIES, PLAY, ROLES, Recording, Replayed, check_same, session_of
from etude.live.sound import BarSound, rounded
from etude.live.sounding import Slot, Sound, session_score
from etude.live.writers import Writer
from etude.music.key import MODES
from etude.representations.attributes import key_of
from etude.representations.base.survey import DRUMS
from etude.studio.models import Models
from etude.studio.pages import PAGE, TOO_MANY, WRONG

MOST = 4  # performances at a time
LONGEST = 4 * 3600.0  # seconds of one
LETTERS = 2048  # of a message of a page
FASTEST = 400  # messages of a page a second; more are left out
MISTAKES = 50  # messages that cannot be read, after which the socket is closed
WAITING = 512  # messages for a page that reads slowly; then its music ends
LEAD = 0.35  # seconds before a bar line at which a bar goes to the page
SWITCH = 0.001  # seconds between two switches of threads while somebody plays
KEPT = 16  # performances that can be taken away after their end
BARS = 20_000  # of a session: more than LONGEST has
SECTION = 12  # bars whose key the chords are named in


@dataclass(frozen=True)
class PlayRecipe:
    """A session of the tab Play."""

    session: dict[str, Any]
    key: str | None = None


class FromPage:
    """What somebody plays in the page, as an input of the engine."""

    address, port, is_over = "page", 0, False
    at_once: Callable[[mido.Message], None] | None = None

    def __init__(self, clock: RealClock) -> None:
        """Args: the time."""
        self.clock = clock
        self._queue: deque[tuple[float, mido.Message]] = deque(maxlen=BUSIEST)

    def put(self, message: mido.Message) -> None:
        """A message from the page."""
        self._queue.append((self.clock.now(), message))

    def take(self, until: float) -> list[tuple[float, mido.Message]]:
        """See Input."""
        found = []
        while self._queue:
            found.append(self._queue.popleft())
        return found

    def close(self) -> None:
        """See Input."""


class ToPage:
    """Messages to the page, from any thread; one that reads too slowly is given up."""

    name = "page"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Args: the loop of the server."""
        self.loop = loop
        self.queue: asyncio.Queue[str | bytes | None] = asyncio.Queue(WAITING)
        self.lost = False
        self.part_on: Callable[[int], str] = lambda channel: ""

    def put(self, message: Json | bytes | None) -> None:
        """Send something; None is the end."""
        text = message if message is None or isinstance(message, bytes) else json.dumps(message)
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._put, text)

    def _put(self, text: str | bytes | None) -> None:
        try:
            self.queue.put_nowait(text)
        except asyncio.QueueFull:
            self.lost = True

    def send(self, message: mido.Message) -> None:
        """See Output: a note that the page itself sounds, where its end is not known in advance."""
        if self.lost:
            raise OSError("the page does not read")
        kind = message.type
        if kind in ("note_on", "note_off"):
            on = kind == "note_on" and message.velocity > 0
            place = {"channel": message.channel, "part": self.part_on(message.channel)}
            self.put({"type": "note", "on": on, "pitch": message.note, "velocity": message.velocity, **place})
        elif kind == "program_change":
            self.put({"type": "program", "channel": message.channel, "program": message.program})
        elif kind == "control_change" and message.control == 123:
            self.put({"type": "quiet", "channel": message.channel})

    def close(self) -> None:
        """See Output."""


class Nowhere:
    """An output that leaves all out, where the page hears bars."""

    name = "nowhere"

    def send(self, message: mido.Message) -> None:
        """See Output."""

    def close(self) -> None:
        """See Output."""


class BarsToPage:
    """Sends each bar with its sound; see ``etude.live.engine.Listener``."""

    lead = LEAD

    def __init__(self, page: ToPage, mix: Mix, voices: Mapping[str, int]) -> None:
        """Args: where it goes; how it sounds; the voices of the model."""
        self.page, self.mix, self.voices = page, mix, voices
        self.engine: Engine | None = None
        self._sound = BarSound(mix, voices)
        self._number, self._start, self._skip = 0, 0.0, 0.0

    def bar(self, slot: Slot, sounds: Sequence[Sound], start: float, tempo: float, following: Bar | None) -> None:
        """Send a bar, what is planned after it, and its sound."""
        if self.page.lost and self.engine is not None:
            self.engine.stop()
        if not self._number:
            self._start = start
            early = min((sound.onset for sound in sounds), default=0) // TICKS * TICKS  # nobody waits for rests
            self._skip = early * 60 / tempo / TICKS
        samples = rounded(self._sound.render(slot, sounds, tempo, following))
        planned = self.engine.planner.planned() if self.engine is not None else []
        ahead = [Slot(one.bar, slot.controls, one.controls, one.number, band=one.band) for one in planned]
        message = {
            "type": "bar",
            "skip": self._skip,
            "number": self._number,
            "start": start - self._start,
            "beats": slot.bar.meter[0],
            "unit": slot.bar.meter[1],
            "length": slot.bar.length,
            "seconds": slot.bar.length * 60 / tempo / TICKS,
            "tempo": round(tempo, 2),
            "repeats": slot.repeats,
            "band": bool(slot.band),
            "controls": slot.controls.as_json(),
            "notes": [[one.onset, one.length, one.pitch, one.part.name, one.part.program == DRUMS] for one in sounds],
            "holds": list(slot.bar.holds),
            "planned": [
                {
                    "length": one.bar.length,
                    "band": bool(one.band),
                    "notes": [
                        [sound.onset, sound.length, sound.pitch, sound.part.name, sound.part.program == DRUMS]
                        for sound in _sounds(one, self.voices)
                    ],
                }
                for one in ahead
            ],
            "chords": self._chords(slot.controls),
            "rate": self.mix.sample_rate,
        }
        self._number += 1
        head = json.dumps(message).encode()
        pcm = np.round(samples.T * 32767).astype("<i2").tobytes()
        self.page.put(struct.pack(">I", len(head)) + head + pcm)

    def _chords(self, controls: Controls) -> list[Json]:
        """The chords of the newest bar, by name and Roman numeral, in its ticks; in the key that is asked for."""
        from etude.studio.description import describe

        if self.engine is None:
            return []
        slots = self.engine.planner.slots[-SECTION:]
        score = session_score(slots, self.voices, self.engine.recording.tempo)
        start = sum(slot.bar.length for slot in slots[:-1])
        asked = controls.scale or dict(controls.attributes).get("key")
        key = None
        if asked is not None:
            tonic, mode = key_of(asked)
            key = (tonic + controls.transpose) % 12, MODES[mode == "minor"]
        with suppress(EtudeError, ValueError):
            return [
                {**chord, "start": max(0, chord["start"] - start), "end": chord["end"] - start}
                for chord in describe(score, chords_in=key)["chords"]
                if chord["end"] > start
            ]
        return []

    def close(self) -> None:
        """See Listener."""


def _sounds(slot: Slot, voices: Mapping[str, int]) -> list[Sound]:
    from etude.live.sounding import sounds_of

    return sounds_of(slot, voices)


def _read(recipe: PlayRecipe) -> Replayed:
    bars = recipe.session.get("bars")
    if isinstance(bars, list) and len(bars) > BARS:
        raise EtudeError(f"The link has {len(bars)} bars; the studio takes {BARS} at most.")
    return session_of(recipe.session, "the link")


class Playing:
    """The performances of a studio: those that sound, and the last ones that have ended."""

    def __init__(self, models: Models) -> None:
        """Args: the models."""
        self.models = models
        self._count = 0
        self._kept: OrderedDict[Replayed, Recording] = OrderedDict()
        self._lock = threading.Lock()

    # --- what the page needs to know

    def about(self) -> Json:
        """Which models play, in which roles, and what each control does."""
        return {
            "models": [self._about(name) for name in self.models.players()],
            "controls": WHAT,
            "roles": list(ROLES),
        }

    def _about(self, name: str) -> Json:
        performance = Performance.of(name, self.models.load(name))
        surface, controls = performance.console.surface, performance.console.controls
        grid = self.models.load(name).representation.is_voice_grid
        return {
            "name": name,
            "voices": performance.recording.voices,
            "tempo": performance.recording.tempo,
            "temperature": controls.temperature,
            "controls": surface.names,
            "styles": list(surface.styles),
            "accompanies": bool(grid and performance.writer is not None and surface.tilts),
        }

    # --- recipes

    def describe(self, recipe: PlayRecipe) -> Json:
        """A session played again; see ``Recipes.make``."""
        from etude.studio.description import describe

        recording, differs = self._again(recipe)
        made = describe(recording.score())
        name = recording.model if recording.weights else CHORDS
        return {
            "model": {"name": name, "key": recipe.key if differs is None else ""},
            "candidates": [made],
            "differs": differs,
        }

    def score(self, recipe: PlayRecipe, minutes: float | None = None) -> ScoreTick:
        """What sounded in a session. Raises EtudeError where it is longer than some minutes."""
        with self._lock:
            kept = self._kept.get(_read(recipe))
        score = (kept or self._again(recipe)[0]).score()
        long = cast(ScoreSecond, score.to("second")).end() / 60
        if minutes is not None and long > minutes:
            raise EtudeError(
                f"This lasts {long:.0f} minutes; the studio makes sounds and scores of {minutes:g} at most. Save MIDI, "
                "and give it to: etude mix"
            )
        return score

    def _again(self, recipe: PlayRecipe) -> tuple[Recording, str | None]:
        from etude.live.band import StyleBand

        session = _read(recipe)
        needs = session.role != ACCOMPANY or session.harmony != CHORDS
        loaded = self.models.load(session.model) if needs else None
        differs = None if loaded is None else check_same(session, loaded.trained, "the link")

        def band(writer: Writer) -> StyleBand:
            return StyleBand(writer.voices, writer.tempo, session.seed)

        made = replay(session, loaded, band, show=True)
        self._keep(made)
        return made, differs

    def _keep(self, recording: Recording) -> Json:
        plain = recording.as_json()
        with self._lock:
            self._kept[session_of(plain, "the session")] = recording
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return plain

    def forget(self) -> None:
        """Forget the performances that have ended."""
        with self._lock:
            self._kept.clear()

    # --- the socket

    async def serve(self, socket: WebSocket) -> None:
        """Serve a page that plays, until it goes away; its music ends with it."""
        await socket.accept()
        if not PAGE.fullmatch(socket.query_params.get("page", "")):
            await socket.close(WRONG)
            return
        page = ToPage(asyncio.get_running_loop())
        writing = asyncio.create_task(_write(socket, page))
        desk = _Desk(self, page)
        try:
            await desk.read(socket)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            await asyncio.get_running_loop().run_in_executor(None, desk.end)
            writing.cancel()

    @property
    def count(self) -> int:
        """Performances that sound."""
        with self._lock:
            return self._count

    def enter(self) -> None:
        """Count a performance. Raises EtudeError where there are too many."""
        with self._lock:
            if self._count >= MOST:
                raise EtudeError(f"{MOST} pages play already. Stop one of them first.")
            self._count += 1

    def leave(self) -> None:
        """A performance has ended."""
        with self._lock:
            self._count -= 1


async def _write(socket: WebSocket, page: ToPage) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, OSError):
        while (message := await page.queue.get()) is not None:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_text(message)


class _Desk:
    """What one page plays."""

    def __init__(self, playing: Playing, page: ToPage) -> None:
        self.playing, self.page = playing, page
        self.engine: Any = None
        self.performance: Performance | None = None
        self.input: FromPage | None = None
        self._thread: threading.Thread | None = None
        self._second, self._count, self._mistakes = 0, 0, 0

    async def read(self, socket: WebSocket) -> None:
        """Read the page's messages: what is none is refused, and the music goes on."""
        while self._mistakes < MISTAKES:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if int(time.monotonic()) != self._second:
                self._second, self._count = int(time.monotonic()), 0
            self._count += 1
            if self._count > FASTEST:
                continue
            try:
                asked = _message(message.get("text"))
                if asked["type"] == "start":
                    await asyncio.get_running_loop().run_in_executor(None, self.start, asked)
                elif asked["type"] == "stop":
                    await asyncio.get_running_loop().run_in_executor(None, self.end)
                else:
                    self.take(asked)
            except EtudeError as error:
                self._mistakes += 1
                self.page.put({"type": "refused", "text": str(error)[:500]})
        await socket.close(WRONG if self.page.lost is False else TOO_MANY)

    def start(self, asked: Json) -> None:
        """Start to play. Raises EtudeError where it cannot be."""
        self.end()
        role = check(asked.get("role", PLAY), str, "role")
        if role not in ROLES:
            raise EtudeError(f"role = {role[:40]} must be {', '.join(ROLES)}.")
        kind = check(asked.get("harmony", CHORDS), str, "harmony")
        seed = check(asked.get("seed", 1), Natural, "seed")
        if kind not in HARMONIES:
            raise EtudeError(f"harmony = {kind[:40]} must be {' or '.join(HARMONIES)}.")
        if seed >= 2**31:
            raise EtudeError("seed must be below 2147483648.")
        controls = {str(key): check(value, str, "controls") for key, value in
                    check(asked.get("controls", {}), dict, "controls").items()}  # fmt: skip
        needs = role != ACCOMPANY or kind != CHORDS
        name = check(asked.get("model", ""), str, "model") if needs else CHORDS
        loaded = self.playing.models.load(name) if needs else None
        settings = self.playing.models.settings
        temperature = settings.harmonize.temperature if role == ACCOMPANY else None
        performance = Performance.of(name, loaded, role, kind, seed, temperature, controls)
        self.playing.enter()
        self.performance, clock = performance, RealClock()
        self.input = FromPage(clock)
        player = Player(self.input, performance.console, self.say)  # type: ignore[arg-type]
        listeners = [BarsToPage(self.page, settings.mix, performance.recording.voices)] if role == PLAY else []
        sender = Sender([Nowhere() if role == PLAY else self.page], clock, self.say)
        self.page.part_on = sender.part_on
        self.engine = performance.engine(sender, clock, player, listeners, self.say, Bounds(LONGEST))
        for listener in listeners:
            listener.engine = self.engine
        if role != PLAY:
            self.engine.on_bar = partial(self._line, clock)
        self._thread = threading.Thread(target=self._run, args=(self.engine, performance), name="play", daemon=True)
        self._thread.start()
        surface = performance.console.surface
        self.page.put(
            {
                "type": "started",
                "role": role,
                "voices": performance.recording.voices,
                "controls": surface.names,
                "state": performance.console.controls.as_json(),
                "tempo": performance.recording.tempo,
            }
        )

    def _run(self, engine: Any, performance: Performance) -> None:
        import sys

        import torch

        torch.set_num_threads(1)
        sys.setswitchinterval(SWITCH)
        try:
            engine.run()
        except Exception as error:
            known = isinstance(error, EtudeError)
            self.say(str(error) if known else f"the music has a fault ({type(error).__name__}), and has ended")
        finally:
            self.playing.leave()
            session = self.playing._keep(performance.recording) if performance.recording.slots else None
            self.page.put({"type": "ended", "session": session})

    def _line(self, clock: RealClock, number: int, line: float, beat: float) -> None:
        self.page.put({"type": "line", "number": number, "wait": line - clock.now(), "beat": beat, "beats": 4})

    def take(self, asked: Json) -> None:
        """A message while it plays. Raises EtudeError where it is none."""
        if asked["type"] == "ping":
            self.page.put({"type": "pong"})
        elif self.performance is None or self.input is None:
            raise EtudeError("Nothing plays: start first.")
        elif asked["type"] == "set":
            name, value = check(asked.get("name"), str, "name"), check(asked.get("value"), str, "value")
            self.performance.console.set(name, value)
            self.page.put({"type": "state", "state": self.performance.console.controls.as_json()})
        elif asked["type"] == "midi":
            data = check(asked.get("data"), list[int], "data")
            try:
                self.input.put(mido.Message.from_bytes(data))
            except (ValueError, TypeError, IndexError):
                raise EtudeError("this is no MIDI message") from None
        else:
            raise EtudeError("type must be start, stop, set, midi or ping.")

    def end(self) -> None:
        """End the music, if any plays."""
        if self.engine is not None:
            self.engine.stop()
        if self._thread is not None:
            self._thread.join(10)
        self.engine = self._thread = self.performance = self.input = None

    def say(self, text: str) -> None:
        """Tell the page something."""
        self.page.put({"type": "said", "text": text[:500]})


def _message(text: Any) -> Json:
    if not isinstance(text, str) or len(text) > LETTERS:
        raise EtudeError(f"a message must be a text of at most {LETTERS} letters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise EtudeError("a message must be JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise EtudeError("a message must be an object with a type")
    return value
