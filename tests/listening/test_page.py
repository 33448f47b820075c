"""The page in a browser: a listener plays, rates, reloads and finishes; by keys alone; nothing tells a system."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import PHONE, Opened, opened, watch
from listening.panel import make_key, tones
from listening.served import Server
from playwright.sync_api import Browser, Dialog

from etude.core.errors import EtudeError
from etude.listening.answers import read_answers, read_listener
from etude.listening.design import PAIR, QUESTION, RATING, Question, Shape, repeats_of
from etude.listening.page import AWAY, Texts, page, read_page, write_page

QUESTIONS = (Question("Do you play an instrument?", ("yes", "no")),)
KEY = make_key(("lstm_attention", "real"), 2, Shape(1, 1, 0, QUESTIONS))
PAGES = 1 + 1 + 2  # a question, a pair, two ratings
TEXTS = Texts(("Please listen <b>well</b>.",), "lab@example.org")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "listen.html"
    write_page(path, KEY.test, tones(KEY.test), TEXTS)
    return path


@pytest.fixture
def seen(chromium: Browser, file: Path) -> Iterator[Opened]:
    with opened(chromium) as made:
        made.page.goto(file.as_uri())
        yield made


def start(seen: Opened) -> None:
    seen.page.check("#agree")
    seen.page.click("#start")


def hear_all(seen: Opened) -> None:
    """Play all clips of the page to the end, one after the other."""
    for button in seen.page.query_selector_all(".clip button"):
        button.click()
        box = button.evaluate_handle("button => button.closest('.clip')")
        seen.page.wait_for_function("box => box.textContent.endsWith('heard')", arg=box, timeout=20_000)


def answer_page(seen: Opened, choice: int = 0) -> None:
    """Play and rate what is on the screen, and go on."""
    hear_all(seen)
    for group in seen.page.query_selector_all("#page fieldset"):
        group.query_selector_all("input")[choice].check()
    seen.page.click("#page button.next")


def kinds(seen: Opened) -> list[str]:
    return [one.kind for one in KEY.test.pages_of(seen.page.evaluate("state.listener"))]


def test_a_listener_plays_rates_reloads_and_finishes(seen: Opened, tmp_path: Path) -> None:
    page = seen.page
    seen.check()
    assert page.is_disabled("#start") and page.inner_text("#consent p") == "Please listen <b>well</b>."
    start(seen)
    seen.check()
    assert page.is_disabled("#page button.next") and "play A and B to the end" in page.inner_text("#need")
    answer_page(seen)  # the training page
    listener = page.evaluate("state.listener")
    assert re.fullmatch("[0-9a-f]{32}", listener) and page.evaluate("state.answers") == []
    for place in range(PAGES):
        seen.check()
        assert page.inner_text("#place") == f"Page {place + 1} of {PAGES}"
        if place == 2:
            page.reload()  # in the middle: it goes on where it was
            assert page.inner_text("#place") == "Page 3 of 4" and page.evaluate("state.listener") == listener
            assert page.inner_text("#saved") == "2 answers kept in this browser."
        answer_page(seen, 1)
    seen.check()
    assert page.query_selector("#code") is None, "no code before the answers are safe"
    with page.expect_download() as started:
        page.click("text=Save my answers")
    path = tmp_path / "answers.json"
    started.value.save_as(path)
    code = page.inner_text("#code")
    assert started.value.suggested_filename == f"listen-{code}.json"
    found = read_listener(KEY.test, json.loads(path.read_text()), "answers.json")
    assert found.id == listener and found.code == code and not found.simulated and len(found.answers) == PAGES
    for place, one in enumerate(KEY.test.pages_of(listener)):
        answer = found.answers[place]
        if one.kind == PAIR:
            assert answer["choice"] == "none" and answer["plays"] == [1, 1]
        if one.kind == RATING:
            assert answer["ratings"] == dict.fromkeys(KEY.test.scales, 2)
        if one.kind == QUESTION:
            assert answer["choice"] == 1
    page.reload()
    assert page.inner_text("#code") == code
    seen.check()


def test_keys_alone_are_enough(seen: Opened) -> None:
    page = seen.page
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".clip")
    for place in range(PAGES + 1):
        kind = "training" if place == 0 else kinds(seen)[place - 1]
        for name in {PAIR: "ab", "training": "ab", RATING: "a", QUESTION: ""}[kind]:
            page.keyboard.press(name)
            page.wait_for_function("key => page.clips['ab'.indexOf(key)].heard", arg=name, timeout=20_000)
        page.keyboard.press("2")
        if kind in ("training", RATING):
            for _ in range(4 if kind == RATING else 5):
                page.keyboard.press("5")
        assert page.is_enabled("#page button.next")
        page.keyboard.press("Enter")
    assert page.evaluate("finished()") and len(page.evaluate("state.answers")) == PAGES
    page.keyboard.press("Tab")
    with page.expect_download():
        page.keyboard.press("Enter")
    assert page.evaluate("state.answers.filter(one => one.ratings).every(one => one.ratings.harmony === 5)")
    assert seen.errors == []


def test_single_keys_can_be_switched_off_and_the_page_still_works_by_tab_and_arrows(seen: Opened) -> None:
    start(seen)
    seen.page.uncheck("#shortcuts")
    seen.page.keyboard.press("1")
    seen.page.keyboard.press("a")
    assert seen.page.evaluate("page.groups.every(group => !group.inputs.some(input => input.checked))")
    assert seen.page.evaluate("page.clips.every(clip => clip.plays === 0)")
    seen.page.focus("#page fieldset input")
    seen.page.keyboard.press("Space")
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.evaluate("page.answer.choice") == "none"


def test_next_needs_both_clips_and_every_scale(seen: Opened) -> None:
    start(seen)
    page = seen.page
    for group in page.query_selector_all("#page fieldset"):
        group.query_selector_all("input")[0].check()
    assert page.is_disabled("#page button.next") and page.inner_text("#need") == "To go on, play A and B to the end."
    hear_all(seen)
    assert page.is_enabled("#page button.next") and page.inner_text("#need") == ""


def test_leaving_with_unsaved_answers_is_asked_about(seen: Opened) -> None:
    page = seen.page
    start(seen)
    answer_page(seen)
    assert not page.evaluate("unsaved()"), "the browser keeps them: one may come back"
    for _ in range(PAGES):
        answer_page(seen)
    assert page.evaluate("unsaved()")
    asked = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", answer)
    page.close(run_before_unload=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    with page.expect_download():
        page.click("text=Save my answers")
    assert not page.evaluate("unsaved()")


def test_it_fits_a_phone_and_a_dark_room(chromium: Browser, file: Path) -> None:
    with opened(chromium, viewport=PHONE, color_scheme="dark", has_touch=True) as seen:
        seen.page.goto(file.as_uri())
        seen.check()
        start(seen)
        seen.check()
        for step in (2, 3, 4, 1 + PAGES, 2 + PAGES):
            seen.page.evaluate("step => { state.step = step; show(); }", step)
            seen.check()


def test_a_browser_that_keeps_nothing_says_so(chromium: Browser, file: Path) -> None:
    with opened(chromium) as seen:
        seen.page.add_init_script("Storage.prototype.setItem = () => { throw new Error('full'); }")
        seen.page.goto(file.as_uri())
        start(seen)
        answer_page(seen)
        answer_page(seen)
        assert "keeps nothing" in seen.page.inner_text("#saved") and seen.page.evaluate("unsaved()")


def test_a_served_page_sends_each_answer_and_waits_for_a_server_that_is_away(
    chromium: Browser, file: Path, tmp_path: Path
) -> None:
    database = tmp_path / "listen.sqlite"
    with opened(chromium) as seen:
        page = seen.page
        with Server(file, database) as first:
            page.goto(first.address)
            start(seen)
            page.wait_for_selector(".clip")
            answer_page(seen)
            answer_page(seen)
            page.wait_for_function("() => document.getElementById('saved').textContent === '1 answer saved.'")
            seen.check()
            first.kill()
            port = first.port
        answer_page(seen)
        page.wait_for_function("() => document.getElementById('saved').textContent.startsWith('Not saved yet')")
        assert page.evaluate("unsaved()")
        for _ in range(PAGES - 2):
            answer_page(seen)
        assert page.query_selector("#code") is None, "no code while answers wait"
        with Server(file, database, port):
            page.evaluate("() => dispatchEvent(new Event('online'))")  # it would try again by itself, in half a minute
            page.wait_for_selector("#code", timeout=40_000)
            assert not page.evaluate("unsaved()") and "All your answers are saved" in page.inner_text("#page")
            assert all("ERR_CONNECTION_REFUSED" in text for text in seen.errors)
            (one,), spoiled = read_answers(KEY.test, database)
            assert not spoiled and one.code == page.inner_text("#code") and len(one.answers) == PAGES
            again = watch(page.context.new_page())
            again.page.goto(first.address)
            assert again.page.inner_text("#code") == one.code
            again.check()


def test_nothing_in_the_page_tells_a_system(file: Path) -> None:
    text = file.read_text()
    without_sound = re.sub(r'"clips":\{[^}]*\}', "", text)
    assert len(without_sound) < 60_000
    for word in ("lstm", "attention:", '"real"', "gan", "/work", "/tmp", ".mid"):
        assert word not in without_sound.lower().replace("organ", "")
    assert not re.search(r"(src|href)=\"(?!data:)", text) and "http://" not in text and "https://" not in text
    sizes = {len(mp3) for mp3 in json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])["clips"].values()}  # type: ignore[index]
    assert sizes


def test_the_page_is_the_same_for_the_same_test_and_is_read_back(file: Path) -> None:
    sounds = tones(KEY.test)
    assert page(KEY.test, sounds, TEXTS) == page(KEY.test, sounds, TEXTS) == file.read_text()
    served = read_page(file)
    assert served.test == KEY.test and served.html.count(b'data-server="yes"') == 1
    assert "'sha256-" in served.policy and "&" not in served.policy
    assert not repeats_of(served.test.pages_of("0" * 32))


def test_texts(tmp_path: Path) -> None:
    assert "about 21 minutes" in Texts.read(None, "", 21).consent[0]
    (tmp_path / "a.txt").write_text("One\nline.\n\n\nAnother.\n")
    assert Texts.read(tmp_path / "a.txt", "x", 1) == replace(TEXTS, consent=("One line.", "Another."), contact="x")
    (tmp_path / "b.txt").write_text("\n")
    with pytest.raises(EtudeError, match="is empty"):
        Texts.read(tmp_path / "b.txt", "", 1)
    with pytest.raises(EtudeError, match="cannot be read"):
        Texts.read(tmp_path / "c.txt", "", 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (AWAY, "<html>", "no page of etude listen build"),
        ('{"clips"', '{"clips', "is damaged"),
        ('"test":', '"te":', "damaged"),
    ],
)
def test_a_page_that_is_none_is_named(file: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "a.html").write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(EtudeError, match=message):
        read_page(tmp_path / "a.html")
    with pytest.raises(EtudeError, match="cannot be read"):
        read_page(tmp_path / "b.html")
