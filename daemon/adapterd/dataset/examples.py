"""Examples and preference pairs: what feedback teaches. `statements.py` says which records give one."""

from dataclasses import dataclass
from datetime import datetime

from adapterd.chat import Prompt


@dataclass(frozen=True)
class Example:
    """A prompt and the completion to train on; `record` is the content hash of the feedback that it comes from.

    `first_at` is when the prompt got a good answer for the first time, `created_at` when it got this one. `origin` is
    who said so: the application, else the way on which it came.
    """

    messages: Prompt
    completion: str
    record: str
    prompt_hash: str
    created_at: datetime
    source_id: str | None = None
    output_type: str | None = None
    first_at: datetime | None = None
    conversation_id: str | None = None
    origin: str = ""


@dataclass(frozen=True)
class PreferencePair:
    """A chosen and a rejected answer to the same prompt; `imitate` is False where the chosen one is only less bad."""

    messages: Prompt
    chosen: str
    rejected: str
    record: str
    prompt_hash: str
    created_at: datetime
    source_id: str | None = None
    imitate: bool = True
    conversation_id: str | None = None
