"""Sound bar by bar: joined without a click, never too loud, in files and streams that are whole."""

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from live_music import BAR, VOICES, until
from numpy.typing import NDArray

from etude.config.defaults import section
from etude.config.sections import Mix
from etude.core.errors import EtudeError
from etude.live import sound
from etude.live.bars import Bar, Note
from etude.live.controls import Controls
from etude.live.sound import (
    KNEE,
    BarSound,
    FileSink,
    PipeSink,
    PlayerSink,
    Stream,
    rounded,
    standard_output,
    wav_header,
)
from etude.live.sounding import Slot, sounds_of

RATE = 22050
ORGAN = {**VOICES, "Top": 19}  # which sounds on


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float32]] = []
        self.closed = False

    def write(self, samples: NDArray[np.float32]) -> None:
        self.parts.append(samples.copy())

    def close(self) -> None:
        self.closed = True

    @property
    def whole(self) -> NDArray[np.float32]:
        return np.concatenate(self.parts, axis=1)


def mix() -> Mix:
    return section(Mix, "mix", {"sample_rate": RATE})


def stream(bars: list[Bar], tempo: float = 120.0, **controls: Any) -> Kept:
    """The sound of bars, each of which knows the next one."""
    sink = Kept()
    made = Stream(BarSound(mix(), ORGAN), sink)
    for bar, after in zip(bars, [*bars[1:], None], strict=True):
        slot = Slot(bar, Controls(**controls), Controls(), 0)
        made.bar(slot, sounds_of(slot, ORGAN), 0.0, tempo, after)
    made.close()
    made.close()
    assert sink.closed
    return sink


@given(arrays(np.float32, st.tuples(st.just(2), st.integers(0, 20)), elements=st.floats(-50, 50, width=32)))
def test_peaks_are_rounded_off_below_one(samples: NDArray[np.float32]) -> None:
    made = rounded(samples)
    assert made.dtype == np.float32 and made.shape == samples.shape and (np.abs(made) <= 1).all()
    quiet = np.abs(samples) <= KNEE
    assert np.array_equal(made[quiet], samples[quiet]) and (np.sign(made) == np.sign(samples)).all()
    order = np.argsort(samples, axis=None)
    assert (np.diff(made.ravel()[order]) >= 0).all(), "louder stays louder"


TONE = Note(0, 2 * BAR, 69, 100, 0)


