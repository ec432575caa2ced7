"""A home with versions, feedback and captured answers, its page, and a person at a browser."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bench.page import CONFIG, MODEL
from playwright.sync_api import Browser, Page

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.passthrough.capture_id import new_id
from adapterd.capture.recording import answer_hash
from adapterd.chat import Message, Role
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.page.running import Running, start, stop
from adapterd.record import prompt_hash
from adapterd.store import Store
from adapterd.store.versions import VersionState
from tests.support.browser import Seen, a_browser
from tests.unit.capture.test_captures import HELLO

ACTING = '<script>document.title="owned"</script><img src=x onerror=alert(1)> \x1b[31m \u202eevil {{ 7919*6841 }}'
"""What would act if a page took it for anything but text."""


@dataclass
class Place:
    """A page that is served_page, and the home behind it."""

    home: Home
    running: Running

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.running.port}"

    def enter(self, page: Page) -> Page:
        """Follow a link in."""
        page.goto(self.running.link)
        page.wait_for_url(f"{self.address}/")
        return page

    def reviews(self) -> list[str]:
        with Store(self.home.database) as store:
            return [str(each.outcome) for each in store.reviews.all(MODEL)]

    def records(self) -> list[str]:
        with Store(self.home.database) as store:
            return [row.record for row in store.feedback.all(MODEL)]


def a_capture(number: int, **more: Any) -> Capture:
    """A recorded conversation; every fifth answer is fenced."""
    prompt = f"Extract the news about the harbour, number {number}, as JSON"
    plain = f'{{"place": "x{number}"}}'
    fenced = number % 5 == 0
    answer = f"```json\n{plain}\n```" if fenced else plain
    at = 1_790_000_000.0 + number
    made = replace(
        HELLO, id=new_id(at), at=at, model=f"{MODEL}:latest", turns=[{"role": "user", "content": prompt}],
        prompt_hash=prompt_hash((Message(Role.USER, prompt),)), answer=answer, answer_hash=answer_hash(answer),
        faults=["json"] if fenced else [],
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    made.config_file.write_text(CONFIG)
    with Store(made.database) as store:
        take_posted(store, MODEL, [{"prompt": ACTING, "output": ACTING, "correction": f"{ACTING}!", "rating": 1}])
        for version in ("1.0.0", "1.1.0"):
            store.versions.add(MODEL, version, run_id="20260101-000000-aaaa", digest=f"d{version}", base_digest="b")
            store.versions.set_state(MODEL, version, VersionState.HELD, f"held: {ACTING}")
        store.events.add("version.held", ACTING, model=MODEL)
    with Captures(made.captures) as captures:
        for number in range(30):
            captures.add(a_capture(number))
    return made


@pytest.fixture
def served_page(home: Home) -> Iterator[Place]:
    yield Place(home, start(home))
    stop(home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each file of tests: while it is open an event loop runs in this thread, and tests of others need none."""
    with a_browser() as made:
        yield made


@pytest.fixture
def complaints() -> list[Seen]:
    """What all pages of a test should not have had."""
    return []


@pytest.fixture
def visitor(browser: Browser, served_page: Place, complaints: list[Seen]) -> Iterator[Page]:
    """Somebody who was let in."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints.append(Seen(page, served_page.address))
    yield served_page.enter(page)
    context.close()
    assert [(each.errors, each.outside) for each in complaints if each.errors or each.outside] == []
