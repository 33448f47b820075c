"""Stage report: one page from a small project that these tests write."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import smoke
from report.made_results import evaluated
from report.made_results import reference as made_reference
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.artifacts.context import Session
from etude.audio.files import read_audio
from etude.audio.render import write_sound
from etude.config.sections import Settings
from etude.core.errors import EtudeError
from etude.core.files import read_json, write_json, write_text
from etude.metrics.voice_leading import KINDS
from etude.report import video
from etude.stages.report import run


def settings(*model_names: str) -> Settings:
    """The settings of experiment=smoke with some models, of which lstm alone can do all tasks, and small sounds."""
    sounds = replace(smoke().mix, sample_rate=16000, loudness=-16.0, peak=-1.0, gain={}, pan={"Bass": 0.2}, quality=0.1)
    known = smoke().models
    models = {name: known.get(name, known["lstm"]) for name in model_names}
    able: dict[str, Any] = {name: {} for name in model_names if name == "lstm"}
    return replace(smoke(), models=models, mix=sounds, harmonizers=able, conditioners=able)


def sound(folder: Path, name: str, pitch: int, made: Settings) -> None:
    """A piece of four seconds as MIDI and mp3."""
    score = ScoreTick(24)
    score.tempos.append(TempoTick(0, 60))
    for place, voice in enumerate(("Soprano", "Bass")):
        track = TrackTick(voice, 68 + place)
        for step in range(4):
            track.notes.append(NoteTick(step * 24, 24, pitch + step - 12 * place, 90))
        score.tracks.append(track)
    folder.mkdir(parents=True, exist_ok=True)
    score.dump_midi(folder / f"{name}.mid")
    write_sound(folder / f"{name}.mp3", score, made.mix)


def descriptors(shift: float, seed: int, count: int) -> dict[str, Any]:
    """Descriptors as evaluate and reference leave them."""
    draw = np.random.default_rng(seed)
    found: dict[str, Any] = {}
    for name, middle in (("pitch_range", 24.0), ("polyphony", 3.9)):
        values = [round(float(value), 4) for value in middle + shift + draw.normal(size=count)]
        found[name] = {"mean": sum(values) / count, "low": min(values), "high": max(values), "values": values}
        found[name]["distance"] = abs(shift) + 0.1
    nothing = {"mean": None, "low": None, "high": None, "values": [None] * count, "distance": None}
    return {**found, "drum_in_pattern_rate": nothing}


def harmonies(model_name: str) -> dict[str, Any]:
    """What harmonize leaves: three pieces, of which p2 has sound."""
    names = ("nats_per_note", "nats_per_note_by_likelihood_alone", "nats_per_note_of_the_real_voices")
    metrics: dict[str, float | None] = {f"harmony/{name}": 1.5 + place for place, name in enumerate(names)}
    metrics |= {"harmony/pieces": 3, "harmony/agreement": 0.321, "harmony/loss": 0.0712}
    metrics["harmony/parallels_beside_all_real"] = None
    rates = {kind: {"all_real": 0.01, "real": 0.02, "harmony": 0.03, "alone": 0.5} for kind in KINDS}
    pieces = [{"id": name} for name in ("p1", "p2", "p3")]
    files = {"example": "p2.mid", "sound": "p2.mp3"}
    return {"model": model_name, "metrics": metrics, "rates": rates, "pieces": pieces, **files}


def control(model_name: str) -> dict[str, Any]:
    """What control leaves: a key, and the two ends of energy, which have sound."""
    shares = {"met_key": 0.5, "met_energy": 0.75, "met": 0.625}
    metrics = {f"control/{name}": share for name, share in shares.items()}
    metrics |= {f"control/{name}_without": share / 10 for name, share in shares.items()}
    metrics |= {"control/pieces": 64, "control/repaired": 0, "control/test_nats_per_note": 1.75}
    metrics["control/test_nats_per_note_given"] = 1.5
    key = {"control": "key", "value": "D major", "met": 0.5, "met_without": 0.05, "example": "key_D_major/00.mid"}
    ends: list[dict[str, Any]] = [
        {"value": "lowest", "starts": None, "ends": 0.25, "example": "energy_lowest/00.mid"},
        {"value": "highest", "starts": 0.75, "ends": None, "example": "energy_highest/00.mid"},
    ]
    common: dict[str, Any] = {
        "control": "energy",
        "met": 0.75,
        "met_without": 0.075,
        "unit": "0 to 1",
        "mean": 0.1,
        "mean_without": 0.5,
    }
    controls = [key, *(common | end | {"sound": f"energy_{end['value']}/00.mp3"} for end in ends)]
    return {"model": model_name, "metrics": metrics, "controls": controls}


@pytest.fixture(scope="module", autouse=True)
def small_video() -> Iterator[None]:
    """Videos of the page are small and short."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "HOW", replace(video.HOW, width=160, height=90, fps=10, seconds=1.0))
        yield


