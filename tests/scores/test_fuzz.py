"""Hundreds of broken MIDI files: none ends a process, none takes long, each refusal has a reason."""

import random
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from miditok import REMI, TokenizerConfig
from scores.midifiles import event, head, note, number, track
from symusic import Score as AnyScore

from etude.config.sections import Ingest, Reading
from etude.scores.isolation import Lost, isolate, isolate_groups
from etude.scores.readers import pieces_of, prepare
from etude.stages.ingest import ingest_files

SECONDS, MEMORY = 10.0, 2 << 30
FILES = 400


LIMITS = Ingest(
    seconds=SECONDS,
    melody=False,
    max_memory=MEMORY,
    max_bytes=10_000_000,
    max_notes=100_000,
    max_tracks=64,
    max_bars=5_000,
    min_notes=1,
    pedal=False,
    repeats="played",
    crosscheck=False,
    near=0.8,
)
READINGS = (
    Reading(None, False, 120.0, True, 24, None, None),
    Reading(None, False, 120.0, False, 96, None, None),
    Reading({"Melody": 73, "Piano": 0}, False, 120.0, True, 24, 80, 64.0),
)


def song(kind: int) -> bytes:
    """A small song: two instruments and drums, tempos, meters, keys, a pedal, lyrics."""
    conductor = [
        event(0, b"\xff\x51\x03\x07\xa1\x20"),
        event(0, b"\xff\x58\x04\x03\x02\x18\x08"),
        event(0, b"\xff\x59\x02\xfd\x01"),
        event(960, b"\xff\x51\x03\x0a\xa1\x20"),
        event(480, b"\xff\x05\x02la"),
    ]
    melody = [event(0, b"\xff\x03\x06Melody"), event(0, b"\xc0\x49"), *(note(0, 240, 60 + at) for at in range(16))]
    piano = [event(0, b"\xff\x03\x05Piano"), event(0, b"\xc1\x00"), event(0, b"\xb1\x40\x7f")]
    piano += [note(120, 360, 48 - at % 5, channel=1) for at in range(8)] + [event(0, b"\xb1\x40\x00")]
    drums = [note(0, 10, 36 + at % 3, channel=9) + event(230, b"\xe9\x00\x40") for at in range(16)]
    if kind == 0:
        return head(0, 1) + track(*conductor, *melody, *piano, *drums)
    return head(kind, 4) + b"".join(track(*events) for events in (conductor, melody, piano, drums))


SONGS = (song(0), song(1), song(1)[:8] + b"\0\2" + song(1)[10:])
RIFF = b"RIFF" + struct.pack("<I", len(SONGS[0]) + 12) + b"RMIDdata" + struct.pack("<I", len(SONGS[0])) + SONGS[0]


