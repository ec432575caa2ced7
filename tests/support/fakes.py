"""The few fakes: scripted, in memory, and held to the same contract as what they stand for."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adapterd.base.modelfile import Modelfile
from adapterd.chat import Answer, ChatOptions, Message
from adapterd.errors import NotFoundError, RuntimeRefusedError
from adapterd.serving.runtime import Progress, Runtime, ServedModel, StoredFile
from adapterd.serving.tags import full_name


class Crash(BaseException):
    """The process is killed: nothing may catch this."""


class FakeRuntime(Runtime):
    """The tag part of a runtime in memory. Answers are not its business.

    `plan_crash` says at which call the process dies. `seen` are the tags after every call: what an application would
    have met. `overlaps` counts changes of tags that went on at the same time.
    """

    name = "fake"

    def __init__(self) -> None:
        self.made: dict[str, tuple[str, Modelfile]] = {}
        self.blobs: dict[str, bytes] = {}
        self.torn: set[str] = set()
        self.kept_until: dict[str, str] = {}
        self.calls: list[tuple[str, ...]] = []
        self.seen: list[dict[str, str]] = []
        self.overlaps = 0
        self._crash_at: int | tuple[str, ...] | None = None
        self._crash_after = False
        self._changing = threading.Lock()

    def plan_crash(self, at: int | tuple[str, ...] | None, *, after: bool = False) -> None:
        """Die at the call of that number, counted from now on from 1, or at that very call: before it takes effect, or
        after it."""
        self.calls.clear()
        self._crash_at, self._crash_after = at, after

    def version(self) -> str:
        return "fake 1.0"

    def tags(self) -> dict[str, str]:
        with self._call("tags"):
            return self._digests()

    def loaded(self) -> dict[str, str]:
        with self._call("loaded"):
            return dict(self.kept_until)

    def show(self, tag: str) -> ServedModel:
        with self._call("show", tag):
            blob, modelfile = self._made(tag)
            return ServedModel(full_name(tag), self._digests()[full_name(tag)], Path(blob), modelfile)

    def push_blob(self, gguf: Path, digest: str, *, may_link: bool = False, progress: Progress = lambda _: None) -> str:
        with self._call("push_blob", digest):
            how = "present" if digest in self.blobs else "upload"
            self.blobs.setdefault(digest, gguf.read_bytes())
            progress(1.0)
            return how

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
        with self._call("create", tag), self._change():
            how = "present" if digest in self.blobs else "upload"
            self.blobs.setdefault(digest, gguf.read_bytes())
            self.made[full_name(tag)] = (digest, modelfile)
            self.torn.discard(full_name(tag))
            progress(1.0)
            return how

    def copy(self, source: str, target: str) -> None:
        with self._call("copy", source, target), self._change():
            self.made[full_name(target)] = self._there(source)
            (self.torn.add if full_name(source) in self.torn else self.torn.discard)(full_name(target))

    def delete(self, tag: str) -> None:
        with self._call("delete", tag), self._change():
            digest, _ = self._made(tag)
            del self.made[full_name(tag)]
            if all(digest != made[0] for other, made in self.made.items() if other not in self.torn):
                self.blobs.pop(digest, None)

    def files(self) -> list[StoredFile] | None:
        with self._call("files"):
            if self.torn:
                return None
            named = {blob: frozenset(tag for tag, made in self.made.items() if made[0] == blob) for blob in self.blobs}
            return [StoredFile(Path(blob), blob, len(self.blobs[blob]), tags) for blob, tags in named.items()]

    def context_tokens(self, tag: str) -> int | None:
        return None

    def load(self, tag: str) -> None:
        with self._call("load", tag):
            self._made(tag)

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        raise NotImplementedError

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        raise NotImplementedError

    def embed(self, tag: str, text: str) -> list[float]:
        raise NotImplementedError

    def add(self, *tags: str) -> None:
        """Tags that are simply there, each with a file of its own."""
        for tag in tags:
            self.blobs[tag] = tag.encode()
            self.made[tag] = (tag, Modelfile())

    def tear(self, *tags: str) -> None:
        """Damage tags as a crash of Ollama does: not listed, not shown, not deleted; copied with the damage."""
        self.torn |= {full_name(tag) for tag in tags if self._there(tag)}

    def _made(self, tag: str) -> tuple[str, Modelfile]:
        if full_name(tag) in self.torn:
            raise RuntimeRefusedError(f"the fake refused {tag}: EOF")
        return self._there(tag)

    def _there(self, tag: str) -> tuple[str, Modelfile]:
        try:
            return self.made[full_name(tag)]
        except KeyError:
            raise NotFoundError(f"the fake has no {tag}") from None

    def _digests(self) -> dict[str, str]:
        sound = {tag: made for tag, made in self.made.items() if tag not in self.torn}
        return {tag: hashlib.sha256(repr(made).encode()).hexdigest() for tag, made in sound.items()}

    @contextmanager
    def _call(self, *call: str) -> Iterator[None]:
        self.calls.append(call)
        dies = self._crash_at in (len(self.calls), call)
        if dies and not self._crash_after:
            raise Crash(call)
        yield
        self.seen.append(self._digests())
        if dies:
            raise Crash(call)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Notice changes at the same time: Ollama has no lock around its manifests."""
        alone = self._changing.acquire(blocking=False)
        self.overlaps += not alone
        try:
            yield
        finally:
            if alone:
                self._changing.release()