@pytest.fixture(scope="module")
def made() -> Settings:
    """Settings of three models, one without likelihood."""
    return settings("ngram", "lstm", "gan")


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, made: Settings) -> Path:
    """A complete project, with reports of a model that is not in the settings; read it, do not write into it."""
    root = tmp_path_factory.mktemp("complete")
    data, reports = root / "data", root / "reports"
    pieces = [{"id": f"p{n}", "title": f"Tune {n}", "notes": 400, "bars": 12} for n in range(4)]
    left_out = [{"source": f"corpus/x{n}", "reason": "not <four> parts"} for n in range(3)]
    source = {"dataset": "bach", "source": "music21", "licence": "free & open", "citation": "J. S. Bach"}
    write_json(data / "download/manifest.json", {**source, "pieces": pieces, "left_out": left_out})
    refused = [{"source": "corpus/y", "reason": "no notes"}]
    ingested = {"pieces": pieces, "refused": refused, "shards": [{"file": "00000.zip", "sha256": "0"}]}
    write_json(data / "ingest/manifest.json", ingested)
    families = {"p0": "p0", "p1": "p0", "p2": "p2", "p3": "p3"}
    split = {"train": ["p0", "p1"], "valid": ["p2"], "test": ["p3"], "families": families}
    write_json(data / "split/split.json", {"settings": {}, **split})
    closest = {"pieces": ["p0", "p3"], "similarity": 0.6123}
    count = {"pairs": 1203, "train": 19, "test": 17}
    pairs = {
        "train/test": {"shared_openings": count, "closest": closest},
        "train/valid": {"shared_openings": {"pairs": 0, "train": 0, "valid": 0}},
    }
    write_json(data / "split/leakage.json", {"sizes": {}, "pairs": pairs})
    write_json(data / "augment/manifest.json", {"settings": {}, "copies": [{"id": f"c{n}"} for n in range(7)]})
    trip = {"notes": 1000, "kept": 990, "share": 0.99, "onset_error": 0.001, "duration_error": 0.02, "extra": 3}
    for name in made.tokenize:
        items = {"train": 9000, "valid": 2000, "test": 1500}
        known = {"kind": "tokens", "vocabulary": 123, "items": items, "round_trip": trip}
        write_json(data / f"tokenize/{name}/manifest.json", known)
    sound(data / "reference", "real", 72, made)
    sound(data / "harmonize/lstm", "p2", 67, made)
    for end in ("lowest", "highest"):
        sound(data / f"control/lstm/energy_{end}", "00", 66, made)
    real = {"pieces": 32, "distance": 0.11, "low": 0.05, "high": 0.2, "descriptors": {}}
    files = {"midi": "data/reference/real.mid", "mp3": "data/reference/real.mp3"}
    example = {"id": "p3", "title": "Tune 3 <real>", **files}
    reference = {"resolution": 12, "bars": 16, "pieces": 5, "real_against_real": real, "example": example}
    write_json(reports / "reference.json", {**made_reference(), **reference, "descriptors": descriptors(0, 0, 5)})
    for place, model_name in enumerate(("ngram", "lstm", "gan", "leftover")):
        likelihood = {"valid/nats_per_note": 0.9 - place / 10, "test/nats_per_note": 0.95 - place / 10}
        metrics = {"samples/distance": 0.3 + place / 10, "samples/distance_low": 0.2, "samples/distance_high": 0.7}
        history: list[dict[str, Any]] = [
            {"step": step, "train/nats_per_token": 2 - step / 300, "valid/nats_per_note": 1 - step / 1000}
            for step in (100, 300)
        ]
        if model_name == "ngram":
            history = []
        if model_name == "gan":
            likelihood = {}
            history = [{"step": step, "train/generator_loss": 1.0, "valid/roll_distance": None} for step in (0, 300)]
        else:
            metrics |= {"test/nats_per_piece": 1234.56 - place}
        result = {**likelihood, "steps": 300, "best_step": 200, "parameters": 1234567}
        if model_name == "ngram":
            result = {**likelihood, "parameters": 4321}
        write_json(root / f"models/{model_name}/result.json", result)
        names = list(history[0]) if history else ["step"]
        rows = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in history]
        write_text(root / f"models/{model_name}/history.csv", "\n".join([",".join(names), *rows]) + "\n")
        sampled = [{"file": f"{n:02d}.mid", "rank": n, "distance": 0.1} for n in range(4)]
        write_json(data / f"generate/{model_name}/manifest.json", {"settings": {}, "pieces": sampled})
        compared = evaluated(100 * (place % 2 + 1), 3 * (place % 2))  # lstm copies three train pieces
        found = {
            **compared,
            "model": model_name,
            "metrics": {**compared["metrics"], "samples/empty": 0, **likelihood, **metrics},
            "descriptors": descriptors(place, place + 1, 4),
            "prediction": {} if model_name == "gan" else compared["prediction"],
        }
        write_json(reports / f"evaluate/{model_name}.json", {**found, "pieces": sampled})
        if model_name == "lstm":
            write_json(reports / "harmonize/lstm.json", harmonies(model_name))
            write_json(reports / "control/lstm.json", control(model_name))
        band = {"file": "00_band.mp3", "of": "00.mid", "style": "pop", "chords": "recognised", "learned": []}
        arranged = {"pieces": [{"file": "00.mp3"}], "bands": [band]}
        copied = compared["originality"]["pieces"][0] if model_name == "lstm" else None
        write_json(reports / f"arrange/{model_name}.json", {"model": model_name, **arranged, "copied": copied})
        if copied is not None:
            for name in ("sample", "train"):
                sound(data / f"arrange/{model_name}/copies", name, 64, made)
        for n, name in enumerate(("00", "00_band")):
            sound(data / f"arrange/{model_name}", name, 70 + place + n, made)
    (root / "README.md").write_text("# etude\n", encoding="utf-8")
    return root


