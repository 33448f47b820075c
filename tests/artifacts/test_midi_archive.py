"""Pieces in shards: what is written is read again, equal pieces give equal bytes, damage is an error."""

import pickle
import zipfile
from pathlib import Path

import pytest
from conftest import make_piece

from etude.artifacts.midi_archive import Pieces, gather_shards, write_pieces, write_shard
from etude.core.errors import EtudeError
from etude.core.files import digest


def made(folder: Path, count: int = 7, size: int = 3) -> Pieces:
    names = [f"p{number}" for number in range(count)]
    folder.mkdir()
    shards = write_pieces(folder, ((name, make_piece(place).dumps_midi()) for place, name in enumerate(names)), size)
    manifest = {"pieces": [{"id": name, "title": None} for name in names], "shards": shards}
    return Pieces(folder, manifest, "pieces", "etude ingest")


def test_every_piece_is_read_again_in_any_order(tmp_path: Path) -> None:
    pieces = made(tmp_path / "a")
    assert sorted(file.name for file in (tmp_path / "a/pieces").iterdir()) == ["00000.zip", "00001.zip", "00002.zip"]
    for place in (6, 0, 3, 5, 1, 2, 4):
        assert pieces.score(f"p{place}").tracks == make_piece(place).tracks
    assert [name for name, _ in pieces.scores(["p2", "p1"])] == ["p2", "p1"]


def test_any_tool_opens_a_shard(tmp_path: Path) -> None:
    made(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "a/pieces/00001.zip") as archive:
        assert archive.namelist() == ["p3.mid", "p4.mid", "p5.mid"]
        assert archive.read("p3.mid") == make_piece(3).dumps_midi()


def test_equal_pieces_give_equal_bytes(tmp_path: Path) -> None:
    made(tmp_path / "a"), made(tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_another_process_can_read_them(tmp_path: Path) -> None:
    pieces = made(tmp_path / "a")
    pieces.score("p0")
    assert pickle.loads(pickle.dumps(pieces)).score("p4").note_num() == make_piece(4).note_num()


def test_a_damaged_or_missing_shard_is_an_error(tmp_path: Path) -> None:
    pieces = made(tmp_path / "a")
    shard = tmp_path / "a/pieces/00001.zip"
    data = bytearray(shard.read_bytes())
    data[60] ^= 1
    shard.write_bytes(data)
    assert pieces.score("p0").note_num()
    with pytest.raises(EtudeError, match=r"00001.zip is damaged or missing.*Make it again with: etude ingest"):
        pieces.score("p4")
    shard.unlink()
    with pytest.raises(EtudeError, match=r"00001\.zip is damaged or missing"):
        pieces.score("p4")


def test_finished_archives_become_shards(tmp_path: Path) -> None:
    names = [["a", "b"], ["c"], [], ["d", "e"]]
    archives = []
    for number, part in enumerate(names):
        path = tmp_path / f"{number}.zip"
        archives.append((path, write_shard(path, ((name, make_piece(ord(name)).dumps_midi()) for name in part))))
    listed = gather_shards(tmp_path / "all", [(*archive, None) for archive in archives])
    assert [shard["pieces"] for shard in listed] == [2, 1, 2]
    assert digest(tmp_path / "all/pieces/00002.zip") == digest(tmp_path / "3.zip") == listed[2]["sha256"]
    staying = [["b"], [], None, None]
    listed = gather_shards(tmp_path / "some", [(*archive, ids) for archive, ids in zip(archives, staying, strict=True)])
    assert [(shard["file"], shard["pieces"]) for shard in listed] == [("pieces/00000.zip", 1), ("pieces/00001.zip", 2)]
    pieces = Pieces(tmp_path / "some", {"pieces": [{"id": name} for name in "bde"], "shards": listed}, "pieces", "")
    assert all(pieces.score(name).tracks == make_piece(ord(name)).tracks for name in "ebd")
    write_shard(tmp_path / "b.zip", [("b", make_piece(ord("b")).dumps_midi())])
    assert digest(tmp_path / "b.zip") == listed[0]["sha256"]  # the same as if the other had never been there
    assert gather_shards(tmp_path / "none", []) == []


def test_another_process_gets_only_what_it_needs(tmp_path: Path) -> None:
    pieces = made(tmp_path / "a", count=60)
    few = pickle.loads(pickle.dumps(pieces.only(["p4", "p59"])))
    assert list(few.entries) == ["p4", "p59"] and few.score("p59").tracks == make_piece(59).tracks
    assert len(pickle.dumps(few)) < len(pickle.dumps(pieces)) and len(pieces.entries) == 60
