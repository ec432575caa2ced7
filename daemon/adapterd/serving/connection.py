"""One connection to Ollama: every request with the same address, name and password, every failure a sentence.

Nothing here tells a password: neither that of the address nor that of a proxy.
"""

import json
import sys
import urllib.request
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from adapterd.config.addresses.ollama_address import PORT, OllamaAddress, without_password
from adapterd.config.addresses.this_machine import is_this_machine
from adapterd.errors import (
    AdapterdError,
    ConfigError,
    NoSpaceError,
    NotFoundError,
    RuntimeFailedError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
)
from adapterd.serving import blob_link
from adapterd.serving.runtime import Progress
from adapterd.stopped import why_stopped

if TYPE_CHECKING:
    from ollama import Client

CONNECT_TIMEOUT_S = 10.0
"""An address that nobody has must not keep a command waiting for as long as a model may take to answer."""
QUICK_TIMEOUT_S = 10.0
"""What Ollama does at once takes milliseconds; one that takes connections and never answers must not keep `status`,
`doctor` or a rollback waiting for as long as a model may take."""
UPLOAD_CHUNK_BYTES = 1 << 20
CORRECT_HOST = "correct ollama.host in the configuration"
_DISK_FULL = "no space left on device"
_OF_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "SSL_CERT_FILE names the file with the certificates that are trusted",
    "WRONG_VERSION_NUMBER": "no https is spoken there: set ollama.host to http://HOST:PORT",
}
_SAID_BY_PROXIES = {
    httpx.codes.UNAUTHORIZED: (
        "asks for a name and a password, or refuses those that it was given",
        "set ollama.host to http://USER:PASSWORD@HOST:PORT",
    ),
    httpx.codes.PROXY_AUTHENTICATION_REQUIRED: (
        "cannot be reached: the proxy asks for a name and a password",
        "give them in the address of the proxy",
    ),
    httpx.codes.REQUEST_ENTITY_TOO_LARGE: (
        "refuses a file of that size",
        "have the reverse proxy let large files through (client_max_body_size 0 in nginx)",
    ),
}


