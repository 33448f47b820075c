"""What players read although it is wrong: each kind by itself, and hundreds of files with many kinds at once."""

import random
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import mido
import pytest
from scores.midifiles import event, head, note, number, track
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores import midi, midi_bytes
from etude.scores.cleaning import clean
from etude.scores.midi import open_midi, parse

Heard = list[tuple[int, int, int, int, int]]  # program (-1: drums), onset, length, pitch, velocity
READING = Reading(None, True, 100.0, True, 24, None, None)
TEMPO = b"\xff\x51\x03\x07\xa1\x20"
SYSEX = b"\xf0\x05\x7e\x7f\x09\x01\xf7"


def heard(score: Score) -> Heard:
    return sorted(
        (-1 if part.is_drum else part.program, note.time, note.duration, note.pitch, note.velocity)
        for part in score.tracks
        for note in part.notes
    )


def opened(tmp_path: Path, *parts: bytes) -> tuple[Heard, dict[str, int]]:
    path = tmp_path / "a.mid"
    path.write_bytes(b"".join(parts))
    source = open_midi(path)
    return heard(source.score), source.counts


def piece_of(tmp_path: Path, *parts: bytes) -> tuple[Score, dict[str, Any]]:
    path = tmp_path / "a.mid"
    path.write_bytes(b"".join(parts))
    piece, info = midi.read_midi(path, None, READING)
    return piece, info


def plain(*starts: int, pitch: int = 60, length: int = 480) -> Heard:
    return [(0, start, length, pitch, 80) for start in starts]


ON, OFF = b"\x90\x3c\x50", b"\x80\x3c\x00"
NOTE = note(0, 480, 60)


@pytest.mark.parametrize(
    ("foreign", "count"),
    [
        ([SYSEX], 1),
        ([b"\xf0\x03\x7e\x7f\x09"], 1),  # without its end
        ([SYSEX, b"\xff\x01\x02la"], 1),
        ([b"\xff\x01\x02la"], 0),  # players and symusic go on
        ([b"\xff\x01\x02la"] * 30 + [SYSEX], 1),
        ([SYSEX] + [b"\xff\x01\x02la"] * 30, 1),
        ([b"\xf7\x02\x01\x02"], 1),  # an escape
        ([b"\xf7\x03\x90\x40\x40"], 1),  # with what looks like a note
        ([b"\xf8"], 1),  # no file may hold it
        ([b"\xf2\x01\x02"], 1),
        ([b"\xf9"], 1),  # no message at all
    ],
)
def test_running_status_goes_on_after_foreign_events(tmp_path: Path, foreign: list[bytes], count: int) -> None:
    body = track(event(0, ON), *[event(0, data) for data in foreign], event(480, b"\x3c\x00"), event(0, b"\x3c\x50"),
                 event(480, b"\x3c\x00"))  # fmt: skip
    notes, counts = opened(tmp_path, head(0, 1), body)
    assert notes == plain(0, 480) and counts.get("repaired_bytes", 0) == count


def test_sound_files_with_such_bytes_in_other_places_are_not_repaired() -> None:
    rests = [number(high << 7 | 5) + ON + event(1, OFF) for high in (0x70, 0x72, 0x77, 0x78, 0x0F, 0x1F, 0x40)]
    tempos = [event(0, b"\xff\x51\x03\x0f" + data) for data in (b"\x8f\xf0", b"\x9f\x80", b"\xff\x2f", b"\xf7\xf8")]
    text = event(0, b"\xff\x01\x06\xff\x2f\x00\xff\x51\x00")
    running = b"".join([event(0, ON), *(number(high << 7 | 5) + b"\x3c\x00" for high in (0x70, 0x78))])
    for body in (track(*rests), track(*tempos, NOTE), track(text, NOTE), track(running), track(event(0, SYSEX), NOTE)):
        found = midi_bytes.take_apart(head(0, 1) + body)
        assert midi_bytes.guard(found) is not None and not found.counts


