"""A browser that is installed on this machine, for tests with Playwright, which needs none of its own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.real_ollama import CANNOT_BE_HAD, ROOT


def browser_program() -> str | None:
    """The path of Chromium or Chrome, which is installed where it can be; None where there is none."""
    found = subprocess.run([ROOT / "scripts/ensure-browser"], capture_output=True, text=True, check=False)
    if found.returncode == CANNOT_BE_HAD:
        return None
    assert found.returncode == 0, found.stderr
    return found.stdout.strip().splitlines()[-1]


@contextmanager
def a_browser() -> Iterator[Browser]:
    """One without a window; the test is skipped where there is none."""
    program = browser_program()
    if program is None:
        pytest.skip("no browser can be had here; `scripts/ensure-browser` says why")
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
