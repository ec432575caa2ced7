"""Examples of teachers that a filter is unsure of: one after the other, kept or dropped, and that taken back."""

from adapterd.errors import InputError, NotFoundError
from adapterd.store import Store
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, SyntheticExample

DECISIONS = {"keep": ExampleState.KEPT, "drop": ExampleState.DROPPED}
"""What a person may say, and what becomes of the example."""


def next_unsure(store: Store, model: str, after: int = 0) -> SyntheticExample | None:
    """The oldest that nobody looked at, with a higher id than `after`; those before come again once all others were
    shown."""
    examples = store.teaching.examples
    found = examples.next_in(model, ExampleState.UNSURE, after)
    return found or (examples.next_in(model, ExampleState.UNSURE) if after else None)


def decide(store: Store, model: str, example: int, said: str) -> SyntheticExample:
    """Keep or drop one, by a word of DECISIONS; returns it as it was. Raises NotFoundError where it is gone, and
    InputError where it was decided on meanwhile, or for another word."""
    if said not in DECISIONS:
        raise InputError(f"an example is kept or dropped, not {said[:40]!r}")
    with store.transaction():
        found = store.teaching.examples.get(model, example)
        if found is None:
            raise NotFoundError(f"{model} has no example {example} of a teacher", hint="it was taken back meanwhile")
        if found.state is not ExampleState.UNSURE:
            raise InputError(
                f"example {example} was decided on already: it is {found.state}",
                hint=f"`adapterctl synthetic keep {example}`, or `drop`, changes that",
            )
        store.teaching.examples.decide(model, example, DECISIONS[said], BY_PERSON, None)
    return found


def can_undo(store: Store, model: str) -> bool:
    """Whether a person has decided anything."""
    return store.teaching.examples.last_decided(model, BY_PERSON) is not None


def undo_last(store: Store, model: str) -> SyntheticExample:
    """Take back what a person decided last; returns the example as it is then.

    Raises NotFoundError where nobody decided anything, and InputError where a run has begun since an example was kept:
    once it may be trained on, it must be known for good, as its prompt is no fresh case any more.
    """
    examples = store.teaching.examples
    with store.transaction():
        last = examples.last_decided(model, BY_PERSON)
        if last is None:
            raise NotFoundError("nothing was decided yet that could be undone")
        run = store.runs.latest(model)
        if last.state is ExampleState.KEPT and run and last.decided_at and run.created_at >= last.decided_at:
            raise InputError(
                f"run {run.id} has begun since example {last.id} was kept, and may train on it",
                hint=f"`adapterctl synthetic drop {last.id}` leaves it out of the next one",
            )
        examples.undo(last)
    found = examples.get(model, last.id)
    if found is None:
        raise NotFoundError(f"example {last.id} was taken back meanwhile")
    return found
