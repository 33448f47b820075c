"""One tune in ABC: notes, keys, meters, voices, repeats, directives, and what is absurd."""

import contextlib
import time
from fractions import Fraction
from itertools import accumulate

import pytest

from etude.core.errors import EtudeError
from etude.scores.abc_tune import sheet_of
from etude.scores.form import played
from etude.scores.written import Bar, Key, Meter, Note, Part, Sheet


def tune(music: str, head: str = "M:4/4\nL:1/4\n", key: str = "C") -> Sheet:
    return sheet_of(f"X:1\n{head}K:{key}\n{music}\n")


def notes(sheet: Sheet, part: int = 0) -> list[tuple[float, Note]]:
    """The notes of a part with their times in quarter notes, as the bars are written."""
    starts = list(accumulate((bar.length for bar in sheet.bars), initial=Fraction(0)))
    found = [(starts[bar] + note.onset, note) for bar, held in sheet.parts[part].notes.items() for note in held]
    return [(float(onset), note) for onset, note in sorted(found, key=lambda item: (item[0], item[1].pitch))]


def sounds(sheet: Sheet, part: int = 0) -> list[tuple[float, float, int]]:
    return [(onset, float(note.length), note.pitch) for onset, note in notes(sheet, part)]


def pitches(sheet: Sheet, part: int = 0) -> list[int]:
    return [note.pitch for _, note in notes(sheet, part)]


def lengths(sheet: Sheet, part: int = 0) -> list[float]:
    return [float(note.length) for _, note in notes(sheet, part)]


def bars(sheet: Sheet) -> list[float]:
    return [float(bar.length) for bar in sheet.bars]


# Notes


@pytest.mark.parametrize(
    "music, expected",
    [
        ("C,, C, C c c' c'' C' c,", [36, 48, 60, 72, 84, 96, 72, 60]),
        ("^C ^^C _D __D =F", [61, 62, 61, 60, 65]),
        ("^3/2C|_3/2d|^/F", [62, 73, 66]),  # quarter tones are rounded up
        ("[CEG] [^C_e]", [60, 64, 67, 61, 75]),
        ("+CEG+ +trill+c", [60, 64, 67, 72]),  # chords of ABC 1.4, decorations of 2.0
    ],
)
def test_pitches(music: str, expected: list[int]) -> None:
    assert pitches(tune(music)) == expected


@pytest.mark.parametrize(
    "music, expected",
    [
        ("A2 A3/2 A/ A// A/4 A3/ A12", [2, 1.5, 0.5, 0.25, 0.25, 1.5, 12]),
        ("[CE]2 [C2E] [C2E]3/2 [C/E/]", [2, 2, 2, 2, 3, 3, 0.5, 0.5]),
        ("[C2E4]C", [2, 2, 1]),  # the first note states the length
        ("(3CDE F", [2 / 3] * 3 + [1]),
        ("(2CD (4CDEF", [1.5, 1.5] + [0.75] * 4),
        ("(3:2:2 C2 D E", [4 / 3, 2 / 3, 1]),
        ("(3::2 C2 D E", [4 / 3, 2 / 3, 1]),
        ("(3z CD [EG]", [2 / 3, 2 / 3, 1, 1]),  # rests count
        ("(5CDEFG", [2 / 5] * 5),
        ("((3CDE) (F)", [2 / 3] * 3 + [1]),
        ("(3:2:4 C (3DEF", [2 / 3, 4 / 9, 4 / 9, 4 / 9]),
        ("C>D E<F G>>A B<<<c", [1.5, 0.5, 0.5, 1.5, 1.75, 0.25, 0.125, 1.875]),
        ("C > D [CE]>z C | >D", [1.5, 0.5, 1.5, 1.5, 1.5, 0.5]),
        ("(3C>DE", [1, 1 / 3, 2 / 3]),
        ("y C y2 D", [1, 1]),
    ],
)
def test_lengths(music: str, expected: list[float]) -> None:
    assert lengths(tune(music)) == pytest.approx(expected)


