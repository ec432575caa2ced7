"""What becomes of a run when the runtime loses a tag under its hands."""

import pytest
from fakes import FakeRuntime

from adapterd.config import ModelSettings
from adapterd.errors import NotFoundError, RuntimeFailedError
from adapterd.home import Home
from adapterd.lifecycle.examination import Examination
from adapterd.lifecycle.stages import what_vanished_may_come_back


def test_a_run_that_lost_a_tag_is_tried_again() -> None:
    lost = pytest.raises(RuntimeFailedError, match="news:base is gone from the runtime, while it was to be asked")
    with lost as caught, what_vanished_may_come_back():
        raise NotFoundError("news:base is gone from the runtime")
    assert caught.value.passing
    assert "adapterctl retrain" in caught.value.hint


def test_a_tag_that_is_gone_is_named_before_anything_is_asked(home: Home) -> None:
    settings = ModelSettings(base="tiny", base_digest="sha256:1")
    examination = Examination(home, FakeRuntime(), settings, home.root / "base.gguf")
    with pytest.raises(NotFoundError, match=r"news:1\.0\.0 is gone from the runtime"):
        examination.hold({"candidate": "news:1.0.0"}, [], "", lambda *_, **__: None)
