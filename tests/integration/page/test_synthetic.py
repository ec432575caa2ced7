"""A person looks at examples that a filter is unsure of, by the keyboard."""

from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from bench.page import MODEL
from playwright.sync_api import Page, expect

from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.teaching.examples import ExampleState, NewExample
from tests.integration.page.conftest import ACTING, Place

COUNT = 4
UNSURE = NewExample(
    "grounded", f"big {ACTING}", "big:70b", "p", [{"role": "user", "content": f"When? {ACTING}"}], f"In 42. {ACTING}",
    ExampleState.UNSURE, sources=(f"In 1942. {ACTING} {'long ' * 500}",), source_ids=(f"{ACTING}",), filter="grounded",
    reason=f"42 is in no source {ACTING}", run="teach 1",
)  # fmt: skip


@pytest.fixture
def home(home: Home) -> Home:
    """Some examples wait; the last one is a pair."""
    with Store(home.database) as store:
        for number in range(COUNT):
            rejected = f"Worse. {ACTING}" if number == COUNT - 1 else None
            store.teaching.examples.add(MODEL, replace(UNSURE, answer=f"Answer {number} {ACTING}", rejected=rejected))
    return home


def states(place: Place) -> list[str]:
    with Store(place.home.database) as store:
        return [each.state for each in store.teaching.examples.all(MODEL)]


def is_shown(visitor: Page, number: int, left: int) -> None:
    examples = "1 example is" if left == 1 else f"{left} examples are"
    expect(visitor.locator("main p").first).to_contain_text(f"{examples} to be looked at")
    expect(visitor.locator("#synthetic form").first).to_contain_text(f"Answer {number}")


def test_examples_are_decided_on_by_keys(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/home/{MODEL}")
    visitor.get_by_role("link", name=f"{COUNT} wait for you").click()
    is_shown(visitor, 0, 4)
    visitor.keyboard.press("k")
    is_shown(visitor, 1, 3)
    visitor.keyboard.press("ArrowRight")
    is_shown(visitor, 2, 3)
    visitor.keyboard.press("d")
    is_shown(visitor, 3, 2)
    visitor.keyboard.press("u")
    is_shown(visitor, 2, 3)
    expect(visitor.get_by_role("status")).to_contain_text("Example 3 is unsure again")
    visitor.keyboard.press("?")
    expect(visitor.get_by_role("dialog")).to_be_visible()
    visitor.keyboard.press("k")  # nothing is decided behind the list of keys
    visitor.keyboard.press("Escape")
    visitor.keyboard.press("k")
    is_shown(visitor, 3, 2)
    assert states(served_page) == ["kept", "unsure", "kept", "unsure"]
    visitor.get_by_role("button", name="Drop").click()
    is_shown(visitor, 1, 1)
    visitor.keyboard.press("d")
    expect(visitor.locator("main")).to_contain_text("Nothing is left to be looked at")
    visitor.keyboard.press("ArrowLeft")
    is_shown(visitor, 1, 1)
    assert states(served_page) == ["kept", "unsure", "kept", "dropped"]


def test_a_key_that_is_held_down_decides_on_nothing_more(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/synthetic/{MODEL}")
    is_shown(visitor, 0, 4)
    visitor.keyboard.down("k")
    is_shown(visitor, 1, 3)
    for _ in range(5):
        visitor.keyboard.down("k")  # which is a repetition
    visitor.keyboard.up("k")
    is_shown(visitor, 1, 3)
    assert states(served_page) == ["kept", "unsure", "unsure", "unsure"]


def test_letters_are_the_same_keys_with_caps_lock(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/synthetic/{MODEL}")
    is_shown(visitor, 0, 4)
    visitor.keyboard.press("D")
    is_shown(visitor, 1, 3)
    visitor.keyboard.press("U")
    is_shown(visitor, 0, 4)
    assert states(served_page) == ["unsure"] * 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_and_its_texts_are_texts(visitor: Page, served_page: Place, scheme: str) -> None:
    visitor.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in (f"/synthetic/{MODEL}", f"/synthetic/{MODEL}?undone={COUNT}", f"/home/{MODEL}", f"/versions/{MODEL}"):
        visitor.goto(served_page.address + path)
        found = Axe().run(visitor).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        assert visitor.locator("img").count() == 0
        assert "54173879" not in visitor.locator("main").inner_text()
        assert "\u202e" not in visitor.content()
    for width in (360, 768, 2560):
        visitor.set_viewport_size({"width": width, "height": 800})
        visitor.goto(f"{served_page.address}/synthetic/{MODEL}?undone={COUNT}")
        assert visitor.evaluate("document.documentElement.scrollWidth") <= width
