"""What a person says of examples that a filter is unsure of."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from adapterd.errors import InputError, NotFoundError
from adapterd.review.unsure import can_undo, decide, next_unsure, undo_last
from adapterd.store import Store
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, NewExample

MODEL = "m"
UNSURE = NewExample(
    "grounded", "big", "big:70b", "p", [{"role": "user", "content": "When?"}], "In 42", ExampleState.UNSURE,
    filter="grounded", reason="42 is in no source",
)  # fmt: skip
Adder = Callable[..., int]


@pytest.fixture
def add_unsure(store: Store) -> Adder:
    """Adds an example of a state."""

    def add(state: ExampleState = ExampleState.UNSURE) -> int:
        found = store.teaching.examples.add(MODEL, replace(UNSURE, state=state))
        assert found
        return found

    return add


def start_run(store: Store) -> None:
    store.runs.start("r1", MODEL, reason="asked", fingerprint="f", last_feedback_id=0)


def test_all_are_shown_once_and_skipped_ones_at_the_end(store: Store, add_unsure: Adder) -> None:
    first, kept, second, third = (
        add_unsure(), add_unsure(ExampleState.KEPT), add_unsure(), add_unsure(),
    )  # fmt: skip
    shown, after = list[int](), 0
    for said in ("keep", "skip", "drop", "keep"):
        found = next_unsure(store, MODEL, after)
        assert found
        shown.append(after := found.id)
        if said != "skip":
            decide(store, MODEL, found.id, said)
    assert shown == [first, second, third, second]
    assert next_unsure(store, MODEL, after) is None
    states = {each.id: (each.state, each.filter) for each in store.teaching.examples.all(MODEL)}
    assert states == {
        first: ("kept", BY_PERSON), second: ("kept", BY_PERSON), third: ("dropped", BY_PERSON),
        kept: ("kept", "grounded"),
    }  # fmt: skip


def test_one_that_was_decided_on_meanwhile_stays_as_it_is(store: Store, add_unsure: Adder) -> None:
    example = add_unsure()
    decide(store, MODEL, example, "keep")
    with pytest.raises(InputError, match="decided on already: it is kept"):
        decide(store, MODEL, example, "drop")
    with pytest.raises(NotFoundError, match="no example 99"):
        decide(store, MODEL, 99, "keep")
    with pytest.raises(NotFoundError):
        decide(store, "other", example, "keep")
    with pytest.raises(InputError, match="kept or dropped"):
        decide(store, MODEL, add_unsure(), "unsure")


def test_the_last_is_taken_back_with_why_it_was_unsure(store: Store, add_unsure: Adder) -> None:
    assert not can_undo(store, MODEL)
    with pytest.raises(NotFoundError, match="nothing was decided"):
        undo_last(store, MODEL)
    first, second = add_unsure(), add_unsure()
    before = store.teaching.examples.all(MODEL)
    decide(store, MODEL, second, "drop")
    decide(store, MODEL, first, "keep")
    assert can_undo(store, MODEL)
    undone = [undo_last(store, MODEL).id for _ in range(2)]
    assert sorted(undone) == [first, second]  # both may be of one millisecond
    assert store.teaching.examples.all(MODEL) == before


def test_what_a_run_may_train_on_is_kept_for_good(store: Store, add_unsure: Adder) -> None:
    example = add_unsure()
    decide(store, MODEL, example, "keep")
    start_run(store)
    with pytest.raises(InputError, match="run r1 has begun since") as told:
        undo_last(store, MODEL)
    assert f"synthetic drop {example}" in told.value.hint
    assert store.teaching.examples.ids(MODEL, ExampleState.KEPT) == [example]
    store.teaching.examples.decide(MODEL, example, ExampleState.DROPPED, BY_PERSON, None)
    assert undo_last(store, MODEL).state is ExampleState.KEPT
    assert [each.id for each in store.teaching.examples.ever_kept(MODEL)] == [example]


def test_what_was_dropped_is_taken_back_also_after_a_run(store: Store, add_unsure: Adder) -> None:
    example = add_unsure()
    decide(store, MODEL, example, "drop")
    start_run(store)
    assert undo_last(store, MODEL).state is ExampleState.UNSURE
