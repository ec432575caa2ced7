"""Which cases can be asked of all tags, and what it means if prompts are not read as they are."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Answer, ChatOptions, Message, Role
from adapterd.config import EvaluationSettings, ModelSettings, Task
from adapterd.dataset.cases import EvaluationCase
from adapterd.errors import RuntimeFailedError, RuntimeRefusedError, StageError
from adapterd.evaluation.metrics.guard import ANSWER_TOKENS, guard_items
from adapterd.formats.evaluation import Bridge
from adapterd.home import Home
from adapterd.runs.served_prompts import ServedPrompts, same_for_all
from adapterd.runs.tag_evaluation import Evaluator
from tests.support.tiny_gguf import write_tiny_gguf

TAGS = {"candidate": "news:1.1.0", "live": "news:1.0.0", "base": "news:base"}
Messages = Sequence[Message]


def template(messages: Messages) -> str:
    return "".join(f"<|im_start|>{m.role}\n{m.content}<|im_end|>\n" for m in messages)


class Scripted:
    """A runtime that renders by `templates` (else by one) and reads `read` tokens more or less than there are."""

    name = "scripted"

    def __init__(self, gguf: Path) -> None:
        self.gguf = gguf
        self.tokenizer = Tokenizer.open(gguf)
        self.templates: dict[str, Callable[[Messages], str]] = {}
        self.read: Callable[[str, Messages], int] = lambda _tag, _messages: 0
        self.asked: list[str] = []
        self.loaded: list[str] = []
        self.contexts: set[int | None] = set()
        self.lengths: set[int] = set()
        self.schemas: list[str | None] = []
        self.versions = ["1"]

    def version(self) -> str:
        return self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]

    def tags(self) -> dict[str, str]:
        return {tag: f"digest of {tag}" for tag in TAGS.values()}

    def show(self, _tag: str) -> Any:
        return SimpleNamespace(gguf=self.gguf)

    def render(self, tag: str, messages: Messages, *, think: bool | None = None, num_ctx: int | None = None) -> str:
        assert think is None
        self.contexts.add(num_ctx)
        self.bring_in(tag)
        return self.templates.get(tag, template)(messages)

    def bring_in(self, tag: str) -> None:
        """One is in memory at a time."""
        if self.loaded[-1:] != [tag]:
            self.loaded.append(tag)

    def chat(self, tag: str, messages: Messages, options: Any, *, logprobs: bool = False) -> Answer:
        assert not logprobs
        self.bring_in(tag)
        self.asked.append(messages[-1].content)
        self.lengths.add(options.num_predict)
        self.schemas.append(options.schema)
        count = len(self.tokenizer.encode_prompt(self.templates.get(tag, template)(messages))) + self.read(
            tag, messages
        )
        assert count <= options.num_ctx
        return Answer("yes", "stop", count, 1, 0.1, 0.1)


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("served") / "tiny.gguf", metadata={"llama.context_length": 2048})


@pytest.fixture
def scripted_runtime(gguf: Path) -> Scripted:
    return Scripted(gguf)


def case(number: int, text: str = "", reference: str = "yes", *, front: tuple[Message, ...] = ()) -> EvaluationCase:
    messages = (*front, Message(Role.USER, text or f"question {number}"))
    return EvaluationCase(f"p{number}", messages, reference, f"record-{number}", f"source {number}")


CASES = [case(number) for number in range(6)]
SETTINGS = ModelSettings(
    base="tiny", base_digest="sha256:1",
    evaluation=EvaluationSettings(
        num_ctx=256, num_predict=16, guard=False, consistency_seeds=0, reference_nll=False, latency_questions=0
    ),
)  # fmt: skip


def hold(runtime: Scripted, home: Home, cases: Sequence[EvaluationCase]) -> Any:
    evaluator = Evaluator(home, runtime, SETTINGS, runtime.gguf)  # type: ignore[arg-type]
    return evaluator.collect_answers(TAGS, cases, "hash", lambda *_, **__: None)


def test_a_runtime_with_room_for_one_tag_loads_none_for_a_single_case(scripted_runtime: Scripted, home: Home) -> None:
    hold(scripted_runtime, home, CASES)
    first, *others = TAGS.values()
    assert scripted_runtime.loaded == [*others[::-1], first, *others]


def test_tags_are_loaded_for_the_context_that_they_are_asked_in_when_they_are_timed(
    scripted_runtime: Scripted, home: Home
) -> None:
    timed = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, latency_questions=2))
    evaluator = Evaluator(home, scripted_runtime, timed, scripted_runtime.gguf)  # type: ignore[arg-type]
    evaluator.collect_answers(TAGS, CASES, "hash", lambda *_, **__: None)
    assert scripted_runtime.contexts == {SETTINGS.evaluation.num_ctx}
    assert len(scripted_runtime.asked) == (len(CASES) + 2) * len(TAGS)


def test_answers_are_held_to_the_schema_where_the_application_does_and_asked_without_it_beside(
    scripted_runtime: Scripted, home: Home
) -> None:
    schema = home.root / "schema.json"
    home.root.mkdir(exist_ok=True)
    schema.write_text('{"type": "object"}')
    held = replace(
        SETTINGS,
        task=Task.JSON,
        schema=schema,
        evaluation=replace(SETTINGS.evaluation, structured=True, guard=True, latency_questions=1),
    )
    evaluator = Evaluator(home, scripted_runtime, held, scripted_runtime.gguf)  # type: ignore[arg-type]
    found = evaluator.collect_answers(TAGS, CASES, "hash", lambda *_, **__: None)
    count = len(CASES) + 1
    assert scripted_runtime.schemas.count('{"type": "object"}') == count * len(TAGS)
    assert scripted_runtime.schemas.count(None) == (len(guard_items()) + len(CASES)) * len(TAGS)
    metrics = found.scores()["candidate"].metrics
    assert metrics["json_valid"] == metrics["free_json_valid"] == 0
    assert "free_schema_valid" in metrics
    assert not {"free_reference_nll", "free_first_token_s"} & set(metrics)


def test_free_answers_are_those_of_the_cases_that_count(scripted_runtime: Scripted, home: Home) -> None:
    schema = home.root / "schema.json"
    home.root.mkdir(exist_ok=True)
    schema.write_text('{"type": "object"}')
    held = replace(
        SETTINGS, task=Task.JSON, schema=schema, evaluation=replace(SETTINGS.evaluation, structured=True)
    )  # fmt: skip
    scripted_runtime.read = lambda _tag, messages: -3 if messages[-1].content == "question 2" else 0
    evaluator = Evaluator(home, scripted_runtime, held, scripted_runtime.gguf)  # type: ignore[arg-type]
    found = evaluator.collect_answers(TAGS, CASES, "hash", lambda *_, **__: None)
    assert len(found.frozen.questions) == len(CASES) - 1
    assert list(found.others["free"].questions) == list(found.frozen.questions)


def test_an_answer_that_is_left_free_is_known_by_the_key_that_it_always_had() -> None:
    free, held = ChatOptions(), ChatOptions(schema="{}")
    assert "schema" not in str(free)
    assert str(held) == f"{free} {{}}"
    assert "schema" not in held.sampling()


def test_the_guard_set_is_asked_of_every_tag_for_short_answers(scripted_runtime: Scripted, home: Home) -> None:
    long = replace(SETTINGS.evaluation, guard=True, num_ctx=2048, num_predict=128)
    evaluator = Evaluator(home, scripted_runtime, replace(SETTINGS, evaluation=long), scripted_runtime.gguf)  # type: ignore[arg-type]
    found = evaluator.collect_answers(TAGS, CASES, "hash", lambda *_, **__: None)
    assert len(scripted_runtime.asked) == (len(CASES) + len(guard_items())) * len(TAGS)
    assert scripted_runtime.lengths == {128, ANSWER_TOKENS}
    assert {len(given.answers) for given in found.others["guard"].answers.values()} == {len(guard_items())}


ODD = {
    "a prompt that is too long": (case(9, "word " * 400), "take .*, more than evaluation.num_ctx = 256"),
    "a number that is too large": (case(9, reference='{"price": 1e200}'), "number 1e200, which is too large"),
    "a number of 5000 digits": (case(9, reference="[" + "9" * 5000 + "]"), "which is too large"),
    "half of a surrogate pair in a key": (case(9, reference='{"\\ud800": 1}'), "half of a surrogate pair"),
    "a reference of 40,000 words": (case(9, reference="word " * 40_000), "tokens, more than the 2048 to compare"),
}


@pytest.mark.parametrize(("odd", "reason"), ODD.values(), ids=ODD)
def test_a_case_of_an_older_set_that_cannot_be_asked_is_left_out_for_all(
    scripted_runtime: Scripted, home: Home, odd: EvaluationCase, reason: str
) -> None:
    evaluation_run = hold(scripted_runtime, home, [*CASES[:3], odd, *CASES[3:]])
    assert [question.id for question in evaluation_run.frozen.questions] == [each.id for each in CASES]
    assert {len(given.answers) for given in evaluation_run.frozen.answers.values()} == {6}
    [left_out] = evaluation_run.left_out
    assert (left_out.record, left_out.source_id) == ("record-9", "source 9")
    assert re.search(reason, left_out.reason)


def test_near_duplicates_are_compared_as_one_source(scripted_runtime: Scripted, home: Home) -> None:
    long = "What did the harbour office write about the ferry that runs to the island on Sundays"
    alike = [replace(case(number, f"{long}{end}"), source_id=None) for number, end in enumerate(("", "?", " now?"))]
    evaluation_run = hold(scripted_runtime, home, [*alike, *CASES[3:]])
    compared = next(each for each in evaluation_run.measured("live") if "base" in each.against).against["base"]
    assert (compared.cases, compared.clusters) == (6, 4)


def test_what_is_live_is_compared_on_a_set_and_on_what_it_grew_from(scripted_runtime: Scripted, home: Home) -> None:
    """Every answer is `yes`, and two of the three new cases want another one."""
    cases = [*CASES[:3], case(3), case(4, reference="no"), case(5, reference="no")]
    evaluation_run = hold(scripted_runtime, home, cases)
    bridge = evaluation_run.bridge({"p3", "p4", "p5"}, "1.0.0", "exact")
    assert bridge == Bridge("1.0.0", 6, 3, "exact", 1.0, pytest.approx(4 / 6))  # type: ignore[arg-type]
    assert bridge.sentence(1) == ("6 cases, 3 new: live (1.0.0) has exact 1.000 on the cases of set 1, 0.667 on all")
    assert scripted_runtime.asked.count("question 0") == len(TAGS)


def test_a_set_that_has_not_grown_needs_no_bridge(scripted_runtime: Scripted, home: Home) -> None:
    evaluation_run = hold(scripted_runtime, home, CASES)
    assert evaluation_run.bridge(set(), "1.0.0", "exact") is None
    assert evaluation_run.bridge({each.id for each in CASES}, "1.0.0", "exact") is None


def test_a_case_that_one_template_refuses_is_asked_of_none(scripted_runtime: Scripted, home: Home) -> None:
    def strict(messages: Messages) -> str:
        if messages[0].role is Role.SYSTEM:
            raise RuntimeRefusedError("System role not supported")
        return template(messages)

    scripted_runtime.templates["news:base"] = strict
    odd = case(9, "odd", front=(Message(Role.SYSTEM, "Be brief."),))
    evaluation_run = hold(scripted_runtime, home, [odd, *CASES])
    assert [str(each) for each in evaluation_run.left_out] == [
        "record record-9 (source 'source 9'): the chat template refuses its conversation: System role not supported"
    ]
    assert "odd" not in scripted_runtime.asked


def test_a_set_of_which_nothing_can_be_asked_is_an_error_that_says_what_to_do(
    scripted_runtime: Scripted, home: Home
) -> None:
    with pytest.raises(StageError, match=r"no case of the evaluation set can be asked; left out: 2 \(record") as caught:
        hold(scripted_runtime, home, [case(number, "word " * 400) for number in range(2)])
    assert "evaluation.num_ctx" in caught.value.hint
    assert "eval freeze" in caught.value.hint
    assert not scripted_runtime.asked


def test_a_single_prompt_that_was_cut_is_left_out_for_all_and_named(scripted_runtime: Scripted, home: Home) -> None:
    scripted_runtime.read = lambda tag, messages: (
        -7 if (tag, messages[0].content) == ("news:1.0.0", "question 2") else 0
    )
    evaluation_run = hold(scripted_runtime, home, CASES)
    assert [question.id for question in evaluation_run.frozen.questions] == ["p0", "p1", "p3", "p4", "p5"]
    assert {len(given.answers) for given in evaluation_run.frozen.answers.values()} == {5}
    [left_out] = evaluation_run.left_out
    assert left_out.record == "record-2"
    assert left_out.reason.startswith("news:1.0.0 read ")


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (1, r"reads 1 token more than the text of every prompt has: a begin-of-sequence token comes twice"),
        (-1, r"reads 1 token less than the text of every prompt has: a begin-of-sequence token is missing"),
        (-30, r"reads of every prompt 30 tokens less than its text has"),
    ],
)
def test_the_same_difference_everywhere_is_no_matter_of_num_ctx(
    scripted_runtime: Scripted, home: Home, difference: int, said: str
) -> None:
    scripted_runtime.read = lambda _tag, _messages: difference
    with pytest.raises(StageError, match=f"^news:1.1.0 {said}$") as caught:
        hold(scripted_runtime, home, CASES)
    assert "num_ctx" not in caught.value.hint


def test_tags_that_render_differently_and_are_not_read_as_they_are_are_told(
    scripted_runtime: Scripted, home: Home
) -> None:
    scripted_runtime.templates["news:1.0.0"] = lambda messages: "<|im_start|>" + template(messages)
    scripted_runtime.read = lambda tag, messages: -int(messages[0].content[-1]) if tag == "news:1.0.0" else 0
    with pytest.raises(StageError, match=r"news:1\.0\.0 renders prompts in another way than news:1\.1\.0"):
        hold(scripted_runtime, home, CASES)


def test_tags_that_render_differently_are_compared_if_they_read_what_they_render(
    scripted_runtime: Scripted, home: Home
) -> None:
    scripted_runtime.templates["news:1.0.0"] = lambda messages: "<|im_start|>" + template(messages)
    assert len(hold(scripted_runtime, home, CASES).frozen.questions) == 6


def test_if_all_prompts_were_cut_the_context_is_to_blame(scripted_runtime: Scripted, home: Home) -> None:
    scripted_runtime.read = lambda _tag, messages: -1 - int(messages[0].content[-1])
    with pytest.raises(StageError, match=r"all evaluation prompts were cut: 6 \(record record-0") as caught:
        hold(scripted_runtime, home, CASES)
    assert "num_ctx" in caught.value.hint


@pytest.mark.parametrize("differences", [[0, 0], [1, 2], [0, 1], [-200]])
def test_other_differences_are_not_the_same_for_all(differences: list[int]) -> None:
    assert same_for_all("news:base", differences) == ""


def test_the_context_length_of_a_model_is_known_from_its_file(gguf: Path, scripted_runtime: Scripted) -> None:
    assert scripted_runtime.tokenizer.context_length == 2048
    prompts = ServedPrompts(scripted_runtime, SETTINGS, gguf, TAGS)  # type: ignore[arg-type]
    assert prompts.fault(CASES[0].messages, "yes") == ""


def test_all_tags_are_asked_by_the_same_release(scripted_runtime: Scripted, home: Home) -> None:
    hold(scripted_runtime, home, CASES)
    assert len(scripted_runtime.asked) == 3 * len(CASES)
    hold(scripted_runtime, home, CASES)
    assert len(scripted_runtime.asked) == 3 * len(CASES)  # all is cached
    scripted_runtime.versions = ["2"]
    hold(scripted_runtime, home, CASES)
    assert len(scripted_runtime.asked) == 6 * len(CASES)


def test_after_an_update_meanwhile_all_are_asked_once_more(scripted_runtime: Scripted, home: Home) -> None:
    scripted_runtime.versions = ["1", "1", "2"]  # as the second tag is asked
    evaluation_run = hold(scripted_runtime, home, CASES)
    assert {len(given.answers) for given in evaluation_run.frozen.answers.values()} == {6}
    assert len(scripted_runtime.asked) == 4 * len(CASES)  # the first one is asked twice


def test_a_runtime_that_never_rests_is_an_error_that_may_pass(scripted_runtime: Scripted, home: Home) -> None:
    scripted_runtime.versions = [str(number) for number in range(100)]
    with pytest.raises(RuntimeFailedError, match="so the answers cannot be compared") as caught:
        hold(scripted_runtime, home, CASES)
    assert caught.value.transient


def test_prompts_of_which_more_is_read_than_there_is_are_no_matter_of_num_ctx(
    scripted_runtime: Scripted, home: Home
) -> None:
    scripted_runtime.read = lambda _tag, messages: 1 + int(messages[0].content[-1])
    with pytest.raises(StageError, match="reads other prompts than it renders") as caught:
        hold(scripted_runtime, home, CASES)
    assert "num_ctx" not in caught.value.hint
