"""The page in a browser: harmonise, edit, fill, undo, arrange, take away; by keyboard, on a phone, in the dark."""

import base64
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, Opened, opened
from playwright.sync_api import Browser, Locator, Page
from studio.served import Studio, melody, serving

from etude.scores.engraving import spell
from etude.studio.models import Models

PATIENCE = 30.0  # seconds
DRAWN = (67, 69, 71, 72, 74, 72, 71, 69)  # what ``draw`` draws


def until(page: Page, condition: str) -> None:
    """Wait until a condition holds; the page's policy forbids playwright's own way."""
    end = time.monotonic() + PATIENCE
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never: {condition}; the page says: {page.inner_text('#note')}"
        time.sleep(0.03)


def visit(browser: Browser, address: str, **options: Any) -> Any:
    return opened(browser, permissions=["clipboard-read", "clipboard-write"], accept_downloads=True, **options)


def load(seen: Opened, address: str) -> Page:
    seen.page.goto(address)
    seen.page.wait_for_selector("html[data-ready]", timeout=PATIENCE * 1000)
    seen.page.click("#tab-harmonise")
    return seen.page


@pytest.fixture
def seen(chromium: Browser, studio: Studio) -> Iterator[Opened]:
    with visit(chromium, studio.link) as made:
        load(made, studio.link)
        yield made


def panel(page: Page, name: str) -> Locator:
    return page.locator(f"#panel-{name}")


def roll(page: Page, name: str, place: int = 0) -> Locator:
    return panel(page, name).locator("canvas[role=application]").nth(place)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def draw(page: Page) -> None:
    """Draw ``DRAWN`` as quarter notes by keys alone: the cursor starts on G4, and moves by eighths."""
    roll(page, "harmonise").focus()
    last = DRAWN[0]
    for place, pitch in enumerate(DRAWN):
        if place:
            press(page, "ArrowRight", "ArrowRight")
        press(page, *(["ArrowUp"] * (pitch - last) if pitch > last else ["ArrowDown"] * (last - pitch)))
        press(page, "Enter", "Shift+ArrowRight")
        last = pitch


def give(page: Page) -> None:
    """What ``draw`` draws, at once."""
    page.evaluate("(piece) => etude.studio.tabOf('harmonise').receive({title: 'Melody', piece})", melody(DRAWN))


def harmonise(page: Page) -> None:
    panel(page, "harmonise").get_by_role("button", name="Harmonise", exact=True).click()
    panel(page, "harmonise").locator(".candidate").first.wait_for(timeout=PATIENCE * 1000)
    engraved(page, "harmonise")


def engraved(page: Page, name: str) -> None:
    until(page, f"!!document.querySelector('#panel-{name} .score:not(.old) svg')")


def state(page: Page, name: str) -> Any:
    return page.evaluate(f"etude.studio.tabOf('{name}').state")


def saved(page: Page, name: str, kind: str = "midi") -> bytes:
    with page.expect_download() as found:
        panel(page, name).locator(f"[data-file={kind}]").click()
    return Path(str(found.value.path())).read_bytes()


def link(page: Page, name: str) -> str:
    field = panel(page, name).get_by_label("Link to this piece")
    panel(page, name).locator("[data-file=link]").click()
    field.wait_for()
    return field.input_value()


def test_a_melody_drawn_by_keys_is_harmonised_heard_and_taken_away(
    seen: Opened, studio: Studio, chromium: Browser
) -> None:
    page = seen.page
    seen.check()
    assert page.url == f"{studio.address}/", "the token is out of the address"
    draw(page)
    notes = state(page, "harmonise")["melody"]["tracks"][0]["notes"]
    assert notes == [[24 * place, 24, pitch, 80] for place, pitch in enumerate(DRAWN)]
    harmonise(page)
    seen.check()
    page.locator(".candidate").nth(2).click()
    engraved(page, "harmonise")
    assert state(page, "harmonise")["choice"] == 2
    shown = state(page, "harmonise")["result"]["candidates"][2]
    chords = panel(page, "harmonise").locator(".chord").all_inner_texts()
    assert len(chords) == len(shown["chords"]) and shown["chords"][0]["roman"] in chords[0]
    page.click("#play")
    until(page, "etude.level() > 0.003")
    until(page, "document.querySelectorAll('#panel-harmonise .score .sounds').length > 0")
    assert "bar 1" in page.inner_text("#position") and float(page.get_attribute("#meter", "value") or 0) >= -60
    page.click("#play")
    until(page, "etude.level() < 0.001")
    midi = saved(page, "harmonise")
    assert midi == studio.ask("/api/file", {"piece": shown["piece"], "kind": "midi"}).content
    assert saved(page, "harmonise", "musicxml").startswith(b"<?xml") and saved(page, "harmonise", "mp3")[:3] == b"ID3"
    address = link(page, "harmonise")
    assert "#r=" in address and studio.token not in address
    packed = address.partition("#r=")[2]
    described = json.loads(zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))
    assert described["recipe"]["model"] == "voices" and described["choice"] == 2
    with visit(chromium, address) as other:
        load(other, studio.link)
        other.page.goto(address)
        other.page.wait_for_selector(".candidate")
        engraved(other.page, "harmonise")
        assert state(other.page, "harmonise")["choice"] == 2 and saved(other.page, "harmonise") == midi
        assert other.errors == []
    assert seen.errors == []


