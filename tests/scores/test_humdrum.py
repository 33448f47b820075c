"""Humdrum **kern: spines, lengths, ties, bars, form, and what is said about broken files."""

import random
import re
import time
from fractions import Fraction
from pathlib import Path

import pytest

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores.humdrum import pieces, sheet_of, split_pieces
from etude.scores.readers import read
from etude.scores.written import Key, Meter, Note, Sheet

READING = Reading(None, False, 120.0, True, 24, None, None)


def kern(*lines: str) -> str:
    """A file of these lines, with blanks between the columns; members of a chord are joined by +."""
    return "\n".join(re.sub(r"(?<![*\t])\+", " ", "\t".join(line.split())) for line in lines) + "\n"


def one(*lines: str) -> Sheet:
    """The score of one spine."""
    return sheet_of("\n".join(["**kern", *lines, "*-"]))


def placed(sheet: Sheet, part: int = 0) -> list[tuple[Fraction, Note]]:
    """The notes of a part with their onsets from the start."""
    starts = [sum((bar.length for bar in sheet.bars[:place]), Fraction(0)) for place in range(len(sheet.bars))]
    found = [(starts[bar] + note.onset, note) for bar, notes in sheet.parts[part].notes.items() for note in notes]
    return sorted(found, key=lambda item: (item[0], item[1].pitch))


def notes(sheet: Sheet, part: int = 0) -> list[tuple[float, float, int]]:
    return [(float(onset), float(note.length), note.pitch) for onset, note in placed(sheet, part)]


def pitches(sheet: Sheet, part: int = 0) -> list[int]:
    return [note.pitch for _, note in placed(sheet, part)]


def test_pitches_and_lengths() -> None:
    sheet = one("4c", "8.cc#", "16CC--", "2..Bn", "3e-", "3%2f", "0g", "00a", "000b", "12ccc", "20C", "4GY-")
    assert pitches(sheet) == [60, 73, 34, 59, 63, 65, 67, 69, 71, 84, 48, 54]
    lengths = ["1", "3/4", "1/4", "7/2", "4/3", "8/3", "8", "16", "32", "1/3", "1/5", "1"]
    assert [note.length for _, note in placed(sheet)] == [Fraction(length) for length in lengths]
    assert sheet.bars[0].length == sum(map(Fraction, lengths))


def test_signs_around_a_note_change_nothing() -> None:
    sheet = one("{(8ff#/L", "&16.bb-TRX\\JJkk", "aa`4.;", "4@16@d", "4dyy", "8.e-yz)}", "16r.", "4rgg", "2ryy", "4")
    assert pitches(sheet) == [78, 82, 81, 62, 62, 63]
    assert [note.fermata for _, note in placed(sheet)] == [False, False, True, False, False, False]
    assert sheet.bars[0].length == Fraction(1, 2) + Fraction(3, 8) + Fraction(3, 2) + 2 + Fraction(9, 8) + 4


def test_the_members_of_a_chord_may_have_their_own_lengths_or_none() -> None:
    assert notes(one("2c 4e g", "4d")) == [(0, 2, 60), (0, 1, 64), (0, 1, 67), (2, 1, 62)]


def test_grace_notes_and_groupettos_take_no_time() -> None:
    sheet = sheet_of(kern("**kern **kern", "4C 4c", "8qd+8qf .", "16eQ .", ". qe", "4D 4d", "*- *-"))
    assert notes(sheet) == [(0, 1, 60), (1, 1, 62)] and notes(sheet, 1) == [(0, 1, 48), (1, 1, 50)]
    assert sheet.changes["grace_notes"] == 4


def test_other_kinds_of_spines_are_left_out() -> None:
    sheet = sheet_of(
        kern("**dynam **kern **text **kern", "*k[f#] *k[f#] * *k[f#]", "p 4C kern 4c", "cresc . 4c .", ". 4D . 4d")
    )  # without an end
    assert [notes(sheet, part) for part in (0, 1)] == [[(0, 1, 60), (1, 1, 62)], [(0, 1, 48), (1, 1, 50)]]


