"""Sound bar by bar: each bar rendered alone, with what rings on after it, and bars joined to one stream."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.audio.mixing import Channel
from etude.audio.reverb import impulse_response, reverberate
from etude.audio.synthesis import soundfont, synthesize
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.live.bars import TICKS, Bar
from etude.live.sounding import Part, Slot, Sound, within
from etude.representations.base.survey import DRUMS

TAIL = 1.0  # seconds after the last note
LEVEL = 0.7  # gain of the sum of all parts, as no later bar can be loud enough to turn this one down
KNEE = 0.8  # level above which peaks are rounded off, so that none is clipped
LEAD = 0.3  # seconds before a bar line at which its sound is made
PLAYERS = (  # programs that play raw samples from their input, with their arguments
    ("pw-play", "--format=s16", "--rate={rate}", "--channels=2", "-"),
    ("paplay", "--raw", "--format=s16le", "--rate={rate}", "--channels=2"),
    ("aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "2", "-r", "{rate}"),
    ("play", "-q", "-t", "raw", "-e", "signed", "-b", "16", "-c", "2", "-r", "{rate}", "-"),
    ("ffplay", "-v", "error", "-nodisp", "-autoexit", "-f", "s16le", "-ar", "{rate}", "-ch_layout", "stereo", "-"),
)


class BarSound:
    """Renders bars. A note that the next bar holds sounds on, where that bar is planned; else it is struck again."""

    def __init__(self, settings: Mix, voices: Mapping[str, int]) -> None:
        """Args: how it sounds; the voices of the model."""
        self.settings, self.voices = settings, dict(voices)
        self._font = soundfont(settings.soundfont)
        self._last: dict[int, tuple[int, Part]] = {}  # pitch and part of each voice
        self._promised: list[int] = [0] * len(self.voices)

    def render(self, slot: Slot, sounds: Sequence[Sound], tempo: float, following: Bar | None) -> NDArray[np.float32]:
        """The sound of a bar from its start on, with its tail: (2, samples)."""
        length, ahead = slot.bar.length, self._holds(None if slot.band else following)
        found: list[tuple[Part, NoteTick]] = []
        names = list(self.voices)
        final: dict[int, NoteTick] = {}
        for voice, held in enumerate(self._holds(None if slot.band else slot.bar)):
            if held > self._promised[voice] and voice in self._last:
                pitch, part = self._last[voice]
                found.append((part, NoteTick(0, held, pitch, 80)))
                final[voice] = found[-1][1]
        for sound in sounds:
            note = NoteTick(sound.onset, max(1, sound.length), within(sound.pitch), min(max(sound.velocity, 1), 127))
            found.append((sound.part, note))
            if sound.part.name in names and not slot.band:
                voice = names.index(sound.part.name)
                self._last[voice], final[voice] = (note.pitch, sound.part), note
        for voice, note in final.items():
            if ahead[voice] and note.time + note.duration >= length:
                note.duration = length + ahead[voice] - note.time
        self._promised = [held if voice in final else 0 for voice, held in enumerate(ahead)]
        return self._mix(found, tempo)

    def _holds(self, bar: Bar | None) -> list[int]:
        holds = list(bar.holds) if bar is not None else []
        return holds + [0] * (len(self.voices) - len(holds))

    def _mix(self, notes: Sequence[tuple[Part, NoteTick]], tempo: float) -> NDArray[np.float32]:
        score = ScoreTick(TICKS)
        score.tempos.append(TempoTick(0, tempo))
        tracks: dict[Part, TrackTick] = {}
        for part, note in notes:
            if part not in tracks:
                tracks[part] = TrackTick(part.name, max(part.program, 0), part.program == DRUMS)
            tracks[part].notes.append(note)
        if not tracks:
            return np.zeros((2, 0), np.float32)
        for track in tracks.values():
            score.tracks.append(track)
        tail = max(TAIL, self.settings.reverb.seconds)
        stems = synthesize(score, self.settings.sample_rate, self._font, tail)
        dry, send = np.zeros_like(next(iter(stems.values()))), np.zeros(0, np.float32)
        for name, stem in stems.items():
            channel = Channel.of(name, self.settings)
            placed = channel.place(stem)
            dry += placed
            if (sent := channel.to_reverb(placed)) is not None:
                send = sent if not len(send) else send + sent
        if len(send):
            dry += reverberate(send, impulse_response(self.settings.reverb, self.settings.sample_rate))
        return np.asarray(dry * np.float32(LEVEL), dtype=np.float32)


def rounded(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sound whose peaks stay below 1: unchanged up to ``KNEE``, and rounded off above it."""
    size = np.abs(sound)
    over = np.maximum(size - KNEE, 0) / (1 - KNEE)
    bent = np.sign(sound) * (KNEE + (1 - KNEE) * np.tanh(over))
    return np.asarray(np.where(size > KNEE, bent, sound), dtype=np.float32)


