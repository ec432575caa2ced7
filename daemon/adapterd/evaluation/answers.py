"""A cache of answers: with every option pinned, the same question to the same tag has the same answer."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from adapterd.chat import Answer, Ask, Message, as_dicts
from adapterd.system.files import write_atomic


def cached(ask: Ask, folder: Path, asked_of: str) -> Ask:
    """`ask` with its answers cached in `folder`. `asked_of` identifies who answers: the tag's digest and all options.

    An answer whose file cannot be read is asked for again.
    """

    def ask_once(messages: Sequence[Message]) -> Answer:
        key = hashlib.sha256(json.dumps([asked_of, as_dicts(messages)]).encode()).hexdigest()
        file = folder / f"{key}.json"
        try:
            return Answer(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            answer = ask(messages)
            write_atomic(file, json.dumps(vars(answer), ensure_ascii=False))
            return answer

    return ask_once
