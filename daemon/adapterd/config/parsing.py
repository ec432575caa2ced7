"""TOML to settings and back: strict types, numbers within their range, every fault named at once."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from adapterd.config.faults import describe_faults
from adapterd.config.schema import Addresses, ModelSettings, Range, Settings
from adapterd.errors import ConfigError
from adapterd.home import Home
from adapterd.hours import Hours

if TYPE_CHECKING:
    from cattrs import Converter

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def load(home: Home) -> Settings:
    """The settings of this home, defaults where there is no file; raises ConfigError naming every fault."""
    try:
        if not home.config_file.is_file():
            return Settings()
        text = home.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{home.config_file} cannot be read: {exc}") from exc
    settings = parse(text, source=str(home.config_file))
    return replace(settings, models={name: _anchored(model, home) for name, model in settings.models.items()})


def _anchored(model: ModelSettings, home: Home) -> ModelSettings:
    """Relative paths are meant from the configuration's own folder, whatever folder a process works in."""
    return replace(
        model,
        feedback=home.root / model.feedback if model.feedback else None,
        schema=home.root / model.schema if model.schema else None,
    )


def parse(text: str, *, source: str = "config.toml") -> Settings:
    """Settings from TOML; raises ConfigError with one line for every fault."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{source} is not valid TOML: {exc}") from exc
    return parse_table(table, source=source)


def parse_table(table: Mapping[str, Any], *, source: str) -> Settings:
    """Settings from a table of plain values; raises ConfigError with one line for every fault."""
    faults: list[str] = []
    settings = None
    from cattrs.errors import BaseValidationError

    try:
        settings = settings_converter().structure(table, Settings)
    except BaseValidationError as exc:
        faults += describe_faults(exc)
    named = table.get("models", {})
    faults += [
        f"models.{name}: a model's name has lower-case letters, digits, '.', '_' and '-' only"
        for name in (named if isinstance(named, dict) else ())
        if not MODEL_NAME.fullmatch(name)
    ]
    if settings is None or faults:
        raise ConfigError(f"{source}:\n  " + "\n  ".join(faults), hint="correct these lines; nothing was changed")
    return settings


def settings_converter() -> "Converter":
    """A strict reader of settings: no unknown keys, no silent conversion between types, numbers within their range."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)

    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(Path, lambda value, _: _a_path(value))
    converter.register_structure_hook_func(
        lambda annotation: hasattr(annotation, "__metadata__"),
        lambda value, annotation: _within(converter.structure(value, get_args(annotation)[0]), annotation),
    )
    for choice in StrEnum.__subclasses__():
        converter.register_structure_hook(choice, _one_of)
    converter.register_structure_hook_func(lambda annotation: annotation == Addresses, _addresses)
    converter.register_structure_hook(Hours, lambda value, _: Hours.parse(_strict(str)(value, str)))
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook(Hours, str)
    return converter


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not a {_KIND_NAMES[kind]}")
        return value

    return structure


_KIND_NAMES = {int: "whole number", float: "number", str: "string", bool: "boolean (true or false)"}


def _a_path(value: Any) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not a path")
    try:
        return Path(os.path.expandvars(value)).expanduser()
    except RuntimeError as exc:
        raise ValueError(f"{value!r} names the home of a user who is not known here") from exc


def _addresses(value: Any, _: Any) -> Addresses:
    from ipaddress import ip_address

    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list of IP addresses")
    for each in value:
        try:
            ip_address(each if isinstance(each, str) else "")
        except ValueError:
            raise ValueError(f"{each!r} is not an IP address") from None
    return tuple(value)


def _within(value: Any, annotation: Any) -> Any:
    bounds = next(item for item in get_args(annotation)[1:] if isinstance(item, Range))
    if not bounds.low <= value <= bounds.high:
        raise ValueError(f"{value!r} is not between {bounds.low:g} and {bounds.high:g}")
    return value


def _one_of(value: Any, kind: type[StrEnum]) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is not one of: {', '.join(kind)}") from None


def with_changes(model: ModelSettings, changes: Sequence[str]) -> ModelSettings:
    """The settings after `KEY=VALUE` changes such as `training.rank=8`; raises ConfigError naming every fault."""
    table = to_table(model)
    for change in changes:
        key, found, text = change.partition("=")
        *sections, name = _key_path(key.strip())
        place = table
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{key}: no such setting")
        if not found:
            raise ConfigError(f"{change!r} is not KEY=VALUE")
        place[name] = _toml_value(text.strip())
    try:
        return parse_table({"models": {"m": table}}, source="these changes").models["m"]
    except ConfigError as exc:
        raise ConfigError(str(exc).replace("models.m.", ""), hint=exc.hint) from exc


def _key_path(key: str) -> list[str]:
    """The parts of a dotted key; a part with a dot of its own is quoted, as in TOML."""
    try:
        nested: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        return key.split(".")
    path = []
    while isinstance(nested, dict):
        ((part, nested),) = nested.items()
        path.append(part)
    return path


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_table(settings: Settings | ModelSettings) -> dict[str, Any]:
    """The settings as plain values, the way they would stand in TOML; unset paths are left out."""
    return _without_none(settings_converter().unstructure(settings))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
