"""A teacher in Ollama, by its own API: that one takes a context, and refuses a prompt instead of cutting it."""

import asyncio
import json
from typing import Any

from adapterd.chat import as_dicts
from adapterd.errors import ConfigError, RuntimeUnavailableError
from adapterd.printable import printable
from adapterd.teachers.clients.endpoint import CONSENTS, TEACHER, AtEndpoint, Endpoint, address_of
from adapterd.teachers.clients.patience import Patience
from adapterd.teachers.clients.replies import count_of, reply_of
from adapterd.teachers.clients.statuses import RefusedError
from adapterd.teachers.request import TeacherReply, TeacherRequest

_NO_THOUGHTS = "does not support thinking"


class OllamaTeacher(AtEndpoint):
    """A tag of the Ollama at `host`, asked inside of `async with`. One that `may_be_remote` may hand prompts on to a
    service elsewhere, under whatever tag; of another one it is asked first whether it does, and ConfigError raised."""

    def __init__(
        self,
        name: str,
        model: str,
        host: str,
        *,
        timeout_s: float = 600.0,
        patience: Patience | None = None,
        role: str = TEACHER,
        may_be_remote: bool = True,
    ) -> None:
        super().__init__(name, model, Endpoint(address_of(host, name, role), timeout_s, patience or Patience()))
        self._role = role
        self._is_allowed = may_be_remote
        self._looking = asyncio.Lock()

    async def ask(self, request: TeacherRequest) -> TeacherReply:
        """The answer; raises as `Endpoint.post`."""
        async with self._looking:
            await self._require_allowed()
        try:
            said = await self._endpoint.post("/api/chat", self._body(request), what=self.model)
        except RefusedError as exc:
            if _NO_THOUGHTS in exc.said:
                raise ConfigError(str(exc), hint=f"adapterctl config set {self._role}s.{self.name}.think off") from exc
            raise
        message, body = said.body.get("message"), said.body
        if not isinstance(message, dict) or "done" not in body:
            raise RuntimeUnavailableError(f"what answers at {self._endpoint.where} is not Ollama")
        return reply_of(
            message.get("content"), message.get("thinking"),
            ended=body.get("done_reason") == "stop" and not message.get("tool_calls"),
            tokens=(count_of(body.get("prompt_eval_count", 0)), count_of(body.get("eval_count", 0))),
            asked=sum(len(each.content) for each in request.messages),
            seconds=said.seconds,
        )  # fmt: skip

    async def _require_allowed(self) -> None:
        if self._is_allowed:
            return
        shown = await self._endpoint.post("/api/show", {"model": self.model}, what=self.model)
        if remote := shown.body.get("remote_host"):
            setting, terms = CONSENTS[self._role]
            raise ConfigError(
                f"{self.model} is answered by {printable(remote)}, which gets your prompts{terms}",
                hint=f"read them, then `adapterctl config set {self._role}s.{self.name}.{setting} true`",
            )
        self._is_allowed = True

    def _body(self, request: TeacherRequest) -> dict[str, Any]:
        options = request.options
        return {
            "model": self.model, "messages": as_dicts(request.messages), "options": options.sampling(),
            "stream": False, "truncate": False, "shift": False,
            **({} if options.think is None else {"think": options.think}),
            **({"format": json.loads(options.schema)} if options.schema else {}),
        }  # fmt: skip