def test_five_in_compound_meter_are_in_the_time_of_three() -> None:
    assert lengths(tune("(5CDEFG", "M:6/8\nL:1/8\n")) == pytest.approx([0.3] * 5)
    assert lengths(tune("(5CDEFG", "M:3/4\nL:1/8\n")) == pytest.approx([0.2] * 5)


def test_grace_notes_take_no_part_but_their_accidentals_hold() -> None:
    sheet = tune("(3C{d}DE {/^ga}g|G>{a}A g{c}>B c")
    assert sounds(sheet)[3:] == [(2, 1, 80), (3, 1.5, 67), (4.5, 0.5, 69), (5, 1.5, 79), (6.5, 0.5, 71), (7, 1, 72)]
    assert sheet.changes["grace_notes"] == 5


def test_rests() -> None:
    sheet = tune("C z x2|Z2|X|D4|Z")
    assert sounds(sheet) == [(0, 1, 60), (16, 4, 62)]
    assert bars(sheet) == [4, 4, 4, 4, 4, 4]


def test_a_note_without_length_is_left_out() -> None:
    sheet = tune("C0 D C0 E")
    assert pitches(sheet) == [62, 64] and sheet.changes == {"zero_length": 2}


def test_what_does_not_sound() -> None:
    sheet = tune(
        '"^slow"C !mf!.D"_f"~E uv!trill(!F|`G$A*B \\\nw:la la\ns: !f! *\nr:a remark\n'
        "[r:another] [N:C D]c % C D E\nW:C D"
    )
    assert pitches(sheet) == [60, 62, 64, 65, 67, 69, 71, 72] and not sheet.changes


def test_unknown_symbols_are_counted() -> None:
    sheet = tune("C#D@ kE ]F|G>|>")
    assert pitches(sheet) == [60, 62, 64, 65, 67] and sheet.changes == {"unknown_symbols": 5}


# Ties


@pytest.mark.parametrize(
    "music, tied, held",
    [
        ("C-|C", [1, 0], [0, 1]),
        ("C |-C", [1, 0], [0, 1]),
        ("C-\n C", [1, 0], [0, 1]),
        ("C-D C", [1, 0, 0], [0, 0, 0]),
        ("C-zC", [1, 0], [0, 0]),
        ("[CE]-[CE]", [1, 1, 0, 0], [0, 0, 1, 1]),
        ("[C-E][CE]", [1, 0, 0, 0], [0, 0, 1, 0]),
        ("C-{d}C.-C", [1, 1, 0], [0, 1, 1]),
        ("^C-|_D", [1, 0], [0, 1]),
        ("[=C-^C]2 [=C^C]", [1, 0, 0, 0], [0, 0, 1, 0]),
    ],
)
def test_ties(music: str, tied: list[int], held: list[int]) -> None:
    found = [note for _, note in notes(tune(music))]
    assert [note.tied for note in found] == tied and [note.held for note in found] == held


def test_a_tie_into_each_ending() -> None:
    found = [note for _, note in notes(tune("|:CDE^F-|1 FGAB:|2 F2 f2|]"))]
    assert [note.pitch for note in found] == [60, 62, 64, 66, 66, 67, 69, 71, 66, 77]
    assert [note.held for note in found] == [False] * 4 + [True, False, False, False, True, False]


def test_ties_of_overlays() -> None:
    found = notes(tune("G4- & E4-|[EG]4|"))
    assert [(onset, note.pitch, note.voice, note.tied, note.held) for onset, note in found] == [
        (0, 64, "2", True, False),
        (0, 67, "", True, False),
        (4, 64, "", False, True),
        (4, 67, "", False, True),
    ]


def test_a_tie_carries_an_accidental_in_its_own_layer_only() -> None:
    assert pitches(tune("^G4-|G4 & G4|")) == [68, 67, 68]
    assert pitches(tune("C4 & ^G4-|G4 & G4|")) == [60, 68, 67, 68]


# Accidentals and keys


