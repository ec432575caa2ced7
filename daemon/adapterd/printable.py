"""Text from elsewhere as it may reach a terminal or a page: what would act there is shown instead.

Feedback, file names, tensor names and answers of models are written by others. A control character in them could clear
the screen, write into the clipboard, fake a line or turn the direction of what follows.
"""

import re

_ACTING = (
    "\x00-\x1f\x7f-\x9f"  # control characters of both kinds, escape, bell and line ends among them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # direction of writing
    "\u2028\u2029"  # ends of lines and paragraphs
    "\u180e\u200b\u2060-\u2065\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # invisible
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # no characters at all
)
_ANY = re.compile(f"[{_ACTING}]")
_IN_LINES = re.compile(rf"(?![\n\t])[{_ACTING}]")
_HALF_A_PAIR = re.compile("[\ud800-\udfff]")
_AT_MARGIN = re.compile(r"\n(?=\S)")


def printable(value: object) -> str:
    """The text on one line: every character that would act is written as Python writes it, `\\x1b` or `\\n`."""
    return _ANY.sub(_written, str(value))


def printable_lines(value: object) -> str:
    """The same of a text that may have several lines, whose ends and tabs stay."""
    return _IN_LINES.sub(_written, str(value).replace("\r\n", "\n"))


def without_halves(text: str) -> str:
    """The text with U+FFFD in the place of each half of a surrogate pair, which neither a file nor a database takes."""
    return _HALF_A_PAIR.sub("\ufffd", text)


def set_in(text: str) -> str:
    """A message that may quote others, and may have several lines: none but its first begins at the margin."""
    return _AT_MARGIN.sub("\n  ", printable_lines(text))


def json_safe(text: str) -> str:
    """JSON with every character that would act written as JSON writes it; its value stays the same."""
    return _IN_LINES.sub(lambda found: "".join(f"\\u{unit:04x}" for unit in _units(found[0])), text)


def _written(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _units(character: str) -> list[int]:
    """The character in UTF-16, a surrogate on its own included."""
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[place : place + 2]) for place in range(0, len(data), 2)]
