"""The Modelfile that Ollama writes for a tag, read back: the only place that says which TEMPLATE a tag has of its own.

Ollama writes a value without quotes, in one pair if it has line ends or spaces at its ends, and in three if it holds a
quote besides, and escapes nothing. So a quote ends a text only where the next line begins with a command.
"""

from collections.abc import Iterator

_COMMANDS = (
    "FROM", "ADAPTER", "DRAFT", "TEMPLATE", "SYSTEM", "RENDERER", "PARSER", "REQUIRES", "PARAMETER", "LICENSE",
    "MESSAGE",
)  # fmt: skip
_QUOTES = ('"""', '"')


def commands(text: str) -> Iterator[tuple[str, str]]:
    """(command, value) of each command in the text; comments and what cannot be read are passed over."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        name, _, value = lines[number].partition(" ")
        number += 1
        if name not in _COMMANDS:
            continue
        for quotes in _QUOTES:
            end = _end(lines, number - 1, value, quotes)
            if end is not None:
                whole = "\n".join([value, *lines[number:end]])
                value, number = whole[len(quotes) : -len(quotes)], end
                break
        yield name, value


def _end(lines: list[str], first: int, value: str, quotes: str) -> int | None:
    """The number of the line behind a quoted value; None if it is not a quoted one."""
    if not value.startswith(quotes):
        return None
    for number in range(first, len(lines)):
        line = value if number == first else lines[number]
        room = len(quotes) if number > first else 2 * len(quotes)
        if line.endswith(quotes) and len(line) >= room and _begins_a_command(lines, number + 1):
            return number + 1 if number > first or _needs_quotes(value, quotes) else None
    return None


def _needs_quotes(value: str, quotes: str) -> bool:
    """Whether Ollama would have quoted the text in this one line; one that merely begins and ends with quotes is
    written as it is."""
    inside = value[len(quotes) : -len(quotes)]
    return inside != inside.strip(" ")


def _begins_a_command(lines: list[str], number: int) -> bool:
    rest = lines[number:]
    return not any(rest) or rest[0].partition(" ")[0] in _COMMANDS
