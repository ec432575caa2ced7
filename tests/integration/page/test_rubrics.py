"""A person marks answers to frozen cases by the keyboard."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.page import MODEL
from playwright.sync_api import Page, expect

from adapterd.evidence.marked import marked
from adapterd.home import Home
from adapterd.store import Store
from tests.integration.page.conftest import ACTING, Place
from tests.support.kept_answers import keep_answers

CASES = 4


@pytest.fixture
def home(home: Home) -> Home:
    """The newest version has answered some cases."""
    reference = f"It rains. It is cold. {ACTING}"
    answers = [(f"question {n} {ACTING}", reference, {"candidate": f"answer {n} {ACTING}"}) for n in range(CASES)]
    keep_answers(home, MODEL, "1.1.0", answers)
    return home


def to_mark(visitor: Page, count: int) -> None:
    answers = "1 answer is" if count == 1 else f"{count} answers are"
    expect(visitor.locator("main p").first).to_contain_text(f"{answers} to be marked")


def test_answers_are_marked_by_keys(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/rubrics/{MODEL}")
    for number in range(CASES):
        to_mark(visitor, CASES - number)
        visitor.keyboard.press("1")
        visitor.keyboard.press("2")
        visitor.keyboard.press("1")
        visitor.keyboard.press("n" if number == 0 else "y")
        visitor.keyboard.press("Control+Enter")
    expect(visitor.locator("main")).to_contain_text("Every answer is marked")
    with Store(served_page.home.database) as store:
        assert {each.ticked for each in store.rubrics.marks(MODEL)} == {(1,)}
        assert marked(store, MODEL, "1.1.0").topic_drift.value == 1 / CASES
    visitor.keyboard.press("ArrowLeft")
    to_mark(visitor, 1)
    expect(visitor.locator("[name=tick]").nth(1)).to_be_checked()
    expect(visitor.locator("[name=topic][value=on]")).to_be_checked()


def test_facts_are_edited_then_ticked_off_and_one_is_skipped(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/rubrics/{MODEL}")
    first = visitor.locator("section[aria-label=Prompt]").inner_text()
    visitor.keyboard.press("ArrowRight")
    expect(visitor.locator("section[aria-label=Prompt]")).not_to_contain_text(first.splitlines()[-1][:10])
    visitor.get_by_text("Edit the facts").click()
    visitor.get_by_label("One fact a line").fill("It pours.\n\nIt is cold.\n")
    visitor.get_by_role("button", name="Keep these facts").click()
    expect(visitor.get_by_role("status")).to_contain_text("kept with the case")
    expect(visitor.locator("[name=tick]")).to_have_count(2)
    visitor.get_by_text("1. It pours.").click()
    visitor.get_by_text("On topic", exact=True).click()
    visitor.get_by_role("button", name="Save and next").click()
    to_mark(visitor, CASES - 1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_its_texts_are_texts(visitor: Page, served_page: Place, scheme: str) -> None:
    visitor.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in (f"/rubrics/{MODEL}", f"/versions/{MODEL}/1.1.0"):
        visitor.goto(served_page.address + path)
        found = Axe().run(visitor).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        assert visitor.locator("img").count() == 0
        assert "54173879" not in visitor.locator("main").inner_text()
    for width in (360, 2560):
        visitor.set_viewport_size({"width": width, "height": 800})
        visitor.goto(f"{served_page.address}/rubrics/{MODEL}")
        assert visitor.evaluate("document.documentElement.scrollWidth") <= width
