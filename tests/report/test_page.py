"""The page in a real browser: no error, nothing cut off, tables that sort, players by keys, axe without findings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import make_piece, smoke
from playwright.sync_api import Browser
from report.made_results import comparison, evaluated
from report.made_results import reference as made_reference
from symusic.core import ScoreTick

from etude.report import sections as frame
from etude.report import video
from etude.report.charts import MODELS
from etude.report.inputs import Pieces, ReportInputs, Training
from etude.report.players import Piece, style_players
from etude.report.templates import render

NAMES = [f"model_{place}" for place in range(6)]


def inputs() -> ReportInputs:
    """Hand-made results of six models, of which the last has no likelihood."""
    draw = np.random.default_rng(1)
    empty: dict[str, Any] = {name: {} for name in ReportInputs.__dataclass_fields__}
    values = {"values": [float(value) for value in draw.normal(3, 1, 5)], "mean": 3.0, "low": 2.5, "high": 3.5}
    measured = {name: evaluated(100 * (place % 2 + 1), place % 2) for place, name in enumerate(NAMES)}
    evaluate: dict[str, Any] = {}
    for place, name in enumerate(NAMES):
        metrics: dict[str, Any] = {"samples/distance": (place * 7) % 11 + 0.5, "test/nats_per_note": 10.0 + place}
        metrics |= {"samples/distance_low": place - 0.1, "samples/distance_high": place + 0.1}
        if name == NAMES[-1]:
            del metrics["test/nats_per_note"]
        described = {"polyphony": {**values, "distance": 0.5}}
        own = measured[name]
        evaluate[name] = {**own, "metrics": {**own["metrics"], **metrics}, "descriptors": described}
    evaluate[NAMES[0]]["comparison"] = comparison(NAMES[0])
    real = {"distance": 0.3, "low": 0.2, "high": 0.4, "pieces": 4, "descriptors": {"polyphony": 0.1}}
    found = {
        **made_reference(),
        "real_against_real": real,
        "descriptors": {"polyphony": values},
        "pieces": 5,
        "bars": 16,
    }
    history = [{"step": step, "train/nats_per_token": 100 / step} for step in (1, 10, 200)]
    pairs = {"train/test": {"shared_titles": {"pairs": 0}}}
    return ReportInputs(
        **{
            **empty,
            "evaluate": evaluate,
            "reference": found,
            "train": {
                name: Training({"steps": 200, "best_step": 200, "parameters": 9}, history, True) for name in NAMES
            },
            "generate": {name: {"pieces": [{}] * 4} for name in NAMES},
            "leakage": {"pairs": pairs},
            "ingest": {"shards": []},
            "split": {"train": [], "valid": [], "test": []},
        }
    )


def piece(title: str, score: ScoreTick) -> Piece:
    time = np.arange(2 * 16000) / 16000
    tone = np.sin(2 * np.pi * 220 * time).astype(np.float32) / 9
    return Piece(title, "A caption.", score, np.stack([tone, tone]), 16000)


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``inputs`` with three players and an engraved score."""
    score = make_piece(1, beats=4)
    pieces = Pieces(
        real=piece("Real music: a tune", score),
        samples={"model_0": [piece("model_0, sample 00", score)]},
        harmonies={"model_0": piece("model_0, a melody", score)},
        conditioned=[],
        copies={"model_0": (piece("model_0, sample 01", score), piece("Train piece p1", score))},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "HOW", replace(video.HOW, width=160, height=90, fps=10, seconds=1.0))
        shown = video.make_video(pieces.real)
    contents = frame.Contents(smoke(), inputs(), frame.make_scores(pieces), video=shown)
    left_out = (frame.data, frame.conditioning)  # which need more inputs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame, "SECTIONS", [make for make in frame.SECTIONS if make not in left_out])
        sections = frame.make_sections(contents)
    html = render(
        "report.html.j2",
        dataset="tiny",
        model_names=NAMES,
        trial="A trial: 4 steps a model.",
        facts=[("Dataset", "tiny")],
        sections=sections,
        made_by="etude report",
        models=MODELS,
        **style_players(),
    )
    file = tmp_path_factory.mktemp("page") / "index.html"
    file.write_text(html, encoding="utf-8")
    return file


