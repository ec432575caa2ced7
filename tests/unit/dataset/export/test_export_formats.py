"""Each export format is one of feedback, too, and has what its program reads."""

from datetime import UTC, datetime
from typing import Any

import pytest

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.examples import Example
from adapterd.dataset.export import EXPORT_FORMATS, ExampleFormat, ExportFormat, Part, export_format
from adapterd.errors import InputError
from adapterd.feedback.formats import FORMATS, format_of
from adapterd.record import prompt_hash

AT = datetime(2026, 11, 1, tzinfo=UTC)
SEVERAL = (
    Message(Role.SYSTEM, "Be brief."),
    Message(Role.USER, "Who?"),
    Message(Role.ASSISTANT, "I."),
    Message(Role.USER, "Who else?"),
)


def example(*messages: Message, answer: str = "You.") -> Example:
    prompt: Prompt = messages
    return Example(prompt, answer, "r", prompt_hash(prompt), AT)


def written(name: str, of: Example) -> dict[str, Any]:
    form = export_format(name)
    assert isinstance(form, ExampleFormat)
    return form.write(of)


@pytest.mark.parametrize("form", EXPORT_FORMATS, ids=lambda form: form.name)
def test_each_is_read_as_the_format_of_feedback_that_it_names(form: ExportFormat) -> None:
    found = format_of({name: value for name, value in form.example.items() if value != ""})
    assert found.name == form.feedback_format
    assert form.feedback_format in [each.name for each in FORMATS]


def test_names_are_different() -> None:
    assert len({each.name for each in EXPORT_FORMATS}) == len(EXPORT_FORMATS)


def test_only_the_last_answer_has_a_weight_for_openai() -> None:
    assert written("openai", example(*SEVERAL))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "I.", "weight": 0},
        {"role": "user", "content": "Who else?"},
        {"role": "assistant", "content": "You."},
    ]


def test_the_completion_of_trl_is_the_last_answer_alone() -> None:
    fields = written("trl", example(*SEVERAL))
    assert fields.keys() == {"prompt", "completion"}
    assert [each["role"] for each in fields["prompt"]] == ["system", "user", "assistant", "user"]
    assert fields["completion"] == [{"role": "assistant", "content": "You."}]


def test_sharegpt_has_its_own_names_for_who_speaks() -> None:
    turns = written("sharegpt", example(*SEVERAL))["conversations"]
    assert [each["from"] for each in turns] == ["system", "human", "gpt", "human", "gpt"]


def test_records_of_alpaca_have_the_same_fields_with_and_without_a_system_prompt() -> None:
    with_system, without = (written("alpaca", example(*each)) for each in (SEVERAL[:2], SEVERAL[1:2]))
    assert with_system.keys() == without.keys()
    assert (with_system["system"], without["system"]) == ("Be brief.", "")


@pytest.mark.parametrize(
    ("prompt", "is_carried"),
    [
        (SEVERAL[1:2], True),
        (SEVERAL[:2], True),
        (SEVERAL, False),
        (SEVERAL[1:], False),
        ((SEVERAL[1], SEVERAL[3]), False),
    ],
)
def test_alpaca_carries_one_turn(prompt: Prompt, is_carried: bool) -> None:
    form = export_format("alpaca")
    assert isinstance(form, ExampleFormat)
    assert (form.fault(prompt) == "") == is_carried


def test_mlx_lm_is_a_folder_with_a_file_for_each_set() -> None:
    assert export_format("mlx-lm").files.keys() == set(Part)


def test_an_unknown_format_is_named_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match="'csv' is no format") as raised:
        export_format("csv")
    assert "openai-preference, trl," in raised.value.hint