@pytest.fixture
def session(complete: Path, tmp_path: Path) -> Session:
    """A project like ``complete`` to write into."""
    shutil.copytree(complete, tmp_path / "project")
    return Session(root=tmp_path / "project", progress=False)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, complete: Path, made: Settings) -> Path:
    """The report of ``complete``, made in a folder of its own where nothing can be synthesised; read it."""

    def refuse(*_: object) -> None:
        raise AssertionError("the report synthesises")

    out = tmp_path_factory.mktemp("rendered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("etude.audio.render.synthesize", refuse)
        run(made, Session(root=complete, out=out, progress=False))
    return out / "reports"


@pytest.fixture(scope="module")
def without_lstm(tmp_path_factory: pytest.TempPathFactory, complete: Path) -> str:
    """The page of ``complete`` where no model can do the tasks."""
    out = tmp_path_factory.mktemp("without")
    run(settings("ngram", "gan"), Session(root=complete, out=out, progress=False))
    return (out / "reports/index.html").read_text(encoding="utf-8")


def test_harmonies_are_compared_with_real_music_and_engraved(rendered: Path, without_lstm: str) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    table = (rendered / "results.md").read_text(encoding="utf-8")
    numbers = json.loads((rendered / "results.json").read_text())
    assert "| lstm | 32.1% | 1.500 | 2.500 | 3.500 | 7.1% | 0.0300 | 0.0300 | – |" in table
    assert "| real music | 100.0% | – | – | – | – | 0.0100 | 0.0100 | 1.00 |" in table
    assert "| parallel fifths by music21 | 0.0100 | 0.0200 | 0.0300 | 0.5000 |" in table
    assert numbers["lstm"]["harmony/agreement"] == 0.321 and "harmony/agreement" not in numbers["gan"]
    assert html.count('<img src="data:image/svg+xml;base64,') == 3 and "lstm, p2" in html  # and two excerpts
    assert re.search(r'alt="Score: lstm, p2" width="\d+" height="\d+"', html)
    assert "do not read voices on a grid: ngram, gan." in html
    assert 'alt="Score: ' not in without_lstm and "voices on a grid: ngram, gan." in without_lstm


def test_conditioning_has_a_table_by_attribute_one_by_request_and_sound(rendered: Path, without_lstm: str) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    table = (rendered / "results.md").read_text(encoding="utf-8")
    assert "| lstm, energy | 75.0% | 7.5% |" in table
    assert "| lstm, all requests | 62.5% | 6.2% |" in table
    assert "| lstm, key D major | D major | 50.0% | 5.0% | – | – |" in table
    assert "| lstm, energy lowest | below 0.25 | 75.0% | 7.5% | 0.10 | 0.50 |" in table
    assert (
        "lstm has 1.500 nats per note (NLL) on the test pieces where it knows all attributes of each, and 1.750"
        in table
    )
    assert "Conditioned by energy highest, from lstm" in html and 'id="conditioning"' in html
    assert 'id="conditioning"' not in without_lstm


def test_the_page_and_the_tables(rendered: Path) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    table = (rendered / "results.md").read_text(encoding="utf-8")
    assert "leftover" not in html + table
    tables = [part for part in table.split("\n\n") if part.startswith("| ")]
    rows, near, *_ = ({line.split(" | ")[0].strip("| "): line for line in part.splitlines()} for part in tables)
    assert rows["lstm"] == (
        "| lstm | **0.800** | **0.850** | **1,233.6** | 0.400 [0.20, 0.70] | 1,234,567 | 200 / 300 |"
    )
    assert rows["ngram"] == "| ngram | 0.900 | 0.950 | 1,234.6 | **0.300 [0.20, 0.70]** | 4,321 | – |"
    assert rows["gan¹"] == "| gan¹ | – | – | – | 0.500 [0.20, 0.70] | 1,234,567 | 200 / 300 |"
    assert rows["real music"] == "| real music | – | – | – | 0.110 [0.05, 0.20] | – | – |"
    assert "¹ Generates music without a probability" in table and list(rows)[-1] == "real music"
    assert (
        "| model | classifier, % recognised" in tables[1]
        and {"ngram", "lstm", "gan", "real music"} <= set(near)
        and html.count("<td><strong>") == 4
    )
    assert "| lstm | 0.47 | 1.00 | 4 of 8 |" in table and "| real test pieces | 0.38" in table
    assert "| lstm | 10.0% | +10.0% |" in table and "| gan | 10.0%" not in table, "gan predicts nothing"
    assert table.startswith("# Results\n\n| model | valid, nats per note |")
    # real music, two samples a model, two conditioned pieces, a harmony, and a copy with its model
    assert html.count("<canvas") == html.count("<audio") == 12 == html.count("data:audio/mpeg;base64,")
    rolls = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', html, re.S)]
    assert [len(roll["tracks"]) for roll in rolls] == [2] * 12 and rolls[0]["tracks"][0]["notes"][0][2] == 72
    # loss, nats per note, generator loss; the distance of rolls has no value. Two descriptors; drums have no value.
    # The course of copying, reliability, and eight distributions.
    assert html.count('<svg class="drawing" role="img"') == 15 and "data:image/png" not in html
    assert "drum in pattern rate" in html and "roll_distance" not in html
    escaped = ("Tune 3 &lt;real&gt;", "not &lt;four&gt; parts (3)", "free &amp; open")
    for text in (*escaped, "0.61 (p0 and p3)", "1,203 pairs (19 train, 17 test)", "lstm.hidden"):
        assert text in html, text


def test_the_summary_stands_first_and_navigation_follows_the_sections(rendered: Path, without_lstm: str) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)"', html)
    order = "summary results samples sets originality structure distributions predictions measures conditioning "
    order += "harmonies training data leakage settings environment"
    assert sections == order.split(), "without listeners there is no section on them"
    for page in (html, without_lstm):
        nav = re.search(r"<nav.*?</nav>", page, re.S)
        assert nav and re.findall('href="#(.*?)"', nav[0]) == re.findall(r'<section id="(\w+)"', page)
    assert "Nearest to real music: ngram or lstm or gan (no clear winner)" in html
    assert "only ngram can be compared" in without_lstm, "gan has no likelihood"
    summary = html[html.index('<section id="summary"') : html.index('<section id="results"')]
    assert summary.count('<span class="light amber"><i aria-hidden="true">▲</i> near</span>') == 5
    assert "<dd>4: 2 train, 1 valid, 1 test</dd>" in html and "<dd>300 steps a model</dd>" in html
    assert "A trial" not in html


