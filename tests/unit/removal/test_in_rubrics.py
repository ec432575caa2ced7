"""Key facts and marks go with the cases and the feedback that are taken back."""

from typing import Any

import pytest

from adapterd.chat import Message, Role, as_dicts
from adapterd.config import Settings
from adapterd.evidence.kept_answers import case_hash
from adapterd.home import Home
from adapterd.removal.in_store import evaluation_sets, rubrics
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.texts import Texts
from adapterd.store import Store
from adapterd.store.reviews.rubrics import Mark, facts_hash
from adapterd.store.teaching.requests import NewRequest
from tests.unit.removal.conftest import MODEL

TEXT, NONE = "Dear Jane Doe, you owe us 300 euros.", frozenset[str]()


def a_case(prompt: str, record: str) -> dict[str, Any]:
    messages = as_dicts((Message(Role.USER, prompt),))
    return {"id": prompt, "messages": messages, "reference": f"about {prompt}", "record": record}


CASES = [a_case("stays", "1"), a_case("goes", "2"), a_case("is quoted", "3")]
STAYS, GOES, QUOTED = (case_hash(each["messages"], each["reference"]) for each in CASES)


@pytest.fixture
def scene(store: Store, home: Home, settings: Settings) -> Scene:
    """A record goes, and with it a letter; each case has facts and a mark, and so has one of no set."""
    store.evaluation_sets.freeze(MODEL, "hash", CASES)
    for case, facts in ((STAYS, ("a",)), (GOES, ("b",)), (QUOTED, ("c", f"They say: {TEXT}")), ("of no set", ("d",))):
        store.rubrics.put_facts(MODEL, case, facts)
        store.rubrics.mark(MODEL, Mark(case, "answer", facts_hash(facts), len(facts), (0,), True))
    store.rubrics.put_facts("other", "of no set", ["stays"])
    going = frozenset({"2"})
    return Scene(store, home, settings, Removed(MODEL, going, NONE, Texts(frozenset({TEXT})), NONE, NONE, NONE, NONE))


@pytest.mark.parametrize("reduced", [False, True])
def test_facts_of_cases_that_go_are_removed(scene: Scene, reduced: bool) -> None:
    if reduced:  # as when the removal was killed in between
        assert list(evaluation_sets(scene, change=True))
    assert list(rubrics(scene, change=False)) == ["key facts of 3 cases"]
    assert scene.store.rubrics.cases(MODEL) == {STAYS, GOES, QUOTED, "of no set"}
    assert list(rubrics(scene, change=True)) == ["key facts of 3 cases"]
    assert list(rubrics(scene, change=True)) == []
    assert scene.store.rubrics.facts(MODEL) == {STAYS: ("a",)}
    assert [each.case for each in scene.store.rubrics.marks(MODEL)] == [STAYS]
    assert scene.store.rubrics.cases("other") == {"of no set"}


def test_what_a_judge_was_asked_about_cases_that_go_is_removed(scene: Scene) -> None:
    for case in ("stays", "goes"):
        asked = NewRequest(f"k {case}", "verdict", "big", "big:1", {"messages": []}, (f"case {case}",))
        assert scene.store.teaching.requests.begin(MODEL, asked)
        scene.store.rubric_scores.put(MODEL, "1.0.0", case, "judged_faithfulness", 0.5, "judge")
    assert list(evaluation_sets(scene, change=True))
    assert [each.key for each in scene.store.teaching.requests.all(MODEL)] == ["k stays"]
    assert list(scene.store.rubric_scores.of(MODEL, "1.0.0")) == ["stays"]
