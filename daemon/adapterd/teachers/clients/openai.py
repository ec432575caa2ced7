"""A teacher at any address that speaks OpenAI's chat completions: `POST {base}/chat/completions`.

Servers differ in what they take. Each request begins with all that was asked for; what a server refuses by name (400)
is said otherwise or left out, and it is not tried again once that has worked.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from adapterd.chat import as_dicts
from adapterd.errors import ConfigError, RuntimeRefusedError, RuntimeUnavailableError
from adapterd.teachers.clients.endpoint import TEACHER, AtEndpoint, Endpoint, address_of
from adapterd.teachers.clients.patience import Patience
from adapterd.teachers.clients.replies import count_of, reply_of
from adapterd.teachers.clients.statuses import RefusedError
from adapterd.teachers.request import TeacherReply, TeacherRequest

_ENDED = frozenset({"stop", "end_turn", "eos", "eos_token", "stop_sequence"})
_MAX_TOKENS, _MAX_COMPLETION_TOKENS = "max_tokens", "max_completion_tokens"
_TOO_LONG = ("context_length", "context length", "maximum context", "context window")
_MAY_BE_LEFT_OUT = ("reasoning_effort", "seed", "temperature")


class SchemaAs(IntEnum):
    """How a server is told the schema: held to it to the letter, held to it, or only asked for it in words."""

    STRICT = 0
    LOOSE = 1
    WORDS = 2


@dataclass(frozen=True)
class Dialect:
    """What a server takes."""

    limit: str = _MAX_TOKENS
    left_out: frozenset[str] = frozenset()
    schema_as: SchemaAs = SchemaAs.STRICT

    def after(self, refused: RefusedError, *, has_schema: bool) -> "Dialect | None":
        """What to try next, None where nothing that is said otherwise would help."""
        said = f"{refused.said} {refused.code}".lower()
        if refused.status not in (400, 422) or any(each in said for each in _TOO_LONG):
            return None
        if _MAX_TOKENS in said or _MAX_COMPLETION_TOKENS in said:
            return replace(self, limit=_MAX_COMPLETION_TOKENS) if self.limit == _MAX_TOKENS else None
        for name in _MAY_BE_LEFT_OUT:
            if name in said and name not in self.left_out:
                return replace(self, left_out=self.left_out | {name})
        if has_schema and self.schema_as < SchemaAs.WORDS:
            return replace(self, schema_as=SchemaAs(self.schema_as + 1))
        return None


class OpenAITeacher(AtEndpoint):
    """A model at `base_url`, asked inside of `async with`. The key is that of the environment variable `key_variable`;
    raises ConfigError where it is named and has none."""

    def __init__(
        self,
        name: str,
        model: str,
        base_url: str,
        *,
        key_variable: str = "",
        timeout_s: float = 600.0,
        patience: Patience | None = None,
        role: str = TEACHER,
    ) -> None:
        endpoint = Endpoint(
            address_of(base_url, name, role), timeout_s, patience or Patience(),
            key=_key(key_variable, f"{role} {name}") if key_variable else "", key_variable=key_variable,
        )  # fmt: skip
        super().__init__(name, model, endpoint)
        self._dialects: dict[str | None, Dialect] = {}

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        """The answer; raises as `Endpoint.post`."""
        schema = request.options.schema
        dialect = self._dialects.get(schema, Dialect())
        while True:
            try:
                said = await self._endpoint.post("/chat/completions", self._body(request, dialect), what=self.model)
            except RefusedError as exc:
                other = dialect.after(exc, has_schema=schema is not None)
                if other is None:
                    raise
                dialect = other
            else:
                self._dialects[schema] = dialect
                return self._reply(request, said.body, said.seconds)

    def _body(self, request: TeacherRequest, dialect: Dialect) -> dict[str, Any]:
        options, messages = request.options, as_dicts(request.messages)
        if options.schema and dialect.schema_as is SchemaAs.WORDS:
            messages[-1]["content"] += f"\n\nAnswer with nothing but JSON by this JSON Schema:\n{options.schema}"
        fields = {
            "model": self.model, "messages": messages, "stream": False, "temperature": options.temperature,
            "seed": options.seed, dialect.limit: options.num_predict, **_thinking(options.think),
        }  # fmt: skip
        if options.schema and dialect.schema_as is not SchemaAs.WORDS:
            strict = {"strict": True} if dialect.schema_as is SchemaAs.STRICT else {}
            schema = {"name": "answer", "schema": json.loads(options.schema), **strict}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {name: value for name, value in fields.items() if name not in dialect.left_out}

    def _reply(self, request: TeacherRequest, body: Mapping[str, Any], seconds: float) -> TeacherReply:
        choices = body.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise RuntimeUnavailableError(f"{self._endpoint.where} answered {self.model} without a message")
        reason = choice.get("finish_reason")
        if message.get("refusal") or reason == "content_filter":
            raise RuntimeRefusedError(f"{self.model} at {self._endpoint.where} declines to answer this")
        usage = body.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return reply_of(
            message.get("content"), message.get("reasoning_content") or message.get("reasoning"),
            ended=isinstance(reason, str) and reason in _ENDED and not message.get("tool_calls"),
            tokens=(count_of(usage.get("prompt_tokens")), count_of(usage.get("completion_tokens"))),
            asked=sum(len(each.content) for each in request.messages),
            seconds=seconds,
        )  # fmt: skip


def _thinking(think: bool | None) -> dict[str, str]:
    return {} if think is None else {"reasoning_effort": "medium" if think else "none"}


def _key(variable: str, whose: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable}, which has the key of the {whose}, is not set",
            hint=f"export {variable}=…, also for the service of the daemon",
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            f"the environment variable {variable} has no key of the {whose}: keys are ASCII without blanks",
            hint=f"put the right key into {variable}",
        )
    return key
