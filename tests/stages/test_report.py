"""Stage report: one page from a small project that these tests write."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from symusic.core import NoteTick, ScoreTick, TempoTick, TrackTick

from etude.artifacts.context import Session
from etude.audio.mp3 import write_mp3
from etude.config.sections import Arrange, Settings
from etude.core.errors import EtudeError
from etude.core.files import write_json, write_text
from etude.metrics.voice_leading import KINDS
from etude.report.results import BOS, EOS
from etude.report.sample import sound_of
from etude.stages import report as stage
from etude.stages.report import run

README = f"# etude\n\n{BOS}\nbefore\n{EOS}\n\nMore.\n"


def settings(*model_names: str) -> Settings:
    """The project's settings with the variants named, and small sounds."""
    whole = Settings.from_params(Path(__file__).parents[2] / "params.yaml")
    sounds = Arrange(best=2, sample_rate=16000, peak=-1.0, gain={}, pan={"Bass": 0.2}, quality=0.1)
    objective = {"ngram": "counting", "gan": "adversarial"}
    models = {name: {"hidden": 256, "objective": objective.get(name, "next_token")} for name in model_names}
    return replace(whole, models=models, arrange=sounds)


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
    write_mp3(folder / f"{name}.mp3", sound_of(score, made.arrange), made.arrange.sample_rate, 0.1)


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


def harmonies(model_name: str, able: bool) -> dict[str, Any]:
    """What harmonize leaves: three pieces, of which p2 is in the middle."""
    if not able:
        return {"model": model_name, "harmonizes": False, "reason": "It cannot."}
    names = ("nats_per_note", "nats_per_note_by_likelihood_alone", "nats_per_note_of_the_real_voices")
    metrics: dict[str, float | None] = {f"harmony/{name}": 1.5 + place for place, name in enumerate(names)}
    metrics |= {"harmony/pieces": 3, "harmony/agreement": 0.321, "harmony/loss": 0.0712}
    rates = {kind: {"all_real": 0.01, "real": 0.02, "harmony": 0.03, "alone": 0.5} for kind in KINDS}
    shares = {"p1": 0.1, "p2": 0.3, "p3": 0.8}
    pieces = [{"id": name, "harmony": {"agreement": {"Bass": share}}} for name, share in shares.items()]
    metrics["harmony/parallels_beside_all_real"] = None
    return {"model": model_name, "harmonizes": True, "metrics": metrics, "rates": rates, "pieces": pieces}


def control(model_name: str, able: bool) -> dict[str, Any]:
    """What control leaves: a key, and the two ends of energy."""
    if not able:
        return {"model": model_name, "conditional": False, "reason": "It cannot."}
    shares = {"met_key": 0.5, "met_energy": 0.75, "met": 0.625}
    metrics = {f"control/{name}": share for name, share in shares.items()}
    metrics |= {f"control/{name}_without": share / 10 for name, share in shares.items()}
    metrics |= {"control/pieces": 64, "control/repaired": 0, "control/test_nats_per_note": 1.75}
    metrics["control/test_nats_per_note_given"] = 1.5
    key = {"control": "key", "value": "D major", "met": 0.5, "met_without": 0.05, "example": "key_D_major/00.mid"}
    ends: list[dict[str, Any]] = [
        {"value": "lowest", "begins": None, "ends": 0.25, "example": "energy_lowest/00.mid"},
        {"value": "highest", "begins": 0.75, "ends": None, "example": "energy_highest/00.mid"},
    ]
    common: dict[str, Any] = {
        "control": "energy",
        "met": 0.75,
        "met_without": 0.075,
        "unit": "0 to 1",
        "mean": 0.1,
        "mean_without": 0.5,
    }
    controls = [key, *(common | end for end in ends)]
    return {"model": model_name, "conditional": True, "metrics": metrics, "controls": controls}


@pytest.fixture
def made() -> Settings:
    """Settings of three variants, one without likelihood."""
    return settings("ngram", "lstm", "gan")


