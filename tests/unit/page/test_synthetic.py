"""Examples that a filter is unsure of, on the page: what is shown, kept, refused, and texts that would act."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapterd.home import Home
from adapterd.page.entry import Entry
from adapterd.store import Store
from adapterd.store.teaching.examples import JUDGE, UNJUDGED, ExampleState, NewExample
from tests.unit.page.conftest import OWN

ACTING = "<script>alert(1)</script> {{ 7919*6841 }} \u202eevil \x1b[31m"
HERE_PATH = "/synthetic/m"
UNSURE = NewExample(
    "grounded", f"big {ACTING}", ACTING, "p", [{"role": f"user {ACTING}", "content": f"When? {ACTING}"}],
    f"In 42. {ACTING}", ExampleState.UNSURE, sources=(f"In 1942. {ACTING}", "another"), source_ids=(f"s {ACTING}",),
    filter="grounded", reason=f"42 is in no source {ACTING}", run="teach 1",
)  # fmt: skip


@pytest.fixture
def store(page_home: Home) -> Iterator[Store]:
    """Three that a filter is unsure of, one of them a pair, and what it dropped."""
    with Store(page_home.database) as opened:
        add = opened.teaching.examples.add
        add("m", UNSURE)
        add("m", replace(UNSURE, kind="worse", rejected=f"Worse. {ACTING}"))
        add("m", replace(UNSURE, answer="Third"))
        add("m", replace(UNSURE, state=ExampleState.DROPPED, filter="schema"))
        yield opened


def test_what_a_judge_did_stands_among_the_numbers(store: Store, inside: TestClient) -> None:
    store.teaching.examples.add("m", replace(UNSURE, filter=UNJUDGED, reason="not yet"))
    store.teaching.examples.add("m", replace(UNSURE, state=ExampleState.DROPPED, filter=JUDGE))
    shown = unescape(inside.get(HERE_PATH).text)
    assert "1 below the judge's score; 3 to be looked at, 1 wait for the judge" in shown


def states(store: Store) -> list[str]:
    return [each.state for each in store.teaching.examples.all("m")]


def sealed(page: str) -> str:
    found = re.search(r'name="item" value="([^"]*)"', page)
    assert found
    return unescape(found[1])


def sent(inside: TestClient, page: str, do: str, **more: str) -> Any:
    """The answer to what is sent."""
    return inside.post(HERE_PATH, data={"item": sealed(page), "do": do, **more}, headers=OWN, follow_redirects=True)


def undone(inside: TestClient) -> Any:
    return inside.post(f"{HERE_PATH}/undo", headers=OWN, follow_redirects=True)


def test_all_are_decided_on_one_after_the_other(inside: TestClient, store: Store) -> None:
    page = inside.get(HERE_PATH).text
    assert "3 examples are to be looked at" in page
    assert ">grounded: 42 is in no source" in page
    page = sent(inside, page, "keep").text
    assert "2 examples are to be looked at" in page
    assert "Worse answer, by the teacher" in page
    page = sent(inside, page, "skip").text
    page = sent(inside, page, "drop").text
    assert "1 example is to be looked at" in page
    assert "Worse answer, by the teacher" in page
    assert "Nothing is left" in sent(inside, page, "drop").text
    assert states(store) == ["kept", "dropped", "dropped", "dropped"]


def test_texts_are_texts(inside: TestClient, store: Store) -> None:
    for path in (HERE_PATH, "/home/m", "/", "/versions/m"):
        page = inside.get(path).text
        assert "4 made, 0 kept: 1 not by the schema; 3 to be looked at" in page
        assert "<script>alert" not in page
        assert "54173879" not in page
        assert not {"\u202e", "\x1b"} & {*page}


def test_home_says_how_many_wait(inside: TestClient, store: Store) -> None:
    assert "3 wait for you" in inside.get("/home/m").text
    for example in (1, 2, 3):
        store.teaching.examples.decide("m", example, ExampleState.KEPT, "person", None)
    page = inside.get("/home/m").text
    assert "wait for you" not in page
    assert "4 made, 3 kept" in page


def test_the_last_is_taken_back_and_shown_again(inside: TestClient, store: Store) -> None:
    assert "Undo the last" not in inside.get(HERE_PATH).text
    assert undone(inside).status_code == 404
    sent(inside, inside.get(HERE_PATH).text, "drop")
    page = undone(inside).text
    assert "Example 1 is unsure again" in page
    assert sent(inside, page, "keep").status_code == 200
    assert states(store) == ["kept", "unsure", "unsure", "dropped"]


def test_the_same_form_decides_once(inside: TestClient, store: Store) -> None:
    page = inside.get(HERE_PATH).text
    sent(inside, page, "keep")
    again = sent(inside, page, "drop")
    assert (again.status_code, "decided on already: it is kept" in again.text) == (409, True)
    assert states(store)[0] == "kept"


def test_one_that_was_taken_back_meanwhile_is_said(inside: TestClient, store: Store) -> None:
    page = inside.get(HERE_PATH).text
    store.teaching.examples.forget("m", [1])
    assert sent(inside, page, "keep").status_code == 404


def test_what_cannot_be_kept_is_said(inside: TestClient, store: Store, entry: Entry) -> None:
    page = inside.get(HERE_PATH).text
    for do in ("", "kept", "<b>"):
        assert sent(inside, page, do).status_code == 409
    for item in ("", "x", entry.seal(["answer to mark", 1]), entry.seal({"a": 1}), entry.seal(7)):
        assert sent(inside, page, "keep", item=item).status_code == 409
    assert states(store) == ["unsure", "unsure", "unsure", "dropped"]


def test_other_pages_cannot_decide(inside: TestClient, store: Store) -> None:
    data = {"item": sealed(inside.get(HERE_PATH).text), "do": "keep"}
    for headers in ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, {}):
        for path in (HERE_PATH, f"{HERE_PATH}/undo"):
            assert inside.post(path, data=data, headers=headers).status_code == 403
    assert states(store)[0] == "unsure"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": "99"}, 200), ({"undone": "99"}, 200), ({"undone": "4"}, 200), ({"after": "x"}, 404),
        ({"undone": "-1"}, 404),
    ],
)  # fmt: skip
def test_an_odd_address_is_answered(inside: TestClient, store: Store, query: dict[str, str], status: int) -> None:
    assert inside.get(HERE_PATH, params=query).status_code == status


def test_without_any_it_says_what_makes_some(inside: TestClient) -> None:
    assert "adapterctl teach" in inside.get(HERE_PATH).text
    assert "Teachers" not in inside.get("/home/m").text
