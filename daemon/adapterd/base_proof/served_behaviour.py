"""The behaviour of a tag as applications see it (files, settings, prompts, an answer), and how two tags differ.

A version is its base with other weights. All else has to be the same, or what was learned is not what is served.
Nothing here calls a runtime; `noop_version.py` does.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from adapterd.base.modelfile import Modelfile
from adapterd.serving.runtime import ServedModel

_WORDS = {
    "template": "its TEMPLATE",
    "system": "its SYSTEM prompt",
    "parameters": "its parameters",
    "messages": "its opening messages",
    "renderer": "its RENDERER",
    "parser": "its PARSER",
    "licenses": "its license",
    "requires": "the release of Ollama that it requires",
    "projectors": "its projector",
}
THINKING_ON, THINKING_OFF = ", thinking on", ", thinking off"
"""The ends of titles of conversations in which the model is asked to think, or not to."""
_DAY = re.compile(
    r"\d+|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)"
    r"(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember|day|sday|nesday|rsday|urday)?\b",
    re.IGNORECASE,
)
"""Numbers, months and days of the week: what a template that writes today's date makes different on another day."""


@dataclass(frozen=True)
class SampleAnswer:
    """A tag's answer to one question, with its number of tokens and that of the prompt."""

    text: str
    tokens: int
    prompt_tokens: int


@dataclass(frozen=True)
class ServedBehaviour:
    """A tag as it is served. `prompts` has the rendered text of each conversation by its title, or the message by which
    the template refuses it."""

    served: ServedModel
    prompts: Mapping[str, str]
    sample_answer: SampleAnswer

    @property
    def has_think_switch(self) -> bool:
        """Whether any prompt is another one when the model is asked to think than when it is asked not to."""
        asked = [title.removesuffix(THINKING_ON) for title in self.prompts if title.endswith(THINKING_ON)]
        return any(self.prompts[title + THINKING_ON] != self.prompts[title + THINKING_OFF] for title in asked)


def behaviour_differences(
    base: ServedBehaviour, candidate: ServedBehaviour, left_out: tuple[str, ...] = ()
) -> Iterator[str]:
    """A phrase for each way in which the candidate differs from the base, but for parameters that were left out."""
    expected = base.served.modelfile
    for name in left_out:
        expected = expected.without_parameter(name)
    yield from file_differences(base.served, candidate.served)
    yield from _of_settings(expected, candidate.served.modelfile)
    for conversation, prompt in base.prompts.items():
        other = candidate.prompts.get(conversation, "")  # missing if it cannot think, which the capabilities tell
        if undated(prompt) != undated(other):
            yield f"the prompt of {conversation} is another one: {_excerpts(prompt, other)}"
            return
    if base.sample_answer != candidate.sample_answer:
        yield f"it answers {candidate.sample_answer.text!r}, where the base answers {base.sample_answer.text!r}"


def file_differences(base: ServedModel, candidate: ServedModel) -> Iterator[str]:
    """The same of the files that the tags are made of, and of what they are said to be able to do."""
    for kind in sorted(set(base.files) - set(candidate.files)):
        yield f"its {kind} is lost"
    if base.gguf and candidate.gguf and base.gguf != candidate.gguf:
        yield f"its file is stored as {candidate.gguf.name[:19]}…, and {base.gguf.name[:19]}… was given"
    before, after = base.capabilities or frozenset(), candidate.capabilities or frozenset()
    yield from (f"its capability {capability!r} is lost" for capability in sorted(before - after))
    yield from (f"it would be said to have the capability {capability!r}" for capability in sorted(after - before))


def _of_settings(base: Modelfile, candidate: Modelfile) -> Iterator[str]:
    for setting in fields(Modelfile):
        if getattr(base, setting.name) != getattr(candidate, setting.name):
            yield f"{_WORDS[setting.name]} would be another one"


def _excerpts(ours: str, theirs: str) -> str:
    """The two texts from a little before the first place at which they differ."""
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    begin = max(0, same - 20)
    return f"{theirs[begin : begin + 60]!r}, where the base has {ours[begin : begin + 60]!r}"


def undated(text: str) -> str:
    """The text with a mark in the place of every number, month and day of the week."""
    return _DAY.sub("#", text)
