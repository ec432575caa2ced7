"""What becomes of a run when the runtime loses a tag under its hands."""

import pytest

from adapterd.errors import NotFoundError, RuntimeFailedError
from adapterd.lifecycle.pipeline import _may_pass
from adapterd.lifecycle.stages import what_vanished_may_come_back


def test_a_run_that_lost_a_tag_is_tried_again() -> None:
    lost = pytest.raises(RuntimeFailedError, match="news:base is gone from the runtime, while it was to be asked")
    with lost as caught, what_vanished_may_come_back():
        raise NotFoundError("news:base is gone from the runtime")
    assert _may_pass(caught.value)
    assert "adapterctl retrain" in caught.value.hint
