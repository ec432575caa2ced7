"""Which prompts a person edited and sent again, and which only look so."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.tags.edits import MOST_WORDS, is_edit
from adapterd.config import CaptureSettings, Settings
from adapterd.review.directed import directed
from tests.unit.capture.test_captures import HELLO
from tests.unit.capture.test_recording import KEY, chat, recording

POEM = "Write a poem about the old lighthouse"


@pytest.fixture
def captures(tmp_path: Path) -> Iterator[Captures]:
    with Captures(tmp_path / "captures.db") as found:
        yield found


def tags(captures: Captures, prompts: Sequence[str], pause: float = 20.0, **asked: Any) -> list[str]:
    """The prompts whose answers get the tag, where these are asked one after the other; an answer takes 1.5 s."""
    taking = recording(captures)
    for number, prompt in enumerate(prompts):
        taking.take(chat(f"answer {number}", prompt, at=1000.0 + number * (1.5 + pause), **asked))
    found = captures.last(100)[::-1]
    assert {name for each in found for name in each.faults} <= {"edited"}
    return [each.turns[-1]["content"] for each in found if each.faults]


@pytest.mark.parametrize(
    "after",
    [
        f"{POEM} in four lines", f"{POEM}, please", "Write a short poem about the old lighthouse",
        "Write a poem about the lighthouse", f"{POEM}!", "write a poem about the old lighthouse",
        "Write a poem about the old lighthosue", "Write a poem about the old lighthouse. Make it rhyme",
    ],
)  # fmt: skip
def test_a_small_edit_of_a_person_is_a_tag_of_the_answer_before(captures: Captures, after: str) -> None:
    assert tags(captures, [POEM, after]) == [POEM]
    assert [each.kept for each in captures.last(2)] == ["sample", "sample"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("What is the capital of France?", "What is the capital of Spain?"),
        ("what is the capital of iran?", "what is the capital of iraq?"),
        ("What was the name of Austria in 1910?", "What was the name of Australia in 1910?"),
        ("What was built in the city in 1910?", "What was built in the city in 1911?"),
        ("Who was the painter Anna Schmidt?", "Who was the painter Anna Maria Schmidt?"),
        ("How do I draw a boat in pencil?", "How do I draw a goat in pencil?"),
        ("Is version 3 of the library safe?", "Is version 3.1 of the library safe?"),
        ("Hi there", "Hi there you"),
        (POEM, "Tell me a joke about an old lighthouse"),
        (POEM, f"{POEM} and the storm that broke its windows one night, and make it twice as long as the one before"),
        (POEM, POEM),
        (POEM, f"  {POEM}\n"),
    ],
)
def test_another_question_is_no_edit(captures: Captures, before: str, after: str) -> None:
    assert tags(captures, [before, after]) == []


def test_a_conversation_that_goes_on_is_no_edit(captures: Captures) -> None:
    first: list[dict[str, str]] = [{"role": "user", "content": POEM}]
    more = [*first, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": f"{POEM}, shorter"}]
    taking = recording(captures)
    taking.take(chat(at=1000.0, asked={"messages": first}))
    taking.take(chat(at=1020.0, asked={"messages": more}))
    assert [each.faults for each in captures.last(2)] == [[], []]


def test_one_that_goes_on_in_a_single_turn_is_no_edit() -> None:
    said = f"User: {POEM}\nAssistant:"
    assert is_edit(said, f"{said} And now?")
    assert not is_edit(said, f"{said} It stands. User: and now?", "It stands.")


def test_the_turns_before_have_to_be_the_same(captures: Captures) -> None:
    def turns(instruction: str, said: str, prompt: str) -> dict[str, Any]:
        return {"messages": [
            {"role": "system", "content": instruction}, {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": said}, {"role": "user", "content": prompt},
        ]}  # fmt: skip

    taking = recording(captures)
    for number, asked in enumerate(
        [
            turns("It is 12:03.", "Hi", POEM), turns("It is 12:04.", "Hi", f"{POEM}, please"),
            turns("It is 12:05.", "Ho", "What is there to eat?"),
            turns("It is 12:06.", "Hm", "What is there to eat, then?"),
        ]
    ):  # fmt: skip
        taking.take(chat(f"answer {number}", at=1000.0 + number * 20, asked=asked))
    assert [each.faults for each in captures.last(4)[::-1]] == [["edited"], [], [], []]


@pytest.mark.parametrize(
    ("pause", "asked"), [(0.01, {}), (2.5, {}), (130.0, {}), (20.0, {"model": "another"}), (20.0, {"tools": [{}]})]
)
def test_a_person_needs_seconds_and_asks_the_same_model(captures: Captures, pause: float, asked: Any) -> None:
    taking = recording(captures)
    taking.take(chat(at=1000.0))
    taking.take(replace(chat(prompt=POEM, at=2000.0), seconds=1.5))
    taking.take(chat(prompt=f"{POEM}, please", at=2001.5 + pause, asked=asked))
    assert [each.faults for each in captures.last(3)] == [[], [], []]


def test_a_batch_in_one_template_has_no_tags(captures: Captures) -> None:
    words = ["slow", "slow but nice", "nice", "nice and cheap", "cheap", "cheap, slow", "not cheap", "not slow", "loud"]
    prompts = [f"Is this review of our shop good or bad? Review: {each}" for each in words]
    assert tags(captures, prompts[:3]) == prompts[:2]  # nothing tells them from edits yet
    captures.remove([each.id for each in captures.all()])
    assert tags(captures, [POEM, *prompts]) == []


def test_what_another_asks_in_between_makes_it_nobodys(captures: Captures) -> None:
    assert tags(captures, [POEM, "What is for dinner today?", f"{POEM}, please"]) == []


def test_an_application_that_asks_for_a_title_is_no_other(captures: Captures) -> None:
    title = f"Give this conversation a title of three words, and nothing else.\n{POEM}"
    assert tags(captures, [POEM, title, f"{POEM}, please"]) == [POEM]


def test_a_text_that_somebody_works_on_is_no_prompt(captures: Captures) -> None:
    text = "and so on " * (MOST_WORDS // 3 + 1)
    assert tags(captures, [text, f"{text} again"]) == []


def test_the_edited_prompt_is_always_kept_and_the_tag_decides_nothing(captures: Captures) -> None:
    recording(captures).take(chat("Fine", POEM, at=1000.0))
    nothing = Settings(capture=CaptureSettings(sample=0.0))
    assert recording(captures, nothing).take(chat("Better", f"{POEM}, please", at=1020.0))
    assert [(each.kept, list(each.faults)) for each in captures.last(2)] == [("edited", []), ("sample", ["edited"])]
    assert [each.faults for each in captures.counted("1970-01-01")] == [{}]
    assert [each.kept for each in captures.by_chance("smol", "sample")] == ["sample"]


def test_a_fault_stays_beside_the_tag_and_without_it(captures: Captures) -> None:
    taking = recording(captures)
    for number, end in enumerate(("", ", please", ", again", ", once more")):
        taking.take(chat("cu", f"{POEM}{end}", at=1000.0 + 20 * number, done_reason="length"))
        if number == 1:
            assert [list(each.faults) for each in captures.last(2)] == [["cut"], ["cut", "edited"]]
    assert [list(each.faults) for each in captures.last(4)] == [["cut"]] * 4


def test_nothing_is_compared_with_what_may_not_be_recorded(captures: Captures) -> None:
    assert tags(captures, [f"{POEM} for {KEY}", f"{POEM} and for {KEY}"]) == []


def test_an_edit_weighs_as_little_as_asking_again() -> None:
    def of(name: str, *faults: str) -> Capture:
        return replace(HELLO, id=name, prompt_hash=name, faults=list(faults), logprob=None)

    plain, edited, again, wrong = of("1"), of("2", "edited"), of("3"), of("4", "cut", "edited")
    score = {each.capture.id: each for each in directed([plain, edited, again, wrong], [], ["3"])}
    order = sorted(score, key=lambda name: score[name].score)
    assert order[0] == "1"
    assert order[-1] == "4"
    assert "the prompt was edited and sent again" in score["2"].why
    assert score["4"].why.startswith("it was cut at the limit of tokens")
