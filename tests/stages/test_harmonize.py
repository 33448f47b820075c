"""Stage harmonize: a file in, a file out, or a sentence."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT, VOICES, make_piece, tiny
from symusic.core import ScoreTick, TempoTick

from etude import cli
from etude.errors import EtudeError
from etude.session import Session
from etude.settings import Settings
from etude.stages.harmonize import run


def plan(**changes: object) -> Settings:
    return tiny(generate={"sweeps": 1, **changes})


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """A soprano at an odd resolution and tempo."""
    piece = make_piece(1).resample(100)
    while len(piece.tracks) > 1:
        del piece.tracks[-1]
    piece.tempos.clear()
    piece.tempos.append(TempoTick(0, qpm=63))
    piece.dump_midi(tmp_path / "melody.mid")
    return tmp_path / "melody.mid"


def test_a_melody_gets_its_other_voices(trained: Session, tune: Path, tmp_path: Path) -> None:
    made = run(plan(), trained, str(tune), str(tmp_path / "chorale.mid"))
    assert made == tmp_path / "chorale.mid"
    source, score = ScoreTick(tune), ScoreTick(made)
    assert (score.tracks[0].name, score.tracks[0].program) == ("Soprano", 68)
    assert {track.name for track in score.tracks} <= set(VOICES) and len(score.tracks) > 1
    assert score.tracks[0].notes == source.tracks[0].notes
    assert score.ticks_per_quarter == 100 and score.tempos == source.tempos
    assert sorted(file.name for file in tmp_path.iterdir()) == ["chorale.mid", "melody.mid"]


def test_the_same_seed_gives_the_same_bytes_another_others(trained: Session, tune: Path, tmp_path: Path) -> None:
    made = [
        run(plan(seed=seed), trained, str(tune), str(tmp_path / f"{place}.mid")).read_bytes()
        for place, seed in enumerate((1, 1, 2))
    ]
    assert made[0] == made[1] != made[2]


def test_what_is_there_is_replaced_only_when_asked(trained: Session, tune: Path, tmp_path: Path) -> None:
    place = tmp_path / "chorale.mid"
    place.write_bytes(b"mine")
    with pytest.raises(EtudeError, match=r"chorale\.mid exists\. .* overwrite=true"):
        run(plan(), trained, str(tune), str(place))
    assert place.read_bytes() == b"mine"
    run(plan(), trained, str(tune), str(place), overwrite=True)
    assert place.read_bytes()[:4] == b"MThd"
    with pytest.raises(EtudeError, match="is the input itself"):
        run(plan(), trained, str(tune), str(tune), overwrite=True)


def test_files_that_will_not_do_are_said(trained: Session, tune: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.mid")

    def said(source: str | None, output: str | None, sentence: str) -> None:
        with pytest.raises(EtudeError, match=sentence):
            run(plan(), trained, source, output)
        assert not (tmp_path / "out.mid").exists() and not list(tmp_path.glob(".*part"))

    said(None, out, r"input names no file\. Say it as in: etude harmonize input=melody\.mid output=chorale\.mid")
    said(str(tune), None, "output names no file")
    said(str(tmp_path / "none.mid"), out, r"none\.mid is no file")
    said(str(tmp_path), out, "is no file")
    said(str(tune), str(tmp_path / "no/out.mid"), r"the folder .*no does not exist")
    said(str(tune), str(tmp_path), "is a folder")
    (tmp_path / "empty.mid").touch()
    said(str(tmp_path / "empty.mid"), out, r"empty\.mid is empty")
    for number, data in enumerate((b"MThd", b"nonsense" * 9, tune.read_bytes()[:9])):
        (tmp_path / f"{number}.mid").write_bytes(data)
        said(str(tmp_path / f"{number}.mid"), out, rf"{number}\.mid cannot be read as MIDI")
    ScoreTick(24).dump_midi(tmp_path / "silent.mid")
    said(str(tmp_path / "silent.mid"), out, r"silent\.mid: it has no track with notes")
    piece = make_piece(1)
    piece.tracks[0].notes.extend(piece.tracks[1].notes)
    piece.dump_midi(tmp_path / "two.mid")
    said(str(tmp_path / "two.mid"), out, r"two\.mid: its first track .* more than one note at a time")
    long = make_piece(1)
    long.tracks[0].notes[-1].time += 24 * 4 * 2000
    long.dump_midi(tmp_path / "long.mid")
    said(str(tmp_path / "long.mid"), out, r"longer than ingest\.max_bars = 1000")


def test_no_model_and_a_model_that_cannot_are_said(encoded: Session, trained: Session, tune: Path) -> None:
    out = str(tune.with_name("out.mid"))
    with pytest.raises(EtudeError, match=r"models/deepbach does not exist\. Make it with: etude train model=deepbach"):
        run(plan(), encoded, str(tune), out)
    other = replace(plan(), models={"lstm": tiny().models["lstm"]})
    with pytest.raises(EtudeError, match=r"model=lstm: .* Use model=deepbach"):
        run(other, trained, str(tune), out)
    assert not Path(out).exists()


def test_by_the_command(
    trained: Session, tune: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    shutil.copytree(trained.root, root)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "project_root", lambda: root)
    own = ["experiment=smoke", "session.progress=false", "trainer.threads=1", "generate.sweeps=1", "model=deepbach"]
    monkeypatch.setattr("sys.argv", ["etude"])
    assert cli._main(["harmonize", "input=melody.mid", "output=my chorale é.mid", "seed=3", *own]) == 0
    assert "etude: harmonize wrote my chorale é.mid" in capsys.readouterr().out
    assert (tmp_path / "my chorale é.mid").read_bytes()[:4] == b"MThd"
    with pytest.raises(EtudeError, match="input, output, overwrite are of etude harmonize alone, not of etude train"):
        cli._main(["train", "input=melody.mid", *own])


def test_the_command_s_help_names_its_keys() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "etude", "harmonize", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert "input: null" in said and "output: null" in said and "overwrite: false" in said
