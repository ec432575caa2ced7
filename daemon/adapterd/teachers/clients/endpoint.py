"""One address at which teachers answer: every request with its key, every failure a sentence, bodies of bounded size.

Nothing here tells a key or a password: neither a message nor a log.
"""

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from adapterd.config.addresses.ollama_address import OllamaAddress
from adapterd.config.addresses.this_machine import is_this_machine
from adapterd.errors import ConfigError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.printable import printable
from adapterd.teachers.clients import statuses
from adapterd.teachers.clients.patience import Patience, Persistence, TryAgainError

CONNECT_TIMEOUT_S = 10.0
MOST_BYTES = 16 << 20
"""Of the body of an answer; the longest answers of today's models, with their thoughts, take a tenth of that."""
_HIDDEN = "***"
_OF_TLS = {
    "CERTIFICATE_VERIFY_FAILED": "SSL_CERT_FILE names the file with the certificates that are trusted",
    "WRONG_VERSION_NUMBER": "no https is spoken there: begin the address with http://",
}


@dataclass(frozen=True)
class Said:
    """The object that was answered, and how long that took."""

    body: Mapping[str, Any]
    seconds: float


class Endpoint:
    """`async with Endpoint(…) as endpoint:` asks at `address`. `key` is sent as a bearer token, `key_variable` is where
    it came from; `timeout_s` bounds each try, from connecting to the last byte."""

    def __init__(
        self, address: OllamaAddress, timeout_s: float, patience: Patience, *, key: str = "", key_variable: str = ""
    ) -> None:
        self.address = address
        self.key_variable = key_variable
        self._key = key
        self._timeout_s = timeout_s
        self._persistence = Persistence(patience)
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        is_local = is_this_machine(self.address.host)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            self._http = httpx.AsyncClient(
                auth=self.address.authorization,
                headers={**headers, "Accept-Encoding": "identity", "Content-Type": "application/json"},
                timeout=httpx.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s)),
                limits=httpx.Limits(max_connections=None),
                follow_redirects=False,
                trust_env=not is_local,
                verify=self.address.scheme == "https" or not is_local,  # reading certificates costs 20 ms
            )
        except (httpx.InvalidURL, ValueError, ImportError) as exc:
            raise ConfigError(
                f"{self.where} cannot be reached: {self.hidden(str(exc))}",
                hint=f"correct the proxy of the environment, or except the host: NO_PROXY={self.address.host}",
            ) from exc
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    @property
    def where(self) -> str:
        """The address for people."""
        return self.address.shown

    async def post(self, path: str, body: Mapping[str, Any], *, what: str) -> Said:
        """The answer to a request, tried again where that may help; a failure is said of `what`.

        Raises RuntimeUnavailableError where it may be had later, RefusedError where this request is refused,
        ConfigError for a wrong key or address, NotFoundError where there is no such model.
        """
        content = json.dumps(body).encode()  # ASCII: half a surrogate pair is data, too
        return await self._persistence.tried(lambda: self._attempt(path, content, what))

    async def _attempt(self, path: str, content: bytes, what: str) -> Said:
        if self._http is None:
            raise RuntimeError("an endpoint is asked in its `async with` block")
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream("POST", f"{self.address.url}{path}", content=content) as response,
            ):
                data = await self._bounded(response, what)
        except TimeoutError as exc:
            raise self._again(f"did not answer within {self._timeout_s:g} s") from exc
        except (httpx.ConnectTimeout, httpx.ConnectError) as exc:
            raise self._unreached(exc) from exc
        except httpx.ProxyError as exc:
            raise self._proxy(exc) from exc
        except httpx.TimeoutException as exc:
            raise self._again(f"did not answer within {self._timeout_s:g} s") from exc
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
            raise self._again(f"broke off: {self.hidden(str(exc) or type(exc).__name__)}") from exc
        return Said(self._object(response, data, what), time.monotonic() - began)

    async def _bounded(self, response: httpx.Response, what: str) -> bytes:
        data = bytearray()
        async for chunk in response.aiter_bytes():
            data += chunk
            if len(data) > MOST_BYTES:
                raise RuntimeRefusedError(f"{self.where} answered {what} with more than {MOST_BYTES >> 20} MiB")
        return bytes(data)

    def _object(self, response: httpx.Response, data: bytes, what: str) -> Mapping[str, Any]:
        """The JSON object of a response; what tells of an error is raised."""
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        fields = body if isinstance(body, dict) else {}
        status = statuses.status_in(response.status_code, fields)
        if status != httpx.codes.OK or not fields:
            self._raise_for(response, status, fields, data, what)
        return fields

    def _raise_for(
        self, response: httpx.Response, status: int, fields: Mapping[str, Any], data: bytes, what: str
    ) -> None:
        is_page = not fields and (data.lstrip()[:1] == b"<" or b"page not found" in data[:100])
        problem = statuses.Problem(
            where=self.where,
            what=what,
            status=status,
            said=self.hidden(printable(statuses.reason_of(fields) or ("" if is_page else _text_of(fields, data)))),
            code=statuses.code_of(fields),
            is_page=is_page,
            key_variable=self.key_variable,
            location=self.hidden(printable(response.headers.get("location", ""))),
        )
        raise statuses.error_of(problem, response.headers)

    def hidden(self, text: str) -> str:
        """A text from elsewhere without key and password, should it quote them."""
        for secret in (self._key, self.address.password):
            text = text.replace(secret, _HIDDEN) if secret else text
        return _USERINFO.sub(rf"\1{_HIDDEN}@", text)

    def _again(self, how: str, *, unreached: bool = False) -> TryAgainError:
        hint = "see whether the server is there and not too busy, then give the command again: what it answered is kept"
        return TryAgainError(RuntimeUnavailableError(f"{self.where} {how}", hint=hint), unreached=unreached)

    def _unreached(self, exc: Exception) -> Exception:
        why = self.hidden(str(exc) or "nobody took the connection")
        for sign, hint in _OF_TLS.items():
            if sign in why:
                return ConfigError(f"{self.where} cannot be reached: {why}", hint=hint)
        return self._again(f"cannot be reached ({why})", unreached=True)

    def _proxy(self, exc: Exception) -> Exception:
        why = self.hidden(str(exc))
        if why.startswith("407"):
            return ConfigError(
                f"{self.where} cannot be reached: the proxy asks for a name and a password",
                hint="give them in the address of the proxy",
            )
        return self._again(f"cannot be reached through the proxy ({why})", unreached=True)