def test_an_accidental_holds_to_the_bar_line_in_its_octave() -> None:
    assert pitches(tune("^C c C =C|C ^F f F")) == [61, 72, 61, 60, 60, 66, 77, 66]
    assert pitches(tune("^F-|F F", key="C")) == [66, 66, 65]  # over a bar line for the tied note only
    assert pitches(tune("^F-|FF")) == [66, 66, 65]


@pytest.mark.parametrize(
    "head, expected",
    [
        ("%abc-2.1\n", [61, 73, 61]),
        ("%abc-2.0\n", [61, 72, 61]),
        ("%abc-2.1\n%%propagate-accidentals octave\n", [61, 72, 61]),
        ("%%propagate-accidentals pitch\n", [61, 73, 61]),
        ("I:propagate-accidentals not\n", [61, 72, 60]),
        ("%%MIDI nobarlines\n", [61, 72, 60]),
        ("I:abc-version 2.2\n", [61, 73, 61]),
    ],
)
def test_how_far_an_accidental_holds(head: str, expected: list[int]) -> None:
    assert pitches(sheet_of(f"{head}X:1\nL:1/4\nK:C\n^C c C|\n")) == expected


def test_each_voice_and_overlay_has_accidentals_of_its_own() -> None:
    sheet = tune("V:1\n^C D\nV:2\nC2 & ^D C\nV:1\nC2|")
    assert pitches(sheet) == [61, 62, 61] and pitches(sheet, 1) == [60, 63, 60]


SCALE = "C D E F G A B"


@pytest.mark.parametrize(
    "key, expected, stated",
    [
        ("G", [60, 62, 64, 66, 67, 69, 71], Key(1, "major")),
        ("Bb", [60, 62, 63, 65, 67, 69, 70], Key(-2, "major")),
        ("F#m", [61, 62, 64, 66, 68, 69, 71], Key(3, "minor")),
        ("EM", [60, 62, 64, 66, 67, 69, 71], Key(1, "minor")),  # letter case is ignored
        ("E Minor", [60, 62, 64, 66, 67, 69, 71], Key(1, "minor")),
        ("Ddor", [60, 62, 64, 65, 67, 69, 71], Key(0, "dorian")),
        ("A mixolydian", [61, 62, 64, 66, 67, 69, 71], Key(2, "mixolydian")),
        ("AMIX", [61, 62, 64, 66, 67, 69, 71], Key(2, "mixolydian")),
        ("Ephr", [60, 62, 64, 65, 67, 69, 71], Key(0, "phrygian")),
        ("Flyd", [60, 62, 64, 65, 67, 69, 71], Key(0, "lydian")),
        ("Bloc", [60, 62, 64, 65, 67, 69, 71], Key(0, "locrian")),
        ("Aaeolian", [60, 62, 64, 65, 67, 69, 71], Key(0, "minor")),
        ("Dion", [61, 62, 64, 66, 67, 69, 71], Key(2, "major")),
        ("HP", [61, 62, 64, 66, 67, 69, 71], Key(2, None)),
        ("Hp", [61, 62, 64, 66, 67, 69, 71], Key(2, None)),
        ("none", [60, 62, 64, 65, 67, 69, 71], None),
        ("", [60, 62, 64, 65, 67, 69, 71], None),
        ("D exp ^f _b", [60, 62, 64, 66, 67, 69, 70], Key(2, "major")),
        ("Dmaj =c", [60, 62, 64, 66, 67, 69, 71], Key(1, None)),
        ("Dmix=c", [60, 62, 64, 66, 67, 69, 71], Key(1, "mixolydian")),
        ("G clef=bass middle=d", [60, 62, 64, 66, 67, 69, 71], Key(1, "major")),
        ("G alto", [60, 62, 64, 66, 67, 69, 71], Key(1, "major")),
        ("em", [60, 62, 64, 66, 67, 69, 71], Key(1, "minor")),
        ("C treble-8", [48, 50, 52, 53, 55, 57, 59], Key(0, "major")),
        ("C clef=treble+8", [72, 74, 76, 77, 79, 81, 83], Key(0, "major")),
        ("C octave=-1", [48, 50, 52, 53, 55, 57, 59], Key(0, "major")),
        ("D transpose=-2", [59, 60, 62, 64, 65, 67, 69], Key(0, "major")),
        ("Em t=3", [63, 65, 67, 69, 70, 72, 74], Key(-2, "minor")),
    ],
)
def test_keys(key: str, expected: list[int], stated: Key | None) -> None:
    sheet = tune(SCALE, key=key)
    assert pitches(sheet) == expected
    if key not in ("D exp ^f _b", "Dmix=c"):
        assert [mark.value for mark in sheet.parts[0].keys] == ([] if stated is None else [stated])


