"""A person judges captured answers by the keyboard."""

import json

from playwright.sync_api import Page, expect

from adapterd.capture.captures import Captures
from tests.integration.page.conftest import MODEL, Place, a_capture
from tests.support.browser import Seen


def review(person: Page, place: Place) -> None:
    person.goto(f"{place.address}/review/{MODEL}")


def judged(person: Page) -> int:
    return int(person.locator("main p").first.inner_text().split()[0])


def test_twenty_are_judged_by_keys(person: Page, place: Place) -> None:
    review(person, place)
    for number in range(20):
        person.keyboard.press(str(1 + number % 5))
        person.keyboard.press("Control+Enter")
        expect(person.locator("main p").first).to_contain_text(f"{number + 1} judged")
    assert len(place.reviews()) == 20
    assert len(place.records()) == 21
    ratings = [json.loads(each)["rating"] for each in place.records()[1:]]
    assert ratings == [1 + number % 5 for number in range(20)]


def test_an_edit_shows_its_difference_and_its_faults_and_teaches(person: Page, place: Place) -> None:
    review(person, place)
    person.keyboard.press("e")
    person.keyboard.press("Control+a")
    person.keyboard.type('{"place": "Oslo"')
    expect(person.locator("#difference .fault")).to_contain_text("no valid JSON")
    person.keyboard.type("}")
    expect(person.locator("#difference .fault")).to_have_count(0)
    expect(person.locator("#difference ins")).to_contain_text("Oslo")
    expect(person.locator("#difference del")).not_to_have_count(0)
    person.keyboard.press("Escape")
    person.keyboard.press("Shift+Digit3")
    person.keyboard.press("Control+Enter")
    expect(person.locator("main p").first).to_contain_text("1 judged")
    record = json.loads(place.records()[-1])
    assert record["correction"] == '{"place": "Oslo"}'
    assert record["failure_tags"] == ["wrong_entity"]


def test_what_was_begun_is_there_when_the_tab_is_opened_again(person: Page, place: Place) -> None:
    review(person, place)
    person.locator("#correction").fill("half of a correc")
    person.keyboard.press("Escape")
    person.keyboard.press("2")
    again = person.context.new_page()
    person.close()
    again.goto(f"{place.address}/review/{MODEL}")
    expect(again.locator("#correction")).to_have_value("half of a correc")
    expect(again.locator("[name=rating][value='2']")).to_be_checked()
    again.get_by_role("button", name="Save and next").click()
    expect(again.locator("main p").first).to_contain_text("1 judged")
    assert again.evaluate("Object.keys(localStorage)") == []


def test_skip_and_undo(person: Page, place: Place) -> None:
    review(person, place)
    first = person.locator("form#review").get_attribute("data-draft")
    person.keyboard.press("ArrowRight")
    expect(person.locator("main p").first).to_contain_text("1 judged")
    assert person.locator("form#review").get_attribute("data-draft") != first
    person.keyboard.press("ArrowLeft")
    expect(person.locator("main p").first).to_contain_text("0 judged")
    assert person.locator("form#review").get_attribute("data-draft") == first
    assert place.reviews() == []


def test_nothing_said_is_refused_and_what_was_typed_stays(person: Page, place: Place, seen: list[Seen]) -> None:
    review(person, place)
    person.locator("#notes").fill("a note alone")
    person.get_by_role("button", name="Save and next").click()
    expect(person.get_by_role("alert")).to_contain_text("nothing is said")
    seen.clear()  # the browser tells its console of the refusal
    review(person, place)
    expect(person.locator("#notes")).to_have_value("a note alone")


def test_the_same_repair_is_done_for_all_that_need_it(person: Page, place: Place) -> None:
    review(person, place)
    while "```" not in person.locator("#correction").input_value():
        person.keyboard.press("ArrowRight")
        person.wait_for_load_state()
    plain = person.locator("#correction").input_value().removeprefix("```json\n").removesuffix("\n```")
    person.locator("#correction").fill(plain)
    person.keyboard.press("Control+Enter")
    person.get_by_role("button", name="Mend all 5 so").click()
    expect(person.locator("main p").first).to_contain_text("judged")
    mended = [json.loads(each)["correction"] for each in place.records()[1:]]
    assert len(mended) == 6
    assert not [each for each in mended if "```" in each or not json.loads(each)]
    person.keyboard.press("u")
    expect(person.locator("main p").first).to_contain_text("judged")
    assert len(place.records()) == 2


def test_keys_are_told(person: Page, place: Place) -> None:
    review(person, place)
    person.keyboard.press("?")
    expect(person.get_by_role("dialog")).to_contain_text("save and next")
    person.keyboard.press("Escape")
    expect(person.get_by_role("dialog")).to_have_count(0)


def test_two_tabs_do_not_judge_one_answer_twice(person: Page, place: Place) -> None:
    review(person, place)
    other = person.context.new_page()
    other.goto(person.url)
    for page in (person, other):
        page.locator("[name=rating][value='1'] + span").click()
        page.get_by_role("button", name="Save and next").click()
    expect(other.get_by_role("alert")).to_contain_text("judged already")
    assert len(place.reviews()) == 1


def test_a_text_reaches_the_field_to_the_last_character(person: Page, place: Place) -> None:
    odd = '\n\n  {"a": "</textarea><b>\u202e"}\t\n'
    with Captures(place.home.captures) as captures:
        captures.remove([each.id for each in captures.last(100)])
        captures.add(a_capture(1, answer=odd))
    review(person, place)
    assert person.locator("#correction").input_value() == odd
    assert person.locator("main b").count() == 0
