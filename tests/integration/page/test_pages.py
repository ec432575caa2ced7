"""Every page in a browser: nothing acts that is text, nothing is asked elsewhere, and everybody can use it."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.integration.page.conftest import MODEL, Place

PAGES = [
    "/", f"/home/{MODEL}", f"/review/{MODEL}", f"/choice/{MODEL}", f"/versions/{MODEL}", f"/versions/{MODEL}/1.0.0",
    f"/feedback/{MODEL}", f"/feedback/{MODEL}/1", f"/feedback/{MODEL}/quarantine", "/settings", "/log",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_and_its_texts_are_texts(person: Page, place: Place, path: str) -> None:
    for scheme in ("light", "dark"):
        person.emulate_media(color_scheme=scheme)
        answer = person.goto(place.address + path)
        assert answer
        assert answer.status == 200
        found = Axe().run(person).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
    assert "owned" not in person.title()
    assert person.locator("img").count() == 0
    assert "49" not in person.locator("main").inner_text()
    assert "\u202e" not in person.content()


@pytest.mark.parametrize("width", [360, 768, 2560])
def test_nothing_is_wider_than_the_window(person: Page, place: Place, width: int) -> None:
    person.set_viewport_size({"width": width, "height": 800})
    for path in PAGES:
        person.goto(place.address + path)
        assert person.evaluate("document.documentElement.scrollWidth") <= width, path


def test_a_page_is_used_by_the_keyboard_alone(person: Page, place: Place) -> None:
    person.goto(place.address)
    person.keyboard.press("Tab")
    expect(person.locator(".skip")).to_be_focused()
    for _ in range(2):
        person.keyboard.press("Tab")
    expect(person.get_by_role("link", name="Review", exact=True)).to_be_focused()
    outline = person.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    person.keyboard.press("Enter")
    expect(person.locator("h1")).to_have_text("Review")


def test_feedback_is_found_shown_and_removed(person: Page, place: Place) -> None:
    person.goto(f"{place.address}/feedback/{MODEL}")
    person.get_by_label("Search").fill("<SCRIPT>")
    person.get_by_role("button", name="Find").click()
    person.get_by_role("link", name="1", exact=True).click()
    expect(person.locator("main")).to_contain_text("<script>document.title")
    person.get_by_role("button", name="Remove record 1 for good").click()
    expect(person.locator("main")).to_contain_text("record 1 is removed")
    assert place.records() == []


def test_what_is_not_there_is_said(person: Page, place: Place) -> None:
    for path in ("/nothing", "/review/nobody", f"/versions/{MODEL}/9.9.9", f"/feedback/{MODEL}/999"):
        answer = person.request.get(place.address + path)
        assert answer.status == 404, path
        assert "Traceback" not in answer.text()
