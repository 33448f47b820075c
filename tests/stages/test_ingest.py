"""Stage ingest: refusals, duplicates, the same bytes whatever the workers and the engine, and after an interruption."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, make_piece, smoke
from symusic.core import ScoreTick as Score

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.artifacts.provenance import built_from
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.scores import readers, second_reader
from etude.scores.isolation import Lost
from etude.stages import ingest
from etude.stages.ingest import run

SETTINGS = smoke()


def download(
    root: Path, files: dict[str, bytes], titles: dict[str, str] | None = None, settings: Settings = SETTINGS
) -> list[dict[str, Any]]:
    folder = root / "data" / "download"
    (folder / "files").mkdir(parents=True)
    pieces = []
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
        entry: dict[str, Any] = {"id": Path(name).stem, "file": f"files/{name}", "source": f"here/{name}"}
        entry |= {"sha256": digest(folder / "files" / name), "part": None, "split": None, "origin": None}
        pieces.append(entry | {"title": (titles or {}).get(name)})
    write_json(folder / "manifest.json", {"pieces": pieces})
    write_json(root / catalog.record("download").place, {"settings": built_from(settings, "download")})
    return pieces


def made(root: Path) -> tuple[Pieces, dict[str, Any]]:
    folder = root / "data/ingest"
    manifest = read_json(folder / "manifest.json", "etude ingest")
    return Pieces(folder, manifest, "pieces", "etude ingest"), manifest


def notes(score: Score) -> list[list[tuple[int, int, int]]]:
    return [[(note.time, note.duration, note.pitch) for note in track.notes] for track in score.tracks]


def test_the_rest_goes_on_and_workers_change_nothing(tmp_path: Path) -> None:
    good, other = make_piece(1).dumps_midi(), make_piece(2).dumps_midi()
    files = {"a.mid": good, "b.mid": good, "c.mid": b"MThd nonsense", "d.mxl": b"PK", "e.mid": other}
    files |= {
        "f.mid": b"0" * 9000,
        "g.mid": make_piece(2, transpose=3).dumps_midi(),
        "ж и.mid": make_piece(3).dumps_midi(),
    }
    settings = smoke(ingest={"max_bytes": 8000})
    for workers in (1, 2):
        root = tmp_path / str(workers)
        download(root, files, titles={"b.mid": "A title"})
        run(settings, Session(root=root, workers=workers, progress=False))
    assert digest(tmp_path / "1" / "data" / "ingest") == digest(tmp_path / "2" / "data" / "ingest")
    pieces, manifest = made(tmp_path / "1")
    assert list(pieces.entries) == ["b", "e", "ж и"]  # the duplicate with a title
    reasons = {entry["source"]: entry["reason"] for entry in manifest["refused"]}
    assert list(reasons) == ["here/a.mid", "here/c.mid", "here/d.mxl", "here/f.mid", "here/g.mid"]
    assert reasons["here/a.mid"] == "the same notes as b, which is kept"
    assert reasons["here/g.mid"] == "the same notes as e, which is kept, in another key or at another speed"
    assert "max_bytes = 8000" in reasons["here/f.mid"]
    assert not any(str(tmp_path) in reason for reason in reasons.values())
    entry = manifest["pieces"][0]
    assert (entry["bars"], entry["title"]) == (4, "A title")
    assert [track["name"] for track in entry["tracks"]] == ["Soprano", "Alto", "Tenor", "Bass"]
    soprano = [pitch for _, _, pitch in notes(make_piece(1))[0]]
    assert (entry["tracks"][0]["low"], entry["tracks"][0]["high"]) == (min(soprano), max(soprano))
    assert sum(track["notes"] for track in entry["tracks"]) == entry["notes"] == make_piece(1).note_num()
    assert notes(pieces.score("b")) == notes(make_piece(1))


def test_near_duplicates_are_left_out_and_listed(tmp_path: Path) -> None:
    nearly = make_piece(1, beats=64)
    nearly.tracks[3].notes[0].pitch += 1
    files = {"a.mid": make_piece(1, beats=64).dumps_midi(), "b.mid": nearly.dumps_midi()}
    download(tmp_path, files)
    run(SETTINGS, Session(root=tmp_path, progress=False))
    pieces, manifest = made(tmp_path)
    assert list(pieces.entries) == ["a"]
    assert "% like a, which is kept" in manifest["refused"][0]["reason"]
    strict = smoke(ingest={"near": 1.0})
    run(strict, Session(root=tmp_path, progress=False))
    assert list(made(tmp_path)[0].entries) == ["a", "b"]


def test_tracks_come_as_they_are_where_no_voices_are_named(tmp_path: Path) -> None:
    wild = make_piece(1)
    wild.tracks[1].program = 68  # the same instrument as the first track
    wild.tracks[3].is_drum = True
    reading = {**SETTINGS.dataset["reading"], "voices": None, "complete": False}
    settings = smoke(dataset={"reading": reading})
    download(tmp_path, {"a.mid": wild.dumps_midi()}, settings=settings)
    run(settings, Session(root=tmp_path, progress=False))
    tracks = made(tmp_path)[1]["pieces"][0]["tracks"]
    assert [(track["name"], track["program"]) for track in tracks] == [("Oboe", 68), ("Clarinet", 71), ("Drums", -1)]
    assert sum(track["notes"] for track in tracks) == wild.note_num()


def test_a_file_that_hangs_or_crashes_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = readers.read

    def wild(path: Path, *rest: Any) -> Any:
        if path.name == "b.mid":
            time.sleep(60)
        if path.name == "c.mid":
            os._exit(7)
        return real(path, *rest)

    monkeypatch.setattr(readers, "read", wild)
    download(tmp_path, {f"{name}.mid": make_piece(place).dumps_midi() for place, name in enumerate("abcd")})
    run(smoke(ingest={"seconds": 2}), Session(root=tmp_path, workers=1, progress=False))
    pieces, manifest = made(tmp_path)
    assert list(pieces.entries) == ["a", "d"]
    assert [entry["source"] for entry in manifest["refused"]] == ["here/b.mid", "here/c.mid"]
    assert all(entry["reason"] for entry in manifest["refused"])


def test_small_files_are_read_together_as_each_alone(tmp_path: Path) -> None:
    files = {f"p{number}.mid": make_piece(number).dumps_midi() for number in range(4)}
    files |= {"q.mid": b"MThd", "r.mid": make_piece(9).dumps_midi()}
    entries = download(tmp_path, files)
    folder = tmp_path / "data/download"
    reading, limits = SETTINGS.reading, SETTINGS.ingest
    alone = [ingest.ingest_files([entry], folder, reading, limits)[0] for entry in entries]
    together = ingest.ingest_files(entries, folder, reading, limits)
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, Lost) or isinstance(other, Lost):
            assert one == other
        else:
            assert one[:2] == other[:2] and one[2].relative == other[2].relative
    assert [isinstance(result, Lost) for result in together] == [False] * 4 + [True, False]
    (folder / "files/r.abc").write_text("X:1")
    (folder / "files/large.mid").write_bytes(bytes(ingest.GROUP_BYTES))
    names = [f"files/{name}" for name in ("p0.mid", "p1.mid", "r.abc", "p2.mid", "large.mid", "p3.mid")]
    groups = list(ingest.group_entries([{"file": name} for name in names], folder))
    assert [len(group) for group in groups] == [2, 1, 1, 1, 1]
    assert [entry["file"] for group in groups for entry in group] == names


def test_it_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download(tmp_path, {f"p{number:02d}.mid": make_piece(number, 8).dumps_midi() for number in range(41)})
    seen: list[str] = []
    real = ingest.read_shard

    def dies(task: Any, folder: Path) -> None:
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(task["entries"][0]["id"])
        real(task, folder)

    monkeypatch.setattr(ingest, "read_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
    assert not (tmp_path / "data/ingest").exists() and seen == ["p00", "p20"]
    seen.clear()
    run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
    assert seen == ["p40"]
    first = digest(tmp_path / "data/ingest")
    monkeypatch.setattr(ingest, "read_shard", real)
    run(SETTINGS, Session(root=tmp_path, workers=2, progress=False))
    assert digest(tmp_path / "data/ingest") == first and not list((tmp_path / ".shards").glob("*/"))


def test_a_damaged_file_is_refused_and_nothing_left_is_an_error(tmp_path: Path) -> None:
    download(tmp_path, {"a.mid": make_piece(0).dumps_midi()})
    (tmp_path / "data" / "download" / "files" / "a.mid").write_bytes(make_piece(1).dumps_midi())
    with pytest.raises(EtudeError, match=r"refused all 1 pieces.*differs from its digest.*etude download"):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))
    assert not (tmp_path / "data" / "ingest").exists()


def test_without_a_download_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match="etude download"):
        run(SETTINGS, Session(root=tmp_path, workers=1, progress=False))


def test_other_engines_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """joblib's processes, a Dask cluster, and a job a shard as on Slurm, by Hydra's submitit launcher."""
    pytest.importorskip("distributed"), pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    files = {f"p{number:02d}.mid": make_piece(number, 8).dumps_midi() for number in range(21)}
    for engine in ("loky", "dask", "submitit"):
        root = tmp_path / engine
        root.mkdir()
        for name in ("conf", "dvc.yaml"):
            (root / name).symlink_to(ROOT / name)
        download(root, files)
    run(SETTINGS, Session(root=tmp_path / "loky", workers=2, progress=False))
    run(SETTINGS, Session(root=tmp_path / "dask", workers=2, engine="dask", progress=False))
    jobs = ["-m", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "session.shard=0,1"]
    done = subprocess.run(
        [sys.executable, "-m", "etude", "ingest", "experiment=smoke", "session.progress=false", *jobs],
        cwd=tmp_path / "submitit",
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shards = list((tmp_path / "submitit/.shards").glob("ingest-*/shard-*"))
    assert len(shards) == 2 and not (tmp_path / "submitit/data/ingest").exists()

    def refuse(*_: object) -> None:
        raise AssertionError("the jobs have read all shards")

    monkeypatch.setattr(ingest, "read_shard", refuse)
    run(SETTINGS, Session(root=tmp_path / "submitit", progress=False))
    assert len({digest(tmp_path / engine / "data/ingest") for engine in ("loky", "dask", "submitit")}) == 1


def test_a_second_reader_may_differ_or_end_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tune = "X:{0}\nL:1/4\nM:4/4\nK:C\n" + "|".join(["{1}DEF", "G{1}BC", "DE{1}G", "ABC{1}"]) + "|]\n"
    files = {f"{note}.abc": tune.format(place, note).encode() for place, note in enumerate("ace")}
    files["f.mid"] = make_piece(1).dumps_midi()
    honest = second_reader.compare

    def compare(path: Path, part: str | None, sheet: Any) -> dict[str, int]:
        if path.stem == "c":
            os.abort()
        return honest(path, part, sheet) | ({"own": 2, "bar": 1} if path.stem == "e" else {})

    monkeypatch.setattr(second_reader, "compare", compare)
    any_voices = {"reading": SETTINGS.dataset["reading"] | {"voices": None, "complete": False}}
    settings = smoke(dataset=any_voices)
    download(tmp_path, files, settings=settings)
    run(settings, Session(root=tmp_path, workers=1, progress=False))
    found = {entry["id"]: entry.get("second_reader") for entry in made(tmp_path)[1]["pieces"]}
    assert found["a"] == {"name": "music21", "alike": 16, "own": 0, "other": 0}
    assert found["c"] is not None and found["c"]["name"] == "music21" and "crashed" in found["c"]["reason"]
    assert found["e"] is not None and found["e"]["own"] == 2 and found["f"] is None
    off = smoke(dataset=any_voices, ingest={"crosscheck": False})
    run(off, Session(root=tmp_path, workers=1, progress=False))
    assert not any("second_reader" in entry for entry in made(tmp_path)[1]["pieces"])
