"""The cases of frozen evaluation sets, and what identifies a set."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from adapterd.chat import Prompt, as_dicts, from_dicts, without_thought
from adapterd.dataset.examples import Example
from adapterd.record import prompt_hash


@dataclass(frozen=True)
class EvaluationCase:
    """One case of a frozen set: what is asked, and what a good answer is.

    `id` names it in answers and reports: the prompt's hash, or what an earlier release took for it. `keywords` and
    `key_facts` are what a good answer has, where somebody's own test set says so; `origin` is who gave it.
    """

    id: str
    messages: Prompt
    reference: str
    record: str
    source_id: str | None = None
    conversation_id: str | None = None
    origin: str = ""
    keywords: tuple[str, ...] = ()
    key_facts: tuple[str, ...] = ()

    @property
    def prompt_hash(self) -> str:
        """Which prompt is asked."""
        return prompt_hash(self.messages)

    def as_dict(self) -> dict[str, object]:
        """Plain values, for the store; what is not known is left out, as in the sets of earlier releases."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        values = {**vars(self), "messages": as_dicts(self.messages), **lists}
        return {name: value for name, value in values.items() if value or name not in _OPTIONAL}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "EvaluationCase":
        """The reverse of `as_dict`."""
        lists = {name: tuple(each) for name in _LISTS if isinstance(each := values.get(name), list)}
        return cls(**{**values, "messages": from_dicts(values["messages"]), **lists})  # type: ignore[arg-type]


_LISTS = ("keywords", "key_facts")
_OPTIONAL = ("conversation_id", "origin", *_LISTS)


def content_hash(cases: Sequence[EvaluationCase]) -> str:
    """The identity of a frozen set: SHA-256 over its cases in order."""
    text = json.dumps([case.as_dict() for case in cases], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def case_of(example: Example) -> EvaluationCase:
    """The evaluation case of an example."""
    return EvaluationCase(
        id=example.prompt_hash,
        messages=example.messages,
        reference=without_thought(example.completion),
        record=example.record,
        source_id=example.source_id,
        conversation_id=example.conversation_id,
        origin=example.origin,
    )