def test_a_key_within_the_tune() -> None:
    sheet = tune("^G F|G [K:D]F G [K:clef=bass]F|\nK:Eb\nE4|", key="C")
    assert pitches(sheet) == [68, 65, 67, 66, 67, 66, 63]
    marks = [(mark.bar, mark.onset, mark.value) for mark in sheet.parts[0].keys]
    assert marks == [(0, 0, Key(0, "major")), (1, 1, Key(2, "major")), (2, 0, Key(-3, "major"))]


def test_a_new_key_ends_accidentals() -> None:
    assert pitches(tune("^C [K:F]C")) == [61, 60]


@pytest.mark.parametrize(
    "directive, shift", [("%%transpose -2", -2), ("%%MIDI transpose 12", 12), ("I:MIDI transpose -5", -5)]
)
def test_transposition(directive: str, shift: int) -> None:
    sheet = tune('"Am"C4|', f"{directive}\nL:1/4\n", "D")
    assert pitches(sheet) == [61 + shift]
    assert sheet.parts[0].symbols[0].value.text == {-2: "Gm", 12: "Am", -5: "Em"}[shift]
    assert sheet.parts[0].keys[0].value == Key({-2: 0, 12: 2, -5: 3}[shift], "major")


# Meters, lengths, tempos


@pytest.mark.parametrize(
    "text, meter",
    [
        ("C", Meter(4, 4)),
        ("C|", Meter(2, 2)),
        ("6/8", Meter(6, 8)),
        ("(2+3)/8", Meter(5, 8)),
        ("2+3/8", Meter(5, 8)),
        ("3/4+3/8", Meter(9, 8)),
        ("(2 + 2 + 3) / 16", Meter(7, 16)),
        ("none", None),
        ("slow", None),
        ("3/5", None),
        ("0/4", None),
    ],
)
def test_meters(text: str, meter: Meter | None) -> None:
    sheet = tune("C D|E F|", f"M:{text}\n")
    assert [mark.value for mark in sheet.meters] == ([meter] if meter else [])
    assert sheet.free == (meter is None)
    assert sheet.changes["unknown_meters"] == (meter is None and text != "none")


@pytest.mark.parametrize(
    "head, length",
    [("M:2/4\n", 0.25), ("M:3/4\n", 0.5), ("M:none\n", 0.5), ("", 0.5), ("L:1/16\nM:4/4\n", 0.25), ("L:1\n", 4)],
)
def test_the_unit_length(head: str, length: float) -> None:
    assert lengths(tune("C", head)) == [length]


def test_meter_and_length_change() -> None:
    sheet = tune("CDEF|[L:1/8]C2[M:3/4][L:1/4]D|EFG|\nM:2/4\nL:1/8\nC4|")
    assert lengths(sheet) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    assert [(mark.bar, mark.onset, mark.value) for mark in sheet.meters] == [
        (0, 0, Meter(4, 4)),
        (1, 1, Meter(3, 4)),
        (3, 0, Meter(2, 4)),
    ]


