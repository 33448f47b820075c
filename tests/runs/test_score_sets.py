"""Two folders of scores compared without a model, and copies searched in them: as functions, and as commands."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, make_piece, smoke
from joblib import Parallel

from etude.artifacts.context import Session
from etude.cli import main as cli
from etude.core.errors import EtudeError
from etude.core.files import Json
from etude.runs import score_sets
from etude.runs.score_sets import (
    compare_with_others,
    copies_as_text,
    evaluate_sets,
    find_copies,
    output_place,
    write_comparison,
)
from etude.tasks.requests import ScoreSets

SETTINGS = replace(
    smoke(),
    evaluate=replace(smoke().evaluate, bars=4, bootstrap=20, permutations=20, draws=3, window=16),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ours``: eight pieces of which copy.mid is a piece of ``real`` a fourth up, and a broken file; ``real``: 17."""
    root = tmp_path_factory.mktemp("folders")
    for name in ("ours", "real", "held_out", "few"):
        (root / name).mkdir()
    for seed in range(16):
        make_piece(seed).dump_midi(root / f"real/r{seed:02}.mid")
    for seed in range(7):
        make_piece(100 + seed).dump_midi(root / f"ours/o{seed}.mid")
    make_piece(5, transpose=5).dump_midi(root / "ours/copy.mid")
    (root / "ours/broken.mid").write_bytes(b"no MIDI")
    for seed in range(5):
        make_piece(200 + seed).dump_midi(root / f"held_out/h{seed}.mid")
    for seed in range(3):
        make_piece(seed).dump_midi(root / f"few/{seed}.mid")
    return root


@pytest.fixture(scope="module")
def session(folders: Path) -> Session:
    return Session(root=folders, progress=False)


@pytest.fixture(scope="module")
def compared(folders: Path, session: Session) -> Json:
    return evaluate_sets(SETTINGS, session, str(folders / "ours"), str(folders / "real"))


@pytest.fixture(scope="module")
def copies(folders: Path, session: Session) -> Json:
    return find_copies(SETTINGS, session, str(folders / "ours"), str(folders / "real"), None, None)


# --- evaluate


def test_what_was_read_is_said(compared: Json) -> None:
    assert compared["pieces"]["read"] == 8 and compared["pieces"]["same_bytes"] == 0
    assert [one["file"] for one in compared["pieces"]["refused"]] == ["broken.mid"]
    assert compared["reference"] == {"folder": "real", "read": 16, "refused": [], "same_bytes": 0}
    assert compared["settings"] == vars(SETTINGS.evaluate)


def test_pieces_are_compared_with_one_half_and_the_other_half_too(compared: Json) -> None:
    real = compared["real"]
    assert real["pieces"] == 8, "a half of the reference"
    assert real["real_against_real"]["distance"] > 0, "sets of the other half, of other pieces"
    metrics = compared["metrics"]
    assert metrics["samples/pieces"] == 8 and metrics["samples/empty"] == 0
    assert metrics["samples/distance_low"] <= metrics["samples/distance"] <= metrics["samples/distance_high"]
    assert {name: part["value"] is not None for name, part in compared["sets"].items()} == dict.fromkeys(
        compared["sets"], True
    )
    assert sorted(one["rank"] for one in compared["ranks"]) == list(range(8))
    assert {one["file"] for one in compared["ranks"]} == {"copy.mid", *(f"o{seed}.mid" for seed in range(7))}
    assert {"descriptors", "structure", "distributions", "originality"} <= set(compared)
    json.dumps(compared, allow_nan=False)


def test_the_copy_is_found_in_all_of_the_reference(compared: Json) -> None:
    first, *others = compared["originality"]["pieces"]
    assert (first["file"], first["nearest"], first["score"], first["semitones"]) == ("copy.mid", "r05.mid", 1, -5)
    assert first["flagged"] and not any(one["flagged"] for one in others)
    assert compared["originality"]["compared_with"] == compared["originality"]["of"] == 16
    assert compared["real"]["originality"]["line"]["pieces"] == 16, "each against the others, not against itself"
    assert compared["real"]["originality"]["line"]["highest"] < 1


def test_workers_change_nothing_and_the_same_comes_again(folders: Path, session: Session, compared: Json) -> None:
    two = replace(session, workers=2)
    assert evaluate_sets(SETTINGS, two, str(folders / "ours"), str(folders / "real")) == compared