class Connection:
    """Requests to the server at `host`; `timeout_s` bounds every single one, QUICK_TIMEOUT_S what is done at once."""

    def __init__(self, host: str, timeout_s: float) -> None:
        try:
            self.address = OllamaAddress.parse(host)
        except ConfigError as exc:
            raise RuntimeUnavailableError(str(exc), hint=f"{CORRECT_HOST}; {exc.hint}") from exc
        self._timeout_s = timeout_s
        self._timeout = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        self._quick = httpx.Timeout(min(QUICK_TIMEOUT_S, timeout_s))

    @cached_property
    def is_local(self) -> bool:
        """Whether the server is reached at this machine."""
        return is_this_machine(self.address.host)

    @cached_property
    def _proxy(self) -> str | None:
        """The proxy that the environment has requests go through; never one for this machine."""
        address = self.address
        if self.is_local or urllib.request.proxy_bypass(f"{address.host}:{address.port}"):
            return None
        if urllib.request.proxy_bypass(address.host):
            return None
        proxies = urllib.request.getproxies()
        return proxies.get(address.scheme) or proxies.get("all")

    @cached_property
    def _http(self) -> httpx.Client:
        try:
            client = httpx.Client(
                base_url=self.address.url,
                auth=self.address.authorization,
                timeout=self._timeout,
                verify=self.address.scheme == "https" or self._proxy is not None,  # reading certificates costs 20 ms
                trust_env=not self.is_local,
            )
        except (httpx.InvalidURL, ValueError, ImportError) as exc:
            raise RuntimeUnavailableError(
                f"Ollama at {self.where} cannot be reached: {self._hidden(exc)}",
                hint=f"correct the proxy, or except the host: NO_PROXY={self.address.host}"
                if self._proxy
                else CORRECT_HOST,
            ) from exc
        weakref.finalize(self, client.close)
        return client

    @cached_property
    def _client(self) -> "Client":
        """The official client, which would drop name and password of an address; it would not notice that something
        else answers, so that is found out first."""
        from ollama import Client

        self.get("/api/version", "version")
        client = Client(
            host=self.address.url, timeout=self._timeout, trust_env=not self.is_local, auth=self.address.authorization
        )
        weakref.finalize(self, client.close)
        return client

    @property
    def where(self) -> str:
        """The address, and the proxy on the way to it."""
        through = f" (through the proxy {without_password(self._proxy)})" if self._proxy else ""
        return f"{self.address.shown}{through}"

    def get(self, path: str, field: str) -> Any:
        """One field of an answer that is given at once."""
        with self.translated(path):
            answer = self._decoded(self._http.get(path, timeout=self._quick))
        if field not in answer:
            raise self.not_ollama()
        return answer[field]

    def post(self, path: str, body: Mapping[str, Any], *, tag: str, quick: bool = False) -> dict[str, Any]:
        """The answer to a request, with `quick` to one that is answered at once; a failure is said of `tag`."""
        with self.translated(tag):
            return self._decoded(self._http.post(path, json=body, timeout=self._quick if quick else self._timeout))

    def delete(self, tag: str) -> None:
        """Have a tag removed, by the official client."""
        with self.translated(tag):
            self._client.delete(tag)

    def stream(self, path: str, body: Mapping[str, Any], *, tag: str, begun: bool = False) -> Iterator[dict[str, Any]]:
        """The parts of an answer that comes piece by piece; one that tells of an error is raised.

        With `begun` such an error is a failure rather than a refusal, as the answer was begun.
        """
        has_come = False
        with self.translated(tag), self._http.stream("POST", path, json=body) as response:
            self._raise_for(response)
            for line in filter(None, _lines(response)):
                part = self._object(line)
                if "error" in part:
                    status = httpx.codes.INTERNAL_SERVER_ERROR if begun else response.status_code
                    raise _RefusedError(_reason(part["error"]), status, begun=has_come)
                has_come = True
                yield part

    def is_there(self, path: str) -> bool:
        """Whether the server has something under that path; what is neither yes nor no is raised."""
        with self.translated(path):
            response = self._http.head(path, timeout=self._quick)
            if response.status_code in _SAID_BY_PROXIES:
                raise self.not_ollama(response.status_code)
            return response.status_code == httpx.codes.OK

    def upload(self, path: str, file: Path, progress: Progress, *, what: str) -> None:
        """Send a file as it is; its length is told, for not every proxy takes pieces."""
        size = file.stat().st_size

        def chunks() -> Iterator[bytes]:
            with file.open("rb") as opened:
                while chunk := opened.read(UPLOAD_CHUNK_BYTES):
                    yield chunk
                    progress(opened.tell() / size)

        with self.translated(what):
            self._raise_for(self._http.post(path, content=chunks(), headers={"Content-Length": str(size)}))

    def not_ollama(self, status: int = httpx.codes.OK) -> RuntimeUnavailableError:
        """The error for an answer that Ollama would not give."""
        if status in _SAID_BY_PROXIES:
            said, hint = _SAID_BY_PROXIES[httpx.codes(status)]
            return RuntimeUnavailableError(f"what answers at {self.where} {said} (status {status})", hint=hint)
        said = "" if status == httpx.codes.OK else f" (status {status})"
        return RuntimeUnavailableError(f"what answers at {self.where} is not Ollama{said}", hint=self._look())

    def _look(self) -> str:
        """What to do about an address at which there is no Ollama."""
        if self._proxy:
            return f"except the host from the proxy (NO_PROXY={self.address.host}), or {CORRECT_HOST}"
        return CORRECT_HOST

    def _decoded(self, response: httpx.Response) -> dict[str, Any]:
        self._raise_for(response)
        return self._object(response.content or b"{}")

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self.not_ollama()
        return answer

    def _raise_for(self, response: httpx.Response) -> None:
        """Ollama gives the reason of every refusal as JSON."""
        if response.is_success:
            return
        if response.is_redirect:
            there = without_password(response.headers.get("Location", ""))
            raise RuntimeUnavailableError(
                f"what answers at {self.where} points to {there}", hint="set ollama.host to that address, without /api"
            )
        try:
            reason = json.loads(response.read())["error"]
        except (ValueError, KeyError, TypeError):
            raise self.not_ollama(response.status_code) from None
        raise _RefusedError(_reason(reason), response.status_code)

    @contextmanager
    def translated(self, tag: str) -> Iterator[None]:
        """Turn the failures of HTTP into our own errors."""
        try:
            yield
        except _RefusedError as exc:
            raise _refusal(tag, str(exc), exc.status, begun=exc.begun) from exc
        except httpx.ConnectTimeout as exc:
            raise self._unreachable("nobody took the connection") from exc
        except httpx.TimeoutException as exc:
            raise self._silent(exc) from exc
        except (httpx.HTTPError, httpx.InvalidURL, ConnectionError) as exc:
            raise self._unreachable(self._hidden(exc)) from exc
        except ValueError as exc:  # the client could not make sense of an answer
            raise self.not_ollama() from exc
        except Exception as exc:
            if not _is_response_error(exc):
                raise
            raise _refusal(tag, str(exc.error), exc.status_code) from exc  # type: ignore[attr-defined]

    def _silent(self, exc: httpx.TimeoutException) -> RuntimeUnavailableError:
        """The error for a server that took the connection, and has not answered in the time that this request had."""
        waited_s = exc.request.extensions["timeout"]["read"]
        if waited_s < self._timeout_s:
            return RuntimeUnavailableError(
                f"Ollama at {self.where} takes connections, but did not answer within {waited_s:g} s",
                hint="it hangs, or the machine is overloaded: start Ollama anew (quit the app and open it, or "
                "`systemctl restart ollama`), then give the command again",
            )
        return RuntimeUnavailableError(
            f"Ollama at {self.where} did not answer within {waited_s:g} s",
            hint="see whether it is busy (`ollama ps`), or raise ollama.timeout_s in the configuration",
        )

    def _unreachable(self, why: str) -> RuntimeUnavailableError:
        hint = next((hint for sign, hint in _OF_TLS.items() if sign in why), None) or self._wake_up()
        return RuntimeUnavailableError(f"Ollama does not answer at {self.where} ({why})", hint=hint)

    def _wake_up(self) -> str:
        if self._proxy:
            return (
                f"see whether the proxy is there, or except the host from it (NO_PROXY={self.address.host}), "
                "then give the command again"
            )
        hint = "start Ollama (open the app, or run `ollama serve`), then give the command again"
        if self.address.port_given or self.address.port == PORT:
            return hint
        asked, usual = self.address.port, f"{self.address.scheme}://{self.address.host}:{PORT}"
        return f"{hint}; the address has no port, so {asked} was asked (Ollama's own is {PORT}: {usual})"

    def _hidden(self, exc: Exception) -> str:
        """What went wrong, without a password that it may quote."""
        said = str(exc) or type(exc).__name__
        for secret in (self.address.password, _password_of(self._proxy)):
            said = said.replace(secret, "***") if secret else said
        return said


