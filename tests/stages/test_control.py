"""Stage control: pieces with requested attributes, compared with pieces without a request."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import tiny
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.representations.attributes import UNITS, Attributes, measure
from etude.representations.base.loading import load_representation
from etude.sampling.control_tokens import meets
from etude.stages.control import PLAYED, file_of, judge_request, run, summary
from etude.tasks.likelihood import likelihood


@pytest.fixture
def inside(trained: Session, tmp_path: Path) -> Session:
    return replace(trained, out=tmp_path)


def representation(trained: Session) -> Attributes:
    made: Attributes = load_representation(Store(trained.root / "data/tokenize/attributes"))
    return made


def test_each_request_has_its_pieces_and_its_row(inside: Session) -> None:
    report = json.loads(run(tiny(), inside, "conditional").read_text())
    requests = [(row["control"], row["value"]) for row in report["controls"]]
    assert requests[:3] == [("key", "C major"), ("mode", "major"), ("mode", "minor")]
    assert requests[3:] == [(name, word) for name in UNITS for word in ("lowest", "highest")]
    folder = inside.write(catalog.data("control", "conditional"))
    names = {file_of({name: value}, 0).split("/")[0] for name, value in requests} | {"none"}
    assert {place.name for place in folder.iterdir()} == names | {"SHA256SUMS"}
    assert all(len(list((folder / name).glob("*.mid"))) == 2 for name in names)
    assert report["metrics"]["control/pieces"] == 2
    of = representation(inside)
    for one in report["controls"]:
        scores = [ScoreTick(file) for file in sorted((folder / one["example"]).parent.glob("*.mid"))]
        control = {one["control"]: one["value"]}
        right = [meets(of, score, control) for score in scores]
        assert one["met"] == sum(right) / 2 and one["example"].endswith(f"0{right.index(max(right))}.mid")
        assert ("sound" in one) == (one["control"] == PLAYED) and (folder / one.get("sound", "")).exists()


def test_nats_without_attributes_are_those_of_the_stage_evaluate(inside: Session) -> None:
    metrics = json.loads(run(tiny(), inside, "conditional").read_text())["metrics"]
    nats = likelihood(tiny(), inside, "conditional")["test/nats_per_note"]
    assert metrics["control/test_nats_per_note"] == pytest.approx(nats, abs=1e-5)
    assert metrics["control/test_nats_per_note_given"] != metrics["control/test_nats_per_note"]


def test_the_same_bytes_whatever_the_number_of_workers(inside: Session) -> None:
    pieces = inside.write(catalog.data("control", "conditional"))
    first = run(tiny(), inside, "conditional").read_bytes(), digest(pieces)
    again = run(tiny(), replace(inside, workers=2), "conditional").read_bytes()
    assert first == (again, digest(pieces))


def test_a_model_that_takes_no_control_attributes_is_refused(inside: Session) -> None:
    with pytest.raises(EtudeError, match="model=lstm takes no control attributes"):
        run(tiny(), inside, "lstm")


def test_a_request_is_judged_by_the_pieces_themselves(encoded: Session) -> None:
    of = representation(encoded)
    assert of.scale is not None
    train = [ScoreTick(file) for file in sorted((encoded.root / "data/ingest").rglob("*.mid"))]
    train = train or [of.decode(piece) for piece in Store(encoded.root / "data/tokenize/attributes").pieces("train")]
    by_top = sorted(train, key=lambda score: measure(score).top)
    row = judge_request(of, {"top": "highest"}, by_top[-1:], by_top[:1])
    assert (row["met"], row["met_without"]) == (1.0, 0.0)
    assert row["starts"] <= row["mean"] == measure(by_top[-1]).top and row["ends"] is None
    assert row["mean_without"] == measure(by_top[0]).top < row["starts"]


def test_a_summary_weighs_attributes_by_their_requests() -> None:
    shares = [("mode", 1.0, 0.5), ("mode", 0.5, 0.5), ("top", 0.0, 0.25)]
    found = summary([{"control": name, "met": met, "met_without": without} for name, met, without in shares])
    assert found["control/met_mode"] == 0.75 and found["control/met"] == 0.5
    assert found["control/met_without"] == pytest.approx(1.25 / 3) and found["control/met_top_without"] == 0.25
