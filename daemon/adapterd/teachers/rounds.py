"""What teachers have made of a model, as the store knows it: of all times, or in the last round.

What a person said of an example counts, not what a filter had said before; so the numbers always add up. Nothing heavy
is imported.
"""

import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapterd.formats.teacher_yield import in_words
from adapterd.store import Store
from adapterd.store.teaching.examples import FORM, ExampleState
from adapterd.teachers.filters.names import SAID
from adapterd.teachers.filters.yields import FilterYield, Yield

UNNAMED = "by no named filter"
"""Where the store does not say what decided."""


@dataclass(frozen=True)
class Made:
    """The yield of the filters, and how many answers had not the form that was asked for."""

    counted: Yield
    formless: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As plans and data cards have it."""
        return self.counted.as_dict(self.formless)

    def __str__(self) -> str:
        return in_words(self.as_dict())


@dataclass(frozen=True)
class LastRound:
    """What the newest round brought, the teacher, and when it ended."""

    teacher: str
    teacher_model: str
    at: datetime
    made: Made


@dataclass(frozen=True)
class MadeByTeachers:
    """What there is of a model: of all rounds, and of the last one; None where nothing says which that was. `unsure` is
    how many examples a person has to look at."""

    of_all: Made
    last_round: LastRound | None
    unsure: int


def round_name(asked_by: str, now: datetime) -> str:
    """How the examples of a round name it; `asked_by` is the command or the night."""
    return f"{asked_by} {now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def made_by_teachers(store: Store, model: str) -> MadeByTeachers | None:
    """What teachers have made of a model; None where they made nothing."""
    examples = store.teaching.examples
    newest = examples.newest(model)
    if newest is None:
        return None
    last = None
    if newest.run:
        of_round = made_of(examples.filtered(model, newest.run))
        last = LastRound(newest.teacher, newest.teacher_model, newest.created_at, of_round)
    of_all = made_of(examples.filtered(model))
    return MadeByTeachers(of_all, last, of_all.counted.unsure)


def made_of(filtered: Mapping[tuple[ExampleState, str | None], int]) -> Made:
    """By the counts of each state and of what decided it, which a person may be."""
    states, dropped, unsure = Counter[ExampleState](), Counter[str](), Counter[str]()
    for (state, name), count in filtered.items():
        states[state] += count
        if state is not ExampleState.KEPT:
            (dropped if state is ExampleState.DROPPED else unsure)[name or UNNAMED] += count
    formless = dropped.pop(FORM, 0)
    names = [*SAID, *sorted({*dropped, *unsure} - {*SAID})]
    filters = tuple(
        FilterYield(name, SAID.get(name, name), dropped[name], unsure[name])
        for name in names
        if dropped[name] or unsure[name]
    )
    return Made(Yield(states.total() - formless, states[ExampleState.KEPT], filters), formless)
