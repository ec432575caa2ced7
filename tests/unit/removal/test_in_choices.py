"""Answers beside each other go with the feedback that is taken back."""

from dataclasses import replace

import pytest

from adapterd.chat import Message, Role, as_dicts
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.removal.in_store import choices
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.texts import Texts
from adapterd.store import Store
from adapterd.store.judging.verdicts import KeptVerdict
from adapterd.store.reviews.choices import NewChoice
from adapterd.store.teaching.requests import NewRequest
from tests.unit.removal.conftest import MODEL

TEXT, NONE = "Dear Jane Doe, you owe us 300 euros.", frozenset[str]()
CHOICE = NewChoice("1", as_dicts((Message(Role.USER, "Who?"),)), "1.1.0", "d1", "Ada", "1.0.0", "d0", "Bo", True)


@pytest.fixture
def scene(store: Store, home: Home, settings: Settings) -> Scene:
    """A letter goes."""
    return Scene(store, home, settings, Removed(MODEL, NONE, NONE, Texts(frozenset({TEXT})), NONE, NONE, NONE, NONE))


def test_choices_with_a_text_that_goes_are_removed(scene: Scene) -> None:
    told = as_dicts((Message(Role.USER, TEXT),))
    for new in (
        CHOICE,
        replace(CHOICE, prompt_hash="2", messages=told),
        replace(CHOICE, prompt_hash="3", ours_answer=f"as I said: {TEXT}"),
        replace(CHOICE, prompt_hash="4", theirs_answer=TEXT),
    ):
        assert scene.store.choices.add(MODEL, new)
    going = ["choice 2", "choice 3", "choice 4"]
    assert list(choices(scene, change=False)) == going
    assert list(choices(scene, change=True)) == going
    assert list(choices(scene, change=True)) == []
    assert [each.prompt_hash for each in scene.store.choices.all(MODEL)] == ["1"]


def test_what_a_judge_said_and_was_asked_goes_with_them(scene: Scene) -> None:
    store = scene.store
    for number, new in enumerate((CHOICE, replace(CHOICE, prompt_hash="2", ours_answer=TEXT)), start=1):
        assert store.choices.add(MODEL, new)
        assert store.judging.keep(MODEL, "j", KeptVerdict(number, 1.0, 1.0))
        asked = NewRequest(f"k{number}", "verdict", "big", "big:1", {"messages": []}, (f"choice {number}",))
        assert store.teaching.requests.begin(MODEL, asked)
    assert list(choices(scene, change=True)) == ["choice 2"]
    assert list(store.judging.of(MODEL, "j")) == [1]
    assert [each.key for each in store.teaching.requests.all(MODEL)] == ["k1"]
