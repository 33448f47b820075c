"""POP909: notes on annotated beats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scores.midifiles import event, head, note, track
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.readers import read

VOICES = {"Melody": 73, "Piano": 0, "Chords": 24}
CHORDS = "0.2\t1.1\tN\n1.1\t2.9\tB:maj\n2.9\t3.5\tB:maj\n3.5\t4.7\tC#:min7/5\n"


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {"voices": VOICES, "complete": True, "tempo": 120.0, "metrical": True}
    return Reading(**values | {"ticks_per_quarter": 24, "velocity": 80, "max_rest": None} | changes)


def notes(piece: Score, place: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in piece.tracks[place].notes]


def song(folder: Path, beats: list[tuple[float, int]], times: list[float], chords: str = CHORDS) -> Path:
    """A song whose melody has a note of 0.3 s at each of ``times``; 1,000 ticks a second."""
    tempo = event(0, b"\xff\x51\x03" + (480_000).to_bytes(3, "big"))
    body, now = b"", 0
    for time in times:
        body += note(round(time * 1000) - now, 300, 72)
        now = round(time * 1000) + 300
    names = [event(0, b"\xff\x03\x06MELODY"), event(0, b"\xff\x03\x05PIANO")]
    piano = track(names[1], note(round(beats[0][0] * 1000), 300, 48))
    folder.mkdir(exist_ok=True)
    (folder / "a.mid").write_bytes(head(1, 3, 480) + track(tempo) + track(names[0], body) + piano)
    (folder / "beat_midi.txt").write_text(
        "".join(f"{time} {int(place % 2)}.0 {down}.0\n" for place, (time, down) in enumerate(beats))
    )
    (folder / "chord_midi.txt").write_text(chords)
    return folder / "a.mid"


# a beat ahead, three beats of 0.6 s, four that get slower
BEATS = [(0.5, 0), (1.1, 1), (1.7, 0), (2.3, 0), (2.9, 1), (3.5, 0), (4.1, 0), (4.8, 0), (5.5, 1)]


def test_notes_are_on_the_beats_and_a_downbeat_on_a_bar_line(tmp_path: Path) -> None:
    piece, info = read(song(tmp_path, BEATS, [0.5, 1.1, 2.0, 4.8]), None, reading())
    # the first beat is the third of a bar of three
    assert notes(piece) == [(48, 12, 72), (72, 12, 72), (108, 12, 72), (216, 10, 72)]
    assert [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures] == [(0, 3, 4), (144, 4, 4)]
    assert [(tempo.time, round(tempo.qpm, 1)) for tempo in piece.tempos] == [(0, 100), (144, 92.3)]
    assert [(mark.time, mark.text) for mark in piece.markers] == [
        (48, "chord:N"), (72, "chord:B:maj"), (168, "chord:C#:min7/5")
    ]  # fmt: skip
    assert notes(piece, 2)[:3] == [(72, 96, pitch) for pitch in (59, 63, 66)]
    assert info["annotation"] == "beats and chords" and info["tempo_stated"]


def test_time_continues_before_the_first_beat_and_after_the_last(tmp_path: Path) -> None:
    beats = [(3.0 + 0.5 * place, int(place % 4 == 0)) for place in range(9)]
    piece, _ = read(song(tmp_path, beats, [0.9, 7.5]), None, reading())
    assert notes(piece)[0][0] == 192 - round(24 * 2.1 / 0.5)  # two bars ahead of the first downbeat
    assert notes(piece)[1][0] == 192 + 24 * 9


def test_without_annotation_or_meter_it_is_plain_midi(tmp_path: Path) -> None:
    path = song(tmp_path, BEATS, [0.5])
    assert "annotation" not in read(path, None, reading(metrical=False, voices={"Melody": 73, "Piano": 0}))[1]
    (tmp_path / "chord_midi.txt").unlink()
    assert read(path, None, reading(voices={"Melody": 73, "Piano": 0}))[1]["annotation"] == "beats"
    (tmp_path / "beat_midi.txt").unlink()
    piece, _ = read(path, None, reading(voices={"Melody": 73, "Piano": 0}))
    assert notes(piece) == [(25, 15, 72)]


@pytest.mark.parametrize(
    ("beats", "chords", "words"),
    [
        ("0.1 1.0\n", CHORDS, "beat_midi.txt is broken: not three numbers a line"),
        ("0.1 1.0 x\n", CHORDS, "not three numbers"),
        ("0.1 1 1\n0.6 1 0\n", CHORDS, "two downbeats"),
        ("0.1 1 1\n0.1 1 1\n", CHORDS, "not ascending"),
        ("0.1 1 1\nnan 1 1\n", CHORDS, "not ascending"),
        (None, "0.1\t0.5\tH:maj\n", 'chord_midi.txt is broken: "H:maj" is no chord symbol'),
        (None, "0.1\n", "chord_midi.txt is broken"),
        (None, "nan\t0.5\tC:maj\n", "not a time in each line"),
    ],
)
def test_a_broken_annotation_is_explained(tmp_path: Path, beats: str | None, chords: str, words: str) -> None:
    path = song(tmp_path, BEATS, [0.5], chords)
    if beats is not None:
        (tmp_path / "beat_midi.txt").write_text(beats)
    with pytest.raises(EtudeError, match=words):
        read(path, None, reading())


def test_steady_beats_have_one_tempo(tmp_path: Path) -> None:
    times = np.cumsum(np.full(41, 0.5) + 0.004 * np.sin(np.arange(41)))
    path = song(tmp_path, [(float(time), int(place % 4 == 0)) for place, time in enumerate(times)], [0.5])
    assert len(read(path, None, reading())[0].tempos) == 1
