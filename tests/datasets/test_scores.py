"""Reading score files: pickups, bar lines, parts, and the processes with a deadline."""

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest
from symusic.core import NoteTick as Note
from symusic.core import ScoreTick as Score
from symusic.core import TempoTick as Tempo
from symusic.core import TimeSignatureTick as TimeSignature
from symusic.core import TrackTick as Track

from etude.datasets.scores import (
    KEY_NAMES,
    VELOCITY,
    Bar,
    Lost,
    _time_signatures,
    find_voices,
    isolated,
    read_score,
    too_large,
)
from etude.errors import EtudeError

VOICES = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}


def musicxml(parts: dict[str, list[list[str]]], tempo: str = "") -> str:
    """A score in F major, 4/4.

    A bar is a list of notes: pitch and length in eighths (``C5:2``), ``g`` ahead for a grace note, ``+`` for a note of
    the chord before, ``~`` for a tie from the note before.
    """
    names = "".join(f'<score-part id="P{i}"><part-name>{name}</part-name></score-part>' for i, name in enumerate(parts))
    body = ""
    for place, bars in enumerate(parts.values()):
        body += f'<part id="P{place}">'
        for number, notes in enumerate(bars):
            body += f'<measure number="{number}">'
            if number == 0:
                body += "<attributes><divisions>2</divisions><key><fifths>-1</fifths><mode>major</mode></key>"
                body += "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>" + tempo
            for at, text in enumerate(notes):
                mark = text[0] if text[0] in "g+~" else ""
                pitch, _, length = text.lstrip("g+~").partition(":")
                tied = at + 1 < len(notes) and notes[at + 1][0] == "~"
                body += "<note>" + ("<grace/>" if mark == "g" else "") + ("<chord/>" if mark == "+" else "")
                body += f"<pitch><step>{pitch[0]}</step><octave>{pitch[1]}</octave></pitch>"
                body += "" if mark == "g" else f"<duration>{length}</duration>"
                body += '<tie type="stop"/>' if mark == "~" else '<tie type="start"/>' if tied else ""
                body += "</note>"
            body += "</measure>"
        body += "</part>"
    return f'<?xml version="1.0"?><score-partwise><part-list>{names}</part-list>{body}</score-partwise>'


def four(bars: list[list[str]]) -> dict[str, list[list[str]]]:
    return {name: bars for name in VOICES}


def notes(piece: Score, track: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in piece.tracks[track].notes]


def test_a_pickup_ends_its_bar(tmp_path: Path) -> None:
    parts = four([["C5:2"], ["D5:8"], ["E5:6"]])
    (tmp_path / "a.xml").write_text(musicxml(parts, '<direction><sound tempo="96"/></direction>'))
    piece, info = read_score(tmp_path / "a.xml", VOICES, 80, 24)
    assert notes(piece) == [(72, 24, 72), (96, 96, 74), (192, 72, 76)]
    assert [(track.name, track.program) for track in piece.tracks] == list(VOICES.items())
    assert {note.velocity for note in piece.tracks[0].notes} == {VELOCITY}
    assert [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures] == [(0, 4, 4)]
    assert (piece.key_signatures[0].time, piece.key_signatures[0].key, piece.key_signatures[0].tonality) == (0, -1, 0)
    assert (info["key"], info["time_signature"], info["tempo"]) == ("F major", "4/4", 96)
    assert info["tempo_stated"] and info["bars_off"] == 0


def test_ties_chords_graces_instruments_and_default_tempo(tmp_path: Path) -> None:
    bars = [["gE5:0", "C5:4", "~C5:2", "D5:2", "+F5:2"], ["C5:8"]]
    parts = {"Horn 1": [["C5:8"], ["C5:8"]], "Soprano\nOboe": bars, "Alto": bars, "Tenor": bars, "Bass": bars}
    (tmp_path / "a.xml").write_text(musicxml(parts))
    piece, info = read_score(tmp_path / "a.xml", VOICES, 80, 24)
    assert notes(piece) == [(0, 72, 72), (72, 24, 74), (72, 24, 77), (96, 96, 72)]
    assert (info["grace_notes"], info["left_out_parts"], info["tempo"], info["tempo_stated"]) == (
        4,
        ["Horn 1"],
        80,
        False,
    )


def test_a_missing_or_doubled_voice_is_an_error(tmp_path: Path) -> None:
    parts = {name: [["C5:8"], ["C5:8"]] for name in ("Soprano 1", "Soprano 2", "Alto", "Tenor", "Bass")}
    (tmp_path / "a.xml").write_text(musicxml(parts))
    with pytest.raises(EtudeError, match="Soprano, Alto, Tenor, Bass"):
        read_score(tmp_path / "a.xml", VOICES, 80, 24)
    with pytest.raises(EtudeError, match=r"\.pdf"):
        read_score(tmp_path / "a.pdf", VOICES, 80, 24)


