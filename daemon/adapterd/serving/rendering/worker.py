"""The renderer's child: `python -P -m adapterd.serving.rendering.worker`. It renders as llama-cpp-python does.

The template runs in Jinja's sandbox, which keeps it from Python; the process keeps it from time and memory.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from jinja2 import BaseLoader, Template
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapterd.serving.rendering.limits import LIMITS, MOST_FAULT
from adapterd.system.child.limited import Limits, answer_requests


class _GenerationTags(Extension):
    """`{% generation %}`, by which training libraries find the answers, changes nothing."""

    tags = {"generation"}  # noqa: RUF012 (Jinja's own declaration)

    def parse(self, parser: Parser) -> Node | list[Node]:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As Transformers has it, where Jinja's own would escape for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise ValueError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)  # noqa: DTZ005 (the clock on the wall)


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        loader=BaseLoader(), trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTags, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    return environment.from_string(template)


def render(request: dict[str, Any]) -> str:
    """The prompt of a request: `template`, `messages` (role, content), `bos_token`, `eos_token`."""
    nothing: dict[str, Any] = dict.fromkeys(("functions", "function_call", "tools", "tool_choice"))
    given = {name: request[name] for name in ("messages", "bos_token", "eos_token")}
    return _compiled(request["template"]).render(
        **given, **nothing, raise_exception=_raise, add_generation_prompt=True, strftime_now=_now
    )


def _answer(request: bytes) -> bytes:
    try:
        return json.dumps({"prompt": render(json.loads(request))}).encode()
    except MemoryError:
        _compiled.cache_clear()
        return json.dumps({"memory": True}).encode()
    except Exception as exc:  # it is a program of somebody else: anything may come of it
        return json.dumps({"fault": (str(exc) or type(exc).__name__)[:MOST_FAULT]}).encode()


def main(limits: Limits = LIMITS) -> None:
    """Answer one request after the other until standard input closes."""
    answer_requests(limits, _answer)


if __name__ == "__main__":
    main()
