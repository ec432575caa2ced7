"""The token that lets an application post: one line in a file that only the owner of the home can read."""

import logging
import os
import secrets
import stat
from pathlib import Path

from adapterd.errors import ConfigError
from adapterd.system.files import PRIVATE_FILE, write_atomic

TOKEN_BYTES = 32
MIN_CHARACTERS = 32

log = logging.getLogger("adapterd")


def load_token(path: Path) -> str:
    """The token in the file, which is made (0600) if it is missing, and made private if others may read it.

    Raises ConfigError if the file is not ours, is not a regular one, cannot be read, or has no good token in it.
    """
    try:
        if not path.exists():
            write_atomic(path, secrets.token_urlsafe(TOKEN_BYTES) + "\n")
        text = _read_private(path)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"the token file {path} cannot be read or made: {exc}") from exc
    token = text.strip()
    if len(token) < MIN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"the token file {path} does not hold one line of {MIN_CHARACTERS} or more letters and digits",
            hint="remove the file; a new token is made at the next start",
        )
    return token


def _read_private(path: Path) -> str:
    """The file's text, once nobody else can read it."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise ConfigError(
                f"the token file {path} is not a file of yours",
                hint="remove it; a new token is made at the next start",
            )
        if status.st_mode & 0o077:
            os.fchmod(file.fileno(), PRIVATE_FILE)
            log.warning(
                "%s could be read by others and was made private; if somebody may have read it, remove it for a new "
                "token at the next start",
                path,
            )
        return file.read(4096).decode()