@pytest.mark.parametrize(
    "text, tempo",
    [
        ("1/4=120", 120),
        ("3/8=80", 120),
        ("1/4 1/8=90", 135),
        ('"Allegro" 1/4=100', 100),
        ('1/2=60.5 "quick"', 121),
        ("C=100", 50),
        ("C3=40", 60),
        ("120", 60),  # unit notes of an eighth
        ('"Allegro"', None),
        ("1/4=3/8", None),
        ("1/0=100", None),
    ],
)
def test_tempos(text: str, tempo: float | None) -> None:
    sheet = tune("C", f"Q:{text}\n")
    assert [mark.value for mark in sheet.tempos] == ([] if tempo is None else [pytest.approx(tempo)])


def test_a_tempo_within_the_tune() -> None:
    sheet = tune("CD[Q:1/4=90]EF|\nQ:1/4=60\nC4|", "M:4/4\nL:1/4\nQ:1/4=120\n")
    assert [(mark.bar, mark.onset, mark.value) for mark in sheet.tempos] == [(0, 0, 120), (0, 2, 90), (1, 0, 60)]


# Bars, repeats, sections


def signs(sheet: Sheet) -> list[str]:
    """Each bar as ``|:`` :|times, its endings, and its marks."""
    found = []
    for bar in sheet.bars:
        text = "|:" * bar.repeat + "".join(map(str, bar.endings)) + f":|{bar.times}" * (bar.times > 1)
        names = [name for name in ("segno", "coda", "to_coda", "fine") if getattr(bar, name)]
        jump = f"{bar.jump.to} {bar.jump.until}".strip() if bar.jump else ""
        found.append(" ".join(filter(None, [text, *names, jump])))
    return found


@pytest.mark.parametrize(
    "music, expected",
    [
        ("|:C4:|", ["|::|2"]),
        ("C4:|D4:|", [":|2", ":|2"]),
        ("|:C4::D4:|", ["|::|2", "|::|2"]),
        ("|:C4:||:D4:|", ["|::|2", "|::|2"]),
        ("|:C4:|:D4:|]", ["|::|2", "|::|2"]),
        ("|::C4::|D4|]", ["|::|3", ""]),
        ("|:C4|1D4:|2E4|]F4", ["|:", "1:|2", "2", ""]),
        ("|:C4|[1D4:|[2E4||F4", ["|:", "1:|2", "2", ""]),
        ("|:C4\n[1 D4 :|\n| [2 E4 |:F4:|", ["|:", "1:|2", "2", "|::|2"]),
        ("|:C4|1,3D4:|2,4-6E4:|", ["|:", "13:|2", "2456:|2"]),
        ("|:C4|1D4|E4:|2F4|G4||A4", ["|:", "1", "1:|2", "2", "2", ""]),
        ('|:C4|1D4:|["last time"E4|]', ["|:", "1:|2", "2"]),
        ("|:C4|D2:|E2|F4|]", ["|:", ":|2", "", ""]),  # within a bar
        ("!segno!C4|!fine!D4|E4!D.S.alfine!|", ["segno", "fine", "segno fine"]),
        ("SC4|D4!fine!|]E4!D.C.!|", ["segno", "fine", "capo"]),
        ("C4|D4!coda!|E4!D.C.alcoda!|!coda!F4|", ["", "to_coda", "capo coda", "coda"]),
        ("C4|OD4|E4 !D.C. al Coda!|O F4|", ["to_coda", "", "capo coda", "coda"]),
        ("C4|D4!dacoda!|E4!dacapo!|!coda!F4|", ["", "to_coda", "capo", "coda"]),
        ("C2!fine!D|E|F4!D.C.!|", ["fine", "", "capo"]),
        ("C !fine!D E2|F4!D.C.!|", ["fine", "", "capo"]),  # ends within its bar
        ("C D !segno!E2|F4!D.S.!|", ["", "segno", "segno"]),
    ],
)
def test_repeats_and_marks(music: str, expected: list[str]) -> None:
    assert signs(tune(music)) == expected


def test_a_dotted_or_invisible_line_divides_no_bar() -> None:
    for line in (".|", "[|]"):
        sheet = tune(f"C^F{line}FG|ABcd|")
        assert bars(sheet) == [4, 4] and pitches(sheet)[:4] == [60, 66, 66, 67]


