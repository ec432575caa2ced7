"""What may judge when a set is frozen by hand: nothing that any version was trained on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role, as_dicts
from adapterd.config import Sources
from adapterd.dataset.cases import EvaluationCase
from adapterd.insight.unseen import NEARLY_TRAINED_ON, TRAINED_ON, TrainedPrompts, unseen_examples
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, NewExample
from tests.support.hand_clock import HandClock

START = datetime(2026, 1, 1, tzinfo=UTC)
THINGS = (
    "the pump in the yard", "an apple tree", "the second bell", "green paint", "a broken oar", "the miller's cart",
    "two wet boots", "the post office clock", "honey from the hill", "a lost glove", "the brass key", "a ferry ticket",
)  # fmt: skip


def record(asked: str, answer: str = "Yes", source_id: str | None = None) -> FeedbackRecord:
    return FeedbackRecord((Message(Role.USER, asked),), correction=answer, created_at=START, source_id=source_id)


def asked_about(things: Sequence[str], answer: str = "Yes", source_id: str | None = None) -> list[FeedbackRecord]:
    return [record(f"What became of {thing}?", answer, source_id) for thing in things]


class Model:
    """One model with real rows, whose runs are noted and not computed."""

    def __init__(self, store: Store, clock: HandClock) -> None:
        self.store, self._clock = store, clock
        self._runs = 0

    def told(self, records: Sequence[FeedbackRecord]) -> None:
        self._clock.move_on()
        self.store.feedback.add_many(
            "m", [NewFeedback.of(each, "f", line) for line, each in enumerate(records, start=1)]
        )

    def trains(self) -> None:
        """A run goes as far as its training, on all that there is."""
        self._clock.move_on()
        self._runs += 1
        run = f"r{self._runs}"
        last = self.store.feedback.last_id("m")
        self.store.runs.start(run, "m", reason="", fingerprint="", last_feedback_id=last)
        self.store.runs.start_stage(run, "training", "k")
        self.store.runs.finish_stage(run, "training", result={})

    def freezes(self, records: Sequence[FeedbackRecord]) -> None:
        self._clock.move_on()
        cases = [case_of(each).as_dict() for each in records]
        self.store.evaluation_sets.freeze("m", f"h{len(cases)}", cases)

    def answered_by_teacher(self, record: FeedbackRecord, state: ExampleState, decided_by: str | None) -> None:
        self._clock.move_on()
        self.store.teaching.examples.add(
            "m",
            NewExample(
                "answer", "big", "tag", record.prompt_hash, as_dicts(record.messages), "Yes", state, filter=decided_by
            ),
        )

    def unseen(self, sources: Sources = Sources.ONE_SIDE) -> set[str]:
        trained = TrainedPrompts.of(self.store, "m")
        return {each.messages[0].content for each in unseen_examples(self.store, "m", trained, sources)}


def case_of(each: FeedbackRecord) -> EvaluationCase:
    return EvaluationCase(each.prompt_hash, each.messages, each.correction or "", each.content_hash)


@pytest.fixture
def noted(tmp_path: Path) -> Model:
    clock = HandClock()
    return Model(Store(tmp_path / "state.db", clock=clock), clock)


def prompts(records: Sequence[FeedbackRecord]) -> set[str]:
    return {each.messages[0].content for each in records}


@pytest.mark.parametrize("again", ["Yes", "No", "It was sold"], ids=["the same", "another", "a third"])
def test_prompts_that_were_trained_on_and_judged_again_are_seen(noted: Model, again: str) -> None:
    noted.told(asked_about(THINGS[:6]))
    noted.trains()
    noted.told(asked_about(THINGS[:6], again))
    noted.told(fresh := asked_about(THINGS[6:]))
    assert noted.unseen() == prompts(fresh)


def test_what_an_earlier_version_was_trained_on_is_seen(noted: Model) -> None:
    """Before, only the live version counted."""
    noted.told(asked_about(THINGS[:3]))
    noted.trains()
    noted.freezes(asked_about(THINGS[:3], "frozen by an earlier release"))
    noted.told(asked_about(THINGS[3:6]))
    noted.trains()
    assert noted.unseen() == set()


def test_prompts_of_a_set_that_was_frozen_before_the_training_are_unseen(noted: Model) -> None:
    noted.told(asked_about(THINGS))
    noted.freezes(asked_about(THINGS[:4]))
    noted.trains()
    assert noted.unseen() == prompts(asked_about(THINGS[:4]))


def test_a_rating_alone_teaches_nothing_and_leaves_a_prompt_unseen(noted: Model) -> None:
    bad = replace(record("What became of the kite?", ""), correction=None, output="Gone", rating=1)
    noted.told([bad])
    noted.trains()
    noted.told([fixed := record("What became of the kite?", "It is in the elm")])
    assert noted.unseen() == prompts([fixed])


def test_prompts_of_a_trained_source_are_seen_unless_sources_are_mixed(noted: Model) -> None:
    noted.told(asked_about(THINGS[:1], source_id="note 1"))
    noted.trains()
    of_source = asked_about(THINGS[1:2], source_id="note 1")
    fresh = [record(f"Who asked for {thing}?") for thing in THINGS]
    noted.told([*of_source, *fresh])
    assert noted.unseen() == prompts(fresh)
    assert noted.unseen(Sources.MIXED) == prompts([*of_source, *fresh])


def test_cases_that_are_known_are_told_with_the_reason(noted: Model) -> None:
    noted.told(asked_about(THINGS[:3]))
    noted.trains()
    cases = [
        case_of(record(text)) for text in (f"What became of {THINGS[0]}?", f"what became of {THINGS[1]}", "Who sang?")
    ]
    assert TrainedPrompts.of(noted.store, "m").known(cases) == [TRAINED_ON, NEARLY_TRAINED_ON, ""]


def test_without_a_training_nothing_is_known(noted: Model) -> None:
    noted.told(everything := asked_about(THINGS))
    assert noted.unseen() == prompts(everything)
    assert TrainedPrompts.of(noted.store, "m").known([case_of(everything[0])]) == [""]


@pytest.mark.parametrize(
    ("state", "decided_by", "may_judge"),
    [
        (ExampleState.KEPT, None, False),
        (ExampleState.KEPT, BY_PERSON, False),
        (ExampleState.DROPPED, BY_PERSON, False),
        (ExampleState.DROPPED, "invalid", True),
        (ExampleState.UNSURE, "agreement", True),
    ],
)
def test_prompts_that_a_teacher_answered_before_a_training_are_seen(
    noted: Model, state: ExampleState, decided_by: str | None, *, may_judge: bool
) -> None:
    [asked] = asked_about(THINGS[:1])
    noted.answered_by_teacher(asked, state, decided_by)
    noted.trains()
    noted.told([asked])
    assert noted.unseen() == (prompts([asked]) if may_judge else set())


def test_prompts_that_a_teacher_answered_after_the_last_training_are_unseen(noted: Model) -> None:
    [asked] = asked_about(THINGS[:1])
    noted.trains()
    noted.answered_by_teacher(asked, ExampleState.KEPT, None)
    noted.told([asked])
    assert noted.unseen() == prompts([asked])


def test_a_frozen_prompt_that_a_teacher_answered_too_is_unseen(noted: Model) -> None:
    [asked] = asked_about(THINGS[:1])
    noted.told([asked])
    noted.freezes([asked])
    noted.answered_by_teacher(asked, ExampleState.KEPT, None)
    noted.trains()
    assert noted.unseen() == prompts([asked])
