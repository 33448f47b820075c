"""Stage augment: copies of train pieces alone, each with its origin; on disk, or only listed."""

from pathlib import Path

import pytest
from conftest import make_piece, make_project, smoke

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.music.augmentation import Copy, alter
from etude.stages.augment import run


@pytest.fixture
def project(tmp_path: Path) -> Session:
    return make_project(tmp_path / "project", smoke(tokenize={}))


def made(session: Session) -> tuple[Pieces, list[dict[str, object]]]:
    folder = session.write(catalog.AUGMENT)
    manifest = read_json(folder / "manifest.json", "etude augment")
    return Pieces(folder, manifest, "copies", "etude augment"), manifest["copies"]


def test_copies_are_of_train_pieces_and_name_how_they_were_made(project: Session) -> None:
    run(smoke(), project)
    pieces, copies = made(project)
    assert {copy["origin"] for copy in copies} == {f"p0{number}" for number in range(6)}
    assert len(copies) > 6
    for entry in copies:
        copy = Copy(**{key: value for key, value in entry.items() if key != "id"})  # type: ignore[arg-type]
        assert entry["id"] == copy.id
        origin = make_piece(int(copy.origin[1:]))
        assert pieces.score(copy.id).tracks == alter(origin, copy, metrical=True).tracks


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bytes_with_any_number_of_workers(
    project: Session, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(smoke(), project)
    monkeypatch.setattr("etude.stages.augment.ORIGINS", 2)  # several shards
    for place in ("a", "b"):
        run(smoke(), Session(root=project.root, out=tmp_path / place, workers=workers, progress=False))
    run(smoke(), Session(root=project.root, out=tmp_path / "c", workers=3 - workers, progress=False))
    assert len({digest(tmp_path / place / "data/augment") for place in "abc"}) == 1
    manifests = [read_json(root / "data/augment/manifest.json", "") for root in (project.root, tmp_path / "a")]
    assert manifests[0]["copies"] == manifests[1]["copies"]
    assert [len(manifest["shards"]) for manifest in manifests] == [1, 3]


def test_at_load_time_the_same_copies_are_only_listed(project: Session, tmp_path: Path) -> None:
    run(smoke(), project)
    _, copies = made(project)
    later = Session(root=project.root, out=tmp_path / "later", progress=False)
    run(smoke(augment={"at": "load"}), later)
    manifest = read_json(tmp_path / "later/data/augment/manifest.json", "etude augment")
    assert manifest["copies"] == copies and manifest["shards"] == []
    assert [file.name for file in (tmp_path / "later/data/augment").iterdir()] == ["manifest.json"]


def test_a_split_of_other_pieces_is_refused(project: Session) -> None:
    file = project.root / "data/split/split.json"
    write_json(file, {**read_json(file, ""), "train": ["p00", "bwv999"]})
    with pytest.raises(EtudeError, match=r"assigns bwv999, which data/ingest does not hold.*etude split"):
        run(smoke(), project)