def test_a_split_that_is_joined_and_split_again() -> None:
    sheet = sheet_of(
        kern(
            "**kern **kern", "*M4/4 *M4/4", "=1 =1", "* *^", "1C 4c 2e", ". 4d .", ". 4e 2g", ". 4f .", "* *v *v",
            "=2 =2", "1D 1d", "=3 =3", "* *^", "* * *^", "2C 4c 4e 4g", ". 4d 4f 4a", "2D 2e 2g 2b", "* *v *v *v",
            "=4 =4", "1E 1f", "*- *-",
        )
    )  # fmt: skip
    assert notes(sheet, 1) == [(0, 4, 48), (4, 4, 50), (8, 2, 48), (10, 2, 50), (12, 4, 52)]
    assert pitches(sheet) == [60, 64, 62, 64, 67, 65, 62, 60, 64, 67, 62, 65, 69, 64, 67, 71, 65]
    assert {note.voice for _, note in placed(sheet)} == {"2.1", "2.2", "2.3"}
    assert [bar.length for bar in sheet.bars] == [4, 4, 4, 4]


def test_joins_of_two_spines_on_one_line() -> None:
    head = ["**kern **kern", "*^ *^", "2C 2E 2c 2e", "*v *v *v *v"]
    assert [len(notes(sheet_of(kern(*head, "2D 2d", "*- *-")), part)) for part in (0, 1)] == [3, 3]
    assert [len(notes(sheet_of(kern(*head, "2D", "*-")), part)) for part in (0, 1)] == [2, 3]  # as the manual has it


def test_an_exchange_and_a_new_spine() -> None:
    sheet = sheet_of(
        kern(
            "**kern **kern", "*I\"Low *I\"High", "4C 4c", "*x *x", "4d 4D", "* *+", "* * **kern", "4e 4E 4gg", "* * *-",
            "*x *x", "4F 4f", "*- *-",
        )
    )  # fmt: skip
    assert [part.name for part in sheet.parts] == ["High", "", "Low"]
    assert [pitches(sheet, part) for part in range(3)] == [[60, 62, 64, 65], [79], [48, 50, 52, 53]]
    assert notes(sheet, 1) == [(2, 1, 79)]


def test_a_voice_that_enters_under_a_long_note() -> None:
    sheet = sheet_of(kern("**kern **kern", "1C 2c", "*^ *", ". 2E 2d", "*v *v *", "1D 1e", "*- *-"))
    assert notes(sheet, 1) == [(0, 4, 48), (2, 2, 52), (4, 4, 50)]
    assert notes(sheet) == [(0, 2, 60), (2, 2, 62), (4, 4, 64)]


def test_ties() -> None:
    sheet = sheet_of(
        kern("**kern", "*^", "[4c+4e [2G", "4c_+4f .", "4c] 4G]", "*v *v", "[y4d", "*^", "4r 4d]", "*v *v", "*-")
    )
    marks = [(note.pitch, note.tied, note.held) for _, note in placed(sheet)]
    assert marks == [
        (55, True, False), (60, True, False), (64, False, False), (60, True, True), (65, False, False),
        (55, False, True), (60, False, True), (62, True, False), (62, False, True),
    ]  # fmt: skip


def test_pitches_are_those_that_sound() -> None:
    sheet = one("*ITrd1c2", "*Trd1c2", "*clefGv2", "*8va", "*k[b-]", "4f")
    assert pitches(sheet) == [65]
    assert [mark.value for mark in sheet.parts[0].keys] == [Key(-1, None)]


def test_parts_by_part_and_staff() -> None:
    head = ["**kern **kern **kern **kern", "*part2 *part2 *part1 *part1", '*I"Piano * *I"Alto *I"Soprano']
    sheet = sheet_of(kern(*head, "*Ipiano * *Icalto *Isoprn", "4C 4E 4c 4e"))
    assert [(part.name, part.program) for part in sheet.parts] == [("Soprano", 52), ("Alto", 52), ("Piano", 0)]
    assert pitches(sheet, 2) == [48, 52]
    sheet = sheet_of(kern("**kern **kern **kern", "*staff2 *staff1 *staff1", "4C 4c 4e"))
    assert [pitches(sheet, part) for part in (0, 1)] == [[60, 64], [48]]


