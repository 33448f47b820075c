"""Pieces as scores: MusicXML that reads back, spelled in its key, and pictures."""

import hashlib
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import ROOT, make_piece
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from symusic.core import KeySignatureTick, NoteTick, ScoreTick, TextMetaTick, TimeSignatureTick, TrackTick

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.engraving import key_of, musicxml, on_readable_grid, picture, size_of, spell, tonic_of
from etude.scores.readers import read

READING = Reading(None, True, 80, True, 24, None, None)


def notes(score: ScoreTick) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for track in score.tracks for note in track.notes)


def notes_of(track: TrackTick) -> list[tuple[int, int, int]]:
    return sorted((note.time, note.duration, note.pitch) for note in track.notes)


def test_musicxml_reads_back(tmp_path: Path) -> None:
    piece = make_piece(2)
    piece.key_signatures.append(KeySignatureTick(0, -3, 0))
    text = musicxml(piece, "A & B")
    (tmp_path / "piece.musicxml").write_text(text)
    back, _ = read(tmp_path / "piece.musicxml", None, READING)
    assert notes(back) == notes(piece)
    assert [(sign.numerator, sign.denominator) for sign in back.time_signatures] == [(4, 4)]
    assert (back.key_signatures[0].key, back.key_signatures[0].tonality) == (-3, 0)
    tree = ET.fromstring(text.partition("?>")[2].partition(">")[2])
    assert [part.text for part in tree.iter("part-name")] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert tree.findtext("movement-title") == "A & B" and not list(tree.iter("transpose"))
    clefs = [part.find("measure/attributes/clef/sign") for part in tree.iter("part")]
    assert [clef.text for clef in clefs if clef is not None] == ["G", "G", "G", "F"]


def test_chord_symbols_read_back(tmp_path: Path) -> None:
    piece = make_piece(2)
    for time, text in ((0, "Bbm7"), (24, "F#dim/C"), (48, "N"), (72, "no chord"), (84, ""), (90, "C69")):
        piece.markers.append(TextMetaTick(time, f"chord:{text}"))
    (tmp_path / "piece.musicxml").write_text(musicxml(piece, "A"))
    back, info = read(tmp_path / "piece.musicxml", None, READING)
    assert notes(back) == notes(piece) and info["chord_symbols"] == 3
    found = [(marker.time, marker.text) for marker in back.markers]
    assert found == [(0, "chord:Bbm7"), (24, "chord:F#dim/C"), (48, "chord:N")]


def test_rests_and_triplets_are_kept_and_the_last_bar_is_filled(tmp_path: Path) -> None:
    piece = ScoreTick(96)
    for shift in (0, -12):
        piece.tracks.append(TrackTick(f"voice {shift}"))
        for time, length, pitch in ((96, 32, 70), (128, 32, 72), (160, 32, 74), (384, 24, 65)):
            piece.tracks[-1].notes.append(NoteTick(time, length, pitch + shift, 80))
    (tmp_path / "piece.musicxml").write_text(musicxml(piece, "x"))
    back, _ = read(tmp_path / "piece.musicxml", None, READING)
    assert [(time * 4, length * 4, pitch) for time, length, pitch in notes(back)] == notes(piece)
    empty = ScoreTick(24)
    empty.tracks.append(TrackTick("silent"))
    assert "<rest" in musicxml(empty, "nothing")


def test_the_same_piece_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests'); from conftest import make_piece;"
        "from etude.scores.engraving import musicxml, picture; import hashlib;"
        "text = musicxml(make_piece(1), 'x'); print(hashlib.sha256((text + picture(text)).encode()).hexdigest())"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"  # other than here, where it is random if not set
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
        env={"PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": seed},
    ).stdout  # fmt: skip
    text = musicxml(make_piece(1), "x")
    assert other.strip() == hashlib.sha256((text + picture(text)).encode()).hexdigest()


def test_a_picture_is_one_page_of_all_bars() -> None:
    svg = picture(musicxml(make_piece(1, 80), "x"))
    assert svg.index('fill="white"') < svg.index("<path"), "notes on white, also where the page around is dark"
    assert svg.lstrip().startswith("<svg") and svg.count('class="measure"') == 20
    assert "Soprano" in svg
    with pytest.raises(EtudeError, match="cannot be engraved"):
        picture("nonsense")


def track(*played: tuple[int, int, int]) -> ScoreTick:
    """One track of notes (onset, duration, pitch) at 24 ticks a quarter."""
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick("x"))
    for onset, duration, pitch in played:
        piece.tracks[0].notes.append(NoteTick(onset, duration, pitch, 80))
    return piece


