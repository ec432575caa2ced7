"""Ollama behind the Runtime interface; the only owner of its client and of its HTTP details.

What the official client offers it is used for; what it lacks (renderer and parser in create, HEAD on blobs, the
render-only flag) or what must start fast (reading and copying tags: importing the client costs 0.2 s) is plain HTTP.
"""

import ipaddress
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from adapterd.base.modelfile import Modelfile, from_path
from adapterd.chat import Answer, ChatOptions, Message, as_dicts
from adapterd.errors import NotFoundError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.serving import handover
from adapterd.serving.runtime import Progress, ServedModel
from adapterd.serving.tags import full_name

if TYPE_CHECKING:
    from ollama import Client

NANOSECONDS = 1e9
UPLOAD_CHUNK_BYTES = 1 << 20


class OllamaRuntime:
    """A running Ollama server. `host` is its address, `timeout_s` bounds every single request."""

    name = "ollama"

    def __init__(self, host: str, timeout_s: float = 600.0) -> None:
        self.host = host if "://" in host else f"http://{host}"
        self._timeout_s = timeout_s
        self._http = httpx.Client(base_url=self.host, timeout=timeout_s)

    @cached_property
    def _client(self) -> "Client":
        from ollama import Client

        return Client(host=self.host, timeout=self._timeout_s)

    def version(self) -> str:
        return str(self._get("/api/version", "version"))

    def tags(self) -> dict[str, str]:
        return {model["name"]: model["digest"] for model in self._get("/api/tags", "models") or []}

    def show(self, tag: str) -> ServedModel:
        shown = self._post("/api/show", {"model": tag}, tag=tag)
        path = from_path(shown)
        blob = Path(path) if path and self._is_local and Path(path).is_file() else None
        return ServedModel(
            tag=full_name(tag),
            digest=self.tags().get(full_name(tag), ""),
            gguf=blob,
            modelfile=Modelfile.from_show(shown),
            quantization=shown.get("details", {}).get("quantization_level", ""),
        )

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
        how = self._hand_over(gguf, digest, may_link, progress)
        request = {"model": tag, "files": {"model.gguf": digest}, **modelfile.as_request()}
        with self._translated(tag), self._http.stream("POST", "/api/create", json=request) as response:
            self._raise_for(response)
            for line in filter(None, response.iter_lines()):
                if fault := json.loads(line).get("error"):
                    raise RuntimeRefusedError(f"Ollama could not create {tag}: {fault}")
        return how

    def copy(self, source: str, target: str) -> None:
        self._post("/api/copy", {"source": source, "destination": target}, tag=source)

    def delete(self, tag: str) -> None:
        with self._translated(tag):
            self._client.delete(tag)

    def load(self, tag: str) -> None:
        with self._translated(tag):
            self._client.generate(tag)

    def render(self, tag: str, messages: Sequence[Message]) -> str:
        request = {"model": tag, "messages": as_dicts(messages), "stream": False, "_debug_render_only": True}
        answer = self._post("/api/chat", request, tag=tag)
        if "_debug_info" not in answer:
            raise RuntimeRefusedError(
                f"Ollama {self.version()} does not say how it renders prompts (_debug_render_only)",
                hint="use Ollama 0.24.0 or newer",
            )
        return str(answer["_debug_info"]["rendered_template"])

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions) -> Answer:
        started = time.monotonic()
        first_token_s = 0.0
        text: list[str] = []
        with self._translated(tag):
            for part in self._client.chat(tag, as_dicts(messages), stream=True, options=vars(options)):
                if not text:
                    first_token_s = time.monotonic() - started
                text.append(part.message.content or "")
        return Answer(
            text="".join(text),
            done_reason=part.done_reason or "",
            prompt_tokens=part.prompt_eval_count or 0,
            answer_tokens=part.eval_count or 0,
            total_s=(part.total_duration or 0) / NANOSECONDS,
            first_token_s=first_token_s,
        )

    def _hand_over(self, gguf: Path, digest: str, may_link: bool, progress: Progress) -> str:
        if self._has_blob(digest):
            return "present"
        if folder := self._blob_folder():
            blob = folder / digest.replace(":", "-")
            how = handover.place(gguf, blob, may_link=may_link)
            if how and self._has_blob(digest):
                progress(1.0)
                return how
            if how:
                blob.unlink(missing_ok=True)
        self._upload(gguf, digest, progress)
        return "upload"

    def _blob_folder(self) -> Path | None:
        """The server's blob folder, found through a model that it serves from there, if that is on this machine."""
        if not self._is_local:
            return None
        for tag in self.tags():
            gguf = self.show(tag).gguf
            if gguf and gguf.parent.name == "blobs":
                return gguf.parent
        return None

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

    def _decoded(self, response: httpx.Response) -> dict[str, Any]:
        self._raise_for(response)
        try:
            answer = response.json() if response.content else {}
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._not_ollama()
        return answer

    def _not_ollama(self) -> RuntimeUnavailableError:
        return RuntimeUnavailableError(
            f"what answers at {self.host} is not Ollama", hint="correct ollama.host in the configuration"
        )

    @staticmethod
    def _raise_for(response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            reason = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            reason = response.text[:200]
        raise _RefusedError(reason, response.status_code)

    @contextmanager
    def _translated(self, tag: str) -> Iterator[None]:
        """Turn the failures of both clients into our own errors."""
        try:
            yield
        except _RefusedError as exc:
            raise _refusal(tag, str(exc), exc.status) from exc
        except httpx.TimeoutException as exc:
            raise RuntimeUnavailableError(
                f"Ollama at {self.host} did not answer within {self._timeout_s:g} s",
                hint="see whether it is busy (`ollama ps`), or raise ollama.timeout_s in the configuration",
            ) from exc
        except (httpx.HTTPError, httpx.InvalidURL, ConnectionError) as exc:
            raise self._unavailable(exc) from exc
        except Exception as exc:
            if type(exc).__name__ != "ResponseError":  # ollama.ResponseError, without importing the client for it
                raise
            raise _refusal(tag, str(exc), getattr(exc, "status_code", -1)) from exc

    def _unavailable(self, exc: Exception) -> RuntimeUnavailableError:
        return RuntimeUnavailableError(
            f"Ollama does not answer at {self.host} ({exc})",
            hint="start Ollama (open the app, or run `ollama serve`), then give the command again",
        )


class _RefusedError(Exception):
    def __init__(self, reason: str, status: int) -> None:
        super().__init__(reason)
        self.status = status


def _refusal(tag: str, reason: str, status: int) -> NotFoundError | RuntimeRefusedError:
    if status == httpx.codes.NOT_FOUND:
        return NotFoundError(f"Ollama has no {tag}: {reason}", hint="`ollama list` shows what there is")
    return RuntimeRefusedError(f"Ollama refused {tag}: {reason} (status {status})")