def test_processes_share_the_work_and_change_nothing(
    folders: Path, session: Session, copies: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def threads(count: int, **more: Any) -> Any:
        started.append(count)
        return Parallel(count, prefer="threads", **more)

    monkeypatch.setattr(score_sets, "Parallel", threads)
    monkeypatch.setattr(score_sets, "CHUNK", 150)
    monkeypatch.setattr(score_sets, "PARALLEL", 0)
    two = replace(session, workers=2)
    assert find_copies(SETTINGS, two, str(folders / "ours"), str(folders / "real"), None, None) == copies
    assert started == [2, 2]


def test_the_seed_splits_the_reference(folders: Path, session: Session, compared: Json) -> None:
    other = replace(SETTINGS, evaluate=replace(SETTINGS.evaluate, seed=SETTINGS.evaluate.seed + 1))
    found = evaluate_sets(other, session, str(folders / "ours"), str(folders / "real"))
    assert found["real"]["descriptors"] != compared["real"]["descriptors"]
    assert found["originality"]["pieces"][0] == compared["originality"]["pieces"][0]


def test_a_reference_of_three_is_refused(folders: Path, session: Session) -> None:
    with pytest.raises(EtudeError, match=r"reference = .*few has 3 readable scores\. .* at least 4"):
        evaluate_sets(SETTINGS, session, str(folders / "ours"), str(folders / "few"))
    with pytest.raises(EtudeError, match=r"pieces = .*gone does not exist"):
        evaluate_sets(SETTINGS, session, str(folders / "gone"), str(folders / "real"))


# --- originality


def test_a_transposed_copy_is_flagged_and_named(copies: Json) -> None:
    first, *others = copies["copies"]["pieces"]
    assert (first["file"], first["nearest"], first["semitones"]) == ("copy.mid", "r05.mid", -5)
    assert first["flagged"] and first["score"] == 1 and first["start"] == first["where"]
    assert not any(one["flagged"] for one in others)
    assert copies["threshold"] == copies["line"]["highest"] < 1 and copies["line"]["pieces"] == 16
    text = copies_as_text(copies)
    line = next(line for line in text.splitlines() if line.startswith("copy.mid"))
    assert f"1.00  COPIES quarter notes {first['start']:g} to " in line and "as r05.mid from " in line
    assert "5 semitones higher; longest run of one line" in line
    assert text.count("COPIES") == 1 and "1 of 8 have more in common with one piece than" in text
    assert "0.5 would be expected above the highest of 16." in text


def test_real_pieces_draw_the_line(folders: Path, session: Session, copies: Json) -> None:
    given = find_copies(
        SETTINGS, session, str(folders / "ours"), str(folders / "real"), str(folders / "held_out"), None
    )
    assert given["line"]["pieces"] == 5 and given["line"] != copies["line"]
    assert next(one["file"] for one in given["copies"]["pieces"] if one["flagged"]) == "copy.mid"
    assert given["copies"]["pieces"][0]["score"] == copies["copies"]["pieces"][0]["score"]


def test_a_threshold_takes_the_place_of_the_line(folders: Path, session: Session, copies: Json) -> None:
    pieces, real = str(folders / "ours"), str(folders / "real")
    every, none = (find_copies(SETTINGS, session, pieces, real, None, limit) for limit in (0.0, 1.0))
    assert all(one["flagged"] for one in every["copies"]["pieces"]) and every["threshold"] == 0
    assert [one["file"] for one in none["copies"]["pieces"] if one["flagged"]] == ["copy.mid"], "verbatim in any case"
    assert copies_as_text(every).endswith("8 of 8 have more in common with one piece than 0.00, the threshold given.")
    assert every["line"] == none["line"] == copies["line"]


def test_without_a_line_a_threshold_is_asked_for(folders: Path, session: Session, tmp_path: Path) -> None:
    pieces, alone = str(folders / "ours"), str(folders / "real/r05.mid")
    with pytest.raises(EtudeError, match=r"There is no line: .* Name real=FOLDER .* or threshold=0\.8"):
        find_copies(SETTINGS, session, pieces, alone, None, None)
    found = find_copies(SETTINGS, session, pieces, alone, None, 0.8)
    assert [one["file"] for one in found["copies"]["pieces"] if one["flagged"]] == ["copy.mid"]
    text = copies_as_text(found)
    assert "highest – (0 pieces)" in text and "expected" not in text, "no real pieces, no expectation"
    make_piece(1, beats=1).dump_midi(tmp_path / "short.mid")
    with pytest.raises(EtudeError, match="no real piece has 8 notes or more"):
        find_copies(SETTINGS, session, pieces, str(folders / "real"), str(tmp_path), None)
    short = find_copies(SETTINGS, session, str(tmp_path), str(folders / "real"), None, None)
    assert "1 of 1 pieces have fewer than 8 notes, and no score." in copies_as_text(short)


def test_only_the_least_original_are_printed(copies: Json) -> None:
    lines = copies_as_text(copies, most=2).splitlines()
    listed = [line for line in lines if ".mid  " in line]
    assert len(listed) == 2 and listed[0].startswith("copy.mid")
    assert any(line.startswith("pieces: 8 read, 1 refused: broken.mid (") for line in lines)
    assert any(line.startswith("These are the 2 highest of 8") for line in lines)


def test_a_copy_to_the_note_is_flagged_even_where_a_real_piece_is_one(session: Session, folders: Path) -> None:
    found = find_copies(SETTINGS, session, str(folders / "ours"), str(folders / "real"), str(folders / "real"), None)
    assert found["line"]["highest"] == 1 and found["metrics"]["samples/copied_flagged"] >= 1
    assert "only verbatim copies are flagged" in copies_as_text(found)


def test_of_a_large_reference_some_pieces_draw_the_line(
    session: Session, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_sets, "LINE", 4)
    from etude.metrics import originality
    from etude.metrics.notes import tabulate

    points = tabulate([make_piece(seed) for seed in range(8)], originality.STEPS, 100)
    found = compare_with_others(points, SETTINGS.evaluate, session)
    assert len(found) == 4 and compare_with_others(points, SETTINGS.evaluate, session) == found
    assert all(0 < one.score < 1 for one in found), "none is compared with itself"


# --- files


def test_page_and_numbers_lie_next_to_each_other(
    folders: Path, session: Session, compared: Json, tmp_path: Path
) -> None:
    sets = ScoreSets(str(folders / "ours"), str(folders / "real"), str(tmp_path / "own.html"))
    page, numbers = write_comparison(SETTINGS, session, sets)
    assert (page, numbers) == (tmp_path / "own.html", tmp_path / "own.json")
    assert json.loads(numbers.read_text()) == json.loads(json.dumps(compared))
    html = page.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>") and "copy.mid" in html and str(folders) not in html
    assert html.count("<audio") == 2 and "from quarter note" in html and "piece of the reference" in html
    assert "train piece" not in html and "test pieces" not in html and "valid pieces" not in html
    assert "Pieces</dt><dd>8 (1 refused)" in html and "pieces: ours, 8 read" in html
    first = page.read_bytes(), numbers.read_bytes()
    write_comparison(SETTINGS, replace(session, workers=2), replace(sets, overwrite=True))
    assert (page.read_bytes(), numbers.read_bytes()) == first
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own.html", "own.json"]


def test_without_a_name_the_page_lies_in_runs_and_is_replaced(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_sets, "read_both", lambda *given: given[2:])
    monkeypatch.setattr(score_sets, "compare_folders", lambda *given: {"given": list(given[2:])})
    monkeypatch.setattr(score_sets, "_copied", lambda *given: iter(()))
    monkeypatch.setattr(score_sets, "score_sets_page", lambda *found: "page")
    monkeypatch.setattr(score_sets, "comparison_as_text", lambda found: "")
    own = replace(session, root=tmp_path)
    for _ in range(2):
        page, numbers = write_comparison(SETTINGS, own, ScoreSets("a", "b"))
    assert (page, numbers) == (tmp_path / "runs/evaluation.html", tmp_path / "runs/evaluation.json")
    assert json.loads(numbers.read_text()) == {"given": ["a", "b"]} and page.read_text() == "page"


@pytest.mark.parametrize("there", ["own.html", "own.json"])
def test_existing_files_are_refused_before_any_work(
    there: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_sets, "read_both", lambda *_: pytest.fail("nothing may be read"))
    (tmp_path / there).write_text("mine")
    with pytest.raises(EtudeError, match=rf"{there} exists\. Name another file, or replace it with overwrite=true"):
        write_comparison(SETTINGS, session, ScoreSets("a", "b", str(tmp_path / "own.html")))
    assert (tmp_path / there).read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_failure_leaves_nothing(session: Session, folders: Path, tmp_path: Path) -> None:
    sets = ScoreSets(str(folders / "ours"), str(folders / "few"), str(tmp_path / "own.html"))
    with pytest.raises(EtudeError, match="3 readable scores"):
        write_comparison(SETTINGS, session, sets)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own.txt", r"must end in \.html or \.htm"),
        ("own.json", r"must end in \.html or \.htm"),
        ("folder.html", r"is a folder. Name a file in it"),
        ("none/own.html", r"the folder .*none does not exist\. Make it, or name another"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(EtudeError, match=message):
        output_place(str(tmp_path / name), (".html", ".htm"), True)


# --- commands


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Commands run in the project, and with the quick settings of this file; what Hydra notes goes elsewhere."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["etude"])
    monkeypatch.setattr("etude.config.compile.settings_of", lambda root: SETTINGS)
    yield tmp_path


QUICK = ["evaluate.bars=4", "evaluate.bootstrap=20", "evaluate.permutations=20", "evaluate.draws=3"]
QUICK += ["evaluate.window=16", "session.progress=false"]


def test_evaluate_writes_the_page(folders: Path, commands: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = commands / "own.html"
    given = [f"pieces={folders / 'ours'}", f"reference={folders / 'real'}", f"output={page}"]
    assert cli.run_command(["evaluate", *given, *QUICK, f"hydra.run.dir={commands / 'notes'}"]) == 0
    assert f"etude: evaluate wrote {page} and {commands / 'own.json'}" in capsys.readouterr().out
    found = json.loads((commands / "own.json").read_text())
    assert found["settings"]["window"] == 16 and found["pieces"]["read"] == 8 and "copy.mid" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "pieces=ours"], r"reference is not set\. Name two folders: etude evaluate pieces="),
        (["evaluate", "reference=real"], r"pieces is not set\. Name two folders"),
        (
            ["evaluate", "pieces=a", "reference=b", "input=x.mid"],
            r"input is of etude harmonize and etude arrange and etude video alone, not of etude evaluate",
        ),
        (["evaluate", "pieces=gone", "reference=gone"], r"pieces = gone does not exist"),
        (["evaluate", "output=x.html"], r"pieces is not set\. Name two folders"),
        (["control", "reference=b"], r"reference is of etude evaluate alone, not of etude control"),
    ],
)
def test_mistakes_of_evaluate_are_sentences(arguments: list[str], message: str, commands: Path) -> None:
    with pytest.raises(EtudeError, match=message):
        cli.run_command([*arguments, f"hydra.run.dir={commands / 'notes'}"])


