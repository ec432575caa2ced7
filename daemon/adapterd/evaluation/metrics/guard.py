"""The guard set: plain tasks that any model should still do after a training, to notice catastrophic forgetting.

It is no measure of a model's worth; candidate, live and base are compared by it, and nothing else.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from adapterd.chat import Answer, Message, Role
from adapterd.evaluation.metrics.chart import VALIDITY
from adapterd.evaluation.metrics.guard_set import TEMPLATES
from adapterd.evaluation.metrics.json_answers.values import INVALID, canonical, parse_json
from adapterd.evaluation.metrics.metric import Metric, Question, share_of
from adapterd.evaluation.metrics.text_forms import straight

ANSWER_TOKENS = 40
"""An answer as asked for is shorter."""


@dataclass(frozen=True)
class GuardItem:
    """One thing to ask, and how its answer is checked: `check` names one of CHECKS, `wanted` is what it takes; `right`
    is an answer that passes."""

    id: str
    kind: str
    prompt: str
    check: str
    wanted: Any
    right: str

    @property
    def question(self) -> Question:
        """The question as the evaluation asks it; its reference names the check."""
        return Question(self.id, (Message(Role.USER, self.prompt),), json.dumps([self.check, self.wanted]))


@cache
def guard_items() -> tuple[GuardItem, ...]:
    """The whole set."""
    return tuple(
        GuardItem(f"{kind}-{number}", kind, *filled)
        for kind, template in TEMPLATES.items()
        for number, filled in enumerate(template(), start=1)
    )


def passes(question: Question, answer: Answer) -> bool:
    """Whether an answer to a question of the guard set is as it should be."""
    check, wanted = json.loads(question.reference)
    return CHECKS[check](straight(answer.text).strip(), wanted)


def guard_metrics() -> tuple[Metric, ...]:
    """The share of the whole set that is as it should be."""
    text = "share of the guard set's plain tasks that are done as asked"
    return (share_of("guard", text, passes, chart=VALIDITY.place()),)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w'-]+", text)


def _says(text: str, wanted: list[str]) -> bool:
    """One of the wanted words or phrases, as whole words, in any case."""
    return any(re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text, re.IGNORECASE) for each in wanted)


def _names(text: str, wanted: list[str]) -> bool:
    """The first one, and none of the others, which an echo of the prompt has, too; words of any script may touch it."""
    found = [
        re.search(rf"(?<![A-Za-z0-9]){re.escape(each)}(?![A-Za-z0-9])", text, re.IGNORECASE) is not None
        for each in wanted
    ]
    return found[0] and not any(found[1:])


def _number(text: str, wanted: float) -> bool:
    """The last number of the answer is the wanted one."""
    found = re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))
    return bool(found) and float(found[-1]) == wanted


def _has_fields(text: str, wanted: Mapping[str, Any]) -> bool:
    """A JSON object as a whole, with these fields and values; null stands for any value."""
    value = parse_json(text)
    if value is INVALID or not isinstance(value, dict) or set(value) != set(wanted):
        return False
    return all(each is None or canonical(value[name]) == canonical(each) for name, each in wanted.items())


CHECKS: Mapping[str, Callable[[str, Any], bool]] = {
    "says": _says,
    "names": _names,
    "number": _number,
    "only": lambda text, wanted: text.rstrip(".!").casefold() == wanted.casefold(),
    "words": lambda text, wanted: len(_words(text)) == wanted,
    "at_most_words": lambda text, wanted: 0 < len(_words(text)) <= wanted,
    "lines": lambda text, wanted: len([line for line in text.splitlines() if line.strip()]) == wanted,
    "without": lambda text, wanted: bool(text) and wanted.casefold() not in text.casefold(),
    "begins": lambda text, wanted: text.startswith(wanted),
    "ends": lambda text, wanted: text.endswith(wanted),
    "upper": lambda text, _: text.isupper(),
    "lower": lambda text, _: text.islower(),
    "matches": lambda text, wanted: re.fullmatch(wanted, text, re.DOTALL) is not None,
    "json": _has_fields,
    "json_list": lambda text, wanted: isinstance(value := parse_json(text), list) and len(value) == wanted,
}