def test_the_least_original_excerpt_plays_next_to_its_train_piece(
    rendered: Path, session: Session, made: Settings
) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    section = html[html.index('<section id="originality"') : html.index('<section id="structure"')]
    for text in ("lstm, sample 00", "Train piece p0", "100% of its notes are in the train piece", "in the same key"):
        assert text in section
    assert section.count("<canvas") == section.count('alt="Score: ') == 2 and "ngram, sample" not in section
    assert 'class="m1' in section and 'class="m0' not in section, "ngram was not trained in steps"
    (session.root / "data/arrange/lstm/copies/train.mp3").unlink()
    with pytest.raises(EtudeError, match=r"train\.mp3 does not exist\. Make it with: etude arrange model=lstm"):
        run(made, session)


def test_what_listeners_prefer_is_a_section_of_the_page(session: Session, made: Settings, tmp_path: Path) -> None:
    from listening.panel import Panel, make_key, write

    from etude.listening.analysis import analyse

    key = make_key()
    write(tmp_path / "answers", key.test, Panel(key, {"gan": -1.0, "lstm": 0.0, "real": 1.0}, seed=1).listeners(4))
    write_json(session.root / "reports/listen/analysis.json", analyse(key, tmp_path / "answers", {}, runs=20))
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)"', html)
    assert sections[2:5] == ["samples", "listening", "sets"] and '<a href="#listening">Listeners</a>' in html
    section = html[html.index('<section id="listening"') : html.index('<section id="sets"')]
    assert "These answers are simulated" in section and "4 of 4 listeners count" in section


