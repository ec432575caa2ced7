"""When a gate looks, and that all looks together err no more than one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.evaluation.judging.estimate import LEAST_VOTES
from adapterd.evaluation.judging.looks import SHARED, level_of_look, looks_at, votes_of_look


@pytest.mark.parametrize(
    ("votes", "looks"), [(0, 0), (29, 0), (30, 1), (59, 1), (60, 2), (119, 2), (120, 3), (240, 4), (10_000, 9)]
)
def test_looks_double(votes: int, looks: int) -> None:
    assert looks_at(votes) == looks


@given(st.integers(0, 10**7))
def test_a_look_is_due_once_its_votes_are_there(votes: int) -> None:
    due = looks_at(votes)
    assert due == 0 or votes_of_look(due) <= votes
    assert votes < votes_of_look(due + 1)
    assert votes_of_look(1) == LEAST_VOTES


@given(st.integers(1, 1000))
def test_what_looks_err_adds_up_to_less_than_what_they_share(count: int) -> None:
    assert sum(1 - level_of_look(number) for number in range(1, count + 1)) <= SHARED * (1 + 1e-9)