def test_chords_are_written_as_chords_and_read_back(tmp_path: Path) -> None:
    piece = track((0, 24, 60), (0, 24, 64), (0, 48, 67), (24, 24, 60), (48, 24, 62), (48, 24, 62))
    text = musicxml(piece, "x")
    (tmp_path / "piece.musicxml").write_text(text)
    back, _ = read(tmp_path / "piece.musicxml", None, READING)
    assert notes(back) == notes(piece) and text.count("<chord") == 1


def test_a_picture_has_sixteenths_and_triplets_only() -> None:
    swung = track(
        (1, 7, 60), (8, 9, 62), (17, 6, 64), (25, 5, 65), (29, 7, 67), (37, 11, 69), (48, 2, 70), (50, 46, 72)
    )
    assert notes(on_readable_grid(swung)) == [
        (0, 8, 60), (8, 8, 62), (16, 8, 64),  # triplets
        (24, 6, 65), (30, 6, 67), (36, 12, 69),  # sixteenths
        (48, 48, 70), (48, 48, 72),  # a grace note falls on its note
    ]  # fmt: skip
    exact = track((0, 3, 60), (3, 3, 62), (6, 18, 64), (24, 4, 65), (28, 20, 67), (48, 24, 69))
    assert notes(on_readable_grid(exact)) == notes(exact), "what is written finely stays"
    fast = on_readable_grid(track(*((place * 2, 2, 60) for place in range(12))))
    assert all(time % 6 == 0 and length >= 6 for time, length, _ in notes(fast)), "no note is shorter than a step"
    assert notes(on_readable_grid(ScoreTick(24))) == []


def test_a_picture_has_one_line_of_chords_a_track() -> None:
    piano = track((0, 96, 48), (1, 22, 60), (0, 20, 64), (24, 24, 62), (49, 20, 60))
    drums = TrackTick("drums", is_drum=True)
    drums.notes.append(NoteTick(0, 24, 38, 80))
    piano.tracks.append(drums)
    before = notes(piano)
    found = on_readable_grid(piano)
    assert [notes_of(hand) for hand in found.tracks] == [
        [(0, 24, 60), (0, 24, 64), (24, 24, 62), (48, 24, 60)],
        [(0, 96, 48)],
    ], "a line a hand"
    assert notes(piano) == before and len(piano.tracks) == 2
    piano.tracks[0].program = 40
    assert notes(on_readable_grid(piano)) == [(0, 24, 48), (0, 24, 60), (0, 24, 64), (24, 24, 62), (48, 24, 60)]
    uneven = make_piece(1)
    for part in uneven.tracks:
        for played in part.notes:
            played.time += played.pitch % 3
    assert "48" in picture_tuplets(uneven) and picture_tuplets(on_readable_grid(uneven)) <= {"3"}


def test_a_piano_of_two_hands_has_two_staves_and_comes_back(tmp_path: Path) -> None:
    piano = track((0, 96, 43), *((24 * beat, 24, 72 + beat) for beat in range(4)))
    text = musicxml(piano, "x")
    assert text.count("<score-part ") == 1 and "<staves>2</staves>" in text
    (tmp_path / "piece.musicxml").write_text(text)
    assert notes(read(tmp_path / "piece.musicxml", None, READING)[0]) == notes(piano)
    flute = track((0, 96, 43), *((24 * beat, 24, 72 + beat) for beat in range(4)))
    flute.tracks[0].program = 73
    assert "<staves>" not in musicxml(flute, "x")


def test_voices_of_one_staff_are_numbered_from_one_the_highest_first() -> None:
    strings = track((0, 96, 60), *((24 * beat, 24, 72 + beat) for beat in range(4)))
    strings.tracks[0].program = 48
    found = ET.fromstring(musicxml(strings, "x").partition("?>")[2].partition(">")[2])
    voices = [(note.findtext("voice"), note.findtext("type")) for note in found.iter("note")]
    assert sorted(voices) == [*4 * [("1", "quarter")], ("2", "whole")]


def picture_tuplets(piece: ScoreTick) -> set[str]:
    """The numbers of notes that tuplets of the MusicXML of a piece have."""
    tree = ET.fromstring(musicxml(piece, "x").partition("?>")[2].partition(">")[2])
    return {str(node.text) for node in tree.iter("actual-notes")}