def test_a_note_is_changed_and_held_while_the_others_are_drawn_again(seen: Opened) -> None:
    page = seen.page
    give(page)
    harmonise(page)
    before = state(page, "harmonise")["result"]["candidates"][0]["piece"]["tracks"]
    roll(page, "harmonise", 1).focus()
    press(page, "ArrowRight", "ArrowDown", "ArrowRight")
    assert "Alto" in page.inner_text("#live")
    press(page, "Shift+ArrowUp")
    changed = next(note for note in before[1]["notes"] if note[0] > 0)
    held = [*changed[:2], changed[2] + 1, changed[3]]
    assert state(page, "harmonise")["locks"] == {"Alto": [held]} and "locked" in page.inner_text("#live")
    panel(page, "harmonise").get_by_role("button", name="Draw the others again").click()
    until(page, "etude.studio.tabOf('harmonise').state.view === null")
    after = state(page, "harmonise")
    assert all(held in candidate["piece"]["tracks"][1]["notes"] for candidate in after["result"]["candidates"])
    assert after["result"]["candidates"][0]["piece"]["tracks"][0]["notes"] == before[0]["notes"]
    press(page, "Escape", "Control+z", "Control+z")
    assert state(page, "harmonise")["locks"] == {}
    press(page, "Control+y")
    assert state(page, "harmonise")["locks"] == {"Alto": [held]}
    assert seen.errors == []


def test_bars_are_selected_drawn_again_and_undone(seen: Opened, studio: Studio, chromium: Browser) -> None:
    page = seen.page
    give(page)
    harmonise(page)
    panel(page, "harmonise").get_by_role("button", name="Fill some bars").click()
    engraved(page, "fill")
    seen.check()
    before = state(page, "fill")["result"]["candidates"][0]["piece"]
    roll(page, "fill").focus()
    press(page, "ArrowRight")
    assert state(page, "fill")["range"] == [2, 2]
    panel(page, "fill").get_by_label("Soprano").check()
    go = panel(page, "fill").get_by_role("button", name="Draw bar 2 again")
    go.click()
    until(page, "etude.studio.tabOf('fill').state.recipe !== null")
    result = state(page, "fill")
    after = result["result"]["candidates"][0]["piece"]
    for old, new in zip(before["tracks"], after["tracks"], strict=True):
        assert [note for note in new["notes"] if note[0] < 96] == [note for note in old["notes"] if note[0] < 96]
    assert after != before and len(result["result"]["candidates"]) == 3
    page.click("#play")
    until(page, "document.getElementById('position').textContent.startsWith('bar 2')")
    page.click("#play")
    midi, address = saved(page, "fill"), link(page, "fill")
    with visit(chromium, address) as other:
        load(other, studio.link)
        other.page.goto(address)
        until(other.page, "etude.studio.tabOf('fill').state.recipe !== null")
        assert saved(other.page, "fill") == midi
    panel(page, "fill").get_by_role("button", name="Undo").click()
    assert state(page, "fill")["result"]["candidates"][0]["piece"] == before
    panel(page, "fill").get_by_role("button", name="Redo").click()
    assert state(page, "fill")["result"]["candidates"][0]["piece"] == after
    panel(page, "fill").get_by_text("Add bars to the end").click()
    panel(page, "fill").get_by_label("Bars to add").fill("1")
    panel(page, "fill").get_by_role("button", name="Add bars").click()
    until(page, "etude.studio.tabOf('fill').state.recipe.task === 'continue'")
    assert len(state(page, "fill")["result"]["candidates"][0]["bars"]) == 3
    assert seen.errors == []


