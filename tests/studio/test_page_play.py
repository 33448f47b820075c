"""The tab Play in a browser: it sounds, is steered, answers to keys, is taken away and comes back from a link."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, Opened, opened
from playwright.sync_api import Browser, Locator, Page
from studio.served import Studio, serving

from etude.studio.models import Models

PATIENCE = 60.0  # seconds
TAB = "etude.studio.tabOf('play')"


@pytest.fixture
def seen(chromium: Browser, studio: Studio) -> Iterator[Opened]:
    with visit(chromium) as made:
        load(made, studio.link)
        yield made


def visit(browser: Browser, **options: Any) -> Any:
    return opened(browser, permissions=["clipboard-read", "clipboard-write"], accept_downloads=True, **options)


def load(seen: Opened, address: str) -> Page:
    seen.page.goto(address)
    seen.page.wait_for_selector("html[data-ready]", timeout=PATIENCE * 1000)
    assert seen.page.is_visible("#panel-play"), "it is the first tab"
    return seen.page


def until(page: Page, condition: str) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := page.evaluate(condition)):
        assert time.monotonic() < end, f"never: {condition}; the page says: {page.inner_text('#panel-play .log')}"
        time.sleep(0.03)
    return found


def panel(page: Page) -> Locator:
    return page.locator("#panel-play")


def start(page: Page, model: str = "lstm_attention", tempo: int = 200) -> None:
    panel(page).get_by_label("Model").select_option(model)
    slide(page, "Tempo", tempo)
    panel(page).get_by_role("button", name="Start", exact=True).click()
    until(page, f"{TAB}.playing")


def stop(page: Page) -> None:
    panel(page).get_by_role("button", name="Stop", exact=True).click()
    until(page, f"!{TAB}.playing")


def slide(page: Page, name: str, value: float) -> None:
    panel(page).get_by_label(name, exact=False).first.evaluate(
        "(own, value) => { own.value = value; own.dispatchEvent(new Event('input')) }", value
    )


def download(page: Page, kind: str) -> bytes:
    with page.expect_download(timeout=PATIENCE * 1000) as made:
        panel(page).locator(f"[data-file={kind}]").click()
    return Path(made.value.path()).read_bytes()


def test_it_sounds_a_slider_is_heard_in_the_notes_and_a_link_gives_the_same_bytes_again(
    seen: Opened, chromium: Browser, studio: Studio
) -> None:
    page = seen.page
    start(page)
    until(page, "etude.level() > 0.001")
    until(page, f"{TAB}.heardBars.length >= 3")
    slide(page, "Transpose", 12)
    until(page, f"{TAB}.heardBars.at(-1)?.controls.transpose === 12")
    seen.check()
    stop(page)
    midi = download(page, "midi")
    assert midi.startswith(b"MThd") and download(page, "mp3")
    panel(page).locator("[data-file=link]").click()
    link = until(page, f"{TAB}.away.linkField.value")
    studio.app.state.playing.forget()
    with visit(chromium) as other:
        again = load(other, studio.link)
        again.click("#open-link")
        again.fill("#link-text", link)
        again.keyboard.press("Enter")
        until(again, f"{TAB}.opened")
        assert download(again, "midi") == midi
        again.click("#play")
        until(again, "etude.level() > 0.001")
        other.check()


def test_two_pages_play_at_once_and_neither_hears_the_other(seen: Opened, chromium: Browser, studio: Studio) -> None:
    with visit(chromium) as other:
        second = load(other, studio.link)
        start(seen.page)
        start(second)
        slide(second, "Transpose", 5)
        until(second, f"{TAB}.heardBars.at(-1)?.controls.transpose === 5")
        until(seen.page, f"{TAB}.heardBars.length >= 3")
        assert seen.page.evaluate(f"{TAB}.heardBars.every((bar) => bar.controls.transpose === 0)")
        stop(second)
        until(seen.page, "etude.level() > 0.001")
        stop(seen.page)


def test_a_melody_on_the_keys_is_accompanied_and_sounds(seen: Opened) -> None:
    page = seen.page
    panel(page).get_by_label("What it does").select_option("accompany")
    panel(page).get_by_label("Harmony").select_option("chords")
    panel(page).get_by_role("button", name="Start", exact=True).click()
    until(page, f"{TAB}.playing")
    panel(page).get_by_label("Click on the beats").uncheck()
    until(page, "document.querySelector('#panel-play .log').textContent.includes('It listens')")
    page.keyboard.down("KeyK")
    until(page, f"{TAB}.roll.notes.length >= 4")  # the key, and three notes of a chord
    until(page, "etude.level() > 0.001")
    page.keyboard.up("KeyK")
    seen.check()
    stop(page)
    session = page.evaluate(f"{TAB}.session")
    assert session["role"] == "accompany" and any(bar.get("player") for bar in session["bars"])


def test_a_page_that_is_loaded_again_keeps_what_was_played_and_its_music_ends(seen: Opened, studio: Studio) -> None:
    page = seen.page
    start(page)
    until(page, f"{TAB}.heardBars.length >= 2")
    stop(page)
    start(page)
    load(seen, page.url)
    until(page, f"{TAB}.session !== null")
    end = time.monotonic() + PATIENCE
    while studio.app.state.playing.count:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_server_goes_and_comes_back_while_it_plays(chromium: Browser, models: Models) -> None:
    with visit(chromium) as seen, serving(models) as first:
        page = load(seen, first.link)
        start(page)
        until(page, f"{TAB}.heardBars.length >= 2")
        first.stop()
        until(page, f"!{TAB}.playing")
        until(page, "document.getElementById('away').textContent.includes('does not answer')")
        assert "gone away" in panel(page).locator(".log").inner_text()
        with serving(models, port=first.port):
            until(page, "document.getElementById('status').dataset.state === 'there'")
            start(page)
            until(page, f"{TAB}.heardBars.length >= 3")
            stop(page)


def test_it_is_usable_by_keyboard_on_a_phone_in_the_dark(chromium: Browser, studio: Studio) -> None:
    with visit(chromium, viewport=PHONE, color_scheme="dark", reduced_motion="reduce") as seen:
        page = load(seen, studio.link)
        panel(page).get_by_label("Model").select_option("lstm_attention")
        panel(page).get_by_role("button", name="Start", exact=True).focus()
        page.keyboard.press("Enter")
        until(page, "etude.level() > 0.001")
        seen.check()
        page.keyboard.press("Escape")
        until(page, f"!{TAB}.playing")
        seen.check()
