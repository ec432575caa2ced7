"""A post needs a token that is some application's."""

import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from adapterd.web.auth import application_of
from adapterd.web.replies import Refusal

TOKEN = "t" * 43


def owner(token: str) -> str | None:
    return "ours" if token == TOKEN else None


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_a_post_with_a_token_is_its_applications(given: str) -> None:
    assert application_of(Headers({"authorization": given}), owner) == "ours"


WRONG = [TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer x", f"Bearer {TOKEN}x", "Bearer ü"]


@pytest.mark.parametrize("given", ["", *WRONG])
def test_a_post_without_a_token_is_refused_with_a_hint(given: str) -> None:
    with pytest.raises(Refusal) as caught:
        application_of(Headers({"authorization": given}), owner)
    reply: Any = caught.value.reply
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "adapterctl token add" in json.loads(reply.body)["hint"]


def test_where_none_is_needed_a_post_without_one_is_nobodys_and_a_wrong_one_is_refused() -> None:
    assert application_of(Headers({}), owner, needed=False) is None
    for given in WRONG:
        with pytest.raises(Refusal):
            application_of(Headers({"authorization": given}), owner, needed=False)
