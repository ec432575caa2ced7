"""Rendering of prompts in a child process: a template without an end, or with a hunger for memory, ends there."""

import json
from collections.abc import Sequence

from adapterd.chat import Message, as_dicts
from adapterd.serving.rendering.limits import LIMITS, MOST_TEMPLATE
from adapterd.system.child.limited import LimitedChild, LimitReachedError

_WORKER = "adapterd.serving.rendering.worker"


class TemplateError(Exception):
    """A template cannot be used; the text says why."""


class Renderer:
    """Renders prompts, with one child for all of them. A template that has met a limit is not tried again."""

    def __init__(self, child: LimitedChild | None = None) -> None:
        self._child = child or LimitedChild(_WORKER, LIMITS)
        self._unusable: dict[str, str] = {}

    def render(self, template: str, messages: Sequence[Message], *, bos_token: str, eos_token: str) -> str:
        """The prompt; raises TemplateError, whatever the template does."""
        if len(template) > MOST_TEMPLATE:
            raise TemplateError(f"it has {len(template)} characters, and {MOST_TEMPLATE} are the most that is used")
        if template in self._unusable:
            raise TemplateError(self._unusable[template])
        request = {
            "template": template, "messages": as_dicts(messages), "bos_token": bos_token, "eos_token": eos_token,
        }  # fmt: skip
        try:
            said = json.loads(self._child.ask(json.dumps(request).encode()))
            if "memory" in said:
                raise LimitReachedError(f"needs more than {LIMITS.memory_bytes >> 20} MB of memory")
        except LimitReachedError as exc:
            self._unusable[template] = f"it {exc}"
            raise TemplateError(f"it {exc}") from exc
        if "fault" in said:
            raise TemplateError(said["fault"])
        return str(said["prompt"])
