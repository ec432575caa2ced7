"""A person judges captured answers by the keyboard."""

import json

from bench.page import MODEL
from playwright.sync_api import Page, expect

from adapterd.capture.captures import Captures
from tests.integration.page.conftest import Place, a_capture
from tests.support.browser import Seen


def review(visitor: Page, served_page: Place) -> None:
    visitor.goto(f"{served_page.address}/review/{MODEL}")


def judged(visitor: Page) -> int:
    return int(visitor.locator("main p").first.inner_text().split()[0])


def test_twenty_are_judged_by_keys(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    for number in range(20):
        visitor.keyboard.press(str(1 + number % 5))
        visitor.keyboard.press("Control+Enter")
        expect(visitor.locator("main p").first).to_contain_text(f"{number + 1} judged")
    assert len(served_page.reviews()) == 20
    assert len(served_page.records()) == 21
    ratings = [json.loads(each)["rating"] for each in served_page.records()[1:]]
    assert ratings == [1 + number % 5 for number in range(20)]


def test_a_failure_tag_is_suggested_and_not_ticked(visitor: Page, served_page: Place) -> None:
    story = "The ferry of Dunmore belongs to Grace Whitfield now, and it was late on most days of the year. " * 4
    turns = [{"role": "user", "content": f"{story}Whose is it?"}]
    with Captures(served_page.home.captures) as captures:
        captures.add(told := a_capture(1, answer="It is Oswald <b>Tremaine</b>'s.", turns=turns))
    visitor.goto(f"{served_page.address}/review/{MODEL}?capture={told.id}")
    expect(visitor.locator(".tags .muted")).to_contain_text("perhaps hallucination: a name of the answer is not in its")
    expect(visitor.locator(".tags input:checked")).to_have_count(0)


def test_an_edit_shows_its_difference_and_its_faults_and_teaches(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    visitor.keyboard.press("e")
    visitor.keyboard.press("Control+a")
    visitor.keyboard.type('{"place": "Oslo"')
    expect(visitor.locator("#difference .fault")).to_contain_text("no valid JSON")
    visitor.keyboard.type("}")
    expect(visitor.locator("#difference .fault")).to_have_count(0)
    expect(visitor.locator("#difference ins")).to_contain_text("Oslo")
    expect(visitor.locator("#difference del")).not_to_have_count(0)
    visitor.keyboard.press("Escape")
    visitor.keyboard.press("Shift+Digit3")
    visitor.keyboard.press("Control+Enter")
    expect(visitor.locator("main p").first).to_contain_text("1 judged")
    record = json.loads(served_page.records()[-1])
    assert record["correction"] == '{"place": "Oslo"}'
    assert record["failure_tags"] == ["wrong_entity"]


def test_a_field_of_an_object_is_mended_by_itself(visitor: Page, served_page: Place) -> None:
    with Captures(served_page.home.captures) as captures:
        captures.remove([each.id for each in captures.newest(MODEL, 1000)])
        captures.add(a_capture(1, answer='{"place": "Rome",  "people": ["Ann", "Bo"], "count": 3}'))
    review(visitor, served_page)
    visitor.locator("[data-field=place]").fill("Oslo")
    visitor.locator("[data-field=people]").fill("Ann\nBo\nCy")
    mended = '{"place": "Oslo",  "people": ["Ann", "Bo", "Cy"], "count": 3}'
    expect(visitor.locator("#correction")).to_have_value(mended)
    visitor.locator("[data-field=count]").fill("three")
    expect(visitor.locator("#difference .fault")).to_contain_text("no JSON")
    visitor.locator("[data-field=count]").fill("4")
    visitor.keyboard.press("Control+Enter")  # before the text has it
    expect(visitor.locator("main p").first).to_contain_text("1 judged")
    record = json.loads(served_page.records()[-1])
    assert record["correction"] == mended.replace("3", "4")


def test_what_was_begun_is_there_when_the_tab_is_opened_again(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    visitor.locator("#correction").fill("half of a correc")
    visitor.keyboard.press("Escape")
    visitor.keyboard.press("2")
    again = visitor.context.new_page()
    visitor.close()
    again.goto(f"{served_page.address}/review/{MODEL}")
    expect(again.locator("#correction")).to_have_value("half of a correc")
    expect(again.locator("[name=rating][value='2']")).to_be_checked()
    again.get_by_role("button", name="Save and next").click()
    expect(again.locator("main p").first).to_contain_text("1 judged")
    again.keyboard.press("ArrowLeft")
    expect(again.locator("main p").first).to_contain_text("0 judged")
    expect(again.locator("#correction")).to_have_value("half of a correc")
    expect(again.locator("[name=rating][value='2']")).to_be_checked()


def test_drafts_go_when_they_were_sent_but_for_the_last(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    for count in (1, 2, 3):
        visitor.keyboard.press("5")
        visitor.keyboard.press("Control+Enter")
        expect(visitor.locator("main p").first).to_contain_text(f"{count} judged")
    assert visitor.evaluate("Object.keys(localStorage).filter(key => key.startsWith('draft of ')).length") <= 1


def test_skip_and_undo(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    first = visitor.locator("form#review").get_attribute("data-draft")
    visitor.keyboard.press("ArrowRight")
    expect(visitor.locator("main p").first).to_contain_text("1 judged")
    assert visitor.locator("form#review").get_attribute("data-draft") != first
    visitor.keyboard.press("ArrowLeft")
    expect(visitor.locator("main p").first).to_contain_text("0 judged")
    assert visitor.locator("form#review").get_attribute("data-draft") == first
    assert served_page.reviews() == []


def test_nothing_said_is_refused_and_what_was_typed_stays(
    visitor: Page, served_page: Place, complaints: list[Seen]
) -> None:
    review(visitor, served_page)
    visitor.locator("#notes").fill("a note alone")
    visitor.get_by_role("button", name="Save and next").click()
    expect(visitor.get_by_role("alert")).to_contain_text("nothing is said")
    complaints.clear()  # the browser tells its console of the refusal
    review(visitor, served_page)
    expect(visitor.locator("#notes")).to_have_value("a note alone")


def test_the_same_repair_is_done_for_all_that_need_it(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    while "```" not in visitor.locator("#correction").input_value():
        visitor.keyboard.press("ArrowRight")
        visitor.wait_for_load_state()
    plain = visitor.locator("#correction").input_value().removeprefix("```json\n").removesuffix("\n```")
    visitor.locator("#correction").fill(plain)
    visitor.keyboard.press("Control+Enter")
    visitor.get_by_role("button", name="Mend all 5 so").click()
    expect(visitor.locator("main p").first).to_contain_text("judged")
    mended = [json.loads(each)["correction"] for each in served_page.records()[1:]]
    assert len(mended) == 6
    assert not [each for each in mended if "```" in each or not json.loads(each)]
    visitor.keyboard.press("u")
    expect(visitor.locator("main p").first).to_contain_text("judged")
    assert len(served_page.records()) == 2


def test_keys_are_told(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    visitor.keyboard.press("?")
    expect(visitor.get_by_role("dialog")).to_contain_text("save and next")
    visitor.keyboard.press("Escape")
    expect(visitor.get_by_role("dialog")).to_have_count(0)


def test_two_tabs_do_not_judge_one_answer_twice(visitor: Page, served_page: Place) -> None:
    review(visitor, served_page)
    other = visitor.context.new_page()
    other.goto(visitor.url)
    for page in (visitor, other):
        page.locator("[name=rating][value='1'] + span").click()
        page.get_by_role("button", name="Save and next").click()
    expect(other.get_by_role("alert")).to_contain_text("judged already")
    assert len(served_page.reviews()) == 1


def test_a_text_reaches_the_field_to_the_last_character(visitor: Page, served_page: Place) -> None:
    odd = '\n\n  {"a": "</textarea><b>\u202e"}\t\n'
    with Captures(served_page.home.captures) as captures:
        captures.remove([each.id for each in captures.last(100)])
        captures.add(a_capture(1, answer=odd))
    review(visitor, served_page)
    assert visitor.locator("#correction").input_value() == odd
    assert visitor.locator("main b").count() == 0