TEACHER, JUDGE = "teacher", "judge"
"""What a model at an address is to people; `{role}s.NAME` are its settings."""
CONSENTS = {
    TEACHER: ("terms_allow_training", ", and its terms may forbid to train on its answers"),
    JUDGE: ("prompts_may_leave", " and answers, and has terms"),
}
"""By role: the setting by which it may be asked elsewhere, and what there is to read before."""


class AtEndpoint:
    """A teacher's model, or a judge's, at an endpoint, which is open inside of `async with`."""

    def __init__(self, name: str, model: str, endpoint: Endpoint) -> None:
        self.name = name
        self.model = model
        self._endpoint = endpoint

    async def __aenter__(self) -> Self:
        await self._endpoint.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._endpoint.__aexit__(kind, exc, trace)


_USERINFO = re.compile(r"(\w+://)[^\s/@]+@")


def _text_of(fields: Mapping[str, Any], data: bytes) -> str:
    """The words of a body that is no JSON."""
    return "" if fields else " ".join(data[: statuses.MOST_SAID].decode(errors="replace").split())


def address_of(text: str, name: str, role: str = TEACHER) -> OllamaAddress:
    """The address of a teacher or a judge; raises ConfigError, which names it and tells no password."""
    if "?" in text or "#" in text:
        raise ConfigError(f"the address of the {role} {name} has a query", hint="give https://HOST/v1")
    try:
        return OllamaAddress.parse(text)
    except ConfigError as exc:
        raise ConfigError(f"the {role} {name}: {exc}", hint=exc.hint) from exc