def test_bars_that_are_typed_stay_as_they_are_typed(seen: Opened) -> None:
    page = seen.page
    page.evaluate("(piece) => etude.studio.tabOf('fill').receive({title: 'Long', piece})", melody(DRAWN * 3))
    page.click("#tab-fill")
    until(page, "etude.studio.tabOf('fill').state.result !== null")
    first, last = panel(page, "fill").get_by_label("From bar"), panel(page, "fill").get_by_label("To bar")
    for field, bar, expected in ((first, 3, [3, 3]), (last, 4, [3, 4]), (last, 2, [2, 2]), (first, 1, [1, 2])):
        field.fill(str(bar))
        field.blur()
        assert state(page, "fill")["range"] == expected
        assert [int(first.input_value()), int(last.input_value())] == expected


def test_a_band_plays_and_its_levels_sound_at_once(seen: Opened, studio: Studio, chromium: Browser) -> None:
    page = seen.page
    give(page)
    page.evaluate(
        "etude.studio.handOver('arrange', {title: 'Tune', piece: etude.studio.tabOf('harmonise').state.melody})"
    )
    own = panel(page, "arrange")
    own.get_by_label("Style").select_option("bossa")
    own.get_by_role("textbox", name="Chords").fill("G | D7 G")
    own.get_by_role("button", name="Arrange", exact=True).click()
    engraved(page, "arrange")
    seen.check()
    assert own.locator(".part").count() == len(state(page, "arrange")["levels"]) >= 4
    page.click("#play")
    until(page, "etude.level() > 0.003")
    for box in own.get_by_label("Mute").all():
        box.check()
    until(page, "etude.level() < 0.0005")
    assert page.evaluate("etude.studio.player.playing !== null"), "it still plays"
    own.get_by_label("Mute").first.uncheck()
    page.click("#play")
    level = own.get_by_role("slider", name="Level").first
    level.focus()
    press(page, "ArrowLeft", "ArrowLeft")
    assert state(page, "arrange")["levels"]["Melody"] == {"gain": -1, "pan": 0, "mute": False}
    midi, address = saved(page, "arrange"), link(page, "arrange")
    with visit(chromium, address) as other:
        load(other, studio.link)
        other.page.goto(address)
        until(other.page, "etude.studio.tabOf('arrange').state.result !== null")
        assert saved(other.page, "arrange") == midi
    assert seen.errors == []


def test_on_a_phone_in_the_dark(chromium: Browser, studio: Studio) -> None:
    options = {"viewport": PHONE, "color_scheme": "dark", "has_touch": True, "reduced_motion": "reduce"}
    with visit(chromium, studio.link, **options) as seen:
        page = load(seen, studio.link)
        seen.check()
        box = roll(page, "harmonise").bounding_box()
        assert box is not None
        for step in range(6):  # taps put notes, and a second tap takes one away
            page.touchscreen.tap(box["x"] + 12 + 30 * step, box["y"] + 150 + 14 * (step % 3))
        notes = state(page, "harmonise")["melody"]["tracks"][0]["notes"]
        assert 4 <= len(notes) <= 6
        harmonise(page)
        seen.check()
        for name, tab in (("Fill some bars", "fill"), ("Arrange it", "arrange")):
            panel(page, "harmonise").get_by_role("button", name=name).click()
            until(page, f"etude.studio.tab.id === '{tab}' && etude.studio.working === 0")
            seen.check()
            page.get_by_role("tab", name="Harmonise").click()


