"""A melody file arranged: the files that are written, where chords come from, what cannot be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from arranging.sheets import style_values, tune
from conftest import smoke
from symusic.core import NoteTick, ScoreTick, TextMetaTick, TrackTick

from etude.arranging.piece import placed
from etude.arranging.styles import Style
from etude.artifacts.context import Session
from etude.audio.controllers import gain_of
from etude.audio.files import read_audio
from etude.audio.mixing import Channel
from etude.audio.synthesis import soundfont, synthesize
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.runs.arrange_file import arrange_file
from etude.scores.engraving import GRID, musicxml
from etude.tasks.given_tracks import find_tracks, read_track
from etude.tasks.requests import ArrangeFiles, MixFiles


def settings(**arrange: object) -> Settings:
    made = smoke()
    small = replace(made.mix, sample_rate=16000, quality=0.1)
    return replace(made, arrange=replace(made.arrange, **arrange), mix=small)  # type: ignore[arg-type]


def run(folder: Path, made: Settings | None = None, **asked: object) -> list[Path]:
    values = {"input": str(folder / "tune.mid"), "output": str(folder / "song.mid"), **asked}
    session = Session(root=folder, progress=False)
    return arrange_file(made or settings(), session, ArrangeFiles(**values))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tune(8).dump_midi(tmp_path / "tune.mid")
    return tmp_path


def test_a_tune_becomes_midi_score_picture_and_sound(folder: Path) -> None:
    made = run(folder, picture=str(folder / "song.svg"), sound=str(folder / "song.mp3"))
    assert sorted(file.name for file in made) == ["song.mid", "song.mp3", "song.musicxml", "song.svg"]
    song = ScoreTick(folder / "song.mid")
    assert [track.name for track in song.tracks][:3] == ["Melody", "Bass", "Piano"] and song.tracks[-1].is_drum
    sound, rate = read_audio(folder / "song.mp3")
    with soundfile.SoundFile(folder / "song.mp3") as file:
        assert (file.title, file.artist) == ("tune", "etude") and file.comment.startswith("style pop; seed 1; etude")
    assert sound.shape[1] / rate > 8 * 4 * 0.6 and np.abs(sound).max() > 0.1
    assert "<part-name>Melody" in (folder / "song.musicxml").read_text(encoding="utf-8")
    assert (folder / "song.svg").read_text(encoding="utf-8").startswith("<svg")


def test_the_melody_is_the_track_that_says_so(folder: Path) -> None:
    song = tune(8)
    song.tracks[0].name = "lead vocal"
    low = song.tracks[0].copy()
    low.shift_pitch(-24, inplace=True)
    low.name = "Piano"
    song.tracks.insert(0, low)
    song.dump_midi(folder / "tune.mid")
    run(folder, settings(humanise=0.0))
    made = ScoreTick(folder / "song.mid").tracks[0]
    assert [note.pitch for note in made.notes] == [note.pitch for note in tune(8).tracks[0].notes]


def test_the_melody_is_written_note_for_note_without_a_performance(folder: Path) -> None:
    run(folder, settings(humanise=0.0, intro=0, ending=0))
    notes = [(note.time * 24, note.duration * 24, note.pitch) for note in tune(8).tracks[0].notes]
    song = ScoreTick(folder / "song.mid")
    quarter = song.ticks_per_quarter
    factor = 24 * 24 / quarter
    assert [(n.time * factor, n.duration * factor, n.pitch) for n in song.tracks[0].notes] == notes


def chords_of(file: Path) -> list[str]:
    return [marker.text for marker in ScoreTick(file).markers]


def test_chords_are_given_or_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = settings(intro=0, ending=0)
    run(folder, made, chords="C | F")
    assert chords_of(folder / "song.mid") == 4 * ["chord:C", "chord:F"]
    piece = tune(8)
    piece.markers.append(TextMetaTick(0, "chord:Am"))
    piece.dump_midi(folder / "tune.mid")
    run(folder, made, overwrite=True)
    assert chords_of(folder / "song.mid") == ["chord:Am"]
    piece = tune(8)
    track = TrackTick("Chord track")
    for bar in range(8):
        for pitch in (50, 53, 57):
            track.notes.append(NoteTick(96 * bar, 96, pitch, 60))
    piece.tracks.append(track)
    piece.dump_midi(folder / "tune.mid")
    run(folder, made, overwrite=True)
    assert set(chords_of(folder / "song.mid")) == {"chord:Dm"}
    piece.tracks[1].name = "Guitar"
    piece.dump_midi(folder / "tune.mid")
    run(folder, made, overwrite=True)
    assert set(chords_of(folder / "song.mid")) == {"chord:Dm"}, "what the other track sounds"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"input": None}, r"input names no file\. Give one, as in: etude arrange input=melody\.mid output=song\.mid"),
        ({"input": "none.mid"}, r"input = none\.mid is no file"),
        ({"output": "song.txt"}, r"output = song\.txt must end in \.mid"),
        ({"chords": "- | ."}, r'tune\.mid: chords = "- \| \." names no chord\. Give some'),
        ({"sound": "song.ogg"}, r"sound = song\.ogg must end in \.mp3 or \.wav or \.flac"),
        ({"chords": "C | H"}, r'tune\.mid: chords: "H" is no chord'),
        ({"chords": " | ".join(9 * "C")}, r"chords has 9 bars, but the melody ends before bar 9"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_nothing_is_written(folder: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(EtudeError, match=message):
        run(folder, **asked)
    assert not (folder / "song.mid").exists() and not list(folder.glob(".*part"))


def test_files_in_the_way_stay(folder: Path) -> None:
    (folder / "song.musicxml").write_text("mine", encoding="utf-8")
    with pytest.raises(EtudeError, match=r"song\.musicxml exists\. Name another file, or replace it with overwrite"):
        run(folder)
    assert (folder / "song.musicxml").read_text(encoding="utf-8") == "mine"


def test_forms_and_styles_are_checked_with_the_file_named(folder: Path) -> None:
    with pytest.raises(EtudeError, match=r"tune\.mid: form = AABB3"):
        run(folder, settings(form="AABB3"))
    values = style_values("pop")
    values["parts"]["Piano"] = {"play": "accompaniment"}
    with pytest.raises(EtudeError, match=r"accompaniment does not exist|that a trained model plays"):
        run(folder, replace(settings(), style=values))


def test_the_top_line_is_that_of_all_tracks(folder: Path) -> None:
    piece = tune(4)
    for note in piece.tracks[0].notes:
        note.pitch -= 30
    top = TrackTick("Flute", 73)
    for note in tune(4).tracks[0].notes:
        top.notes.append(note)
    piece.tracks.append(top)
    piece.dump_midi(folder / "tune.mid")
    run(folder, settings(humanise=0.0), top_line=True)
    pitches = [note.pitch for note in ScoreTick(folder / "song.mid").tracks[0].notes]
    assert pitches == [note.pitch for note in tune(4).tracks[0].notes]


def test_its_midi_is_mixed_with_the_levels_and_places_of_the_style(folder: Path) -> None:
    made = replace(settings(), style=style_values("bossa"))
    run(folder, made)
    score, mix = ScoreTick(folder / "song.mid"), placed(made.mix, Style.of(made.style))
    levels = {track.name: mix.gain.get(track.name, 0.0) for track in score.tracks}
    stated = {track.name: gain_of(track.controls[0].value) for track in score.tracks}
    assert len(set(levels.values())) > 3 and stated == pytest.approx(levels, abs=0.15)
    stems = synthesize(score, 16000, soundfont())
    expected = sum(replace(Channel.of(name, mix), send=0.0).place(stem) for name, stem in stems.items())
    (track,) = find_tracks(MixFiles(str(folder / "song.mid")), made.mix)
    sound = read_track(track, made, 16000, False).audio
    assert np.square(sound - expected).sum() < 2e-4 * np.square(expected).sum(), "whole numbers leave 0.1 dB"


def test_an_interruption_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("etude.runs.arrange_file.write_sound", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(folder, sound=str(folder / "song.mp3"))
    assert [file.name for file in folder.iterdir()] == ["tune.mid"]


def test_the_picture_has_a_title_and_says_where_the_style_swings(folder: Path) -> None:
    for name, swings in (("swing", True), ("pop", False)):
        run(folder, replace(settings(), style=style_values(name)), picture=str(folder / "song.svg"), overwrite=True)
        svg = (folder / "song.svg").read_text(encoding="utf-8")
        assert ">tune<" in svg and (">Swing<" in svg) is swings
        assert ("<words" in (folder / "song.musicxml").read_text(encoding="utf-8")) is swings


def test_what_no_notation_has_is_written_on_a_readable_grid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fussy(score: ScoreTick, title: str, feel: str) -> str:
        tried.append(score.ticks_per_quarter)
        if len(tried) < 2:
            raise ValueError("Cannot convert complex durations to MusicXML.")
        return musicxml(score, title, feel)

    monkeypatch.setattr("etude.scores.engraving.musicxml", fussy)
    run(folder)
    assert tried[1] == GRID and (folder / "song.musicxml").exists()
    monkeypatch.setattr("etude.scores.engraving.musicxml", lambda *_: 1 / 0)
    with pytest.raises(EtudeError, match=r"tune: it cannot be written as a score\. Give it shorter bars, or notes on"):
        run(folder, overwrite=True)