def _password_of(proxy: str | None) -> str | None:
    userinfo = (proxy or "").rpartition("@")[0].rpartition("://")[2]
    return userinfo.partition(":")[2] or None


def _is_response_error(exc: Exception) -> bool:
    """Whether this is `ollama.ResponseError`; if the client was never imported, it cannot be."""
    client = sys.modules.get("ollama")
    return client is not None and isinstance(exc, client.ResponseError)


class AnswerStoppedError(RuntimeRefusedError):
    """Ollama stopped an answer, and goes on itself; `why` is one of `adapterd.stopped`."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message)
        self.why = why


class _RefusedError(Exception):
    def __init__(self, reason: str, status: int, *, begun: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.begun = begun


def _refusal(tag: str, reason: str, status: int, *, begun: bool = False) -> AdapterdError:
    if _DISK_FULL in reason:
        return NoSpaceError(f"Ollama has no room for {tag}: {reason}", hint=blob_link.FREE_SPACE)
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"Ollama has no {tag}: {reason}", hint="`ollama list` shows what there is")
    said = "" if status == httpx.codes.OK else f" (status {status})"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        if (why := why_stopped(reason, begun=begun)) is not None:
            return AnswerStoppedError(f"Ollama stopped an answer of {tag}: {reason}{said}", why=why)
        return RuntimeFailedError(f"Ollama failed at {tag}: {reason}{said}")
    return RuntimeRefusedError(f"Ollama refused {tag}: {reason}{said}")


def _reason(error: Any) -> str:
    """The sentence in an error, which may be llama-server's own, passed on as it is: JSON in a string."""
    try:
        return str(json.loads(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)


def _lines(response: httpx.Response) -> Iterator[bytes]:
    """Split at newlines only: `iter_lines` also splits at characters that an answer may hold, such as U+0085."""
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest
