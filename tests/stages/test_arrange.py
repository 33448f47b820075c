"""Stage arrange: the best pieces, their files, the report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import smoke
from scores.test_excerpts import long_piece, notes
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.artifacts import catalog
from etude.artifacts.context import Session
from etude.artifacts.midi_archive import write_pieces
from etude.artifacts.provenance import built_from
from etude.audio.files import file_names, read_audio
from etude.config.sections import Mix, Settings
from etude.core.errors import EtudeError
from etude.core.files import digest, read_json, write_json
from etude.scores.excerpts import excerpt_of
from etude.stages.arrange import best, run, sound_of

MIX = replace(
    smoke().mix, sample_rate=16000, loudness=-16.0, peak=-1.0, gain={"Bass": -2.0}, pan={"Bass": 0.3}, quality=0.2
)


def piece(pitch: int, tracks: tuple[str, ...] = ("Soprano", "Bass")) -> ScoreTick:
    """Two seconds, a pitch and the octaves below."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 60))
    for place, name in enumerate(tracks):
        track = TrackTick(name, 68 + place)
        for onset in (0, 24):
            track.notes.append(NoteTick(onset, 24, pitch - 12 * place, 90))
        score.tracks.append(track)
    return score


class Stub(Settings):
    """Settings of the sections that the stage looks at."""

    def __init__(self, section: Mix, best: int = 2) -> None:
        object.__setattr__(self, "arrange", replace(smoke().arrange, best=best))
        object.__setattr__(self, "style", smoke().style)
        object.__setattr__(self, "mix", section)
        object.__setattr__(self, "models", {"lstm": {}})


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A project with three samples, of which the second and third are the best; the third is silent."""
    folder = tmp_path / "data/generate/lstm"
    folder.mkdir(parents=True)
    for number, score in enumerate((piece(72), piece(74), piece(76))):
        if number == 2:
            for track in score.tracks:
                track.notes.clear()
        score.dump_midi(folder / f"{number:02d}.mid")
    ranks = [{"file": f"{number:02d}.mid", "rank": rank, "distance": 0.5} for number, rank in enumerate((2, 0, 1))]
    made_with = {"generate": {"seed": 1}}
    short = {"pieces": [{"file": "02.mid", "score": None}]}  # no sample has a score
    report = {"model": "lstm", "key": "abc", "settings": made_with, "pieces": ranks, "originality": short}
    write_json(tmp_path / "reports/evaluate/lstm.json", report)
    write_json(folder / "manifest.json", {"settings": {**made_with, "key": "abc"}, "pieces": []})
    return Session(root=tmp_path, progress=False)


def test_the_best_by_rank_then_name() -> None:
    ranked: list[tuple[str, int | None]] = [("b", 1), ("c", 0), ("a", 1), ("d", None)]
    pieces = [{"file": file, "rank": rank} for file, rank in ranked]
    assert best(pieces, 2) == ["c", "a"] and best(pieces, 9) == ["c", "a", "b"] and best([], 2) == []


def test_stems_add_up_to_the_mix() -> None:
    sound, facts = sound_of(piece(72), MIX)
    assert np.allclose(sum(sound.stems.values()), sound.mix, atol=1e-6)
    assert facts["loudness_lufs"] == -16.0 and facts["seconds"] == 3.0 and facts["peak_dbfs"] <= -1
    assert [track["name"] for track in facts["tracks"]] == ["Soprano", "Bass"]
    assert all(track["notes"] == 2 and track["rms_dbfs"] < -1 for track in facts["tracks"])


def test_run_writes_mix_stems_and_report(session: Session) -> None:
    run(Stub(MIX), session, "lstm")
    folder = session.root / "data/arrange/lstm"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    stems = ["01/Bass.mp3", "01/Soprano.mp3", "02/Silence.mp3"]  # MIDI holds no track without events
    kinds = (".mid", ".mp3", ".png", ".html")
    written = ["01_band.musicxml", "01_band.svg"]
    assert files == sorted(
        [*(f"{name}{kind}" for name in ("01", "01_band", "02") for kind in kinds), *stems, *written, "SHA256SUMS"]
    )
    sound, rate = read_audio(folder / "01.mp3")
    assert rate == 16000 and sound.shape[1] == 3 * rate and 0.2 < np.abs(sound).max() < 1.1
    report = read_json(session.root / "reports/arrange/lstm.json", "")
    assert [piece["file"] for piece in report["pieces"]] == ["01.mp3", "02.mp3"] and report["key"] == "abc"
    assert report["pieces"][1]["loudness_lufs"] is None  # silence
    assert report["copied"] is None
    (band,) = report["bands"]
    assert (band["of"], band["file"], band["style"], band["form"]) == ("01.mid", "01_band.mp3", "pop", "A")
    assert [track["name"] for track in band["tracks"]] == ["Melody", "Bass", "Piano", "Strings", "Drums"]
    assert (band["kept"]["bass_roots"], band["kept"]["above"]) == (1.0, 0.0)
    melody = ScoreTick.from_file(folder / "01_band.mid").tracks[0]
    assert [note.pitch for note in melody.notes] == [74, 74], "the top line of the sample"
    before = digest(folder)
    run(Stub(MIX), session, "lstm")
    assert digest(folder) == before


def test_names_that_are_no_file_names() -> None:
    names = list(file_names(["Violin I/II", "violin i_ii", "../..", "Töne"]))
    assert names == ["Violin_I_II", "violin_i_ii_2", "track", "Töne"]


def test_messages_name_what_is_missing(session: Session) -> None:
    with pytest.raises(EtudeError, match="no model"):
        run(Stub(MIX), session, "lstn")
    (session.root / "data/generate/lstm/01.mid").unlink()
    with pytest.raises(EtudeError, match="etude generate model=lstm"):
        run(Stub(MIX), session, "lstm")
    assert not (session.root / "data/arrange/lstm").exists()
    (session.root / "reports/evaluate/lstm.json").unlink()
    with pytest.raises(EtudeError, match="etude evaluate model=lstm"):
        run(Stub(MIX), session, "lstm")


@pytest.mark.parametrize("other", [{"generate": {"seed": 2}, "key": "abc"}, {"generate": {"seed": 1}, "key": "abd"}])
def test_samples_that_the_evaluation_did_not_measure_are_refused(other: dict[str, object], session: Session) -> None:
    earlier = Session(root=session.root, run=session.root / "runs/1", progress=False)
    write_json(session.root / "data/generate/lstm/manifest.json", {"settings": other, "pieces": []})
    with pytest.raises(EtudeError, match=r"other samples .* etude evaluate model=lstm session\.run=.*runs/1"):
        run(Stub(MIX), earlier, "lstm")


# --- the excerpt that has most in common with a train piece


@pytest.fixture
def copying(session: Session) -> tuple[Settings, Session]:
    """The project of ``session``, whose sample 01 is the train piece a whole tone up, from its second quarter on."""
    root, settings = session.root, replace(smoke(), mix=MIX)
    train = long_piece()
    (root / "data/ingest").mkdir(parents=True)
    shards = write_pieces(root / "data/ingest", [("t1", train.dumps_midi())])
    write_json(root / "data/ingest/manifest.json", {"pieces": [{"id": "t1", "title": "Tune"}], "shards": shards})
    write_json(root / catalog.record("ingest").place, {"settings": built_from(settings, "ingest")})
    sample = excerpt_of(train, 1, 6)
    for note in sample.tracks[0].notes:
        note.pitch += 2
    sample.dump_midi(root / "data/generate/lstm/01.mid")
    copied = {"file": "01.mid", "score": 1.0, "start": 1.0, "quarters": 3.25, "nearest": "t1", "title": "Tune"}
    place = root / "reports/evaluate/lstm.json"
    report = read_json(place, "")
    pieces = [copied | {"where": 2.0, "semitones": -2, "flagged": True}, {"file": "02.mid", "score": None}]
    write_json(place, report | {"originality": {"pieces": pieces}})
    return settings, session


def test_the_least_original_excerpt_lies_next_to_that_of_the_train_piece(copying: tuple[Settings, Session]) -> None:
    settings, session = copying
    run(settings, session, "lstm")
    folder = session.root / "data/arrange/lstm/copies"
    assert sorted(file.name for file in folder.iterdir()) == ["sample.mid", "sample.mp3", "train.mid", "train.mp3"]
    ours, theirs = (notes(ScoreTick.from_file(folder / f"{name}.mid")) for name in ("sample", "train"))
    assert [(time, pitch - 2) for time, _, pitch in ours] == [(time, pitch) for time, _, pitch in theirs]
    assert [pitch for *_, pitch in theirs] == [62, 63, 64, 65]
    sound, rate = read_audio(folder / "train.mp3")
    assert rate == 16000 and np.abs(sound).max() > 0.1
    copied = read_json(session.root / "reports/arrange/lstm.json", "")["copied"]
    assert (copied["file"], copied["nearest"], copied["semitones"]) == ("01.mid", "t1", -2)
    before = digest(session.root / "data/arrange")
    run(settings, session, "lstm")
    assert digest(session.root / "data/arrange") == before


def test_a_copy_whose_sample_is_gone_is_a_sentence(copying: tuple[Settings, Session]) -> None:
    settings, session = copying
    place = session.root / "reports/evaluate/lstm.json"
    report = read_json(place, "")
    report["originality"]["pieces"][0]["file"] = "09.mid"
    write_json(place, report)
    with pytest.raises(
        EtudeError, match=r"09\.mid does not exist, and it was measured\. Make both again with: etude gen"
    ):
        run(settings, session, "lstm")
    assert not (session.root / "data/arrange/lstm").exists()
