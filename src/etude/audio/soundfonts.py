"""Soundfonts as the synthesizer needs them: every sample with the root key that its zone gives it.

A zone of an instrument may override the root key of its sample (SoundFont 2.04, generator 58), and tune it (51 and 52).
symusic's synthesizer passes over these, and so plays such instruments in another key, each sample in its own. Here each
zone gets a header of its own for its sample, with the root key and the tuning that the zone asks for.

The synthesizer also reads past the end of a loop. Where that is past the end of the sample, it plays what is in memory
there, which differs from run to run: such loops are moved forwards, at their length.
"""

import hashlib
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from etude.core.errors import EtudeError
from etude.core.files import whole
from etude.core.project import own_temporary

COARSE, FINE, SAMPLE, ROOT = 51, 52, 53, 58  # generators: semitones, cents, the sample, its root key
HEADER, BAG, GENERATOR = 46, 4, 4  # bytes of the records shdr, ibag and igen
BOUNDS = 20  # bytes of a sample's header before its start and end, and those of its loop, four whole numbers
ROOM = 4  # samples from the end of a loop to that of its sample, at least
KEY, CENTS = 40, 41  # bytes of a sample's header: its root key, and its correction in cents
MOST = 65535  # samples


def in_tune(path: Path) -> Path:
    """A soundfont whose samples have the root keys of their zones, and loops within them: the file itself if it has.

    It is written once, to the folder of temporary files.

    Raises:
        EtudeError: the file is damaged.
    """
    data = path.read_bytes()
    try:
        made = with_root_keys(data)
    except (KeyError, IndexError, struct.error, ValueError):
        raise EtudeError(f"The soundfont {path} is damaged. Set mix.soundfont to another, or to null.") from None
    if made == data:
        return path
    folder = own_temporary() / "soundfonts"
    kept = folder / f"{hashlib.sha256(made).hexdigest()[:32]}.sf2"
    if not kept.is_file() or kept.stat().st_size != len(made):
        with whole(kept) as part:
            part.write_bytes(made)
    return kept


def with_root_keys(data: bytes) -> bytes:
    """The bytes of a soundfont with root keys and tunings in the headers of samples, and loops that end within them."""
    chunks = {name: (start, size) for name, start, size in _inner(data)}
    bags, generators, headers = (chunks[name] for name in (b"ibag", b"igen", b"shdr"))
    starts = [
        struct.unpack_from("<H", data, bags[0] + place)[0] for place in range(0, bags[1], BAG)
    ]  # of each zone, its first generator
    count = headers[1] // HEADER - 1  # the last one ends the list
    found = [data[headers[0] + HEADER * place : headers[0] + HEADER * (place + 1)] for place in range(count + 1)]
    last, known = found[-1], [_looped_inside(header) for header in found[:-1]]
    places = {header: place for place, header in reversed(list(enumerate(known)))}
    made = bytearray(data)
    for first, after in pairwise(starts):
        zone = {}
        for number in range(first, after):
            kind, amount = struct.unpack_from("<Hh", data, generators[0] + GENERATOR * number)
            zone[kind] = (number, amount)
        if SAMPLE not in zone:
            continue
        number, sample = zone[SAMPLE]
        header = bytearray(known[sample])
        key = zone[ROOT][1] if ROOT in zone and zone[ROOT][1] >= 0 else header[KEY]
        cents = struct.unpack_from("<b", header, CENTS)[0] + (zone[FINE][1] if FINE in zone else 0)
        semitones, cents = divmod(cents + 50, 100)  # from -50 to 49
        header[KEY] = min(127, max(0, key - semitones - (zone[COARSE][1] if COARSE in zone else 0)))
        struct.pack_into("<b", header, CENTS, cents - 50)
        own = bytes(header)
        if own not in places:
            places[own] = len(known)
            known.append(own)
        struct.pack_into("<H", made, generators[0] + GENERATOR * number + 2, places[own])
        for kind in (ROOT, COARSE, FINE):  # they are in the header now
            if kind in zone:
                neutral = own[KEY] if kind == ROOT else 0
                struct.pack_into("<h", made, generators[0] + GENERATOR * zone[kind][0] + 2, neutral)
    if len(known) > MOST:
        raise ValueError("too many samples")
    if known == found[:-1]:
        return data
    return _replace(bytes(made), headers, b"".join([*known, last]))


def _looped_inside(header: bytes) -> bytes:
    """The header of a sample whose loop ends ``ROOM`` before the sample does, if it is long enough."""
    start, end, first, after = struct.unpack_from("<4I", header, BOUNDS)
    back = after + ROOM - end
    if not 0 < back <= first - start or first >= after:
        return header
    made = bytearray(header)
    struct.pack_into("<4I", made, BOUNDS, start, end, first - back, after - back)
    return bytes(made)


def _inner(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks within the lists of a RIFF file: name, start and size of what they hold."""
    for name, start, size in _chunks(data, 12, len(data)):
        if name == b"LIST":
            yield from _chunks(data, start + 4, start + size)


def _chunks(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while start + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, start)
        yield name, start + 8, size
        start += 8 + size + size % 2


def _replace(data: bytes, place: tuple[int, int], new: bytes) -> bytes:
    """The file with another content of one chunk, which is as long as it needs to be."""
    start, size = place
    grown = len(new) - size  # even, as headers are
    made = bytearray(data[:start] + new + data[start + size :])
    struct.pack_into("<I", made, start - 4, len(new))
    for name, inner, length in _chunks(data, 12, len(data)):
        if name == b"LIST" and inner <= start < inner + length:
            struct.pack_into("<I", made, inner - 4, length + grown)
    struct.pack_into("<I", made, 4, struct.unpack_from("<I", data, 4)[0] + grown)
    return bytes(made)