def test_a_picture_is_small_has_a_size_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    text = musicxml(make_piece(1, 80), "x")
    short = picture(text)
    monkeypatch.setattr("etude.scores.engraving._shorten", lambda svg: svg)
    complete = picture(text)
    assert len(short) < 0.5 * len(complete) and size_of(short) == size_of(complete)
    for tag in ("use", "ellipse", "polygon", "text"):
        assert len(re.findall(rf"<{tag}\b", short)) == len(re.findall(rf"<{tag}\b", complete)), tag
    assert len(re.findall(r"M-?\d", short)) == len(re.findall(r"M-?\d", complete)), "each line is still drawn"
    assert set(re.findall(r'href="#(.*?)"', short)) <= set(re.findall(r' id="(.*?)"', short))
    with pytest.raises(EtudeError, match="no size"):
        size_of("<svg/>")


def test_pitches_are_spelled_in_their_key() -> None:
    names = [spell(pitch, 0, False) for pitch in range(60, 72)]
    assert names == [(name, 4) for name in ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")]
    assert [spell(pitch, sharps, True)[0] for pitch, sharps in ((68, 0), (66, 1), (63, 1))] == ["G#", "F#", "D#"]
    assert [spell(59, -5, False), spell(60, 6, False), spell(59, -6, False)] == [("C-", 4), ("B#", 3), ("C-", 4)]
    assert [tonic_of(sharps, 0) for sharps in (-2, 0, 3)] == ["B-", "C", "A"]
    assert [tonic_of(sharps, 1) for sharps in (-2, 0, 4)] == ["G", "A", "C#"]


@hypothesis(deadline=None, max_examples=60)
@given(st.integers(12, 115), st.integers(-7, 7), st.booleans())
def test_a_spelled_pitch_sounds_the_same(pitch: int, sharps: int, minor: bool) -> None:
    from music21.pitch import Pitch

    name, octave = spell(pitch, sharps, minor)
    assert Pitch(name, octave=octave).midi == pitch


def test_the_key_is_the_stated_one_or_the_one_that_fits() -> None:
    piece = ScoreTick(24)
    piece.tracks.append(TrackTick("x"))
    for place, pitch in enumerate((67, 69, 71, 72, 74, 76, 78, 79)):
        piece.tracks[0].notes.append(NoteTick(24 * place, 24, pitch, 80))
    assert key_of(piece) == (1, 0)
    piece.key_signatures.append(KeySignatureTick(0, 0, 0))
    assert key_of(piece) == (1, 0)
    piece.key_signatures[0].key = 2
    assert key_of(piece) == (2, 0)
    assert key_of(ScoreTick(24)) == (0, 0)


OFF_GRID = (
    (45, 47), (51, 47), (54, 5), (84, 10), (107, 22), (114, 39), (131, 31), (140, 44), (149, 2), (161, 20), (185, 14),
    (206, 10), (207, 2), (224, 12),
)  # fmt: skip


def test_nothing_of_music21_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    score, track = ScoreTick(24), TrackTick("Melody", 73)
    score.time_signatures.append(TimeSignatureTick(0, 2, 4))
    for place, (onset, length) in enumerate(OFF_GRID):  # beams that music21 cannot join, of which it prints a list
        track.notes.append(NoteTick(onset, length, 60 + place % 12, 80))
    score.tracks.append(track)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "<beam" in musicxml(score, "Melody")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("pitch", "sign", "octave"), [(30, "F", "-1"), (40, "F", "-1"), (41, "F", None), (54, "F", None), (55, "G", None)]
)
def test_low_parts_have_a_bass_clef_and_the_lowest_one_an_octave_lower(
    pitch: int, sign: str, octave: str | None
) -> None:
    score, track = ScoreTick(24), TrackTick("Bass", 33)
    track.notes.append(NoteTick(0, 96, pitch, 80))
    score.tracks.append(track)
    root = ET.fromstring(musicxml(score, "x").partition("?>")[2].partition(">")[2])
    assert [root.findtext(".//clef/sign"), root.findtext(".//clef/clef-octave-change")] == [sign, octave]
    found = 12 * (int(root.findtext(".//pitch/octave") or 0) + 1) + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7}[
        root.findtext(".//pitch/step") or ""
    ] + int(root.findtext(".//pitch/alter") or 0)  # fmt: skip
    assert found == pitch, "notes are written where they sound"


def test_a_word_and_a_title_stand_over_the_picture() -> None:
    score, track = ScoreTick(24), TrackTick("Flute", 73)
    track.notes.append(NoteTick(0, 96, 72, 80))
    score.tracks.append(track)
    sheet = musicxml(score, "Ode to joy", "Swing")
    assert '<direction placement="above">' in sheet and ">Swing</words>" in sheet
    assert "Swing" in picture(sheet) and "Ode to joy" not in picture(sheet)
    assert "Ode to joy" in picture(sheet, titled=True) and "Swing" not in musicxml(score, "Ode to joy")