@pytest.fixture
def session(tmp_path: Path, made: Settings) -> Session:
    """A whole project, with reports of a variant that is not in the settings."""
    data, reports = tmp_path / "data", tmp_path / "reports"
    pieces = [{"id": f"p{n}", "title": f"Tune {n}", "notes": 400, "bars": 12} for n in range(4)]
    left_out = [{"source": f"corpus/x{n}", "reason": "not <four> parts"} for n in range(3)]
    source = {"dataset": "bach", "source": "music21", "licence": "free & open", "citation": "J. S. Bach"}
    write_json(data / "download/manifest.json", {**source, "pieces": pieces, "left_out": left_out})
    refused = [{"source": "corpus/y", "reason": "no notes"}]
    write_json(data / "ingest/manifest.json", {"settings": {}, "pieces": pieces, "refused": refused})
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
    areas = {f"overlap_{name}": 0.95 for name in ("pitch_class", "duration", "polyphony")}
    reference["note_by_note"] = {**areas, "bars": 400.5, "distinct_bars": 390.2, "distinct_any_key": 380.4}
    write_json(reports / "reference.json", {**reference, "descriptors": descriptors(0, 0, 5)})
    for place, model_name in enumerate(("ngram", "lstm", "gan", "leftover")):
        min_p_filter = {"valid/nats_per_note": 0.9 - place / 10, "test/nats_per_note": 0.95 - place / 10}
        metrics = {"samples/distance": 0.3 + place / 10, "samples/distance_low": 0.2, "samples/distance_high": 0.7}
        near = {"overlap_pitch_class": 0.7 + place / 10, "overlap_duration": 0.9 - place / 10}
        near |= {"bars": 64, "distinct_bars": 62, "distinct_any_key": 60 - place}
        metrics |= {f"samples/{name}": value for name, value in near.items()}
        history: list[dict[str, Any]] = [
            {"step": step, "train/nats_per_token": 2 - step / 300, "valid/nats_per_note": 1 - step / 1000}
            for step in (100, 300)
        ]
        if model_name == "ngram":
            history = []
        if model_name == "gan":
            min_p_filter = {}
            history = [{"step": step, "train/generator_loss": 1.0, "valid/roll_distance": None} for step in (0, 300)]
        else:
            metrics |= {"test/nats_per_piece": 1234.56 - place}
        result = {**min_p_filter, "steps": 300, "best_step": 200, "parameters": 1234567}
        if model_name == "ngram":
            result = {**min_p_filter, "parameters": 4321}
        write_json(tmp_path / f"models/{model_name}/result.json", result)
        names = list(history[0]) if history else ["step"]
        rows = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in history]
        write_text(tmp_path / f"models/{model_name}/history.csv", "\n".join([",".join(names), *rows]) + "\n")
        sampled = [{"file": f"{n:02d}.mid", "rank": n, "distance": 0.1} for n in range(4)]
        write_json(data / f"generate/{model_name}/manifest.json", {"settings": {}, "pieces": sampled})
        found = {
            "model": model_name,
            "metrics": {**min_p_filter, **metrics},
            "descriptors": descriptors(place, place + 1, 4),
        }
        write_json(reports / f"evaluate/{model_name}.json", {**found, "pieces": sampled})
        write_json(reports / f"harmonize/{model_name}.json", harmonies(model_name, model_name == "lstm"))
        write_json(reports / f"control/{model_name}.json", control(model_name, model_name == "lstm"))
        arranged = [{"file": f"{n:02d}.mp3"} for n in range(2)]
        write_json(reports / f"arrange/{model_name}.json", {"model": model_name, "pieces": arranged})
        for n in range(2):
            sound(data / f"arrange/{model_name}", f"{n:02d}", 70 + place + n, made)
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return Session(root=tmp_path, progress=False)


