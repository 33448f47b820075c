"""Folders of scores that somebody gives: what is read, what is refused with its reason, and what ends in a sentence."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import make_piece, smoke
from symusic.core import ScoreTick

from etude.core import folders
from etude.core.errors import EtudeError
from etude.tasks.score_folders import ScoreFolder, read_folder

LIMITS = smoke().ingest
BOOK = "X:1\nT:One\nM:4/4\nL:1/4\nK:C\nCDEF|GABc|\n\nX:2\nT:Two\nM:4/4\nL:1/4\nK:G\nGABc|\n"
XML = """<?xml version="1.0"?><score-partwise version="4.0"><part-list><score-part id="P1"><part-name>Melody</part-name>
</score-part></part-list><part id="P1"><measure number="1"><attributes><divisions>1</divisions><time><beats>4</beats>
<beat-type>4</beat-type></time></attributes><note><pitch><step>A</step><octave>4</octave></pitch><duration>4</duration>
</note></measure></part></score-partwise>"""


def read(folder: Path) -> ScoreFolder:
    return read_folder("pieces", str(folder), LIMITS)


def pitches(score: ScoreTick) -> list[int]:
    return [note.pitch for track in score.tracks for note in track.notes]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """MIDI in two folders, a book of two tunes, MusicXML."""
    made = tmp_path / "scores"
    (made / "b").mkdir(parents=True)
    make_piece(1, beats=4).dump_midi(made / "z.mid")
    make_piece(2, beats=4).dump_midi(made / "b" / "deep.MID")
    (made / "a.abc").write_text(BOOK)
    (made / "m.musicxml").write_text(XML)
    (made / "readme.txt").write_text("no score")
    return made


def test_a_folder_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST", 2)
    for name in "abc":
        (tmp_path / name).touch()
    with pytest.raises(EtudeError, match=r"^pieces = .* holds more than 2 files and folders"):
        read_folder("pieces", str(tmp_path), smoke().ingest)


def test_all_formats_below_a_folder_are_read_in_the_order_of_their_paths(folder: Path) -> None:
    found = read(folder)
    assert list(found.scores) == ["a.abc, piece 1", "a.abc, piece 2", "b/deep.MID", "m.musicxml", "z.mid"]
    assert pitches(found.scores["a.abc, piece 2"]) == [67, 69, 71, 72]
    assert pitches(found.scores["m.musicxml"]) == [69]
    for name, seed in (("b/deep.MID", 2), ("z.mid", 1)):
        assert pitches(found.scores[name]) == pitches(make_piece(seed, beats=4))
    assert (found.refused, found.twice) == ([], 0)


def test_one_file_is_all_of_its_pieces_by_its_name(folder: Path) -> None:
    assert list(read(folder / "a.abc").scores) == ["a.abc, piece 1", "a.abc, piece 2"]
    assert list(read(folder / "b/deep.MID").scores) == ["deep.MID"]


def test_a_bad_file_costs_that_file_and_says_why(folder: Path) -> None:
    whole = list(read(folder).scores)
    (folder / "broken.mid").write_bytes(b"MThd nonsense")
    (folder / "broken.xml").write_text(XML[:-60])
    (folder / "empty.mid").write_bytes(b"")
    (folder / "comment.abc").write_text("% no tune\n")
    ScoreTick(24).dump_midi(folder / "silent.mid")
    found = read(folder)
    assert list(found.scores) == whole
    reasons = dict(found.refused)
    assert set(reasons) == {"broken.mid", "broken.xml", "comment.abc", "empty.mid", "silent.mid"}
    assert reasons["comment.abc"] == "it holds no piece" and reasons["silent.mid"] == "no notes"
    assert "XML is damaged" in reasons["broken.xml"]
    assert all(reason and "\n" not in reason and str(folder) not in reason for reason in reasons.values())


def test_a_bad_tune_costs_that_tune(folder: Path) -> None:
    (folder / "a.abc").write_text(BOOK + "\nX:3\nT:No notes\nK:C\n")
    found = read(folder / "a.abc")
    assert list(found.scores) == ["a.abc, piece 1", "a.abc, piece 2"]
    assert [name for name, _ in found.refused] == ["a.abc, piece 3"]


def test_many_midi_files_with_a_broken_one_among_them(tmp_path: Path) -> None:
    for number in range(40):  # more than are read together
        make_piece(number, beats=1).dump_midi(tmp_path / f"{number:02}.mid")
    raw = (tmp_path / "05.mid").read_bytes()
    (tmp_path / "05.mid").write_bytes(raw[:30])
    found = read(tmp_path)
    assert [name for name, _ in found.refused] == ["05.mid"] and len(found.scores) == 39
    assert pitches(found.scores["39.mid"]) == pitches(make_piece(39, beats=1))


def test_the_same_bytes_are_read_once_under_the_first_path(folder: Path) -> None:
    shutil.copy(folder / "z.mid", folder / "copy.mid")
    os.symlink(folder / "z.mid", folder / "b" / "link.mid")
    found = read(folder)
    assert found.twice == 2 and "b/link.mid" in found.scores and not {"copy.mid", "z.mid"} & set(found.scores)


def test_links_to_files_are_followed_and_links_to_nowhere_are_none(folder: Path, tmp_path: Path) -> None:
    make_piece(9, beats=4).dump_midi(tmp_path / "outside.mid")
    os.symlink(tmp_path / "outside.mid", folder / "link.mid")
    os.symlink(tmp_path / "nowhere.mid", folder / "gone.mid")
    os.symlink(folder, folder / "b" / "round")  # a circle
    found = read(folder)
    assert "link.mid" in found.scores and len(found.scores) == 6 and (found.refused, found.twice) == ([], 0)


def test_names_that_no_terminal_can_show_are_escaped(tmp_path: Path) -> None:
    for name, seed in ((b"caf\xe9.mid", 1), ("Prélude, n° 2.mid".encode(), 2)):
        make_piece(seed, beats=4).dump_midi(tmp_path / "made.mid")
        os.rename(tmp_path / "made.mid", os.fsencode(tmp_path) + b"/" + name)
    found = read(tmp_path)
    assert set(found.scores) == {"caf\\xe9.mid", "Prélude, n° 2.mid"}
    assert all(name.encode() for name in found.scores), "can be written"


def test_limits_of_ingest_hold_but_for_short_pieces(folder: Path) -> None:
    from dataclasses import replace

    strict = replace(LIMITS, max_bytes=200, min_notes=1000)
    found = read_folder("pieces", str(folder), strict)
    assert set(found.scores) == {"a.abc, piece 1", "a.abc, piece 2"}, "no piece is too short"
    assert all("more than ingest.max_bytes = 200" in reason for _, reason in found.refused)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", r"pieces = .*gone does not exist\. Name a folder of scores"),
        ("b/none", r"pieces = .*none holds no score\. Files that end in \.mid .* are read"),
        ("readme.txt", r"none of its 1 scores can be read \(readme\.txt: files ending in \.txt are not read"),
        ("nothing.abc", r"none of its 1 scores can be read \(nothing\.abc: it holds no piece\)"),
        ("bad", r"none of its 2 scores can be read \(1\.mid: "),
    ],
)
def test_what_gives_no_score_is_a_sentence(name: str, message: str, folder: Path) -> None:
    (folder / "b/none").mkdir()
    (folder / "b/none/x.json").write_text("[]")  # piano rolls are a format of data sets, and no score of a folder
    (folder / "nothing.abc").write_text("")
    (folder / "bad").mkdir()
    for number in (1, 2):
        (folder / f"bad/{number}.mid").write_bytes(b"no MIDI %d" % number)
    with pytest.raises(EtudeError, match=message):
        read(folder / name)
