"""Every page in a browser: nothing acts that is text, nothing is asked elsewhere, and everybody can use it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.page import MODEL
from playwright.sync_api import Page, expect

from tests.integration.page.conftest import Place

PAGES = [
    "/", f"/home/{MODEL}", f"/review/{MODEL}", f"/choice/{MODEL}", f"/rubrics/{MODEL}", f"/synthetic/{MODEL}",
    f"/versions/{MODEL}", f"/versions/{MODEL}/1.0.0", f"/compare/{MODEL}", f"/feedback/{MODEL}", f"/feedback/{MODEL}/1",
    f"/feedback/{MODEL}/quarantine", "/settings", "/log",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_its_texts_are_texts(visitor: Page, served_page: Place, path: str) -> None:
    for scheme in ("light", "dark"):
        visitor.emulate_media(color_scheme=scheme)
        answer = visitor.goto(served_page.address + path)
        assert answer
        assert answer.status == 200
        found = Axe().run(visitor).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert "owned" not in visitor.title()
    assert visitor.locator("img").count() == 0
    assert "54173879" not in visitor.locator("main").inner_text()
    assert "\u202e" not in visitor.content()


@pytest.mark.parametrize("width", [360, 768, 2560])
def test_nothing_is_wider_than_the_window(visitor: Page, served_page: Place, width: int) -> None:
    visitor.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        visitor.goto(served_page.address + path)
        assert visitor.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_page_is_used_by_the_keyboard_alone(visitor: Page, served_page: Place) -> None:
    visitor.goto(served_page.address)
    visitor.keyboard.press("Tab")
    expect(visitor.locator(".skip")).to_be_focused()
    for _ in range(2):
        visitor.keyboard.press("Tab")
    expect(visitor.get_by_role("link", name="Review", exact=True)).to_be_focused()
    outline = visitor.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    visitor.keyboard.press("Enter")
    expect(visitor.locator("h1")).to_have_text("Review")


def test_feedback_is_found_shown_and_removed(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/feedback/{MODEL}")
    visitor.get_by_label("Search").fill("<SCRIPT>")
    visitor.get_by_role("button", name="Find").click()
    visitor.get_by_role("link", name="1", exact=True).click()
    expect(visitor.locator("main")).to_contain_text("<script>document.title")
    visitor.get_by_role("button", name="Remove record 1 for good").click()
    expect(visitor.locator("main")).to_contain_text("record 1 is removed")
    assert served_page.records() == []


def test_what_is_not_there_is_said(visitor: Page, served_page: Place) -> None:
    for path in ("/nothing", "/review/nobody", f"/versions/{MODEL}/9.9.9", f"/feedback/{MODEL}/999"):
        answer = visitor.request.get(served_page.address + path)
        assert answer.status == 404, path
        assert "Traceback" not in answer.text()
