"""E-mail addresses in text, also those that are spelled out to hide them from harvesters."""

import re
from collections.abc import Iterator

from adapterd.personal_data.finding import Span

_AT = r"(?:@|＠|%40|&#64;|&#x40;|&commat;|\s*[\[({<]\s*(?:at|@|ät|arroba|chez)\s*[\])}>]\s*)"
_DOT = r"(?:\.|\s*[\[({<]\s*(?:dot|punkt|point|punto|\.)\s*[\])}>]\s*)"
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_PLAIN = re.compile(
    rf"(?<![\w@.+-])(?P<local>[^\W_][\w.!#$%&'*+/=?^`|~-]{{0,63}}?){_AT}(?P<domain>{_LABEL}(?:{_DOT}{_LABEL})*{_DOT}"
    r"(?P<top>[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59}))(?![\w@])",
    re.IGNORECASE,
)
_SPELLED = re.compile(
    r"(?<![\w@.+-])(?P<local>[^\W_][\w.+-]{0,63})\s+(?:AT|at)\s+(?P<domain>[a-zA-Z0-9-]{2,63}(?:\s+(?:DOT|dot)\s+[a-zA-Z0-9-]{2,63})*"
    r"\s+(?:DOT|dot)\s+(?P<top>[a-zA-Z]{2,24}))(?!\w)"
)
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "css", "js", "json", "html"})
_MAY_BE = re.compile(r"@|＠|%40|&#|&commat|[\[({<]\s*(?:at|ät|arroba|chez)\s*[\])}>]|\sdot\s", re.IGNORECASE)


def find_emails(text: str) -> Iterator[Span]:
    """The addresses in a text. Handles of social networks (`@name@host`), remotes of git (`git@host:path`) and names of
    files (`logo@2x.png`) are none."""
    if not _MAY_BE.search(text):
        return
    for pattern in (_PLAIN, _SPELLED):
        for match in pattern.finditer(text):
            if match["top"].lower() not in _FILES and not _is_remote(text, match.end()):
                yield Span(match.start(), match.end())


def _is_remote(text: str, end: int) -> bool:
    """Whether a path follows, as in `git@github.com:owner/name.git`."""
    return re.match(r":[\w~.-]+/", text[end : end + 80]) is not None


def plain_address(found: str) -> str:
    """An address as it is written without disguise, in lower case, for comparing it with a rule."""
    text = re.sub(_AT, "@", found.lower())
    text = re.sub(_DOT, ".", text)
    return re.sub(r"\s+dot\s+", ".", re.sub(r"\s+at\s+", "@", text))
