"""Each difference between a base and a version is reported in its own words, and nothing else is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.served_behaviour import SampleAnswer, ServedBehaviour, behaviour_differences, undated
from adapterd.serving.runtime import ServedModel

WHOLE = Modelfile(
    template="{{ .Prompt }}", system="Be brief.", parameters={"stop": ("<|im_end|>",), "typical_p": 0.7},
    renderer="qwen3-coder", parser="qwen3-coder", licenses=("MIT",),
)  # fmt: skip
PROMPTS = {"a plain question": "<user>hi<assistant>", "a question with a system prompt": "refused: no system prompt"}

SAMPLE_ANSWER = SampleAnswer("ho", 2, 9)


def behaviour(
    modelfile: Modelfile = WHOLE,
    prompts: Mapping[str, str] = PROMPTS,
    sample_answer: SampleAnswer = SAMPLE_ANSWER,
    *,
    tag: str = "m:base",
    files: tuple[str, ...] = ("model",),
    file: str = "sha256-aa",
    can: frozenset[str] | None = frozenset(("completion", "tools")),
) -> ServedBehaviour:
    served = ServedModel(tag, "digest", Path("/blobs", file), modelfile, files=files, capabilities=can)
    return ServedBehaviour(served, prompts, sample_answer)


def found_differences(
    candidate: ServedBehaviour, base: ServedBehaviour | None = None, left_out: tuple[str, ...] = ()
) -> list[str]:
    return list(behaviour_differences(base or behaviour(), candidate, left_out))


def test_the_same_under_another_tag_differs_in_nothing() -> None:
    assert found_differences(behaviour(tag="m:candidate")) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"template": None}, "TEMPLATE"),
        ({"system": None}, "SYSTEM"),
        ({"parameters": {"stop": ("</s>",), "typical_p": 0.7}}, "parameters"),
        ({"renderer": None}, "RENDERER"),
        ({"parser": None}, "PARSER"),
        ({"licenses": ()}, "license"),
        ({"requires": "0.40.0"}, "release"),
        ({"projectors": ("sha256:bb",)}, "projector"),
    ],
)
def test_a_setting_that_changed_is_named(changed: dict[str, object], word: str) -> None:
    [found] = found_differences(behaviour(replace(WHOLE, **changed)))  # type: ignore[arg-type]
    assert word in found


def test_a_parameter_that_was_left_out_is_not_meant() -> None:
    candidate = behaviour(WHOLE.without_parameter("typical_p"))
    assert found_differences(candidate, left_out=("typical_p",)) == []
    assert len(found_differences(candidate)) == 1


def test_a_file_that_is_lost_is_named() -> None:
    assert found_differences(behaviour(), behaviour(files=("model", "projector"))) == ["its projector is lost"]


def test_a_file_that_was_stored_as_another_is_told() -> None:
    [found] = found_differences(behaviour(file="sha256-bb"))
    assert "is stored as sha256-bb" in found


def test_capabilities_that_come_and_go_are_named() -> None:
    found = found_differences(behaviour(can=frozenset(("completion", "thinking"))))
    assert found == ["its capability 'tools' is lost", "it would be said to have the capability 'thinking'"]


def test_a_runtime_that_tells_no_capabilities_has_none_to_lose() -> None:
    assert found_differences(behaviour(can=None), behaviour(can=None)) == []


def test_another_prompt_is_shown_where_it_differs() -> None:
    [found] = found_differences(behaviour(prompts=PROMPTS | {"a plain question": "<user>hi</user><assistant>"}))
    assert found.startswith("the prompt of a plain question is another one: ")
    assert "'<user>hi</user><assistant>', where the base has '<user>hi<assistant>'" in found


def test_a_conversation_that_only_one_refuses_is_told() -> None:
    [found] = found_differences(behaviour(prompts=PROMPTS | {"a question with a system prompt": "<system>be"}))
    assert "a question with a system prompt" in found


def test_the_day_is_no_difference() -> None:
    texts = [{"a plain question": f"Today is {day}. hi"} for day in ("Sunday, 29 Nov 2026", "Monday, 30 Nov 2026")]
    assert found_differences(behaviour(prompts=texts[0]), behaviour(prompts=texts[1])) == []


def test_another_answer_is_told() -> None:
    assert found_differences(behaviour(sample_answer=SampleAnswer("hey", 2, 9))) == [
        "it answers 'hey', where the base answers 'ho'"
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("29 Nov 2026", "30 Nov 2026"),
        ("Sunday, November 29, 2026", "Tuesday, December 1, 2026"),
        ("2026-11-29", "2027-01-01"),
        ("29/11/2026 23:59:59", "30/11/2026 00:00:01"),
        ("Today Date: 31 May 2026", "Today Date: 01 June 2026"),
        ("2026年11月29日", "2026年12月1日"),
    ],
)
def test_dates_of_any_form_are_alike(one: str, other: str) -> None:
    assert undated(one) == undated(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("<user>hi", "<system>hi"), ("march on", "walk on"), ("Sundance", "Mondance"), ("29 Nov", "29 Nov.")],
)
def test_other_texts_are_not(one: str, other: str) -> None:
    assert undated(one) != undated(other)


def test_a_candidate_that_cannot_think_any_more_is_told_not_looked_up() -> None:
    """It has no prompt with thinking on, where the base has one."""
    thinking = {"a plain question": "Q", "a plain question, thinking on": "Q<think>"}
    base = behaviour(prompts=thinking)
    candidate = behaviour(prompts={"a plain question": "Q"})
    [sentence] = found_differences(candidate, base)
    assert sentence.startswith("the prompt of a plain question, thinking on is another one: ''")