def test_harmonies_stand_beside_real_music_with_a_score(session: Session, made: Settings) -> None:
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    table = (session.root / "reports/results.md").read_text(encoding="utf-8")
    numbers = json.loads((session.root / "reports/results.json").read_text())
    assert "| lstm | 32.1% | 1.500 | 2.500 | 3.500 | 7.1% | 0.0300 | 0.0300 | – |" in table
    assert "| real music | 100.0% | – | – | – | – | 0.0100 | 0.0100 | 1.00 |" in table
    assert "| parallel fifths by music21 | 0.0100 | 0.0200 | 0.0300 | 0.5000 |" in table
    assert numbers["lstm"]["harmony/agreement"] == 0.321 and "harmony/agreement" not in numbers["gan"]
    assert html.count('<div class="score"><img src="data:image/svg+xml;base64,') == 1 and "lstm, p2" in html
    assert "do not read voices on a grid: ngram, gan." in html
    none = settings("ngram", "gan")
    run(none, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    assert '<div class="score">' not in html and "voices on a grid: ngram, gan." in html


def test_wishes_are_told_by_attribute_and_one_by_one_and_can_be_heard(session: Session, made: Settings) -> None:
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    table = (session.root / "reports/results.md").read_text(encoding="utf-8")
    readme = (session.root / "README.md").read_text(encoding="utf-8")
    assert "| lstm, energy | 75.0% | 7.5% |" in table and "| lstm, energy | 75.0% | 7.5% |" in readme
    assert "| lstm, all wishes | 62.5% | 6.2% |" in table
    assert "| lstm, key D major | D major | 50.0% | 5.0% | – | – |" in table
    assert "| lstm, energy lowest | below 0.25 | 75.0% | 7.5% | 0.10 | 0.50 |" in table
    assert "gives the test pieces 1.500 nats per note where it knows all attributes of each, and 1.750" in table
    assert "Made to order by lstm, energy highest" in html and 'id="controls"' in html
    run(settings("ngram", "gan"), session)
    assert 'id="controls"' not in (session.root / "reports/index.html").read_text(encoding="utf-8")


def test_the_page_and_the_tables(session: Session, made: Settings) -> None:
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    table = (session.root / "reports/results.md").read_text(encoding="utf-8")
    readme = (session.root / "README.md").read_text(encoding="utf-8")
    assert "leftover" not in html + table + readme
    tables = [part for part in table.split("\n\n") if part.startswith("| ")]
    rows, near, *_ = ({line.split(" | ")[0].strip("| "): line for line in part.splitlines()} for part in tables)
    assert rows["lstm"] == (
        "| lstm | **0.800** | **0.850** | **1,233.6** | 0.400 [0.20, 0.70] | 1,234,567 | 200 / 300 |"
    )
    assert rows["ngram"] == "| ngram | 0.900 | 0.950 | 1,234.6 | **0.300 [0.20, 0.70]** | 4,321 | – |"
    assert rows["gan¹"] == "| gan¹ | – | – | – | 0.500 [0.20, 0.70] | 1,234,567 | 200 / 300 |"
    assert rows["real music"] == "| real music | – | – | – | 0.110 [0.05, 0.20] | – | – |"
    assert "¹ Draws music without" in table and list(rows)[-1] == "real music"
    assert near["ngram"] == "| ngram | 0.700 | **0.900** | – | 60 / 64 |"
    assert near["gan"] == "| gan | **0.900** | 0.700 | – | 58 / 64 |"
    assert near["real music"] == "| real music | 0.950 | 0.950 | 0.950 | 380 / 400 |"
    assert "58 / 64" in html and html.count("<strong>") == 6
    assert readme.startswith(f"# etude\n\n{BOS}\n\n| variant") and readme.endswith(f"{EOS}\n\nMore.\n")
    assert "before" not in readme and rows["lstm"] in readme
    # real music, two samples a variant, two pieces to order and a harmony, each with a player and a roll
    assert html.count("<canvas") == html.count("<audio") == 10 == html.count("data:audio/mpeg;base64,")
    rolls = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', html, re.S)]
    assert [len(roll["tracks"]) for roll in rolls] == [2] * 10 and rolls[0]["tracks"][0]["notes"][0][2] == 72
    # loss, nats per note, generator loss; the distance of rolls has no value. Two descriptors; drums have no value.
    assert html.count("<picture>") == 5 and html.count("data:image/png;base64,") == 10
    assert "drum in pattern rate" in html and "roll_distance" not in html
    escaped = ("Tune 3 &lt;real&gt;", "not &lt;four&gt; parts (3)", "free &amp; open")
    for text in (*escaped, "p0 and p3: 0.61", "1,203 pairs (19 train, 17 test)", "lstm.hidden"):
        assert text in html, text


def test_no_network_no_place_and_the_same_bytes_again(session: Session, made: Settings) -> None:
    run(made, session)
    names = ("reports/index.html", "reports/results.md", "README.md")
    first = [(session.root / name).read_bytes() for name in names]
    html = first[0].decode()
    assert str(session.root) not in html and len(html) < 4_000_000
    assert not re.search(r'(src|href|srcset)="(?!data:|#)', html) and "http" not in html and "@import" not in html
    run(made, session)
    assert [(session.root / name).read_bytes() for name in names] == first


def test_a_hydra_run_leaves_the_readme_alone(session: Session, made: Settings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(made, Session(root=session.root, out=out, progress=False))
    assert (out / "reports/index.html").is_file() and not (session.root / "reports/index.html").exists()
    assert (session.root / "README.md").read_text(encoding="utf-8") == README


def test_many_variants_fit_on_the_page(session: Session, made: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stage.sounds([_piece(session)] * 3)
    monkeypatch.setattr(stage, "SOUND_BYTES", 10)
    cut, seconds = stage.sounds([_piece(session)] * 3)
    assert whole[1] == stage.SECONDS and seconds == 5 and len(cut) == 3


def _piece(session: Session) -> stage.Piece:
    return stage._piece(session.root / "data/reference/real.mid", session.root / "data/reference/real.mp3", "", "", "")


def test_what_is_missing_is_said_with_its_command(session: Session, made: Settings) -> None:
    (session.root / "data/arrange/gan/01.mp3").unlink()
    with pytest.raises(EtudeError, match="etude arrange model=gan"):
        run(made, session)
    (session.root / "reports/evaluate/lstm.json").unlink()
    with pytest.raises(EtudeError, match="etude evaluate model=lstm"):
        run(made, session)


def test_a_variant_that_counts_is_a_level_however_many_orders_it_tried(
    session: Session, made: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = "step,valid/nats_per_note\n1,9.0\n2,0.9\n3,1.1\n"
    (session.root / "models/ngram/history.csv").write_text(tried)
    sample_pieces: list[tuple[dict[str, Any], dict[str, float]]] = []

    def look(lines: dict[str, Any], levels: dict[str, float], *rest: Any) -> bytes:
        sample_pieces.append((lines, levels))
        return b"png"

    monkeypatch.setattr("etude.stages.report.curves", look)
    run(made, session)
    lines, levels = next((lines, levels) for lines, levels in sample_pieces if levels)
    assert levels == {"ngram": 0.9} and list(lines) == ["lstm"]


def test_empty_samples_are_said_below_the_table(session: Session, made: Settings) -> None:
    file = session.root / "reports/evaluate/lstm.json"
    report = json.loads(file.read_text())
    report["metrics"]["samples/empty"] = 3
    write_json(file, report)
    run(made, session)
    assert "lstm: 3 samples have no note" in (session.root / "reports/results.md").read_text()


def test_likelihood_by_frame_is_said_below_the_table(session: Session, made: Settings) -> None:
    file = session.root / "reports/evaluate/lstm.json"
    report = json.loads(file.read_text())
    kept = {name: value for name, value in report["metrics"].items() if "nats_per_note" not in name}
    report["metrics"] = {**kept, "test/nats_per_frame": 8.1234}
    write_json(file, report)
    run(made, session)
    table = (session.root / "reports/results.md").read_text()
    assert "in nats per frame on test, the first frame of a piece given: lstm 8.123." in table
    assert "| gan¹ |" in table and "| lstm |" in table  # which has a likelihood


def test_reasons_are_gathered_and_duplicates_named() -> None:
    entries = [
        {"source": "x/b.mid", "reason": "9 notes, fewer than ingest.min_notes = 16"},
        {"source": "x/a.mid", "reason": "3 notes, fewer than ingest.min_notes = 16"},
        {"source": "c.mid", "reason": "the same notes as e f, which is kept"},
        {"source": "d.mid", "reason": "the same notes as g, which is kept"},
        {"source": "h.mid", "reason": "91% like g, which is kept (in any key)"},
        *({"source": f"{n}.mid", "reason": "damaged"} for n in range(30)),
    ]
    found = stage.reasons(entries)
    assert found[0] == ("damaged", 30, [f"{n}.mid" for n in sorted(map(str, range(30)))][: stage.NAMES])
    assert found[1:] == [
        ("3 notes, fewer than ingest.min_notes = 16 and the like", 2, ["a.mid", "b.mid"]),
        ("the same notes as another piece, which is kept", 2, ["c.mid (e f)", "d.mid (g)"]),
        ("91% like another piece, which is kept (in any key)", 1, ["h.mid (g)"]),
    ]
    many = [{"source": f"{n}", "reason": "reason " + "x" * n} for n in range(stage.REASONS + 3)]
    assert stage.reasons(many)[-1] == ("3 other reasons", 3, [])


def test_round_trips_stand_on_the_page(session: Session, made: Settings) -> None:
    run(made, session)
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
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
    assert "lstm on test with 0.123 nats per cell, 97.1% of all cells right, 65.4% of those" in note
    html = (session.root / "reports/index.html").read_text(encoding="utf-8")
    assert "lstm<sup>2</sup>" in html and "gan<sup>1</sup>" in html
