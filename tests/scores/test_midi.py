"""MIDI files: formats, wrappers, grids, tempo maps, the parts that are kept and dropped."""

import struct
from pathlib import Path
from typing import Any

import pytest
from scores.midifiles import event, head, note, track
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.cleaning import clean
from etude.scores.readers import pieces_of, read

TEMPO = b"\xff\x51\x03"
SIGN = b"\xff\x58\x04"


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {"voices": None, "complete": True, "tempo": 100.0, "metrical": True}
    return Reading(**values | {"ticks_per_quarter": 24, "velocity": None, "max_rest": None} | changes)


def notes(piece: Score, place: int = 0) -> list[tuple[int, int, int, int]]:
    return [(note.time, note.duration, note.pitch, note.velocity) for note in piece.tracks[place].notes]


def written(path: Path, *parts: bytes) -> Path:
    path.write_bytes(b"".join(parts))
    return path


def test_onsets_and_ends_are_rounded_and_short_notes_keep_a_tick(tmp_path: Path) -> None:
    body = track(note(0, 480, 60), note(9, 31, 62), note(0, 1, 64), note(0, 0, 65))  # the last has no length
    path = written(tmp_path / "a.MID", head(0, 1), body)
    piece, info = read(path, None, reading())
    assert notes(piece) == [(0, 24, 60, 80), (24, 2, 62, 80), (26, 1, 64, 80), (26, 1, 65, 80)]
    assert info["changed"] == {"rounded": 3, "lengthened": 1} and piece.ticks_per_quarter == 24
    assert (info["tempo"], info["tempo_stated"], info["time_signature"], info["key"]) == (100, False, "4/4", None)
    assert {velocity for *_, velocity in notes(read(path, None, reading(velocity=64))[0])} == {64}


def test_voices_by_name_or_in_order(tmp_path: Path) -> None:
    names = [event(0, b"\xff\x03" + bytes([len(name)]) + name) for name in (b"PIANO left", b"melody", b"Horn")]
    drums = track(note(0, 480, 36, channel=9))
    bodies = [track(name, note(0, 480, 60 + place)) for place, name in enumerate(names)]
    path = written(tmp_path / "a.mid", head(1, 5), track(event(0, TEMPO + b"\x07\xa1\x20")), *bodies, drums)
    voices = {"Melody": 73, "Piano": 0, "Bass": 32}
    piece, info = read(path, None, reading(voices=voices, complete=False))
    assert [(t.name, t.program, t.is_drum) for t in piece.tracks] == [(*pair, False) for pair in voices.items()]
    assert [notes(piece, place) for place in range(3)] == [[(0, 24, 61, 80)], [(0, 24, 60, 80)], []]
    assert info["left_out_parts"] == ["Horn", "Drums"] and info["tempo"] == 120 and info["tempo_stated"]
    with pytest.raises(EtudeError, match="not Melody, Piano, Bass, each once: the parts are PIANO left, melody, Horn"):
        read(path, None, reading(voices=voices))
    plain = written(tmp_path / "b.mid", head(1, 2), track(note(0, 480, 60)), track(note(0, 480, 48)))
    piece, _ = read(plain, None, reading(voices={"Melody": 73, "Chords": 24}))
    assert [notes(piece, place) for place in range(2)] == [[(0, 24, 60, 80)], [(0, 24, 48, 80)]]


def test_without_voices_tracks_are_merged_by_instrument(tmp_path: Path) -> None:
    flute, piano = event(0, b"\xc1\x49"), event(0, b"\xc0\x00")
    bodies = [
        track(note(0, 480, 36, channel=9)),
        track(flute, note(0, 480, 72, channel=1)),
        track(piano, note(0, 480, 60)),
        track(piano, note(240, 480, 48)),
        track(event(0, b"\xff\x03\x05empty")),
    ]
    piece, _ = read(written(tmp_path / "a.mid", head(1, 5), *bodies), None, reading())
    assert [(t.name, t.program, t.is_drum) for t in piece.tracks] == [
        ("Flute", 73, False),
        ("Acoustic Grand Piano", 0, False),
        ("Drums", 0, True),
    ]
    assert notes(clean(piece, False)[0], 1) == [(0, 24, 60, 80), (12, 24, 48, 80)]


def test_the_pedal_stays_down_while_either_of_two_merged_tracks_holds_it(tmp_path: Path) -> None:
    down, up = b"\xb0\x40\x7f", b"\xb0\x40\x00"
    left = track(event(0, down), note(0, 480, 48), event(480, up))
    right = track(event(480, down), note(0, 480, 60), event(960, up), event(0, b"\xb0\x07\x40"))
    piece, _ = read(written(tmp_path / "a.mid", head(1, 2), left, right), None, reading())
    assert [(c.time, c.number, c.value) for c in piece.tracks[0].controls if c.value == 0] == [(96, 64, 0)]
    assert notes(clean(piece, True)[0]) == [(0, 96, 48, 80), (24, 72, 60, 80)]


def test_tempos_and_signatures_of_all_tracks_count(tmp_path: Path) -> None:
    first = track(event(0, TEMPO + (400_000).to_bytes(3, "big")), event(960, SIGN + b"\x03\x02\x18\x08"))
    second = track(
        event(480, TEMPO + (250_000).to_bytes(3, "big")), event(0, b"\xff\x59\x02\x02\x00"), note(0, 480, 60)
    )
    third = track(event(240, TEMPO + (0).to_bytes(3, "big")), event(0, SIGN + b"\x02\x01\x18\x08"))
    piece, _ = read(written(tmp_path / "a.mid", head(1, 3), first, second, third), None, reading())
    assert [(tempo.time, tempo.mspq) for tempo in piece.tempos] == [(0, 400_000), (12, 0), (24, 250_000)]
    assert clean(piece, False)[0].tempos[1].qpm == 400  # the fastest
    signs = [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures]
    assert signs == [(0, 4, 4), (12, 2, 2), (48, 3, 4)]
    assert [(key.time, key.key) for key in piece.key_signatures] == [(24, 2)]


