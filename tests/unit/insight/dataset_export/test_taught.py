"""What feedback teaches, as it is exported: what judges, what is held and what copies is left out and counted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings, FeedbackSettings, ModelSettings, Think
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example
from adapterd.dataset.export import Part, StatedPair
from adapterd.errors import NotFoundError
from adapterd.insight.dataset_export import taught as module
from adapterd.insight.dataset_export.taught import COPIED, FROZEN, GIVES_AWAY, HELD, NEARLY_FROZEN, TaughtFeedback
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback

AT = datetime(2026, 1, 1, tzinfo=UTC)
TAUGHT = {Part.TRAIN, Part.VALIDATION}
SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00")
STORY = (
    "The council met on Monday in the old mill to speak of the ferry that has been late since the spring of last year"
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def asked(prompt: str, correction: str = "Yes.", output: str | None = None) -> FeedbackRecord:
    return FeedbackRecord((Message(Role.USER, prompt),), output=output, correction=correction, created_at=AT)


def give(store: Store, *records: FeedbackRecord) -> None:
    store.feedback.add_many("m", [NewFeedback.of(each, "f", line) for line, each in enumerate(records, start=1)])


def freeze(store: Store, *records: FeedbackRecord) -> None:
    cases = [
        EvaluationCase(each.prompt_hash, each.messages, each.correction or "", each.content_hash) for each in records
    ]
    store.evaluation_sets.freeze("m", f"h{len(cases)}", [each.as_dict() for each in cases])


def prompts(taught: TaughtFeedback, parts: set[Part] = TAUGHT, *, divide: bool = False) -> list[str]:
    """What is asked in the examples."""
    items = taught.items(parts, divide=divide)
    return [each.what.messages[-1].content for each in items if isinstance(each.what, Example)]


def reasons(taught: TaughtFeedback) -> dict[tuple[type, str], int]:
    return dict(taught.left_out)


def test_examples_and_their_pairs_are_given(store: Store) -> None:
    give(store, asked("Who met?", output="No."), asked("When?"))
    found = [each.what for each in TaughtFeedback(store, "m", SETTINGS).items(TAUGHT, divide=False)]
    assert [type(each) for each in found] == [Example, Example, StatedPair]


def test_what_judges_is_not_taught_nor_what_gives_it_away(store: Store) -> None:
    frozen = asked(STORY, "A reference that is long enough to be known again wherever it stands.")
    near = replace(frozen, messages=(Message(Role.USER, f"{STORY}!"),))
    away = asked("Is this true: A reference that is long enough to be known again wherever it stands.")
    give(store, frozen, near, away, asked("Who rang?"))
    freeze(store, frozen)
    taught = TaughtFeedback(store, "m", SETTINGS)
    assert prompts(taught) == ["Who rang?"]
    assert reasons(taught) == {(Example, FROZEN): 1, (Example, NEARLY_FROZEN): 1, (Example, GIVES_AWAY): 1}


def test_cases_of_the_set_in_force_are_given_where_they_are_asked_for(store: Store) -> None:
    first, second = asked("Who met?"), asked("When?", "On <b>Monday</b>.")
    give(store, first, second, asked("Who rang?"))
    freeze(store, first)
    freeze(store, first, second)
    taught = TaughtFeedback(store, "m", SETTINGS)
    assert prompts(taught, {Part.EVALUATION}) == ["Who met?", "When?"]
    assert prompts(taught, set(Part)) == ["Who rang?", "Who met?", "When?"]
    assert reasons(taught) == {}


def test_a_set_that_was_never_frozen_cannot_be_asked_for_alone(store: Store) -> None:
    give(store, asked("Who met?"))
    taught = TaughtFeedback(store, "m", SETTINGS)
    with pytest.raises(NotFoundError, match="no frozen evaluation set"):
        prompts(taught, {Part.EVALUATION})
    assert prompts(taught, set(Part)) == ["Who met?"]


def test_what_is_held_for_personal_data_stays_here(store: Store) -> None:
    give(store, asked("Whom to ask?", "Write to emma.novak@posteo.de at once."), asked("When?"))
    taught = TaughtFeedback(store, "m", SETTINGS)
    assert prompts(taught) == ["When?"]
    assert reasons(taught) == {(Example, HELD): 1}


def test_an_answer_that_copies_its_prompt_is_left_out_as_in_training(store: Store) -> None:
    give(store, asked(STORY, STORY), asked("When?"))
    taught = TaughtFeedback(store, "m", SETTINGS)
    assert prompts(taught) == ["When?"]
    assert reasons(taught) == {(Example, COPIED): 1}
    allowed = replace(SETTINGS, dataset=DatasetSettings(max_copied=1.0))
    assert prompts(TaughtFeedback(store, "m", allowed)) == [STORY, "When?"]


def test_a_model_that_does_not_think_is_not_taught_thoughts(store: Store) -> None:
    give(store, asked("When?", "<think>\nHm.\n</think>\n\nOn Monday."))
    for think, answer in ((Think.OFF, "On Monday."), (Think.ON, "<think>\nHm.\n</think>\n\nOn Monday.")):
        items = TaughtFeedback(store, "m", replace(SETTINGS, think=think)).items(TAUGHT, divide=False)
        assert [each.what.completion for each in items if isinstance(each.what, Example)] == [answer]


def of_part(store: Store, part: Part) -> set[str]:
    settings = replace(SETTINGS, feedback=FeedbackSettings())
    return set(prompts(TaughtFeedback(store, "m", settings), {part}, divide=True))


def things(count: int) -> Sequence[FeedbackRecord]:
    return [asked(f"What is {number}?", f"Number {number}.") for number in range(count)]


def test_every_prompt_is_in_training_or_in_validation(store: Store) -> None:
    give(store, *things(100))
    train, validation = of_part(store, Part.TRAIN), of_part(store, Part.VALIDATION)
    assert len(train) + len(validation) == 100
    assert not train & validation
    assert 1 <= len(validation) <= 20


def test_one_prompt_alone_is_for_training(store: Store) -> None:
    give(store, asked("Who met?"))
    assert (of_part(store, Part.TRAIN), of_part(store, Part.VALIDATION)) == ({"Who met?"}, set())


def test_many_records_are_looked_at_part_by_part_and_give_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(store, *things(60), *(replace(each, correction="Nothing.") for each in things(30)))
    freeze(store, *things(3))
    whole = TaughtFeedback(store, "m", SETTINGS)
    at_once = set(prompts(whole))
    monkeypatch.setattr(module, "AT_ONCE", 7)
    shares = list[float]()
    divided = TaughtFeedback(store, "m", SETTINGS)
    found = list(divided.items(TAUGHT, divide=True, progress=shares.append))
    assert {each.what.messages[-1].content for each in found if isinstance(each.what, Example)} == at_once
    assert reasons(divided) == reasons(whole)
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
