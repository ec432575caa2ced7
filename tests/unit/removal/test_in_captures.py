"""Recorded conversations go with the feedback that is taken back."""

from dataclasses import replace

import pytest

from adapterd.capture.captures import Captures
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.removal.in_captures import captures
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.texts import Texts
from adapterd.store import Store
from tests.unit.capture.test_captures import HELLO
from tests.unit.removal.conftest import MODEL

TEXT, NONE = "Dear Jane Doe, you owe us 300 euros.", frozenset[str]()


@pytest.fixture
def scene(store: Store, home: Home, settings: Settings) -> Scene:
    """A letter goes."""
    return Scene(store, home, settings, Removed(MODEL, NONE, NONE, Texts(frozenset({TEXT})), NONE, NONE, NONE, NONE))


def test_captures_with_a_text_that_goes_are_removed(scene: Scene) -> None:
    with Captures(scene.home.captures) as recorded:
        recorded.add(replace(HELLO, id="1"))
        recorded.add(replace(HELLO, id="2", turns=[{"role": "user", "content": TEXT}]))
        recorded.add(replace(HELLO, id="3", answer=f"as I said: {TEXT}"))
        recorded.add(replace(HELLO, id="4", calls=[{"name": "say", "arguments": {"what": TEXT}}]))
        recorded.add(replace(HELLO, id="5", tools=[{"description": TEXT}]))
    going = ["capture 2", "capture 3", "capture 4", "capture 5"]
    assert list(captures(scene, change=False)) == going
    assert list(captures(scene, change=True)) == going
    assert list(captures(scene, change=True)) == []
    with Captures(scene.home.captures) as recorded:
        assert [each.id for each in recorded.all()] == ["1"]
    assert TEXT.encode() not in scene.home.captures.read_bytes()


def test_a_home_without_captures_has_none(scene: Scene) -> None:
    assert list(captures(scene, change=True)) == []
    assert not scene.home.captures.exists()
