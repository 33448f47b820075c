"""The Python door: load, generate, continue, fill in, harmonise, score, save and hear, as docs/api.md shows."""

import dataclasses
import math
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from conftest import ROOT, VOICES, make_piece
from symusic.core import NoteTick, ScoreTick, TrackTick

import etude
from etude.api import ENDINGS, Player
from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.video import piece as shooting
from etude.video.piece import Shooting


@pytest.fixture(scope="module")
def voices(trained: Session) -> etude.Model:
    return etude.load(trained.root / "models/voices")


@pytest.fixture(scope="module")
def lstm(trained: Session) -> etude.Model:
    return etude.load(trained.root / "models/lstm")


def melody() -> etude.Piece:
    """Two bars of a soprano's quarters."""
    score = ScoreTick(24)
    track = TrackTick("Melody")
    for place, pitch in enumerate((67, 69, 70, 67, 65, 67, 69, 70)):
        track.notes.append(NoteTick(24 * place, 24, pitch, 80))
    score.tracks.append(track)
    return etude.Piece(score, "tune")


def drums() -> etude.Piece:
    score = ScoreTick(24)
    track = TrackTick("Drums", is_drum=True)
    track.notes.append(NoteTick(0, 24, 60, 80))
    score.tracks.append(track)
    return etude.Piece(score, "drums")


def notes(piece: etude.Piece, name: str | None = None) -> list[tuple[float, float, int]]:
    """The notes of all tracks, or of one, in quarter notes."""
    quarter = piece.score.ticks_per_quarter
    return sorted(
        (note.time / quarter, note.duration / quarter, note.pitch)
        for track in piece.score.tracks
        if name in (None, track.name)
        for note in track.notes
    )


# --- load


def test_candidates_need_a_project(lstm: etude.Model) -> None:
    with pytest.raises(EtudeError, match=r"candidates = 4: .* Use etude generate candidates=\.\.\. in a project"):
        lstm.generate(candidates=4)
    with pytest.raises(EtudeError, match="candidates = 4"):
        lstm.continue_(melody(), candidates=4)
    assert len(lstm.generate(bars=2, candidates=1)) == 1


def test_a_model_is_loaded_by_its_folder_or_that_of_its_run(trained: Session, tmp_path: Path) -> None:
    model = etude.load(str(trained.root / "models/voices"))
    assert model.name == "voices" and model.voices == list(VOICES)
    copy = model.save(tmp_path / "run/models/mine")
    assert etude.load(tmp_path / "run").folder == copy
    first, again = (one.generate(bars=2)[0].to_midi() for one in (model, etude.load(copy)))
    assert first == again
    with pytest.raises(EtudeError, match=r"exists\. Name a new folder"):
        model.save(copy)


def test_what_is_no_model_is_said(trained: Session, tmp_path: Path) -> None:
    with pytest.raises(EtudeError, match=r"holds no trained model"):
        etude.load(tmp_path)
    with pytest.raises(EtudeError, match=r'"nothing" is no folder, and no model that comes with etude'):
        etude.load("nothing")
    with pytest.raises(EtudeError, match=r"holds \d+ models\. Name one: .*models/conditional"):
        etude.load(trained.root)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        etude.nothing  # noqa: B018


