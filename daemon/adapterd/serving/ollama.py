"""Ollama behind the Runtime interface; the only owner of its client and of its HTTP details.

The official client deletes models. The rest is plain HTTP, because the client (0.6.3) lacks renderer and parser in
create, system in show, HEAD on blobs, the render-only flag and chat that refuses a prompt instead of cutting it, and
costs 0.2 s to import where a rollback takes milliseconds (docs/decisions/0002).
"""

import ipaddress
import json
import os
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from adapterd.base.modelfile import Modelfile, from_path
from adapterd.chat import Answer, ChatOptions, Message, as_dicts
from adapterd.errors import (
    NoSpaceError,
    NotFoundError,
    RuntimeFailedError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
)
from adapterd.serving import blob_link, blobs, manifests
from adapterd.serving.runtime import Progress, ServedModel, StoredFile
from adapterd.serving.show_response import served_model, start_tokens_taken_away
from adapterd.serving.tags import full_name

if TYPE_CHECKING:
    from ollama import Client

NANOSECONDS = 1e9
UPLOAD_CHUNK_BYTES = 1 << 20
_UNCUT = {"truncate": False, "shift": False}
"""What does not fit into the context is refused. By default Ollama drops the beginning of a prompt without a word."""
_CORRECT_HOST = "correct ollama.host in the configuration"
_CHAT = "/api/chat"
_DISK_FULL = "no space left on device"