def test_hardly_any_training_is_said_on_top(session: Session, made: Settings) -> None:
    for model_name in ("lstm", "gan"):
        file = session.root / f"models/{model_name}/result.json"
        write_json(file, {**read_json(file, ""), "steps": 4})
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    assert html.index("A trial: 4 steps a model.") < html.index("<nav")
    assert "Hardly trained, and therefore not compared: lstm, gan." in html
    rows = re.findall(r'<tr><th scope="row">(\w+)(?:<sup>.*?)?</th>(.*?)</tr>', html, re.S)
    lit = {name for name, cells in rows if '<span class="light' in cells}
    assert lit == {"ngram"}, "ngram counts, and is no trial"
    text = (session.root / "reports/results.md").read_text(encoding="utf-8")
    assert text.startswith("# Results\n\n**A trial: 4 steps a model.")


def test_no_network_no_place_and_the_same_bytes_again(
    rendered: Path, complete: Path, session: Session, made: Settings
) -> None:
    names = ("index.html", "results.md", "results.json")
    first = [(rendered / name).read_bytes() for name in names]
    html = first[0].decode()
    assert str(complete) not in html and str(rendered.parent) not in html and len(html) < 4_000_000
    assert not re.search(r'(src|href|srcset)="(?!data:|#)', html) and "http" not in html and "@import" not in html
    assert "None stated" not in html
    shutil.copytree(rendered, session.root / "reports", dirs_exist_ok=True)
    run(made, session)
    assert [(session.root / "reports" / name).read_bytes() for name in names] == first
    assert (session.root / "README.md").read_text(encoding="utf-8") == "# etude\n"


def test_a_run_writes_into_its_own_folder_and_synthesises_nothing(rendered: Path, complete: Path) -> None:
    assert (rendered / "index.html").is_file() and not (complete / "reports/index.html").exists()


