"""Stage harmonize: the test melodies, harmonised and compared with their own voices."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import VOICES, make_piece, tiny
from symusic.core import ScoreTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.config.sections import Harmonize, Settings
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.metrics.voice_leading import KINDS, count, pitches_of, rates
from etude.sampling.harmonies import HarmonyTask
from etude.stages.harmonize import GivenMelody, given_melody, measure_harmony, run, summary, typical
from etude.tasks.capabilities import harmonizing_models
from etude.tasks.harmonizer import Harmonizer
from etude.tasks.trained_model import TrainedModel

PROGRAMS = {name: program for name, (program, _) in VOICES.items()}


@pytest.fixture
def inside(trained: Session, tmp_path: Path) -> Session:
    return replace(trained, out=tmp_path)


def test_the_melodies_of_the_test_pieces_are_harmonised(inside: Session) -> None:
    report = json.loads(run(tiny(), inside, "deepbach").read_text())
    names = [piece["id"] for piece in report["pieces"]]
    assert names == ["p08", "p09"] and report["left_out"] == []
    assert report["example"] == f"{typical(report['pieces'])}.mid"
    assert inside.write(catalog.data("harmonize", "deepbach") / report["sound"]).stat().st_size > 1000
    for name in names:
        made = ScoreTick(inside.write(catalog.data("harmonize", "deepbach") / f"{name}.mid"))
        source = make_piece(int(name[1:]))
        assert [(n.time, n.duration, n.pitch) for n in made.tracks[0].notes] == [
            (n.time, n.duration, n.pitch) for n in source.tracks[0].notes
        ]
    metrics = report["metrics"]
    assert metrics["harmony/pieces"] == 2 and metrics["harmony/bars"] == 8
    assert metrics["harmony/agreement"] == pytest.approx(
        np.mean([metrics[f"harmony/agreement_{voice}"] for voice in ("Alto", "Tenor", "Bass")]), abs=1e-5
    )
    assert set(report["rates"]) == set(KINDS)
    real = [count(pitches_of(make_piece(number), PROGRAMS, 4), 4) for number in range(10)]
    for kind, row in report["rates"].items():
        assert row["all_real"] == pytest.approx(rates(real)[kind], abs=1e-5)
        assert row["real"] == pytest.approx(rates(real[8:])[kind], abs=1e-5)
    nats = sum(piece["harmony"]["nats"] for piece in report["pieces"])
    notes = sum(piece["notes"] for piece in report["pieces"])
    assert metrics["harmony/nats_per_note"] == pytest.approx(nats / notes, abs=1e-5)


def test_the_same_bytes_whatever_the_number_of_workers(inside: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from etude.stages import harmonize

    def made(session: Session) -> tuple[bytes, str]:
        report = run(tiny(), session, "deepbach").read_bytes()
        return report, digest(inside.write(catalog.data("harmonize", "deepbach")))

    first = made(inside)
    monkeypatch.setattr(harmonize, "TOGETHER", 1)
    assert first == made(inside) == made(replace(inside, workers=2))


def test_after_a_kill_it_goes_on_where_it_stopped(inside: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from etude.stages import harmonize

    monkeypatch.setattr(harmonize, "TOGETHER", 1)
    ask = harmonize.harmony_tasks

    def stopped(harmonizer: Harmonizer, given: GivenMelody, config: Harmonize, place: int) -> list[HarmonyTask]:
        if place == 1:
            raise KeyboardInterrupt
        return ask(harmonizer, given, config, place)

    monkeypatch.setattr(harmonize, "harmony_tasks", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(tiny(), inside, "deepbach")
    assert not inside.write(catalog.report("harmonize", "deepbach")).exists()
    again = []

    def counted(harmonizer: Harmonizer, given: GivenMelody, config: Harmonize, place: int) -> list[HarmonyTask]:
        again.append(place)
        return ask(harmonizer, given, config, place)

    monkeypatch.setattr(harmonize, "harmony_tasks", counted)
    report = json.loads(run(tiny(), inside, "deepbach").read_text())
    assert again == [1] and [piece["id"] for piece in report["pieces"]] == ["p08", "p09"]


def test_a_piece_that_is_its_own_harmony_agrees_with_itself(trained: Session) -> None:
    from etude.tasks.harmony import Harmony, grid_of

    harmonizer = Harmonizer.of(TrainedModel.load(tiny(), trained, "deepbach"))
    piece = make_piece(3)  # of train, so that the grid holds all its notes
    own = Harmony(grid_of(harmonizer.representation, piece), 12.0, 0, 12.0)
    config = tiny().harmonize
    facts, made = measure_harmony(harmonizer, given_melody(harmonizer, piece, config), config, own, own)
    assert facts["harmony"]["agreement"] == {"Alto": 1.0, "Tenor": 1.0, "Bass": 1.0}
    assert facts["harmony"]["counts"] == facts["real"]["counts"] and made.note_num() == piece.note_num()
    report = summary(harmonizer, [{"id": "p", **facts}], rates([facts["real"]["counts"]]))
    assert report["metrics"]["harmony/loss"] == 0
    ratio = report["metrics"]["harmony/parallels_beside_all_real"]
    assert ratio == (1 if any(facts["real"]["counts"][f"parallel_{kind}"] for kind in ("fifths", "octaves")) else None)


def test_the_typical_piece_has_the_median_agreement() -> None:
    agreements = {"p1": 0.1, "p2": 0.8, "p3": 0.3, "p4": 0.9}
    pieces = [
        {"id": name, "harmony": {"agreement": {"Alto": value, "Bass": value}}} for name, value in agreements.items()
    ]
    assert typical(pieces) == "p3" and typical(pieces[:3]) == "p3"


def test_no_more_than_the_wanted_bars_and_pieces(inside: Session) -> None:
    settings = tiny(harmonize={"pieces": 1, "bars": 2})
    report = json.loads(run(settings, inside, "deepbach").read_text())
    assert [(piece["id"], piece["bars"]) for piece in report["pieces"]] == [("p08", 2)]


def test_a_melody_that_cannot_be_harmonised_is_left_out(inside: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from etude.stages import harmonize

    take, taken = harmonize.given_melody, 0

    def breaks(harmonizer: Harmonizer, score: ScoreTick, config: Harmonize) -> GivenMelody:
        nonlocal taken
        taken += 1
        if taken == 1:
            raise EtudeError("it has no melody")
        return take(harmonizer, score, config)

    monkeypatch.setattr(harmonize, "given_melody", breaks)
    report = json.loads(run(tiny(), inside, "deepbach").read_text())
    assert report["left_out"] == [{"id": "p08", "reason": "it has no melody"}]
    assert [piece["id"] for piece in report["pieces"]] == ["p09"]

    def always(*_: object) -> GivenMelody:
        raise EtudeError("it has no melody")

    monkeypatch.setattr(harmonize, "given_melody", always)
    report = json.loads(run(tiny(), inside, "deepbach").read_text())
    assert report["pieces"] == [] and report["metrics"]["harmony/nats_per_note"] is None


def test_a_model_that_cannot_harmonise_is_refused(inside: Session) -> None:
    with pytest.raises(EtudeError, match="model=lstm cannot harmonise"):
        run(tiny(), inside, "lstm")


def test_those_can_that_read_voices_on_a_grid(settings: Settings) -> None:
    assert harmonizing_models(settings) == ["voices", "deepbach"], "first those with a likelihood"
    other = {**settings.models, "lstm": {**settings.models["lstm"], "representation": "voicegrid"}}
    other["ngram"] = {**other["ngram"], "representation": "voicegrid"}
    assert harmonizing_models(replace(settings, models=other)) == ["lstm", "voices", "deepbach"]