def test_a_dotted_line_may_repeat_or_start_an_ending() -> None:
    assert signs(tune("|:CD.:|EF|")) == ["|::|2", ""]
    assert signs(tune("CD.|:EF:|")) == ["", "|::|2"]
    assert signs(tune("|:C4|CD.|1EF:|2GA|")) == ["|:", "", "1:|2", "2"]


def test_an_overlay_within_a_bar() -> None:
    found = [(mark.onset, mark.pitch) for _, mark in notes(tune("CD (& EF & c2 &)|"))]
    assert sorted(found) == [(0, 60), (1, 62), (2, 64), (2, 72), (3, 65)]


def test_a_tie_over_a_bar_that_is_not_full() -> None:
    sheet = tune("V:1\nCDE-|E4|\nV:2\nC,4|C,4|")
    assert [(mark.onset, mark.length) for mark in sheet.parts[0].notes[0]] == [(0, 1), (1, 1), (2, 2)]
    assert sheet.changes == {"filled": 1}


def test_instruments_of_voices() -> None:
    sheet = tune("V:1\nC4|\nV:2\nD4|", "%%MIDI voice 1 instrument=41\n%%MIDI voice 2 instrument=74\n")
    assert [part.program for part in sheet.parts] == [40, 73]


@pytest.mark.parametrize("line", ["|", "||", "|]", "[|", ".|", "[|]", "|\n|", ":|", "|:", ".|:"])
def test_bar_lines(line: str) -> None:
    assert bars(tune(f"C4{line}D4")) == [4, 4]


def test_without_bar_lines_there_is_one_bar() -> None:
    assert bars(tune("C D E F G", "M:none\nL:1/4\n")) == [5]
    assert bars(tune("C D E F G A")) == [6]


def test_a_bar_line_that_is_missing_at_the_end_of_a_line() -> None:
    sheet = tune("CDEF|^GABc\nG2\nc2|CDEF \\\nG")
    assert bars(sheet) == [4, 4, 4, 5]
    assert pitches(sheet)[8] == 68  # it ends no accidental, as none is written


def test_the_order_of_sections() -> None:
    sheet = tune("P:A\nC4|D4|\nP:B\nE4|\n[P:C]F4|", "P:A2(BC)2.A\nL:1/4\nM:4/4\n")
    assert sheet.sections == [range(2), range(2), range(2, 3), range(3, 4), range(2, 3), range(3, 4), range(2)]
    assert tune("P:A\nC4|\nP:B\nD4|").sections is None
    assert tune("C4|D4|", "P:AABB\nL:1/4\n").sections is None
    missing = tune("P:A\nC4|", "P:AB\nL:1/4\n")
    assert missing.sections is None and missing.changes == {"unknown_symbols": 1}


# Voices


def parts(sheet: Sheet) -> list[tuple[str, int, bool]]:
    return [(part.name, part.program, part.drums) for part in sheet.parts]


def test_voices_in_turn_in_blocks_and_inline() -> None:
    for music in (
        "V:1\nC D E F|\nV:2\nC,4|\nV:1\nG4|\nV:2\nD,4|",
        "V:1\nC D E F|\nG4|\nV:2\nC,4|D,4|",
        "[V:1]C D E F|\n[V:2]C,4|\n[V:1]G4|\n[V:2]D,4|",
        "[V:1]C D E F|[V:2]C,4|[V:1]G4|[V:2]D,4|",
    ):
        sheet = tune(music)
        assert sounds(sheet) == [(0, 1, 60), (1, 1, 62), (2, 1, 64), (3, 1, 65), (4, 4, 67)]
        assert sounds(sheet, 1) == [(0, 4, 48), (4, 4, 50)]