@pytest.mark.parametrize(
    ("body", "notes"),
    [
        (event(0, b"\x90\x3c\xc8") + event(480, OFF), [(0, 0, 480, 60, 127)]),
        (event(0, b"\x90\xbc\x50") + event(480, b"\x80\xbc\x00"), [(0, 0, 480, 127, 80)]),
        (event(0, b"\x9f\xbc\x50") + event(480, b"\x8f\xbc\x00"), [(0, 0, 480, 127, 80)]),
        (event(0, b"\xc0\xbc") + NOTE, [(127, 0, 480, 60, 80)]),
    ],
)
def test_bytes_above_127_are_127(tmp_path: Path, body: bytes, notes: Heard) -> None:
    found, counts = opened(tmp_path, head(0, 1), track(body, note(0, 480, 62)))
    assert found == sorted([*notes, (notes[0][0], 480, 480, 62, 80)]) and counts["clipped"] >= 1


@pytest.mark.parametrize(
    ("events", "notes", "ended"),
    [
        ([event(0, ON), event(480, b"\xff\x01\x01x")], plain(0), 1),  # to the end of the track
        ([event(0, ON), event(480, b"\xb0\x7b\x00"), event(480, b"\xff\x01\x01x")], plain(0), 1),  # all notes off
        ([event(0, ON), event(480, ON), event(480, OFF)], plain(0, 480), 1),  # until it is struck again
        ([event(0, ON), event(240, ON), event(240, OFF), event(480, ON), event(480, OFF)],
         [(0, 0, 240, 60, 80), (0, 240, 240, 60, 80), (0, 960, 480, 60, 80)], 1),
        ([event(0, ON), event(480, ON), event(0, OFF), event(480, b"\x80\x3d\x00")], plain(0, 480), 1),  # off after on
        ([event(0, ON), event(0, ON), event(480, OFF)], plain(0), 1),  # struck twice at once
        ([NOTE, event(0, ON)], [(0, 0, 480, 60, 80), (0, 480, 1, 60, 80)], 1),  # at the very end
        ([event(0, OFF), NOTE, event(0, OFF)], plain(0), None),  # releases of nothing
        ([event(0, ON), event(240, ON), event(240, OFF), event(240, OFF)],  # both end: symusic pairs them
         [(0, 0, 480, 60, 80), (0, 240, 480, 60, 80)], None),
        ([event(0, ON), event(0, b"\xc0\x05"), event(480, OFF), NOTE], [(0, 0, 480, 60, 80), (5, 480, 480, 60, 80)],
         None),  # a note goes on through a change of program
    ],
)  # fmt: skip
def test_notes_that_are_not_released(tmp_path: Path, events: list[bytes], notes: Heard, ended: int | None) -> None:
    found, counts = opened(tmp_path, head(0, 1), track(*events))
    assert found == notes and counts.get("ended") == ended


def test_drum_hits_without_length_or_release_last_a_sixteenth(tmp_path: Path) -> None:
    hit, off = b"\x99\x24\x50", b"\x89\x24\x00"
    silent = track(*[event(480, hit) + event(0, off)] * 2, event(60, hit) + event(0, off), note(0, 0, 40, channel=9))
    piece, info = piece_of(tmp_path, head(0, 1), silent)
    spans = [(24, 6, 36), (48, 3, 36), (51, 6, 36), (51, 6, 40)]
    assert [(note.time, note.duration, note.pitch) for note in piece.tracks[0].notes] == spans
    assert info["changed"] == {"lengthened": 4} and clean(piece, False)[1]["zero_length"] == 0
    piece, info = piece_of(tmp_path, head(0, 1), track(event(480, hit), event(480, hit), event(60, hit)))
    assert [(note.time, note.duration) for note in piece.tracks[0].notes] == [(24, 6), (48, 3), (51, 6)]
    assert info["changed"] == {"ended": 3}
    piece, info = piece_of(tmp_path, head(0, 1), track(note(480, 0, 60), note(0, 480, 62)))
    assert [(note.time, note.duration) for note in piece.tracks[0].notes] == [(24, 1), (24, 24)]
    assert info["changed"] == {"lengthened": 1}


