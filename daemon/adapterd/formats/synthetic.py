"""Examples that a teacher made, as a run has them: one JSON line each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from adapterd.chat import Prompt, from_dicts
from adapterd.record import prompt_hash
from adapterd.serialization import dumps


@dataclass(frozen=True)
class TeacherExample:
    """What a teacher said to a prompt, or, with `rejected`, a pair of which that is the worse answer.

    `id` is the store's; `teacher` the teacher's name, `kind` the way in which it was made. `made_at` is aware. One that
    `is_taught` is trained on; of another an earlier training may have been.
    """

    id: int
    messages: Prompt
    answer: str
    kind: str
    teacher: str
    made_at: datetime
    rejected: str | None = None
    is_taught: bool = True

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
        }
        yield TeacherExample(**fields)
