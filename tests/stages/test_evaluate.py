"""Stage evaluate on samples that the test writes."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TimeSignatureTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import write_pieces
from etude.artifacts.provenance import built_from
from etude.config.sections import Evaluate, Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.core.project import working_root
from etude.metrics import structure
from etude.metrics.comparison import Real, Train
from etude.metrics.descriptors import UNITS
from etude.metrics.reference import reference
from etude.report.figures import distributions
from etude.stages.evaluate import evaluate, run

EVALUATE = Evaluate(
    resolution=12, bars=4, bootstrap=20, permutations=10, draws=2, window=8, train=100, snapshots=2, seed=0
)
Project = tuple[Settings, Session]
LIKELIHOOD = {"valid/nats_per_note": 0.7512345678, "test/nats_per_note": 0.8}
PREDICTION = {"calibration": {"error": 0.25}, "next_note": {"recall_micro": 0.5}, "voices": {}, "positions": {}}


def piece(first: int, step: int = 2, count: int = 8) -> ScoreTick:
    """A scale of quarter notes in 4/4."""
    score = ScoreTick(24)
    score.time_signatures.append(TimeSignatureTick(0, 4, 4))
    track = TrackTick(name="Soprano", program=68)
    for place in range(count):
        track.notes.append(NoteTick(24 * place, 24, first + step * (place % 5), 80))
    score.tracks.append(track)
    return score


REAL = dict(zip("abc", [piece(60), piece(62, 1), piece(59, 3, 12)], strict=True))
VALID = {"d": piece(61)}
LEARNED = {"e": piece(57, 4, 16), "f": piece(70, 5, 9)}
TRAIN = Train.of(list(LEARNED.values()), [("e", "Title e"), ("f", "Title f")], 2)


@pytest.fixture(scope="module")
def real() -> Real:
    """The real test pieces, as reference describes them."""
    report, _ = reference(LEARNED, VALID, REAL, EVALUATE, 32)
    return Real.of(json.loads(json.dumps(report)))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a trained lstm (its likelihood stands in), four samples and the reference."""
    likelihood = ModuleType("etude.tasks.likelihood")
    vars(likelihood)["likelihood"] = lambda settings, session, model_name: dict(LIKELIHOOD)
    vars(likelihood)["predictions"] = lambda settings, session, model_name: dict(PREDICTION)
    vars(likelihood)["comparison"] = lambda settings, session, model_name: {}
    monkeypatch.setitem(sys.modules, "etude.tasks.likelihood", likelihood)
    settings = replace(Settings.from_params(working_root() / "params.yaml"), evaluate=EVALUATE)

    (tmp_path / "models/lstm").mkdir(parents=True)
    (tmp_path / "models/lstm/config.json").write_text(json.dumps({"key": "abc"}))
    (tmp_path / "models/lstm/result.json").write_text(json.dumps({"steps": 3}))
    samples = tmp_path / "data/generate/lstm"
    samples.mkdir(parents=True)
    for place in range(4):
        piece(55 + place, 1 + place).dump_midi(samples / f"{place:02}.mid")
    listed = [{"file": f"{place:02}.mid", "repaired": place == 1} for place in range(4)]
    (samples / "manifest.json").write_text(
        json.dumps({"settings": {"generate": {"seed": 1}, "key": "abc"}, "pieces": listed})
    )
    every = {**LEARNED, **VALID, **REAL}
    (tmp_path / "data/ingest").mkdir(parents=True)
    shards = write_pieces(tmp_path / "data/ingest", [(name, score.dumps_midi()) for name, score in every.items()])
    entries = [{"id": name, "title": f"Title {name}"} for name in every]
    write_json(tmp_path / "data/ingest/manifest.json", {"pieces": entries, "shards": shards})
    split = {"train": list(LEARNED), "valid": list(VALID), "test": list(REAL)}
    write_json(tmp_path / "data/split/split.json", split)
    for stage in ("ingest", "split"):
        write_json(tmp_path / catalog.record(stage).place, {"settings": built_from(settings, stage)})
    report, _ = reference(LEARNED, VALID, REAL, EVALUATE, 32)
    write_json(tmp_path / "reports/reference.json", report)
    return settings, Session(root=tmp_path, progress=False)


def result_of(session: Session) -> dict[str, Any]:
    found: dict[str, Any] = read_json(session.root / "reports/evaluate/lstm.json", "")
    return found


