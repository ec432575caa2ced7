"""The token bucket that limits the rate of posts."""

from hypothesis import given
from hypothesis import strategies as st

from adapterd.web.rate_limit import TokenBucket


class HandClock:
    """Seconds that the test lets pass."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_minutes_worth_may_be_taken_at_once_and_no_more() -> None:
    bucket = TokenBucket(3, HandClock())
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 20]


def test_a_token_is_there_after_the_named_wait() -> None:
    clock = HandClock()
    bucket = TokenBucket(3, clock)
    for _ in range(3):
        bucket.take()
    clock.now_s += bucket.take()
    assert bucket.take() == 0
    assert bucket.take() > 0


def test_tokens_do_not_add_up_beyond_a_minutes_worth() -> None:
    clock = HandClock()
    bucket = TokenBucket(2, clock)
    clock.now_s += 3600
    assert [bucket.take() for _ in range(3)] == [0, 0, 30]


@given(st.integers(1, 100), st.lists(st.floats(0, 30), max_size=300))
def test_tokens_never_exceed_the_rate(per_minute: int, pauses_s: list[float]) -> None:
    clock = HandClock()
    bucket = TokenBucket(per_minute, clock)
    taken = 0
    for pause_s in pauses_s:
        clock.now_s += pause_s
        taken += bucket.take() == 0
        assert taken <= per_minute * (1 + (clock.now_s - 100) / 60) + 1e-6
