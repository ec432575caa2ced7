"""Latency of all tags on the same day: they are asked the same questions in turn, and no stored answer counts.

What a stored answer took says how busy the machine was when it was given. In turn (candidate, live, candidate, …), what
else the machine does meets all alike.
"""

from collections.abc import Callable, Mapping, Sequence

from adapterd.chat import Answer, Ask
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.metrics.hygiene import ANSWER_S, FIRST_TOKEN_S, TIMED_TOKENS
from adapterd.evaluation.metrics.metric import Question

AskOfTag = Callable[[str], Ask]


def timed_in_turn(
    questions: Sequence[Question],
    answers: Mapping[str, Answers],
    ask: AskOfTag,
    load: Callable[[str], object],
    report: Callable[[str], object],
) -> dict[str, Answers]:
    """The answers with the latencies of the first questions, as many as are given, among their figures.

    Each question goes to one tag after the other, each file once; `load` has a tag in memory before its clock runs, and
    `report` gets the name of each that was asked.
    """
    in_turn: dict[str, tuple[str, str]] = {}
    for name, given in answers.items():
        in_turn.setdefault(given.digest, (name, given.tag))
    figures: dict[str, dict[int, dict[str, float]]] = {digest: {} for digest in in_turn}
    for place, question in enumerate(questions):
        for digest, (name, tag) in in_turn.items():
            load(tag)
            figures[digest][place] = _latency(ask(tag)(question.messages))
            report(name)
    return {name: given.with_figures(figures[given.digest]) for name, given in answers.items()}


def _latency(answer: Answer) -> dict[str, float]:
    return {FIRST_TOKEN_S: answer.first_token_s, ANSWER_S: answer.total_s, TIMED_TOKENS: float(answer.answer_tokens)}
