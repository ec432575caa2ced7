"""A post needs the token."""

import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from adapterd.web.auth import token_refusal

TOKEN = "t" * 43


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}", f"bearer  {TOKEN}"])
def test_a_post_with_the_token_is_let_in(given: str) -> None:
    assert token_refusal(Headers({"authorization": given}), TOKEN) is None


@pytest.mark.parametrize("given", ["", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer x", f"Bearer {TOKEN}x", "Bearer ü"])
def test_a_post_without_the_token_is_refused_with_a_hint(given: str) -> None:
    reply: Any = token_refusal(Headers({"authorization": given}), TOKEN)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert "http-token" in json.loads(reply.body)["hint"]