@pytest.mark.parametrize(
    ("first", "second", "programs"),
    [
        ([event(0, b"\xc0\x28")], [NOTE], [40]),
        ([event(0, b"\xc0\x28")], [event(0, b"\xc0\x00"), NOTE], [0]),  # it states its own
        ([event(0, b"\xc0\x28"), event(480, b"\xc0\x29")], [NOTE, NOTE], [40, 41]),
        ([event(480, b"\xc0\x28")], [NOTE, NOTE], [0, 40]),
        ([event(0, b"\xc0\x28")], [NOTE, event(0, b"\xc0\x29"), NOTE, event(0, b"\xc0\x00"), NOTE], [40, 41, 0]),
        ([event(0, b"\xc1\x28")], [NOTE], [0]),  # another channel
        ([event(0, b"\xff\x21\x01\x01"), event(0, b"\xc0\x28")], [NOTE], [0]),  # another port
        ([event(0, b"\xff\x21\x01\x01"), event(0, b"\xc0\x28")], [event(0, b"\xff\x21\x01\x01"), NOTE], [40]),
        ([event(0, b"\xc0\x28"), event(0, b"\xb0\x00\x79")], [event(0, b"\xb0\x20\x03"), NOTE], [40]),  # banks
        ([event(0, b"\xc9\x28")], [note(0, 480, 60, channel=9)], [-1]),
        ([NOTE, NOTE], [event(0, b"\xc0\x28"), NOTE], [40, 40, 40]),
        ([event(0, b"\xff\x20\x01\x00"), event(0, b"\xff\x03\x01x"), event(0, b"\xc0\x28")], [NOTE], [40]),
        ([NOTE, event(0, b"\xc0\x00"), NOTE], [event(0, b"\xc1\x00")], [0, 0]),
    ],
)
def test_programs_hold_for_the_channel_of_all_tracks(
    tmp_path: Path, first: list[bytes], second: list[bytes], programs: list[int]
) -> None:
    notes, counts = opened(tmp_path, head(1, 2), track(*first), track(*second))
    assert [program for program, *_ in sorted(notes, key=lambda heard: heard[1:])] == programs
    assert ("shared_programs" in counts) == (40 in programs)


def test_two_ports_in_one_track(tmp_path: Path) -> None:
    port = event(0, b"\xff\x21\x01\x01")
    back = event(0, b"\xff\x21\x01\x00")
    first = event(0, b"\xff\x03\x01x") + back + event(0, b"\xc0\x28") + event(0, ON)
    body = track(first, port, event(0, b"\xc0\x29"), event(240, ON), event(240, OFF), back, event(0, OFF))
    path = tmp_path / "a.mid"
    path.write_bytes(head(0, 1) + body)
    score = parse(path)
    assert heard(score) == [(40, 0, 480, 60, 80), (41, 240, 240, 60, 80)]
    assert [part.name for part in score.tracks] == ["x", "x"]


JUNK_LENGTH = b"MTrk\0\0\0\5"
BARE = b"".join((NOTE, event(0, b"\xff\x2f\x00")))