def test_samples_equal_to_real_pieces_are_at_no_distance_and_others_are(real: Real) -> None:
    same = evaluate(REAL, real, TRAIN, EVALUATE)
    assert same["metrics"]["samples/distance"] == pytest.approx(0, abs=1e-4), "but for the rounding of the report"
    assert same["distributions"]["pitch"]["overlap"] == same["distributions"]["duration"]["overlap"] == 1
    other = evaluate({"a": piece(30, 11), "b": piece(31, 10)}, real, TRAIN, EVALUATE)
    metrics = other["metrics"]
    assert metrics["samples/distance"] > 1
    assert metrics["samples/distance_low"] <= metrics["samples/distance"] <= metrics["samples/distance_high"]
    assert metrics["samples/pitch_range_mean"] == 42
    assert other["descriptors"]["pitch_range"]["values"] == [44, 40]
    assert metrics["samples/frechet"] is None, "too few pieces for measures of sets"


def test_a_copy_of_a_train_piece_is_flagged_with_its_title(real: Real) -> None:
    found = evaluate({"copy": piece(60, 4, 16), "own": piece(60, 1)}, real, TRAIN, EVALUATE)
    first, second = found["originality"]["pieces"]
    assert (first["file"], first["score"], first["title"], first["semitones"]) == ("copy", 1, "Title e", -3)
    assert first["flagged"] and not second["flagged"]
    assert found["metrics"]["samples/copied_flagged"] == 1 and found["metrics"]["samples/copied_highest"] == 1


def test_pieces_are_ranked_and_an_empty_one_comes_last(real: Real) -> None:
    found = evaluate({"far": piece(20, 20), "none": ScoreTick(24), "near": piece(60)}, real, TRAIN, EVALUATE)
    assert {entry["file"]: entry["rank"] for entry in found["pieces"]} == {"near": 0, "far": 1, "none": 2}
    assert found["pieces"][1]["distance"] is None
    assert found["metrics"]["samples/pieces"] == 3
    assert found["metrics"]["samples/empty"] == 1


def test_nothing_but_empty_samples_gives_nulls(real: Real) -> None:
    found = evaluate({"a": ScoreTick(24), "b": ScoreTick(24)}, real, TRAIN, EVALUATE)
    assert found["metrics"]["samples/distance"] is None
    assert found["metrics"]["samples/empty"] == 2
    assert found["metrics"]["samples/copied_highest"] is None
    assert found["descriptors"]["polyphony"]["values"] == [None, None]
    assert found["originality"]["pieces"][0]["score"] is None


def test_run_leaves_report_and_figure_and_is_the_same_again(project: Project) -> None:
    settings, session = project
    run(settings, session, "lstm")
    result = result_of(session)
    assert (result["model"], result["key"], result["unreadable"]) == ("lstm", "abc", [])
    assert result["metrics"]["valid/nats_per_note"] == 0.751235
    assert result["metrics"]["samples/pieces"] == 4 and result["metrics"]["samples/repaired"] == 1
    assert result["metrics"]["samples/overlap_duration"] == 1, "all notes are quarter notes, there and here"
    assert result["metrics"]["samples/overlap_polyphony"] == 1
    assert 0 < result["metrics"]["samples/overlap_pitch_class"] < 1
    assert (result["metrics"]["samples/bars"], result["metrics"]["samples/distinct_any_key"]) == (8, 8)
    assert result["metrics"]["test/calibration_error"] == 0.25 and result["prediction"] == PREDICTION
    assert result["metrics"]["test/next_note_recall_micro"] == 0.5
    assert set(result["descriptors"]) == set(UNITS) and set(result["structure"]) == set(structure.UNITS)
    assert result["originality"]["compared_with"] == result["originality"]["of"] == 2
    assert sorted(entry["rank"] for entry in result["pieces"]) == [0, 1, 2, 3]
    assert (session.root / "reports/evaluate/lstm.png").read_bytes().startswith(b"\x89PNG")
    first = digest(session.root / "reports")
    run(settings, session, "lstm")
    assert digest(session.root / "reports") == first


