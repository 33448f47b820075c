"""ABC: files of tunes, text around them, meters, chord symbols."""

from pathlib import Path
from typing import Any

import pytest
from symusic.core import ScoreTick as Score

from etude.config.sections import Reading
from etude.core.errors import EtudeError
from etude.scores import abc
from etude.scores.abc import tunes_of
from etude.scores.readers import pieces_of, read

TUNES = """% a book
M:3/4
L:1/4

Some words, A B C.
X:1
T: The first % a remark
K:G
G | "G"GAB | "^slow"">"c"D7"AF |

Words after the tune, d e f.

X: 17
T:The second
T:also called so
M:2/4
K:Dm
A:|
DE | FG |]
X:3
M:none
L:1/4
K:C
CDE | CDEFG | C2 | C |]
"""


def reading(**changes: Any) -> Reading:
    values: dict[str, Any] = {"voices": {"Melody": 73, "Chords": 24}, "complete": False, "tempo": 100.0}
    return Reading(**values | {"metrical": True, "ticks_per_quarter": 24, "velocity": None, "max_rest": None} | changes)


def notes(piece: Score, place: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in piece.tracks[place].notes]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "book.abc").write_text(TUNES)
    return tmp_path / "book.abc"


def test_the_tunes_of_a_file(book: Path) -> None:
    assert pieces_of(book) == [("1", "The first"), ("2", "The second"), ("3", None)]
    first = tunes_of(TUNES)[0].splitlines()
    assert first[:4] == ["X:1", "M:3/4", "L:1/4", "T: The first % a remark"]  # the head of the file is every tune's
    assert not any("Words" in line for line in first)
    with pytest.raises(EtudeError, match=r"holds 3 tunes .*, no number 4 among them"):
        read(book, "4", reading())


def test_a_tune_with_chords(book: Path) -> None:
    piece, info = read(book, "1", reading())
    assert notes(piece)[:5] == [(48, 24, 67), (72, 24, 67), (96, 24, 69), (120, 24, 71), (144, 24, 72)]
    assert len(notes(piece)) == 7
    assert [(marker.time, marker.text) for marker in piece.markers] == [(72, "chord:G"), (168, "chord:D7")]
    assert notes(piece, 1)[:3] == [(72, 96, 55), (72, 96, 59), (72, 96, 62)]
    assert (info["time_signature"], info["key"], info["tempo"], info["changed"]) == ("3/4", "G major", 100, {})


def test_the_meter_of_a_tune_is_its_own_and_a_line_may_look_like_a_field(book: Path) -> None:
    piece, info = read(book, "2", reading())
    assert (info["time_signature"], info["key"]) == ("2/4", "D minor")
    assert [pitch for _, _, pitch in notes(piece)] == [69, 69, 62, 64, 65, 67]  # A:| repeats


def test_without_a_meter_bars_are_as_long_as_they_are_written(book: Path) -> None:
    piece, info = read(book, "3", reading())
    signs = [(sign.time, sign.numerator, sign.denominator) for sign in piece.time_signatures]
    assert signs == [(0, 3, 4), (72, 5, 4), (192, 2, 4), (240, 1, 4)]
    assert info["changed"] == {} and notes(piece)[0] == (0, 24, 60)


def test_a_file_is_split_once_and_read_again_when_it_changes(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    abc._split.cache_clear()
    for part, _ in pieces_of(book):
        read(book, part, reading())
    assert abc._split.cache_info().misses == 1
    book.write_text("X:1\nT:Another\nK:C\nC|D|\n")
    assert pieces_of(book) == [("1", "Another")]


def test_titles_in_the_letters_of_dos(tmp_path: Path) -> None:
    title = "Schönes Schloß in Österreich"
    (tmp_path / "a.abc").write_text(f"X:1\nT:{title.encode('cp850').decode('latin-1')}\nK:C\nC|D|\n", "utf-8")
    (tmp_path / "b.abc").write_text(f"X:1\nT:{title}, á\nK:C\nC|D|\n", "utf-8")
    assert [pieces_of(tmp_path / name) for name in ("a.abc", "b.abc")] == [[("1", title)], [("1", f"{title}, á")]]


def test_latin_1(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_bytes("X:1\nT:Müßiggang\nK:C\nC|D|\n".encode("latin-1"))
    assert pieces_of(tmp_path / "a.abc") == [("1", "Müßiggang")]


@pytest.mark.parametrize(
    "text, titles",
    [
        ("T:One\nK:C\nCDE|\n", ["One"]),
        ("\n\nCDE|FGA|\n\nSome words.\n", [None]),
        ("T:One\nM:3/4\n\nK:C\nCDE|\n\nT:Two\nK:C\nC|\n", ["One", "Two"]),
        ("T:One\nK:C\nCDE|\n\nwords\n\nX:2\nT:Two\nK:C\nC|\n", ["One", "Two"]),
        ("X:1\nT:One\nK:C\nCDE|\n%%begintext\n\nX and Y\n%%endtext\nFG|\n\nX:2\nK:C\nC|\n", ["One", None]),
        ("Some words, A B C.\n", []),
        ("", []),
    ],
)
def test_tunes_without_a_number_and_texts(tmp_path: Path, text: str, titles: list[str | None]) -> None:
    for place, line_end in enumerate(("\n", "\r\n", "\r")):
        path = tmp_path / f"{place}.abc"
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", line_end).encode())
        assert [title for _, title in pieces_of(path)] == titles
    assert all(tune.startswith("X:") for tune in tunes_of(text))


def test_a_tune_has_what_the_head_of_the_file_states() -> None:
    head = "%abc-2.1\nM:3/4\nI:propagate-accidentals octave\nm:~G = GAG\n%%MIDI program 5\nL:1/8\n\nWords: |\n\n"
    first, second = tunes_of(head + "X:1\nM:4/4\nm:~A = AGA\nK:C\nC|\n\n%abc-2.2\nX:2\nK:C\nC|\n")
    added = ["I:propagate-accidentals octave", "m:~G = GAG", "%%MIDI program 5"]
    assert first.splitlines() == ["X:1", "%abc-2.1", *added, "L:1/8", "M:4/4", "m:~A = AGA", "K:C", "C|"]
    assert second.splitlines() == ["X:2", "%abc-2.2", "M:3/4", *added, "L:1/8", "K:C", "C|"]


def test_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("X:1\nT:Müßiggang\nK:C\nC|D|\n", "utf-16")
    assert pieces_of(tmp_path / "a.abc") == [("1", "Müßiggang")]


def test_a_broken_tune_is_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text("X:1\nK:C\nC/0|\n\nX:2\nK:C\n")
    with pytest.raises(EtudeError, match="/0 units long"):
        read(tmp_path / "a.abc", "1", reading())
    with pytest.raises(EtudeError, match="no notes"):
        read(tmp_path / "a.abc", "2", reading())