def test_a_folder_of_the_hub_is_downloaded(trained: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(name: str) -> str:
        asked.append(name)
        return str(trained.root / "models/ngram")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert etude.load("hf://someone/something").name == "ngram" and asked == ["someone/something"]


# --- generate


def test_the_same_seed_gives_the_same_pieces_alone_and_among_others(voices: etude.Model) -> None:
    first, second = voices.generate(pieces=2, bars=2, seed=7)
    (alone,) = voices.generate(bars=2, seed=7)
    assert alone.to_midi() == first.to_midi() != second.to_midi()
    assert voices.generate(bars=2, seed=8)[0].to_midi() != alone.to_midi()
    assert alone.bars == 2 and [track.name for track in alone.score.tracks] == list(VOICES)


def test_the_caller_s_threads_stay(voices: etude.Model) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        voices.generate(bars=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temprature": 1.0}, r'generate\.temprature is not a setting\. Did you mean "temperature"'),
        ({"top_p": 7}, r"generate\.top_p = 7.* is out of range"),
        ({"bars": 0}, r"generate\.bars = 0 is out of range"),
        ({"bars": 10**9}, r"generate\.bars = 1000000000 .* between 1 and 1000"),
        ({"seconds": math.inf}, r"generate\.seconds = inf is out of range"),
        ({"control": None}, r"control = None must be a mapping"),
        ({"control": {"kye": "C"}}, r'control: "kye" is no attribute\. Did you mean "key"'),
        ({"control": {"key": "C major"}}, r"voices takes no control attributes"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], message: str, voices: etude.Model) -> None:
    with pytest.raises(EtudeError, match=message):
        voices.generate(**changes)


def test_a_requested_length_is_reached_beyond_max_tokens(voices: etude.Model) -> None:
    numbers_of_numpy: dict[str, Any] = {"bars": np.int64(18), "max_tokens": np.int64(18 * 64)}  # 64 tokens a bar
    (piece,) = voices.generate(**numbers_of_numpy)  # the limit alone would end it after 14 bars
    assert piece.score.end() > 14 * 4 * piece.score.ticks_per_quarter


def test_control_attributes_reach_the_model(trained: Session) -> None:
    model = etude.load(trained.root / "models/conditional")
    asked, plain = (model.generate(bars=2, control=control) for control in ({"key": "D minor"}, {}))
    assert asked[0].to_midi() != plain[0].to_midi()


# --- given pieces


def test_a_prime_stays_and_bars_are_added(lstm: etude.Model) -> None:
    prime = etude.Piece(make_piece(3, 8), "prime")
    longer = lstm.continue_(prime, bars=2)
    assert longer.bars == 4 and [note for note in notes(longer) if note[0] < 8] == notes(prime)


def test_bars_are_filled_in(voices: etude.Model) -> None:
    piece = etude.Piece(make_piece(3, 16), "piece")
    made = voices.fill(piece, bars=(2, 3), voices=["Alto"])
    for name in ("Soprano", "Tenor", "Bass"):
        assert notes(made, name) == notes(piece, name)
    assert [note for note in notes(made, "Alto") if note[0] >= 13] == [
        note for note in notes(piece, "Alto") if note[0] >= 13
    ]


def test_a_melody_is_harmonised_note_for_note(voices: etude.Model, tmp_path: Path) -> None:
    chorale = voices.harmonize(melody(), candidates=1)
    assert [track.name for track in chorale.score.tracks] == list(VOICES)
    assert notes(chorale, "Soprano") == notes(melody()) and notes(chorale, "Bass")
    file = melody().save(tmp_path / "tune.mid")
    assert voices.harmonize(file, candidates=1).to_midi() == chorale.to_midi()


def test_the_likelihood_of_a_given_piece(voices: etude.Model, lstm: etude.Model) -> None:
    likely, score = etude.Piece(make_piece(0)), make_piece(0)
    for model in (voices, lstm):
        found = model.log_likelihood(likely)
        assert math.isfinite(found) and found < 0 and found == model.log_likelihood(likely)
    score.tracks[0].notes.append(NoteTick(0, 24, 20, 80))
    with pytest.raises(EtudeError, match=r"odd: voices can write \d+ of its \d+ notes"):
        voices.log_likelihood(etude.Piece(score, "odd"))


@pytest.mark.parametrize(
    ("name", "call", "message"),
    [
        ("gan", lambda model: model.continue_(melody()), "gan cannot continue a piece"),
        ("lstm", lambda model: model.harmonize(melody()), "lstm cannot write voices to given ones"),
        ("deepbach", lambda model: model.log_likelihood(melody()), "deepbach has no likelihood"),
        ("voices", lambda model: model.fill(melody(), (1, 2), ["Viola"]), "voices = Viola: the model has Soprano"),
        ("voices", lambda model: model.fill(melody(), (2, 1)), r"bars = \(2, 1\) must be"),
        ("voices", lambda model: model.fill(melody(), (1, 3)), r"bars = \(1, 3\) must be .* tune has 2"),
        ("voices", lambda model: model.fill(melody(), "12"), r"bars = 12 must be"),
        ("voices", lambda model: model.fill(melody(), (1, 2), []), r"the model has Soprano"),
        ("voices", lambda model: model.fill(melody(), (1, 2), seed=-1), r"seed = -1 is out of range"),
        ("voices", lambda model: model.continue_(melody(), bars=0), r"bars = 0 is out of range"),
        ("voices", lambda model: model.continue_(3), r"3 is no piece"),
        ("voices", lambda model: model.harmonize(melody(), chords=["D"]), r"must be a text"),
        ("voices", lambda model: model.log_likelihood(drums()), r"none of the voices that the model has"),
        ("voices", lambda model: model.harmonize("nowhere.mid"), r"nowhere\.mid is no file"),
        ("voices", lambda model: model.harmonize(etude.Piece(ScoreTick(24), "empty")), "empty: it has no track"),
    ],
)
def test_what_cannot_be_is_said(name: str, call: Any, message: str, trained: Session) -> None:
    with pytest.raises(EtudeError, match=message):
        call(etude.load(trained.root / "models" / name))


# --- pieces


def test_nothing_that_is_there_is_lost(voices: etude.Model, tmp_path: Path) -> None:
    (tmp_path / "mine.mid").mkdir()
    (tmp_path / "mine.mid/thesis.txt").write_text("years")
    with pytest.raises(EtudeError, match=r"mine\.mid is a folder"):
        melody().save(tmp_path / "mine.mid")
    assert (tmp_path / "mine.mid/thesis.txt").read_text() == "years"
    with pytest.raises(EtudeError, match="cannot be written"):
        melody().save(tmp_path / f"{'x' * 300}.mid")
    copied = etude.load(voices.save(tmp_path / "first"))
    (tmp_path / "first/observed.npz").unlink()
    with pytest.raises(EtudeError, match=r"has no observed\.npz any more"):
        copied.save(tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_title_that_no_xml_can_hold_is_written(tmp_path: Path) -> None:
    score = melody().score.copy()
    score.tracks[0].name = "\x00Alto\x01"
    file = etude.Piece(score, "a\x02\udcff").save(tmp_path / "odd.musicxml")
    assert notes(etude.read(file)) == notes(melody())


def test_the_caller_s_random_numbers_stay(trained: Session) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3).tolist()
    torch.manual_seed(3)
    etude.load(trained.root / "models/voices")
    assert torch.rand(3).tolist() == expected


def test_a_piece_is_written_in_each_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shooting, "Shooting", partial(Shooting, width=160, height=90, fps=10))
    piece = etude.Piece(make_piece(1, 8), "piece")
    for ending in ENDINGS:
        path = piece.save(tmp_path / f"piece{ending}")
        assert path.stat().st_size
        if ending in (".mp4", ".webm"):
            with av.open(str(path)) as video:
                assert [one.type for one in video.streams] == ["video", "audio"] and video.metadata["title"] == "piece"
    assert notes(etude.read(tmp_path / "piece.mid")) == notes(piece)
    assert notes(etude.read(tmp_path / "piece.musicxml")) == notes(piece)
    assert (tmp_path / "piece.png").read_bytes() == piece._repr_png_()
    with pytest.raises(EtudeError, match=r"piece\.wma must end in \.mid, .* or \.html"):
        piece.save(tmp_path / "piece.wma")
    with pytest.raises(EtudeError, match="does not exist"):
        piece.save(tmp_path / "nowhere/piece.mid")
    drums = make_piece(1, 8)
    for track in drums.tracks:
        track.is_drum = True
    with pytest.raises(EtudeError, match="no notes but drums"):
        etude.Piece(drums).save(tmp_path / "drums.musicxml")


