"""What the product needs of a runtime. Two real ones implement it: Ollama, and the embedded one in process."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, Protocol

from adapterd.base.modelfile import Modelfile
from adapterd.chat import Answer, ChatOptions, Message

Progress = Callable[[float], Any]
MODEL = "model"


_BLOB = re.compile(r"sha256-([0-9a-f]{64})")


def digest_of_name(path: PurePath) -> str | None:
    """The digest that a blob's name tells; None for a file that is no blob."""
    named = _BLOB.fullmatch(path.name)
    return f"sha256:{named[1]}" if named else None


@dataclass(frozen=True)
class ServedModel:
    """A registered tag: `digest` identifies file and settings together, `gguf` is its file if it is on this machine.

    `files` are the kinds of files that it is made of (`model`, and perhaps `projector`, `adapter`, `draft`),
    `stored_as` their format; `remote` is the host that answers in the place of a file. `capabilities` are what
    applications may ask it for, None if the runtime does not say. `template_in_use` is what prompts are made
    by, if it is known: that of the Modelfile, or the one inside the GGUF. `unreadable` is its file where that is on
    this machine and not for this user to read; `place` is its path as the runtime tells it, on whichever machine.
    `parts` are the files that its GGUF is split into, if it is and they are on this machine.
    """

    tag: str
    digest: str
    gguf: Path | None
    modelfile: Modelfile
    files: tuple[str, ...] = (MODEL,)
    stored_as: str = "gguf"
    remote: str | None = None
    capabilities: frozenset[str] | None = None
    template_in_use: str | None = None
    unreadable: Path | None = None
    place: str | None = None
    parts: tuple[Path, ...] = ()

    @property
    def stored_digest(self) -> str | None:
        """The digest by which the runtime keeps the file, if its path tells that."""
        return digest_of_name(PureWindowsPath(self.place)) if self.place else None


@dataclass(frozen=True)
class StoredFile:
    """A file in the runtime's store. `tags` are those that need it; `size_bytes` is what removing it would give back:
    nothing while the file has another name elsewhere."""

    path: Path
    digest: str
    size_bytes: int
    tags: frozenset[str]


class Runtime(Protocol):
    """Tags and answers. Every method raises RuntimeUnavailableError when nobody answers, RuntimeRefusedError when the
    runtime says no, NotFoundError for a tag that does not exist."""

    name: str

    def version(self) -> str:
        """The runtime's own version."""

    def tags(self) -> dict[str, str]:
        """Every tag (full name) with its digest; one that is damaged is left out."""

    def show(self, tag: str) -> ServedModel:
        """What a tag is made of."""

    def push_blob(self, gguf: Path, digest: str, *, may_link: bool = False, progress: Progress = lambda _: None) -> str:
        """Make the file of that digest (`sha256:…`) a blob of the store, which no tag names yet.

        Returns how it was done: `present`, `link`, `clone`, `copy` or `upload`. With `may_link` the stored blob may be
        the same file, by a hard link.
        """

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
        """Register the file of that digest under the tag; if it is not in the store yet, it is pushed first.

        The Modelfile's projectors have to be there.
        """

    def copy(self, source: str, target: str) -> None:
        """Make `target` the same as `source`."""

    def delete(self, tag: str) -> None:
        """Remove a tag, and its file if no other tag names it."""

    def files(self) -> list[StoredFile] | None:
        """Every complete file in the store; None where that cannot be known: the store is on another machine, or a
        tag is damaged, and what it needs is not known."""

    def loaded(self) -> dict[str, str]:
        """The tags in memory, each with the time until when it is kept there, which moves on with every use."""

    def context_tokens(self, tag: str) -> int | None:
        """The context that applications get which ask for none, None where nothing decides it. Loads the tag."""

    def load(self, tag: str) -> None:
        """Bring the tag into memory, so that the next request does not wait."""

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        """The prompt text that the tag's template makes of the messages, exactly as it is tokenised when it is served:
        `Tokenizer.encode_prompt` gives the same ids. `num_ctx` is the context that the tag is asked in, so that a
        runtime which loads it for this need not load it again; it cuts nothing."""

    def chat(self, tag: str, messages: Sequence[Message], options: ChatOptions, *, logprobs: bool = False) -> Answer:
        """Ask the tag. A prompt that does not fit into the context is refused, never cut. With `logprobs` the answer
        has its probability, if the runtime gives it."""

    def embed(self, tag: str, text: str) -> list[float]:
        """The embedding of a text by an embedding model; RuntimeRefusedError where the tag is none."""
