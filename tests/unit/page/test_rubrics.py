"""Rubrics on the page: what is shown, kept, refused, and what becomes of texts that would act."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from adapterd.evidence.marked import marked
from adapterd.home import Home
from adapterd.page.entry import Entry
from adapterd.store import Store
from adapterd.store.versions import VersionState
from tests.support.kept_answers import keep_answers
from tests.unit.page.conftest import OWN

ACTING = "<script>alert(1)</script> {{ 7919*6841 }} \u202eevil"
REFERENCE = f"It rains. It is cold. {ACTING}"
HERE_PATH = "/rubrics/m"


@pytest.fixture
def page_home(page_home: Home) -> Home:
    """One version that answered three cases."""
    made = page_home
    with Store(made.database) as store:
        store.versions.add("m", "1.0.0", run_id="r", digest="d", base_digest="b")
        store.versions.set_state("m", "1.0.0", VersionState.HELD, "held")
    keep_answers(made, "m", "1.0.0", [(f"{n} {ACTING}", REFERENCE, {"candidate": f"{ACTING} {n}"}) for n in range(3)])
    return made


@pytest.fixture
def store(page_home: Home) -> Iterator[Store]:
    with Store(page_home.database) as opened:
        yield opened


def form_of(page: str) -> dict[str, str]:
    """What the form has when nothing is filled in."""
    item, text = (
        re.search(r'name="item" value="([^"]*)"', page), re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.S)
    )  # fmt: skip
    assert item
    assert text
    return {"item": unescape(item[1]), "facts": unescape(text[1]).replace("\n", "\r\n"), "do": "save"}


def sent(inside: TestClient, form: dict[str, str], **more: Any) -> Any:
    """The answer to what is sent."""
    return inside.post(HERE_PATH, data={**form, **more}, headers=OWN, follow_redirects=True)


def test_a_mark_is_kept_and_the_next_answer_is_shown(inside: TestClient, store: Store) -> None:
    page = inside.get(HERE_PATH).text
    assert "3 answers are to be marked" in page
    assert "1.0.0" not in page.partition("What people marked")[0]
    answer = sent(inside, form_of(page), tick=["0", "2"], topic="on")
    assert "2 answers are to be marked" in answer.text
    assert form_of(answer.text)["item"] != form_of(page)["item"]
    [mark] = store.rubrics.marks("m")
    assert (mark.ticked, mark.total, mark.on_topic) == ((0, 2), 3, True)
    assert list(store.rubrics.facts("m").values()) == [("It rains.", "It is cold.", ACTING)]
    for path in (HERE_PATH, "/versions/m/1.0.0"):
        assert re.search(r"67% \(.*by 1 marked case", inside.get(path).text)


def test_texts_are_texts(inside: TestClient) -> None:
    page = inside.get(HERE_PATH).text
    assert "<script>alert" not in page
    assert "54173879" not in page
    assert page.count("\u202e") == 1  # in the field that is edited, to the last character


def test_all_are_marked_in_the_end(inside: TestClient, store: Store) -> None:
    page = inside.get(HERE_PATH).text
    for _ in range(3):
        page = sent(inside, form_of(page), topic="off").text
    assert "Every answer is marked" in page
    assert marked(store, "m", "1.0.0").topic_drift.value == 1.0


def test_other_facts_are_kept_and_ticked_off_before_the_mark_is(inside: TestClient, store: Store) -> None:
    form = form_of(inside.get(HERE_PATH).text)
    facts = "It pours.\r\nIt is cold."
    answer = sent(inside, form, facts=facts, tick=["0", "1"], topic="off")
    assert "The facts are kept with the case" in answer.text
    assert store.rubrics.marks("m") == []
    assert re.search(r'value="1" checked><span dir="auto">2. It is cold', answer.text)
    assert 'value="0" checked' not in answer.text
    assert re.search(r'value="off" required checked', answer.text)
    again = form_of(answer.text)
    assert again["facts"].split() == facts.split()
    sent(inside, again, tick=["0", "1"], topic="on")
    assert [(each.ticked, each.total) for each in store.rubrics.marks("m")] == [((0, 1), 2)]


def test_a_skipped_one_is_not_marked(inside: TestClient, store: Store) -> None:
    form = form_of(inside.get(HERE_PATH).text)
    answer = sent(inside, form, do="skip")
    assert form_of(answer.text)["item"] != form["item"]
    assert store.rubrics.cases("m") == set()


def test_the_last_mark_is_undone_and_shown_again(inside: TestClient, store: Store) -> None:
    assert inside.post(f"{HERE_PATH}/undo", headers=OWN, follow_redirects=True).status_code == 404
    form = form_of(inside.get(HERE_PATH).text)
    sent(inside, form, tick="1", topic="off")
    answer = inside.post(f"{HERE_PATH}/undo", headers=OWN, follow_redirects=True)
    assert store.rubrics.marks("m") == []
    assert re.search(r'value="1" checked', answer.text)
    assert re.search(r'value="off" required checked', answer.text)


def test_facts_that_were_changed_meanwhile_are_not_ticked_off(inside: TestClient, store: Store) -> None:
    form = form_of(inside.get(HERE_PATH).text)
    sent(inside, form, do="facts", facts="It pours.")
    for given in ({"topic": "on"}, {"do": "facts", "facts": "It snows."}):
        answer = sent(inside, form, **given)
        assert (answer.status_code, "changed meanwhile" in answer.text) == (409, True)
    assert store.rubrics.marks("m") == []


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"topic": ""}, 409, "not said whether"),
        ({"topic": "maybe"}, 409, "not said whether"),
        ({"topic": "on", "tick": "99"}, 409, "a fact that there is not"),
        ({"topic": "on", "tick": "x"}, 404, "nothing with the id"),
        ({"topic": "on", "item": "x"}, 409, "none of this page"),
        ({"topic": "on", "item": ""}, 409, "none of this page"),
        ({"topic": "on", "version": "9.9.9"}, 404, "no version 9.9.9"),
        ({"topic": "on", "version": "../../x"}, 404, "no version"),
        ({"topic": "on", "facts": "x" * 2000}, 409, "at most 1,000 characters"),
        ({"topic": "on", "facts": "\n".join(map(str, range(60)))}, 409, "at most 50 facts"),
    ],
)
def test_what_cannot_be_kept_is_said(
    inside: TestClient, store: Store, given: dict[str, str], status: int, said: str
) -> None:
    answer = sent(inside, form_of(inside.get(HERE_PATH).text), **given)
    assert answer.status_code == status
    assert said in unescape(answer.text)
    assert store.rubrics.cases("m") == set()


def test_what_was_sealed_for_another_purpose_is_nothing(inside: TestClient, entry: Entry) -> None:
    for values in ("text", ["a"], [["a", ["b"]], 1], {"a": 1}, 7):
        assert inside.get(HERE_PATH, params={"at": entry.seal(values)}).status_code == 200
        assert sent(inside, {"item": entry.seal(values)}, topic="on").status_code == 409


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "x.y"}, {"at": "x"}, {"version": "base"}])
def test_an_odd_address_shows_something(inside: TestClient, query: dict[str, str]) -> None:
    assert inside.get(HERE_PATH, params=query).status_code == 200


def test_without_kept_answers_it_says_what_makes_some(inside: TestClient, page_home: Home) -> None:
    (page_home.version("m", "1.0.0") / "answers" / "frozen.jsonl").unlink()
    assert "A run makes one" in inside.get(HERE_PATH).text
    assert inside.get("/versions/m/1.0.0").status_code == 200