def test_a_book_of_tunes_is_read_one_by_one(tmp_path: Path) -> None:
    book = tmp_path / "book.abc"
    book.write_text("X:7\nT:One\nL:1/4\nK:C\nCDEF|\n\nX:9\nT:Two\nL:1/4\nK:Ador\nABcd|\n")
    piece = etude.read(book, part="2")
    assert piece.title == "Two" and [pitch for _, _, pitch in notes(piece)] == [69, 71, 72, 74]
    assert piece.score.tempos[0].qpm == 120
    for part, message in ((None, r"2 tunes \(1 One, 2 Two\)\. Say which"), ("9", "no number 9"), ("x", "is no number")):
        with pytest.raises(EtudeError, match=message):
            etude.read(book, part=part)
    with pytest.raises(EtudeError, match="is a folder"):
        etude.read(tmp_path)
    with pytest.raises(EtudeError, match="'played' or 'written'"):
        etude.read(book, repeats="PLAYED")


def test_a_piece_can_be_heard_and_tells_its_size() -> None:
    piece = etude.Piece(make_piece(1, 8), "a & b")
    assert (piece.bars, round(piece.seconds)) == (2, 6) and piece.notes == len(notes(piece))
    sound, rate = piece.audio()
    assert sound.shape == (2, round((piece.seconds + 1) * rate)) and np.abs(sound).max() > 0.1
    player = piece.play()
    assert isinstance(player, Player) and "audio/mpeg" in player.page and "a &amp; b" in player._repr_html_()
    assert repr(piece) == f"<Piece 'a & b': 2 bars, {piece.notes} notes; Soprano, Alto, Tenor, Bass>"
    nothing = etude.Piece(ScoreTick(24), "nothing")
    assert (nothing.notes, nothing.seconds) == (0, 0.0)