def test_voices_of_the_head() -> None:
    head = (
        'M:4/4\nL:1/4\n%%score (S B) D\nV:S name="Soprano" clef=treble-8\nV:B bass octave=-1 transpose=-2\nV:3 perc\n'
    )
    sheet = tune("V:B\nD4|\nV:S\nF4|\nV:3\nC4|", head, "D")
    assert parts(sheet) == [("Soprano", 0, False), ("B", 0, False), ("", 0, True)]
    assert [pitches(sheet, part) for part in range(3)] == [[54], [48], [61]]
    assert [part.keys[0].value for part in sheet.parts] == [Key(2, "major"), Key(0, "major"), Key(2, "major")]


def test_fields_of_one_voice() -> None:
    sheet = tune("V:1\n[L:1/8]C2 [K:G]F2|\nV:2\nF2|\nV:1\nF4|", "M:2/4\nL:1/4\n")
    assert sounds(sheet) == [(0, 1, 60), (1, 1, 66), (2, 2, 66)] and sounds(sheet, 1) == [(0, 2, 65)]


def test_a_bar_is_as_long_as_its_longest_voice() -> None:
    sheet = tune("V:1\nC2|D4|\nV:2\nC4|D4|E4|")
    assert bars(sheet) == [4, 4, 4] and sounds(sheet) == [(0, 2, 60), (4, 4, 62)]


def test_voices_with_other_bar_lines_meet_in_time() -> None:
    sheet = tune("V:1\nC2|:D2|E4:|\nV:2\nC,4|D,2 E,2|")
    assert sounds(sheet, 1) == [(0, 4, 48), (4, 2, 50), (6, 2, 52)] and bars(sheet) == [2, 2, 4]


def test_what_any_voice_states_of_the_bars_holds() -> None:
    assert signs(tune("V:1\nC4|D4|\nV:2\n|:C,4|D,4:|")) == ["|:", ":|2"]


@pytest.mark.parametrize(
    "music, expected",
    [
        ("cdef & C2 G2|C4|", [(0, 2, 60), (0, 1, 72), (1, 1, 74), (2, 2, 67), (2, 1, 76), (3, 1, 77), (4, 4, 60)]),
        ("c4 & G4 & E2|C4|", [(0, 2, 64), (0, 4, 67), (0, 4, 72), (4, 4, 60)]),
        ("c4 &\\\nG4|C4|", [(0, 4, 67), (0, 4, 72), (4, 4, 60)]),
        ("c4|d4|\n&&C4|D4|e4|", [(0, 4, 60), (0, 4, 72), (4, 4, 62), (4, 4, 74), (8, 4, 76)]),
        ("(&c4|d4 & C4|D4 &)|e4|", [(0, 4, 60), (0, 4, 72), (4, 4, 62), (4, 4, 74), (8, 4, 76)]),
    ],
)
def test_overlays(music: str, expected: list[tuple[float, float, int]]) -> None:
    sheet = tune(music)
    assert sounds(sheet) == expected
    assert {note.voice for _, note in notes(sheet)} >= {"", "2"}


# Directives, instruments, signs


def test_instruments() -> None:
    sheet = tune("V:1\n%%MIDI program 40\nC2 [I:MIDI program 73]D2|\nV:2\nC4|", "L:1/4\n%%MIDI program 1 5\n")
    assert parts(sheet) == [("", 40, False), ("", 5, False)]
    assert [note.program for _, note in notes(sheet)] == [None, 73]
    head = "L:1/4\nV:1\n%%MIDI program 60\nV:2\n%%MIDI channel 10\n%%MIDI drummap D 38\n%%MIDI drummap ^c' 42\n"
    sheet = tune("V:1\nD4|\nV:2\nD2 ^c' B,,|", head)
    assert parts(sheet) == [("", 60, False), ("", 0, True)]
    assert pitches(sheet) == [62] and pitches(sheet, 1) == [38, 42, 47]


def test_fermatas_and_symbols_of_the_user() -> None:
    music = "U:W=!fermata!\nHC !fermata!D !invertedfermata!E WF|+fermata+G [HCE] (H|C)"
    assert [note.fermata for _, note in notes(tune(music))] == [True] * 5 + [True, False, False]