def test_tabs_are_reached_by_arrow_keys(seen: Opened) -> None:
    page = seen.page
    page.get_by_role("tab", name="Harmonise").focus()
    press(page, "ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-fill" and panel(page, "fill").is_visible()
    seen.check()
    press(page, "End")
    assert panel(page, "arrange").is_visible() and not panel(page, "fill").is_visible()
    seen.check()
    press(page, "ArrowRight", "Tab")
    assert panel(page, "play").is_visible(), "the first one, which is also that of a new page"


def test_notes_are_put_moved_and_taken_away_by_mouse(seen: Opened) -> None:
    page = seen.page
    canvas = roll(page, "harmonise")
    box = canvas.bounding_box()
    assert box is not None
    scale = page.evaluate("etude.studio.tabOf('harmonise').roll.scale")
    place = (box["x"] + 10, box["y"] + 150)
    page.mouse.move(*place)
    page.mouse.down()
    page.mouse.move(place[0] + 60 * scale, place[1], steps=4)
    page.mouse.up()
    (note,) = state(page, "harmonise")["melody"]["tracks"][0]["notes"]
    assert note[0] == 0 and note[1] >= 60
    row = page.evaluate("etude.studio.tabOf('harmonise').roll.row")
    page.mouse.down()
    page.mouse.move(place[0] + 60 * scale, place[1] - 2 * row, steps=3)
    page.mouse.up()
    page.mouse.move(box["x"] + 10, place[1])
    page.mouse.dblclick(box["x"] + 10, place[1])
    assert len(state(page, "harmonise")["melody"]["tracks"][0]["notes"]) <= 1
    press(page, "Control+z")
    assert seen.errors == []


MIDI = """
navigator.requestMIDIAccess = async () => {
  window.input = {};
  return {inputs: new Map([["a", window.input]])};
};
"""


def test_a_melody_is_recorded_from_both_kinds_of_keyboards(chromium: Browser, studio: Studio) -> None:
    with visit(chromium, studio.link) as seen:
        seen.page.add_init_script(MIDI)
        page = load(seen, studio.link)
        page.evaluate("etude.studio.player.loadNotes = async () => null")  # keys are silent here
        own = panel(page, "harmonise")
        own.get_by_label("Tempo").fill("240")
        own.get_by_label("Meter").select_option("2/4")
        own.get_by_role("button", name="Use a MIDI keyboard").click()
        own.get_by_role("button", name="Record").click()
        until(page, "!!etude.studio.tabOf('harmonise').recording")
        play = """(keys) => {
          const start = etude.studio.tabOf('harmonise').recording.start * 1000;
          const at = (steps) => start + steps * 62.5;
          const send = (bytes, time) => window.input.onmidimessage({data: bytes, timeStamp: time});
          send([0x90, 60, 90], at(0.2));
          send([0x80, 60, 0], at(3.9));
          send([0x90, 64, 70], at(4.1));
          send([0x90, 67, 70], at(7.8));
          send([0x90, 67, 0], at(12.3));
        }"""
        page.evaluate(play)
        page.keyboard.down("k")  # C5 on the computer's keyboard; still in the count-in: it is left out
        page.keyboard.up("k")
        own.get_by_role("button", name="Stop").click()
        found = state(page, "harmonise")["melody"]
        assert found["tempos"] == [[0, 240]] and found["meters"] == [[0, 2, 4]]
        assert [note[:3] for note in found["tracks"][0]["notes"]] == [[0, 24, 60], [24, 24, 64], [48, 24, 67]]
        own.get_by_role("button", name="Record").click()
        until(page, "!!etude.studio.tabOf('harmonise').recording")
        until(page, "performance.now() / 1000 > etude.studio.tabOf('harmonise').recording.start + 0.1")
        page.keyboard.press("d", delay=150)
        own.get_by_role("button", name="Stop").click()
        assert [note[2] for note in state(page, "harmonise")["melody"]["tracks"][0]["notes"]] == [64]
        assert seen.errors == []


def test_files_are_opened_and_what_is_too_large_stops_no_music(seen: Opened, studio: Studio, tmp_path: Path) -> None:
    page = seen.page
    file = tmp_path / "Air.mid"
    file.write_bytes(studio.ask("/api/file", {"piece": melody(), "kind": "midi"}).content)
    own = panel(page, "harmonise")
    own.locator("input[type=file]").set_input_files(file)
    until(page, "etude.studio.tabOf('harmonise').state.title === 'Air'")
    assert len(state(page, "harmonise")["melody"]["tracks"][0]["notes"]) == 8
    page.click("#play")
    until(page, "etude.level() > 0.003")
    large = tmp_path / "large.mid"
    with large.open("wb") as stream:
        stream.truncate(50_000_000)
    own.locator("input[type=file]").set_input_files(large)
    until(page, "document.getElementById('note').textContent.includes('50.0 MB')")
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"MThd and nothing more")
    own.locator("input[type=file]").set_input_files(broken)
    until(page, "document.getElementById('note').textContent.includes('broken.mid')")
    assert page.evaluate("etude.studio.player.playing !== null") and state(page, "harmonise")["title"] == "Air"
    drop = """(bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "Dropped.mid"));
      const event = new DragEvent("drop", {dataTransfer: data, bubbles: true});
      document.getElementById("panel-harmonise").dispatchEvent(event);
    }"""
    page.evaluate(drop, list(file.read_bytes()))
    until(page, "etude.studio.tabOf('harmonise').state.title === 'Dropped'")
    assert [error for error in seen.errors if "422" not in error] == []


