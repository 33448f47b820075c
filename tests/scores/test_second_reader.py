"""The second reader: it agrees where the notes are the same, and what differs is counted."""

from pathlib import Path

import pytest
from scores.test_musicxml import START, document, note

from etude.scores.readers import sheet_of
from etude.scores.second_reader import compare, reader_of

ABC = "X:1\nL:1/8\nM:4/4\nK:G\n{c}BcdB A2-A2|(3GAB c2 d4|]\n"
KERN = "**kern\n*M4/4\n*k[f#]\n=1\n4g\n8qa\n[4b\n8b]\n8cc\n4dd\n=2\n1g\n==\n*-\n"
TRANSPOSED = START.replace("</attributes>", "<transpose><chromatic>-2</chromatic></transpose></attributes>")
SCORE = document(
    [
        TRANSPOSED
        + note("D5", 0, ahead="<grace/>").replace("<duration>0</duration>", "")
        + note("C5", 2, "<type>half</type><notations><arpeggiate/></notations>")
        + note("E5", 2, "<type>half</type><notations><arpeggiate/></notations>", "<chord/>")
        + note("F#5", 2, '<tie type="start"/><type>half</type><notations><tied type="start"/></notations>'),
        note("F#5", 4, '<tie type="stop"/><type>whole</type><notations><tied type="stop"/></notations>'),
    ]
)


@pytest.mark.parametrize(
    ("name", "text", "reader", "notes", "bar"),
    [("a.musicxml", SCORE, "Verovio", 3, 1), ("a.krn", KERN, "Verovio", 5, 2), ("a.abc", ABC, "music21", 10, 2)],
)
def test_two_readers_agree_but_not_on_a_note_that_is_changed(
    tmp_path: Path, name: str, text: str, reader: str, notes: int, bar: int
) -> None:
    path = tmp_path / name
    path.write_text(text)
    sheet = sheet_of(path, None)
    assert reader_of(path) == reader
    assert compare(path, None, sheet) == {"alike": notes, "own": 0, "other": 0}
    last = max(sheet.parts[0].notes)
    sheet.parts[0].notes[last][-1].pitch += 1
    found = compare(path, None, sheet)
    assert found["alike"] < notes and found["own"] >= 1 and found["other"] >= 1 and found["bar"] == bar


def test_midi_has_no_second_reader() -> None:
    assert [reader_of(Path(f"a{suffix}")) for suffix in (".mid", ".json", ".MXL")] == [None, None, "Verovio"]
