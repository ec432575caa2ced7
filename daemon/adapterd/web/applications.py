"""Applications that may post, each by a token of its own name, so that one can be found and shut out alone."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from adapterd.errors import ConfigError, InputError, NotFoundError
from adapterd.feedback.checks import shown
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.http_access.traffic import Posts
from adapterd.store.origin import OriginKind
from adapterd.system.files import PRIVATE_FILE
from adapterd.web.token import REMOVE, TOKEN_FILE, load_token, new_token

DEFAULT = "default"
"""The application of the token in the file `http-token`."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

log = logging.getLogger("adapterd")


@dataclass(frozen=True)
class Application:
    """An application, what it posted in all days, and whether its token counts. `in_file` names the file with the
    token, where there is one; of other tokens only a hash is kept."""

    name: str
    created_at: datetime
    revoked_at: datetime | None
    in_file: Path | None
    last_used: datetime | None
    posts: int
    records: int


def add_token(store: Store, name: str, file: Path | None = None) -> str:
    """A new token for an application; it is nowhere but in what is returned, and in `file` (0600), which must not be
    there yet. Raises InputError."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{shown(name)} cannot be the name of an application",
            hint="a name has 1 to 64 letters, digits, dots, underscores and hyphens, and begins with a letter or digit",
        )
    if name in {DEFAULT, *OriginKind}:
        raise InputError(f"{name} has a meaning of its own as an origin; give the application another name")
    token = new_token()
    with _in_new_file(file, token), store.transaction():
        known = store.http_tokens.get(name)
        if known and known.revoked_at is None:
            raise InputError(
                f"{name} has a token already, which is not kept and cannot be shown again",
                hint=f"`adapterctl token revoke {name}` makes it useless, then give it another one",
            )
        store.http_tokens.put(name, token)
        store.events.add("http.token_added", f"{name} got a token for feedback over HTTP", detail={"application": name})
    return token


def revocable(store: Store, home: Home, name: str) -> None:
    """Raise NotFoundError if no application of that name has a token that counts."""
    known = store.http_tokens.get(name)
    if name == DEFAULT and known is None and os.path.lexists(home.root / TOKEN_FILE):
        return
    if known is None or known.revoked_at:
        raise NotFoundError(
            f"no application named {shown(name)} has a token", hint="`adapterctl token list` shows them"
        )


def revoke_token(store: Store, home: Home, name: str) -> None:
    """Make an application's token useless from now on; what it posted stays. Raises NotFoundError."""
    file = home.root / TOKEN_FILE
    with store.transaction():
        revocable(store, home, name)
        if store.http_tokens.get(name) is None:
            store.http_tokens.put(name, new_token(), in_file=True)  # no daemon has read the file yet
        store.http_tokens.revoke(name)
        store.events.add("http.token_revoked", f"the token of {name} was revoked", detail={"application": name})
    if name == DEFAULT:
        file.unlink(missing_ok=True)


def applications(store: Store, home: Home) -> list[Application]:
    """Every application that has or had a token."""
    posts = store.http_traffic.posts()
    nothing = Posts(0, 0, None)
    return [
        Application(
            name=each.name,
            created_at=each.created_at,
            revoked_at=each.revoked_at,
            in_file=home.root / TOKEN_FILE if each.in_file and each.revoked_at is None else None,
            last_used=posts.get(each.name, nothing).last_at,
            posts=posts.get(each.name, nothing).posts,
            records=posts.get(each.name, nothing).records,
        )
        for each in store.http_tokens.all()
    ]


@contextmanager
def _in_new_file(file: Path | None, token: str) -> Iterator[None]:
    """Have the token in a new file (0600), where one is wanted; it goes again if what follows fails."""
    if file is None:
        yield
        return
    try:
        new = open(file, "x", opener=lambda path, flags: os.open(path, flags, PRIVATE_FILE))  # noqa: SIM115
    except OSError as exc:
        raise _not_written(file, exc, "name a file that is not there yet") from exc
    try:
        try:
            with new:
                new.write(token + "\n")
        except OSError as exc:
            raise _not_written(file, exc, "name a file at another place") from exc
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _not_written(file: Path, exc: OSError, hint: str) -> InputError:
    return InputError(f"the token cannot be written to {file}: {exc.strerror}", hint=hint)


def take_up_file(store: Store, home: Home) -> str | None:
    """Let the token in the home's file count, which is made if it is missing, unless it was revoked. Returns what is to
    be said of a file that is there all the same.

    Raises ConfigError if the file cannot be used.
    """
    file = home.root / TOKEN_FILE
    known = store.http_tokens.get(DEFAULT)
    if known and known.revoked_at:
        return f"{file} is not used: the token of {DEFAULT} was revoked" if file.exists() else None
    token = load_token(file)
    owner = store.http_tokens.owner(token)
    if owner == DEFAULT:
        return None  # and nothing is written: the store may be locked
    if owner is not None:
        raise ConfigError(f"{file} has the token of {owner}", hint=REMOVE)
    with store.transaction():
        known = store.http_tokens.get(DEFAULT)
        if known is None or known.revoked_at is None:  # it may have been revoked a moment ago
            store.http_tokens.put(DEFAULT, token, in_file=True)
    return None