def test_meter_tempos_and_keys_follow_the_grid(tmp_path: Path) -> None:
    body = track(
        event(480, TEMPO + (500_000).to_bytes(3, "big")),
        event(0, SIGN + b"\x03\x02\x18\x08"),
        event(0, b"\xff\x59\x02\xfd\x01"),
        event(480, TEMPO + (500_000).to_bytes(3, "big")),
        event(480, TEMPO + (250_000).to_bytes(3, "big")),
        note(0, 480, 60),
    )
    piece, info = read(written(tmp_path / "a.mid", head(0, 1), body), None, reading())
    assert [(tempo.time, tempo.qpm) for tempo in piece.tempos] == [(0, 100), (24, 120), (72, 240)]
    assert [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures] == [(0, 4, 4), (24, 3, 4)]
    assert [(key.time, key.key, key.tonality) for key in piece.key_signatures] == [(24, -3, 1)]
    assert info["key"] == "C minor"


def test_a_performance_is_time_at_120(tmp_path: Path) -> None:
    body = track(
        note(480, 480, 60),  # 0.5 s to 1.0 s, at the 120 that MIDI starts with
        event(0, TEMPO + (1_000_000).to_bytes(3, "big")),
        note(480, 480, 62, channel=0),  # a second a quarter from 1.0 s on
        event(0, TEMPO + (0).to_bytes(3, "big")),
        event(0, SIGN + b"\x03\x02\x18\x08"),
    )
    piece, info = read(written(tmp_path / "a.mid", head(0, 1), body), None, reading(metrical=False))
    assert notes(piece) == [(24, 24, 60, 80), (96, 48, 62, 80)]
    assert [(tempo.time, tempo.qpm) for tempo in piece.tempos] == [(0, 120)]
    assert [(sign.time, sign.numerator) for sign in piece.time_signatures] == [(0, 4)]
    assert info["tempo_stated"]


def test_wrappers_and_karaoke(tmp_path: Path) -> None:
    midi = head(0, 1) + track(event(0, b"\xff\x05\x02la"), event(0, b"\xff\x01\x04@T x"), note(0, 480, 60))
    riff = b"RMIDINFO" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", len(midi)) + midi
    wrapped = written(tmp_path / "a.rmi", b"RIFF", struct.pack("<I", len(riff)), riff)
    for path in (wrapped, written(tmp_path / "a.kar", midi)):
        assert pieces_of(path) == [(None, None)]
        piece, _ = read(path, None, reading())
        assert notes(piece) == [(0, 24, 60, 80)] and len(piece.markers) == 0
    with pytest.raises(EtudeError, match="RIFF wrapper holds no MIDI"):
        read(written(tmp_path / "b.rmi", b"RIFF\4\0\0\0RMID"), None, reading())


def test_the_sequences_of_format_2_are_pieces(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mid", head(2, 2), track(note(0, 480, 60)), track(note(0, 480, 62)))
    assert pieces_of(path) == [("1", None), ("2", None)]
    assert [notes(read(path, part, reading())[0])[0][2] for part, _ in pieces_of(path)] == [60, 62]
    with pytest.raises(EtudeError, match="2 separate sequences"):
        read(path, None, reading())
    assert pieces_of(written(tmp_path / "b.mid", head(2, 60_000), track(note(0, 480, 60)))) == [(None, None)]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([head(0, 1, 0), track(note(0, 480, 60))], "states 0 ticks per quarter note"),
        ([head(0, 1, 1), track(note(0x0FFFFFF, 1, 60), note(0, 1, 60))], "go beyond 1000000 quarter notes"),
        ([head(0, 1, 1), track(*[note(0x0FFFFFFF, 1, 60)] * 9)], "go beyond"),  # 32 bits overflow
        (
            [head(0, 1), track(note(0, 480, 60))[:-1]],
            "cut off: a chunk should end at byte 35, the file ends at byte 34",
        ),
        ([head(1, 2), track(note(0, 480, 60))], "cut off: its header states 2 tracks, but there are 1"),
    ],
)
def test_absurd_files_are_refused(tmp_path: Path, parts: list[bytes], words: str) -> None:
    with pytest.raises(EtudeError, match=words):
        read(written(tmp_path / "a.mid", *parts), None, reading())


def test_tracks_that_are_joined_are_counted(tmp_path: Path) -> None:
    lines = [track(note(0, 480, pitch)) for pitch in (60, 62, 64)]
    piece, info = read(written(tmp_path / "a.mid", head(1, 4), *lines, track()), None, reading())
    assert len(piece.tracks) == 1 and info["changed"] == {"merged": 2}


def test_other_chunks_and_any_after_the_tracks_are_skipped(tmp_path: Path) -> None:
    alien = b"XFIH" + struct.pack(">I", 3) + b"abc"
    path = written(tmp_path / "a.mid", head(0, 1), alien, track(note(0, 480, 60)), b"\xff" * 30)
    assert notes(read(path, None, reading())[0]) == [(0, 24, 60, 80)]


def test_a_grid_too_fine_for_the_length_is_refused(tmp_path: Path) -> None:
    slow = event(0, TEMPO + b"\xff\xff\xff")  # 16.8 seconds a quarter
    path = written(tmp_path / "a.mid", head(0, 1, 96), track(slow, note(900_000 * 96, 96, 60)))
    with pytest.raises(EtudeError, match="too long for the grid"):
        read(path, None, reading(metrical=False, ticks_per_quarter=960))