# --- arrange


def test_a_melody_becomes_a_song_of_a_band() -> None:
    piece = melody().arrange("folk", chords="F | C7", humanise=0, intro=0)
    assert [track.name for track in piece.score.tracks][:3] == ["Melody", "Bass", "Guitar"]
    assert notes(piece, "Melody") == notes(melody()) and piece.title == "tune, folk"
    assert piece.mix["gain"]["Guitar"] == -4 and piece.mix["pan"]["Soprano"] == -0.2, "the style's places and the rest"
    assert melody().arrange("folk", seed=2).to_midi() == melody().arrange("folk", seed=2).to_midi()


def test_a_saved_arrangement_sounds_as_it_did(tmp_path: Path) -> None:
    made = melody().arrange("folk", chords="F | C7", humanise=0, intro=0)
    back = etude.read(made.save(tmp_path / "song.mid"))
    assert back.score.tracks[0].controls and not made.score.tracks[0].controls
    mine, theirs = made._how(), back._how()
    names = [track.name for track in made.score.tracks]
    assert len({mine.gain.get(name, 0.0) for name in names}) > 1
    for name in names:
        assert theirs.gain[name] == pytest.approx(mine.gain.get(name, 0.0), abs=0.13)
        assert theirs.pan[name] == pytest.approx(mine.pan.get(name, 0.0), abs=0.01)
    louder = dataclasses.replace(back, mix={"gain": {"Bass": 3.0}})
    assert louder._how().gain["Bass"] == 3.0, "what somebody sets holds"


def test_a_style_of_ones_own_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "funk.yaml"
    path.write_text((ROOT / "conf/style/folk.yaml").read_text(encoding="utf-8").replace("name: folk", "name: funk"))
    made, known = (melody().arrange(name, chords="F | C7") for name in (str(path), "folk"))
    assert made.title.endswith(", funk") and made.to_midi() == known.to_midi()


def test_what_cannot_be_arranged_is_said() -> None:
    with pytest.raises(EtudeError, match=r'There is no style "fok"\. Did you mean "folk"'):
        melody().arrange("fok")
    with pytest.raises(EtudeError, match=r"arrange\.forms is not a setting\. Did you mean \"form\""):
        melody().arrange("folk", forms="AB")
    with pytest.raises(EtudeError, match=r"drums: it has no track with notes but percussion"):
        drums().arrange("folk")
    with pytest.raises(EtudeError, match=r"drums: it has no notes but percussion"):
        drums().arrange("folk", top_line=True)


def test_a_video_of_more_than_half_an_hour_is_refused_before_it_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etude import api

    score = ScoreTick(24)
    score.tracks.append(TrackTick("Piano", 0))
    score.tracks[0].notes.append(NoteTick(24 * 2 * 60 * 31, 24, 60, 80))
    score.dump_midi(tmp_path / "long.mid")
    monkeypatch.setattr(api, "render", lambda *_: pytest.fail("rendered"))
    with pytest.raises(EtudeError, match=r"lasts 31\.\d minutes"):
        etude.read(tmp_path / "long.mid").save(tmp_path / "long.mp4")