@pytest.mark.parametrize(
    ("parts", "repaired"),
    [
        ([head(1, 1), track(NOTE), track(note(480, 480, 60)), track(note(960, 480, 60))], 0),  # more than stated
        ([head(0, 3), track(NOTE), track(note(480, 480, 60)), track(note(960, 480, 60))], 0),  # format 0
        ([b"MThd\0\0\0\x0a" + head(1, 3)[8:] + b"abcd", *(track(note(at, 480, 60)) for at in (0, 480, 960))], 0),
        ([b"MThd\0\0\0\4" + head(1, 3)[8:], *(track(note(at, 480, 60)) for at in (0, 480, 960))], 1),
        ([b"\0\4song" + bytes(59) + b"Midi" + bytes(59), head(0, 1), track(NOTE, NOTE, NOTE)], 1),  # MacBinary
        ([head(0, 1), b"XFIH\0\0\0\3abc", track(NOTE, NOTE, NOTE)], 0),
        ([head(1, 2), track(NOTE, NOTE), b"\0", track(note(960, 480, 60))], 1),  # a byte between
        ([head(1, 2), track(NOTE, NOTE)[:-4], track(note(960, 480, 60))], 2),  # the track breaks off
        ([head(1, 2), JUNK_LENGTH, NOTE, BARE, track(note(960, 480, 60))], 1),  # too short
        ([head(1, 2), b"MTrk\0\0\1\0", NOTE, BARE, track(note(960, 480, 60))], 1),  # too long
        ([head(0, 1), b"MTrk\xff\xff\xff\xff", NOTE, NOTE, BARE], 1),  # none, as in a stream
        ([head(0, 1), b"MTrk", struct.pack(">I", 3 * len(NOTE)), NOTE * 3], 1),  # no end of the track
        ([head(0, 1), b"MTrk", struct.pack(">I", 3 * len(NOTE) + 9), NOTE * 2, BARE, b"abcde"], 1),  # junk in the chunk
        ([head(0, 1), track(NOTE, NOTE, NOTE), b"\xff" * 30], 0),  # and after it
        ([head(0, 1), track(NOTE, NOTE, NOTE), b"MTr"], 0),
        ([head(1, 4), track(event(0, TEMPO)), *(track(note(at, 480, 60)) for at in (0, 480, 960))], 0),
        ([head(1, 5), track(), track(NOTE), track(), track(note(480, 480, 60)), track(note(960, 480, 60))], 0),
        ([head(0, 1), track(event(0, b"\xff\x51\x02\7\1"), event(0, b"\xff\x58\1\3"), event(0, b"\xff\x59\0"),
                            NOTE * 3)], 3),
    ],
)  # fmt: skip
def test_chunks_that_are_not_as_they_say(tmp_path: Path, parts: list[bytes], repaired: int) -> None:
    notes, counts = opened(tmp_path, *parts)
    assert notes == plain(0, 480, 960) and bool(counts.get("repaired_bytes")) == bool(repaired), counts


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([b"abc"], "no MIDI file"),
        ([bytes(2000), head(0, 1), track(NOTE)], "no MIDI file"),
        ([b"MThd\0\0"], "cut off: its header"),
        ([head(7, 1), track(NOTE)], "states MIDI format 7"),
        ([head(1, 3), track(NOTE), track(NOTE)], "states 3 tracks, but there are 2"),
        ([head(1, 2), track(NOTE), track(NOTE)[:-6]], "cut off: a chunk should end at byte"),
        ([head(0, 1), b"MTrk\0\0\0\3", b"\0\x90\x3c"], "damaged: track 1 ends in the middle of an event"),
        ([head(1, 2), track(NOTE), track(event(0, b"\x3c\x50"), NOTE)], "damaged: track 2 has data without a status"),
        ([head(0, 1), track(b"\xff\xff\xff\xff\xff\x7f" + ON)], "damaged: track 1 has a number of more than 4 bytes"),
        ([head(0, 1), track(event(0, b"\x90\x3c"))], "damaged: track 1 ends in the middle of an event"),
        ([head(0, 1, 0xC0F0), track(NOTE)], "states 64 frames a second"),
        ([head(0, 1, 0xE700), track(NOTE)], "states 0 ticks"),
    ],
)
def test_refusals_are_sentences_about_the_file(tmp_path: Path, parts: list[bytes], words: str) -> None:
    with pytest.raises(EtudeError, match=words):
        opened(tmp_path, *parts)


@pytest.mark.parametrize(("rate", "each"), [(0xE8, 24), (0xE7, 25), (0xE3, 30 / 1.001), (0xE2, 30)])
def test_timecode_is_time_at_120(tmp_path: Path, rate: int, each: float) -> None:
    slow = event(0, b"\xff\x51\x03\x0f\x42\x40")
    length = round(each * 80 / 2)  # half a second
    piece, info = piece_of(tmp_path, head(0, 1, rate << 8 | 80), track(slow, *[note(length, length, 60)] * 20))
    assert [note.time for note in piece.tracks[0].notes] == [48 * at + 24 for at in range(20)]
    assert [(tempo.time, tempo.qpm) for tempo in piece.tempos] == [(0, 120)] and info["changed"]["timecode"] == 1


