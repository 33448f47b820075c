"""Stage tokenize: the order of pieces, the origins of copies, and what is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import make_piece, make_project, smoke
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.artifacts.midi_archive import Pieces, write_pieces
from etude.artifacts.token_store import SPLITS, Store
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.representations.base.loading import load_representation
from etude.stages.tokenize import run

REPRESENTATIONS = pytest.mark.parametrize("name", ["remi", "pianoroll"])


@pytest.fixture
def project(encoded: Session, tmp_path: Path) -> Session:
    """A copy of what the stage reads, to be changed."""
    root = tmp_path / "project"
    for place in ("data/ingest", "data/split", "data/augment", "data/built_from"):
        shutil.copytree(encoded.root / place, root / place)
    return Session(root=root, progress=False)


def edit(file: Path, **changes: object) -> None:
    write_json(file, {**read_json(file, ""), **changes})


def replaced(folder: Path, name: str, piece: ScoreTick) -> None:
    """Put another piece in the place of one that a manifest lists."""
    manifest = read_json(folder / "manifest.json", "")
    before = Pieces(folder, manifest, "pieces", "")
    pieces = {entry: before.data(entry) for entry in before.entries} | {name: piece.dumps_midi()}
    shutil.rmtree(folder / "pieces")
    edit(folder / "manifest.json", shards=write_pieces(folder, pieces.items()))


@REPRESENTATIONS
def test_pieces_lie_in_the_order_of_the_split_and_copies_in_that_of_augment(
    name: str, encoded: Session, settings: Settings
) -> None:
    store = Store(encoded.root / "data/tokenize" / name)
    representation = load_representation(store)
    expected = {
        "train": [make_piece(number, transpose=semitones) for number in range(6) for semitones in (0, 2)],
        "valid": [make_piece(6), make_piece(7)],
        "test": [make_piece(8), make_piece(9)],
    }
    for split in SPLITS:
        found = list(store.pieces(split))
        assert len(found) == len(expected[split])
        for items, piece in zip(found, expected[split], strict=True):
            assert np.array_equal(items, representation.encode(piece))
        offsets = store.offsets(split)
        assert offsets[0] == 0 and offsets[-1] == store.count(split) == store.manifest["items"][split]
    assert [fact["id"] for split in ("valid", "test") for fact in store.manifest["pieces"][split]] == [
        f"p0{number}" for number in (6, 7, 8, 9)
    ]


@REPRESENTATIONS
def test_each_copy_has_the_place_of_its_origin_in_the_split(name: str, project: Session, settings: Settings) -> None:
    run(settings, project, name)
    file = project.root / f"data/tokenize/{name}/train.origins.npy"
    assert np.load(file).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    copies = project.root / "data/augment/manifest.json"
    edit(copies, copies=read_json(copies, "")["copies"][::-1])
    run(settings, project, name)
    assert np.load(file).tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("section", "change", "stage"),
    [
        ("dataset", {"limit": 90}, "download"),
        ("ingest", {"min_notes": 5}, "ingest"),
        ("split", {"seed": 5}, "split"),
        ("augment", {"stretch": [0.5]}, "augment"),
    ],
)
def test_copies_of_other_settings_are_refused(
    section: str, change: dict[str, object], stage: str, project: Session
) -> None:
    other = smoke(**{section: change})
    with pytest.raises(
        EtudeError, match=rf"was built with {section}\.\S+ = .* Build the right data with: etude {stage} "
    ):
        run(other, project, "remi")
    assert not (project.root / "data/tokenize").exists()


@REPRESENTATIONS
def test_the_same_pieces_give_the_same_bytes(name: str, encoded: Session, settings: Settings, tmp_path: Path) -> None:
    run(settings, Session(root=encoded.root, out=tmp_path, progress=False), name)
    assert digest(tmp_path / f"data/tokenize/{name}") == digest(encoded.root / f"data/tokenize/{name}")


def test_notes_and_cells_of_each_piece_are_those_of_the_piece(encoded: Session) -> None:
    pieces = Store(encoded.root / "data/tokenize/remi").manifest["pieces"]
    assert set(pieces) == {"valid", "test"}
    for number, fact in enumerate([*pieces["valid"], *pieces["test"]], start=6):
        notes = make_piece(number).note_num()
        # four voices, sixteen beats of four sixteenths; all notes of these pieces stand on the grid
        assert fact == {"id": f"p0{number}", "notes": notes, "cells": 4 * 16 * 4}


@REPRESENTATIONS
def test_the_manifest_names_every_file_with_its_digest(name: str, encoded: Session) -> None:
    folder = encoded.root / "data/tokenize" / name
    named = Store(folder).manifest["sha256"]
    files = {file.name for file in folder.iterdir()}
    assert set(named) == files - {"manifest.json"}
    assert {f"{split}{kind}.npy" for split in SPLITS for kind in ("", ".offsets")} <= files
    assert all(digest(folder / file) == value for file, value in named.items())


@REPRESENTATIONS
def test_valid_and_test_pieces_do_not_change_the_vocabulary(
    name: str, project: Session, encoded: Session, settings: Settings
) -> None:
    for number in (6, 8):
        replaced(project.root / "data/ingest", f"p0{number}", make_piece(number, transpose=30))
    run(settings, project, name)
    learned = {"remi": "tokenizer.json", "pianoroll": "pianoroll.json"}[name]
    before, after = (session.root / f"data/tokenize/{name}" for session in (encoded, project))
    assert (after / learned).read_bytes() == (before / learned).read_bytes()
    assert (after / "train.npy").read_bytes() == (before / "train.npy").read_bytes()
    trip = Store(after).manifest["round_trip"]
    assert trip["kept"] < Store(before).manifest["round_trip"]["kept"] and trip["kept"] < trip["notes"]


def test_a_split_without_pieces_is_an_empty_array(project: Session, settings: Settings) -> None:
    edit(project.root / "data/split/split.json", valid=[])
    run(settings, project, "remi")
    store = Store(project.root / "data/tokenize/remi")
    assert store.take("valid", np.zeros(0, dtype=np.int64)).dtype == np.uint16
    assert store.offsets("valid").tolist() == [0] and list(store.pieces("valid")) == []
    assert store.manifest["pieces"]["valid"] == [] and store.manifest["items"]["valid"] == 0


def test_an_unknown_representation_and_absent_copies_are_named(tmp_path: Path, settings: Settings) -> None:
    session = Session(root=tmp_path, progress=False)
    with pytest.raises(EtudeError, match='no representation "remmi" under tokenize'):
        run(settings, session, "remmi")
    with pytest.raises(EtudeError, match=r"data/ingest does not exist\. .* with: etude download && etude ingest$"):
        run(settings, session, "remi")


def test_data_of_the_right_settings_passes_the_check_of_the_trainings(encoded: Session, settings: Settings) -> None:
    for name in settings.tokenize:
        store = Store(encoded.root / "data/tokenize" / name)
        store.verify()
        store.require(settings, name)
        kinds = {
            "remi": "tokens",
            "attributes": "tokens",
            "voicegrid": "tokens",
            "chorale": "chorale",
            "pianoroll": "rolls",
        }
        assert store.manifest["kind"] == kinds[name]


def test_another_grid_is_built_with_what_it_says(encoded: Session, settings: Settings, tmp_path: Path) -> None:
    fine = smoke(tokenize={**settings.tokenize, "remi": {**settings.tokenize["remi"], "positions_per_beat": 8}})
    run(fine, Session(root=encoded.root, out=tmp_path, progress=False), "remi")
    store = Store(tmp_path / "data/tokenize/remi")
    store.require(fine, "remi")
    assert store.manifest["representation"]["positions_per_beat"] == 8
    assert store.digest != Store(encoded.root / "data/tokenize/remi").digest


def test_a_project_is_encoded_alike_wherever_it_lies(encoded: Session, settings: Settings, tmp_path: Path) -> None:
    other = make_project(tmp_path / "else/where", settings)
    assert digest(other.root / "data/tokenize") == digest(encoded.root / "data/tokenize")


@REPRESENTATIONS
@pytest.mark.parametrize("workers", [1, 2])
def test_copies_made_at_load_time_are_those_on_disk(
    name: str, workers: int, encoded: Session, settings: Settings, project: Session, tmp_path: Path
) -> None:
    later = smoke(augment={"at": "load"})
    augmented = project.root / "data/augment/manifest.json"
    edit(augmented, shards=[])
    record = project.root / "data/built_from/augment.json"
    edit(record, settings={**read_json(record, "")["settings"], "augment": later.as_dict()["augment"]})
    shutil.rmtree(project.root / "data/augment/pieces")
    run(later, Session(root=project.root, out=tmp_path / "out", workers=workers, progress=False), name)
    made = Store(tmp_path / "out/data/tokenize" / name)
    stored = Store(encoded.root / "data/tokenize" / name)
    made.verify()
    load_representation(made)  # which makes the copies
    assert not (made.folder / "train.npy").exists()
    assert made.offsets("train").tolist() == stored.offsets("train").tolist()
    for ours, theirs in zip(made.pieces("train"), stored.pieces("train"), strict=True):
        assert np.array_equal(ours, theirs)
    places = np.array([5, 0, made.count("train") - 1, 5])
    assert np.array_equal(made.take("train", places), stored.take("train", places))
    for split in ("valid", "test"):
        assert all(np.array_equal(*pair) for pair in zip(made.pieces(split), stored.pieces(split), strict=True))


@REPRESENTATIONS
def test_the_number_of_workers_changes_no_byte(name: str, encoded: Session, settings: Settings, tmp_path: Path) -> None:
    run(settings, Session(root=encoded.root, out=tmp_path, workers=2, progress=False), name)
    assert digest(tmp_path / f"data/tokenize/{name}") == digest(encoded.root / f"data/tokenize/{name}")


def test_a_job_a_shard_gives_the_same_bytes(encoded: Session, settings: Settings, tmp_path: Path) -> None:
    root = tmp_path / "project"
    for place in ("data/ingest", "data/split", "data/augment", "data/built_from"):
        shutil.copytree(encoded.root / place, root / place)
    run(settings, Session(root=root, shard=0, progress=False), "remi")
    assert not (root / "data/tokenize").exists() and list((root / ".shards").glob("tokenize-remi-*/test-00000"))
    run(settings, Session(root=root, progress=False), "remi")
    assert digest(root / "data/tokenize/remi") == digest(encoded.root / "data/tokenize/remi")


@pytest.mark.parametrize("merges", ["bpe", "unigram"])
def test_merged_tokens_are_learned_on_train_and_are_fewer(
    merges: str, encoded: Session, settings: Settings, tmp_path: Path
) -> None:
    remi = {**settings.tokenize["remi"], "merges": merges, "vocabulary": 250}
    merged = smoke(tokenize={**settings.tokenize, "remi": remi})
    for place, workers in (("a", 1), ("b", 2)):
        run(merged, Session(root=encoded.root, out=tmp_path / place, workers=workers, progress=False), "remi")
    assert digest(tmp_path / "a/data/tokenize") == digest(tmp_path / "b/data/tokenize")
    made, plain = Store(tmp_path / "a/data/tokenize/remi"), Store(encoded.root / "data/tokenize/remi")
    assert made.manifest["vocabulary"] == 250 and made.count("train") < plain.count("train")
    assert made.manifest["round_trip"] == plain.manifest["round_trip"]
    representation = load_representation(made)
    assert representation.decode(made.piece("test", 0)).note_num() == make_piece(8).note_num()