def test_messages_name_what_is_missing_with_its_command(session: Session, made: Settings) -> None:
    # the last file is read first
    for place, command in (
        ("data/harmonize/lstm/p2.mp3", "etude harmonize model=lstm"),
        ("data/arrange/gan/00_band.mp3", "etude arrange model=gan"),
        ("reports/control/lstm.json", "etude control model=lstm"),
        ("reports/evaluate/lstm.json", "etude evaluate model=lstm"),
    ):
        (session.root / place).unlink()
        with pytest.raises(EtudeError, match=command):
            run(made, session)


def test_empty_samples_and_likelihood_by_frame_are_noted_below_the_table(session: Session, made: Settings) -> None:
    file = session.root / "reports/evaluate/lstm.json"
    report = json.loads(file.read_text())
    kept = {name: value for name, value in report["metrics"].items() if "nats_per_note" not in name}
    report["metrics"] = {**kept, "samples/empty": 3, "test/nats_per_frame": 8.1234}
    write_json(file, report)
    run(made, session)
    table = (session.root / "reports/results.md").read_text()
    assert "lstm: 3 samples have no note" in table
    assert "in nats per frame on test, given the first frame of a piece: lstm 8.123." in table
    assert "| gan¹ |" in table and "| lstm |" in table  # which has a likelihood


def test_round_trips_stand_on_the_page(rendered: Path) -> None:
    html = (rendered / "index.html").read_text(encoding="utf-8")
    row = re.search(r'<th scope="row">remi</th>(.*?)</tr>', html, re.S)
    assert row and re.findall(r"<td>(.*?)</td>", row[1]) == ["123", "3.50", "99.00%", "0.001", "0.020", "3"]


def test_a_pseudo_likelihood_stands_in_a_note_of_its_own_and_in_no_column_of_nats(
    session: Session, made: Settings
) -> None:
    place = session.root / "reports/evaluate/lstm.json"
    found = json.loads(place.read_text())
    pseudo = {"test/pseudo_nats_per_cell": 0.1234, "test/accuracy": 0.9712, "test/onset_accuracy": 0.654}
    found["metrics"] = {name: found["metrics"][name] for name in found["metrics"] if "nats" not in name} | pseudo
    write_json(place, found)
    run(made, session)
    table = (session.root / "reports/results.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith("| lstm"))
    assert row.startswith("| lstm² | – | – | – | 0.400")
    assert next(line for line in table.splitlines() if line.startswith("| gan")).startswith("| gan¹ | – | – | – |")
    note = next(line for line in table.splitlines() if line.startswith("²"))
    assert "lstm has 0.123 nats per cell on test, 97.1% of all cells right, 65.4% of those" in note
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    assert "lstm<sup>2</sup>" in html and "gan<sup>1</sup>" in html


def test_a_card_a_model_under_the_same_headings(rendered: Path) -> None:
    texts = {name: (rendered / f"cards/{name}.md").read_text() for name in ("lstm", "gan")}
    headings = {name: re.findall(r"^#+ .*$", text, re.MULTILINE)[1:] for name, text in texts.items()}
    assert headings["lstm"] == headings["gan"] and "## Limitations" in headings["gan"]
    assert "LSTM: stacked long short-term memory" in texts["lstm"] and "nats per note on test" in texts["lstm"]
    assert 'model.harmonize("melody.mid")' in texts["lstm"] and "harmonize" not in texts["gan"]
    assert "It has no likelihood" in texts["gan"]


def test_the_descriptors_are_a_table_for_dvc(rendered: Path) -> None:
    header, *rows = (rendered / "descriptors.csv").read_text().splitlines()
    assert header == "model,descriptor,distance"
    assert {"lstm", "gan"} <= {row.split(",")[0] for row in rows} and not any("drum" in row for row in rows)


def test_the_sounds_of_the_readme_are_short_and_of_the_best(rendered: Path) -> None:
    files = sorted((rendered.parent / "docs/samples").iterdir())
    assert [file.name for file in files] == [
        "best_likelihood.mp3", "best_likelihood.mp4", "harmony.mp3", "nearest_to_real.mp3",
    ]  # fmt: skip
    assert all(0 < file.stat().st_size < 300_000 for file in files)
    with av.open(str(files[1])) as shown:
        assert shown.metadata["title"].startswith("lstm, ") and len(shown.streams) == 2
    sound, rate = read_audio(files[0])
    assert sound.shape[1] <= 30 * rate
