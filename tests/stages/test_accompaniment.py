"""A model of accompaniments through the stages."""

import json
from pathlib import Path
from typing import Any

import conftest
import pytest
import yaml
from conftest import ROOT, Log, make_project
from lead_sheets import make_song, without_piano
from symusic.core import ScoreTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.token_store import Store
from etude.config.code import roots
from etude.config.compile import compile_params
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest
from etude.metrics.accompaniment_likelihood import likelihood
from etude.models.accompaniment_features import BLOCK
from etude.stages import evaluate, generate, reference, train
from etude.tasks import snapshots
from etude.tasks.accompaniment import accompany, find_accompanist
from etude.tasks.accompaniment_comparison import BLOCKS, HUMAN, RETRIEVAL, table
from etude.tasks.trained_model import TrainedModel

NAME = "accompaniment"


@pytest.fixture(scope="module")
def settings() -> Settings:
    """The smoke experiment with POP909's settings, the model tiny."""
    quick = ["evaluate.window=16", "evaluate.permutations=20", "evaluate.draws=2"]
    choices = ["experiment=smoke", "dataset=pop909", f"model={NAME}", "tokenize=leadsheet", *quick]
    values = yaml.safe_load(compile_params(ROOT / "conf", choices))
    values["models"][NAME] |= {"hidden": 16, "window": 4}
    return Settings.of(values)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Session:
    """A project with a trained model; read it, do not write into it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conftest, "make_piece", lambda seed: make_song(seed, bars=9))
        patch.setattr(train, "start", Log().start)
        session = make_project(tmp_path_factory.mktemp("songs"), settings)
        train.run(settings, session, NAME)
    return session


@pytest.fixture(scope="module")
def loaded(settings: Settings, made: Session) -> TrainedModel:
    return TrainedModel.load(settings, made, NAME)


def notes_of(track: TrackTick) -> list[tuple[int, int, int]]:
    return [(note.time, note.pitch, note.duration) for note in track.notes]


def test_training_lowers_the_cost_of_valid_songs(made: Session) -> None:
    rows = (made.root / "models" / NAME / "history.csv").read_text().splitlines()
    place = rows[0].split(",").index("valid/nats_per_note")
    costs = [float(row.split(",")[place]) for row in rows[1:] if row.split(",")[place]]
    assert len(costs) == 2 and costs[-1] < costs[0]


def test_generate_accompanies_the_test_songs(made: Session, settings: Settings, tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        session = Session(root=made.root, out=tmp_path / name, progress=False)
        folders.append(generate.run(settings, session, NAME))
    assert digest(folders[0]) == digest(folders[1])
    files = sorted(folders[0].glob("*.mid"))
    assert len(files) == 4
    test = [make_song(seed, bars=9) for seed in (8, 9)]
    melodies = [notes_of(song.tracks[0])[:32] for song in test]
    for file in files:
        melody, *_ = ScoreTick(file).tracks
        assert notes_of(melody) in melodies and max(note.time for note in melody.notes) < 96 * 8


def test_evaluate_compares_people_simple_methods_and_the_model(
    made: Session, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "sample_snapshots", lambda *given: {})
    session = Session(root=made.root, out=tmp_path, run=tmp_path, progress=False)
    reference.run(settings, session)
    generate.run(settings, session, NAME)
    report = json.loads(evaluate.run(settings, session, NAME).read_text())
    found = report["comparison"]
    assert found["passages"] == 2 and found["bars"] == 8
    assert {*found["rows"]} == {HUMAN, BLOCKS, RETRIEVAL, NAME}
    assert found["rows"][HUMAN]["jsd_pitch"] == 0 and found["rows"][BLOCKS]["chord_accuracy"] == 1
    assert report["metrics"]["accompaniments/chord_tones"] == found["rows"][NAME]["chord_tones"]
    assert report["part"] == "melody and accompaniment" and report["real_against_real"]["pieces"] == 2
    assert report["metrics"]["test/nats_per_note"] > 0 and 0 < found["nats_per_note_counts"] < 8
    names = [line[:14].strip() for line in table(found).splitlines()[1:]]
    assert names == [HUMAN, BLOCKS, RETRIEVAL, NAME]


def test_the_likelihood_adds_up(made: Session, loaded: TrainedModel) -> None:
    found = likelihood(loaded.model, Store(made.read(catalog.tokens("leadsheet"))))
    parts = [found[f"test/nats_per_note_{name}"] for name in ("keys", "lengths", "steps")]
    assert found["test/nats_per_note"] == pytest.approx(sum(parts)) and min(parts) > 0
    assert found["test/nats_per_piece"] == pytest.approx(found["test/nats_per_note_by_piece"] * 72, rel=1e-3)


def test_a_lead_sheet_is_accompanied(loaded: TrainedModel) -> None:
    sheet = without_piano(make_song(20, 4))
    one, same, other = (accompany(loaded, sheet, seed) for seed in (1, 1, 2))
    assert notes_of(one) == notes_of(same) != notes_of(other)
    assert one.name == "PIANO" and len(one.notes) and all(note.time < 4 * 96 for note in one.notes)
    for beats in (2, 3, 5, 6):
        track = accompany(loaded, without_piano(make_song(20, 3, beats)), 1)
        assert all(0 <= note.time < 72 * beats and note.time % 6 == 0 for note in track.notes)
    chords = without_piano(make_song(20, 4))
    chords.tracks.clear()
    assert accompany(loaded, chords, 1).notes is not None, "no melody: the chords alone"


def test_a_band_finds_the_model_of_its_run_and_says_where_one_comes_from(
    made: Session, settings: Settings, tmp_path: Path
) -> None:
    play = find_accompanist(settings, made)
    assert notes_of(play(without_piano(make_song(20, 4)), None, 1))
    with pytest.raises(EtudeError, match=r"there is no models/accompaniment\. Train one with: make pop"):
        find_accompanist(settings, Session(root=tmp_path, progress=False))


def test_fixed_bars_stay_as_they_are_even_off_the_grid(loaded: TrainedModel) -> None:
    song = make_song(20, 5)
    for note in song.tracks[1].notes:
        note.time, note.velocity = note.time + (1 if note.time % 96 else 0), 33
    track = accompany(loaded, song, 3, fixed=[1, 2, 5])

    def inside(notes: Any) -> list[tuple[int, int, int, int]]:
        bars = (0, 1, 4)
        return [(n.time, n.pitch, n.duration, n.velocity) for n in notes if n.time // 96 in bars]

    assert inside(track.notes) == inside(song.tracks[1].notes)
    free = [n for n in track.notes if n.time // 96 in (2, 3)]
    assert free and notes_of(track) != notes_of(song.tracks[1])


def test_controls_reach_the_model(loaded: TrainedModel) -> None:
    sheet = without_piano(make_song(20, 4))
    plain = notes_of(accompany(loaded, sheet, 1))
    asked = notes_of(accompany(loaded, sheet, 1, texture="block", density=[5, 5, None, 1]))
    assert asked != plain and BLOCK == 2


def test_what_cannot_be_is_refused(loaded: TrainedModel) -> None:
    song = make_song(20, 2)
    for match, values in {
        r"density = 6 must be between 1 \(few notes\) and 5": {"density": 6},
        r"texture = blok is not known\. .*block": {"texture": "blok"},
        r"texture has values for 1 bars, but the lead sheet has 2": {"texture": ["block"]},
        r"fixed names bar 3, but the lead sheet has the bars 1 to 2": {"fixed": [3]},
    }.items():
        with pytest.raises(EtudeError, match=match):
            accompany(loaded, song, 1, **values)  # type: ignore[arg-type]
    with pytest.raises(EtudeError, match="has no track PIANO that has them"):
        accompany(loaded, without_piano(song), 1, fixed=[1])
    song.markers.clear()
    with pytest.raises(EtudeError, match="no chord symbols"):
        accompany(loaded, song, 1)


def test_the_code_of_evaluate_includes_what_is_named(settings: Settings) -> None:
    found = roots("evaluate", settings, NAME)
    assert {"etude.metrics.accompaniment_likelihood", "etude.tasks.accompaniment_comparison"} <= {*found}