@pytest.mark.parametrize(
    "bars",
    [
        [Bar((TONE,)), Bar(())],
        [Bar((TONE._replace(length=BAR),), holds=(0, 0)), Bar((), holds=(BAR, 0))],
    ],
)
def test_a_tone_over_a_bar_line_has_no_joint(bars: list[Bar]) -> None:
    """It is the sound of one long bar, to the sample."""
    joined = stream(bars).whole
    (one,) = [stream([Bar((TONE,), 2 * BAR)]).whole]
    length = min(joined.shape[1], one.shape[1])
    assert np.abs(one[:, 4 * RATE - RATE // 4 : 4 * RATE]).max() > 0.01, "it sounds"
    assert np.abs(joined[:, :length] - one[:, :length]).max() < 1e-4


def test_what_no_next_bar_was_known_to_hold_is_struck_again() -> None:
    first, second = Bar((TONE._replace(length=BAR),)), Bar((), holds=(BAR, 0))
    sink = Kept()
    made = Stream(BarSound(mix(), VOICES), sink)
    for bar in (first, second):
        slot = Slot(bar, Controls(), Controls(), 0)
        made.bar(slot, sounds_of(slot, VOICES), 0.0, 120.0, None)
    made.close()
    assert np.abs(sink.parts[1]).max() > 0.05


def test_bars_are_as_long_as_their_tempo_says_and_rests_before_an_upbeat_are_left_out() -> None:
    upbeat = Bar((Note(78, 18, 69, 100, 0),))
    sink = stream([upbeat, Bar((TONE,)), Bar(())], 97.0)
    beat = RATE * 60 / 97
    lengths = [part.shape[1] for part in sink.parts]
    assert abs(lengths[0] - beat) <= 1 and abs(sum(lengths[:3]) - 9 * beat) <= 1
    assert np.abs(sink.parts[0][:, : RATE // 2]).max() > 0.01, "it comes at once"


def test_silence_and_what_is_muted_are_silent() -> None:
    assert not np.abs(stream([Bar(()), Bar(())]).whole).max()
    assert not np.abs(stream([Bar((TONE,))], mute=("Top",)).whole).max()


# --- sinks

SAMPLES = np.linspace(-0.5, 0.5, 2 * 1000, dtype=np.float32).reshape(2, 1000)


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_a_file_grows_and_is_whole_at_every_bar(ending: str, tmp_path: Path) -> None:
    place = tmp_path / f"a.{ending}"
    sink = FileSink(place, RATE)
    for bar in range(1, 4):
        sink.write(SAMPLES)
        if ending == "wav":
            found, rate = soundfile.read(place, always_2d=True)
            assert found.shape == (1000 * bar, 2) and rate == RATE
    sink.close()
    found, _ = soundfile.read(place)
    assert found.shape == (3000, 2) and np.abs(found[:1000] - SAMPLES.T).max() < 1e-4


class Reader(io.RawIOBase):
    """A pipe that takes a few bytes at a time, when it may."""

    def __init__(self, most: int = 7, open_: bool = True) -> None:
        self.taken, self.most, self.may = b"", most, threading.Event()
        if open_:
            self.may.set()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.may.wait(20)
        part = bytes(data[: self.most])
        self.taken += part
        return len(part)


def test_a_stream_has_a_header_and_all_samples() -> None:
    reader, said = Reader(), list[str]()
    sink = PipeSink(reader, said.append, wav_header(RATE))  # type: ignore[arg-type]
    for _ in range(3):
        sink.write(SAMPLES)
    sink.close()
    assert reader.taken[:44] == wav_header(RATE) and len(reader.taken) == 44 + 3 * 1000 * 4 and not said
    found, rate = soundfile.read(io.BytesIO(reader.taken), always_2d=True)
    assert found.shape == (3000, 2) and rate == RATE and np.abs(found[:1000] - SAMPLES.T).max() < 1e-4


def test_a_slow_reader_misses_bars_but_not_the_header() -> None:
    reader, said = Reader(10**9, open_=False), list[str]()
    sink = PipeSink(reader, said.append, wav_header(RATE))  # type: ignore[arg-type]
    for _ in range(3 * PipeSink.MOST):
        sink.write(SAMPLES)
    assert len(sink._waiting) == PipeSink.MOST and len(said) == 1 and "some of it is left out" in said[0]
    reader.may.set()
    sink.close()
    assert reader.taken[:4] == b"RIFF" and len(reader.taken) == 44 + PipeSink.MOST * 4000


def test_where_nothing_may_be_left_out_the_writer_waits() -> None:
    reader, said = Reader(10**9, open_=False), list[str]()
    sink = PipeSink(reader, said.append, b"", waits=True)  # type: ignore[arg-type]

    def write() -> None:
        for _ in range(3 * PipeSink.MOST):
            sink.write(SAMPLES)

    thread = threading.Thread(target=write)
    thread.start()
    until(lambda: len(sink._waiting) == PipeSink.MOST)
    assert thread.is_alive()
    reader.may.set()
    thread.join(20)
    sink.close()
    assert len(reader.taken) == 3 * PipeSink.MOST * 4000 and not said


def test_a_reader_that_is_gone_is_said_and_the_music_goes_on() -> None:
    class Gone(Reader):
        def write(self, data: Any) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    said: list[str] = []
    sink = PipeSink(Gone(), said.append, b"x", waits=True)  # type: ignore[arg-type]
    for _ in range(100):
        sink.write(SAMPLES)
    sink.close()
    assert said == ["the sound has no listener any more (Broken pipe); the music goes on without"]
    assert not sink._waiting and not sink._thread.is_alive()


def test_a_program_plays_what_it_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "raw"
    monkeypatch.setattr(sound, "find_player", lambda rate: ["sh", "-c", f"cat > '{place}'"])
    sink = PlayerSink(RATE, print)
    sink.write(SAMPLES)
    sink.close()
    assert place.stat().st_size == 4000
    monkeypatch.setattr(sound, "find_player", lambda rate: None)
    with pytest.raises(EtudeError, match="there is none of pw-play, paplay"):
        PlayerSink(RATE, print)


def test_the_program_is_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name if name in ("aplay", "play") else None)
    assert sound.find_player(RATE) == ["aplay", "-q", "-t", "raw", "-f", "S16_LE", "-c", "2", "-r", f"{RATE}"]


def test_samples_do_not_go_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})())
    with pytest.raises(EtudeError, match="that is a terminal"):
        standard_output()
