"""Two tags compared as applications meet them: what each is made of, how each is prompted, what each answers.

A version is its base with other weights. All else has to be the same, or what was learned is not what is served. The
comparison knows nothing of a runtime; `trial.py` asks one.
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
}
_DAY = re.compile(
    r"\d+|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)"
    r"(?:uary|ruary|ch|il|e|y|ust|tember|ober|ember|day|sday|nesday|rsday|urday)?\b",
    re.IGNORECASE,
)
"""Numbers, months and days of the week: what a template that writes today's date makes different on another day."""


@dataclass(frozen=True)
class Reply:
    """What a tag answered to one question, and of how many tokens its prompt was."""

    text: str
    tokens: int
    prompt_tokens: int


@dataclass(frozen=True)
class Observed:
    """A tag as it is served. `prompts` are what its template makes of each conversation, by what is special about it:
    the text, or the sentence by which it refuses the conversation."""

    served: ServedModel
    prompts: Mapping[str, str]
    reply: Reply


def differences(base: Observed, candidate: Observed, left_out: tuple[str, ...] = ()) -> Iterator[str]:
    """What of the base is lost or changed in the candidate, in words; parameters that were left out are not meant."""
    expected = base.served.modelfile
    for name in left_out:
        expected = expected.without_parameter(name)
    yield from _of_files(base.served, candidate.served)
    yield from _of_settings(expected, candidate.served.modelfile)
    for conversation, prompt in base.prompts.items():
        other = candidate.prompts.get(conversation, "")  # missing where the candidate cannot think; told above
        if undated(prompt) != undated(other):
            yield f"the prompt of {conversation} is another one: {_excerpts(prompt, other)}"
            return
    if base.reply != candidate.reply:
        yield f"it answers {candidate.reply.text!r}, where the base answers {base.reply.text!r}"


def _of_files(base: ServedModel, candidate: ServedModel) -> Iterator[str]:
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
