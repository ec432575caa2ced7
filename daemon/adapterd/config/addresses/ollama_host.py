"""Where the address of Ollama comes from: the configuration, else OLLAMA_HOST, else the usual one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from adapterd.config.addresses.ollama_address import (
    HOST_VARIABLE,
    OllamaAddress,
    address_of_environment,
    without_password,
)
from adapterd.config.schema import Settings
from adapterd.errors import ConfigError
from adapterd.home import Home


class HostSource(StrEnum):
    """What says where Ollama answers."""

    CONFIGURATION = "ollama.host"
    ENVIRONMENT = HOST_VARIABLE
    DEFAULT = "default"


_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1", "[::1]"))


@dataclass(frozen=True)
class NamedHost:
    """The address in force as it may be shown, what says so, and what OLLAMA_HOST says if that is something else."""

    shown: str
    source: HostSource
    overruled: str | None = None

    @property
    def in_words(self) -> str:
        """Address and source, for a line about the runtime."""
        return f"{self.shown} (from {self.source})" if self.source is HostSource.ENVIRONMENT else self.shown

    @property
    def note(self) -> str:
        """A sentence on an OLLAMA_HOST that is not used, empty if there is none."""
        if self.overruled is None:
            return ""
        return f"{HOST_VARIABLE} says {self.overruled}, and ollama.host in the configuration is used: {self.shown}"


def with_host_of_environment(settings: Settings, written: Mapping[str, Any]) -> Settings:
    """The settings with the address of OLLAMA_HOST, if the configuration, as plain tables, has none of its own."""
    given = _of_environment(settings)
    if given is None or _is_written(written):
        return settings
    return replace(settings, ollama=replace(settings.ollama, host=_client_address(given)))


def named_host(home: Home, settings: Settings) -> NamedHost:
    """The address in force and where it comes from; `settings` are those of this home."""
    given, shown = _of_environment(settings), shown_address(settings.ollama.host)
    if _is_written(_written(home)):
        other = shown_address(given) if given else shown
        return NamedHost(shown, HostSource.CONFIGURATION, other if other != shown else None)
    return NamedHost(shown, HostSource.ENVIRONMENT if given else HostSource.DEFAULT)


def shown_address(text: str) -> str:
    """An address without its password, whole where it is one."""
    try:
        return OllamaAddress.parse(text).shown
    except ConfigError:
        return without_password(text)


def names_capture(settings: Settings) -> bool:
    """Whether OLLAMA_HOST names capture's own port on this machine."""
    given = address_of_environment()
    try:
        address = OllamaAddress.parse(given) if given is not None else None
    except ConfigError:
        return False
    return address is not None and address.host in _LOOPBACK and address.port == settings.capture.port


def _of_environment(settings: Settings) -> str | None:
    """OLLAMA_HOST, unless it names capture's own port: that is for applications, and what we ask goes around it."""
    return None if names_capture(settings) else address_of_environment()


def _client_address(given: str) -> str:
    """OLLAMA_HOST as a client takes it: complete, and loopback where the server listens on every address."""
    try:
        address = OllamaAddress.parse(given)
    except ConfigError:
        return given  # whoever connects says what is wrong with it
    return given if address.authorization else address.url


def _is_written(written: Mapping[str, Any]) -> bool:
    section = written.get("ollama")
    return isinstance(section, Mapping) and "host" in section


def _written(home: Home) -> Mapping[str, Any]:
    try:
        return tomllib.loads(home.config_file.read_text(encoding="utf-8")) if home.config_file.is_file() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
