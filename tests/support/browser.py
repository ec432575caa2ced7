"""A browser that is installed on this machine, for tests with Playwright, which needs none of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

VARIABLE = "ADAPTERD_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def browser_program() -> str | None:
    """The path of Chromium or Chrome, None where there is none."""
    if named := os.environ.get(VARIABLE):
        return named
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return found or next((place for place in PLACES if Path(place).is_file()), None)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """One without a window; the test is skipped where there is none."""
    program = browser_program()
    if program is None:
        pytest.skip(f"no Chromium or Chrome is installed; scripts/ensure-browser, or {VARIABLE} names one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        try:
            yield browser
        finally:
            browser.close()


class Seen:
    """What a page should not have: messages of the console, and requests to anywhere else."""

    def __init__(self, page: Page, own: str) -> None:
        self.errors: list[str] = []
        self.outside: list[str] = []
        page.on("console", lambda said: self.errors.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((own, "data:")) else self.outside.append(request.url),
        )
