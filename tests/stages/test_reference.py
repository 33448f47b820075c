"""Stage reference on pieces that the test writes."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import smoke
from symusic.core import NoteTick, ScoreTick, TempoTick, TimeSignatureTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import write_pieces
from etude.artifacts.provenance import built_from
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, write_json
from etude.metrics.descriptors import UNITS
from etude.metrics.reference import reference
from etude.stages.reference import run

EVALUATE = Evaluate(
    resolution=12, bars=4, bootstrap=20, permutations=10, draws=2, window=8, train=100, snapshots=2, seed=0
)


def piece(first: int, step: int = 2, count: int = 8) -> ScoreTick:
    """A scale of quarter notes in 4/4, in whole tones unless ``step`` says otherwise."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 240))
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    track = TrackTick(name="Soprano", program=68)
    for place in range(count):
        track.notes.append(NoteTick(24 * place, 24, first + step * (place % 5), 80))
    score.tracks.append(track)
    return score


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Path:
    """A project of six pieces, three to test, two to valid."""
    ids = ["a", "b", "c", "d", "e", "f"]
    pieces = [(name, piece(60, 1 + place % 3, 8 + place).dumps_midi()) for place, name in enumerate(ids)]
    (tmp_path / "data/ingest").mkdir(parents=True)
    shards = write_pieces(tmp_path / "data/ingest", pieces)
    listed = [{"id": name, "title": f"Title {name}"} for name in ids]
    write_json(tmp_path / "data/ingest/manifest.json", {"pieces": listed, "shards": shards})
    write_json(tmp_path / "data/split/split.json", {"train": ["f"], "valid": ["d", "e"], "test": ids[:3]})
    for stage in ("ingest", "split"):
        write_json(tmp_path / catalog.record(stage).place, {"settings": built_from(settings, stage)})
    return tmp_path


@pytest.fixture
def settings() -> Settings:
    """experiment=smoke, and shrunk."""
    return replace(smoke(), evaluate=EVALUATE)


TRAIN = {"train": piece(55)}


def test_measures_test_pieces_and_real_against_real() -> None:
    test = {"low": piece(48), "middle": piece(50), "wide": piece(40, 9)}
    report, typical = reference(TRAIN, {"other": piece(49)}, test, EVALUATE, 32)
    assert report["pieces"] == 3
    assert (report["resolution"], report["bars"], report["window"]) == (12, 4, 8)
    assert set(report["descriptors"]) == set(UNITS)
    assert report["descriptors"]["pitch_range"]["values"] == [8.0, 8.0, 36.0]
    assert report["descriptors"]["drum_in_pattern_rate"]["mean"] is None
    against = report["real_against_real"]
    assert against["low"] <= against["distance"] <= against["high"]
    assert against["pieces"] == 1
    assert typical in ("low", "middle")
    assert report["distributions"]["duration"] == [[12, 24]]
    assert report["distributions_at_size"]["duration"]["overlap"] == 1 and report["distinct_at_size"]["bars"] == 2
    assert report["muspy"]["pieces"] == 3 and report["muspy"]["difference"] < 1e-9
    assert report["originality"]["scores"][:2] == [1, 1], "transposed train pieces"
    assert report["sets"]["frechet"]["value"] is None, "too few pieces"


def test_the_same_pieces_are_at_no_distance() -> None:
    test = {"a": piece(48), "b": piece(50, 3)}
    assert reference(TRAIN, test, test, EVALUATE, 32)[0]["real_against_real"]["distance"] == 0


def test_messages_name_missing_pieces_and_notes() -> None:
    for missing in ("train", "valid", "test"):
        train, valid, test = ({} if split == missing else TRAIN for split in ("train", "valid", "test"))
        with pytest.raises(EtudeError, match=rf"split\.{missing}"):
            reference(train, valid, test, EVALUATE, 32)
    with pytest.raises(EtudeError, match="No test piece"):
        reference(TRAIN, TRAIN, {"a": ScoreTick(24)}, EVALUATE, 32)


def test_another_definition_than_muspy_s_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etude.metrics.reference.difference_to_muspy", lambda notes, found: 0.25)
    with pytest.raises(EtudeError, match=r"differ from muspy's own by 0\.25.*requirements\.lock"):
        reference(TRAIN, TRAIN, TRAIN, EVALUATE, 32)


def test_run_leaves_report_and_example_and_the_same_bytes_again(project: Path, settings: Settings) -> None:
    session = Session(root=project, progress=False)
    run(settings, session)
    report = json.loads((project / "reports/reference.json").read_text())
    example = report["example"]
    assert example["title"] == f"Title {example['id']}"
    with zipfile.ZipFile(project / "data/ingest/pieces/00000.zip") as archive:
        assert (project / example["midi"]).read_bytes() == archive.read(f"{example['id']}.mid")
    assert (project / example["mp3"]).stat().st_size > 1000
    first = digest(project / "reports"), digest(project / "data/reference")
    run(settings, session)
    assert (digest(project / "reports"), digest(project / "data/reference")) == first


def test_a_damaged_piece_and_an_unknown_one_are_named(project: Path, settings: Settings) -> None:
    session = Session(root=project, progress=False)
    file = project / "data/split/split.json"
    write_json(file, {**json.loads(file.read_text()), "valid": ["d"], "test": ["zz"]})
    with pytest.raises(EtudeError, match=r"assigns zz.*etude split"):
        run(settings, session)
    write_json(file, {**json.loads(file.read_text()), "test": ["a"]})
    (project / "data/ingest/pieces/00000.zip").write_bytes(b"PK")
    with pytest.raises(EtudeError, match=r"00000\.zip is damaged or missing.*etude ingest"):
        run(settings, session)
