"""A teacher in Ollama, by its own API: that one takes a context, and refuses a prompt instead of cutting it."""

import json
from typing import Any

from adapterd.chat import as_dicts
from adapterd.errors import ConfigError, RuntimeUnavailableError
from adapterd.teachers.clients.endpoint import TEACHER, AtEndpoint, Endpoint, address_of
from adapterd.teachers.clients.patience import Patience
from adapterd.teachers.clients.replies import count_of, reply_of
from adapterd.teachers.clients.statuses import RefusedError
from adapterd.teachers.request import TeacherReply, TeacherRequest

_NO_THOUGHTS = "does not support thinking"


class OllamaTeacher(AtEndpoint):
    """A tag of the Ollama at `host`, asked inside of `async with`."""

    def __init__(
        self,
        name: str,
        model: str,
        host: str,
        *,
        timeout_s: float = 600.0,
        patience: Patience | None = None,
        role: str = TEACHER,
    ) -> None:
        super().__init__(name, model, Endpoint(address_of(host, name, role), timeout_s, patience or Patience()))
        self._role = role

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        """The answer; raises as `Endpoint.post`."""
        try:
            said = await self._endpoint.post("/api/chat", self._body(request), what=self.model)
        except RefusedError as exc:
            if _NO_THOUGHTS in exc.said:
                raise ConfigError(str(exc), hint=f"adapterctl config set {self._role}s.{self.name}.think off") from exc
            raise
        message, body = said.body.get("message"), said.body
        if not isinstance(message, dict) or not body.get("done"):
            raise RuntimeUnavailableError(f"what answers at {self._endpoint.where} is not Ollama")
        return reply_of(
            message.get("content"), message.get("thinking"),
            ended=body.get("done_reason") == "stop",
            tokens=(count_of(body.get("prompt_eval_count", 0)), count_of(body.get("eval_count", 0))),
            asked=sum(len(each.content) for each in request.messages),
            seconds=said.seconds,
        )  # fmt: skip

    def _body(self, request: TeacherRequest) -> dict[str, Any]:
        options = request.options
        return {
            "model": self.model, "messages": as_dicts(request.messages), "options": options.sampling(),
            "stream": False, "truncate": False, "shift": False,
            **({} if options.think is None else {"think": options.think}),
            **({"format": json.loads(options.schema)} if options.schema else {}),
        }  # fmt: skip
