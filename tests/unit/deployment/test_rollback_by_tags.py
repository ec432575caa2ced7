"""Rollback where there are only tags: the database cannot be used."""

import pytest

from adapterd.deployment.rollback_by_tags import rollback_by_tags
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from tests.support.fakes import FakeRuntime


@pytest.fixture
def tagged() -> FakeRuntime:
    """Version 1.1.0 is live, 1.0.0 was before; 1.10.0 was never live."""
    runtime = FakeRuntime()
    runtime.add("news:base", "news:1.0.0", "news:1.1.0", "news:1.10.0", "news:mine", "mail:latest")
    runtime.copy("news:1.1.0", "news:latest")
    runtime.copy("news:1.0.0", "news:previous")
    return runtime


def test_the_previous_tag_becomes_the_live_one(home: Home, tagged: FakeRuntime) -> None:
    swap = rollback_by_tags(home, tagged, "news")
    assert (swap.live, swap.replaced) == ("1.0.0", "1.1.0")
    assert tagged.tags()["news:latest"] == tagged.tags()["news:1.0.0"]
    assert not home.database.exists()  # nothing but tags was looked at


@pytest.mark.parametrize("to", ["base", "1.10.0"])
def test_any_version_that_has_a_tag_can_be_gone_to(home: Home, tagged: FakeRuntime, to: str) -> None:
    assert rollback_by_tags(home, tagged, "news", to).live == to
    assert tagged.tags()["news:latest"] == tagged.tags()[f"news:{to}"]


def test_given_twice_it_does_not_go_back_twice_and_names_the_ways(home: Home, tagged: FakeRuntime) -> None:
    rollback_by_tags(home, tagged, "news")
    before = tagged.tags()
    with pytest.raises(InputError, match="is the same as news:previous already") as caught:
        rollback_by_tags(home, tagged, "news")
    assert caught.value.hint == "`adapterctl rollback news --to …` goes to one of 1.10.0, 1.1.0, base"
    assert tagged.tags() == before


def test_without_a_previous_tag_the_others_are_named(home: Home, tagged: FakeRuntime) -> None:
    tagged.delete("news:previous")
    with pytest.raises(NotFoundError, match="news:previous is gone") as caught:
        rollback_by_tags(home, tagged, "news")
    assert "1.10.0, 1.0.0, base" in caught.value.hint


def test_what_is_live_may_be_none_of_the_versions(home: Home, tagged: FakeRuntime) -> None:
    tagged.copy("mail:latest", "news:latest")
    assert rollback_by_tags(home, tagged, "news").replaced == "another model"
