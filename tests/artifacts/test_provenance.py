"""Data that other settings built, and pieces that are not those that were written, are refused."""

import contextlib
import dataclasses
import shlex
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, make_piece

from etude.artifacts import catalog, provenance
from etude.artifacts.context import Session
from etude.artifacts.provenance import (
    built_from,
    read_ingest,
    read_record,
    require,
    split_ids,
    upstream,
    write_data,
)
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, write_json


def test_each_stage_is_built_from_its_own_section_and_those_before(settings: Settings) -> None:
    assert list(built_from(settings, "download")) == ["dataset"]
    assert list(built_from(settings, "split")) == ["dataset", "ingest", "split"]


def test_both_values_and_the_commands_from_the_first_change_on_are_named() -> None:
    found = {"dataset": {"tempo": 80}, "ingest": {"min_notes": 16}, "split": {"seed": 1}}
    require(catalog.SPLIT, {"settings": found}, found)
    wanted = {**found, "ingest": {"min_notes": 5}, "split": {"seed": 2}}
    with pytest.raises(EtudeError) as caught:
        require(catalog.SPLIT, {"settings": found}, wanted)
    message = str(caught.value)
    assert "ingest.min_notes = 16, but this run asks for ingest.min_notes = 5" in message
    assert message.endswith(
        "etude ingest ingest.min_notes=5 split.seed=2 && etude split ingest.min_notes=5 split.seed=2"
    )


def test_the_commands_ask_for_the_same_dataset_and_for_all_that_differs_from_the_settings_of_conf() -> None:
    overrides = ["dataset=folk", "dataset.limit=9", "ingest.min_notes=5"]
    found = {**yaml.safe_load(compile_params(ROOT / "conf", overrides)), "tokenize": {"tsd": {"max_beats": 16}}}
    found = {name: found[name] for name in ("dataset", "ingest", "split", "augment", "tokenize")}
    wanted = {**found, "augment": {**found["augment"], "copies": 2}, "tokenize": {"tsd": {"max_beats": 8}}}
    with pytest.raises(EtudeError) as caught:
        require(catalog.tokens("tsd"), {"settings": found}, wanted)
    commands = str(caught.value).split("with: ")[1].split(" && ")
    same = "dataset=folk dataset.limit=9 ingest.min_notes=5"
    assert commands == [
        f"etude augment {same} augment.copies=2",
        f"etude tokenize tokenize=tsd {same} augment.copies=2 tokenize.tsd.max_beats=8",
    ]
    moved = {**wanted, "dataset": {**found["dataset"], "limit": None, "path": "/my music/it's"}}
    with pytest.raises(EtudeError) as caught:
        require(catalog.AUGMENT, {"settings": wanted}, {key: moved[key] for key in ("dataset", "ingest")})
    assert shlex.split(str(caught.value).split("with: ")[1].split(" && ")[0]) == [
        "etude", "download", "dataset=folk", "dataset.path=/my music/it's", "ingest.min_notes=5"
    ]  # fmt: skip


def test_the_split_of_another_seed_is_refused(encoded: Session, settings: Settings) -> None:
    folder, manifest = upstream(settings, encoded, "split")
    assert folder == encoded.root / "data/split" and manifest["train"]
    other = dataclasses.replace(settings, split=dataclasses.replace(settings.split, seed=5))
    with pytest.raises(EtudeError, match=r"data/split was built with split\.seed = 0, but this run asks .* = 5"):
        upstream(other, encoded, "split")


def test_data_that_does_not_say_what_built_it_is_refused(settings: Settings, tmp_path: Path) -> None:
    write_json(tmp_path / "data/ingest/manifest.json", {"pieces": []})
    with pytest.raises(EtudeError, match=r"data/built_from/ingest\.json does not exist\. Make it with: etude ingest"):
        upstream(settings, Session(root=tmp_path), "ingest")


def test_limits_of_readers_and_auto_written_out_are_no_other_settings(settings: Settings, encoded: Session) -> None:
    ingest = dataclasses.replace(settings.ingest, seconds=99, max_memory=1 << 28)
    split = dataclasses.replace(settings.split, method="ratio")
    upstream(dataclasses.replace(settings, ingest=ingest, split=split), encoded, "split")
    published = dataclasses.replace(settings.split, method="published")
    with pytest.raises(EtudeError, match=r"split\.method = 'ratio', but this run asks for split\.method = 'published'"):
        upstream(dataclasses.replace(settings, split=published), encoded, "split")


def test_data_appears_complete_and_its_record_after_it(settings: Settings, tmp_path: Path) -> None:
    session = Session(root=tmp_path)
    with write_data(settings, session, "tokenize", "remi") as (part, record):
        (part / "a").write_text("1")
        record["auto"] = "ratio"
    found = read_record(session, "tokenize", "remi")
    assert found["auto"] == "ratio" and list(found["settings"]["tokenize"]) == ["remi"]


def test_a_stage_that_fails_leaves_the_old_data_and_its_record(settings: Settings, tmp_path: Path) -> None:
    session = Session(root=tmp_path)
    with write_data(settings, session, "tokenize", "remi") as (part, _):
        (part / "a").write_text("1")
    before = digest(tmp_path)
    with pytest.raises(KeyError), write_data(settings, session, "tokenize", "remi") as (part, record):
        (part / "a").write_text("2")
        record["auto"] = "ratio"
        raise KeyError
    assert digest(tmp_path) == before


def test_a_stage_killed_between_data_and_record_leaves_no_record(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(root=tmp_path)
    for text in ("1", "2"):
        with contextlib.suppress(KeyboardInterrupt), write_data(settings, session, "split") as (part, _):
            (part / "a").write_text(text)
            monkeypatch.setattr(provenance, "write_json", write_json if text == "1" else interrupt)
    assert (tmp_path / "data/split/a").read_text() == "2"
    assert not (tmp_path / catalog.record("split").place).exists(), "no record of data that may be another's"


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_pieces_and_their_splits_are_read_together(settings: Settings, encoded: Session) -> None:
    pieces, manifest = read_ingest(settings, encoded)
    splits = split_ids(settings, encoded, pieces)
    assert [len(splits[split]) for split in ("train", "valid", "test")] == [6, 2, 2]
    assert pieces.score(splits["test"][0]).note_num() == make_piece(8).note_num()
    assert len(manifest["pieces"]) == 10


def test_a_split_of_other_pieces_is_refused(settings: Settings, encoded: Session) -> None:
    pieces, _ = read_ingest(settings, encoded)
    del pieces.entries["p03"]
    with pytest.raises(EtudeError, match=r"data/split assigns p03, which data/ingest does not hold.*etude split"):
        split_ids(settings, encoded, pieces)
