"""HTTP answers of scripted teachers, and requests to them."""

import json
from collections.abc import Sequence
from typing import Any

from adapterd.chat import ChatOptions, Message, Role
from adapterd.teachers.clients.patience import Patience
from adapterd.teachers.request import Kind, TeacherRequest
from tests.support.scripted_server import Reply

QUICK = Patience(first_s=0.001, most_s=0.002, longest_s=60.0)
"""Tries as often as people's patience does, in milliseconds."""


def request(text: str = "Who?", options: ChatOptions | None = None) -> TeacherRequest:
    """A request for an answer."""
    return TeacherRequest(Kind.ANSWER, (Message(Role.USER, text),), options or ChatOptions())


def http(status: int, body: bytes | dict[str, Any], **headers: str) -> bytes:
    """A whole response; the names of headers have `_` for `-`."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def openai_said(text: str | None = "Ada", reason: str = "stop", **more: Any) -> bytes:
    """An answer by OpenAI's API; `more` are fields of its message."""
    message = {"role": "assistant", "content": text, **more}
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    return http(200, {"choices": [{"message": message, "finish_reason": reason}], "usage": usage})


def ollama_said(text: str = "Ada", reason: str = "stop", **more: Any) -> bytes:
    """An answer by Ollama's API; `more` are fields of its message."""
    message = {"role": "assistant", "content": text, **more}
    fields = {"done": True, "done_reason": reason, "prompt_eval_count": 3, "eval_count": 5}
    return http(200, {"message": message, **fields})


def error(status: int, said: str, **more: str) -> bytes:
    """An error as both APIs' clients meet it."""
    return http(status, {"error": {"message": said, **more}})


def body_of(sent: bytes) -> dict[str, Any]:
    """The JSON of a request."""
    found: dict[str, Any] = json.loads(sent.partition(b"\r\n\r\n")[2])
    return found


def one_by_one(*responses: bytes | Sequence[bytes | float | None]) -> Reply:
    """Each request gets the next of these; the last one stays."""
    left = list(responses)

    def reply(_: bytes) -> Sequence[bytes | float | None]:
        now = left.pop(0) if len(left) > 1 else left[0]
        return [now] if isinstance(now, bytes) else now

    return reply
