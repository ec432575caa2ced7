"""A challenger of the base, whose pairs of answers are judged."""

import pytest

from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison
from tests.support.hand_clock import HandClock
from tests.unit.evidence.played import Played


@pytest.fixture
def comparison(store: Store) -> Comparison:
    """The open one."""
    return Played.begun(store, HandClock()).challenger("1.0.0", 0.1)