def test_chord_symbols_of_a_file_are_followed_and_the_page_says_so(seen: Opened, tmp_path: Path) -> None:
    page, own = seen.page, panel(seen.page, "harmonise")
    file, bare = tmp_path / "Waltz.abc", tmp_path / "Bare.abc"
    file.write_text('X:1\nM:3/4\nL:1/4\nK:G\nD | "G"G2 B | "C"c B "D7"A | "G"G2 |]\n')
    bare.write_text("X:1\nM:3/4\nL:1/4\nK:G\nD | G2 B | c B A | G2 |]\n")
    field = own.get_by_role("textbox", name="Chords")
    own.locator("input[type=file]").set_input_files(file)
    until(page, "etude.studio.tabOf('harmonise').state.title === 'Waltz'")
    assert field.input_value() == "- | G | C . D7 | G"
    assert "the voices keep to them" in page.inner_text("#note")
    assert own.get_by_text("Its chord symbols are in the field Chords").is_visible()
    harmonise(page)
    assert own.locator(".chord").all_inner_texts()[-3:] == ["C\nIV", "D7\nV⁷", "G\nI"]
    assert own.locator(".score .harm").count() >= 4
    seen.check()
    own.locator("input[type=file]").set_input_files(bare)
    until(page, "etude.studio.tabOf('harmonise').state.title === 'Bare'")
    assert field.input_value() == "", "they were the other melody's"
    press(page, "Escape")
    own.get_by_role("button", name="Undo").click()
    assert field.input_value() == "- | G | C . D7 | G"
    field.fill("G")
    own.locator("input[type=file]").set_input_files(bare)
    until(page, "etude.studio.tabOf('harmonise').state.title === 'Bare'")
    assert field.input_value() == "G", "what somebody types stays"


def test_links_of_another_training_or_torn_ones_say_so(seen: Opened) -> None:
    page = seen.page
    give(page)
    harmonise(page)
    address = link(page, "harmonise")
    packed = address.partition("#r=")[2]
    value = json.loads(zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))))
    value["recipe"]["key"] = "0" * 16
    other = base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode().rstrip("=")
    page.get_by_role("button", name="Open a link").click()
    page.get_by_label("Link", exact=True).fill(f"http://elsewhere/#r={other}")
    page.get_by_role("button", name="Open", exact=True).click()
    until(page, "document.getElementById('note').textContent.includes('another training of voices')")
    for wrong in ("nonsense", address[:-20], "#r=!!!!"):
        page.evaluate("(text) => etude.studio.openLink(text)", wrong)
        assert "no link of a studio" in page.inner_text("#note")
    value["recipe"]["melody"] |= {"quarter": -1, "tracks": [{"notes": [[0, 1e18, 60, 80]]}]}
    broken = base64.urlsafe_b64encode(zlib.compress(json.dumps(value).encode())).decode()
    page.evaluate("(text) => etude.studio.openLink(text)", f"#r={broken}")
    assert "quarter" in page.inner_text("#note")
    assert len(state(page, "harmonise")["melody"]["tracks"][0]["notes"]) == len(DRAWN), "it is never shown"


