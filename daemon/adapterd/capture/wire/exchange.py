"""One request and its response as they were seen on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Body:
    """The bytes of a body without its transfer coding, headers (names in lower case), and whether all of it is here: it
    came to its end, and was not longer than what is kept."""

    data: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True)
class Exchange:
    """A request, its response, and when: `started_at` in seconds since 1970, `first_byte_s` and `seconds` from then."""

    id: str
    method: str
    path: str
    request: Body
    status: int
    response: Body
    started_at: float
    first_byte_s: float
    seconds: float

    @property
    def route(self) -> str:
        """The path without its query."""
        return self.path.partition("?")[0]
