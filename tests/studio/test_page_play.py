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


def show_bars(page: Page, *bars: dict[str, Any]) -> None:
    """Let bars of 96 ticks and two seconds come from the studio, one after the other, as if they were played."""
    voices = {"Soprano": 68, "Alto": 69, "Tenor": 71, "Bass": 70}
    start = {"type": "started", "role": "play", "voices": voices}
    page.evaluate(f"(start) => {{ {TAB}.prepare(); {TAB}.hasStarted(start); }}", start)
    shared = {"beats": 4, "unit": 4, "length": 96, "seconds": 2, "tempo": 120, "controls": {}, "band": False}
    shared |= {"holds": [0, 0, 0, 0], "planned": [], "chords": []}
    for number, bar in enumerate(bars):
        made = {**shared, "number": number, "start": 2 * number, **bar}
        page.evaluate(f"(bar) => {TAB}.showBar(bar)", made)


def note_of(name: str, pitch: int, onset: int = 0, length: int = 96, drums: bool = False) -> list[Any]:
    return [onset, length, pitch, name, drums]


def test_what_voices_hold_is_longer_and_a_band_holds_nothing(seen: Opened) -> None:
    page = seen.page
    sung, held = {"notes": [note_of("Soprano", 72), note_of("Bass", 48)]}, [48, 0, 0, 96]
    band = {"notes": [note_of("Melody", 76), note_of("Bass", 40)], "controls": {"style": "bossa"}, "band": True}
    ends = f"{TAB}.roll.notes.map((note) => note.end)"
    show_bars(page, sung, {"notes": [], "holds": held})
    assert page.evaluate(ends) == [3, 4]
    show_bars(page, sung, {**band, "holds": held}, {**band, "holds": held}, {"notes": [], "holds": held})
    assert page.evaluate(ends) == [2, 2, 4, 4, 6, 6], "and nothing that was sung before it"


def test_two_parts_of_one_name_are_told_apart_by_their_instruments(seen: Opened) -> None:
    page = seen.page
    band = {"notes": [note_of("Melody", 76), note_of("Bass", 40)], "controls": {"style": "bossa"}, "band": True}
    show_bars(page, {"notes": [note_of("Bass", 48)]}, band)
    names = panel(page).locator(".legend li").all_inner_texts()
    assert names == ["Bass (bassoon)", "Melody", "Bass (double bass, band)"]
    first, second, third = page.evaluate(f"{TAB}.roll.notes.map((note) => note.voice)")
    assert (first, second, third) == (3, 4, 5), "and have colours of their own"
    assert page.evaluate("etude.studio.about.styles[0].programs.Drums") == -1


def test_a_link_shows_the_controls_of_its_first_bar(seen: Opened) -> None:
    page = seen.page
    controls = {"tempo": 132.0, "temperature": 0.7, "transpose": -3, "scale": "D minor", "style": "waltz"}
    bars = [{"controls": {**controls, "mute": ["Alto"], "instruments": {"Tenor": 56, "Bass": 99}}}, {}]
    session = {"model": "lstm_attention", "seed": 7, "role": "play", "bars": bars}
    page.evaluate(f"(session) => {{ {TAB}.open({{recipe: {{task: 'play', session}}}}) }}", session)
    own = panel(page)
    shown = {name: own.get_by_label(name).first.input_value() for name in ("Tempo", "Transpose", "Scale", "Band")}
    assert shown == {"Tempo": "132", "Transpose": "-3", "Scale": "D minor", "Band": "waltz"}
    assert own.get_by_label("Model").input_value() == "lstm_attention" and own.get_by_label("Seed").input_value() == "7"
    assert [row.get_by_label("Mute").is_checked() for row in own.locator(".voice-row").all()] == [False, True] + 2 * [
        False
    ]
    assert own.get_by_label("Instrument of Tenor").input_value() == "56"
    assert own.get_by_label("Instrument of Bass").input_value() == "99"
    asked = page.evaluate(f"{TAB}.request()")
    assert asked["controls"]["tempo"] == "132" and asked["controls"]["instruments"] == "Tenor:56,Bass:99"