def flipped(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice([1, 1, 2, 5, 20])):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def truncated(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def spliced(data: bytes, draw: random.Random) -> bytes:
    start, end, place = (draw.randrange(len(data)) for _ in range(3))
    return data[:place] + data[min(start, end) : max(start, end)] + data[place:]


def huge_delta(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(22, len(data))
    return data[:place] + number(draw.choice([0xFFFF, 0xFFFFFF, 0xFFFFFFF])) + data[place + 1 :]


def huge_length(data: bytes, draw: random.Random) -> bytes:
    places = [place for place in range(len(data)) if data[place : place + 4] in (b"MTrk", b"MThd")]
    place = draw.choice(places) + 4
    return data[:place] + struct.pack(">I", draw.choice([0, 1, 2**16, 2**31 - 1, 2**32 - 1])) + data[place + 4 :]


def wrong_header(data: bytes, draw: random.Random) -> bytes:
    kind, tracks = draw.choice([0, 1, 2, 3, 0xFFFF]), draw.choice([0, 1, 2, 9, 0xFFFF])
    return data[:8] + struct.pack(">HHH", kind, tracks, draw.choice([0, 1, 480, 0x7FFF, 0xE728, 0xFFFF])) + data[14:]


def zero_resolution(data: bytes, draw: random.Random) -> bytes:
    return data[:12] + b"\0\0" + data[14:]


def smpte(data: bytes, draw: random.Random) -> bytes:
    return data[:12] + bytes([draw.choice([0xE7, 0xE8, 0xE3, 0xE2]), draw.choice([0, 1, 40, 80])]) + data[14:]


def running_status(data: bytes, draw: random.Random) -> bytes:
    return head(0, 1) + track(event(0, b"\x3c\x50"), note(0, 480, 60), event(0, b"\x3e\x50"), event(9, b"\x3e\x00"))


def endless_number(data: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(14, len(data))
    return data[:place] + b"\xff" * draw.choice([3, 5, 100, 100_000]) + data[place:]


def absurd_meters(data: bytes, draw: random.Random) -> bytes:
    signs = [event(draw.choice([0, 1, 1000]), b"\xff\x58\x04" + draw.randbytes(4)) for _ in range(500)]
    tempos = [
        event(draw.choice([0, 1]), b"\xff\x51\x03" + draw.choice([b"\0\0\0", draw.randbytes(3)])) for _ in range(500)
    ]
    keys = [event(0, b"\xff\x59\x02" + draw.randbytes(2)) for _ in range(50)]
    return head(0, 1) + track(*signs, *tempos, *keys, *(note(0, 480, 60) for _ in range(9)))


def far_notes(data: bytes, draw: random.Random) -> bytes:
    gap = draw.choice([10**5, 10**6, 10**7, 0xFFFFFFF])
    return head(0, 1, draw.choice([1, 24, 480, 0x7FFF])) + track(
        *(note(gap, 480, 60) for _ in range(draw.choice([2, 12])))
    )


def noise(data: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"", b"MThd", head(0, 1) + b"MTrk\0\0\xff\xff"]) + draw.randbytes(draw.choice([0, 10, 1000]))


def million_notes(data: bytes, draw: random.Random) -> bytes:
    return head(0, 1) + track(note(0, 1, 60) * draw.choice([200_000, 1_000_000]))


def thousands_of_tracks(data: bytes, draw: random.Random) -> bytes:
    return head(1, 5000) + b"".join(track(event(0, bytes([0xC0, at % 128])), note(0, 480, 60)) for at in range(5000))


COMMON: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, truncated, spliced, huge_delta, huge_length, wrong_header, zero_resolution, smpte, running_status,
    endless_number, absurd_meters, far_notes, noise,
)  # fmt: skip
LARGE = (million_notes, thousands_of_tracks)


def mutant(place: int) -> bytes:
    """The same bytes for the same ``place``."""
    draw = random.Random(place)
    if place < 6:
        return LARGE[place % 2](b"", draw)
    change = COMMON[0] if draw.random() < 0.4 else draw.choice(COMMON)
    return change(draw.choice([*SONGS, RIFF]), draw)


def ingest(items: Sequence[tuple[Path, Reading]]) -> list[Any]:
    """Ingest files that are all read in one way: their MIDI, or a ``Lost``."""
    reading = items[0][1]
    entries = [{"file": path.name, "part": pieces_of(path)[0][0]} for path, _ in items]
    limits = replace(LIMITS, pedal=not reading.metrical)
    results = ingest_files(entries, items[0][0].parent, reading, limits)
    return [result if isinstance(result, Lost) else result[0] for result in results]


def test_broken_files_are_read_or_refused(tmp_path: Path) -> None:
    items = []
    for place in range(FILES):
        path = tmp_path / f"{place}{'.rmi' if place % 7 == 0 else '.mid'}"
        path.write_bytes(mutant(place))
        items.append((path, READINGS[place % len(READINGS)]))
    prepare()
    results, took = [], []
    start = time.perf_counter()
    for result in isolate_groups(ingest, [[item] for item in items], SECONDS, MEMORY):
        results.append(result)
        took.append(time.perf_counter() - start)
        start = time.perf_counter()
    assert len(results) == FILES and max(took) < SECONDS

    reasons = [result.reason for result in results if isinstance(result, Lost)]
    assert all(reasons) and not any(str(tmp_path) in reason or "/tmp" in reason for reason in reasons)
    assert not [reason for reason in reasons if "crashed" in reason or "memory" in reason or "seconds" in reason]
    for place in range(
        len(READINGS)
    ):  # backwards and in groups: none depends on those before it, or on what is in memory
        own = items[place :: len(READINGS)][::-1]
        groups = [own[start : start + 16] for start in range(0, len(own), 16)]
        again = list(isolate_groups(ingest, groups, SECONDS, MEMORY))
        assert again[::-1] == results[place :: len(READINGS)]
    accepted = [result for result in results if not isinstance(result, Lost)]
    assert len(accepted) > FILES / 5 and len(reasons) > FILES / 5  # the mutations are neither harmless nor fatal

    tokenizer = REMI(TokenizerConfig(use_programs=True, use_tempos=True, use_time_signatures=True, use_rests=True))
    tokens = list(isolate(lambda data: len(tokenizer(AnyScore.from_midi(data)).ids), accepted, SECONDS, MEMORY))
    assert all(isinstance(count, int) and count > 0 for count in tokens)
