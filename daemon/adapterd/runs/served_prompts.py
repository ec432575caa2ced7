"""Prompts as each tag reads them: what cannot be asked is known before, what was not read as a whole after.

A case that cannot be asked of one of the tags is asked of none, so that all are compared by the same cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Answer, ChatOptions, Message, Prompt
from adapterd.config import ModelSettings
from adapterd.dataset.askable import NOTHING_TO_ASK, PLAIN, Prompts, TokenLimits, fault_of_case
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example
from adapterd.dataset.left_out import LeftOut, summary
from adapterd.errors import StageError
from adapterd.serving.runtime import Runtime

FEW_TOKENS = 2
"""So many special tokens are put in front of a prompt or behind it at most."""
FIRST_WORDS_TOKENS = 3
"""Too few to close a thought and begin an answer."""


@dataclass(frozen=True)
class Misread:
    """A prompt of which a tag read another number of tokens than there are."""

    tag: str
    read: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.tag} read {self.read} of its {self.tokens} tokens"

    @property
    def is_cut(self) -> bool:
        """Whether something of the prompt was left out."""
        return self.read < self.tokens


@dataclass(frozen=True)
class ServedPrompts:
    """What each of the tags, by its name, reads of a prompt; `gguf` is the base's file, of which their tokenizer is."""

    runtime: Runtime
    settings: ModelSettings
    gguf: Path
    tags: Mapping[str, str]

    def askable(self, cases: Sequence[EvaluationCase]) -> tuple[list[EvaluationCase], list[LeftOut]]:
        """The cases that can be asked of every tag, and the others; raises StageError if there are none."""
        self._render_tag_by_tag(cases)
        faults = [self.fault(case.messages, case.reference) for case in cases]
        left_out = [
            LeftOut(case.record, case.source_id, fault) for case, fault in zip(cases, faults, strict=True) if fault
        ]
        if cases and len(left_out) == len(cases):
            raise StageError(
                summary(left_out, "no case of the evaluation set can be asked; left out"),
                hint=NOTHING_TO_ASK,
            )
        return [case for case, fault in zip(cases, faults, strict=True) if not fault], left_out

    def _render_tag_by_tag(self, cases: Sequence[EvaluationCase]) -> None:
        """Render all prompts by one tag, then by the next: a runtime that loads a tag for this may have room for one.
        The first one is the last, for it is asked first."""
        for prompts in reversed(self._prompts.values()):
            for case in cases:
                prompts.fault(case.messages)

    def fault(self, messages: Prompt, reference: str) -> str:
        """Why something cannot be asked of one of the tags, or the answers not be measured; empty if they can."""
        limits = self._limits
        faults = (fault_of_case(messages, reference, each, self._tokenizer, limits) for each in self._prompts.values())
        return next(filter(None, faults), "")

    def fault_of_example(self, example: Example) -> str:
        """Why an example cannot be a case; empty if it can."""
        from adapterd.dataset.cases import case_of

        return self.fault(example.messages, case_of(example).reference)

    @property
    def num_ctx(self) -> int:
        """The context that tags are asked in, in tokens."""
        return self.settings.evaluation.num_ctx

    def rendered(self, name: str, messages: Sequence[Message]) -> str:
        """The text of a prompt as the tag of that name is served it."""
        return self._prompts[name].render(messages)

    def tells_thoughts_apart(self, name: str) -> bool:
        """Whether the tag's first words, where its prompt opens a thought, are delivered apart from the content."""
        return tells_thoughts_apart(self.runtime, self.tags[name], self.settings)

    def tokens(self, messages: Prompt) -> int:
        """The length of a prompt that can be asked, as the tag that makes most of it reads it."""
        return max(prompts.tokens(messages) for prompts in self._prompts.values())

    def answer_tokens(self, text: str) -> int:
        """The length of an answer."""
        return len(self._tokenizer.encode_continuation(text))

    def not_read_as_a_whole(
        self, asked: Sequence[Prompt], answers: Mapping[str, Sequence[Answer]]
    ) -> dict[int, Misread]:
        """By their places, the prompts of which some tag read more or less tokens than they have.

        Raises StageError where that is no matter of single prompts.
        """
        faults: dict[int, Misread] = {}
        for name, given in answers.items():
            read = [answer.prompt_tokens for answer in given]
            counted = [self._prompts[name].tokens(messages) for messages in asked]
            if read != counted:
                counted = self._counted_by_its_own(name, asked)
            differences = [ours - theirs for ours, theirs in zip(read, counted, strict=True)]
            self._refuse_if_general(name, asked, differences)
            for place, difference in enumerate(differences):
                if difference:
                    faults.setdefault(place, Misread(self.tags[name], read[place], counted[place]))
        return faults

    def _refuse_if_general(self, name: str, asked: Sequence[Prompt], differences: Sequence[int]) -> None:
        """Raise StageError where all prompts differ by the same, or the tags render them differently."""
        if not any(differences):
            return
        if said := same_for_all(self.tags[name], differences):
            raise StageError(said, hint="the chat template and the tokenizer of the base do not fit together")
        for other, prompts in self._prompts.items():
            if any(prompts.render(each) != self._prompts[name].render(each) for each in asked):
                raise StageError(
                    f"{self.tags[name]} renders prompts in another way than {self.tags[other]}, so they cannot be "
                    "compared by what they read of them",
                    hint="their templates differ; `adapterctl retrain --now` makes a version of the base as it is now",
                )

    def _counted_by_its_own(self, name: str, asked: Sequence[Prompt]) -> list[int]:
        """How many tokens the prompts are for a tag that may be made of another base."""
        own = self.runtime.show(self.tags[name]).gguf
        if own is None or own == self.gguf:
            return [self._prompts[name].tokens(messages) for messages in asked]
        tokenizer = Tokenizer.open(own)
        return [len(tokenizer.encode_prompt(self._prompts[name].render(messages))) for messages in asked]

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.open(self.gguf)

    @property
    def _limits(self) -> TokenLimits:
        asked = self.settings.evaluation
        return TokenLimits(asked.num_ctx, asked.num_predict, self._tokenizer.context_length)

    @cached_property
    def _prompts(self) -> dict[str, Prompts]:
        return {name: self._prompts_of(tag) for name, tag in self.tags.items()}

    def _prompts_of(self, tag: str) -> Prompts:
        think = self.settings.think.wanted

        def render(messages: Sequence[Message]) -> str:
            return self.runtime.render(tag, messages, think=think, num_ctx=self.num_ctx)

        return Prompts(render, self._tokenizer)


def tells_thoughts_apart(runtime: Runtime, tag: str, settings: ModelSettings) -> bool:
    """Whether the first words of a tag whose prompt opens a thought are delivered apart from the content."""
    options = ChatOptions(
        num_ctx=settings.evaluation.num_ctx, num_predict=FIRST_WORDS_TOKENS, think=settings.think.wanted
    )
    return not runtime.chat(tag, PLAIN, options).text


def same_for_all(tag: str, differences: Sequence[int]) -> str:
    """What it means that a tag reads of every prompt so many tokens more or less than its text has; empty where they
    are not the same number, or none. The one place that says so."""
    difference = differences[0] if len(set(differences)) == 1 else 0
    if not difference or (len(differences) == 1 and abs(difference) > FEW_TOKENS):
        return ""
    count = f"{abs(difference)} token{'s' if abs(difference) > 1 else ''}"
    if abs(difference) > FEW_TOKENS:
        return f"{tag} reads of every prompt {count} {'more' if difference > 0 else 'less'} than its text has"
    if difference > 0:
        return f"{tag} reads {count} more than the text of every prompt has: a begin-of-sequence token comes twice"
    return f"{tag} reads {count} less than the text of every prompt has: a begin-of-sequence token is missing"
