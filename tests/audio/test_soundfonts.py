"""Soundfonts: every sample sounds at the pitch that is written, whatever its zone overrides."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from audio.test_synthesis import piece
from hypothesis import given, settings
from hypothesis import strategies as st

from etude.audio import soundfonts
from etude.audio.soundfonts import in_tune, with_root_keys
from etude.audio.synthesis import soundfont, synthesize
from etude.core.errors import EtudeError

RATE = 16000
SOUNDFONT = soundfont()
INSTRUMENTS = (0, 4, 11, 24, 25, 32, 33, 40, 42, 48, 56, 61, 65, 68, 70, 71, 73)


def in_tune_share(program: int, pitch: int) -> float:
    """The share of a note's energy, up to its sixth partial, that lies within 40 cents of one of them."""
    sound = synthesize(piece(("A", program, pitch)), RATE, SOUNDFONT)["A"].sum(axis=0)[RATE // 10 : 2 * RATE]
    power = np.square(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 17)))
    frequencies = np.fft.rfftfreq(1 << 17, 1 / RATE)
    written = 440 * 2 ** ((pitch - 69) / 12)
    heard = (frequencies > written / 2) & (frequencies < 6.5 * written)
    partial = np.maximum(1, np.rint(frequencies / written))
    near = np.abs(1200 * np.log2(np.maximum(frequencies, 1) / (partial * written))) < 40
    return float(power[heard & near].sum() / power[heard].sum())


@pytest.mark.parametrize("program", INSTRUMENTS)
def test_notes_sound_at_their_pitch(program: int) -> None:
    shares = [in_tune_share(program, pitch) for pitch in (45, 60, 69)]
    assert sorted(shares)[1] > 0.6, shares


def test_a_soundfont_whose_zones_override_nothing_stays_as_it_is(tmp_path: Path) -> None:
    tuned = with_root_keys(SOUNDFONT.read_bytes())
    assert len(tuned) > SOUNDFONT.stat().st_size and with_root_keys(tuned) == tuned
    file = tmp_path / "tuned.sf2"
    file.write_bytes(tuned)
    assert in_tune(file) == file and in_tune(SOUNDFONT) == in_tune(SOUNDFONT) != SOUNDFONT


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    data = SOUNDFONT.read_bytes()
    for number, broken in enumerate((data[:5000], data[:-40000], data.replace(b"shdr", b"shxx"))):
        file = tmp_path / f"{number}.sf2"
        file.write_bytes(broken)
        with pytest.raises(EtudeError, match=rf"{number}\.sf2 is damaged"):
            in_tune(file)


def small(root: int, cents: int, override: int | None, coarse: int, fine: int) -> bytes:
    """A soundfont of one zone and one sample, without sound."""
    zone = [(51, coarse), (52, fine), *([(58, override)] if override is not None else []), (53, 0)]
    header = struct.pack("<20sIIIIIBbHH", b"s", 0, 8, 0, 8, 44100, root, cents, 0, 1)
    chunks = {
        b"ibag": struct.pack("<HHHH", 0, 0, len(zone), 0),
        b"igen": b"".join(struct.pack("<Hh", *generator) for generator in zone) + bytes(4),
        b"shdr": header + bytes(46),
    }
    inner = b"".join(name + struct.pack("<I", len(body)) + body for name, body in chunks.items())
    lists = b"LIST" + struct.pack("<I", len(inner) + 4) + b"pdta" + inner
    return b"RIFF" + struct.pack("<I", len(lists) + 4) + b"sfbk" + lists


@settings(max_examples=50)
@given(
    st.integers(20, 100),
    st.integers(-50, 50),
    st.none() | st.integers(20, 100),
    st.integers(-12, 12),
    st.integers(-99, 99),
)
def test_the_header_sounds_as_zone_and_header_did(
    root: int, cents: int, override: int | None, coarse: int, fine: int
) -> None:
    made = with_root_keys(small(root, cents, override, coarse, fine))
    chunks = {name: (start, size) for name, start, size in soundfonts._inner(made)}
    start, size = chunks[b"igen"]
    zone = dict(struct.unpack_from("<Hh", made, start + 4 * place) for place in range(size // 4 - 1))
    header = chunks[b"shdr"][0] + 46 * zone[53]
    key, correction = struct.unpack_from("<Bb", made, header + 40)
    before = (root if override is None else override) * 100 - cents - 100 * coarse - fine
    assert key * 100 - correction == before, "the pitch at which the sample is at its own speed, in cents"
    assert zone[51] == zone[52] == 0 and zone.get(58, key) == key
    assert struct.unpack_from("<I", made, 4)[0] == len(made) - 8, "the sizes fit"


def test_loops_end_within_their_samples_and_are_as_long_as_before() -> None:
    before, after = (_loops(data) for data in (SOUNDFONT.read_bytes(), in_tune(SOUNDFONT).read_bytes()))
    late = {name for name, (end, _, stop) in before.items() if stop + soundfonts.ROOM > end}
    assert {"ensstringsc4", "ensstringsg4"} <= late
    for name, (end, start, stop) in after.items():
        assert stop - start == before[name][2] - before[name][1]
        assert stop + soundfonts.ROOM <= end or start < soundfonts.ROOM or stop <= start, name


def _loops(data: bytes) -> dict[str, tuple[int, int, int]]:
    """The end of each sample by name, and the start and end of its loop, counted from its start."""
    start, size = next((start, size) for name, start, size in soundfonts._inner(data) if name == b"shdr")
    found = {}
    for place in range(start, start + size - soundfonts.HEADER, soundfonts.HEADER):
        name = data[place : place + 20].split(b"\0")[0].decode("latin-1")
        first, end, loop, stop = struct.unpack_from("<4I", data, place + soundfonts.BOUNDS)
        found[name] = (end - first, loop - first, stop - first)
    return found


PROGRAMS = (44, 48, 50)  # loops of these ended where their samples do
RENDER = """
import hashlib
from audio.test_synthesis import piece
from etude.audio.synthesis import soundfont, synthesize
notes = [("A", program, pitch) for program in {programs} for pitch in (48, 60, 67, 84)]
print([hashlib.sha256(synthesize(piece(one), 16000, soundfont())["A"].tobytes()).hexdigest() for one in notes])
"""


def test_what_is_in_memory_is_not_heard() -> None:
    """glibc fills what is freed with the given byte, so that whatever is read beyond a sample differs."""
    heard = [
        subprocess.run(
            [sys.executable, "-c", RENDER.format(programs=PROGRAMS)],
            env={**os.environ, "MALLOC_PERTURB_": byte, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for byte in ("85", "170")
    ]
    assert heard[0] == heard[1] and len(heard[0]) > 64