class OllamaRuntime:
    """A running Ollama server. `host` is its address, `timeout_s` bounds every single request."""

    name = "ollama"

    def __init__(self, host: str, timeout_s: float = 600.0) -> None:
        self.host = host if "://" in host else f"http://{host}"
        self._timeout_s = timeout_s
        try:
            secure = urlsplit(self.host).scheme == "https"  # reading certificates costs 20 ms
            self._http = httpx.Client(
                base_url=self.host, timeout=timeout_s, verify=secure, trust_env=not self._is_local
            )
        except (httpx.InvalidURL, ValueError) as exc:
            raise RuntimeUnavailableError(f"{host!r} is not an address: {exc}", hint=_CORRECT_HOST) from exc
        self._known_blobs: Path | None = None
        self._starts: dict[str, tuple[str, ...]] = {}
        weakref.finalize(self, self._http.close)

    @cached_property
    def _client(self) -> "Client":
        """The official client; it would not notice that something else answers, so that is found out first."""
        from ollama import Client

        self.version()
        client = Client(host=self.host, timeout=self._timeout_s, trust_env=not self._is_local)
        weakref.finalize(self, client.close)
        return client

    def version(self) -> str:
        return str(self._get("/api/version", "version"))

    def tags(self) -> dict[str, str]:
        models = self._get("/api/tags", "models") or []
        try:
            return {model["name"]: model["digest"] for model in models}
        except (KeyError, TypeError) as exc:
            raise self._not_ollama() from exc

    def loaded(self) -> dict[str, str]:
        models = self._get("/api/ps", "models") or []
        try:
            return {model["name"]: str(model["expires_at"]) for model in models}
        except (KeyError, TypeError) as exc:
            raise self._not_ollama() from exc

    def show(self, tag: str) -> ServedModel:
        shown = self._shown(tag)
        return served_model(full_name(tag), self.tags().get(full_name(tag), ""), shown, self._blob(shown))

    def _shown(self, tag: str) -> dict[str, Any]:
        return self._post("/api/show", {"model": tag}, tag=tag)

    def _blob(self, shown: dict[str, Any]) -> Path | None:
        path = from_path(shown)
        return Path(path) if path and self._is_local and Path(path).is_file() else None

    def push_blob(self, gguf: Path, digest: str, *, may_link: bool = False, progress: Progress = lambda _: None) -> str:
        if self._has_blob(digest):
            return "present"
        folder = self._blob_folder()
        if folder:
            blob = folder / digest.replace(":", "-")
            how = blob_link.link_or_copy(gguf, blob, may_link=may_link)
            if how and self._has_blob(digest):
                progress(1.0)
                return how
            if how:
                blob.unlink(missing_ok=True)
        if store := folder or self._expected_store():
            blob_link.require_space(store, gguf.stat().st_size)
        self._upload(gguf, digest, progress)
        return "upload"

    def create(
        self,
        tag: str,
        gguf: Path,
        digest: str,
        modelfile: Modelfile,
        *,
        may_link: bool = False,
        progress: Progress = lambda _: None,
    ) -> str:
        how = self.push_blob(gguf, digest, may_link=may_link, progress=progress)
        request = {"model": tag, "files": {"model.gguf": digest}, **modelfile.as_request()}
        for _ in self._stream("/api/create", request, tag=tag):
            pass  # how far it is
        return how

    def copy(self, source: str, target: str) -> None:
        source, target = full_name(source), full_name(target)
        if not self._replaced(source, target):
            self._post("/api/copy", {"source": source, "destination": target}, tag=source)

    def _replaced(self, source: str, target: str) -> bool:
        """Whether the tag could be replaced in the server's own store, and the server sees it."""
        folder = self._known_blobs = self._known_blobs or self._blob_folder()
        if folder is None or not manifests.replace(folder.parent, source, target):
            return False
        tags = self.tags()
        return tags.get(source) is not None and tags.get(source) == tags.get(target)

    def delete(self, tag: str) -> None:
        with self._translated(tag):
            self._client.delete(tag)

    def files(self) -> list[StoredFile] | None:
        folder = self._blob_folder()
        named = blobs.read_manifests(folder.parent / "manifests") if folder else None
        if folder is None or named is None or not self.tags().keys() <= named.keys():
            return None
        return blobs.stored_files(folder, named)

    def context_tokens(self, tag: str) -> int | None:
        self.load(tag)
        digest, models = self.tags().get(full_name(tag)), self._get("/api/ps", "models") or []
        # Tags of one file share a runner, which goes by the name that it was started with; the newest comes first.
        same = [model for model in models if model.get("name") == full_name(tag) or model.get("digest") == digest]
        lengths = [model.get("context_length") for model in (same or models)]
        return int(lengths[0]) if lengths and lengths[0] else None

    def load(self, tag: str) -> None:
        self._post("/api/generate", {"model": tag, "stream": False}, tag=tag)  # the client would cost a rollback 0.2 s

    def render(self, tag: str, messages: Sequence[Message], *, think: bool | None = None) -> str:
        request = {"model": tag, "messages": as_dicts(messages), "stream": False, "_debug_render_only": True}
        answer = self._post(_CHAT, request | _UNCUT | _thinking(think), tag=tag)
        if "_debug_info" not in answer:
            raise RuntimeRefusedError(
                f"Ollama {self.version()} does not say how it renders prompts (_debug_render_only)",
                hint="use Ollama 0.24.0 or newer",
            )
        prompt = str(answer["_debug_info"]["rendered_template"])  # before Ollama takes a start token away
        taken = next((start for start in self._starts_taken_away(tag, prompt) if prompt.startswith(start)), "")
        return prompt[len(taken) :]

    def _starts_taken_away(self, tag: str, prompt: str) -> tuple[str, ...]:
        if not prompt.startswith("<"):
            return ()
        if tag not in self._starts:
            self._starts[tag] = start_tokens_taken_away(self._shown(tag), self.version())
        return self._starts[tag]

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        request = {
            "model": tag, "messages": as_dicts(messages), "options": options.sampling(), "logprobs": logprobs,
            **_thinking(options.think),
        }  # fmt: skip
        started = time.monotonic()
        first_token_s = 0.0
        text: list[str] = []
        logprobs_of_tokens: list[float] = []
        part: dict[str, Any] = {}
        for part in self._stream(_CHAT, request | _UNCUT, tag=tag):
            first_token_s = first_token_s or time.monotonic() - started
            text.append((part.get("message") or {}).get("content") or "")
            logprobs_of_tokens += [token["logprob"] for token in part.get("logprobs") or ()]
        if not part.get("done"):
            raise RuntimeUnavailableError(f"Ollama at {self.host} broke off in the middle of an answer of {tag}")
        return Answer(
            text="".join(text),
            done_reason=part.get("done_reason") or "",
            prompt_tokens=part.get("prompt_eval_count") or 0,
            answer_tokens=part.get("eval_count") or 0,
            total_s=(part.get("total_duration") or 0) / NANOSECONDS,
            first_token_s=first_token_s,
            logprob=sum(logprobs_of_tokens) if logprobs_of_tokens else None,
        )

    def embed(self, tag: str, text: str) -> list[float]:
        found = self._post("/api/embed", {"model": tag, "input": text, "truncate": False}, tag=tag)
        return [float(value) for value in found["embeddings"][0]]

    def _blob_folder(self) -> Path | None:
        """The server's blob folder, found through a model that it serves from there, if that is on this machine."""
        if not self._is_local:
            return None
        for tag in self.tags():
            try:
                gguf = self._blob(self._shown(tag))
            except (NotFoundError, RuntimeRefusedError):  # a damaged tag of somebody else
                continue
            if gguf and gguf.parent.name == "blobs":
                return gguf.parent
        return None

    def _expected_store(self) -> Path | None:
        """A local server's default folder of models; the API shows the real one only once there is a model."""
        store = Path(os.environ.get("OLLAMA_MODELS") or "~/.ollama/models").expanduser()
        return store if self._is_local and store.is_dir() else None

    @cached_property
    def _is_local(self) -> bool:
        name = urlsplit(self.host).hostname or ""
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return name == "localhost"

    def _has_blob(self, digest: str) -> bool:
        with self._translated(digest):
            return self._http.head(f"/api/blobs/{digest}").status_code == httpx.codes.OK

    def _upload(self, gguf: Path, digest: str, progress: Progress) -> None:
        size = max(gguf.stat().st_size, 1)

        def chunks() -> Iterator[bytes]:
            with gguf.open("rb") as file:
                while chunk := file.read(UPLOAD_CHUNK_BYTES):
                    yield chunk
                    progress(file.tell() / size)

        with self._translated(digest):
            self._raise_for(self._http.post(f"/api/blobs/{digest}", content=chunks()))

    def _get(self, path: str, field: str) -> Any:
        with self._translated(path):
            answer = self._decoded(self._http.get(path))
        if field not in answer:
            raise self._not_ollama()
        return answer[field]

    def _post(self, path: str, body: dict[str, Any], *, tag: str) -> dict[str, Any]:
        with self._translated(tag):
            return self._decoded(self._http.post(path, json=body))

    def _stream(self, path: str, body: dict[str, Any], *, tag: str) -> Iterator[dict[str, Any]]:
        """The parts of an answer that comes piece by piece; one that tells of an error is raised."""
        with self._translated(tag), self._http.stream("POST", path, json=body) as response:
            self._raise_for(response)
            for line in filter(None, _lines(response)):
                part = self._object(line)
                if "error" in part:
                    status = httpx.codes.INTERNAL_SERVER_ERROR if path == _CHAT else response.status_code
                    raise _RefusedError(_reason(part["error"]), status)  # an answer that was begun was not refused
                yield part

    def _decoded(self, response: httpx.Response) -> dict[str, Any]:
        self._raise_for(response)
        return self._object(response.content or b"{}")

    def _object(self, text: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._not_ollama()
        return answer

    def _not_ollama(self, status: int = httpx.codes.OK) -> RuntimeUnavailableError:
        said = "" if status == httpx.codes.OK else f" (status {status})"
        return RuntimeUnavailableError(f"what answers at {self.host} is not Ollama{said}", hint=_CORRECT_HOST)

    def _raise_for(self, response: httpx.Response) -> None:
        """Ollama gives the reason of every refusal as JSON."""
        if response.is_success:
            return
        try:
            reason = json.loads(response.read())["error"]
        except (ValueError, KeyError, TypeError):
            raise self._not_ollama(response.status_code) from None
        raise _RefusedError(_reason(reason), response.status_code)

    @contextmanager
    def _translated(self, tag: str) -> Iterator[None]:
        """Turn the failures of HTTP and of the client into our own errors."""
        try:
            yield
        except _RefusedError as exc:
            raise _refusal(tag, str(exc), exc.status) from exc
        except httpx.TimeoutException as exc:
            raise RuntimeUnavailableError(
                f"Ollama at {self.host} did not answer within {self._timeout_s:g} s",
                hint="see whether it is busy (`ollama ps`), or raise ollama.timeout_s in the configuration",
            ) from exc
        except (httpx.HTTPError, ConnectionError) as exc:
            raise RuntimeUnavailableError(
                f"Ollama does not answer at {self.host} ({exc})",
                hint="start Ollama (open the app, or run `ollama serve`), then give the command again",
            ) from exc
        except ValueError as exc:  # the client could not make sense of an answer
            raise self._not_ollama() from exc
        except Exception as exc:
            if not _is_response_error(exc):
                raise
            raise _refusal(tag, str(exc.error), exc.status_code) from exc  # type: ignore[attr-defined]


def _thinking(think: bool | None) -> dict[str, bool]:
    return {} if think is None else {"think": think}


def _is_response_error(exc: Exception) -> bool:
    """Whether this is `ollama.ResponseError`; if the client was never imported, it cannot be."""
    client = sys.modules.get("ollama")
    return client is not None and isinstance(exc, client.ResponseError)


class _RefusedError(Exception):
    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def _refusal(tag: str, reason: str, status: int) -> NotFoundError | NoSpaceError | RuntimeRefusedError:
    if _DISK_FULL in reason:
        return NoSpaceError(f"Ollama has no room for {tag}: {reason}", hint=blob_link.FREE_SPACE)
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"Ollama has no {tag}: {reason}", hint="`ollama list` shows what there is")
    said = "" if status == httpx.codes.OK else f" (status {status})"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
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
