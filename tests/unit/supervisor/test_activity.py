"""How long the runtime has been left alone, seen from outside."""

from datetime import UTC, datetime, timedelta

import pytest

from adapterd.errors import RuntimeUnavailableError
from adapterd.supervisor.activity import Activity
from adapterd.system.host.server_time import Spent
from tests.support.fakes import FakeRuntime

NEVER = float("inf")
UNTIL_FOUR, LATER = "2026-01-02T04:00:00Z", "2026-01-02T04:05:00Z"


class Watched:
    """A runtime that is looked at, so many seconds after the first look."""

    def __init__(self) -> None:
        self.runtime, self.asleep_s = FakeRuntime(), 0.0
        self.spent: Spent | None = Spent({7: 100.0})
        self._activity = Activity(lambda: self.spent, lambda: self.asleep_s)

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


def test_a_request_that_goes_on_for_long_is_a_use_while_the_time_stands_still(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    watched.spent = Spent({7: 118.0})
    assert watched.look(300, a=UNTIL_FOUR) == 0
    assert watched.look(400, a=UNTIL_FOUR) == 100


def test_a_model_that_is_not_kept_was_used_between_two_looks(watched: Watched) -> None:
    assert watched.look(0) == NEVER
    watched.spent = Spent({7: 100.1}, ended_s=2.0)
    assert watched.look(20) == 0


def test_a_model_that_is_unloaded_is_no_use(watched: Watched) -> None:
    watched.spent = Spent({7: 100.0, 8: 50.0})
    watched.look(0, a=UNTIL_FOUR)
    watched.spent = Spent({7: 100.0}, ended_s=50.01)
    assert watched.look(60) == 60


def test_what_looking_costs_is_no_use(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    for look in range(1, 10):
        watched.spent = Spent({7: 100.0 + look * 0.01})
        assert watched.look(20 * look, a=UNTIL_FOUR) == 20 * look


def test_a_runtime_whose_processor_time_is_not_known_is_judged_by_its_models(watched: Watched) -> None:
    watched.look(0, a=UNTIL_FOUR)
    watched.spent = None
    assert watched.look(60, a=UNTIL_FOUR) == 60
    watched.spent = Spent({7: 500.0})
    assert watched.look(90, a=UNTIL_FOUR) == 90


def test_a_machine_that_woke_up_counts_as_used_just_then(watched: Watched) -> None:
    assert watched.look(0) == NEVER
    watched.asleep_s = 30000.0
    assert watched.look(30000) == 0
    assert watched.look(30090) == 90


def test_a_sleep_that_was_noted_counts_from_then_on(watched: Watched) -> None:
    watched.asleep_s = 30000.0
    watched._activity.note_sleep(datetime(2026, 1, 2, 3, 1, tzinfo=UTC))
    assert watched.look(3660) == 3600
