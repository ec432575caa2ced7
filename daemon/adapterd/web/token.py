"""The token in a file of the home: one line that only the owner of the home can read.

It belongs to the application `default`. Other applications get tokens of their own (`adapterd.web.applications`).
"""

import logging
import os
import secrets
import stat
from pathlib import Path

from adapterd.errors import ConfigError, reason
from adapterd.system.files import PRIVATE_FILE, write_atomic

TOKEN_FILE = "http-token"  # noqa: S105
TOKEN_BYTES = 32
MIN_CHARACTERS = 32
REMOVE = "remove the file; the daemon makes one with a new token half a minute later"

log = logging.getLogger("adapterd")


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def load_token(path: Path) -> str:
    """The token in the file, which is made (0600) if it is missing, and made private if others may read it.

    Raises ConfigError if the file is not ours, is not a regular one, cannot be read, or has no good token in it.
    """
    try:
        if not os.path.lexists(path):
            write_atomic(path, new_token() + "\n")
        text = _read_private(path)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"the token file {path} cannot be read or made: {reason(exc)}") from exc
    token = text.strip()
    if len(token) < MIN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"the token file {path} does not hold one line of {MIN_CHARACTERS} or more letters and digits",
            hint=REMOVE,
        )
    return token


def _read_private(path: Path) -> str:
    """The file's text, once nobody else can read it. A FIFO is not waited for, and a link is not followed."""
    with open(path, "rb", opener=_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise ConfigError(
                f"the token file {path} is not a file of yours",
                hint=REMOVE,
            )
        if status.st_mode & 0o077:
            os.fchmod(file.fileno(), PRIVATE_FILE)
            log.warning(
                "%s could be read by others and was made private; if somebody may have read it, remove it for a new "
                "token at the next start",
                path,
            )
        return file.read(4096).decode()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
