"""Labels of versions: one line, kept with the version and in the history."""

import pytest

from adapterd.deployment.labels import label_version
from adapterd.errors import InputError, NotFoundError
from adapterd.store import Store


@pytest.fixture
def store(store: Store) -> Store:
    store.versions.add("m", "1.0.0", run_id="r", digest="d", base_digest="b")
    return store


def test_a_label_is_kept_and_noted(store: Store) -> None:
    assert label_version(store, "m", "1.0.0", "  before the new prompts ").label == "before the new prompts"
    assert store.versions.all("m")[0].label == "before the new prompts"
    assert [event.kind for event in store.events.latest()] == ["version.labelled"]


def test_an_empty_text_takes_the_label_away(store: Store) -> None:
    label_version(store, "m", "1.0.0", "x")
    assert label_version(store, "m", "1.0.0", " ").label is None
    assert store.versions.all("m")[0].label is None


def test_the_same_label_again_is_not_noted_again(store: Store) -> None:
    for _ in range(2):
        label_version(store, "m", "1.0.0", "x")
    assert len(store.events.latest()) == 1


@pytest.mark.parametrize("text", ["a\nb", "x" * 81, "\x1b[2J", "a\u2028b"])
def test_a_text_that_is_no_short_line_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InputError, match="one line of at most 80 characters"):
        label_version(store, "m", "1.0.0", text)
    assert store.versions.all("m")[0].label is None


def test_a_version_that_is_not_there_has_no_label(store: Store) -> None:
    with pytest.raises(NotFoundError, match=r"m has no version 2\.0\.0"):
        label_version(store, "m", "2.0.0", "x")