def test_two_pages_reload_and_a_studio_that_comes_back(chromium: Browser, models: Models) -> None:
    first = Studio(models)
    try:
        with visit(chromium, first.link) as seen, visit(chromium, first.link) as other:
            page, second = load(seen, first.link), load(other, first.link)
            give(page)
            harmonise(page)
            assert state(second, "harmonise")["result"] is None, "each page has its own piece"
            before = saved(page, "harmonise")
            page.reload()
            page.wait_for_selector("html[data-ready]")
            engraved(page, "harmonise")
            assert saved(page, "harmonise") == before, "what was drawn is there after it is loaded again"
            page.click("#play")
            until(page, "etude.level() > 0.003")
            first.stop()
            until(page, "document.getElementById('status').dataset.state === 'away'")
            assert "does not answer" in page.inner_text("#away")
            assert page.evaluate("etude.studio.player.playing !== null"), "the music goes on"
            with serving(models, port=first.port):
                for each in (page, second):
                    until(each, "document.getElementById('status').dataset.state === 'there'")
                assert page.is_hidden("#away") and saved(page, "harmonise") == before
            until(page, "document.getElementById('status').dataset.state === 'away'")
            with serving(models, port=first.port, token="another-token-of-tests") as moved:
                until(page, "document.getElementById('status').dataset.state === 'moved'")
                assert "new address" in page.inner_text("#away")
                load(seen, moved.link)
                engraved(page, "harmonise")
                assert saved(page, "harmonise") == before, "the same tab goes on at the new address"
    finally:
        first.stop()


def test_long_work_shows_its_progress_and_can_be_ended(seen: Opened, studio: Studio) -> None:
    page = seen.page
    page.evaluate("(piece) => etude.studio.tabOf('harmonise').receive({title: 'Long', piece})", melody(DRAWN * 8))
    panel(page, "harmonise").get_by_role("button", name="Harmonise", exact=True).click()
    until(page, "document.getElementById('progress').value > 0")
    assert "harmonies" in page.inner_text("#work-what")
    page.get_by_role("button", name="Cancel", exact=True).click()
    until(page, "document.getElementById('work').hidden")
    end = time.monotonic() + PATIENCE
    while studio.worker.count and time.monotonic() < end:
        time.sleep(0.05)
    assert studio.worker.count == 0 and state(page, "harmonise")["result"] is None
    assert page.is_hidden("#note") and seen.errors == []


def test_notes_have_the_names_that_the_score_gives_them(seen: Opened) -> None:
    page = seen.page
    page.evaluate("import('/page/piece.js').then((own) => { window.piece = own; })")
    until(page, "!!window.piece")
    ask = "([sharps, mode]) => Array.from({length: 128}, (_, pitch) => piece.noteName(pitch, {sharps, mode}))"
    for sharps in range(-7, 8):
        for mode in ("major", "minor"):
            names = [spell(pitch, sharps, mode == "minor") for pitch in range(128)]
            written = [f"{name.replace('#', '♯').replace('-', '♭')}{octave}" for name, octave in names]
            assert page.evaluate(ask, [sharps, mode]) == written
    minor = melody((69, 71, 72, 68, 69, 64, 69, 69), keys=[[0, 0, 1]])
    page.evaluate("(piece) => etude.studio.tabOf('harmonise').receive({title: 'Minor', piece})", minor)
    roll(page, "harmonise").focus()
    press(page, "ArrowDown")
    assert page.inner_text("#live").startswith("F♯4"), "which is no G flat in A minor"


LONG = {"Edim": "vii°", "Gm7/Bb": "ii⁶₅", "F#m7b5/C": "viiø⁴₃", "Esus4": "V"}


@pytest.mark.parametrize("width", [14, 26, 40, 90])
def test_no_name_of_a_chord_is_cut(seen: Opened, width: int) -> None:
    page = seen.page
    page.evaluate("import('/page/roll.js').then((own) => { window.own = own; })")
    until(page, "!!window.own")
    cells = [{"name": name, "roman": roman, "room": width - 11, "step": width} for name, roman in LONG.items()]
    measured = """(cells) => own.chordTexts(cells).map(({size, lines, left}) => {
      const widths = lines.map(([text, strong]) => own.textWidth(text, size, strong));
      return {left, lines: lines.map(([text]) => text), wide: Math.max(0, ...widths)};
    })"""
    texts = page.evaluate(measured, cells)
    for place, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        both = "".join(text["lines"]) + text["left"]
        assert cell["name"] in both and cell["roman"] in both, "all is there, to be seen or to be read aloud"
        empty = next((n for n, after in enumerate(texts[place + 1 :]) if after["lines"]), len(texts) - place - 1)
        assert text["wide"] <= width - 11 + empty * width, "it has room"
    assert any(text["lines"] for text in texts) or width < 20
    if width == 90:
        assert all(len(text["lines"]) == 2 for text in texts)
