"""The last filter: a judge model, which reads what all others let through. Who that is, and how it is asked, is known
above (judges/)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from adapterd.store.teaching.examples import JUDGE, UNJUDGED, ExampleState
from adapterd.teachers.filters.names import SAID
from adapterd.teachers.filters.yields import FilterYield, Yield, yield_of
from adapterd.teachers.work import Budget, Ended, Outcome, WorkProgress

CALLS_EACH = 2
"""So often a judge is asked about each example."""
NOT_YET = "the judge was not asked about it yet"


@dataclass(frozen=True)
class JudgedExample:
    """What a judge said of an example, and the name of the round that made it, if it has one."""

    run: str | None
    state: ExampleState
    reason: str


@dataclass(frozen=True)
class JudgedExamples:
    """What came of asking: what was said of examples, and how many still wait. `is_another` says that other weights
    answer by the judge's name since: then nothing is kept."""

    outcome: Outcome
    examples: tuple[JudgedExample, ...] = ()
    waiting: int = 0
    is_another: bool = False

    def after(self, before: "JudgedExamples | None") -> "JudgedExamples":
        """With what was said before."""
        return self if before is None else replace(self, examples=(*before.examples, *self.examples))

    def of_others(self, run: str) -> Yield:
        """The yield of what earlier rounds had left."""
        return _yield_of([each for each in self.examples if each.run != run])

    def within(self, counted: Yield, run: str) -> Yield:
        """The yield of a round whose examples waited, with what was said of them."""
        mine = _yield_of([each for each in self.examples if each.run == run])
        waiting = FilterYield(UNJUDGED, UNJUDGED, 0, counted.kept - mine.made, (NOT_YET,))
        return Yield(counted.made, mine.kept, (*counted.filters, *mine.filters, waiting))


class ExampleJudge(Protocol):
    """A judge of a model's examples. `warnings` are sentences on whom it may favour."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def waiting(self) -> int:
        """How many examples wait for it."""
        ...

    @property
    def budget(self) -> Budget:
        """Its own bounds."""
        ...

    def require_allowed(self) -> None:
        """Raise ConfigError where it may not be sent prompts."""
        ...

    def ask(self, budget: Budget, progress: Callable[[WorkProgress], object]) -> JudgedExamples:
        """Ask about all examples that wait, within the budget and its own bounds, and keep what it says. What ends
        early leaves the rest waiting. Raises ConfigError and NotFoundError for a wrong key, address or model, and
        StoreError."""
        ...


def is_over(judged: JudgedExamples | None) -> bool:
    """Whether it need not be asked again now: it does not answer, or is another one."""
    return judged is not None and (judged.is_another or judged.outcome.ended is Ended.UNAVAILABLE)


def _yield_of(examples: list[JudgedExample]) -> Yield:
    dropped, unsure = (
        [(JUDGE, each.reason) for each in examples if each.state is state]
        for state in (ExampleState.DROPPED, ExampleState.UNSURE)
    )
    kept = sum(each.state is ExampleState.KEPT for each in examples)
    return yield_of([(JUDGE, SAID[JUDGE])], len(examples), kept, dropped, unsure)