def test_find_voices() -> None:
    assert find_voices(["Horn 1", "Bass", "Alto\rViola"], ["Alto", "Bass"]) == ([2, 1], ["Horn 1"])
    assert find_voices(["Alto 1", "Alto 2", "Bass"], ["Alto", "Bass"])[0] is None
    assert find_voices([], ["Alto"])[0] is None


def bars(*lengths: float | tuple[float, str]) -> list[Bar]:
    result, onset = [], Fraction(0)
    for entry in lengths:
        length, sign = entry if isinstance(entry, tuple) else (entry, "4/4")
        result.append(Bar(onset, Fraction(length), sign))
        onset += Fraction(length)
    return result


@pytest.mark.parametrize(
    ("score", "signs", "added"),
    [
        (bars(4, 4, 3), [(0, "4/4")], 0),
        (bars(4, 3, 1, 4), [(0, "4/4")], 0),  # a repeat splits a bar
        (bars(4, 3, 4, 4), [(0, "4/4"), (4, "3/4"), (7, "4/4")], 1),  # a bar that lacks a beat
        (bars(4, 10, 4), [(0, "4/4"), (12, "2/4"), (14, "4/4")], 1),  # an overlong bar
        (bars(4, 3, (1, "3/4"), (3, "3/4"), (3, "3/4")), [(0, "4/4"), (8, "3/4")], 0),  # a pickup into another metre
    ],
)
def test_bar_lines_stay_where_the_score_has_them(score: list[Bar], signs: list[tuple[int, str]], added: int) -> None:
    assert _time_signatures(score) == (signs, added, 0)


def test_a_bar_that_is_no_whole_number_of_beats_is_counted() -> None:
    signs, added, off = _time_signatures(bars(4, 3.5, 4, 4))
    assert (signs, added, off) == ([(0, "4/4")], 0, 2)


def test_midi_is_resampled_and_named(tmp_path: Path) -> None:
    score = Score(480)
    score.tempos.append(Tempo(0, 100))
    score.time_signatures.append(TimeSignature(0, 3, 4))
    for pitch in (72, 67, 60, 48):
        track = Track("", 0, False)
        track.notes.append(Note(480, 240, pitch, 33))
        score.tracks.append(track)
    score.dump_midi(tmp_path / "a.mid")
    piece, info = read_score(tmp_path / "a.mid", VOICES, 80, 24)
    assert [notes(piece, track) for track in range(4)] == [[(24, 12, pitch)] for pitch in (72, 67, 60, 48)]
    assert [track.name for track in piece.tracks] == list(VOICES)
    assert (info["key"], info["time_signature"], info["tempo"]) == (None, "3/4", 100)


def test_key_names() -> None:
    assert KEY_NAMES[0, "major"] == "C major" and KEY_NAMES[0, "minor"] == "A minor"
    assert KEY_NAMES[3, "minor"] == "F# minor" and KEY_NAMES[-2, "major"] == "Bb major"
    assert KEY_NAMES[-7, "major"] == "Cb major" and KEY_NAMES[7, "minor"] == "A# minor"
    assert len(set(KEY_NAMES.values())) == 30


def test_size_counts_before_and_after_unpacking(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", " " * 100000)
    assert (tmp_path / "bomb.mxl").stat().st_size < 5000
    assert "100000 bytes" in str(too_large(tmp_path / "bomb.mxl", 5000))
    assert too_large(tmp_path / "bomb.mxl", 100000) is None
    assert "max_bytes = 10" in str(too_large(tmp_path / "bomb.mxl", 10))


def test_a_hang_a_crash_a_swelling_and_an_exception_cost_one_item_each() -> None:
    jobs = {
        "1 + 1": 2,
        "__import__('time').sleep(60)": "not read after ingest.seconds = 2",
        "__import__('os')._exit(3)": "the process that read it crashed",
        "bytearray(1 << 40)": "it takes too much memory to read",
        "open('/no/such/place')": "cannot be read (FileNotFoundError: [Errno 2] No such file or directory: 'place')",
        "2 + 2": 4,
    }
    results = isolated(eval, list(jobs), workers=2, seconds=2, what="test", show=False)
    assert [result.reason if isinstance(result, Lost) else result for result in results] == list(jobs.values())


def test_nothing_to_do() -> None:
    assert isolated(eval, [], workers=2, seconds=1, what="test", show=False) == []
