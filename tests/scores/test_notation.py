"""From written scores to pieces: pickups, bar lines, ties, parts, chord symbols."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.cleaning import clean
from etude.scores.notation import VELOCITY, Span, _time_signatures
from etude.scores.readers import read
from etude.scores.written import Meter

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


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {"voices": VOICES, "complete": True, "tempo": 80.0, "metrical": True}
    return Reading(**values | {"ticks_per_quarter": 24, "velocity": None, "max_rest": None} | changes)


def notes(piece: Score, track: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in piece.tracks[track].notes]


def test_a_pickup_ends_its_bar(tmp_path: Path) -> None:
    parts = four([["C5:2"], ["D5:8"], ["E5:6"]])
    (tmp_path / "a.xml").write_text(musicxml(parts, '<direction><sound tempo="96"/></direction>'))
    piece, info = read(tmp_path / "a.xml", None, reading())
    assert notes(piece) == [(72, 24, 72), (96, 96, 74), (192, 72, 76)]
    assert [(track.name, track.program) for track in piece.tracks] == list(VOICES.items())
    assert {note.velocity for note in piece.tracks[0].notes} == {VELOCITY}
    assert [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures] == [(0, 4, 4)]
    assert (piece.key_signatures[0].time, piece.key_signatures[0].key, piece.key_signatures[0].tonality) == (0, -1, 0)
    assert (info["key"], info["time_signature"], info["tempo"]) == ("F major", "4/4", 96)
    assert info["tempo_stated"] and info["changed"] == {}


def test_fermatas_are_markers_of_the_first_voice_that_has_any(tmp_path: Path) -> None:
    held = "<notations><fermata/></notations></note>"
    text = musicxml(four([["C5:2"], ["D5:4", "E5:4"], ["E5:4", "~E5:2", "F5:2"]]))
    soprano, alto, *rest = text.split("</part>")

    def on(part: str, *places: int) -> str:
        bits = part.split("</note>")
        return "".join(bit + (held if n in places else "</note>") for n, bit in enumerate(bits[:-1])) + bits[-1]

    def marked(*parts: str) -> list[tuple[int, str]]:
        (tmp_path / "a.xml").write_text("</part>".join([*parts, *rest]))
        piece, info = read(tmp_path / "a.xml", None, reading())
        assert info["fermatas"] == len(piece.markers) and info["chord_symbols"] == 0
        again, _ = clean(Score.from_midi(clean(piece, False)[0].dumps_midi()), False)
        assert [(mark.time, mark.text) for mark in again.markers] == [(mark.time, mark.text) for mark in piece.markers]
        return [(mark.time, mark.text) for mark in again.markers]

    assert marked(soprano, alto) == []
    # the bars start at 0 (with a pickup at 72), 96 and 192; the second half of the tied E has the fermata
    assert marked(on(soprano, 2, 4), on(alto, 1)) == [(144, "fermata"), (240, "fermata")]
    assert marked(soprano, on(alto, 1)) == [(96, "fermata")]


def test_ties_chords_graces_instruments_and_default_tempo(tmp_path: Path) -> None:
    bars = [["gE5:0", "C5:4", "~C5:2", "D5:2", "+F5:2"], ["C5:8"]]
    parts = {"Horn 1": [["C5:8"], ["C5:8"]], "Soprano\nOboe": bars, "Alto": bars, "Tenor": bars, "Bass": bars}
    (tmp_path / "a.xml").write_text(musicxml(parts))
    piece, info = read(tmp_path / "a.xml", None, reading())
    assert notes(piece) == [(0, 72, 72), (72, 24, 74), (72, 24, 77), (96, 96, 72)]
    assert info["changed"] == {"grace_notes": 4} and info["left_out_parts"] == ["Horn 1"]
    assert info["tempo"] == 80 and not info["tempo_stated"]


def test_a_missing_or_doubled_voice_is_an_error(tmp_path: Path) -> None:
    parts = {name: [["C5:8"], ["C5:8"]] for name in ("Soprano 1", "Soprano 2", "Alto", "Tenor", "Bass")}
    (tmp_path / "a.xml").write_text(musicxml(parts))
    with pytest.raises(EtudeError, match="Soprano, Alto, Tenor, Bass"):
        read(tmp_path / "a.xml", None, reading())


def meter(sign: str) -> Meter:
    beats, _, unit = sign.partition("/")
    return Meter(int(beats), int(unit))


def bars(*lengths: float | Fraction | tuple[float, str]) -> list[Span]:
    result, onset = [], Fraction(0)
    for place, entry in enumerate(lengths):
        length, sign = entry if isinstance(entry, tuple) else (entry, "4/4")
        result.append(Span(place, Fraction(0), onset, Fraction(length), meter(sign)))
        onset += Fraction(length)
    return result


@pytest.mark.parametrize(
    ("score", "signs", "added"),
    [
        (bars(4, 4, 3), [(0, "4/4")], 0),
        (bars(4, 3, 1, 4), [(0, "4/4")], 0),  # a repeat splits a bar
        (bars(4, 3, 4, 4), [(0, "4/4"), (4, "3/4"), (7, "4/4")], 1),  # a bar that lacks a beat
        (bars(4, 10, 4), [(0, "4/4"), (12, "2/4"), (14, "4/4")], 1),  # an overlong bar
        (bars(4, 3, (1, "3/4"), (3, "3/4"), (3, "3/4")), [(0, "4/4"), (8, "3/4")], 0),  # a pickup into another meter
    ],
)
def test_bar_lines_stay_where_the_score_has_them(score: list[Span], signs: list[tuple[int, str]], added: int) -> None:
    assert _time_signatures(score) == ([(at, meter(sign)) for at, sign in signs], added, 0)


def test_a_bar_that_no_time_signature_has_is_counted() -> None:
    assert _time_signatures(bars(4, 3.5, 4))[0] == [(0, meter("4/4")), (4, meter("7/8")), (7.5, meter("4/4"))]
    signs, added, off = _time_signatures(bars(4, Fraction(10, 3), 4, 4))
    assert (signs, added, off) == ([(0, meter("4/4"))], 0, 2)


def test_without_voices_parts_are_merged_by_instrument_and_drums_come_last(tmp_path: Path) -> None:
    text = musicxml(
        {"Drumset": [["C5:8"], ["C5:8"]], "Flute": [["C5:8"], ["D5:8"]], "Second flute": [["E5:8"], ["F5:8"]]}
    )
    for part, channel, program in ((0, 10, 1), (1, 1, 74), (2, 2, 74)):
        sound = f"<midi-channel>{channel}</midi-channel><midi-program>{program}</midi-program>"
        inner = f'<score-instrument id="I{part}"><instrument-name>x</instrument-name></score-instrument>'
        inner += f'<midi-instrument id="I{part}">{sound}</midi-instrument>'
        text = text.replace("</part-name></score-part>", f"</part-name>{inner}</score-part >", 1)
    (tmp_path / "a.musicxml").write_text(text)
    piece, info = read(tmp_path / "a.musicxml", None, reading(voices=None))
    assert [(track.name, track.program, track.is_drum) for track in piece.tracks] == [
        ("Flute", 73, False),
        ("Drums", 0, True),
    ]
    assert notes(piece) == [(0, 96, 72), (96, 96, 74), (0, 96, 76), (96, 96, 77)]
    assert info["left_out_parts"] == []


def test_chord_symbols_become_markers_and_the_voice_chords(tmp_path: Path) -> None:
    def harmony(root: str, alter: int, kind: str) -> str:
        named = f"<root><root-step>{root}</root-step><root-alter>{alter}</root-alter></root>"
        return f"<harmony>{named}<kind>{kind}</kind></harmony>"

    text = musicxml({"Voice": [["C5:4", "D5:4"], ["E5:8"]]})
    text = text.replace("<note>", harmony("A", 0, "minor-seventh") + "<note>", 1)
    text = text.replace('<measure number="1">', '<measure number="1">' + harmony("B", -1, "major"), 1)
    (tmp_path / "a.xml").write_text(text)
    piece, info = read(tmp_path / "a.xml", None, reading(voices={"Melody": 73, "Chords": 24}))
    assert [(marker.time, marker.text) for marker in piece.markers] == [(0, "chord:Am7"), (96, "chord:Bb")]
    assert [(track.name, track.program) for track in piece.tracks] == [("Melody", 73), ("Chords", 24)]
    assert notes(piece) == [(0, 48, 72), (48, 48, 74), (96, 96, 76)]
    assert notes(piece, 1) == [(0, 96, pitch) for pitch in (57, 60, 64, 67)] + [
        (96, 96, pitch) for pitch in (58, 62, 65)
    ]
    assert info["chord_symbols"] == 2
    assert len(read(tmp_path / "a.xml", None, reading(voices=None))[0].tracks) == 1  # the symbols alone are no track
