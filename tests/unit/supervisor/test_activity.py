"""How long the runtime has been left alone, seen from outside."""

from datetime import UTC, datetime, timedelta

import pytest

from adapterd.errors import RuntimeUnavailableError
from adapterd.supervisor.activity import Activity
from tests.support.fakes import FakeRuntime

NEVER = float("inf")
UNTIL_FOUR, LATER = "2026-01-02T04:00:00Z", "2026-01-02T04:05:00Z"


class Watched:
    """A runtime that is looked at, so many seconds after the first look."""

    def __init__(self) -> None:
        self.runtime, self._activity = FakeRuntime(), Activity()

    def look(self, after_s: float, **kept_until: str) -> float:
        self.runtime.kept_until = kept_until
        now = datetime(2026, 1, 2, 3, 0, tzinfo=UTC) + timedelta(seconds=after_s)
        return self._activity.idle_s(self.runtime, now)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_runtime_that_never_had_a_model_in_memory_was_never_used(watched: Watched) -> None:
    assert [watched.look(0), watched.look(60)] == [NEVER, NEVER]


def test_a_model_that_is_there_at_the_first_look_counts_as_used_just_then(watched: Watched) -> None:
    assert watched.look(0, a=UNTIL_FOUR) == 0
    assert watched.look(90, a=UNTIL_FOUR) == 90


def test_a_time_that_moves_on_is_a_use(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    assert watched.look(60, a=LATER) == 0
    assert watched.look(100, a=LATER) == 40


def test_one_of_several_models_is_enough(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR, b=UNTIL_FOUR)
    assert watched.look(60, a=UNTIL_FOUR, b=LATER) == 0


def test_a_model_that_comes_is_a_use(watched: Watched) -> None:
    assert watched.look(0) == NEVER
    assert watched.look(60, a=UNTIL_FOUR) == 0
    assert watched.look(90, a=UNTIL_FOUR, b=UNTIL_FOUR) == 0


def test_a_model_that_goes_is_none(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR, b=UNTIL_FOUR)
    assert watched.look(60, b=UNTIL_FOUR) == 60
    assert watched.look(90) == 90


def test_a_model_that_comes_back_was_used(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    watched.look(60)
    assert watched.look(90, a=UNTIL_FOUR) == 0


def test_a_clock_that_is_set_back_counts_the_rest_from_then_on(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    assert watched.look(-3600, a=UNTIL_FOUR) == 0
    assert watched.look(-3500, a=UNTIL_FOUR) == 100


def test_a_runtime_that_does_not_answer_is_told_and_forgets_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.look(0, a=UNTIL_FOUR)

    def refuse() -> dict[str, str]:
        raise RuntimeUnavailableError("Ollama does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(watched.runtime, "loaded", refuse)
        with pytest.raises(RuntimeUnavailableError):
            watched.look(30)
    assert watched.look(60, a=UNTIL_FOUR) == 60
