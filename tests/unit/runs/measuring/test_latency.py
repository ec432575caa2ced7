"""Tags are timed in turn, on questions that are asked again."""

from collections.abc import Sequence

import pytest

from adapterd.chat import Answer, Ask, Message
from adapterd.evaluation.evaluate import Answers, score
from adapterd.evaluation.metrics.hygiene import FIRST_TOKEN, HYGIENE, SPEED
from adapterd.runs.measuring.latency import timed_in_turn
from tests.unit.evaluation.asking import answer, question

QUESTIONS = [question("x", asked=f"{number}?", name=f"q{number}") for number in range(4)]
STORED = tuple(answer("x", total_s=100.0, first_token_s=50.0) for _ in QUESTIONS)
GIVEN = {
    "candidate": Answers("m:1.1.0", "one", STORED),
    "live": Answers("m:1.0.0", "two", STORED),
    "base": Answers("m:base", "two", STORED),
}
TAKES = {"m:1.1.0": 2.0, "m:1.0.0": 4.0}


class Clockwork:
    """A runtime whose answers take a time of their own by tag, and what was wanted of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.told: list[str] = []

    def load(self, tag: str) -> None:
        self.calls.append(("load", tag))

    def ask(self, tag: str) -> Ask:
        def ask(messages: Sequence[Message]) -> Answer:
            self.calls.append((messages[0].content, tag))
            return answer("y", answer_tokens=20, total_s=TAKES[tag], first_token_s=TAKES[tag] / 10)

        return ask

    def time(self, count: int) -> dict[str, Answers]:
        return timed_in_turn(QUESTIONS[:count], GIVEN, self.ask, self.load, self.told.append)


def test_each_question_goes_to_one_file_after_the_other_and_loading_is_not_timed() -> None:
    runtime = Clockwork()
    runtime.time(2)
    assert runtime.calls == [
        call for asked in ("0?", "1?") for tag in ("m:1.1.0", "m:1.0.0") for call in (("load", tag), (asked, tag))
    ]
    assert runtime.told == ["candidate", "live"] * 2


def test_speed_is_that_of_the_answers_in_turn_and_never_of_stored_ones() -> None:
    timed = Clockwork().time(3)
    for name, seconds in (("candidate", 2.0), ("live", 4.0), ("base", 4.0)):
        scores = score(timed[name], QUESTIONS, HYGIENE)
        assert scores.metrics[FIRST_TOKEN.name] == pytest.approx(seconds / 10)
        assert scores.metrics[SPEED.name] == 20 / seconds
        assert (scores.latency_s, scores.first_token_s) == (seconds, seconds / 10)
        assert [each.text for each in timed[name].answers] == ["x"] * 4


def test_without_timed_questions_there_is_no_speed() -> None:
    runtime = Clockwork()
    assert runtime.time(0) == GIVEN
    assert runtime.calls == []
    assert FIRST_TOKEN.name not in score(GIVEN["live"], QUESTIONS, HYGIENE).metrics
