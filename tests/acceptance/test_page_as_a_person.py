"""A person at the page, from an application's answers to a promotion by their votes, and back. Real Ollama, real
training, a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from adapterd.config import RuntimeKind
from adapterd.demo import newsroom
from adapterd.demo.cycle import MODEL
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.demo.page import ASKED_SEED, ask_through_capture, second_version, with_page
from adapterd.home import Home
from adapterd.page.running import start
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.versions import VersionState
from tests.support.browser import Seen, a_browser

pytestmark = [pytest.mark.long, pytest.mark.ollama]
ITEMS = newsroom.items(50, ASKED_SEED)
JUDGED, MOST_VOTES = 20, 15


@pytest.fixture
def demo(tmp_path: Path, ollama_binary: Path) -> Iterator[DemoEnvironment]:
    """Ollama, the daemon and capture, and a model with its first feedback."""
    with open_environment(tmp_path / "demo", RuntimeKind.OLLAMA, ollama_binary) as made, with_page(made):
        yield made


def test_from_twenty_reviews_and_fifteen_votes_to_a_promotion_and_back(demo: DemoEnvironment) -> None:
    home = Home(demo.home)
    demo.adapterctl("retrain", "--follow")
    ask_through_capture(demo, ITEMS)
    with a_browser() as browser:
        page = browser.new_page()
        served = start(home)
        address = f"http://127.0.0.1:{served.port}"
        seen = Seen(page, address)
        page.goto(served.link)
        page.wait_for_url(f"{address}/")
        judge_by_keys(page, f"{address}/review/{MODEL}")
        second_version(demo)
        challenger = the_challenger(home)
        compare(page, f"{address}/compare/{MODEL}", challenger)
        vote(page, f"{address}/choice/{MODEL}", home)
        demo.adapterctl("evidence", "--now")
        reason = reason_of(home, challenger)
        assert re.search(r"promoted: on .*\d+ votes? better than", reason), reason
        page.goto(f"{address}/versions/{MODEL}")
        page.get_by_role("button", name=re.compile("^Roll back to")).click()
        expect(page.get_by_role("status")).to_contain_text("is live again")
        assert (seen.errors, seen.outside) == ([], [])
    with Store(home.database) as store:
        withdrawn = store.versions.get(MODEL, challenger)
        assert withdrawn
        assert withdrawn.state is VersionState.WITHDRAWN


def judge_by_keys(page: Page, address: str) -> None:
    """Twenty answers by the keyboard: what is right is rated 5, what is wrong is mended."""
    right = {item.prompt: item.answer for item in ITEMS}
    page.goto(address)
    for number in range(JUDGED):
        asked = page.locator("section[aria-label=Prompt] pre").last.inner_text()
        answer = page.locator("#correction").input_value()
        wanted = next(value for prompt, value in right.items() if prompt.split() == asked.split())
        if answer.strip() == wanted.strip():
            page.keyboard.press("5")
        else:
            page.keyboard.press("e")
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(wanted)
        page.keyboard.press("Control+Enter")
        expect(page.locator("main p").first).to_contain_text(f"{number + 1} judged")


def compare(page: Page, address: str, challenger: str) -> None:
    """The challenger with what is live, on the frozen set."""
    page.goto(address)
    expect(page.get_by_label("To")).to_have_value(challenger)
    page.get_by_role("button", name="Compare").click()
    table = page.get_by_role("region", name="Metrics")
    expect(table).to_be_visible(timeout=900_000)
    expect(table.get_by_role("row").filter(has_text="json_valid")).to_have_count(1)


def vote(page: Page, address: str, home: Home) -> None:
    """For the challenger, whichever side it is on, until the meter says that it is enough."""
    page.goto(address)
    for number in range(MOST_VOTES):
        if not page.locator("form#choice").count():
            page.get_by_role("button", name=re.compile("^Have both answer")).click()
            expect(page.locator("form#choice")).to_be_visible(timeout=900_000)
        choice = page.locator("form#choice [name=choice]").input_value()
        with Store(home.database) as store:
            found = store.choices.get(MODEL, int(choice))
        assert found
        assert found.ours not in page.locator("form#choice").inner_text()
        page.keyboard.press("a" if found.ours_first else "b")
        expect(page.locator("main p").first).to_contain_text(f"{number + 1} votes")
        expect(page.get_by_role("status").first).to_contain_text(f"You preferred {found.ours}")
        if "the next night makes it live" in page.locator("main p").first.inner_text():
            return
    raise AssertionError(page.locator("main p").first.inner_text())


def the_challenger(home: Home) -> str:
    with Store(home.database) as store:
        found = store.comparisons.open(MODEL, Purpose.CHALLENGE)
        assert found, [(each.version, each.reason) for each in store.versions.all(MODEL)]
        return found.ours


def reason_of(home: Home, version: str) -> str:
    with Store(home.database) as store:
        found = store.versions.get(MODEL, version)
        assert found
        return found.reason
