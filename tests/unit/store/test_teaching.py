"""Requests to teachers and synthetic examples: each once, counted, and gone with what they were made from."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, NewExample
from adapterd.store.teaching.requests import NewRequest, RequestState, Spent
from tests.support.hand_clock import HandClock

MODEL = "m"
REQUEST = NewRequest("k1", "answer", "big", "big:70b", {"messages": [{"role": "user", "content": "Who?"}]}, ("r1",))
REPLY = {"text": "Ada \ud83d", "complete": True, "thoughts": ""}
EXAMPLE = NewExample(
    "answer", "big", "big:70b", "p1", [{"role": "user", "content": "Who?"}], "Ada", ExampleState.KEPT,
    records=("r1",), request_key="k1", filter="judge",
)  # fmt: skip


def take_back(store: Store, *hashes: str) -> None:
    store.removals.begin(MODEL, "test", going=(), hashes=hashes, versions={})


def test_outlines_are_the_examples_without_their_texts(store: Store) -> None:
    made = replace(EXAMPLE, request_key=None)
    for new in (made, replace(made, kind="worse", rejected="B", records=(), state=ExampleState.DROPPED)):
        assert store.teaching.examples.add(MODEL, new)
    assert store.teaching.examples.add("another", made)
    outlines = store.teaching.examples.outlines(MODEL)
    whole = store.teaching.examples.all(MODEL)
    assert [vars(each) for each in outlines] == [
        {name: vars(one)[name] for name in vars(each)} for each, one in zip(outlines, whole, strict=True)
    ]
    assert len(outlines) == 2


def test_keys_are_those_of_requests_in_a_state(store: Store) -> None:
    requests = store.teaching.requests
    for key in ("k1", "k2"):
        requests.begin(MODEL, replace(REQUEST, key=key))
    requests.refused(MODEL, "k2", "no")
    assert requests.keys(MODEL, RequestState.REFUSED) == {"k2"}
    assert requests.keys(MODEL, RequestState.ASKED) == {"k1"}
    assert requests.keys("another", RequestState.ASKED) == set()


def test_a_request_is_asked_until_it_is_answered(store: Store) -> None:
    requests = store.teaching.requests
    assert requests.begin(MODEL, REQUEST)
    requests.failed(MODEL, "k1", "too busy")
    assert requests.states(MODEL, ["k1", "k2"]) == {"k1": (RequestState.ASKED, True)}
    assert requests.begin(MODEL, REQUEST)
    assert requests.states(MODEL, ["k1"]) == {"k1": (RequestState.ASKED, False)}
    assert requests.answered(MODEL, "k1", REPLY, (3, 5), 0.5)
    assert not requests.begin(MODEL, REQUEST)
    assert not requests.answered(MODEL, "k1", {"text": "another"}, (1, 1), 0.1)
    stored = requests.of(MODEL, ["k1"])["k1"]
    assert (stored.state, stored.tries, stored.reply, stored.tokens) == (RequestState.ANSWERED, 2, REPLY, (3, 5))
    assert stored.request == REQUEST.request
    assert stored.ended_at is not None


def test_a_refused_request_is_not_asked_again(store: Store) -> None:
    requests = store.teaching.requests
    assert requests.begin(MODEL, REQUEST)
    assert requests.refused(MODEL, "k1", "too long")
    assert not requests.begin(MODEL, REQUEST)
    assert requests.all(MODEL)[0].reason == "too long"
    assert requests.counts(MODEL) == {("answer", "big", RequestState.REFUSED): 1}


def test_what_was_taken_back_is_neither_asked_nor_kept(store: Store) -> None:
    requests, examples = store.teaching.requests, store.teaching.examples
    assert requests.begin(MODEL, REQUEST)
    requests.forget(MODEL, ["k1"])
    assert not requests.answered(MODEL, "k1", REPLY, (1, 1), 0.1), "it went while it was in flight"
    assert requests.all(MODEL) == []
    assert examples.add(MODEL, EXAMPLE) is None, "its request is gone"
    take_back(store, "r1", "p2")
    assert not requests.begin(MODEL, REQUEST)
    assert examples.add(MODEL, replace(EXAMPLE, request_key=None)) is None
    assert examples.add(MODEL, replace(EXAMPLE, request_key=None, records=(), prompt_hash="p2")) is None
    assert examples.add(MODEL, replace(EXAMPLE, request_key=None, records=("r2",))) == 1
    assert requests.begin(MODEL, replace(REQUEST, records=("r2",)))


def test_what_a_teacher_took_is_added_up_since_a_moment(store: Store, clock: HandClock) -> None:
    requests = store.teaching.requests
    for key in ("k1", "k2"):
        began = store.clock()
        requests.begin(MODEL, replace(REQUEST, key=key))
        requests.answered(MODEL, key, REPLY, (3, 5), 0.5)
        clock.now += timedelta(hours=1)
    assert requests.spent(MODEL, "big", began) == Spent(1, 8, 0.5)
    assert requests.spent(MODEL, "big", began - timedelta(days=1)) == Spent(2, 16, 1.0)
    assert requests.spent(MODEL, "other", began) == Spent()


def test_examples_are_counted_by_kind_teacher_and_state_and_by_filter(store: Store) -> None:
    examples = store.teaching.examples
    new = replace(EXAMPLE, request_key=None, rejected="Bo", sources=("text",), source_ids=("s",), run="r-1")
    first = examples.add(MODEL, new)
    assert first is not None
    examples.add(MODEL, replace(new, state=ExampleState.DROPPED, filter="schema", run="r-2"))
    assert examples.counts(MODEL) == {
        ("answer", "big", ExampleState.KEPT): 1, ("answer", "big", ExampleState.DROPPED): 1,
    }  # fmt: skip
    assert examples.filtered(MODEL, "r-2") == {(ExampleState.DROPPED, "schema"): 1}
    assert examples.decide(MODEL, first, ExampleState.UNSURE, "agreement", "2 of 3")
    found = examples.get(MODEL, first)
    assert found is not None
    assert {name: getattr(found, name) for name in vars(new)} == vars(
        replace(new, state=ExampleState.UNSURE, filter="agreement", reason="2 of 3")
    )
    assert [each.id for each in examples.all(MODEL, ExampleState.UNSURE)] == [first]
    assert not examples.decide(MODEL, 99, ExampleState.KEPT, "person", None)


def test_decisions_are_taken_back_one_after_the_other(store: Store, clock: HandClock) -> None:
    examples = store.teaching.examples
    new = replace(EXAMPLE, request_key=None, state=ExampleState.UNSURE, filter="grounded", reason="no 42")
    first, second = (examples.add(MODEL, new) for _ in range(2))
    assert first is not None
    assert second is not None
    assert examples.last_decided(MODEL, BY_PERSON) is None
    made = [examples.get(MODEL, each) for each in (first, second)]
    for example, state in (
        (first, ExampleState.KEPT), (second, ExampleState.DROPPED), (first, ExampleState.DROPPED),
    ):  # fmt: skip
        clock.now += timedelta(minutes=1)
        assert examples.decide(MODEL, example, state, BY_PERSON, None)
    found = examples.get(MODEL, first)
    assert found
    assert [(each.state, each.filter, each.reason) for each in found.earlier] == [
        ("unsure", "grounded", "no 42"), ("kept", BY_PERSON, None),
    ]  # fmt: skip
    undone = list[tuple[int, str]]()
    while last := examples.last_decided(MODEL, BY_PERSON):
        undone.append((last.id, last.state))
        examples.undo(last)
    assert undone == [(first, "dropped"), (second, "dropped"), (first, "kept")]
    assert [examples.get(MODEL, each) for each in (first, second)] == made
    assert examples.last_decided("other", BY_PERSON) is None


def test_those_of_a_state_come_one_by_one(store: Store) -> None:
    examples = store.teaching.examples
    states = (ExampleState.UNSURE, ExampleState.KEPT, ExampleState.UNSURE)
    one, _, other = (examples.add(MODEL, replace(EXAMPLE, request_key=None, state=each)) for each in states)
    found, after = list[int](), 0
    while each := examples.next_in(MODEL, ExampleState.UNSURE, after):
        found.append(after := each.id)
    assert found == [one, other]
    assert examples.next_in("other", ExampleState.UNSURE) is None


@pytest.mark.parametrize(("records", "prompts"), [(("r1",), ()), ((), ("p1",))])
def test_what_was_made_from_something_goes_with_it(
    store: Store, records: tuple[str, ...], prompts: tuple[str, ...]
) -> None:
    teaching = store.teaching
    for model in (MODEL, "other"):
        for number in (1, 2):
            teaching.requests.begin(model, replace(REQUEST, key=f"k{number}", records=(f"r{number}", "r0")))
            new = replace(EXAMPLE, request_key=f"k{number}", records=(f"r{number}",), prompt_hash=f"p{number}")
            teaching.examples.add(model, new)
    gone = teaching.forget_records(records, MODEL) | teaching.forget_prompts(prompts, MODEL)
    assert gone == {MODEL: 2}
    assert [each.key for each in teaching.requests.all(MODEL)] == ["k2"]
    assert [each.prompt_hash for each in teaching.examples.all(MODEL)] == ["p2"]
    assert teaching.forget_records(records) | teaching.forget_prompts(prompts) == {"other": 2}
    assert len(teaching.examples.all("other")) == 1


def test_old_prompts_are_named_by_their_hashes(store: Store, clock: HandClock) -> None:
    for number in (1, 2):
        store.prompts.add(MODEL, [NewPrompt(f"p{number}", "[]", (), "import")])
        clock.now += timedelta(days=1)
    assert store.prompts.hashes_older(MODEL, store.clock() - timedelta(days=1)) == ["p1"]
