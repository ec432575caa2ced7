"""TOML to settings and back: strict types, numbers within their range, every fault named at once."""

import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from adapterd.config.addresses.ollama_address import without_password
from adapterd.config.addresses.ollama_host import with_host_of_environment
from adapterd.config.annotations import Range
from adapterd.config.choices import PERSONAL_DATA_KINDS
from adapterd.config.faults import describe_faults
from adapterd.config.keys import read_value, split_key
from adapterd.config.schema import AllowRules, GateRule, ModelSettings, Names, Settings
from adapterd.config.teachers import RemoteModel
from adapterd.config.training import Addresses
from adapterd.errors import ConfigError, reason
from adapterd.home import Home
from adapterd.serialization import plain_converter
from adapterd.system.permissions.owners import refusal

if TYPE_CHECKING:
    from cattrs import Converter

MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def load(home: Home) -> Settings:
    """The settings of this home, defaults where there is no file; raises ConfigError naming every fault.

    Where the file has no address of Ollama, OLLAMA_HOST tells it.
    """
    try:
        if not home.config_file.is_file():
            return with_host_of_environment(Settings(), {})
        text = home.config_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        whose, remedy = refusal(home.config_file, home.root) if isinstance(exc, PermissionError) else ("", "")
        raise ConfigError(
            f"{home.config_file} cannot be read: {whose.replace(str(home.config_file), 'it') or reason(exc)}",
            hint=remedy,
        ) from exc
    settings = with_host_of_environment(parse(text, source=str(home.config_file)), tomllib.loads(text))
    return replace(
        settings, models={name: _with_absolute_paths(model, home) for name, model in settings.models.items()}
    )


