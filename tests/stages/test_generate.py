"""Stage generate: as many pieces as asked for, the same for the same seed, from the model that is there."""

import dataclasses
import shutil
from pathlib import Path

import pytest
from conftest import VOICES, tiny
from symusic.core import ScoreTick

from etude.artifacts.context import Session
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.stages.generate import run
from etude.tasks.judging import find_judge
from etude.tasks.trained_model import TrainedModel

VARIANTS = pytest.mark.parametrize("model_name", ["ngram", "lstm", "conditional", "gan", "deepbach"])


def config(**changes: object) -> Settings:
    return tiny(generate={"pieces": 3, **changes})


def to(session: Session, out: Path) -> Session:
    return dataclasses.replace(session, out=out)


@VARIANTS
def test_as_many_pieces_as_asked_for_with_a_manifest(model_name: str, trained: Session, tmp_path: Path) -> None:
    folder = run(config(), to(trained, tmp_path), model_name)
    assert folder == tmp_path / f"data/generate/{model_name}"
    manifest = read_json(folder / "manifest.json", "")
    assert [piece["file"] for piece in manifest["pieces"]] == ["00.mid", "01.mid", "02.mid"]
    assert sorted(file.name for file in folder.iterdir()) == [
        "00.mid",
        "01.mid",
        "02.mid",
        "SHA256SUMS",
        "manifest.json",
    ]
    for piece in manifest["pieces"]:
        score = ScoreTick(folder / piece["file"])
        assert score.note_num() == piece["notes"] and score.ticks_per_quarter == 24
        programs = {name: program for name, (program, _) in VOICES.items()}
        assert all(programs[track.name] == track.program for track in score.tracks)
    assert sum(piece["notes"] for piece in manifest["pieces"]) > 0
    trained_with = read_json(trained.root / f"models/{model_name}/config.json", "")
    assert manifest["settings"] == {
        "generate": vars(config().generate),
        "model": model_name,
        "key": trained_with["key"],
    }


@VARIANTS
def test_the_same_seed_gives_the_same_bytes_another_seed_others(
    model_name: str, trained: Session, tmp_path: Path
) -> None:
    first, same, other = (
        run(config(seed=seed), to(trained, tmp_path / str(place)), model_name) for place, seed in enumerate((1, 1, 2))
    )
    assert digest(first) == digest(same)
    pieces = [{(folder / f"0{number}.mid").read_bytes() for number in range(3)} for folder in (first, other)]
    assert len(pieces[0]) == 3 and not pieces[0] & pieces[1]


def test_more_pieces_start_with_the_same_ones(trained: Session, tmp_path: Path) -> None:
    few, many = (run(config(pieces=count), to(trained, tmp_path / str(count)), "ngram") for count in (2, 5))
    assert [(few / name).read_bytes() for name in ("00.mid", "01.mid")] == [
        (many / name).read_bytes() for name in ("00.mid", "01.mid")
    ]


def test_fewer_pieces_replace_more(trained: Session, tmp_path: Path) -> None:
    for count in (3, 1):
        folder = run(config(pieces=count), to(trained, tmp_path), "ngram")
    assert sorted(file.name for file in folder.iterdir()) == ["00.mid", "SHA256SUMS", "manifest.json"]


def test_an_absent_model_names_the_command_and_needs_no_data(trained: Session, tmp_path: Path) -> None:
    session = Session(root=tmp_path, progress=False)
    with pytest.raises(EtudeError, match=r"models/ngram does not exist; .* Make it, .* with: etude all model=ngram"):
        run(config(), session, "ngram")
    shutil.copytree(trained.root / "models", tmp_path / "models")
    run(config(), session, "ngram")
    (tmp_path / "models/ngram/config.json").unlink()
    with pytest.raises(EtudeError, match=r"config\.json does not exist\. Make it with: etude train model=ngram"):
        run(config(), session, "ngram")


def test_the_model_of_a_manual_run_comes_before_that_of_the_pipeline(trained: Session, tmp_path: Path) -> None:
    shutil.copytree(trained.root / "models/ngram", tmp_path / "hand/models/ngram")
    file = tmp_path / "hand/models/ngram/config.json"
    write_json(file, {**read_json(file, ""), "key": "by hand"})
    session = dataclasses.replace(to(trained, tmp_path / "hand"), run=tmp_path / "hand")
    folder = run(config(), session, "ngram")
    assert read_json(folder / "manifest.json", "")["settings"]["key"] == "by hand"


def test_a_request_is_kept_in_the_manifest(trained: Session, tmp_path: Path) -> None:
    control = {**tiny().generate.control, "mode": "minor"}
    folder = run(config(control=control), to(trained, tmp_path), "conditional")
    assert read_json(folder / "manifest.json", "")["settings"]["generate"]["control"] == control


def test_a_model_that_takes_no_control_attributes_names_those_that_do(trained: Session, tmp_path: Path) -> None:
    control = {**tiny().generate.control, "mode": "minor"}
    with pytest.raises(EtudeError, match=r"model=lstm takes no control attributes\. Those can: model=conditional\."):
        run(config(control=control), to(trained, tmp_path), "lstm")


def test_a_judge_chooses_among_candidates(trained: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etude.tasks.judging.FEWEST", 4)
    plain = run(config(), to(trained, tmp_path / "plain"), "lstm")
    folders = [run(config(candidates=3), to(trained, tmp_path / name), "lstm") for name in ("one", "two")]
    files = [{file: digest(folder / file) for file in ("00.mid", "01.mid", "02.mid")} for folder in (plain, *folders)]
    assert files[1] == files[2] != files[0]


def test_candidates_without_train_pieces_are_refused_where_they_are_asked_for(trained: Session, tmp_path: Path) -> None:
    shutil.copytree(trained.root / "models", tmp_path / "models")
    alone = Session(root=tmp_path, progress=False)
    loaded = TrainedModel.load(config(), alone, "lstm")
    own = dataclasses.replace(loaded, config=dataclasses.replace(loaded.config, candidates=3))
    assert find_judge(config(), alone, own) is None  # the model's own number
    assert find_judge(config(), trained, dataclasses.replace(own, name="packaged")) is None, "others' train pieces"
    with pytest.raises(
        EtudeError, match=r"generate\.candidates = 3: a judge learns from the train pieces\. data/split does not exist"
    ):
        find_judge(config(candidates=3), alone, own)
