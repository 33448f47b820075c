"""All stages on a folder of a user's own: good and broken files, each refusal with its reason, a report at the end."""

import dataclasses
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Log, make_piece, tiny

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.check import construct, target
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json
from etude.runs import pipeline
from etude.stages import train

ABC = (
    "X:1\nT:A tune\nM:4/4\nL:1/4\nK:G\n"
    + "GABc|dcBA|GBdB|G4|" * 4
    + "\n\nX:2\nT:Another\nM:3/4\nL:1/8\nK:D\n"
    + ("d2fedA|B2dBAF|D2F2A2|d6|" * 4)
)


def fill(folder: Path) -> None:
    """A folder as people have them."""
    (folder / "deep/er").mkdir(parents=True)
    for number in range(12):
        make_piece(number).dump_midi(folder / f"song {number}.mid")
    make_piece(20).dump_midi(folder / "deep/er/Песня №1.MID")
    make_piece(21).dump_midi(folder / "deep/été.midi")
    (folder / "tunes.abc").write_text(ABC)
    (folder / "copy of song 3.mid").write_bytes((folder / "song 3.mid").read_bytes())
    make_piece(4, transpose=2).dump_midi(folder / "song 4 in D.mid")
    (folder / "empty.mid").touch()
    (folder / "short.mid").write_bytes(make_piece(30, beats=1).dumps_midi())
    (folder / "broken.mid").write_bytes(make_piece(31).dumps_midi()[:60])
    (folder / "noise.mxl").write_bytes(bytes(range(256)) * 20)
    (folder / "huge.mid").write_bytes(make_piece(32).dumps_midi() + bytes(100_000))
    (folder / "notes.txt").write_text("not music")
    os.mkfifo(folder / "pipe.mid")
    (folder / "passwords.mid").symlink_to("/etc/passwd")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """dataset=folder over such a folder, with one quick model."""
    fill(tmp_path / "my music")
    values: dict[str, Any] = tiny().as_dict()
    own = yaml.safe_load(compile_params(ROOT / "conf", ["dataset=folder"]))["dataset"]
    values["dataset"] = {**own, "path": str(tmp_path / "my music")}
    values["ingest"] |= {"max_bytes": 50_000}
    made = Settings.of(values)
    models, tokenize = {"ngram": made.models["ngram"]}, {"remi": made.tokenize["remi"]}
    return dataclasses.replace(made, models=models, tokenize=tokenize, harmonizers={}, conditioners={})


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    (tmp_path / "project").mkdir()
    shutil.copy(ROOT / "dvc.yaml", tmp_path / "project/dvc.yaml")
    monkeypatch.setattr(train, "start", Log().start)
    return Session(root=tmp_path / "project", workers=1, progress=False)