def test_copies_are_followed_along_the_training(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, session = project
    run(settings, session, "lstm")
    assert result_of(session)["originality"]["training"] == [], "no earlier weights were kept"
    copies = {2: [piece(30, 11), ScoreTick(24)], 4: [piece(60, 4, 16), piece(70, 5, 9)]}
    monkeypatch.setattr("etude.tasks.snapshots.sample_snapshots", lambda *_: copies)
    run(settings, session, "lstm")
    early, late = result_of(session)["originality"]["training"]
    assert (early["step"], early["pieces"], late["step"], late["pieces"]) == (2, 2, 4, 2)
    assert late["flagged"] == 2 and late["median"] == late["highest"] == 1
    assert early["flagged"] == 0 and early["median"] == early["highest"] < 1, "the empty piece has no score"


def test_a_broken_and_a_missing_sample_are_listed_and_the_rest_goes_on(project: Project) -> None:
    settings, session = project
    folder = session.root / "data/generate/lstm"
    (folder / "01.mid").write_bytes(b"MThd nonsense")
    (folder / "02.mid").unlink()
    run(settings, session, "lstm")
    result = result_of(session)
    assert [entry["file"] for entry in result["unreadable"]] == ["01.mid", "02.mid"]
    assert result["unreadable"][1]["reason"] == "the file is missing"
    assert str(session.root) not in json.dumps(result)
    assert [entry["file"] for entry in result["pieces"]] == ["00.mid", "03.mid"]
    for place in (0, 3):
        (folder / f"{place:02}.mid").write_bytes(b"")
    with pytest.raises(EtudeError, match=r"None of the 4 samples.*etude generate model=lstm"):
        run(settings, session, "lstm")


def test_no_samples_and_what_was_not_made_are_said(project: Project) -> None:
    settings, session = project
    with pytest.raises(EtudeError, match='Did you mean "lstm"'):
        run(settings, session, "lstn")
    with pytest.raises(EtudeError, match="etude all model=gan"):
        run(settings, session, "gan")
    (session.root / "data/generate/lstm/manifest.json").write_text(
        json.dumps({"settings": {"generate": {}, "key": "abc"}, "pieces": []})
    )
    with pytest.raises(EtudeError, match="holds no samples"):
        run(settings, session, "lstm")


def test_a_reference_of_another_resolution_is_refused(project: Project) -> None:
    settings, session = project
    other = replace(settings, evaluate=replace(EVALUATE, resolution=24))
    with pytest.raises(EtudeError, match=r"evaluate\.resolution = 12, and this run has 24.*dvc repro reference"):
        run(other, session, "lstm")
    window = replace(settings, evaluate=replace(EVALUATE, window=16))
    with pytest.raises(EtudeError, match=r"evaluate\.window = 8, and this run has 16"):
        run(window, session, "lstm")
    by_hand = replace(session, out=session.root / "runs/b", run=session.root)
    with pytest.raises(EtudeError, match=rf"with: etude reference session\.run={session.root}"):
        run(other, by_hand, "lstm")


def test_what_an_installed_package_measures_stands_apart(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, session = project
    run(settings, session, "lstm")
    before = result_of(session)
    monkeypatch.setattr("etude.metrics.outside.measure", lambda scores, resolution, bars: {"own": np.ones(len(scores))})
    with pytest.raises(EtudeError, match=r"has no own, which an installed package measures.*dvc repro reference"):
        run(settings, session, "lstm")
    place = session.root / "reports/reference.json"
    write_json(place, read_json(place, "") | {"outside": {"own": {"values": [2.0, None, 4.0]}}})
    run(settings, session, "lstm")
    after = result_of(session)
    assert after.pop("outside")["own"]["values"] == [1.0] * 4
    more = {"samples/own_mean": 1.0, "samples/own_distance": 2.0, "real/own_mean": 3.0}
    assert after["metrics"] == before["metrics"] | more
    assert {**after, "metrics": {}} == {**before, "metrics": {}}, "all else is as without it"


def test_the_figure_is_the_same_bytes_whatever_the_reader_s_own_style() -> None:
    import matplotlib

    values: dict[str, list[float | None]] = {
        "n_pitches_used": [3, 4, None],
        "scale_consistency": [0.9, 0.9, 0.9],
        "polyphony": [None, None, None],
    }
    real = {"n_pitches_used": np.array([3.0, 5.0]), "scale_consistency": np.array([0.8, 0.85])}
    given = (values, real, {"n_pitches_used": 0.5, "polyphony": None}, UNITS, "title", "caption")
    first = distributions(*given)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert distributions(*given) == first
    assert b"Software" not in first
    assert distributions({}, {}, {}, UNITS, "title", "caption").startswith(b"\x89PNG")  # nothing to draw is no fault


def test_samples_of_another_training_are_refused(project: Project) -> None:
    settings, session = project
    place = session.root / "data/generate/lstm/manifest.json"
    place.write_text(place.read_text().replace("abc", "abd"))
    with pytest.raises(EtudeError, match=r"sampled from another training .* etude generate model=lstm"):
        run(settings, session, "lstm")
    assert not (session.root / "reports/evaluate/lstm.json").exists()
