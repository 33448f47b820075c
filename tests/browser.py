"""A browser for the tests of pages: Debian's chromium by playwright, console errors collected, axe for accessibility.

Where there is no chromium, the tests that ask for one are skipped with the reason; with CI=true they fail instead.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page that is open, and what its console and its requests have complained about."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def check(self) -> None:
        """No error so far, nothing that axe finds, and no wider than the window."""
        assert self.errors == []
        found = [f"{one['id']}: {one['nodes'][0]['html']}" for one in Axe().run(self.page).response["violations"]]
        assert found == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is too wide"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A browser without a window, for all tests of a process."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        reason = f"there is no {', '.join(NAMES)}: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Opened]:
    """A page in a context of its own, with its own storage; ``options`` as of playwright's ``new_context``."""
    context = browser.new_context(**{"viewport": WIDE, **options})
    try:
        yield watch(context.new_page())
    finally:
        context.close()


def watch(page: Page) -> Opened:
    """Collect what a page's console and requests complain about."""
    found = Opened(page)
    page.on("console", lambda message: found.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    return found
