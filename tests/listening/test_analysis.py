"""The analysis of a simulated panel: one JSON with every part, and a page that says so first."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from listening.panel import Panel, as_file, make_key, write

from etude.artifacts.context import Session
from etude.core.errors import EtudeError
from etude.core.files import Json, write_json
from etude.listening.analysis import Key, analyse, collect, main_figures, objective_measures
from etude.listening.design import PAIR, RATING, VERSION, Question, Shape, repeats_of
from etude.listening.tables import SIMULATED, escaped, facts, markdown, page_tables, summary

SYSTEMS = ("gan", "lstm", "real", "voices")
KEY = make_key(SYSTEMS, 6, Shape(2, 2, 3, (Question("Do you play?", ("yes", "no")),)))
KNOWN = {"gan": -1.5, "lstm": -0.5, "voices": 0.5, "real": 1.5}
MEANS = {"gan": 2.0, "lstm": 2.7, "voices": 3.3, "real": 4.0}
RUNS = 60  # of bootstraps: enough for an interval, and quick
OBJECTIVE = {
    "gan": {"samples/distance": 1.4, "samples/distance_low": 1.2, "test/nats": 3.0},
    "lstm": {"samples/distance": 0.9, "samples/distance_low": 0.8, "test/nats": 0.7},
    "voices": {"samples/distance": 0.4, "samples/distance_low": 0.3},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 listeners, one who does not attend, one who stopped, and a spoiled file."""
    folder = tmp_path_factory.mktemp("answers")
    panel = Panel(KEY, KNOWN, MEANS, seed=3)
    people = panel.listeners(16)
    stopped = panel.listener()
    stopped = replace(stopped, answers={place: stopped.answers[place] for place in range(5)})
    write(folder, KEY.test, [*people, panel.listener(attentive=False), stopped])
    (folder / "spoiled.json").write_text("{")
    return folder


@pytest.fixture(scope="module")
def found(answers: Path) -> Json:
    return analyse(KEY, answers, OBJECTIVE, runs=RUNS)


def test_who_counts_and_who_does_not(found: Json) -> None:
    listeners = found["listeners"]
    assert (listeners["asked"], listeners["kept"]) == (18, 16) and len(listeners["codes"]) == 17
    assert sorted(one["reason"] for one in listeners["left_out"]) == ["attention", "incomplete"]
    assert [one["source"] for one in listeners["spoiled"]] == ["spoiled.json"]


def test_the_known_order_is_found_by_preference_and_by_rating(found: Json) -> None:
    ranked = sorted(SYSTEMS, key=lambda name: found["strengths"][name]["rank"])
    assert ranked == ["real", "voices", "lstm", "gan"]
    for own in found["strengths"].values():
        assert own["low"] < own["strength"] < own["high"] and 0 < own["wins"] < 1
    for scale in found["scales"].values():
        means = [scale["means"][name]["mean"] for name in ranked]
        assert means == sorted(means, reverse=True)
        assert {(one["first"], one["second"]): one["verdict"] for one in scale["comparisons"]}[
            "gan", "real"
        ] == "second"
    verdicts = {(one["first"], one["second"]): one["verdict"] for one in found["preferences"]["comparisons"]}
    assert verdicts["gan", "real"] == "second" and len(verdicts) == 6
    assert 0.03 < found["preferences"]["none"] < 0.2 and found["preferences"]["answers"] == 16 * 12


def test_objective_measures_are_ranked_with_what_listeners_say(found: Json) -> None:
    entries = {(one["measure"], one["subjective"]): one for one in found["objective"]}
    assert {measure for measure, _ in entries} == {"samples/distance"}, "others are no measure of all models"
    own = entries["samples/distance", "preference"]
    assert own["rho"] == pytest.approx(-1) and own["n"] == 3 and -1 <= own["low"] <= own["high"]
    assert len(entries) == 6


def test_every_part_is_there_and_is_plain_json(found: Json) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["simulated"] is True and found["test"] == KEY.test.id
    assert set(found["agreement"]) == {"preference", "retest", *KEY.test.scales}
    assert 0 < found["agreement"]["harmony"]["alpha"] < 1 and found["agreement"]["retest"]["pairs"] == 48
    assert found["questions"] == {"Do you play?": {"yes": 16, "no": 0}}


