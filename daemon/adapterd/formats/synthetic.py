"""Examples that a teacher made, as a run has them: one JSON line each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from adapterd.chat import Prompt, from_dicts
from adapterd.record import prompt_hash
from adapterd.serialization import dumps

_OF_PERSONS_ANSWERS = frozenset(("variation", "worse"))


@dataclass(frozen=True)
class TeacherExample:
    """What a teacher said to a prompt, or, with `rejected`, a pair of which that is the worse answer.

    `id` is the store's; `teacher` the teacher's name, `kind` the way in which it was made. `made_at` is aware.
    `records` are the content hashes of the feedback and the ids of the captures that it was made from. One that
    `is_taught` is trained on; of another an earlier training may have been.
    """

    id: int
    messages: Prompt
    answer: str
    kind: str
    teacher: str
    made_at: datetime
    rejected: str | None = None
    records: tuple[str, ...] = ()
    is_taught: bool = True

    @property
    def answer_is_persons(self) -> bool:
        """Whether the answer is that of a person, to whose prompt the teacher added something."""
        return self.kind in _OF_PERSONS_ANSWERS

    @property
    def record(self) -> str:
        """What stands in place of the content hash of a feedback record."""
        return f"synthetic:{self.id}"

    @property
    def prompt_hash(self) -> str:
        return prompt_hash(self.messages)


def write_synthetic(examples: Iterable[TeacherExample]) -> str:
    """The examples as lines of JSON."""
    return "".join(dumps(each) + "\n" for each in examples)


def read_synthetic(lines: Iterable[str]) -> Iterator[TeacherExample]:
    """What `write_synthetic` wrote."""
    for line in lines:
        fields = json.loads(line)
        fields |= {
            "messages": from_dicts(fields["messages"]),
            "made_at": datetime.fromisoformat(fields["made_at"]),
            "records": tuple(fields.get("records", ())),
        }
        yield TeacherExample(**fields)
