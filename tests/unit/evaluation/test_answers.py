"""Answers that were given once are kept, and a damaged file is no answer."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from adapterd.chat import Answer, Message, Role
from adapterd.evaluation.answers import cached

QUESTION = (Message(Role.USER, "Warum?"),)


class CountingModel:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, messages: Sequence[Message]) -> Answer:
        self.asked += 1
        return Answer(f"Nr. {self.asked} – „{messages[0].content}“", "stop", 3, 2, 0.5, 0.1)


@pytest.fixture
def counting_model() -> CountingModel:
    return CountingModel()


def test_a_question_is_asked_once(tmp_path: Path, counting_model: CountingModel) -> None:
    ask = cached(counting_model, tmp_path, "digest options")
    assert ask(QUESTION) == ask(QUESTION) == Answer("Nr. 1 – „Warum?“", "stop", 3, 2, 0.5, 0.1)
    assert counting_model.asked == 1


def test_whether_an_answer_is_known_is_told_without_asking(tmp_path: Path, counting_model: CountingModel) -> None:
    ask = cached(counting_model, tmp_path, "digest options")
    assert ask.known(QUESTION) is None
    assert counting_model.asked == 0
    assert ask(QUESTION) == ask.known(QUESTION)


def test_an_answer_outlives_the_process(tmp_path: Path, counting_model: CountingModel) -> None:
    first = cached(counting_model, tmp_path, "digest options")(QUESTION)
    assert cached(counting_model, tmp_path, "digest options")(QUESTION) == first
    assert counting_model.asked == 1


def test_another_model_or_other_options_are_asked_for_themselves(tmp_path: Path, counting_model: CountingModel) -> None:
    for asked_of in ("digest options", "digest other options", "other digest options"):
        cached(counting_model, tmp_path, asked_of)(QUESTION)
    assert counting_model.asked == 3


def test_a_prompt_that_is_made_otherwise_by_now_is_asked_anew(tmp_path: Path, counting_model: CountingModel) -> None:
    for template in ("<user>{}", "<system>Be brief.<user>{}", "<user>{}"):

        def rendered(messages: Sequence[Message], template: str = template) -> str:
            return template.format(messages[0].content)

        cached(counting_model, tmp_path, "digest options", rendered)(QUESTION)
    assert counting_model.asked == 2


@pytest.mark.parametrize(
    "other",
    [
        (Message(Role.USER, "Wozu?"),),
        (Message(Role.SYSTEM, "Warum?"),),
        (Message(Role.SYSTEM, ""), *QUESTION),
        (*QUESTION, *QUESTION),
    ],
)
def test_another_question_is_asked(tmp_path: Path, counting_model: CountingModel, other: Sequence[Message]) -> None:
    ask = cached(counting_model, tmp_path, "digest options")
    ask(QUESTION)
    ask(other)
    assert counting_model.asked == 2


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xfe", b"null", b"[1]", b"{}", b'{"text": "only"}', b'{"text": "x", "unknown": 1}']
)
def test_a_damaged_file_is_asked_for_again(tmp_path: Path, counting_model: CountingModel, damage: bytes) -> None:
    ask = cached(counting_model, tmp_path, "digest options")
    ask(QUESTION)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage)
    assert ask(QUESTION).text.startswith("Nr. 2")
    assert ask(QUESTION).text.startswith("Nr. 2")
    assert counting_model.asked == 2


def test_a_model_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(messages: Sequence[Message]) -> Answer:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        cached(fail, tmp_path, "digest options")(QUESTION)
    assert list(tmp_path.iterdir()) == []
