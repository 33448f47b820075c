"""A given melody: a file in, files out, or a sentence."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, VOICES, make_piece, tiny
from sampling.tunes import tune as written
from symusic.core import ScoreTick, TempoTick

from etude.artifacts.context import Session
from etude.cli import main as cli
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.tasks.harmonize_file import harmonize_file
from etude.tasks.requests import HarmonizeFiles

ABC = "X:1\nT:Ah\nM:3/4\nL:1/4\nK:F\nFAc|f2e|d_BG|F3|]\n"


def config(**changes: object) -> Settings:
    return tiny(harmonize={"sweeps": 1, "candidates": 2, "particles": 1, **changes})


def made(session: Session, source: Path, output: Path, **controls: object) -> ScoreTick:
    files = HarmonizeFiles(str(source), str(output), **controls)  # type: ignore[arg-type]
    return ScoreTick(harmonize_file(config(), session, files)[0])


def notes(score: ScoreTick, place: int = 0) -> list[tuple[int, int, int]]:
    return [(note.time, note.duration, note.pitch) for note in score.tracks[place].notes]


def soprano(path: Path, beats: int) -> Path:
    """A soprano at an odd resolution and tempo."""
    piece = make_piece(1, beats).resample(100)
    while len(piece.tracks) > 1:
        del piece.tracks[-1]
    piece.tempos.clear()
    piece.tempos.append(TempoTick(0, qpm=63))
    piece.dump_midi(path)
    return path


@pytest.fixture
def tune(tmp_path: Path) -> Path:
    """One bar: a model of voices writes note by note."""
    return soprano(tmp_path / "melody.mid", 4)


@pytest.fixture
def two_bars(tmp_path: Path) -> Path:
    return soprano(tmp_path / "melody.mid", 8)


def test_a_melody_gets_its_other_voices_and_a_score(trained: Session, tune: Path, tmp_path: Path) -> None:
    files = HarmonizeFiles(str(tune), str(tmp_path / "chorale.mid"))
    assert harmonize_file(config(), trained, files) == [tmp_path / "chorale.mid", tmp_path / "chorale.musicxml"]
    source, score = ScoreTick(tune), ScoreTick(tmp_path / "chorale.mid")
    assert (score.tracks[0].name, score.tracks[0].program) == ("Soprano", 68)
    assert {track.name for track in score.tracks} <= set(VOICES) and len(score.tracks) > 1
    assert score.tracks[0].notes == source.tracks[0].notes
    assert score.ticks_per_quarter == 100 and score.tempos == source.tempos
    assert (tmp_path / "chorale.musicxml").read_text().startswith("<?xml")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["chorale.mid", "chorale.musicxml", "melody.mid"]


def test_scores_may_be_given_and_pictures_and_sound_requested(trained: Session, tmp_path: Path) -> None:
    (tmp_path / "ah.abc").write_text(ABC)
    pitches = [65, 69, 72, 77, 76, 74, 70, 67, 65]
    more = {"picture": str(tmp_path / "ah.svg"), "sound": str(tmp_path / "ah.mp3")}
    score = made(trained, tmp_path / "ah.abc", tmp_path / "ah.mid", **more)
    assert [pitch for _, _, pitch in notes(score)] == pitches
    assert [(sign.numerator, sign.denominator) for sign in score.time_signatures] == [(3, 4)]
    assert "<svg" in (tmp_path / "ah.svg").read_text() and (tmp_path / "ah.mp3").stat().st_size > 1000
    (tmp_path / "two.abc").write_text(ABC.replace("FAc", "fed") + "\n" + ABC)
    second = made(trained, tmp_path / "two.abc", tmp_path / "second.mid", tune=2)
    assert [pitch for _, _, pitch in notes(second)] == pitches
    again = made(trained, tmp_path / "ah.musicxml", tmp_path / "again.mid", top_line=True)
    assert [pitch for _, _, pitch in notes(again)] == pitches, "a chorale's own top line"


def test_a_stated_c_major_is_kept_and_what_is_not_used_is_said(
    trained: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'X:1\nM:4/4\nL:1/2\nK:C\nV:1\n"G"GB|"D"AF|\nV:2\n%%MIDI program 40\nCD|EF|\n'  # the notes fit G major better
    (tmp_path / "c.abc").write_text(text.replace("F|\nV", "^F|\nV"))
    score = made(replace(trained, progress=True), tmp_path / "c.abc", tmp_path / "c.mid")
    assert [(sign.key, sign.tonality) for sign in score.key_signatures] == [(0, 0)]
    assert "<fifths>0</fifths>" in (tmp_path / "c.musicxml").read_text()
    said = capsys.readouterr().err
    assert re.search(r"c\.abc: its first part \(.* Piano\) is the melody, 1 more are not used", said)
    assert "c.abc: its chord symbols are not used" in said


def test_the_same_seed_gives_the_same_bytes_another_others(trained: Session, tune: Path, tmp_path: Path) -> None:
    files = []
    for place, seed in enumerate((1, 1, 2)):
        places = harmonize_file(config(seed=seed), trained, HarmonizeFiles(str(tune), str(tmp_path / f"{place}.mid")))
        files.append([file.read_bytes() for file in places])
    assert files[0] == files[1] and files[0][0] != files[2][0] and files[0][1] != files[2][1]


def test_what_is_there_is_replaced_only_when_asked(trained: Session, tune: Path, tmp_path: Path) -> None:
    place = tmp_path / "chorale.mid"
    for name in ("chorale.mid", "chorale.musicxml"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(EtudeError, match=rf"{name} exists\. .* overwrite=true"):
            made(trained, tune, place)
        assert (tmp_path / name).read_bytes() == b"mine"
        (tmp_path / name).unlink()
    place.write_bytes(b"mine")
    made(trained, tune, place, overwrite=True)
    assert place.read_bytes()[:4] == b"MThd"
    with pytest.raises(EtudeError, match="is a file that you give"):
        made(trained, tune, tune, overwrite=True)
    with pytest.raises(EtudeError, match="is a file that you give"):
        made(trained, tune, tmp_path / "melody.musicxml", overwrite=True)


def test_files_that_cannot_be_used_are_refused(trained: Session, tune: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out.mid")

    def refused(source: str | None, output: str | None, sentence: str, **controls: object) -> None:
        with pytest.raises(EtudeError, match=sentence):
            harmonize_file(config(), trained, HarmonizeFiles(source, output, **controls))  # type: ignore[arg-type]
        assert not list(tmp_path.glob("out.*")) and not list(tmp_path.glob(".*part"))

    refused(None, out, r"input names no file\. Give one, as in: etude harmonize input=melody\.mid output=chorale\.mid")
    refused(str(tune), None, "output names no file")
    refused(str(tmp_path / "none.mid"), out, r"none\.mid is no file")
    refused(str(tmp_path), out, "is a folder")
    refused(str(tune), str(tmp_path / "no/out.mid"), r"the folder .*no does not exist")
    (tmp_path / "folder.mid").mkdir()
    refused(str(tune), str(tmp_path / "folder.mid"), "is a folder")
    refused(str(tune), str(tmp_path / "out.txt"), r"output = .*out\.txt must end in \.mid")
    refused(str(tune), out, r"picture = x\.png must end in \.svg", picture="x.png")
    (tmp_path / "empty.mid").touch()
    refused(str(tmp_path / "empty.mid"), out, r"empty\.mid is empty")
    for number, data in enumerate((b"MThd", b"nonsense" * 9, tune.read_bytes()[:9])):
        (tmp_path / f"{number}.mid").write_bytes(data)
        refused(str(tmp_path / f"{number}.mid"), out, rf"{number}\.mid cannot be read")
    for name in ("a.abc", "a.musicxml", "a.mxl", "a.txt"):
        (tmp_path / name).write_text("nonsense")
        refused(str(tmp_path / name), out, rf"{name} cannot be read")
    (tmp_path / "two.abc").write_text(ABC + "\n" + ABC)
    refused(str(tmp_path / "two.abc"), out, r"cannot be read: it holds 2 tunes \(1 Ah, 2 Ah\)\. Say which: tune=")
    refused(str(tmp_path / "two.abc"), out, r"it holds 2 tunes \(1 Ah, 2 Ah\), no number 3 among them", tune=3)
    refused(str(tune), out, r"it holds one piece, none with number 2", tune=2)
    ScoreTick(24).dump_midi(tmp_path / "silent.mid")
    refused(str(tmp_path / "silent.mid"), out, r"silent\.mid: it has no track with notes")
    piece = make_piece(1, 4)
    piece.tracks[0].notes.extend(piece.tracks[1].notes)
    piece.dump_midi(tmp_path / "two.mid")
    refused(
        str(tmp_path / "two.mid"), out, r"two\.mid: its first track .* more than one note at a time.* top_line=true"
    )
    made(trained, tmp_path / "two.mid", tmp_path / "line.mid", top_line=True)
    long = make_piece(1)
    long.tracks[0].notes[-1].time += 24 * 4 * 2000
    long.dump_midi(tmp_path / "long.mid")
    refused(str(tmp_path / "long.mid"), out, r"longer than ingest\.max_bars = 1000")


def test_a_bass_fixed_notes_and_chords_are_kept(trained: Session, two_bars: Path, tmp_path: Path) -> None:
    source = make_piece(1, 8)
    bass = ScoreTick(24)
    bass.tracks.append(source.tracks[3])
    bass.dump_midi(tmp_path / "bass.mid")
    score = made(trained, two_bars, tmp_path / "a.mid", bass=str(tmp_path / "bass.mid"))
    own = [(note.time * 100 // 24, note.pitch) for note in source.tracks[3].notes]
    assert [(time, pitch) for time, _, pitch in notes(score, len(score.tracks) - 1)] == own
    fixed = ScoreTick(24)
    fixed.tracks.append(source.tracks[1].copy())
    fixed.tracks[0].notes = source.tracks[1].notes[:3]
    fixed.dump_midi(tmp_path / "fixed.mid")
    score = made(trained, two_bars, tmp_path / "b.mid", fixed=str(tmp_path / "fixed.mid"))
    alto = next(place for place, track in enumerate(score.tracks) if track.name == "Alto")
    kept = {(n.time * 100 // 24, n.duration * 100 // 24, n.pitch) for n in source.tracks[1].notes[:3]}
    assert kept <= set(notes(score, alto))
    score = made(trained, two_bars, tmp_path / "c.mid", chords="- | Cm . Fm .")
    below = [note for track in score.tracks[1:] for note in track.notes if 400 <= note.time < 800]
    assert below and all(n.pitch % 12 in ({0, 3, 7} if n.time < 600 else {5, 8, 0}) for n in below)


def test_requests_that_cannot_be_met_are_refused(trained: Session, two_bars: Path, tmp_path: Path) -> None:
    def refused(sentence: str, **controls: object) -> None:
        with pytest.raises(EtudeError, match=sentence):
            made(trained, two_bars, tmp_path / "out.mid", **controls)
        assert not list(tmp_path.glob("out.*"))

    refused(r"bass = .*none\.mid is no file", bass=str(tmp_path / "none.mid"))
    make_piece(1).dump_midi(tmp_path / "all.mid")
    refused(
        r"fixed = .*'Soprano', 'Alto', 'Tenor', 'Bass'\. Name them as the voices: Alto", fixed=str(tmp_path / "all.mid")
    )
    low = written((0, 24, 12))
    low.dump_midi(tmp_path / "low.mid")
    refused(r"bass = .*low\.mid: its note 12 of Bass lies outside \d+ to \d+", bass=str(tmp_path / "low.mid"))
    written((0, 24, 48), (0, 24, 50)).dump_midi(tmp_path / "both.mid")
    refused(r"bass = .*both\.mid: its first track .* more than one note", bass=str(tmp_path / "both.mid"))
    refused(r'chords: "H" is no chord', chords="C | H")
    refused(r"chords has 9 bars", chords="C|" * 9)


def test_no_model_and_a_model_that_cannot_are_refused(
    encoded: Session, trained: Session, tune: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tune.with_name("out.mid")
    (tmp_path / "pretrained/other").mkdir(parents=True)
    (tmp_path / "pretrained/other/config.json").write_text("{}")
    monkeypatch.setattr("etude.tasks.trained_model.PACKAGED", tmp_path / "pretrained")
    with pytest.raises(
        EtudeError,
        match=r"models/voices does not exist; these come with etude: model=other\. Make it, .* etude all model=voices",
    ):
        made(encoded, tune, out)
    other = replace(config(), models={"lstm": tiny().models["lstm"]})
    with pytest.raises(EtudeError, match=r"model=lstm cannot draw voices to a given one\. None of"):
        harmonize_file(other, trained, HarmonizeFiles(str(tune), str(out)))
    (tune.parent / "params.yaml").write_text(yaml.safe_dump(config().as_dict(), sort_keys=False))
    with pytest.raises(EtudeError, match=r"model=lstm .* Those can: model=voices or model=deepbach\."):
        harmonize_file(other, replace(trained, root=tune.parent), HarmonizeFiles(str(tune), str(out)))
    assert not out.exists()


def test_by_the_command(
    trained: Session,
    two_bars: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "project"
    shutil.copytree(trained.root, root)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "working_root", lambda: root)
    own = ["experiment=smoke", "session.progress=false", "trainer.threads=1", "sweeps=1", "model=deepbach"]
    monkeypatch.setattr("sys.argv", ["etude"])
    named = ["input=melody.mid", "output=my chorale é.mid", "seed=3", "candidates=3", "chords=Cm - F#m7/E V7 | ."]
    assert cli.run_command(["harmonize", *named, *own]) == 0
    assert "etude: harmonize wrote my chorale é.mid and my chorale é.musicxml" in capsys.readouterr().out
    assert (tmp_path / "my chorale é.mid").read_bytes()[:4] == b"MThd"
    with pytest.raises(
        EtudeError, match=r"input is of etude harmonize and etude arrange and etude video alone, not of etude train"
    ):
        cli.run_command(["train", "input=melody.mid", *own[:3]])
    with pytest.raises(EtudeError, match="etude harmonize -m: every run would write the same"):
        cli.run_command(["harmonize", "-m", *named[:2], "seed=1,2", *own])


def test_the_command_s_help_names_its_keys() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "etude", "harmonize", "--help"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip
    assert all(f"    {name}=" in said for name in ("input", "output", "overwrite", "candidates", "chords", "picture"))
