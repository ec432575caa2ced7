"""What surrounds a GGUF when it is served: template, system prompt, parameters. A candidate inherits all of it.

A missing or different template is the classic way to make a good model talk nonsense
(ollama #6823 #8982 #5319), so nothing here is ever made up: it is read from the base and handed on.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any, ClassVar

from adapterd.base.modelfile_text import commands
from adapterd.chat import Message, ParameterValue, Role
from adapterd.errors import InputError, UnsupportedModelError

DEFAULT_TEMPLATE = "{{ .Prompt }}"
"""What Ollama shows for a model that has no template of its own; handing it on would switch off the GGUF's."""


@dataclass(frozen=True)
class Modelfile:
    """The settings of a served model; `None` or empty means that the base has none either.

    `template` is the TEMPLATE of the tag itself. It need not be the one that prompts are made by: Ollama may prefer the
    chat template inside the GGUF, and then shows that one as the model's. `projectors` are the digests (`sha256:…`) of
    the files beside the model that read images or sound, which the runtime keeps.
    """

    NOT_WRITTEN_WHEN_EMPTY: ClassVar[tuple[str, ...]] = ("projectors",)
    """Runs that were planned before there was this field stay the same."""

    template: str | None = None
    system: str | None = None
    parameters: Mapping[str, ParameterValue | tuple[ParameterValue, ...]] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    renderer: str | None = None
    parser: str | None = None
    licenses: tuple[str, ...] = ()
    requires: str | None = None
    projectors: tuple[str, ...] = ()

    @classmethod
    def from_show(cls, shown: Mapping[str, Any]) -> "Modelfile":
        """Read Ollama's answer to `/api/show`, but for projectors.

        Raises UnsupportedModelError for messages that cannot be handed on.
        """
        template = _template(shown)
        return cls(
            template=None if template == DEFAULT_TEMPLATE else template,
            system=shown.get("system") or None,
            parameters=parse_parameters(shown.get("parameters") or ""),
            messages=tuple(map(_message, shown.get("messages") or [])),
            renderer=renderer_of(shown),
            parser=shown.get("parser") or _command(shown, "PARSER"),
            licenses=(shown["license"],) if shown.get("license") else (),
            requires=shown.get("requires") or None,
        )

    def without_parameter(self, name: str) -> "Modelfile":
        """The same, but for one parameter."""
        return replace(self, parameters={key: value for key, value in self.parameters.items() if key != name})

    def parameter_lines(self) -> Iterator[tuple[str, ParameterValue]]:
        """One (name, value) for each PARAMETER line; lists such as `stop` give several."""
        for name, value in self.parameters.items():
            for single in value if isinstance(value, tuple) else (value,):
                yield name, single

    def as_request(self) -> dict[str, Any]:
        """The fields of Ollama's `/api/create` but for files; what is not set is not sent."""
        fields = {
            "template": self.template,
            "system": self.system,
            "parameters": {name: list(v) if isinstance(v, tuple) else v for name, v in self.parameters.items()},
            "messages": [{"role": str(m.role), "content": m.content} for m in self.messages],
            "renderer": self.renderer,
            "parser": self.parser,
            "license": list(self.licenses),
            "requires": self.requires,
        }
        return {name: value for name, value in fields.items() if value}

    def text(self, *, source: str, title: str, projectors: Sequence[str] = ()) -> str:
        """The Modelfile as a person would write it, `FROM` the given file or tag, and files of projectors."""
        from jinja2 import Environment

        environment = Environment(keep_trailing_newline=True, autoescape=False)  # noqa: S701 (not HTML)
        environment.filters["quoted"] = quoted
        template = files("adapterd.modelfiles").joinpath("Modelfile.jinja").read_text(encoding="utf-8")
        return environment.from_string(template).render(
            modelfile=self, source=source, title=title, projectors=projectors
        )


def from_path(shown: Mapping[str, Any]) -> str | None:
    """The file that `/api/show` says the model is FROM, if it names one."""
    return _command(shown, "FROM")


def projector_paths(shown: Mapping[str, Any]) -> list[str]:
    """The files of projectors that `/api/show` names: all that the model is FROM but the first."""
    return [value for name, value in commands(_text(shown)) if name == "FROM"][1:]


def renderer_of(shown: Mapping[str, Any]) -> str | None:
    """The name of the built-in renderer that makes the prompts, if there is one."""
    return shown.get("renderer") or _command(shown, "RENDERER")


def file_kinds(shown: Mapping[str, Any]) -> tuple[str, ...]:
    """What kinds of files the Modelfile's text says the model is made of: the first FROM is the model, others are
    projectors."""
    names = [name for name, _ in commands(_text(shown))]
    adapters = ["adapter"] * names.count("ADAPTER") + ["draft"] * names.count("DRAFT")
    return ("model", *adapters, *["projector"] * len(projector_paths(shown)))


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


def _template(shown: Mapping[str, Any]) -> str | None:
    """The TEMPLATE of the tag. What is shown as the template is the one in use, which may be the GGUF's own; what the
    text says is exact where both agree, and read from the text where they do not."""
    in_use, text = shown.get("template") or None, shown.get("modelfile") or ""
    if in_use and f"\nTEMPLATE {_as_ollama_writes(in_use)}\n" in f"\n{text}\n":
        return str(in_use)
    return _command(shown, "TEMPLATE")


def _message(shown: Mapping[str, str]) -> Message:
    try:
        return Message(Role(shown["role"]), shown["content"])
    except ValueError:
        raise UnsupportedModelError(
            f"its MESSAGE lines have the role {shown['role']!r}, and only system, user and assistant can be handed on",
            hint="make a tag without that message (`ollama show --modelfile`, `ollama create`), and give that",
        ) from None


def _command(shown: Mapping[str, Any], wanted: str) -> str | None:
    return next((value or None for name, value in commands(_text(shown)) if name == wanted), None)


def _text(shown: Mapping[str, Any]) -> str:
    """The Modelfile's text, but for texts that are known otherwise: their lines may look like commands."""
    text = str(shown.get("modelfile") or "")
    for known in (shown.get("template"), shown.get("system")):
        if known and "\n" in known:
            text = text.replace(_as_ollama_writes(known), "")
    return text


def _as_ollama_writes(text: str) -> str:
    """The text as a value in Ollama's Modelfile: in quotes only if it has line ends, or spaces at its ends."""
    if "\n" not in text and text == text.strip(" "):
        return text
    return f'"""{text}"""' if '"' in text else f'"{text}"'


def quoted(value: ParameterValue) -> str:
    """A value as the Modelfile grammar wants it; raises InputError for text that the grammar cannot hold."""
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    if '"""' in text:
        raise InputError('a Modelfile cannot hold a text with three double quotes in a row (""")')
    if '"' in text:
        return f'"""{text}"""'
    plain = text and text == text.strip() and not set(text) & set("\r\n")
    return text if plain else f'"{text}"'
