"""Titles and composers as files state them."""

from pathlib import Path

import mido
import pytest

from etude.scores.titles import title_and_composer

XML = """<score-partwise>{}<part-list><score-part id="P1"><part-name>A</part-name></score-part></part-list>
<part id="P1"><measure number="1"/></part></score-partwise>"""
CREATOR = '<identification><creator type="lyricist">B</creator><creator type="composer">{}</creator></identification>'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.abc", "X:1\nT:The  Rose % a waltz\nT:Another\nC:Trad.\nK:D\nD4|\n", ("The Rose", "Trad.")),
        ("a.abc", "X:1\nK:D\nD4|\n", ("", "")),
        (
            "a.krn",
            "!!!COM: Bach, J. S.\n!!!OTL@@DE: Jesu\n**kern\n4c\n*-\n",
            ("Jesu", "J. S. Bach"),
        ),
        ("a.xml", XML.format("<movement-title>Air\n in G</movement-title>"), ("Air in G", "")),
        (
            "a.xml",
            XML.format("<work><work-title>Suite</work-title></work>" + CREATOR.format("C. D.")),
            ("Suite", "C. D."),
        ),
        (
            "a.xml",
            XML.format("<movement-title>Music21 Fragment</movement-title>" + CREATOR.format("Music21")),
            ("", ""),
        ),
        ("a.musicxml", XML.format(CREATOR.format("Composer / arranger")), ("", "")),
    ],
)
def test_notation_states_title_and_composer(name: str, text: str, said: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert title_and_composer(tmp_path / name) == said


def test_one_tune_of_several(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("X:1\nT:One\nC:A\nK:D\nD4|\n\nX:2\nT:Two\nK:D\nD4|\n")
    assert title_and_composer(tmp_path / "a.abc", "2") == ("Two", "")


@pytest.mark.parametrize(
    ("names", "kind", "title"),
    [
        (("Für Elise", "Piano"), 1, "Für Elise"),
        (("Piano Sonata", "Right hand"), 1, "Piano Sonata"),
        (("Tempo track 1", "Piano"), 1, ""),
        (("Acoustic Grand Piano", "Piano"), 1, ""),
        (("x" * 150, "Piano"), 1, "x" * 150),
        (("", "Air"), 1, ""),
        (("The Air",), 0, "The Air"),
        (("Violin",), 0, ""),
    ],
)
def test_a_midi_file_is_named_by_its_first_track(names: tuple[str, ...], kind: int, title: str, tmp_path: Path) -> None:
    file = mido.MidiFile(type=kind, charset="utf-8")
    for place, name in enumerate(names):
        track = mido.MidiTrack()
        if name:
            track.append(mido.MetaMessage("track_name", name=name))
        if place or kind == 0:
            track += [mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=96)]
        file.tracks.append(track)
    file.save(tmp_path / "a.mid")
    assert title_and_composer(tmp_path / "a.mid") == (title, "")


def test_the_name_of_a_track_with_notes_is_none_of_the_piece(tmp_path: Path) -> None:
    file = mido.MidiFile()
    for name in ("Cantus firmus", "Second"):
        notes = [mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=96)]
        file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name=name), *notes]))
    file.save(tmp_path / "a.mid")
    assert title_and_composer(tmp_path / "a.mid") == ("", "")
