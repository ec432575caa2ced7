"""Applications and their tokens."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.errors import ConfigError, InputError, NotFoundError, StoreError
from adapterd.home import Home
from adapterd.store import Store
from adapterd.web.applications import add_token, applications, revoke_token, take_up_file
from tests.support.without_rights import give_away


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


def in_file(home: Home) -> str:
    return (home.root / "http-token").read_text().strip()


def test_a_token_counts_at_once_and_is_the_applications(store: Store) -> None:
    one, two = add_token(store, "one"), add_token(store, "two")
    assert len(one) == 43
    assert [store.http_tokens.owner(each) for each in (one, two)] == ["one", "two"]
    assert [event.kind for event in store.events.latest()] == ["http.token_added"] * 2


@pytest.mark.parametrize("name", ["", "-x", "a b", "é", "x" * 65, "a/b", "a\x1b[2J", "http", "file", "default"])
def test_a_name_that_could_be_mistaken_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InputError):
        add_token(store, name)
    assert store.http_tokens.all() == []


def test_a_second_token_is_refused_until_the_first_is_revoked(store: Store, home: Home) -> None:
    first = add_token(store, "one")
    with pytest.raises(InputError, match="has a token already") as caught:
        add_token(store, "one")
    assert "adapterctl token revoke one" in caught.value.hint
    revoke_token(store, home, "one")
    second = add_token(store, "one")
    assert [store.http_tokens.owner(each) for each in (first, second)] == [None, "one"]


def test_a_token_can_be_written_into_a_new_file_of_its_own(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = add_token(store, "one", file)
    assert file.read_text() == f"{token}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_token_whose_file_cannot_be_written_is_not_made(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    for file in (there, tmp_path / "missing" / "token"):
        with pytest.raises(InputError, match="cannot be written"):
            add_token(store, "one", file)
    assert there.read_text() == "mine"
    assert store.http_tokens.all() == []


def test_a_file_whose_token_does_not_come_to_count_goes_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object, **__: object) -> int:
        raise StoreError("the disk is full")

    monkeypatch.setattr(type(store.events), "add", no_room)
    with pytest.raises(StoreError):
        add_token(store, "one", tmp_path / "token")
    assert not (tmp_path / "token").exists()
    assert store.http_tokens.all() == []


def test_a_second_token_that_is_refused_leaves_no_file(store: Store, tmp_path: Path) -> None:
    add_token(store, "one")
    with pytest.raises(InputError, match="has a token already"):
        add_token(store, "one", tmp_path / "token")
    assert not (tmp_path / "token").exists()


def test_a_revoked_application_is_still_listed_with_what_it_posted(store: Store, home: Home) -> None:
    add_token(store, "one")
    store.http_traffic.add_post("one", "m", 3)
    revoke_token(store, home, "one")
    (found,) = applications(store, home)
    assert (found.name, found.posts, found.records, found.in_file) == ("one", 1, 3, None)
    assert found.revoked_at is not None
    assert found.last_used is not None


def test_who_has_no_token_cannot_lose_it(store: Store, home: Home) -> None:
    for name in ("none", "default"):
        with pytest.raises(NotFoundError, match="no application named"):
            revoke_token(store, home, name)


def test_the_file_in_the_home_is_the_default_applications(store: Store, home: Home) -> None:
    take_up_file(store, home)
    assert store.http_tokens.owner(in_file(home)) == "default"
    assert [each.in_file for each in applications(store, home)] == [home.root / "http-token"]


def test_a_file_that_was_replaced_is_taken_up_at_the_next_start(store: Store, home: Home) -> None:
    take_up_file(store, home)
    old = in_file(home)
    (home.root / "http-token").unlink()
    take_up_file(store, home)
    assert [store.http_tokens.owner(each) for each in (old, in_file(home))] == [None, "default"]


@pytest.mark.parametrize("started", [True, False])
def test_the_default_token_can_be_revoked_and_its_file_goes_for_good(store: Store, home: Home, started: bool) -> None:
    (home.root / "http-token").write_text("t" * 43 + "\n")
    if started:
        take_up_file(store, home)
    revoke_token(store, home, "default")
    assert not (home.root / "http-token").exists()
    take_up_file(store, home)
    assert not (home.root / "http-token").exists()
    (home.root / "http-token").write_text("t" * 43 + "\n")
    take_up_file(store, home)
    assert store.http_tokens.owner("t" * 43) is None


def test_a_token_of_another_application_in_the_file_is_refused(store: Store, home: Home) -> None:
    add_token(store, "one", home.root / "http-token")
    with pytest.raises(ConfigError, match="has the token of one"):
        take_up_file(store, home)


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_what_is_no_file_is_refused_and_not_waited_for(store: Store, home: Home, kind: str) -> None:
    path = home.root / "http-token"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="token file"):
        take_up_file(store, home)


def test_a_token_file_of_another_user_is_refused(store: Store, home: Home) -> None:
    (home.root / "http-token").write_text("t" * 43 + "\n")
    give_away(home.root / "http-token")
    with pytest.raises(ConfigError, match="not a file of yours"):
        take_up_file(store, home)


def test_a_token_that_is_revoked_while_the_file_is_read_stays_revoked(
    store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_meanwhile(_: Path) -> str:
        revoke_token(store, home, "default")
        return "x" * 43

    monkeypatch.setattr("adapterd.web.applications.load_token", read_meanwhile)
    (home.root / "http-token").touch()
    take_up_file(store, home)
    assert store.http_tokens.owner("x" * 43) is None
