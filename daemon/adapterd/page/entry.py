"""Who may see the page: whoever has followed a link that `adapterctl open` made, once, and has the cookie since then.

Links, cookies and what forms carry are signed with a key that the process makes when it starts (itsdangerous), which is
in a file of the home that only its owner can read. So nothing has to be remembered but which links were used, and a
link or a cookie of an earlier process is none any more.
"""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

LINK_S = 120
"""How long a link may be followed."""
SESSION_S = 30 * 86_400
FORM_S = 86_400
_LINK, _SESSION, _FORM = "link", "session", "form"


def new_key() -> str:
    """A key that nobody can guess."""
    return secrets.token_urlsafe(32)


def ticket(key: str) -> str:
    """What a link carries that lets in once; made by `adapterctl open`, which can read the key."""
    return _signer(key, _LINK).dumps(secrets.token_urlsafe(16))


@dataclass
class Entry:
    """Signs and checks with one key, for a page at this port. `used_at` is when somebody was let in last, by the
    monotonic clock, in seconds."""

    key: str
    port: int
    used_at: float = field(default_factory=time.monotonic)
    _used: set[str] = field(default_factory=set)

    def admits(self, given: str) -> bool:
        """Whether a link may be followed; it may not be a second time."""
        number = _read(self.key, _LINK, given, LINK_S)
        if not isinstance(number, str) or number in self._used:
            return False
        self._used.add(number)
        return True

    def session(self) -> str:
        """The value of a new cookie."""
        return _signer(self.key, _SESSION).dumps(secrets.token_urlsafe(16))

    @property
    def cookie(self) -> str:
        """The name of the cookie: a browser gives those of all ports."""
        return f"adapterd-page-{self.port}"

    def knows(self, cookie: str | None) -> bool:
        """Whether a cookie is one of this process; the page is in use then."""
        if cookie is None or _read(self.key, _SESSION, cookie, SESSION_S) is None:
            return False
        self.used_at = time.monotonic()
        return True

    def seal(self, values: Any) -> str:
        """Plain values as a form carries them, so that nobody changes them on the way."""
        return str(_signer(self.key, _FORM).dumps(values))

    def unseal(self, sealed: str) -> Any:
        """The values; None of what was not sealed here, or too long ago."""
        return _read(self.key, _FORM, sealed, FORM_S)


def _signer(key: str, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(key, salt=purpose)


def _read(key: str, purpose: str, given: str, seconds: int) -> Any:
    try:
        return _signer(key, purpose).loads(given, max_age=seconds)
    except BadData:
        return None
