"""Two versions on the frozen set: what is refused, and how it is told where they cannot be asked."""

import time

import pytest
from starlette.testclient import TestClient

from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.versions import VersionState
from tests.unit.page.conftest import OWN


@pytest.fixture
def versions(page_home: Home) -> None:
    with Store(page_home.database) as store:
        store.versions.deploy("m", "init", live="base", live_digest="b")
        store.versions.add("m", "1.0.0", run_id="r", digest="d", base_digest="b")
        store.versions.set_state("m", "1.0.0", VersionState.HELD, "held")
        store.evaluation_sets.freeze("m", "set", [{"id": "1", "messages": [], "reference": "x", "record": "r"}])


def test_without_versions_there_is_nothing_to_compare(inside: TestClient) -> None:
    assert "no version yet" in inside.get("/compare/m").text


@pytest.mark.parametrize("first", ["1.0.0", ""])
def test_a_version_is_compared_with_another_one(inside: TestClient, versions: None, first: str) -> None:
    answer = inside.post("/compare/m", data={"first": first, "second": "1.0.0"}, headers=OWN)
    assert (answer.status_code, "two different versions" in answer.text) == (409, True)


@pytest.mark.parametrize(("first", "second"), [("base", "1.0.0"), ("<script>", "nobody")])
def test_where_they_cannot_be_asked_it_is_told(inside: TestClient, versions: None, first: str, second: str) -> None:
    answer = inside.post("/compare/m", data={"first": first, "second": second}, headers=OWN)
    assert answer.status_code == 303
    until = time.monotonic() + 60
    while "data-over" not in (part := inside.get(f"{answer.headers['location']}&part").text):
        assert time.monotonic() < until, part
        time.sleep(0.05)
    assert "<script>" not in part
    page = inside.get(answer.headers["location"])
    assert page.status_code == 200
    assert "<script>nobody" not in page.text
