"""What a filter says of a candidate, and what it holds candidates against."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from adapterd.chat import Message, Prompt, Role
from adapterd.config import Task
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema
from adapterd.evaluation.metrics.text_forms import folded
from adapterd.teachers.filters.shortlist import Shortlist
from adapterd.teachers.request import Candidate

Answered = tuple[Prompt, str]
"""A prompt and its answer."""


@dataclass(frozen=True)
class Finding:
    """Why a candidate is dropped or, if a filter is `unsure`, has to be looked at by a person."""

    reason: str
    unsure: bool = False


Found = list[Finding | None]
"""Of each candidate why it is not kept; None where it is."""


@dataclass(frozen=True)
class Known:
    """What is kept already: `record` is the feedback or the capture that it is from, `by_person` whether a person wrote
    the answer."""

    messages: Prompt
    answer: str
    record: str = ""
    by_person: bool = False


@dataclass(frozen=True)
class Against:
    """What candidates are held against: the task with its schema and its labels, all prompts of frozen sets, and what
    is kept already, the newest first."""

    task: Task
    schema: JsonSchema | None = None
    labels: frozenset[str] = frozenset()
    frozen: Sequence[Prompt] = ()
    kept: Sequence[Known] = ()
    max_copied: float = 0.5
    """As `dataset.max_copied`: the share of an answer that may be long passages of its prompt or its sources."""

    @cached_property
    def by_prompt(self) -> dict[str, list[Known]]:
        """What is kept by its prompt."""
        found: dict[str, list[Known]] = {}
        for each in self.kept:
            found.setdefault(prompt_key(each.messages), []).append(each)
        return found

    @cached_property
    def near_frozen(self) -> Shortlist:
        """The prompts of frozen sets, as those that are nearly the same are looked up, batch after batch."""
        return Shortlist(self.frozen)

    @cached_property
    def asked_frozen(self) -> Shortlist:
        """What the prompts of frozen sets ask, without the instructions in front; of conversations nothing, where the
        last turn asks something only with those before it."""
        alone = [each for each in self.frozen if all(turn.role is not Role.ASSISTANT for turn in each)]
        return Shortlist([each[-1:] for each in alone])

    @cached_property
    def near_kept(self) -> Shortlist:
        """The same of what is kept."""
        return Shortlist([each.messages for each in self.kept])

    @cached_property
    def near_asked(self) -> Shortlist:
        """The same of the last turns alone."""
        return Shortlist([each.messages[-1:] for each in self.kept])


@dataclass(frozen=True)
class Filter:
    """A filter with its name, and what its yield says of those that it drops: `118 not by the schema`."""

    name: str
    said: str
    apply: Callable[[Sequence[Candidate], Against], Found] = field(repr=False)


def of_each(judge: Callable[[Candidate, Against], Finding | None]) -> Callable[[Sequence[Candidate], Against], Found]:
    """A filter that looks at one candidate at a time."""

    def apply(candidates: Sequence[Candidate], against: Against) -> Found:
        return [judge(each, against) for each in candidates]

    return apply


def drop(reason: str) -> Finding:
    """It is not kept."""
    return Finding(reason)


def unsure(reason: str) -> Finding:
    """A person has to look."""
    return Finding(reason, unsure=True)


def prompt_key(messages: Prompt) -> str:
    """The same for the same conversation, in any case, width and white space."""
    return "\0".join(f"{each.role}:{folded(each.content)}" for each in messages)


def texts_of(messages: Iterable[Message]) -> tuple[str, ...]:
    """What the user and the system said."""
    return tuple(each.content for each in messages if each.role is not Role.ASSISTANT)


def judged(candidate: Candidate) -> str:
    """What the teacher wrote: of a pair the worse answer, for the better one is a person's."""
    return candidate.answer if candidate.rejected is None else candidate.rejected
