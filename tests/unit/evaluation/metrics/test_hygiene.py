"""What no answer should have, and what every answer has."""

import statistics

import pytest

from adapterd.chat import Answer
from adapterd.evaluation.metrics.hygiene import (
    ANSWER_S,
    FIRST_TOKEN,
    FIRST_TOKEN_S,
    LENGTH,
    LENGTH_CV,
    PROMPT_ECHO,
    REPETITION,
    SEVERAL_JSON,
    SPEED,
    THINK_LEAK,
    TIMED_TOKENS,
    TRUNCATED,
    values_in,
)
from tests.unit.evaluation.asking import answer, question, score

PROMPT = " ".join(f"word{number}" for number in range(30))


def test_a_long_run_of_the_prompt_is_an_echo() -> None:
    assert score(PROMPT_ECHO, f"So: {PROMPT[:120]}", "x", PROMPT) == 1.0
    assert score(PROMPT_ECHO, "So: word3 word4 word5", "x", PROMPT) == 0.0


def test_words_that_the_reference_quotes_too_are_no_echo() -> None:
    assert score(PROMPT_ECHO, PROMPT, PROMPT, PROMPT) == 0.0


ARTICLE = "市政府昨天宣布，新的大桥将于明年春天开放，比原计划晚了两年，预算也超出了许多。"


def test_in_scripts_without_spaces_a_word_is_two_characters() -> None:
    assert score(PROMPT_ECHO, f"答：{ARTICLE[:30]}", "不知道", ARTICLE) == 1.0
    assert score(PROMPT_ECHO, "答：新的大桥将于明年春天开放", "不知道", ARTICLE) == 0.0
    assert score(REPETITION, "新的大桥，新的大楼。", "x") == 0.0
    assert score(REPETITION, "新的大桥将于明年春天开放。" * 3, "x") == pytest.approx(17 / 29)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("{}", 1),
        ('{"a": {"b": [1]}}', 1),
        ("{} {}", 2),
        ("[1]\n{}", 2),
        ("{ so {} and [] }", 2),
        ("no", 0),
        ("{" * 99, 0),
    ],
)
def test_values_of_json_are_counted_from_outside(text: str, count: int) -> None:
    assert values_in(text) == count


def test_several_values_are_noticed() -> None:
    assert (score(SEVERAL_JSON, "{} {}", "{}"), score(SEVERAL_JSON, "{}", "{}")) == (1.0, 0.0)


@pytest.mark.parametrize("text", ["<think>so</think> yes", "so </THINK> yes", "<thinking>"])
def test_think_tags_are_leaks(text: str) -> None:
    assert score(THINK_LEAK, text, "yes") == 1.0


def test_thinking_itself_is_none() -> None:
    assert score(THINK_LEAK, "I think so", "yes") == 0.0


def test_an_answer_that_was_cut() -> None:
    cut, whole = answer("x", done_reason="length"), answer("x")
    assert TRUNCATED.over([question("x")] * 2, [cut, whole]) == 0.5


def test_repetition_is_the_share_of_runs_that_were_there_before() -> None:
    assert score(REPETITION, "a b c d " * 3, "x") == pytest.approx(5 / 9)
    assert score(REPETITION, "a b c d e f", "x") == 0.0
    assert score(REPETITION, "short", "x") is None


def test_lengths_and_their_variation() -> None:
    lengths = [3, 5, 10]
    answers = [answer("x", answer_tokens=length) for length in lengths]
    questions = [question("x")] * 3
    assert LENGTH.over(questions, answers) == 6
    assert LENGTH_CV.over(questions, answers) == pytest.approx(statistics.pstdev(lengths) / 6)


def timed(tokens: float, answer_s: float, first_token_s: float) -> Answer:
    figures = {TIMED_TOKENS: tokens, ANSWER_S: answer_s, FIRST_TOKEN_S: first_token_s}
    return answer("x", total_s=100.0, first_token_s=50.0, figures=figures)


def test_speed_is_all_tokens_by_all_the_time() -> None:
    answers = [timed(30, 1.0, 0.1), timed(30, 3.0, 0.3)]
    assert SPEED.over([question("x")] * 2, answers) == 15.0
    assert FIRST_TOKEN.over([question("x")] * 2, answers) == pytest.approx(0.2)


def test_an_answer_that_was_not_timed_says_nothing_of_speed() -> None:
    stored, in_turn = answer("x", answer_tokens=30, total_s=1.0, first_token_s=9.0), timed(30, 3.0, 0.3)
    for metric, value in ((SPEED, 10.0), (FIRST_TOKEN, 0.3)):
        assert metric.over([question("x")], [stored]) is None
        assert metric.over([question("x")] * 2, [stored, in_turn]) == pytest.approx(value)
