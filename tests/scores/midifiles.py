"""MIDI files made byte by byte, so that they can be wrong."""

import struct


def number(value: int) -> bytes:
    """A number of variable length."""
    parts = [value & 127]
    while value := value >> 7:
        parts.append(value & 127 | 128)
    return bytes(reversed(parts))


def event(delta: int, data: bytes) -> bytes:
    """An event ``delta`` ticks after the previous one."""
    return number(delta) + data


def note(delta: int, length: int, pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    """A note that starts ``delta`` ticks after the previous event."""
    return event(delta, bytes([0x90 | channel, pitch, velocity])) + event(length, bytes([0x80 | channel, pitch, 0]))


def head(kind: int, tracks: int, division: int = 480) -> bytes:
    """The header chunk."""
    return b"MThd" + struct.pack(">IHHH", 6, kind, tracks, division)


def track(*events: bytes) -> bytes:
    """A complete track chunk."""
    body = b"".join(events) + event(0, b"\xff\x2f\x00")
    return b"MTrk" + struct.pack(">I", len(body)) + body