def test_instruments() -> None:
    sheet = sheet_of(
        kern("**kern **kern **kern", "*Iclars *I'Fl. *Iunheardof", "4C 4c 4e", "*Ivioln *Iflt1 *Ivioln", "4D 4d 4f")
    )
    assert [(part.name, part.program) for part in sheet.parts] == [("Violin", 0), ("Fl.", 0), ("Violin", 71)]
    assert [note.program for _, note in placed(sheet, 1)] == [None, 73]


def test_drums() -> None:
    sheet = sheet_of(kern("**kern **kern **kern", "*Itimpa *clefX *Itrngl", "4C 4fR+4ggR 4c", "*- *clefG2 *", "4g 4c"))
    triangle, _, timpani = sheet.parts
    assert [part.drums for part in sheet.parts] == [True, True, False] and timpani.program == 47
    assert pitches(sheet, 0) == [81, 81] and pitches(sheet, 1) == [36, 42, 67]
    assert [note.program for _, note in placed(sheet, 1)] == [None, None, 0]
    assert triangle.name == "Triangle" and sheet.changes["guessed_drums"] == 2


def test_bars_with_a_pickup_and_signs_of_repetition() -> None:
    sheet = one(
        "*M3/4", "4c", "=1", "2.d", "=2:|!|:", "2.e", "=:|!", "=4!|:", "4f", "*M2/4", "4g", "=5:|:", "4a", "==:|!"
    )
    assert [bar.length for bar in sheet.bars] == [1, 3, 3, 2, 1]
    assert [(bar.repeat, bar.times) for bar in sheet.bars] == [(False, 1), (False, 2), (True, 2), (True, 2), (True, 2)]
    assert [(mark.bar, mark.onset, mark.value) for mark in sheet.meters] == [(0, 0, Meter(3, 4)), (3, 1, Meter(2, 4))]


def test_bar_lines_of_some_spines_only() -> None:
    sheet = sheet_of(
        kern("**kern **kern", "=1 =1", "2C 4c", "=2 .", "1D 4d", ". 4e", "= =2", "4E 4f", "4F 4g", "=3 =3", "1G 1c")
    )
    assert [bar.length for bar in sheet.bars] == [2, 4, 2, 4]
    assert notes(sheet) == [(0, 1, 60), (2, 1, 62), (3, 1, 64), (6, 1, 65), (7, 1, 67), (8, 4, 60)]


def test_a_bar_line_waits_for_the_longest_note() -> None:
    sheet = sheet_of(kern("**kern **kern", "2C 2c", "2D 4d", "=2 =2", "4E 4e", "== ==", "*- *-"))
    assert [bar.length for bar in sheet.bars] == [4, 1] and sheet.changes["uneven_lines"] == 1
    assert notes(sheet)[-1] == (*notes(sheet, 1)[-1][:2], 64)


@pytest.mark.parametrize(
    ("text", "meter"),
    [
        ("*M6/8", Meter(6, 8)), ("*M2+3/8", Meter(5, 8)), ("*M3/4+2/8", Meter(8, 8)), ("*M3/1", Meter(3, 1)),
        ("*M2/0", Meter(4, 1)), ("*M3/3%2", Meter(2, 1)), ("*M2\\4", Meter(2, 4)), ("*met(c|)", Meter(2, 2)),
        ("*met(C)", Meter(4, 4)), ("*MX", None), ("*MM60", None), ("*M4/5", None), ("*M0/4", None), ("*M1/0%0", None),
    ],
)  # fmt: skip
def test_meters(text: str, meter: Meter | None) -> None:
    sheet = one(text, "1c")
    assert [mark.value for mark in sheet.meters] == ([meter] if meter else []) and sheet.free == (meter is None)


def test_a_meter_that_is_none_is_counted() -> None:
    assert one("*M3/4", "4c", "*M3/7", "4d").changes["unknown_meters"] == 1


