"""Thoughts in training completions: a template may open one in the prompt, and then the completion has to close it.

Templates of models that always think end in `<think>`. An answer that follows at once would be trained as a thought,
and a server would deliver it as one: no content at all. So it follows an empty thought, or its own. Only where the
server does not tell thoughts apart (Ollama by a TEMPLATE, asked not to think, or with tags that it does not know), all
that the model says is content, and the answer follows at once.

A record may write its thought in other tags than the model knows: then it is taught in the model's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Message, Render, Role, Said, closing_of, last_tag, opens_thought, thought_and_answer
from adapterd.modelfiles.thoughts import MARKUPS, ThoughtMarkup

_MARK, _HIDDEN = "MARKED-ANSWER", "MARKED-THOUGHT"
_ASK = Message(Role.USER, "Yes?")


def always() -> bool:
    """What is so of servers that know the tags of a template's thoughts."""
    return True


@dataclass(frozen=True)
class Thoughts:
    """How answers go on from the prompts of one template."""

    render: Render
    tokenizer: Tokenizer
    apart: Callable[[], bool] = always
    """Whether the server delivers an opened thought apart from the content; asked once, if at all."""
    _known: dict[str, bool] = field(default_factory=dict)

    def completion(self, prompt: str, text: str) -> list[int]:
        """The ids of a text that follows a rendered prompt: its thought between the model's own tags, then its answer.

        Where the prompt has opened a thought, the text goes on in it, and closes it at once if it has none.
        """
        return [
            token
            for part, markup in self._parts(prompt, text)
            for token in self.tokenizer.encode_continuation(part, markup=markup)
        ]

    def opened_by(self, prompt: str) -> str | None:
        """The tag by which the prompt has opened a thought; None where it has not, or has closed it."""
        tag = last_tag(prompt)
        if tag is None or opens_thought(tag):
            return tag
        if tag not in self._known:
            self._known[tag] = tag[1] != "/" and tag != self._header_tag and self._is_stripped(tag)
        return tag if self._known[tag] else None

    def _parts(self, prompt: str, text: str) -> Iterator[tuple[str, bool]]:
        """What follows the prompt, piece by piece, and whether a piece is markup."""
        opened, said = self.opened_by(prompt), thought_and_answer(text)
        if (not said.opening) if opened is None else (not self._apart):
            yield said.answer, False
            return
        thought = (said.thought or "").strip()
        if opened is None:
            yield from _written(self._markup(said), thought, said.answer)
            return
        lead = "" if prompt.endswith("\n") else "\n"
        if lead := f"{lead}{thought}\n" if thought else lead:
            yield lead, False
        yield closing_of(opened), True
        yield f"\n\n{said.answer}", False

    def _markup(self, said: Said) -> ThoughtMarkup:
        """How the model writes a thought: in the tags of the text, unless its vocabulary has only others."""
        own = replace(MARKUPS[0], opening=said.opening, closing=said.closing)
        same = next((each for each in MARKUPS if each.opening == said.opening.removesuffix("thought")), own)
        return same if self._knows(same) else next(iter(self._known_markups), same)

    @cached_property
    def _known_markups(self) -> list[ThoughtMarkup]:
        return list(filter(self._knows, MARKUPS))

    def _knows(self, markup: ThoughtMarkup) -> bool:
        """Whether both tags are tokens of the vocabulary."""
        return self._is_token(markup.opening) and self._is_token(markup.closing)

    def _is_token(self, tag: str) -> bool:
        return len(self.tokenizer.encode_continuation(tag, markup=True)) == 1

    @cached_property
    def _apart(self) -> bool:
        return self.apart()

    @cached_property
    def _header_tag(self) -> str | None:
        """The tag right before an answer of an earlier turn, such as `<|end_header_id|>`, which opens no thought."""
        text, found, _ = self._earlier(_MARK).partition(_MARK)
        return last_tag(text) if found else None

    def _is_stripped(self, tag: str) -> bool:
        """Whether the template takes what is between the tags out of an earlier answer, as it does with thoughts."""
        shown = self._earlier(f"{tag}\n{_HIDDEN}\n{closing_of(tag)}\n\n{_MARK}")
        return _MARK in shown and _HIDDEN not in shown

    def _earlier(self, answer: str) -> str:
        return self.render((_ASK, Message(Role.ASSISTANT, answer), _ASK))


def _written(markup: ThoughtMarkup, thought: str, answer: str) -> Iterator[tuple[str, bool]]:
    """A thought in its tags and the answer, piece by piece, and whether a piece is markup."""
    yield markup.opening, True
    if inside := f"{markup.before}{thought}{markup.after}" if thought else markup.before:
        yield inside, False
    yield markup.closing, True
    yield f"{markup.behind}{answer}", False