@pytest.fixture
def opened(chromium: Browser, page_file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page at a width (1400 unless a test is parametrized), which must leave no error."""
    with browser.opened(chromium, viewport={"width": getattr(request, "param", 1400), "height": 900}) as found:
        found.page.goto(page_file.as_uri())
        yield found.page
        assert found.errors == []


def column(page: Any, section: str, number: int) -> list[str]:
    """The first lines of the cells of a column of a section's first table, real music included."""
    texts = (
        page.locator(f"#{section} table")
        .first.locator("tbody tr")
        .evaluate_all("(rows, number) => rows.map(row => row.cells[number].innerText.trim().split('\\n')[0])", number)
    )
    return list(map(str, texts))


def open_details(opened: Any) -> None:
    opened.locator("details").evaluate_all("found => found.forEach(one => { one.open = true; })")


@pytest.mark.parametrize("opened", [390], indirect=True)
def test_axe_finds_nothing(opened: Any) -> None:
    open_details(opened)
    found = Axe().run(opened).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("opened", [1400, 390], indirect=True)
def test_nothing_is_cut_off(opened: Any) -> None:
    open_details(opened)
    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    cut = opened.locator("main *").evaluate_all(
        "found => found.filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest('.wide'))"
        ".map(one => one.outerHTML.slice(0, 80))"
    )
    assert cut == [], "only what scrolls may reach beyond the page"


def test_navigation_has_the_sections_in_their_order(opened: Any) -> None:
    targets = opened.locator("nav a").evaluate_all("found => found.map(link => link.getAttribute('href').slice(1))")
    sections = opened.locator("main > section").evaluate_all("found => found.map(section => section.id)")
    assert targets == sections and sections[0] == "summary" and len(sections) == 15


def test_a_column_sorts_as_numbers_and_real_music_stays_last(opened: Any) -> None:
    head = opened.locator("#summary thead th").nth(1)
    before = column(opened, "summary", 0)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    shown = column(opened, "summary", 1)
    values = [float(text.split()[0]) for text in shown[:-1]]
    assert values == sorted(values) and values[-1] > 10 and shown[-1].startswith("0.300"), "10.5 comes after 2.5"
    opened.keyboard.press("Enter")  # the button keeps the focus
    assert head.get_attribute("aria-sort") == "descending"
    assert [float(text.split()[0]) for text in column(opened, "summary", 1)[:-1]] == values[::-1]
    for direction in ("ascending", "descending"):
        opened.locator("#summary thead th").nth(4).get_by_role("button").click()
        assert opened.locator("#summary thead th").nth(4).get_attribute("aria-sort") == direction
        assert column(opened, "summary", 4)[-2:] == ["–", "–"], "what is missing comes last in both directions"
    assert head.get_attribute("aria-sort") is None and column(opened, "summary", 0)[-1] == before[-1] == "real music"


def test_a_player_has_two_tab_stops_and_plays_by_keys(opened: Any) -> None:
    button = opened.get_by_role("button", name="Play: model_0, sample 00")
    button.focus()
    assert opened.locator("audio[controls]").count() == 0, "the browser's own controls are six stops each"
    opened.keyboard.press("Enter")
    opened.wait_for_function("[...document.querySelectorAll('audio')].some(one => !one.paused && one.currentTime > 0)")
    assert opened.get_by_role("button", name="Pause: model_0, sample 00").count() == 1
    opened.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert opened.evaluate(focused) == "Position: model_0, sample 00"
    opened.keyboard.press(" ")
    opened.wait_for_function("[...document.querySelectorAll('audio')].every(one => one.paused)")
    opened.keyboard.press("Home")
    slider = opened.get_by_role("slider", name="Position: model_0, sample 00")
    assert slider.get_attribute("aria-valuenow") == "0"
    opened.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == f"1 of {slider.get_attribute('aria-valuemax')} seconds"
    opened.keyboard.press("Tab")
    assert opened.evaluate(focused) != "Position: model_0, sample 00"


def test_one_sound_at_a_time(opened: Any) -> None:
    for title in ("Real music: a tune", "model_0, a melody"):
        opened.get_by_role("button", name=f"Play: {title}").click()
        opened.wait_for_function("[...document.querySelectorAll('audio')].filter(one => !one.paused).length === 1")
    assert opened.get_by_role("button", name="Pause: model_0, a melody").count() == 1


@pytest.mark.parametrize("opened", [390], indirect=True)
def test_the_page_does_not_grow_while_pictures_load(opened: Any) -> None:
    before = opened.evaluate("document.documentElement.scrollHeight")
    opened.evaluate("async () => { for (const one of document.images) { one.loading = 'eager'; await one.decode(); } }")
    opened.mouse.wheel(0, 100_000)
    opened.wait_for_timeout(100)
    assert opened.evaluate("document.documentElement.scrollHeight") == before
    assert opened.evaluate("[...document.images].every(one => one.getAttribute('width') && one.getAttribute('height'))")


@pytest.mark.parametrize("opened", [390], indirect=True)
def test_a_table_that_scrolls_says_so_and_keeps_its_first_column(opened: Any) -> None:
    wide = opened.locator("#results .wide").first
    assert "more" in str(wide.get_attribute("class")) and wide.get_attribute("tabindex") == "0"
    hint = "getComputedStyle(document.querySelector('#results .wide caption span'), '::before').content"
    assert "Scrolls" in opened.evaluate(hint)
    first = wide.locator("tbody th").first
    before = first.bounding_box()
    wide.evaluate("element => element.scrollLeft = 10_000")
    opened.wait_for_function("!document.querySelector('#results .wide').classList.contains('more')")
    assert first.bounding_box() == before


def test_the_video_is_seen_and_heard(opened: Any) -> None:
    video = opened.locator("#samples video")
    assert video.count() == 1 and video.get_attribute("aria-label") == "Video: Real music: a tune"
    opened.wait_for_function("document.querySelector('#samples video').readyState > 0", timeout=10_000)
    assert video.evaluate("it => [it.videoWidth, it.videoHeight, Math.round(it.duration)]") == [160, 90, 1]