def test_chord_symbols() -> None:
    sheet = tune('"Am"C2 "^high""F#dim/C"D2"G7"|E4 "D.C."z4|')
    found = [(mark.bar, mark.onset, mark.value.text) for mark in sheet.parts[0].symbols]
    assert found == [(0, 0, "Am"), (0, 2, "F#dim/C"), (1, 0, "G7")]


def test_macros() -> None:
    assert pitches(tune("~G2 C", "L:1/8\nm:~G2 = {A}G{F}G\n")) == [67, 67, 60]
    assert pitches(tune("~c3 ~B,3 C", "L:1/8\nm:~n3 = n/o/m/n\n")) == [72, 74, 71, 72, 59, 60, 57, 59, 60]


def test_lines() -> None:
    text = "\ufeff%abc-2.1\r\nX:1\r\nL:1/4\r\n%%begintext\r\nCDE|\r\n%%endtext\r\n"
    text += "K:D\r\n+:transpose=-2\r\nC D|\\%E|% F\r\n"
    sheet = sheet_of(text)
    assert pitches(sheet) == [59, 60, 62] and sheet.changes == {"unknown_symbols": 1, "transposed": 3}
    assert pitches(sheet_of(text.replace("\r\n", "\r"))) == [59, 60, 62]
    assert pitches(tune("w:la la \\\nC D E\nC", "H:of C\nD E F\nL:1/4\n")) == [60]  # texts that go on


def test_a_line_break_of_abc2win_is_no_decoration() -> None:
    assert pitches(tune("C D|E F!\nG!A|")) == [60, 62, 64, 65, 67, 69]


# What is absurd


@pytest.mark.parametrize(
    "head, music, message",
    [
        ("", "C1234567", "That is no length"),
        ("", "C/0", "That is no length"),
        ("", "C/1000", "That is no length"),
        ("", "C" + "/" * 20, "That is no length"),
        ("", "Z999999", "longer than 100000 bars"),
        ("", "Z20000", "more than 16000 bars"),
        ("P:((A99)99)99\n", "P:A\nC", "more than 1000 sections"),
        ("m:k=" + "G" * 300 + "\n", "k", "more than 200 letters"),
        ("m:k=" + "G" * 190 + "\n", "k" * 9_000, "more than 200000 letters"),
        ("", "".join(f"V:{number}\n" for number in range(600)), "more than 500 voices"),
        ("N:" + "x" * 1_000_000 + "\n", "C", "It is no tune"),
    ],
)
def test_absurd_tunes_are_refused(head: str, music: str, message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        tune(music, head)


BITS = r"""[ [a: [" ["a" ! + { (3 (99:98:97 C> > C/999 & C& [C- ^ : | C- C1/997> [K:G] [V:1] " ^11 (( m:a=b """


@pytest.mark.parametrize("bit", [*BITS.split(), "M:3/4\n", "\n+:x", "C- & "])
def test_broken_text_takes_no_longer_than_whole(bit: str) -> None:
    start = time.process_time()
    with contextlib.suppress(EtudeError):
        tune(bit * 10_000)
    assert time.process_time() - start < 5


def test_a_tune_without_notes_is_empty() -> None:
    assert tune("").bars == [] and tune("").parts == []
    assert sheet_of("").bars == [] and bars(tune("z4|")) == [4]
    assert isinstance(tune("C").parts[0], Part) and isinstance(tune("C").bars[0], Bar)


@pytest.mark.parametrize(
    ("music", "expected"),
    [
        ("C4||D4:|", [60, 62, 62]),
        ("|:C4:|D4||E4:|", [60, 60, 62, 64, 64]),
        ("|:C4||D4:|", [60, 62, 60, 62]),
        ("C4|D4:|E4:|", [60, 62, 60, 62, 64, 64]),
    ],
)
def test_a_repeat_without_a_start_goes_back_to_a_double_bar_line(music: str, expected: list[int]) -> None:
    sheet = tune(music)
    assert [note.pitch for place in played(sheet) for note in sheet.parts[0].notes[place]] == expected