def random_track(draw: random.Random, channel: int, faults: bool) -> tuple[list[tuple[int, bytes]], Heard, int]:
    """Events of one channel, the notes that a player makes of them (on program 0), and the end of the track."""
    events, notes = [], []
    last = 4000
    for pitch in draw.sample(range(30, 90), 5):
        onsets = sorted(draw.sample(range(last), draw.randrange(1, 8)))
        stuck = faults and draw.random() < 0.4
        for onset, following in zip(onsets, [*onsets[1:], None], strict=True):
            velocity = draw.randrange(1, 128)
            events.append((onset, bytes([0x90 | channel, pitch, velocity])))
            most = last if following is None else following
            if stuck and draw.random() < 0.5:
                stop = most if channel != 9 else onset + 120 if following is None else min(most, onset + 120)
                notes.append((0, onset, stop - onset, pitch, velocity))
                continue
            stop = draw.randrange(onset + 1, most + 1)
            events.append((stop, bytes([draw.choice([0x80, 0x90]) | channel, pitch, 0])))
            notes.append((0, onset, stop - onset, pitch, velocity))
    events.sort(key=lambda item: (item[0], item[1][2] > 0 and item[1][0] >= 0x90))  # releases first
    return events, notes, last


def encode(draw: random.Random, events: list[tuple[int, bytes]], end: int, faults: bool) -> bytes:
    """A track chunk with running status, and with foreign events between."""
    written, now, status = [], 0, 0
    for time, message in events:
        if draw.random() < 0.05:
            other = draw.choice([SYSEX, b"\xff\x05\x02la", *([b"\xf8", b"\xf7\x02\x90\x40"] if faults else [])])
            written.append(event(time - now, other))
            now = time
            status = status if faults else 0
        short = message[0] == status and draw.random() < 0.7
        written.append(event(time - now, message[short:]))
        now, status = time, message[0]
    return track(*written, event(end - now, b"\xff\x01\x00"))


@pytest.mark.parametrize("faults", [False, True])
def test_hundreds_of_files_are_read_as_players_read_them(tmp_path: Path, faults: bool) -> None:
    fast = 0
    for seed in range(150):
        draw = random.Random(seed)
        programs = {channel: draw.randrange(128) for channel in range(16)}
        chunks, expected = [], []
        stated = [(0, bytes([0xC0 | channel, program])) for channel, program in programs.items()]
        for channel in draw.sample(range(16), draw.randrange(1, 5)):
            events, notes, end = random_track(draw, channel, faults)
            own = [] if faults else [(0, bytes([0xC0 | channel, programs[channel]]))]
            chunks.append(encode(draw, own + events, end, faults))
            expected += [(-1 if channel == 9 else programs[channel], *line[1:]) for line in notes]
        if faults:
            chunks.insert(0, encode(draw, stated, 0, False))
        data = head(1, len(chunks)) + b"".join(chunks)
        found = midi_bytes.take_apart(data)
        fast += midi_bytes.guard(found) is not None
        notes, counts = opened(tmp_path, data)
        assert notes == sorted(expected), seed
        assert faults or not counts
        assert heard(Score.from_midi(midi_bytes.repair(found))) == notes  # repaired or not
    assert fast == 150 or faults


def test_mido_finds_the_same_events_in_repaired_files(tmp_path: Path) -> None:
    for seed in range(30):
        draw = random.Random(seed)
        events, notes, end = random_track(draw, 3, True)
        found = midi_bytes.take_apart(head(0, 1) + encode(draw, events, end, True))
        messages = mido.MidiFile(file=BytesIO(midi_bytes.repair(found))).tracks[0]
        assert sum(message.type == "note_on" and message.velocity > 0 for message in messages) == len(notes)