def test_a_wild_folder_runs_to_a_report_and_each_refusal_has_its_reason(
    settings: Settings, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    page = pipeline.run(settings, session)
    folder = page.parents[1]
    assert folder.parent == session.root / "runs" and folder.name.startswith("folder-")
    assert not (session.root / "data").exists() and not (session.root / "models").exists()
    left_out = {
        entry["source"]: entry["reason"] for entry in read_json(folder / "data/download/manifest.json", "")["left_out"]
    }
    assert set(left_out) == {"song 3.mid", "empty.mid", "pipe.mid", "passwords.mid"}
    assert "the same bytes as copy of song 3.mid" in left_out["song 3.mid"] and "empty" in left_out["empty.mid"]
    ingest = read_json(folder / "data/ingest/manifest.json", "")
    refused = {entry["source"]: entry["reason"] for entry in ingest["refused"]}
    assert set(refused) == {"song 4 in D.mid", "short.mid", "broken.mid", "noise.mxl", "huge.mid"}
    assert "in another key" in refused["song 4 in D.mid"] and "fewer than ingest.min_notes" in refused["short.mid"]
    assert "more than ingest.max_bytes = 50000" in refused["huge.mid"]
    assert all(reason and str(session.root.parent) not in reason for reason in (*left_out.values(), *refused.values()))
    names = {piece["source"] for piece in ingest["pieces"]}
    assert {"deep/er/Песня №1.MID", "deep/été.midi", "tunes.abc, piece 1", "tunes.abc, piece 2"} <= names
    html = page.read_text(encoding="utf-8")
    for text in ("an empty file", "pipe.mid", "another key or at another speed", "Round trip"):
        assert text in html, text
    before = digest(folder)
    capsys.readouterr()
    assert pipeline.run(settings, session) == page
    printed = capsys.readouterr().out
    assert len(re.findall(r": nothing to do", printed)) == len(re.findall(r"^\[", printed, re.MULTILINE)) - 1
    assert re.search(r"^\[1/\d+\] download: \d+ s", printed, re.MULTILINE)
    assert digest(folder) == before


def test_changed_files_run_again_and_other_settings_have_a_folder_of_their_own(
    settings: Settings, session: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = dataclasses.replace(session, out=session.root / "runs/a", run=session.root / "runs/a")
    stages = ("download", "ingest", "split")
    assert pipeline.run_stale(settings, inside, stages, always=("download",)) == {}
    first = digest(inside.write(catalog.INGEST))
    make_piece(50).dump_midi(tmp_path / "my music/new.mid")
    assert pipeline.run_stale(settings, inside, stages, always=("download",)) == {}
    assert digest(inside.write(catalog.INGEST)) != first
    other = dataclasses.replace(settings, split=dataclasses.replace(settings.split, seed=5))
    assert pipeline.folder_of(other, session.root) != pipeline.folder_of(settings, session.root)


def test_what_changes_no_input_runs_nothing_after_it(
    settings: Settings, session: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = dataclasses.replace(session, out=session.root / "runs/a", run=session.root / "runs/a")
    stages = ("download", "ingest", "split", "augment")
    pipeline.run_stale(settings, inside, stages)
    capsys.readouterr()
    slower = dataclasses.replace(settings, ingest=dataclasses.replace(settings.ingest, seconds=99))
    pipeline.run_stale(slower, inside, stages)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [": nothing to do" in line for line in lines] == [True, False, True, True], "ingest alone runs again"
    monkeypatch.setattr("etude.runs.graph.digest_of_code", lambda stage, *_: "new" if stage == "split" else "old")
    pipeline.run_stale(slower, inside, stages)
    capsys.readouterr()
    monkeypatch.setattr("etude.runs.graph.digest_of_code", lambda stage, *_: "newer" if stage == "split" else "old")
    pipeline.run_stale(slower, inside, stages)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [": nothing to do" in line for line in lines] == [True, True, False, True], "an edit of split's code"


def test_each_stage_knows_which_of_all_it_is(
    settings: Settings, session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = dataclasses.replace(session, out=session.root / "runs/a", run=session.root / "runs/a", progress=True)
    monkeypatch.setattr("etude.core.progress.LINE_EVERY", 0.0)
    assert pipeline.run_stale(settings, inside, ("download", "ingest")) == {}
    found = capsys.readouterr()
    assert re.search(r"^\[2/2\] .*: \d+/\d+, ", found.err, re.MULTILINE), found.err
    assert re.findall(r"^(\[.*): \d+ s", found.out, re.MULTILINE) == ["[1/2] download", "[2/2] ingest"]


def test_a_failed_instance_stops_only_what_needs_it_and_the_rest_goes_on(
    settings: Settings, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = dataclasses.replace(session, out=session.root / "runs/a", run=session.root / "runs/a")

    def fail(*_: Any) -> None:
        raise EtudeError("no")

    monkeypatch.setattr("etude.stages.split.run", fail)
    failed = pipeline.run_stale(settings, inside, ("download", "ingest", "split", "augment"))
    assert failed == {"split": "no", "augment": "needs split, which failed"}
    monkeypatch.undo()
    assert pipeline.run_stale(settings, inside, ("download", "ingest", "split", "augment")) == {}


def test_the_dataset_of_the_settings_is_the_folder(settings: Settings) -> None:
    made = construct(target(settings.dataset, "dataset"), settings.dataset, "dataset")
    reading = dataclasses.replace(made.reading, repeats=settings.ingest.repeats)
    assert reading == settings.reading and settings.reading.voices is None


def test_failures_are_told_once_and_what_waits_for_them_is_counted() -> None:
    failed = {
        "split": "Too few songs. Take more.",
        "augment": "needs split, which failed",
        "report": "needs augment, which failed",
    }
    assert pipeline.name_failures(failed) == (
        "split: Too few songs. Take more. 2 more did not run, for want of what failed. "
        "The same command goes on from here."
    )
    assert pipeline.name_failures({"report": "no"}) == "report: no. The same command goes on from here."
