"""What teachers were asked, and the examples they made, go with the feedback and the conversations they came from."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from bench.page import an_answer

from adapterd.capture.captures import Captures
from adapterd.chat import Message, Role, as_dicts
from adapterd.config import Settings
from adapterd.evaluation.answers import prompt_key
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.prompt_intake import remove_captured
from adapterd.removal.in_store import synthetic_examples, teacher_requests
from adapterd.removal.remove import preview, remove, versions_with
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.selection import Criteria, select
from adapterd.removal.shown import shown
from adapterd.removal.texts import Texts
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.taken_back.removals import VersionMark
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, NewExample
from adapterd.store.teaching.requests import NewRequest
from tests.support.hand_clock import HandClock
from tests.unit.removal.conftest import MODEL

TEXT, NONE = "Dear Jane Doe, you owe us 300 euros.", frozenset[str]()
TOLD, ASKED = as_dicts((Message(Role.USER, TEXT),)), as_dicts((Message(Role.USER, "Who?"),))
EXAMPLE = NewExample("answer", "big", "big:70b", "p", ASKED, "Ada", ExampleState.KEPT)
REQUEST = NewRequest("k", "answer", "big", "big:70b", {"messages": ASKED})


@pytest.fixture
def scene(store: Store, home: Home, settings: Settings) -> Scene:
    """A letter goes, a record, and the only one who asked a question."""
    removed = Removed(
        MODEL, frozenset({"gone"}), NONE, Texts(frozenset({TEXT})), NONE,
        frozenset({prompt_key(as_dicts((Message(Role.USER, "Where?"),)))}), NONE, NONE,
    )  # fmt: skip
    return Scene(store, home, settings, removed)


def ask(store: Store, *requests: NewRequest) -> None:
    for each in requests:
        assert store.teaching.requests.begin(MODEL, each)
        assert store.teaching.requests.answered(MODEL, each.key, {"text": "Ada"}, (1, 1), 0.1)


def test_examples_that_came_of_what_goes_are_removed(scene: Scene) -> None:
    for new in (
        EXAMPLE,
        replace(EXAMPLE, messages=TOLD),
        replace(EXAMPLE, answer=f"as I said: {TEXT}"),
        replace(EXAMPLE, rejected=TEXT),
        replace(EXAMPLE, sources=(TEXT,)),
        replace(EXAMPLE, records=("stays", "gone")),
        replace(EXAMPLE, messages=as_dicts((Message(Role.USER, "Where?"),))),
    ):
        assert scene.store.teaching.examples.add(MODEL, new)
    asked = scene.store.teaching.examples.add(MODEL, replace(EXAMPLE, reason=f"not in a source: {TEXT}"))
    assert asked
    scene.store.teaching.examples.decide(
        MODEL, asked, ExampleState.KEPT, BY_PERSON, None
    )  # after which it is an earlier one
    going = [f"synthetic example {number}" for number in range(2, 9)]
    assert list(synthetic_examples(scene, change=False)) == going
    assert list(synthetic_examples(scene, change=True)) == going
    assert list(synthetic_examples(scene, change=True)) == []
    assert [each.id for each in scene.store.teaching.examples.all(MODEL)] == [1]


def test_requests_that_came_of_what_goes_are_removed(scene: Scene) -> None:
    ask(
        scene.store, REQUEST, replace(REQUEST, key="text", request={"messages": TOLD}),
        replace(REQUEST, key="record", records=("gone",)), replace(REQUEST, key="example"),
    )  # fmt: skip
    scene.store.teaching.requests.begin(MODEL, replace(REQUEST, key="reply"))
    scene.store.teaching.requests.answered(MODEL, "reply", {"text": f"no: {TEXT}"}, (1, 1), 0.1)
    scene.store.teaching.examples.add(MODEL, replace(EXAMPLE, records=("gone",), request_key="example"))
    assert list(teacher_requests(scene, change=False)) == ["4 requests"]
    assert list(teacher_requests(scene, change=True)) == ["4 requests"]
    assert list(teacher_requests(scene, change=True)) == []
    assert [each.key for each in scene.store.teaching.requests.all(MODEL)] == ["k"]


def test_what_was_made_from_a_removed_record_or_its_conversation_is_nowhere(
    store: Store, home: Home, settings: Settings
) -> None:
    """The example has other words than the conversation, and is known by its id only."""
    made = replace(
        an_answer(1, 1_700_000_000.0, random.Random(1)), turns=({"role": "user", "content": "Whom did you see?"},)
    )
    with Captures(home.captures) as captures:
        captures.add(made)
    take_posted(store, MODEL, [json.loads('{"prompt": "Whom did you see?", "correction": "Jane, at the pier"}')])
    (record,) = store.feedback.all(MODEL)
    for source in (record.content_hash, made.id, "another"):
        ask(store, replace(REQUEST, key=source, records=(source,)))
        assert store.teaching.examples.add(MODEL, replace(EXAMPLE, records=(source,), request_key=source))
    report = remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(ids=(str(record.id),))))
    assert report.found["synthetic examples"] == ["synthetic example 1", "synthetic example 2"]
    assert [each.records for each in store.teaching.examples.all(MODEL)] == [("another",)]
    assert [each.key for each in store.teaching.requests.all(MODEL)] == ["another"]


def test_what_was_made_from_a_removed_conversation_goes_and_the_file_is_cleaned_later(store: Store) -> None:
    ask(store, replace(REQUEST, records=("capture",)), replace(REQUEST, key="k2"))
    for new in (replace(EXAMPLE, records=("capture",)), replace(EXAMPLE, prompt_hash="its prompt", request_key="k2")):
        assert store.teaching.examples.add(MODEL, new)
    assert store.teaching.examples.add(MODEL, replace(EXAMPLE, records=("other",)))
    assert remove_captured(store, ["capture"], ["its prompt"]) == 0
    assert [each.records for each in store.teaching.examples.all(MODEL)] == [("other",)]
    assert store.teaching.requests.all(MODEL) == []
    assert [each.model for each in store.removals.unfinished()] == [MODEL]


SAID = {"prompt": "Whom did you see?", "correction": "Jane, at the pier"}


def a_version(store: Store, clock: HandClock, number: str, source: str | None = None) -> None:
    """A version, from a run that began a minute ago, when there was no feedback of now."""
    run = f"run-{number}"
    store.runs.start(run, MODEL, reason="asked", fingerprint="f", last_feedback_id=0, adapter_source=source)
    store.runs.set_state(run, RunState.HELD)
    store.versions.add(MODEL, number, run_id=run, digest=f"d{number}", base_digest="b")
    clock.move_on()


@pytest.mark.parametrize(
    ("made", "is_known"),
    [
        ({"records": ("HASH",)}, True),
        ({"prompt_hash": "PROMPT"}, True),
        ({"records": ("HASH",), "state": ExampleState.DROPPED}, False),
        ({"records": ("HASH",), "state": ExampleState.DROPPED, "filter": BY_PERSON}, True),
        ({"records": ("another",)}, False),
    ],
)
def test_versions_that_were_trained_on_what_a_teacher_made_of_a_record_know_it(
    store: Store, home: Home, settings: Settings, clock: HandClock, made: dict[str, Any], is_known: bool
) -> None:
    take_posted(store, MODEL, [SAID])
    (record,) = store.feedback.all(MODEL)
    names = {"HASH": record.content_hash, "PROMPT": record.prompt_hash}
    given: dict[str, Any] = {
        key: names.get(value, value) if isinstance(value, str) else value for key, value in made.items()
    }
    given |= {"records": tuple(names.get(each, each) for each in made.get("records", ()))}
    a_version(store, clock, "1.0.0")
    assert store.teaching.examples.add(MODEL, replace(EXAMPLE, **given))
    a_version(store, clock, "1.1.0")
    a_version(store, clock, "1.1.1", source="/an/adapter")
    selection = select(store, home, MODEL, Criteria(ids=(str(record.id),)))
    told = {"1.1.0": VersionMark(1, 0)} if is_known else {}
    assert shown(store, MODEL, record).versions == told
    assert preview(store, home, settings, MODEL, selection).versions == told
    assert remove(store, home, settings, MODEL, selection).versions == told
    assert store.removals.marks(MODEL) == told


def test_a_prompt_that_somebody_else_asked_too_is_not_the_removed_ones(
    store: Store, home: Home, settings: Settings, clock: HandClock
) -> None:
    take_posted(store, MODEL, [SAID, {**SAID, "correction": "Nobody"}])
    record, other = store.feedback.all(MODEL)
    assert store.teaching.examples.add(MODEL, replace(EXAMPLE, prompt_hash=record.prompt_hash))
    a_version(store, clock, "1.0.0")
    assert versions_with(store, MODEL, [record]) == {}
    assert versions_with(store, MODEL, [record, other]) == {"1.0.0": VersionMark(2, 0)}