class Stream:
    """Joins bars to one sound, and hands it on bar by bar; what rings on is added to the next bar."""

    lead = LEAD

    def __init__(self, sound: BarSound, sink: "Sink") -> None:
        """Args: what renders; where the samples go."""
        self.sound, self.sink = sound, sink
        self._ringing = np.zeros((2, 0), np.float32)
        self._done, self._seconds = 0, 0.0  # samples handed on, and what they should be

    def bar(self, slot: Slot, sounds: Sequence[Sound], start: float, tempo: float, following: Bar | None) -> None:
        """See Listener."""
        if not self._done:  # the rests before an upbeat are left out
            early = min((sound.onset for sound in sounds), default=0) // TICKS * TICKS
            sounds = [sound._replace(onset=sound.onset - early) for sound in sounds]
        else:
            early = 0
        chunk = self.sound.render(slot, sounds, tempo, following)
        self._seconds += (slot.bar.length - early) * 60 / tempo / TICKS
        self._pass(chunk, round(self._seconds * self.sound.settings.sample_rate) - self._done)

    def _pass(self, chunk: NDArray[np.float32], samples: int) -> None:
        whole = np.zeros((2, max(chunk.shape[1], self._ringing.shape[1], samples)), np.float32)
        whole[:, : chunk.shape[1]] += chunk
        whole[:, : self._ringing.shape[1]] += self._ringing
        self._ringing = whole[:, samples:]
        self._done += samples
        self.sink.write(rounded(whole[:, :samples]))

    def close(self) -> None:
        """See Listener: what rings on is handed on, too."""
        self.sink.write(rounded(self._ringing))
        self._ringing = np.zeros((2, 0), np.float32)
        self.sink.close()


class Sink(Protocol):
    """Where samples go."""

    def write(self, samples: NDArray[np.float32]) -> None:
        """Take some, (2, samples)."""

    def close(self) -> None:
        """There are no more."""


