"""A store, captured answers, and the queue over both."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.capture.captures import Capture, Captures
from adapterd.capture.passthrough.capture_id import new_id
from adapterd.capture.recording import answer_hash
from adapterd.chat import Message, Role
from adapterd.record import prompt_hash
from adapterd.review.frame import Frame
from adapterd.store import Store
from tests.unit.capture.test_captures import HELLO

Asked = Callable[..., Capture]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as made:
        yield made


@pytest.fixture
def captures(tmp_path: Path) -> Iterator[Captures]:
    with Captures(tmp_path / "captures.db") as made:
        yield made


def recorded(number: int, prompt: str, chance: random.Random, **more: Any) -> Capture:
    """A conversation, whose id is one of a fixed world."""
    random_part = "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=16))
    made = replace(
        HELLO, id=new_id(1_700_000_000 + number)[:10] + random_part, at=1_700_000_000.0 + number, model="smol",
        turns=[{"role": "user", "content": prompt}], prompt_hash=prompt_hash((Message(Role.USER, prompt),)), faults=[],
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture
def captured(captures: Captures) -> Asked:
    """Records a conversation."""
    count, chance = iter(range(10**6)), random.Random(1)

    def record(prompt: str, answer: str = "an answer", **more: Any) -> Capture:
        made = recorded(next(count), prompt, chance, answer=answer, answer_hash=answer_hash(answer), **more)
        captures.add(made)
        return made

    return record


@pytest.fixture
def frame(store: Store, captures: Captures) -> Callable[[], Frame]:
    """The frame as things are at the time."""
    return lambda: Frame.of(store, captures, "smol")