def test_keys() -> None:
    def keys(*lines: str) -> list[tuple[int, Fraction, Key]]:
        return [(mark.bar, mark.onset, mark.value) for mark in one(*lines).parts[0].keys]

    assert keys("*k[f#c#]", "*b:", "4c", "=2", "4c", "*k[]", "4c") == [
        (0, 0, Key(2, "minor")),
        (1, 1, Key(0, None)),
    ]
    assert keys("*e-:", "4c") == [(0, 0, Key(-6, "minor"))]
    assert keys("*k[b-]", "*g:", "4c", "*k[b-]", "4c") == [(0, 0, Key(-2, "minor"))]  # an old signature of G minor
    assert keys("*D:", "*k[f#c#]", "4c") == [(0, 0, Key(2, "major"))]
    assert keys("*k[]", "*d:dor", "4c") == [(0, 0, Key(0, "dorian"))]
    assert keys("*G:mix", "4c") == [(0, 0, Key(0, "mixolydian"))]
    assert keys("*D#:", "*k[f#c#g#d#a#e#b#f##c##]", "4c") == [(0, 0, Key(-3, "major"))]


def test_tempos() -> None:
    lines = ["*MM120.5", "4c", "*MM[Allegro]", "4c", "*MM60-70", "4c", "=2", "*MM4/4", "4c", "*MM0", "4c", "*MM200"]
    assert [(mark.bar, mark.onset, mark.value) for mark in one(*lines).tempos] == [(0, 0, 120.5), (0, 2, 65)]


def test_sections_in_their_order() -> None:
    lines = [
        "*>[A,A,,B,A1,B]",
        "*>norep[A,B]",
        "4r",
        "*>A",
        "=1",
        "4c",
        "4d",
        "*>A1",
        "4e",
        "=2:|!",
        "*>B",
        "1f",
        "=:|!",
    ]
    sheet = one(*lines)
    assert sheet.sections == [range(1), range(1, 2), range(1, 2), range(3, 4), range(2, 3), range(3, 4)]
    assert [bar.length for bar in sheet.bars] == [1, 2, 1, 4]
    assert {bar.times for bar in sheet.bars} == {1}  # the list says what the signs say


def test_a_list_that_names_no_section_is_counted_and_left_out() -> None:
    sheet = one("*>[A,A,C]", "*>A", "4c", "=:|!", "*>B", "4d")
    assert sheet.sections is None and sheet.bars[0].times == 2 and sheet.changes["ignored_sections"] == 1


def test_a_file_that_is_written_as_it_is_played() -> None:
    sheet = one("*thru", "*>A", "4c", "=:|!", "*>A", "4c", "=:|!", "*>B", "4d", "=2")
    assert sheet.sections is None and [bar.times for bar in sheet.bars] == [1, 1, 1]


def test_endings_by_their_labels() -> None:
    sheet = one("*>A", "1c", "=2", "1d", "*>A1", "=3", "1e", "=4:|!", "*>A2", "1f", "*>B", "=5", "1g")
    assert [bar.endings for bar in sheet.bars] == [(), (), (1,), (2,), ()] and sheet.bars[2].times == 2
    verses = one("*>verse", "1c", "=2", "*>verse1", "1d", "=3", "*>verse2", "1e")
    assert not any(bar.endings for bar in verses.bars)


def test_comments_blank_lines_line_ends_and_letters(tmp_path: Path) -> None:
    text = kern("**kern **kern", "*- *-").replace("*-", "4c").replace("**", "!!!COM: Dvo\u0159\u00e1k\n\n**", 1)
    text += "!! a comment\n!local\t!\n!\n4d\t\t4e\n\x1a"
    for data in (text.encode("utf-8-sig"), text.replace("\u0159", "r").replace("\n", "\r\n").encode("latin-1")):
        (tmp_path / "a.krn").write_bytes(data)
        piece, _ = read(tmp_path / "a.krn", None, READING)
        assert piece.note_num() == 4 and pieces(tmp_path / "a.krn") == [(None, None)]