class FileSink:
    """A sound file that grows while the music plays, and has its proper header at every bar."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        """Args: .wav or .flac; samples a second. Raises EtudeError where it cannot be written."""
        try:
            self._file = soundfile.SoundFile(path, "w", sample_rate, 2, subtype="PCM_16")
        except (OSError, soundfile.SoundFileError):
            raise EtudeError(f"sound = {path} cannot be written. Name a file in a folder of your own.") from None

    def write(self, samples: NDArray[np.float32]) -> None:
        """See Sink."""
        self._file.write(samples.T)
        self._file.flush()

    def close(self) -> None:
        """See Sink."""
        self._file.close()


class PipeSink:
    """Raw samples, or a WAV stream of no stated length, to a program that plays them, or to standard output.

    A thread of its own writes, so that a reader that is slow, or gone, does not stop the music.
    """

    MOST = 64  # bars that wait for a slow reader; then the oldest is left out
    PATIENCE, LONG = 10.0, 60.0  # seconds that a reader may take at the end; between two bars where none is left out

    def __init__(self, stream: BinaryIO, say: Callable[[str], None], header: bytes = b"", waits: bool = False) -> None:
        """Args: where it goes; what gets a sentence when the reader is gone; what comes first; whether nothing is left
        out, so that who writes waits for a slow reader.
        """
        self.stream, self.say, self.waits = stream, say, waits
        self._header = header
        self._waiting: list[bytes] = []
        self._changed = threading.Condition()
        self._closed = self._lost = self._left_out = False
        self._thread = threading.Thread(target=self._work, name="sound", daemon=True)
        self._thread.start()

    def write(self, samples: NDArray[np.float32]) -> None:
        """See Sink."""
        data = np.round(samples.T * 32767).astype("<i2").tobytes()
        with self._changed:
            if self.waits:
                self._changed.wait_for(lambda: self._lost or len(self._waiting) < self.MOST, self.LONG)
            if not self._lost:
                self._waiting.append(data)
            if len(self._waiting) > self.MOST and not self._left_out:
                self._left_out = True
                self.say("the sound is taken more slowly than it is made; some of it is left out")
            del self._waiting[: max(0, len(self._waiting) - self.MOST)]
            self._changed.notify_all()

    def close(self) -> None:
        """See Sink: waits until all is written, for some time at most."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(self.LONG if self.waits else self.PATIENCE)

    def _work(self) -> None:
        data = self._header
        while True:
            try:
                rest = memoryview(data)
                while len(rest):  # a pipe takes a part
                    rest = rest[self.stream.write(rest) :]
                self.stream.flush()
            except OSError as error:
                with self._changed:
                    self._lost = True
                    self._waiting.clear()
                    self._changed.notify_all()
                self.say(f"the sound has no listener any more ({error.strerror or error}); the music goes on without")
                return
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                data = self._waiting.pop(0)
                self._changed.notify_all()


def wav_header(sample_rate: int) -> bytes:
    """The header of a WAV stream whose length nobody knows: 16 bit, two channels."""
    sizes = (0xFFFFFFFF).to_bytes(4, "little")
    parts = [(16, 4), (1, 2), (2, 2), (sample_rate, 4), (sample_rate * 4, 4), (4, 2), (16, 2)]
    layout = b"".join(value.to_bytes(size, "little") for value, size in parts)
    return b"RIFF" + sizes + b"WAVEfmt " + layout + b"data" + sizes


def find_player(sample_rate: int) -> list[str] | None:
    """The command of a program that plays raw samples, if one is installed."""
    for name, *arguments in PLAYERS:
        if shutil.which(name):
            return [name, *(argument.format(rate=sample_rate) for argument in arguments)]
    return None


class PlayerSink(PipeSink):
    """A program that plays what it is given."""

    def __init__(self, sample_rate: int, say: Callable[[str], None]) -> None:
        """Start it. Raises EtudeError where there is none."""
        command = find_player(sample_rate)
        if command is None:
            names = ", ".join(name for name, *_ in PLAYERS)
            raise EtudeError(f"sound = play: there is none of {names} here. Give sound=FILE.wav, or out=... for MIDI.")
        self._program = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        assert self._program.stdin is not None
        super().__init__(self._program.stdin, say)  # type: ignore[arg-type]

    def close(self) -> None:
        """See Sink: the program plays to the end of what it has."""
        super().close()
        try:
            self.stream.close()
            self._program.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._program.kill()


def standard_output() -> BinaryIO:
    """Standard output for samples, without a buffer: one that a reader keeps full would stop Python at its end.

    Raises:
        EtudeError: it is a terminal, or closed.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise EtudeError("sound = - writes samples to standard output, and that is closed. Pipe it: | aplay")
    if sys.stdout.isatty():
        raise EtudeError("sound = - writes samples to standard output, and that is a terminal. Pipe it: | aplay")
    stream: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    return stream
