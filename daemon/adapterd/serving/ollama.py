"""Ollama behind the Runtime interface: which requests mean what.

The official client deletes models. The rest is plain HTTP, because the client (0.6.3) lacks renderer and parser in
create, system in show, HEAD on blobs, the render-only flag and chat that refuses a prompt instead of cutting it, and
costs 0.2 s to import where a rollback takes milliseconds (docs/decisions/0002).
"""

import json
import os
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile, from_path
from adapterd.chat import Answer, ChatOptions, Message, as_dicts
from adapterd.errors import NotFoundError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.serving import blob_link, blobs, manifests
from adapterd.serving.connection import AnswerStoppedError, Connection
from adapterd.serving.runtime import Progress, ServedModel, StoredFile
from adapterd.serving.show_response import served_model, start_tokens_taken_away
from adapterd.serving.tags import full_name
from adapterd.serving.unreadable import Access, access, is_folder
from adapterd.stopped import REPEAT

NANOSECONDS = 1e9
_UNCUT = {"truncate": False, "shift": False}
"""What does not fit into the context is refused. By default Ollama drops the beginning of a prompt without a word."""
_CHAT = "/api/chat"
TOKEN_REPEATS = 30
"""So often the same token, and Ollama before 0.34 ended an answer (its pull request 3080)."""