def test_originality_exits_with_1_where_a_piece_copies(
    folders: Path, commands: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = commands / "found.json"
    given = [f"pieces={folders / 'ours'}", f"reference={folders / 'real'}"]
    assert cli.run_command(["originality", *given, f"output={file}"]) == 1
    told = capsys.readouterr()
    assert (
        "COPIES quarter notes " in told.out
        and "as r05.mid from" in told.out
        and f"etude: originality wrote {file}" in told.err
    )
    found: dict[str, Any] = json.loads(file.read_text())
    assert found["copies"]["pieces"][0]["flagged"] and found["window"] == 16
    others = f"pieces={folders / 'held_out'}"
    assert cli.run_command(["originality", others, given[1], "threshold=1", "window=8"]) == 0
    assert "Score: the share of 8 successive notes" in capsys.readouterr().out
    with pytest.raises(EtudeError, match=r"found\.json exists"):
        cli.run_command(["originality", *given, f"output={file}"])
    own = [*given[:1], f"reference={folders / 'held_out'}", f"real={folders / 'real'}"]
    assert cli.run_command(["originality", *own, f"output={file}", "overwrite=true"]) in (0, 1)
    assert json.loads(file.read_text())["line"]["pieces"] == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pieces=a"], r"reference is not set, as in: etude originality pieces="),
        (["reference=a"], r"pieces is not set"),
        (["pieces=a", "reference=b", "threshold=2"], r"threshold = 2 must be a number from 0 to 1"),
        (["pieces=a", "reference=b", "threshold=nan"], r"threshold = nan must be a number"),
        (["pieces=a", "reference=b", "threshold=high"], r"threshold = high must be a number"),
        (["pieces=a", "reference=b", "window=7"], r"window = 7 must be a whole number from 8 to 1024"),
        (["pieces=a", "reference=b", "window=long"], r"window = long must be a whole number"),
        (["pieces=a", "reference=b", "overwrite=yes"], r"overwrite = yes must be true or false"),
        (["pieces=a", "reference=b", "output=x.html"], r"output = x\.html must end in \.json"),
        (["piece=a"], r'etude originality has no key "piece"\. Did you mean "pieces"'),
        (["pieces=gone", "reference=gone"], r"pieces = gone does not exist"),
    ],
)
def test_mistakes_of_originality_are_sentences(arguments: list[str], message: str, commands: Path) -> None:
    with pytest.raises(EtudeError, match=message):
        cli.run_command(["originality", *arguments])


def test_a_mistake_ends_with_status_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from etude.cli.entry import main

    monkeypatch.setattr("sys.argv", ["etude", "originality", "pieces=a"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and capsys.readouterr().err.startswith("etude: reference is not set")


def test_the_helps_name_the_keys() -> None:
    from etude.cli.help import help_of

    text = help_of("originality", ROOT / "conf")
    for key in ("pieces=FOLDER", "reference=FOLDER", "real=FOLDER", "threshold=SHARE", "window=N", "output=FILE"):
        assert key in text
    assert "pieces=null" in help_of("evaluate", ROOT / "conf") and "reference=null" in help_of(
        "evaluate", ROOT / "conf"
    )
