"""What a browser sends of a form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from adapterd.errors import InputError, NotFoundError

MOST_BYTES, MOST_FIELDS = 8_000_000, 1_000
MOST_DIGITS = 18


def number(text: str) -> int:
    """The id that a form or a path names; raises NotFoundError for what is none."""
    if not text.isascii() or not text.isdecimal() or len(text) > MOST_DIGITS:
        raise NotFoundError(f"there is nothing with the id {text[:40]!r}", hint="load the page anew")
    return int(text)


def query(path: str, **values: str) -> str:
    """A path with values behind it, where there are any."""
    return f"{path}?{urlencode(values)}" if values else path


@dataclass(frozen=True)
class Form:
    """The fields of a form by their names, each with all that was given, in the order of the form."""

    fields: Mapping[str, Sequence[str]]

    @classmethod
    async def of(cls, request: Request) -> "Form":
        """Of a request with such a body; raises InputError for one that is too large, or none."""
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                raise InputError(f"the form is larger than {MOST_BYTES:,} bytes")
        return cls.parse(bytes(body))

    @classmethod
    def parse(cls, body: bytes) -> "Form":
        """Of the body; a browser ends lines by CR and LF, which are one line end here."""
        try:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
        except ValueError as exc:
            raise InputError("the form cannot be read", hint="load the page anew") from exc
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            found.setdefault(name, []).append(value.replace("\r\n", "\n"))
        return cls(found)

    def text(self, name: str) -> str:
        """What was given first, empty where nothing was."""
        return next(iter(self.fields.get(name, ())), "")

    def all(self, name: str) -> Sequence[str]:
        """All that was given."""
        return self.fields.get(name, ())
