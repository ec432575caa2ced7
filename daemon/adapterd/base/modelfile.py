"""What surrounds a GGUF when it is served: template, system prompt, parameters. A candidate inherits all of it.

A missing or different template is the classic way to make a good model talk nonsense
(ollama #6823 #8982 #5319), so nothing here is ever made up: it is read from the base and handed on.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from adapterd.chat import Message, from_dicts
from adapterd.errors import InputError

ParameterValue = str | int | float | bool
DEFAULT_TEMPLATE = "{{ .Prompt }}"
"""What Ollama shows for a model that has no template of its own; handing it on would switch off the GGUF's."""


@dataclass(frozen=True)
class Modelfile:
    """The settings of a served model; `None` or empty means that the base has none either."""

    template: str | None = None
    system: str | None = None
    parameters: Mapping[str, ParameterValue | tuple[ParameterValue, ...]] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    renderer: str | None = None
    parser: str | None = None
    licenses: tuple[str, ...] = ()

    @classmethod
    def from_show(cls, shown: Mapping[str, Any]) -> "Modelfile":
        """Read Ollama's answer to `/api/show`."""
        template = shown.get("template") or None
        return cls(
            template=None if template == DEFAULT_TEMPLATE else template,
            system=shown.get("system") or None,
            parameters=parse_parameters(shown.get("parameters") or ""),
            messages=from_dicts(shown.get("messages") or []),
            renderer=shown.get("renderer") or _command(shown, "RENDERER"),
            parser=shown.get("parser") or _command(shown, "PARSER"),
            licenses=(shown["license"],) if shown.get("license") else (),
        )

    def parameter_lines(self) -> Iterator[tuple[str, ParameterValue]]:
        """One (name, value) for each PARAMETER line; lists such as `stop` give several."""
        for name, value in self.parameters.items():
            for single in value if isinstance(value, tuple) else (value,):
                yield name, single

    def as_request(self) -> dict[str, Any]:
        """The fields of Ollama's `/api/create`; what is not set is not sent."""
        fields = {
            "template": self.template,
            "system": self.system,
            "parameters": {name: list(v) if isinstance(v, tuple) else v for name, v in self.parameters.items()},
            "messages": [{"role": str(m.role), "content": m.content} for m in self.messages],
            "renderer": self.renderer,
            "parser": self.parser,
            "license": list(self.licenses),
        }
        return {name: value for name, value in fields.items() if value}

    def text(self, *, source: str, title: str) -> str:
        """The Modelfile as a person would write it, `FROM` the given file or tag."""
        from jinja2 import Environment

        environment = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 (not HTML)
        environment.filters["quoted"] = quoted
        template = files("adapterd.modelfiles").joinpath("Modelfile.jinja").read_text(encoding="utf-8")
        return environment.from_string(template).render(modelfile=self, source=source, title=title)


def from_path(shown: Mapping[str, Any]) -> str | None:
    """The file that `/api/show` says the model is FROM, if it names one."""
    return _command(shown, "FROM")


def parse_parameters(text: str) -> dict[str, ParameterValue | tuple[ParameterValue, ...]]:
    """Read the `parameters` text of `/api/show`: a name and a Go literal on each line, `stop` more than once."""
    found: dict[str, list[ParameterValue]] = {}
    for line in filter(str.strip, text.splitlines()):
        name, _, literal = line.strip().partition(" ")
        found.setdefault(name, []).append(_go_literal(literal.strip()))
    return {name: tuple(values) if name == "stop" or len(values) > 1 else values[0] for name, values in found.items()}


def _go_literal(text: str) -> ParameterValue:
    """Go writes as JSON does, but for some escapes, and for whole numbers from a million on: `1.048576e+06`."""
    try:
        value: ParameterValue = json.loads(_GO_ESCAPE.sub(_json_escape, text))
    except ValueError:
        return text
    return int(value) if isinstance(value, float) and value.is_integer() else value


_GO_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|U(00[0-9a-f]{6})|.)")


def _json_escape(found: re.Match[str]) -> str:
    code = found[1] or found[2] or {r"\a": "7", r"\v": "b"}.get(found[0])
    return json.dumps(chr(int(code, 16)))[1:-1] if code else found[0]


def _command(shown: Mapping[str, Any], name: str) -> str | None:
    text = shown.get("modelfile") or ""
    for written in (shown.get("template"), shown.get("system")):  # their lines may look like commands
        if written and "\n" in written:
            text = text.replace(written, "")
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return str(line.removeprefix(f"{name} ").strip()) or None
    return None


def quoted(value: ParameterValue) -> str:
    """A value as the Modelfile grammar wants it; raises InputError for text that the grammar cannot hold."""
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if '"""' in text:
        raise InputError('a Modelfile cannot hold a text with three double quotes in a row (""")')
    if '"' in text:
        return f'"""{text}"""'
    plain = text and text == text.strip() and not set(text) & set("\r\n")
    return text if plain else f'"{text}"'
