"""A cache of answers: with every option pinned, the same question to the same tag has the same answer."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.chat import Answer, Ask, Message, as_dicts
from adapterd.system.files import write_atomic

ASKED = "asked"


def prompt_key(messages: Sequence[Mapping[str, str]]) -> str:
    """SHA-256 in hex of a prompt, as plain values."""
    plain = [{"role": message["role"], "content": message["content"]} for message in messages]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


@dataclass(frozen=True)
class CachedAsk:
    """`ask` with its answers cached in `folder`. `asked_of` identifies who answers: the tag's digest, all options, and
    the release of the runtime; `rendered` gives the prompt that is made of messages, which a release may change.

    An answer whose file cannot be read is asked for again. A file also has the key of its prompt (`asked`), so that it
    is found when the prompt is taken back; those of earlier releases have none.
    """

    ask: Ask
    folder: Path
    asked_of: str
    rendered: Callable[[Sequence[Message]], str]

    def __call__(self, messages: Sequence[Message]) -> Answer:
        """The answer, asked for where it is not there."""
        file = self._file(messages)
        known = _read(file)
        if known is not None:
            return known
        answer = self.ask(messages)
        kept = {ASKED: prompt_key(as_dicts(messages)), **vars(answer)}
        write_atomic(file, json.dumps(kept, ensure_ascii=False))
        return answer

    def known(self, messages: Sequence[Message]) -> Answer | None:
        """The answer if it is there; nothing is asked."""
        return _read(self._file(messages))

    def _file(self, messages: Sequence[Message]) -> Path:
        identity = [self.asked_of, as_dicts(messages), self.rendered(messages)]
        key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        return self.folder / f"{key}.json"


def _read(file: Path) -> Answer | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Answer(**{name: value for name, value in kept.items() if name != ASKED})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def cached(
    ask: Ask, folder: Path, asked_of: str, rendered: Callable[[Sequence[Message]], str] = lambda _messages: ""
) -> CachedAsk:
    """`ask` with its answers cached, see `CachedAsk`."""
    return CachedAsk(ask, folder, asked_of, rendered)