def _with_absolute_paths(model: ModelSettings, home: Home) -> ModelSettings:
    """Relative paths are relative to the folder of the configuration, not to the working directory."""
    return replace(
        model,
        feedback=replace(model.feedback, folder=home.root / model.feedback.folder if model.feedback.folder else None),
        schema=home.root / model.schema if model.schema else None,
        teaching=replace(
            model.teaching, documents=home.root / model.teaching.documents if model.teaching.documents else None
        ),
        judging=replace(model.judging, rubric=home.root / model.judging.rubric if model.judging.rubric else None),
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
    settings, faults = read_table(table)
    if settings is None or faults:
        raise ConfigError(f"{source}:\n  " + "\n  ".join(faults), hint="correct these lines; nothing was changed")
    return settings


def read_table(table: Mapping[str, Any]) -> tuple[Settings | None, list[str]]:
    """The settings, if they can be read at all, and every fault of them, beginning with the path of the value."""
    from cattrs.errors import BaseValidationError

    settings, faults = None, []
    try:
        settings = settings_converter().structure(table, Settings)
    except BaseValidationError as exc:
        faults = describe_faults(exc)
    named = table.get("models", {})
    faults += [
        f"models.{name}: a model's name has lower-case letters, digits, '.', '_' and '-' only"
        for name in (named if isinstance(named, dict) else ())
        if not MODEL_NAME.fullmatch(name)
    ]
    return settings, [*faults, *(_contradictions(settings) if settings else ())]


def _contradictions(settings: Settings) -> Iterator[str]:
    """Settings that are right by themselves, and make no sense together."""
    for name, model in settings.models.items():
        if model.evaluation.structured and model.schema is None:
            yield f"models.{name}.evaluation.structured: needs models.{name}.schema, the schema to hold answers to"
        if (teacher := model.teaching.teacher) is not None and teacher not in settings.teachers:
            yield f"models.{name}.teaching.teacher: there is no [teachers.{teacher}]"
        if model.teaching.nightly and not settings.teachers:
            yield f"models.{name}.teaching.nightly: needs a teacher, [teachers.NAME]"
        for key, judge in (("judging", model.judging.judge), ("teaching", model.teaching.judge)):
            if judge is not None and judge not in settings.judges:
                yield f"models.{name}.{key}.judge: there is no [judges.{judge}]"
        if (rule := model.gates.get("judged_preference")) is not None:
            yield from _faults_of_judged(f"models.{name}.gates.judged_preference", rule, settings)
    for name, each in settings.teachers.items():
        yield from _faults_of_address(f"teachers.{name}", each)
    for name, one in settings.judges.items():
        yield from _faults_of_address(f"judges.{name}", one)


def _faults_of_judged(key: str, rule: GateRule, settings: Settings) -> Iterator[str]:
    """What is wrong with the gate on the judged preference: without a bound that a share can pass or fail it would pass
    by any look, or by none."""
    if not settings.judges:
        yield f"{key}: needs a judge, [judges.NAME]"
    if rule.min_gain is not None or rule.margin is not None:
        yield f"{key}: has no min_gain and no margin, for it compares with live already; give min or max"
    elif rule.min is None and rule.max is None:
        yield f"{key}: needs min or max, a share from 0 to 1"
    if not all(0 <= each <= 1 for each in (rule.min, rule.max) if each is not None):
        yield f"{key}: min and max are shares from 0 to 1"


def _faults_of_address(key: str, model: RemoteModel) -> Iterator[str]:
    if model.base_url is not None and not re.match(r"https?://[^\s/]+", model.base_url):
        yield f"{key}.base_url: {without_password(model.base_url)!r} is not http://… or https://…"
    if model.key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", model.key_env):
        yield f"{key}.key_env: is no name of an environment variable; the key itself stands in none here"
    if model.base_url is None and model.key_env is not None:
        yield f"{key}.key_env: needs {key}.base_url; Ollama takes no key"


@cache
def settings_converter() -> "Converter":
    """A strict reader of settings: no unknown keys, no silent conversion between types, numbers within their range."""
    converter = plain_converter(forbid_extra_keys=True)
    for kind in (int, float, str, bool):
        converter.register_structure_hook(kind, _strict(kind))
    converter.register_structure_hook(Path, lambda value, _: _path(value))
    converter.register_structure_hook_func(
        lambda annotation: hasattr(annotation, "__metadata__"),
        lambda value, annotation: _in_range(converter.structure(value, get_args(annotation)[0]), annotation),
    )
    converter.register_structure_hook(StrEnum, _one_of)  # and all of its subclasses
    converter.register_structure_hook_func(lambda annotation: annotation == Addresses, _addresses)
    converter.register_structure_hook_func(lambda annotation: annotation == AllowRules, _rules)
    converter.register_structure_hook_func(lambda annotation: annotation == Names, lambda value, _: _names(value))
    return converter


def _strict(kind: type) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if kind is float and type(value) in (int, float):
            return _finite(value)
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not a {KIND_NAMES[kind]}")
        return value

    return structure


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number


KIND_NAMES = {int: "whole number", float: "number", str: "string", bool: "boolean (true or false)"}


def _path(value: Any) -> Path:
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


def _rules(value: Any, _: Any) -> AllowRules:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f"{value!r} is not a list of kinds and patterns")
    for each in value:
        if each not in PERSONAL_DATA_KINDS and not re.search(r"[*?@\d]", each):
            raise ValueError(
                f"{each!r} is neither one of {', '.join(PERSONAL_DATA_KINDS)} nor an address, a number or a pattern"
            )
    return tuple(value)


def _names(value: Any) -> Names:
    if not isinstance(value, list | tuple | frozenset) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{value!r} is not a list of names")
    return frozenset(value)


def _in_range(value: Any, annotation: Any) -> Any:
    bounds = next((item for item in annotation.__metadata__ if isinstance(item, Range)), None)
    if bounds and value is not None and not bounds.low <= value <= bounds.high:
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
        *sections, name = split_key(key.strip())
        place = table
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{key}: no such setting")
        if not found:
            raise ConfigError(f"{change!r} is not KEY=VALUE")
        place[name] = read_value(text.strip())
    try:
        return parse_table({"models": {"m": table}}, source="these changes").models["m"]
    except ConfigError as exc:
        raise ConfigError(str(exc).replace("models.m.", ""), hint=exc.hint) from exc


def to_table(settings: Settings | ModelSettings) -> dict[str, Any]:
    """The settings as plain values, the way they would stand in TOML; unset paths are left out."""
    return _without_none(settings_converter().unstructure(settings))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
