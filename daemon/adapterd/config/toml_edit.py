"""Changes to the text of a TOML file that leave a person's comments, order and line ends as they are.

tomlkit finds the place. Whatever it makes of the file, the result is only used if the standard library's parser reads
the wanted change in it, and nothing else.
"""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adapterd.config.keys import join_key
from adapterd.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from tomlkit.items import Item

COMMENT_COLUMN = 42
BY_HAND = "`adapterctl config edit` opens it"
Place = Any
"""tomlkit's document, a table in it, or what it makes of a table that stands in several pieces."""


def with_value(text: str, path: Sequence[str], value: Any) -> str:
    """The text with this setting changed where it stands, or added to its section; raises ConfigError."""
    table = _table(text)
    place: Any = table
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise ConfigError(f"{join_key(path)}: no such setting")
    is_empty, place[path[-1]] = not tomllib.loads(text), value
    start = text + f"[{join_key(path[:-1])}]{newline(text)}" if is_empty and len(path) > 1 else text
    return _edited(start, table, lambda document: _set(document, path, value))


def without_value(text: str, path: Sequence[str]) -> str:
    """The text without this setting; raises NotFoundError where it is not there, ConfigError as above."""
    table = _table(text)
    place: Any = table
    for part in path[:-1]:
        place = place.get(part) if isinstance(place, dict) else None
    if not isinstance(place, dict) or path[-1] not in place:
        raise NotFoundError(f"{join_key(path)} is not set in the configuration")
    del place[path[-1]]
    return _edited(text, table, lambda document: _remove(document, path))


def with_tables(text: str, tables: Mapping[str, Any], comment: Callable[[Sequence[str]], str]) -> str:
    """The text with new tables after everything else, and at each key what `comment` says of its path."""
    import tomli_w
    import tomlkit

    added, end = tomlkit.parse(tomli_w.dumps(tables)), newline(text)
    _annotate(added, (), comment)
    head = f"{text.rstrip()}{end}{end}" if text.strip() else ""
    return head + tomlkit.dumps(added).rstrip().replace("\n", end) + end


def _annotate(place: Place, path: tuple[str, ...], comment: Callable[[Sequence[str]], str]) -> None:
    from tomlkit.items import Table

    for key, item in _items(place):
        if isinstance(item, Table):
            _annotate(item, (*path, key), comment)
        elif words := comment((*path, key)):
            item.comment(words)
            item.trivia.comment_ws = " " * max(2, COMMENT_COLUMN - len(f"{key} = {item.as_string()}"))


def _items(place: Place) -> "list[tuple[str, Item]]":
    """The keys of a document or a table, and what tomlkit makes of their values; booleans, too, which it unwraps."""
    from tomlkit.items import Table

    container = place.value if isinstance(place, Table) else place
    return [(key.key, item) for key, item in container.body if key is not None]


def newline(text: str) -> str:
    """The line end that this text has."""
    return "\r\n" if "\r\n" in text else "\n"


def _table(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"the configuration is not valid TOML: {exc}", hint=BY_HAND) from exc


def _edited(text: str, wanted: Mapping[str, Any], edit: Callable[[Place], None]) -> str:
    """The text after the edit; raises ConfigError unless it says what is wanted, and nothing else."""
    import tomlkit

    try:
        document = tomlkit.parse(text)
        edit(document)
        edited = tomlkit.dumps(document)
        right = _canonical(tomllib.loads(edited)) == _canonical(wanted)
    except (ValueError, KeyError, TypeError, AttributeError):  # tomlkit's own errors are ValueErrors
        right = False
    if not right:
        raise ConfigError("the configuration is written in a way that only a person can change", hint=BY_HAND)
    return edited


def _canonical(table: Mapping[str, Any]) -> str:
    return json.dumps(table, sort_keys=True, default=repr)


def _remove(document: Place, path: Sequence[str]) -> None:
    place, _ = _walk(document, path[:-1])
    del place[path[-1]]


def _set(document: Place, path: Sequence[str], value: Any) -> None:
    place, missing = _walk(document, path[:-1])
    if not missing and path[-1] in place:
        place[path[-1]] = _quoted_alike(place[path[-1]], value)
    elif last := _last_item(place, deep=bool(missing)):
        end = newline(document.as_string())
        line = f"{join_key(path[-1:])} = {_item(value).as_string()}{end}"
        header = f"{end}[{join_key(path[:-1])}]{end}" if missing else ""
        last.trivia.trail = (last.trivia.trail or end) + header + line
    else:
        inner = {path[-1]: value}
        for part in reversed(missing):
            inner = {part: inner}
        ((key, new),) = inner.items()
        place[key] = _item(new)


def _walk(document: Place, path: Sequence[str]) -> tuple[Place, Sequence[str]]:
    """The innermost table on the path that is there, and the parts that are not."""
    place = document
    for depth, part in enumerate(path):
        if part not in place:
            return place, path[depth:]
        place = place[part]
    return place, ()


def _last_item(place: Place, *, deep: bool) -> "Item | None":
    """The item behind which a new line belongs: the last key of this table, or with `deep` of all tables in it.

    tomlkit would put it behind the comments that follow, which belong to what comes next. None where it has to do so:
    for tables on one line, in pieces or of dotted keys, and for a document without a key of its own.
    """
    from tomlkit.container import Container
    from tomlkit.items import Table

    if not isinstance(place, Container | Table):
        return None
    under_header = isinstance(place, Container) or place.display_name is not None
    items = [item for _, item in _items(place)]
    inner = [item for item in items if isinstance(item, Table)]
    own = [item for item in items if not isinstance(item, Table)]
    if deep and inner and (found := _last_item(inner[-1], deep=True)):
        return found
    if under_header and own:
        return own[-1]
    return place if under_header and isinstance(place, Table) else None


def _quoted_alike(before: Any, value: Any) -> "Item":
    """The value with the quotes of the string that it replaces, where these can hold it."""
    import tomlkit
    from tomlkit.items import String

    quotes = before.as_string()[0] if isinstance(before, String) else '"'
    plain = isinstance(value, str) and value.isprintable() and "'" not in value
    return tomlkit.string(value, literal=True) if quotes == "'" and plain else _item(value)


def _item(value: Any) -> "Item":
    """A value as it stands behind the equals sign: tables on one line."""
    import tomlkit

    if not isinstance(value, Mapping):
        item: Item = tomlkit.item(value)
        return item
    table = tomlkit.inline_table()
    for key, inner in value.items():
        table[key] = _item(inner)
    return table
