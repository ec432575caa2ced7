"""Whether training is worth it, by what the base answers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Answer, ChatOptions, Message, Role
from adapterd.config import EvaluationSettings, ModelSettings, Settings, Task
from adapterd.errors import NotEnoughDataError, RuntimeUnavailableError
from adapterd.home import Home
from adapterd.insight.asked_triage import AskedTriage, BaseTriage
from adapterd.insight.triage import ENOUGH, triage
from adapterd.record import FeedbackRecord
from adapterd.serving.runtime import ServedModel
from adapterd.serving.runtimes import file_digest
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gguf import write_tiny_gguf

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = 2.0
Says = Callable[[str], str]


def wanted(number: int) -> str:
    return json.dumps({"who": f"council {number}"})


def number_of(asked: str) -> int:
    return int(asked.rpartition(" ")[2])


def right(asked: str) -> str:
    return wanted(number_of(asked))


def chatter(_: str) -> str:
    return "Sure! It was the council."


class ScriptedBase(FakeRuntime):
    """A base that says what it is told to; answers beyond `num_predict` words are cut."""

    def __init__(self, gguf: Path, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.gguf, self.tokenizer = gguf, tokenizer
        self.says: Says = chatter
        self.asked: list[str] = []
        self.add("m:base")

    def show(self, tag: str) -> ServedModel:
        return ServedModel(tag, self.tags()[tag], self.gguf, Modelfile())

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        return "".join(f"<|im_start|>{each.role}\n{each.content}<|im_end|>\n" for each in messages)

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        words = self.says(messages[-1].content).split(" ")
        self.asked.append(messages[-1].content)
        read = len(self.tokenizer.encode_prompt(self.render(tag, messages)))
        done = "length" if len(words) > options.num_predict else "stop"
        return Answer(" ".join(words[: options.num_predict]), done, read, len(words), SECONDS, 0.1)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("base") / "tiny.gguf", metadata={"llama.context_length": 2048})


@pytest.fixture(scope="module")
def tokenizer(gguf: Path) -> Tokenizer:
    return Tokenizer.open(gguf)


@pytest.fixture
def scripted_base(gguf: Path, tokenizer: Tokenizer) -> ScriptedBase:
    return ScriptedBase(gguf, tokenizer)


@pytest.fixture
def of_base(scripted_base: ScriptedBase, store: Store, home: Home) -> BaseTriage:
    model = ModelSettings(
        base="m:base", base_digest=file_digest(scripted_base.gguf), task=Task.JSON,
        evaluation=EvaluationSettings(num_ctx=1024, num_predict=64),
    )  # fmt: skip
    return BaseTriage(store, home, Settings(models={"m": model}), scripted_base, "m")


def give(store: Store, count: int, *, reference: Says = right) -> None:
    """So many demonstrations, which say nothing of any failure."""
    records = [
        FeedbackRecord((Message(Role.USER, f"Who met? {number}"),), correction=reference(f"{number}"),
                       created_at=NOW + timedelta(seconds=number))
        for number in range(count)
    ]  # fmt: skip
    store.feedback.add_many("m", [NewFeedback.of(each, "f.jsonl", line) for line, each in enumerate(records, 1)])


def measured(of_base: BaseTriage, size: int = 50) -> AskedTriage:
    return of_base.sample(size).measure(lambda *_, **__: None)


def test_what_the_base_answers_changes_the_advice(of_base: BaseTriage) -> None:
    give(of_base.store, ENOUGH)
    assert not triage(of_base.store, "m", of_base.settings.models["m"]).worth_training  # nobody has told of a failure
    found = measured(of_base)
    assert found.worth_training
    assert found.metrics["json_valid"] == found.metrics["field_f1"] == 0.0
    assert (
        found.advice == "training is worth it: the base fails in 50 of 50 answers (93% to 100% of all such): "
        "json_valid below 0.5 in 50, field_f1 below 0.5 in 50; there are 50 examples to train on"
    )


def test_what_is_held_for_personal_data_is_not_asked(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, 3)
    held = FeedbackRecord((Message(Role.USER, "Who is jane@example.org? 7"),), correction=wanted(7), created_at=NOW)
    of_base.store.feedback.add("m", NewFeedback.of(held, "f.jsonl", 4))
    scripted_base.says = right
    found = measured(of_base)
    assert (found.examples, found.asked) == (3, 3)
    assert not any("jane" in asked for asked in scripted_base.asked)


def test_a_base_that_is_right_needs_no_training(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, ENOUGH)
    scripted_base.says = right
    found = measured(of_base)
    assert not found.worth_training
    assert found.advice.startswith("training is not worth it: the base fails in 0 of 50 answers (0% to 7% of all such)")


def test_a_few_failures_leave_it_open(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, ENOUGH)
    scripted_base.says = lambda asked: chatter(asked) if number_of(asked) < 7 else right(asked)
    found = measured(of_base)
    assert (found.failed, found.worth_training) == (7, False)
    assert found.advice.startswith("whether training is worth it is open")
    assert found.advice.endswith("ask a larger sample")


def test_failures_without_enough_examples_wait_for_more(of_base: BaseTriage) -> None:
    give(of_base.store, ENOUGH - 1)
    found = measured(of_base)
    assert not found.worth_training
    assert f"there are {ENOUGH - 1} examples of {ENOUGH} to train on" in found.advice


def test_an_answer_that_is_cut_fails_unless_the_examples_own_would_be_cut(
    of_base: BaseTriage, scripted_base: ScriptedBase
) -> None:
    long = " ".join(["council"] * 100)
    give(of_base.store, ENOUGH, reference=lambda asked: f"{long} {asked}" if number_of(asked) < 5 else right(asked))
    scripted_base.says = lambda _: long
    found = measured(of_base)
    assert (found.no_room, found.asked, found.by_metric["truncated"]) == (5, 45, 45)


def test_what_neither_prompt_nor_example_has_is_counted_beside_the_failures(
    of_base: BaseTriage, scripted_base: ScriptedBase
) -> None:
    story = "The ferry of Dunmore, which belongs to Grace Whitfield, was late again. " * 4
    records = [
        FeedbackRecord((Message(Role.USER, f"{story} Who met? {number}"),), correction=wanted(number), created_at=NOW)
        for number in range(6)
    ]
    of_base.store.feedback.add_many("m", [NewFeedback.of(each, "f.jsonl", line) for line, each in enumerate(records)])
    scripted_base.says = lambda asked: '{"met": "Oswald Tremaine"}' if number_of(asked) < 2 else right(asked)
    found = measured(of_base)
    assert found.ungrounded == 2
    assert "ungrounded" not in found.by_metric
    model = replace(of_base.settings.models["m"], task=Task.CLASSIFICATION)
    labels = replace(of_base, settings=replace(of_base.settings, models={"m": model}))
    assert measured(labels).ungrounded == 0, "no label rests on what its prompt says"


def test_where_no_answer_has_room_it_is_said_what_to_raise(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    long = " ".join(["council"] * 100)
    give(of_base.store, 3, reference=lambda asked: f"{long} {asked}")
    scripted_base.says = lambda _: long
    with pytest.raises(NotEnoughDataError, match="all 3 answers were cut") as caught:
        measured(of_base)
    assert caught.value.hint == "raise evaluation.num_predict, which is 64"


def test_the_cost_is_that_of_what_is_not_known_yet(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, 20)
    cost = of_base.sample(10).cost()
    assert (cost.questions, cost.answer_tokens, cost.seconds) == (8, 64, 8 * SECONDS)
    assert cost.prompt_tokens > 8
    assert len(scripted_base.asked) == 2


def test_answers_are_kept(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, 20)
    first = measured(of_base, 10)
    assert measured(of_base, 10) == first
    assert of_base.sample(10).cost().seconds is None
    assert len(scripted_base.asked) == 10


def test_a_larger_sample_has_all_of_a_smaller_one(of_base: BaseTriage) -> None:
    give(of_base.store, 20)
    small, large = (of_base.sample(size).cases for size in (5, 12))
    assert large[:5] == small
    assert len(large) == 12


def test_what_was_answered_before_it_was_stopped_is_kept(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    give(of_base.store, 20)

    def breaks_off(asked: str) -> str:
        if len(scripted_base.asked) == 6:
            raise RuntimeUnavailableError("it is gone")
        return chatter(asked)

    scripted_base.says = breaks_off
    with pytest.raises(RuntimeUnavailableError):
        measured(of_base, 10)
    scripted_base.says = chatter
    assert len(scripted_base.asked) == 6
    measured(of_base, 10)
    assert len(scripted_base.asked) == 10


def test_examples_that_cannot_be_asked_are_left_out_and_named(of_base: BaseTriage) -> None:
    give(of_base.store, 5)
    whole = FeedbackRecord((Message(Role.USER, "word " * 2000),), correction="{}", created_at=NOW)
    of_base.store.feedback.add("m", NewFeedback.of(whole, "f.jsonl", 9))
    found = measured(of_base)
    assert (found.examples, found.asked) == (6, 5)
    assert [each.record for each in found.left_out] == [whole.content_hash]


def test_without_examples_there_is_nothing_to_ask(of_base: BaseTriage) -> None:
    with pytest.raises(NotEnoughDataError, match="m has no example that can be asked"):
        of_base.sample(10)


def test_nothing_but_the_sample_is_asked(of_base: BaseTriage, scripted_base: ScriptedBase) -> None:
    model = of_base.settings.models["m"]
    asking = replace(model, evaluation=replace(model.evaluation, guard=True, consistency_seeds=4))
    give(of_base.store, 4)
    measured(replace(of_base, settings=Settings(models={"m": asking})))
    assert len(scripted_base.asked) == 4
