"""Checks of an answer that need no reference: names of what is wrong with it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from adapterd.capture.wire.conversation import Conversation
from adapterd.chat import Answer, Message, Role
from adapterd.errors import InputError
from adapterd.evaluation.metrics.hygiene import PROMPT_ECHO, SEVERAL_JSON, THINK_LEAK, repeated_share
from adapterd.evaluation.metrics.json_answers.metrics import json_metrics
from adapterd.evaluation.metrics.json_answers.schema import usable_schema
from adapterd.evaluation.metrics.metric import Metric, Question

MUCH_REPEATED = 0.3
"""An answer of whose runs of words so many were there before repeats itself."""
_ROLES = frozenset(Role)


def faults(
    conversation: Conversation, schema: Mapping[str, Any] | None = None, *, wants_json: bool = False
) -> tuple[str, ...]:
    """What is wrong with an answer, as far as that shows without the right one: `broken`, `cut`, `empty`, `echo`,
    `repetition`, `think_leak`, `several_json`, `json` (it is none, where one is wanted) and `schema`.

    The schema is that of the request, else the model's."""
    wanted = schema_of(conversation.schema) if isinstance(conversation.schema, Mapping) else schema
    return tuple(_faults(conversation, wanted, wants_json or wanted is not None or conversation.schema is not None))


def schema_of(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema that a request asked for, as answers can be checked by it; None of one that no answer can be."""
    try:
        return usable_schema(json.dumps(asked).encode(), "the schema of the request")
    except InputError:
        return None


def _faults(conversation: Conversation, schema: Mapping[str, Any] | None, wants_json: bool) -> Iterator[str]:
    said = conversation.said
    if not said.complete or said.error:
        yield "broken"
    if said.cut:
        yield "cut"
    if not said.text.strip() and not said.calls:
        yield "empty"
    if not said.text.strip():
        return
    question = Question("", _prompt(conversation), "")
    answer = Answer(said.text, "length" if said.cut else "stop", 0, said.answer_tokens or 0, 0.0, 0.0)
    if repeated_share(said.text) > MUCH_REPEATED:
        yield "repetition"
    for name, metric in (("echo", PROMPT_ECHO), ("think_leak", THINK_LEAK)):
        if _value(metric, question, answer) > 0:
            yield name
    if wants_json:
        yield from _faults_of_json(question, answer, schema)


def _faults_of_json(question: Question, answer: Answer, schema: Mapping[str, Any] | None) -> Iterator[str]:
    metrics = {metric.name: metric for metric in json_metrics([question], schema)}
    if _value(SEVERAL_JSON, question, answer) > 0:
        yield "several_json"
    if not _value(metrics["json_valid"], question, answer):
        yield "json"
    elif "schema_valid" in metrics and not _value(metrics["schema_valid"], question, answer):
        yield "schema"


def _value(metric: Metric, question: Question, answer: Answer) -> float:
    parts = metric.parts(question, answer)
    return parts[0] if parts else 0.0


def _prompt(conversation: Conversation) -> tuple[Message, ...]:
    return tuple(Message(Role(turn.role), turn.content) for turn in conversation.turns if turn.role in _ROLES)
