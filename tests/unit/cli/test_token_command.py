"""adapterctl token."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from adapterd.errors import ConfigError, InputError, NotFoundError
from adapterd.home import Home
from adapterd.store import Store

Command = Callable[..., Result]


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


def test_a_token_is_shown_alone_on_standard_output(adapterctl: Command, store: Store) -> None:
    given = adapterctl("token", "add", "newsroom")
    assert store.http_tokens.owner(given.stdout.strip()) == "newsroom"
    assert "not shown again" in given.stderr
    assert "http.enabled" in given.stderr


def test_where_tcp_is_on_nothing_is_said_of_it(adapterctl: Command, store: Store, home: Home) -> None:
    home.config_file.write_text("[http]\nenabled = true\n")
    assert "http.enabled" not in adapterctl("token", "add", "newsroom").stderr


def test_programs_get_the_token_too(as_json: Callable[..., Any], store: Store) -> None:
    given = as_json("token", "add", "newsroom")
    assert given == {"name": "newsroom", "token": given["token"], "file": None}
    assert store.http_tokens.owner(given["token"]) == "newsroom"


def test_a_token_in_a_file_is_not_shown(as_json: Callable[..., Any], store: Store, tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert as_json("token", "add", "newsroom", "--file", str(file)) == {
        "name": "newsroom",
        "token": None,
        "file": str(file),
    }
    assert store.http_tokens.owner(file.read_text().strip()) == "newsroom"


def test_with_a_configuration_that_makes_no_sense_no_token_is_made(
    adapterctl: Command, store: Store, home: Home, tmp_path: Path
) -> None:
    home.config_file.write_text("[http]\nenabled = 3\n")
    with pytest.raises(ConfigError):
        adapterctl("token", "add", "newsroom", "--file", str(tmp_path / "token"))
    assert not (tmp_path / "token").exists()
    assert store.http_tokens.all() == []


def test_the_list_tells_who_has_a_token_and_when_it_was_used(adapterctl: Command, store: Store) -> None:
    assert "adapterctl token add NAME" in adapterctl("token", "list").stdout
    token = adapterctl("token", "add", "used").stdout.strip()
    adapterctl("token", "add", "unused")
    adapterctl("token", "add", "gone")
    store.http_traffic.add_post("used", "m", 3)
    adapterctl("token", "revoke", "gone", "--yes")
    said = adapterctl("token", "list").stdout
    rows = {line.split()[0]: line for line in said.splitlines()[1:]}
    assert rows["used"].split()[-2:] == ["1", "3"]
    assert "never" in rows["unused"]
    assert "revoked just now" in rows["gone"]
    assert token not in said


def test_a_token_is_revoked_only_by_who_says_yes(adapterctl: Command, store: Store) -> None:
    token = adapterctl("token", "add", "newsroom").stdout.strip()
    with pytest.raises(click.Abort):
        adapterctl("token", "revoke", "newsroom")
    assert store.http_tokens.owner(token) == "newsroom"
    assert "feedback remove --from newsroom" in adapterctl("token", "revoke", "newsroom", "-y").stdout
    assert store.http_tokens.owner(token) is None


def test_what_cannot_be_added_or_revoked_is_an_error_of_ours(adapterctl: Command, store: Store) -> None:
    adapterctl("token", "add", "newsroom")
    with pytest.raises(InputError, match="has a token already"):
        adapterctl("token", "add", "newsroom")
    with pytest.raises(NotFoundError, match="no application named 'nobody'"):
        adapterctl("token", "revoke", "nobody")
