"""The settings that are in force, one by one: the value of each, and whether the configuration file sets it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapterd.config.addresses.ollama_address import HOST_VARIABLE, address_of_environment, without_password
from adapterd.config.addresses.ollama_host import shown_address
from adapterd.config.keys import join_key, split_key
from adapterd.config.parsing import to_table
from adapterd.config.reference import Setting, all_settings, setting_at
from adapterd.config.schema import Settings
from adapterd.errors import NotFoundError

HOST = ("ollama", "host")


@dataclass(frozen=True)
class Entry:
    """One setting in force; `value` is None where it is unset, `is_set` tells whether the file sets it."""

    path: tuple[str, ...]
    value: Any
    is_set: bool
    setting: Setting

    @property
    def key(self) -> str:
        return join_key(self.path)

    @property
    def source(self) -> str:
        """What sets it."""
        if self.is_set:
            return "config.toml"
        return HOST_VARIABLE if self.path == HOST and address_of_environment() else "default"

    def plain(self) -> dict[str, Any]:
        """For programs."""
        doc = self.setting.doc
        return {
            "key": self.key, "value": self.value, "set": self.is_set, "default": self.setting.default,
            "type": self.setting.kind, "meaning": doc.sentence, "unset": doc.unset,
        }  # fmt: skip


def entries(settings: Settings, written: Mapping[str, Any], below: Sequence[str] = ()) -> list[Entry]:
    """What is in force below this key, model by model; `written` is the file as plain tables.

    Raises NotFoundError where no setting has such a key.
    """
    table = to_table(settings)
    found = [
        Entry(path, _shown(path, _at(table, path)), _at(written, path) is not None, setting)
        for setting in all_settings()
        for path in _expanded(setting.path, table)
        if path[: len(below)] == tuple(below)
    ]
    if not found:
        raise no_such_setting(below, table)
    return sorted(found, key=lambda entry: entry.path[1] if entry.path[0] == "models" else "")


def _shown(path: tuple[str, ...], value: Any) -> Any:
    """The value as it may be shown: an address without its password."""
    return shown_address(value) if path == HOST and without_password(value) != value else value


def path_of(key: str, model: str | None = None) -> tuple[str, ...]:
    """The parts of a key, which is one of that model's if a model is named."""
    parts = split_key(key) if key else []
    return ("models", model, *parts) if model else tuple(parts)


def require_setting(path: Sequence[str], written: Mapping[str, Any]) -> Setting:
    """The setting of that key, which may be of a model that the file has; raises NotFoundError for any other key."""
    found = setting_at(path)
    if found is None:
        raise no_such_setting(path, written)
    if path[0] == "models" and not isinstance(_at(written, path[:2]), Mapping):
        raise NotFoundError(
            f"no model named {path[1]!r} is configured", hint="adapterctl init NAME --base TAG makes one"
        )
    return found


def no_such_setting(path: Sequence[str], table: Mapping[str, Any]) -> NotFoundError:
    """The error for a key that names no setting, with what may have been meant."""
    key, known = join_key(path), [known for each in all_settings() for known in _expanded(each.path, table)]
    if any(each[: len(path)] == tuple(path) for each in known):
        return NotFoundError(f"{key or 'this'} is a section, not a setting", hint="`adapterctl config show` lists it")
    if setting_at(("models", "NAME", *path)):
        return NotFoundError(
            f"{key}: no such setting", hint=f"a setting of one model: models.NAME.{key}, or --model NAME"
        )
    near = difflib.get_close_matches(key, map(join_key, known), n=1)
    hint = f"did you mean {near[0]}?" if near else "`adapterctl config show --docs` lists all settings"
    return NotFoundError(f"{key}: no such setting", hint=hint)


def _expanded(path: Sequence[str], table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The path with the names of models and metrics that there are in the place of NAME and METRIC."""
    if not path:
        yield ()
        return
    head, *rest = path
    for name in list(table) if head.isupper() else [head]:
        inner = table.get(name)
        yield from ((name, *more) for more in _expanded(rest, inner if isinstance(inner, Mapping) else {}))


def _at(table: Any, path: Sequence[str]) -> Any:
    for part in path:
        table = table.get(part) if isinstance(table, Mapping) else None
    return table