class OllamaRuntime:
    """A running Ollama server. `host` is its address, `timeout_s` bounds every single request, and those
    that it answers at once have a few seconds (QUICK_TIMEOUT_S)."""

    name = "ollama"

    def __init__(self, host: str, timeout_s: float = 600.0) -> None:
        self._ollama = Connection(host, timeout_s)
        self._known_blobs: Path | None = None
        self._starts: dict[str, tuple[str, ...]] = {}

    @property
    def host(self) -> str:
        """The address without its password."""
        return self._ollama.address.shown

    def version(self) -> str:
        return str(self._ollama.get("/api/version", "version"))

    def tags(self) -> dict[str, str]:
        models = self._ollama.get("/api/tags", "models") or []
        try:
            listed = {model["name"]: model["digest"] for model in models}
        except (KeyError, TypeError) as exc:
            raise self._ollama.not_ollama() from exc
        if not all(isinstance(text, str) for pair in listed.items() for text in pair):
            raise self._ollama.not_ollama()
        return listed

    def loaded(self) -> dict[str, str]:
        models = self._ollama.get("/api/ps", "models") or []
        try:
            return {model["name"]: str(model["expires_at"]) for model in models}
        except (KeyError, TypeError) as exc:
            raise self._ollama.not_ollama() from exc

    def show(self, tag: str) -> ServedModel:
        shown = self._shown(tag)
        named = from_path(shown) if self._is_local else None
        blob = Path(named or "")
        allowed = access(blob) if blob.is_absolute() else Access.MISSING
        return served_model(
            full_name(tag),
            self.tags().get(full_name(tag), ""),
            shown,
            blob if allowed is Access.READABLE else None,
            unreadable=blob if allowed is Access.DENIED else None,
        )

    def _shown(self, tag: str) -> dict[str, Any]:
        return self._ollama.post("/api/show", {"model": tag}, tag=tag, quick=True)

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
        self._ollama.upload(f"/api/blobs/{digest}", gguf, progress, what=digest)
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
        projectors = {f"projector-{number}.gguf": each for number, each in enumerate(modelfile.projectors)}
        request = {"model": tag, "files": {"model.gguf": digest, **projectors}, **modelfile.as_request()}
        for _ in self._ollama.stream("/api/create", request, tag=tag):
            pass  # how far it is
        return how

    def copy(self, source: str, target: str) -> None:
        source, target = full_name(source), full_name(target)
        if not self._replaced(source, target):
            self._ollama.post("/api/copy", {"source": source, "destination": target}, tag=source, quick=True)

    def _replaced(self, source: str, target: str) -> bool:
        """Whether the tag could be replaced in the server's own store, and the server sees it."""
        folder = self._known_blobs = self._known_blobs or self._blob_folder()
        if folder is None or not manifests.replace(folder.parent, source, target):
            return False
        tags = self.tags()
        return tags.get(source) is not None and tags.get(source) == tags.get(target)

    def delete(self, tag: str) -> None:
        self._ollama.delete(tag)

    def files(self) -> list[StoredFile] | None:
        folder = self._blob_folder()
        named = blobs.read_manifests(folder.parent / "manifests") if folder else None
        if folder is None or named is None or not self.tags().keys() <= named.keys():
            return None
        return blobs.stored_files(folder, named)

    def context_tokens(self, tag: str) -> int | None:
        self.load(tag)
        digest, models = self.tags().get(full_name(tag)), self._ollama.get("/api/ps", "models") or []
        # Tags of one file share a runner, which goes by the name that it was started with; the newest comes first.
        same = [model for model in models if model.get("name") == full_name(tag) or model.get("digest") == digest]
        lengths = [model.get("context_length") for model in (same or models)]
        return int(lengths[0]) if lengths and lengths[0] else None

    def load(self, tag: str) -> None:
        self._ollama.post(
            "/api/generate", {"model": tag, "stream": False}, tag=tag
        )  # the client would cost a rollback 0.2 s

    def unload(self, tag: str) -> None:
        """Take the tag out of memory as soon as it answers nobody; nothing happens where it is not there."""
        self._ollama.post("/api/generate", {"model": tag, "stream": False, "keep_alive": 0}, tag=tag, quick=True)

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        request = {
            "model": tag, "messages": as_dicts(messages), "stream": False, "_debug_render_only": True,
            "options": {} if num_ctx is None else {"num_ctx": num_ctx}, **_thinking(think),
        }  # fmt: skip
        answer = self._ollama.post(_CHAT, request | _UNCUT, tag=tag)
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
            **_thinking(options.think), **({"format": json.loads(options.schema)} if options.schema else {}),
        }  # fmt: skip
        started = time.monotonic()
        first_token_s = 0.0
        text: list[str] = []
        tokens: list[str] = []
        logprobs_of_tokens: list[float] = []
        part: dict[str, Any] = {}
        try:
            for part in self._ollama.stream(_CHAT, request | _UNCUT, tag=tag, begun=True):
                first_token_s = first_token_s or time.monotonic() - started
                message = part.get("message") or {}
                text.append(message.get("content") or "")
                tokens.append(text[-1] or message.get("thinking") or "")
                logprobs_of_tokens += [token["logprob"] for token in part.get("logprobs") or ()]
        except AnswerStoppedError as exc:
            part = _stopped(exc.why, tokens, started)
        if not part.get("done"):
            if not _repeats(tokens):
                raise RuntimeUnavailableError(
                    f"Ollama at {self._ollama.where} broke off in the middle of an answer of {tag}"
                )
            part = _stopped(REPEAT, tokens, started)
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
        found = self._ollama.post("/api/embed", {"model": tag, "input": text, "truncate": False}, tag=tag)
        return [float(value) for value in found["embeddings"][0]]

    def _blob_folder(self) -> Path | None:
        """The server's blob folder, found through a model that it serves from there, if that is on this machine."""
        if not self._is_local:
            return None
        for tag in self.tags():
            try:
                named = from_path(self._shown(tag))
            except (NotFoundError, RuntimeRefusedError):  # a damaged tag of somebody else
                continue
            if named and (blob := Path(named)).parent.name == "blobs":
                found = access(blob)
                if found is Access.READABLE:
                    return blob.parent
                if found is Access.DENIED or not is_folder(blob.parent):
                    return None  # all models are there
        return None

    def _expected_store(self) -> Path | None:
        """A local server's default folder of models; the API shows the real one only once there is a model."""
        store = Path(os.environ.get("OLLAMA_MODELS") or "~/.ollama/models").expanduser()
        return store if self._is_local and is_folder(store) else None

    @cached_property
    def _is_local(self) -> bool:
        return self._ollama.is_local

    def _has_blob(self, digest: str) -> bool:
        return self._ollama.is_there(f"/api/blobs/{digest}")


def _repeats(tokens: Sequence[str]) -> bool:
    """Whether Ollama stopped an answer, or its thoughts, for repeating the last of these tokens: before 0.34 silently.
    White space counts as a token."""
    last = tokens[-TOKEN_REPEATS:]
    return len(last) == TOKEN_REPEATS and all(last) and len({token.strip() for token in last}) == 1


def _stopped(why: str, tokens: Sequence[str], started: float) -> dict[str, Any]:
    """What Ollama would have said at the end of these tokens, as far as it is known here."""
    took = time.monotonic() - started
    return {
        "done": True, "done_reason": why, "eval_count": len(tokens), "total_duration": took * NANOSECONDS,
    }  # fmt: skip


def _thinking(think: bool | None) -> dict[str, bool]:
    return {} if think is None else {"think": think}
