"""The bytes of MIDI files: their tracks, and the repair of what players read but symusic does not, or reads wrongly.

symusic reads sound files fast. Cheap tests find the others; these are read event by event and written again for it.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import pack

from etude.core.errors import EtudeError

Event = tuple[int, bytes]  # tick, message with its status byte; of a meta event with type and length

HEADER, CHUNK = 14, 8  # bytes
NAME = re.compile(rb"[ -~]{4}")  # of a chunk
TRACK_NAME = 0x03  # the meta event
JUNK = 1024  # bytes that may stand before the header, as those of MacBinary do
MOST_TRACKS = 10_000
MOST_GUARDED = 1000  # tracks: what is added to each takes 8 KiB
LAST = 2**31 - 1  # symusic's ticks have 32 bits
FAR = 2**28 - 1  # the longest delta time
DRUMS = 9  # the channel
SILENCE = (120, 123)  # the controllers that end all sound, or all notes, of a channel
HITS = 4  # a quarter note: a drum hit that is not released lasts a sixteenth
RATES = {24: (24, 1.0), 25: (25, 1.0), 29: (30, 1.001), 30: (30, 1.0)}  # frames, and the seconds that they take
TEMPO = b"\xff\x51\x03\x07\xa1\x20"  # 120 BPM
END = b"\xff\x2f\x00"
PADDING = bytes(8)  # symusic reads a few bytes beyond a cut event: these are always the same

# What is added to each track. In front, programs that no file can state: the notes of channel ``program - UNSTATED``
# stand before any program change. Behind, FAR beyond the end, releases of every pitch: a note that ends there had none.
UNSTATED = 0xF0
CHANGES = [re.compile(bytes([0xC0 | channel]) + rb"[^\0]", re.DOTALL) for channel in range(16)]  # to another than 0
MARKS = b"".join(bytes([0, 0xC0 | channel, UNSTATED | channel]) for channel in range(16))
GAP = b"\xff\1\0" + b"\xff\xff\xff\x7f" + b"\xff\1\0"  # two empty texts, FAR apart
RELEASES = [
    (0x90 | channel, b"".join(bytes([0, 0x80 | channel, pitch, 0]) for pitch in range(128))) for channel in range(16)
]

# An end of a track, a port other than 0, or a tempo, time or key signature that is too short.
META = re.compile(rb"\xff(?:\x2f|\x21\x01[^\x00]|\x51[\x00-\x02]|[\x58\x59][\x00\x01])", re.DOTALL)
FEW = 8  # events
PORT, SHORTEST = 0x21, {0x21: 1, 0x51: 3, 0x58: 2, 0x59: 2}  # bytes that such events need
DELTA = rb"[\x80-\xff]*+[\x00-\x7f]"
STATUS_FIRST = re.compile(DELTA + rb"[\x80-\xff]")
# Messages without a length, which no file may hold, and their data bytes.
STRAY = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, 0xF8: 0, 0xFA: 0, 0xFB: 0, 0xFC: 0, 0xFE: 0}
# By their first byte, which is found faster: pitches above 127 on the last channel, with which symusic would write
# beyond its memory; such messages before running status, which it does not carry on; and bytes that are no message.
RARE = [
    *((status, re.compile(bytes([status]) + rb"[\x80-\xff]")) for status in (0x8F, 0x9F)),
    *(
        (status, re.compile(bytes([status]) + rb"[\x00-\x7f]{%d}" % size + DELTA + rb"[\x00-\x7f]"))
        for status, size in STRAY.items()
    ),
    *((status, re.compile(bytes([status]))) for status in (0xF4, 0xF5, 0xF9, 0xFD)),
]
# Events of channels, with running status, up to the first that is another or has a data byte above 127. No group is
# possessive: Python 3.11.2, which Debian 12 has, ends such matches too early.
PLAIN = re.compile(
    rb"(?:" + DELTA + rb"(?:[\x80-\xbf\xe0-\xef][\x00-\x7f]{2}(?:" + DELTA + rb"[\x00-\x7f]{2})*"
    rb"|[\xc0-\xdf][\x00-\x7f](?:" + DELTA + rb"[\x00-\x7f])*))*"
)  # fmt: skip


class Damaged(Exception):
    """The events of a track break off; the message goes on after its name."""


@dataclass
class Layout:
    """A MIDI file taken apart."""

    kind: int  # 0, 1 or 2
    division: int  # of its header: ticks a quarter note, or frames and ticks a second
    data: bytes  # the file
    suspect: bool  # some event may be wrong
    tracks: list[bytes] = field(default_factory=list)  # the events of each; the last ends the track
    counts: Counter[str] = field(default_factory=Counter)  # what was repaired; see ``etude.scores.reading.facts``


def take_apart(data: bytes) -> Layout:
    """The header and the tracks of a file: all that it holds, whatever number its header states.

    Other chunks, and what stands before the header or after the tracks, are skipped. Where a chunk does not end as its
    track does, the events decide where that ends, if they are sound so far.

    Raises:
        EtudeError: this is no MIDI file, or it is cut off or damaged.
    """
    start = data.find(b"MThd", 0, JUNK + 4)
    if start < 0:
        raise EtudeError(f"it is no MIDI file: its first {JUNK} bytes hold no header (MThd)")
    if len(data) < start + HEADER:
        raise EtudeError(f"it is cut off: its header should end at byte {start + HEADER}, the file ends at {len(data)}")
    kind, wanted, division = (int.from_bytes(data[start + at : start + at + 2], "big") for at in (8, 10, 12))
    if kind > 2:
        raise EtudeError(f"its header states MIDI format {kind}; there are 0, 1 and 2")
    found = Layout(kind, division, data, suspect=division > 0x7FFF)
    place = start + CHUNK + int.from_bytes(data[start + 4 : start + 8], "big")
    if data.startswith(b"MTrk", start + HEADER) and place != start + HEADER:
        place = start + HEADER
        found.counts["repaired_bytes"] += 1  # the header's length is wrong
    if start:
        found.counts["repaired_bytes"] += 1
    cut = ""
    while place + CHUNK <= len(data):
        end = place + CHUNK + int.from_bytes(data[place + 4 : place + 8], "big")
        if data.startswith(b"MTrk", place):
            if len(found.tracks) == MOST_TRACKS:
                raise EtudeError(f"it holds more than {MOST_TRACKS} tracks")
            place = _take_track(data, place + CHUNK, end, found)
        elif end <= len(data) and NAME.match(data, place):
            place = end
        else:  # no chunk, but tracks may follow
            cut = cut or f"it is cut off: a chunk should end at byte {end}, the file ends at byte {len(data)}"
            place = data.find(b"MTrk", place)
            if place < 0:
                break
            found.counts["repaired_bytes"] += 1
    if len(found.tracks) < wanted:
        raise EtudeError(cut or f"it is cut off: its header states {wanted} tracks, but there are {len(found.tracks)}")
    return found


def _take_track(data: bytes, start: int, end: int, found: Layout) -> int:
    """Add the track that starts at ``start`` and should end at ``end``; return the place after it."""
    hit = META.search(data, start, end)
    if hit is not None and hit[0][1] == PORT:  # one port for the whole track does no harm
        found.suspect |= data.count(b"\xff\x21\x01", start, end) > 1
        while hit is not None and hit[0][1] == PORT:
            hit = META.search(data, hit.end(), end)
    if hit is not None and hit.start() == end - len(END) and data.endswith(END, start, end):
        found.tracks.append(data[start:end])
        return end
    if end <= len(data) and is_plain(data[start:end]):
        found.tracks.append(data[start:end])
        return end
    found.suspect = True
    stop = data.find(b"MTrk", start)
    stop = len(data) if stop < 0 else stop
    credible = end == stop or (end < stop and NAME.match(data, end) is not None)
    cut = f"it is cut off: a chunk should end at byte {end}, the file ends at byte {len(data)}"
    try:
        events, place = read_events(data, start, end if credible else stop, Counter())
    except Damaged as error:
        damage = f"its MIDI data is damaged: track {len(found.tracks) + 1} {error}"
        raise EtudeError(cut if end > len(data) else damage) from None
    ended = bool(events) and events[-1][1] == END
    if not ended and end > len(data):
        raise EtudeError(cut)
    if not ended or place != end:  # there is no end of the track, or it is not that of the chunk
        found.counts["repaired_bytes"] += 1
    found.tracks.append(data[start:place] + (b"" if ended else b"\0" + END))
    return end if credible and not data.startswith(b"MTrk", place) else place


def read_events(data: bytes, start: int, stop: int, counts: Counter[str]) -> tuple[list[Event], int]:
    """The events of a track up to its end or the byte ``stop``, and the place after them.

    The end of the track is the last event, if it was found. As players do, running status goes on after system
    exclusive and other foreign events, which are left out, and a data byte above 127 is 127.

    Raises:
        Damaged: an event is cut, a number is too long, or the first event has no status.
        EtudeError: the times are absurd.
    """
    events: list[Event] = []
    time, place, status, interrupted = 0, start, 0, False
    try:
        while place < stop:
            delta, place = _number(data, place)
            time += delta
            first = data[place]
            if first >= 0x80:
                place += 1
            elif not status:
                raise Damaged(f"has data without a status at its byte {place - start}")
            elif interrupted:
                counts["repaired_bytes"] += 1
            if first == 0xFF:
                head = place - 1
                size, place = _number(data, place + 1)
                place += size
                kind = data[head + 1]
                if kind == END[1]:
                    events.append((time, END))
                    break
                if size < SHORTEST.get(kind, 0):
                    counts["repaired_bytes"] += 1
                else:
                    events.append((time, data[head:place]))
            elif first in (0xF0, 0xF7):
                size, place = _number(data, place)
                place, interrupted = place + size, True
            elif first > 0xF0:  # none that a file may hold
                place, interrupted = place + STRAY.get(first, 0), False
                counts["repaired_bytes"] += 1
            else:
                status, interrupted = first if first >= 0x80 else status, False
                size = 1 if 0xC0 <= status < 0xE0 else 2
                values = data[place : place + size]
                place += size
                if max(values) > 127:
                    counts["clipped"] += 1
                    values = bytes(min(value, 127) for value in values)
                events.append((time, bytes([status]) + values))
    except (IndexError, ValueError):
        place = stop + 1
    if place > stop:
        raise Damaged("ends in the middle of an event")
    if time > LAST:
        raise EtudeError(f"it is damaged: its times go beyond {LAST} ticks")
    return events, place


def _number(data: bytes, place: int) -> tuple[int, int]:
    """The number of variable length at ``place``, and the place after it."""
    value = 0
    for at in range(place, place + 4):
        value = value << 7 | data[at] & 127
        if data[at] < 128:
            return value, at + 1
    raise Damaged("has a number of more than 4 bytes")


def guard(found: Layout) -> bytes | None:
    """The file with MARKS in front of its tracks and RELEASES behind them; ``None`` if symusic may read it wrongly."""
    if found.suspect or len(found.tracks) > MOST_GUARDED:
        return None
    rare = [(first, pattern) for first, pattern in RARE if first in found.data]
    foreign = 0xF0 in found.data or 0xF7 in found.data  # system exclusive
    guarded = []
    for track in found.tracks:
        if not STATUS_FIRST.match(track) or ((rare or foreign) and _is_doubtful(track, rare) and not is_plain(track)):
            return None
        releases = [release for status, release in RELEASES if status in track]
        guarded.append([MARKS, memoryview(track)[: -len(END)], GAP, *releases, b"\0" + END])
    return _assemble(found.division, guarded)


def _is_doubtful(track: bytes, rare: Sequence[tuple[int, re.Pattern[bytes]]]) -> bool:
    """Whether bytes look like events that symusic may read wrongly. It is cheap, and says yes too often."""
    if any(first in track and pattern.search(track) for first, pattern in rare):
        return True
    ends = set()  # of system exclusive messages
    try:
        for found in re.finditer(b"\xf0", track):
            size, after = _number(track, found.end())
            if not size or track[after] < 0x80 or track[after] >= 0xF0:  # else this is part of a delta time
                ends.add(after + size - 1)
                if _resumes(track, found.start()):
                    return True
    except (IndexError, Damaged):
        return True
    return any([found.start() not in ends for found in re.finditer(b"\xf7", track)])


def _resumes(track: bytes, place: int) -> bool:
    """Whether running status stands after the system exclusive message at ``place``, and any meta events after it."""
    for _ in range(FEW):
        first = track[place]
        if first not in (0xF0, 0xFF) or track.startswith(END[:2], place):
            return first < 0x80
        size, place = _number(track, place + 1 + (first == 0xFF))
        _, place = _number(track, place + size)
    return True  # perhaps


def is_plain(track: bytes) -> bool:
    """Whether all events are those that symusic reads right: these bytes stand elsewhere, or in sound messages."""
    place = 0
    while place < len(track):
        plain = PLAIN.match(track, place)
        place = plain.end() if plain else place
        try:
            _, place = _number(track, place)
            meta = track[place] == 0xFF
            if not meta and track[place] != 0xF0:
                return False
            size, after = _number(track, place + 1 + meta)
            if meta and size < SHORTEST.get(track[place + 1], 0):
                return False
            if track.startswith(END[:2], place):
                return after + size == len(track)
        except (IndexError, Damaged):
            return False
        place = after + size
    return False


def repair(found: Layout) -> bytes:
    """The file written again for symusic, and what was repaired added to ``found.counts``.

    What players do: see ``read_events``; a program holds for its channel in all tracks, but not for another port; a
    note that is not released lasts until its pitch is struck again, all notes end, or the track does (a drum hit a
    sixteenth at most). Frames of timecode become ticks at 120 BPM.

    Raises:
        EtudeError: the events are damaged, or the header states an unknown rate.
    """
    lines: list[tuple[int, list[Event]]] = []  # port and events
    for place, track in enumerate(found.tracks):
        try:
            events, _ = read_events(track, 0, len(track), found.counts)
            if not events or events[-1][1] != END:
                raise Damaged("ends in the middle of an event")
        except Damaged as error:
            raise EtudeError(f"its MIDI data is damaged: track {place + 1} {error}") from None
        lines += _by_port(events)
    if len(lines) > MOST_TRACKS:
        raise EtudeError(f"it holds more than {MOST_TRACKS} tracks")
    division = found.division
    if division > 0x7FFF:
        division, lines = _from_timecode(division, lines)
        found.counts["timecode"] = 1
    lines = _share_programs(lines, found.counts)
    hit = max(1, division // HITS)
    return _assemble(division, [[_write(_end_notes(events, hit, found.counts))] for _, events in lines])


def _by_port(events: list[Event]) -> list[tuple[int, list[Event]]]:
    """A track for each port that has events of channels; all others go to the first, names and the end to each."""
    port = 0
    ports: dict[int, list[Event]] = {}
    others: list[Event] = []
    for event in events:
        message = event[1]
        if message[0] < 0xF0:
            ports.setdefault(port, []).append(event)
        elif message[1] == PORT:
            port = message[3]
        else:
            others.append(event)
    if len(ports) < 2:
        return [(next(iter(ports), 0), events)]
    names = [event for event in others if event[1][1] == TRACK_NAME]
    found: list[tuple[int, list[Event]]] = []
    for port, own in ports.items():
        shared = names if found else others[:-1]
        found.append((port, [*sorted(shared + own, key=_time), events[-1]]))
    return found


def _from_timecode(division: int, lines: list[tuple[int, list[Event]]]) -> tuple[int, list[tuple[int, list[Event]]]]:
    """The ticks a quarter note at which 120 BPM keeps the times of timecode, and the events at these ticks."""
    stated = 256 - (division >> 8)
    if stated not in RATES:
        raise EtudeError(f"its header states {stated} frames a second; there are 24, 25, 29 (29.97) and 30")
    frames, seconds = RATES[stated]
    placed = [
        (port, [(round(2 * seconds * time), message) for time, message in events if message[:2] != TEMPO[:2]])
        for port, events in lines
    ]
    for _, events in placed[:1]:
        events.insert(0, (0, TEMPO))
    return frames * (division & 0xFF), placed


def _share_programs(lines: list[tuple[int, list[Event]]], counts: Counter[str]) -> list[tuple[int, list[Event]]]:
    """Give notes that stand before any program change of their track the program that their channel has elsewhere."""
    stated: dict[tuple[int, int], list[Event]] = {}
    for port, events in lines:
        for time, message in events:
            if message[0] & 0xF0 == 0xC0:
                stated.setdefault((port, message[0] & 15), []).append((time, message))
    for changes in stated.values():
        changes.sort(key=_time)
    found = []
    for port, events in lines:
        own, given = {DRUMS}, dict[int, bytes]()
        made: list[Event] = []
        for time, message in events:
            kind, channel = message[0] & 0xF0, message[0] & 15
            if kind == 0xC0:
                own.add(channel)
            elif kind == 0x90 and channel not in own and (port, channel) in stated:
                changes = stated[port, channel]
                last = bisect_right(changes, time, key=_time)
                if last and changes[last - 1][1] != given.get(channel, bytes([0xC0 | channel, 0])):
                    given[channel] = changes[last - 1][1]
                    made.append((time, given[channel]))
            made.append((time, message))
        counts["shared_programs"] += len(given)  # channels
        found.append((port, made))
    return found


def _time(event: Event) -> int:
    return event[0]


def _end_notes(events: list[Event], hit: int, counts: Counter[str]) -> list[Event]:
    """Release the notes of a track that are never released, at the latest where all of their channel end.

    Where a pitch is struck more often than it is released, from the time on at which it was last silent each strike
    ends the note before it.
    """
    depth: Counter[int] = Counter()
    silent: dict[int, int] = {}  # pitch and channel -> the event before which it was last silent
    for place, (_, message) in enumerate(events):
        if message[0] & 0xE0 == 0x80:
            key = (message[0] & 15) << 7 | message[1]
            if message[0] >= 0x90 and message[2]:
                if not depth[key]:
                    silent[key] = place
                depth[key] += 1
            elif depth[key]:
                depth[key] -= 1
    open_keys = {key: place for key, place in silent.items() if depth[key]}
    if not open_keys:
        return events
    made: list[Event] = []
    sounding: dict[int, int] = {}  # -> the onset
    struck: dict[int, int] = {}  # -> when a strike ended the note before it

    def release(key: int, time: int) -> None:
        onset = sounding[key]
        end = min(time, onset + hit) if key >> 7 == DRUMS else time
        made.append((max(end, onset + 1), bytes([0x80 | key >> 7, key & 127, 0])))
        counts["ended"] += 1

    for place, (time, message) in enumerate(events[:-1]):
        key = (message[0] & 15) << 7 | message[1]
        if message[0] & 0xF0 == 0xB0 and message[1] in SILENCE:
            for channel_key in [open_key for open_key in sounding if open_key >> 7 == message[0] & 15]:
                release(channel_key, time)
                del sounding[channel_key]
        elif message[0] & 0xE0 != 0x80 or place < open_keys.get(key, len(events)):
            pass
        elif message[0] >= 0x90 and message[2]:
            if sounding.get(key) == time:  # struck twice at once
                counts["ended"] += 1
                continue
            if key in sounding:
                release(key, time)
                struck[key] = time
            sounding[key] = time
        elif struck.pop(key, None) == time:  # the release of the note that the strike has ended
            counts["ended"] -= 1
            continue
        elif sounding.pop(key, None) is None:
            continue
        made.append((time, message))
    for key in sounding:
        release(key, events[-1][0] if key >> 7 != DRUMS else LAST)
    made.sort(key=_time)
    return [*made, (max(made[-1][0], events[-1][0]), END)]


def _write(events: list[Event]) -> bytes:
    """The events as the bytes of a track."""
    written = bytearray()
    now = 0
    for time, message in events:
        delta, now = time - now, time
        if delta > FAR:
            raise EtudeError(f"it is damaged: nothing happens for {delta} ticks")
        for shift in (21, 14, 7):
            if delta >> shift:
                written.append(delta >> shift & 127 | 128)
        written.append(delta & 127)
        written += message
    return bytes(written)


def _assemble(division: int, tracks: Sequence[Sequence[bytes | memoryview]]) -> bytes:
    """The file of some tracks, each in parts."""
    chunks: list[bytes | memoryview] = [b"MThd", pack(">IHHH", 6, 1, len(tracks), division)]
    for parts in tracks:
        chunks += (b"MTrk", pack(">I", sum(map(len, parts))), *parts)
    return b"".join([*chunks, PADDING])
