"""The text of a page of HTML, in one pass: a parser that looks back takes hours for a page made to keep it busy."""

import html
import re
from collections.abc import Iterator

_HEAD, _HIDDEN = "head", frozenset(("noscript", "template", "head"))
_NO_MARKUP = frozenset(("script", "style"))
"""What is in these is neither text nor markup."""
_BLOCKS = frozenset((
    "p", "div", "br", "li", "ul", "ol", "table", "tr", "section", "article", "blockquote", "pre", "hr", "body",
    *(f"h{level}" for level in range(1, 7)),
))  # fmt: skip
_LINE_END = re.compile(r"[\n\r]+")
_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_REST = re.compile(r"""(?:[^>=]|=\s*"[^"]*"|=\s*'[^']*'|=)*+>""")
"""Of a tag behind its name; `>` may stand between quotation marks."""


def text_of_html(page: str) -> str:
    """What a person reads of a page: without markup, scripts and styles; paragraphs are apart by an empty line."""
    parts, hiding = list[str](), list[str]()
    for text, tag in _pieces(page):
        if not hiding:
            parts.append(html.unescape(_LINE_END.sub(" ", text)))
        name = tag.removeprefix("/")
        if hiding == [_HEAD] and tag in _BLOCKS:  # its end may be left out
            hiding.clear()
        if tag in _HIDDEN:
            hiding.append(tag)
        elif tag.startswith("/") and name in hiding:
            hiding.remove(name)
        if name in _BLOCKS:
            parts.append("\n")
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    return "\n\n".join(filter(None, lines))


def _pieces(page: str) -> Iterator[tuple[str, str]]:
    """Each text with the tag behind it: `p`, `/p`, or nothing. What begins and has no end hides the rest, as in a
    browser."""
    begun = place = 0
    while (start := page.find("<", place)) >= 0:
        named = _NAME.match(page, start)
        if not named and page[start + 1 : start + 2] not in ("!", "?", "/"):
            place = start + 1  # a sign, not markup
            continue
        tag = page[start + 1 : named.end()].lower() if named else ""
        yield page[begun:start], tag
        end = _end(page, start, named.end() if named else None, tag)
        if end is None:
            return
        begun = place = end
    yield page[begun:], ""


def _end(page: str, start: int, behind_name: int | None, tag: str) -> int | None:
    """Where markup ends that begins there, with what it makes unreadable; None where it has no end."""
    if behind_name is None:
        sign = "-->" if page.startswith("<!--", start) else ">"
        found = page.find(sign, start + 2)
        return found + len(sign) if found >= 0 else None
    rest = _REST.match(page, behind_name)
    if rest is None:
        return None
    if tag not in _NO_MARKUP:
        return rest.end()
    closing = re.compile(f"</{tag}", re.IGNORECASE).search(page, rest.end())
    return closing.start() if closing else None