def test_the_same_answers_give_the_same_bytes(answers: Path, found: Json, tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", found)
    write_json(tmp_path / "b.json", analyse(KEY, answers, OBJECTIVE, runs=RUNS))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_repeats_do_not_count_twice() -> None:
    one = Panel(KEY, KNOWN).listener()
    preferences, ratings = collect(KEY, [one])
    pages = KEY.test.pages_of(one.id)
    assert len(preferences) == sum(page.kind == PAIR for page in pages) - len(repeats_of(pages)) == 12
    assert len(ratings) == 5 * sum(page.kind == RATING for page in pages)


def test_the_page_says_first_that_nobody_was_asked(found: Json) -> None:
    text = markdown(found)
    assert text.splitlines()[2] == f"- {SIMULATED}" and facts({**found, "simulated": False})[1].startswith("16 of 18")
    for part in (
        "## What listeners prefer",
        "## Pairs, by preference",
        "## Pairs, by harmony",
        "## Agreement",
        "| real |",
    ):
        assert part in text
    assert "gan, real" in text and "real is better" in text and "Spoiled: spoiled.json" in text
    tables = page_tables(found)
    assert all(len(row) == len(table.heads) for table in tables for row in table.rows)
    assert tables[0].title == "What listeners prefer" and len(tables) == 9


def test_figures_for_mlflow(found: Json) -> None:
    figures = main_figures(found)
    assert figures["listen/listeners"] == 16 and figures["listen/strength_real"] > figures["listen/strength_gan"]
    assert figures["listen/harmony_voices"] == pytest.approx(3.3, abs=0.3)


def test_one_listener_is_enough_to_see_and_too_few_to_conclude(tmp_path: Path) -> None:
    write(tmp_path, KEY.test, Panel(KEY, KNOWN, seed=1).listeners(1))
    found = analyse(KEY, tmp_path, {}, runs=RUNS)
    assert {one["verdict"] for one in found["preferences"]["comparisons"]} == {"open"}
    assert {own["low"] for own in found["strengths"].values()} == {None}, "no interval of width 0"
    assert {one["equal"] for one in found["preferences"]["comparisons"]} == {None}
    assert "less than 5 listeners" in markdown(found)
    assert found["preferences"]["comparisons"][0]["detectable"] is None and found["objective"] == []
    assert found["agreement"]["preference"]["alpha"] is None and "–" in markdown(found)


def test_people_are_never_mixed_with_programs(tmp_path: Path) -> None:
    panel = Panel(KEY, KNOWN, seed=2).listeners(3)
    write(tmp_path, KEY.test, [*panel[:2], replace(panel[2], simulated=False)])
    found = analyse(KEY, tmp_path, {}, runs=RUNS)
    assert found["simulated"] is False and found["listeners"]["kept"] == 1
    assert [one["reason"] for one in found["listeners"]["left_out"]] == ["simulated", "simulated"]


def test_nobody_is_named_with_the_reasons(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(EtudeError, match=r"nobody's answers count \(a\.json: it holds no answers"):
        analyse(KEY, tmp_path, {}, runs=RUNS)
    one = Panel(KEY, KNOWN).listener()
    (tmp_path / "a.json").write_text(json.dumps({**as_file(KEY.test, one), "answers": []}))
    with pytest.raises(EtudeError, match="there are none"):
        analyse(KEY, tmp_path, {}, runs=RUNS)
    (tmp_path / "b.json").write_text(json.dumps(as_file(KEY.test, Panel(KEY, KNOWN, seed=4).listener())))
    found = analyse(KEY, tmp_path, {}, runs=RUNS)
    assert (found["listeners"]["asked"], found["listeners"]["silent"]) == (1, 1), "who only pressed Start is not asked"


def test_names_of_files_are_shown_as_they_stand() -> None:
    text = escaped("a|b`<img src=x>\x1b[31m\n# [x](y)")
    assert text == "a\\|b\\`\\<img src=x\\>\N{REPLACEMENT CHARACTER}\\[31m \\# \\[x\\](y)"


def test_the_terminal_gets_conclusions_and_one_table(found: Json) -> None:
    text = summary(found)
    assert SIMULATED in text and "gan and real, by preference: real is better (p " in text
    assert text.count("\n") < 20 and "| ---" not in text


def test_a_key_is_read_and_a_damaged_one_named(tmp_path: Path) -> None:
    clips = {
        clip: {"system": name, "seconds": 12.0, "prompt": KEY.prompts.get(clip)} for clip, name in KEY.system_of.items()
    }
    value = {"version": VERSION, "systems": list(SYSTEMS), "clips": clips, "test": KEY.test.as_json()}
    path = tmp_path / "a.key.json"
    write_json(path, value)
    assert Key.read(path) == KEY
    test, first = KEY.test.as_json(), KEY.test.clips[0]
    tests: list[Json] = [
        {"version": 99},
        {"id": "no hex"},
        {"scales": ["beauty"]},
        {"sheets": [[]]},
        {"sheets": [[1000]]},
        {"sheets": [[0.5]]},
        {"training": ["f" * 12]},
        {"pages": []},
        {"pages": [{"kind": "essay", "clips": []}]},
        {"pages": [{"kind": "pair", "clips": [first, first]}]},
        {"pages": [{"kind": "rating", "clips": [7]}]},
        {"pages": [{"kind": "question", "text": "How?", "choices": ["one"]}]},
    ]
    changes: list[Json] = [
        {"version": 9},
        {"clips": {}},
        {"clips": {**clips, first: {**clips[first], "system": "nobody"}}},
        {"clips": {**clips, first: {**clips[first], "seconds": -1}}},
        {"systems": None},
        {"systems": ["gan", "gan", "lstm", "real", "voices"]},
        {"test": {}},
        *({"test": {**test, **change}} for change in tests),
    ]
    for change in changes:
        write_json(path, {**value, **change})
        with pytest.raises(EtudeError, match=r"a\.key\.json"):
            Key.read(path)
    for text in ("[1]", "[" * 100_000, '{"version": ' + "9" * 5000 + "}"):
        path.write_text(text)
        with pytest.raises(EtudeError, match=r"a\.key\.json is (no key|damaged)"):
            Key.read(path)
    with pytest.raises(EtudeError, match="is no key"):
        Key.read(tmp_path)
    with pytest.raises(EtudeError, match="does not exist"):
        Key.read(tmp_path / "b.key.json")


def test_measures_of_models_that_were_evaluated(tmp_path: Path) -> None:
    write_json(
        tmp_path / "reports/evaluate/lstm.json", {"metrics": {"samples/distance": 0.5, "test/x": None, "name": "a"}}
    )
    session = Session(root=tmp_path, progress=False)
    assert objective_measures(session, ["lstm", "real"]) == {"lstm": {"samples/distance": 0.5}}
