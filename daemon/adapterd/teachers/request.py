"""What a teacher is asked, what it answers, and what is made of that."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Protocol, Self

from adapterd.chat import ChatOptions, Prompt

_CHARACTERS_PER_TOKEN = 4
"""As an estimate, for who wants to know beforehand."""


class Kind(StrEnum):
    """In which way an example is made."""

    ANSWER = "answer"
    """The teacher answers a prompt of the pool, or a captured one."""
    REPAIR = "repair"
    """It mends an answer that people called bad."""
    GROUNDED = "grounded"
    """It asks and answers a question from a passage of a document."""
    SYNTHESIS = "synthesis"
    """The question needs passages of two documents."""
    REFUSAL = "refusal"
    """The passage does not have the answer, which says so."""
    VARIATION = "variation"
    """What a person wrote, in other words; what is right about it stays."""
    WORSE = "worse"
    """A worse answer to a prompt whose right answer a person gave, for a preference pair."""
    VERDICT = "verdict"
    """None is made: a judge says which of two answers is better, or how good one is (judges/)."""


@dataclass(frozen=True)
class TeacherRequest:
    """One request: `messages` are what the teacher reads, `options` how it answers, with the schema that it is held to.
    `sample` tells several answers to the same request from each other."""

    kind: Kind
    messages: Prompt
    options: ChatOptions
    sample: int = 0

    def again(self, number: int) -> Self:
        """The same once more: another sample, with another seed. 0 is the request itself."""
        seed = self.options.seed + number
        return replace(self, sample=self.sample + number, options=replace(self.options, seed=seed))

    def key(self, teacher: str, model: str) -> str:
        """SHA-256 in hex of all that decides the answer: asked again, it is the same request."""
        said = [(each.role, each.content) for each in self.messages]
        whole = (teacher, model, self.kind, said, str(self.options), self.sample)
        return sha256(json.dumps(whole, ensure_ascii=True).encode()).hexdigest()


def prompt_tokens_of(requests: Iterable[TeacherRequest]) -> int:
    """About how many tokens the prompts have together."""
    return sum(len(turn.content) for each in requests for turn in each.messages) // _CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class TeacherReply:
    """The answer without thoughts, whether it ended by itself, and what it took, in tokens and seconds."""

    text: str
    complete: bool
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    thoughts: str = ""


class Teacher(Protocol):
    """A model that can be asked, at one address. `name` is that of the configuration, `model` what is asked there."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        """The answer; raises RuntimeUnavailableError where it may be had later, RuntimeRefusedError where asking again
        does not help, and ConfigError for a wrong key or address."""


@dataclass(frozen=True)
class Candidate:
    """What a teacher made: `answer` to `messages` as the student is asked them, or, with `rejected`, a pair.

    `sources` are the texts that the answer has to rest on, where it has to, `source_ids` their names. `records` are the
    content hashes of the feedback and the ids of the captures that it was made from; `others` further answers of the
    teacher to the same request. `complete` says whether the teacher ended by itself.
    """

    kind: Kind
    teacher: str
    messages: Prompt
    answer: str
    complete: bool = True
    rejected: str | None = None
    sources: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
