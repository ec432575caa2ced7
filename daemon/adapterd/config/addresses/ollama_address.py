"""An address of Ollama, read as Ollama reads OLLAMA_HOST (envconfig/config.go of Ollama 0.34.2).

Beside what Ollama takes, an address may have a name and a password, for a reverse proxy that asks for them.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from adapterd.errors import ConfigError

HOST_VARIABLE = "OLLAMA_HOST"
PORT = 11434
_PORTS = {"http": 80, "https": 443}
_LOOPBACK = "127.0.0.1"
_NAME = re.compile(r"[^\s/?#@\[\]:<>\"\\%]+")
_HIDDEN = "***"


@dataclass(frozen=True)
class OllamaAddress:
    """Where requests go. `user` and `password` are None where the address has none; `path` is empty or begins with a
    slash. `port_given` tells whether the address names the port."""

    scheme: str
    host: str
    port: int
    path: str = ""
    user: str | None = None
    password: str | None = None
    port_given: bool = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address: `HOST`, `HOST:PORT`, `[IPV6]:PORT`, `http(s)://USER:PASSWORD@HOST:PORT/PATH`.

        Without a scheme it is http and port 11434, with one that scheme's own port. Where the server listens on every
        address (0.0.0.0, ::), the client asks at loopback. Raises ConfigError, which does not tell a password.
        """
        given = text.strip().strip("\"'").strip()
        scheme, found, rest = given.partition("://")
        scheme, rest = (scheme.lower(), rest) if found else ("http", given)
        if given == "ollama.com":
            scheme = "https"
        if scheme not in _PORTS:
            raise _no_address(text, "it begins with neither http:// nor https://")
        userinfo, at, place = rest.rpartition("@")
        hostport, _, path = place.partition("/")
        host, colon, port = _divided(text, hostport)
        user, has_password, password = userinfo.partition(":")
        own = PORT if not found and scheme == "http" else _PORTS[scheme]
        return cls(
            scheme=scheme,
            host=_reachable(text, host),
            port=_port(text, port) if colon else own,
            path=f"/{path.strip('/')}" if path.strip("/") else "",
            user=unquote(user) if at else None,
            password=unquote(password) if has_password else None,
            port_given=bool(colon),
        )

    @property
    def url(self) -> str:
        """The address for a client, without name and password."""
        return f"{self.scheme}://{self._place}"

    @property
    def shown(self) -> str:
        """The address for people, without the password, nor a name that stands alone, which may be a token."""
        if self.user is None:
            return self.url
        who = _HIDDEN if self.password is None else f"{self.user}:{_HIDDEN}"
        return f"{self.scheme}://{who}@{self._place}"

    @property
    def authorization(self) -> tuple[str, str] | None:
        """Name and password for basic authentication."""
        return None if self.user is None else (self.user, self.password or "")

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{self.path}"


def without_password(text: str) -> str:
    """The text of an address as it may be shown: of what stands before the last `@`, only the name of a user who has a
    password."""
    head, at, place = text.rpartition("@")
    if not at:
        return text
    scheme, found, userinfo = head.rpartition("://")
    user, has_password, _ = userinfo.partition(":")
    return f"{scheme}{found}{f'{user}:' if has_password else ''}{_HIDDEN}@{place}"


def address_of_environment(environment: Mapping[str, str] | None = None) -> str | None:
    """What OLLAMA_HOST says, None where it says nothing."""
    given = (os.environ if environment is None else environment).get(HOST_VARIABLE, "")
    return given.strip().strip("\"'").strip() or None


def _divided(text: str, hostport: str) -> tuple[str, str, str]:
    """Host, colon and port; an IPv6 address may stand without brackets where there is no port."""
    bare = hostport.removeprefix("[").removesuffix("]")
    if _is_ip(bare):
        return bare, "", ""
    if hostport.startswith("["):
        host, bracket, rest = hostport[1:].partition("]")
        if not bracket or not rest.startswith(":") or not _is_ip(host):
            raise _no_address(text, "its brackets are not around an IPv6 address")
        return host, ":", rest[1:]
    return hostport.partition(":")


def _reachable(text: str, host: str) -> str:
    """The host that a client asks."""
    if not host:
        return _LOOPBACK
    if _is_ip(host):
        ip = ipaddress.ip_address(host)
        if ip.is_unspecified:
            return _LOOPBACK if ip.version == 4 else "::1"
        return str(ip)
    if not _NAME.fullmatch(host):
        raise _no_address(text, "its host has characters that no host has")
    return host


def _port(text: str, port: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
        raise _no_address(text, "its port is not a number from 1 to 65535")
    return int(port)


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _no_address(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{without_password(text)!r} is not an address: {why}",
        hint="addresses look like 127.0.0.1:11434 or https://USER:PASSWORD@HOST/PATH",
    )