def test_a_file_that_joins_two_pieces(tmp_path: Path) -> None:
    text = kern("**kern **kern", "4c 4d", "*- *", "4e", "*-") + "!!!OTL@@DE: Zweites \n" + kern("**kern", "1f 4", "*-")
    (tmp_path / "a.krn").write_text(text)
    assert pieces(tmp_path / "a.krn") == [("1", None), ("2", "Zweites")]
    piece, _ = read(tmp_path / "a.krn", "1", READING)
    assert piece.note_num() == 3
    with pytest.raises(EtudeError, match="2 pieces, none with number 3"):
        read(tmp_path / "a.krn", "3", READING)
    with pytest.raises(EtudeError, match="line 8: it has 2 columns"):
        read(tmp_path / "a.krn", "2", READING)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["**kern **kern", "4c"], "line 2: it has 1 columns, the lines above lead to 2"),
        (["4c 4d"], "line 1: it stands before or after the spines"),
        (["**kern", "4c", "*-", "4d"], "line 4: it stands before or after the spines"),
        (["**text **dynam", "la p"], "it has no **kern, only **dynam, **text"),
        ([], "it has no **kern, only comments"),
        (["**kern **kern", "*v *"], "line 2: a *v joins nothing"),
        (["**kern **kern", "*x *"], "line 2: an exchange of columns needs two *x"),
        (["**kern **kern", "*k[] 4c"], 'line 2: "4c" stands among interpretations'),
        (["**kern", "c"], 'line 2: "c" states no length'),
        (["**kern", "4c4d"], 'line 2: "4c4d" is no note or rest'),
        (["**kern", "4c8"], 'line 2: "4c8" is no note or rest'),
        (["**kern", "!?"], "it has no notes"),
        (["**kern", "hello"], 'line 2: "hello" states no length'),
        (["**kern", "4" + "c" * 12], "is beyond the pitches of MIDI"),
        (["**kern", "4" + "c" * 200], "is no note or rest"),
        (["**kern", "1%9999c"], "lasts more than 1000 quarter notes"),
        (["**kern", "123456789c"], "has no possible length"),
        (["**kern", *["1%250c"] * 1002], "line 1003: it comes after more than 1000000 quarter notes"),
        (["**kern", *(f"{number}c" for number in range(4001, 4100))], "its tuplets fit no grid"),
        (["**kern " * 1001], "line 1: it has 1001 columns; more than 1000 are not read"),
    ],
)
def test_broken_files(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "a.krn").write_text(kern(*lines))
    with pytest.raises(EtudeError) as error:
        read(tmp_path / "a.krn", None, READING)
    assert message in str(error.value)


def test_mutations_of_a_file_are_read_or_refused_soon() -> None:
    text = kern(
        "**kern **kern **text", "*>[A,A] *>[A,A] *>[A,A]", "*M3/4 *M3/4 *", "*>A *>A *>A", "=1 =1 =1", "* *^ *",
        "4C [4c+4e 2g la", "8qD . . .", "4E 4c] . .", "4F 6d 4aa; .", "* *v *v *", "*+ * *", "* **kern * *",
        "=2:|! =2:|! =2:|! =", "2.G 4bb 2.a+2.cc .", "*- *- *- *-",
    )  # fmt: skip
    rng = random.Random(0)
    start = time.perf_counter()
    read = 0
    for _ in range(2000):
        mutant = list(text)
        for _ in range(rng.choice([1, 1, 2, 8])):
            place = rng.randrange(len(mutant))
            mutant[place : place + rng.choice([0, 1, 1, 9])] = rng.choices(
                "\t\n\r *^v+-x=:|!.0123489%cCeg#[]_;qQr>,/M", k=2
            )
        try:
            read += bool(sheet_of("".join(mutant)).bars)
        except EtudeError:
            continue
    assert 200 < read < 1800 and time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "text",
    [
        "**kern\n" + "*^\n" * 20,
        "**kern\n" + "*M" + "1+" * 50_000 + "1\n4c\n",
        "**kern\n*>[" + "A," * 50_000 + "A]\n*>A\n4c\n",
        "**kern\n" + "*>A\n4c\n" * 5_000,
        "**kern\n" + "**text\n**kern\n" * 5_000,
        "!!!OTL:" + " " * 50_000 + "x",
        "**kern\n*-\n" * 5_000,
        "**kern\n4c" + "e" * 1_000_000,
        "**kern\n" + "4c " * 50_000,
        "**kern\n" + "4c\t" * 50_000,
    ],
)
def test_absurd_files_take_no_time(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.krn").write_text(text)
    start = time.perf_counter()
    try:
        pieces(tmp_path / "a.krn")
        sheet_of(split_pieces(text)[0][1])
    except EtudeError:
        pass
    assert time.perf_counter() - start < 5
