"""A no-op version: registered as a version would be, but of the base's own file, and compared with the base.

What differs between the two would differ in every version.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof.served_behaviour import (
    THINKING_OFF,
    THINKING_ON,
    SampleAnswer,
    ServedBehaviour,
    behaviour_differences,
    file_differences,
)
from adapterd.chat import Answer, ChatOptions, Message, Role
from adapterd.errors import AdapterdError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.system.locks import tags_lock

QUESTION = Message(Role.USER, "Naïve “cafés” in 東京: 12345.67 people\n\n\tdon't agree 🙂 — what is 2+2?")
"""Letters, digits, spaces and signs that tokenizers split in different ways."""
CONVERSATIONS = {
    "a plain question": (QUESTION,),
    "a question with a system prompt": (Message(Role.SYSTEM, "Answer briefly."), QUESTION),
    "a second question": (
        Message(Role.USER, "What is the capital of France?"), Message(Role.ASSISTANT, "Paris."), QUESTION
    ),
}  # fmt: skip
PLAIN = "a plain question"
ANSWER_TOKENS = 16
_THINKING = "thinking"
_THINKING_MODES = {"": None, THINKING_ON: True, THINKING_OFF: False}
_REQUIRED_PARAMETERS = ("stop",)
"""Parameters that are never left out, as answers would change without them."""
_RETIRED = re.compile("no longer|unsupported|not supported|deprecated|removed|unknown", re.IGNORECASE)


class RefusedPrompt(str):
    """The error message of a template that does not take a conversation, in place of a prompt."""


def may_think(served: ServedModel) -> bool:
    """Whether the runtime lets a tag be asked to think; it may not say."""
    return served.capabilities is None or _THINKING in served.capabilities


@dataclass(frozen=True)
class NoOpVersion:
    """A base, whose name for a person is `name`, and the tag `candidate` of the no-op version that is made of it."""

    home: Home
    runtime: Runtime
    base: BaseModel
    name: str
    candidate: str

    @contextmanager
    def registered(self) -> Iterator[tuple[str, ...]]:
        """Register the no-op version and delete it at the end; gives the parameters that had to be left out."""
        try:
            yield self._create()
        finally:
            with suppress(AdapterdError), tags_lock(self.home):
                self.runtime.delete(self.candidate)

    def compare(self, left_out: tuple[str, ...]) -> ServedBehaviour:
        """The behaviour of the base; raises UnsupportedModelError if that of the no-op version differs."""
        tags = (self.base.tag, self.candidate)
        shown = [self._shown(tag) for tag in tags]
        if lost := list(file_differences(*shown)):
            raise _refusal(self.name, lost)
        prompts = [self._prompts(served) for served in shown]  # before any answer, which loads another context
        counts = self._counts(prompts[0])
        answers = [self._sample(tag, counts) for tag in tags]
        if answers[0] != answers[1] and self._sample(self.base.tag, counts) == answers[1]:
            answers[0] = answers[1]  # the base itself does not give the same answer twice
        base, made = map(ServedBehaviour, shown, prompts, answers)
        if found := list(behaviour_differences(base, made, left_out)):
            raise _refusal(self.name, found)
        self._require_same_tokens(base, counts)
        return base

    def _create(self) -> tuple[str, ...]:
        modelfile, left_out = self.base.modelfile, []
        while True:
            try:
                with tags_lock(self.home):
                    self.runtime.create(self.candidate, self.base.gguf, self.base.digest, modelfile)
            except RuntimeRefusedError as exc:
                retired = _retired(self._named(exc), modelfile)
                if retired is None:
                    raise self._refused("no version of it could be registered", exc) from exc
                modelfile = modelfile.without_parameter(retired)
                left_out.append(retired)
            else:
                return tuple(left_out)

    def _shown(self, tag: str) -> ServedModel:
        """A tag that the runtime has made, but may not be able to read: of files that do not belong together, say."""
        try:
            return self.runtime.show(tag)
        except RuntimeRefusedError as exc:
            beside = " with its projector" if self.base.modelfile.projectors else ""
            raise self._refused(f"a version of it{beside} cannot be read back", exc) from exc

    def _prompts(self, served: ServedModel) -> dict[str, str]:
        """The prompt of each conversation by its title; a template may refuse some of them."""
        try:
            self.runtime.load(served.tag)
        except RuntimeRefusedError as exc:
            raise self._refused("it cannot be loaded", exc) from exc
        modes = _THINKING_MODES if may_think(served) else {"": None}
        found = {
            title + words: self._rendered(served.tag, messages, think)
            for title, messages in CONVERSATIONS.items()
            for words, think in modes.items()
        }
        if isinstance(refused := found[PLAIN], RefusedPrompt):
            raise UnsupportedModelError(
                f"{self.name} cannot be asked: {refused}",
                hint="its chat template does not take a plain question; give a base with another one",
            )
        return found

    def _rendered(self, tag: str, messages: Sequence[Message], think: bool | None) -> str:
        try:
            return self.runtime.render(tag, messages, think=think)
        except RuntimeRefusedError as exc:
            return RefusedPrompt(self._named(exc))

    def _counts(self, prompts: Mapping[str, str]) -> dict[str, int]:
        """The number of tokens that training makes of each conversation that the template takes."""
        from adapterd.base.gguf.tokenizer import Tokenizer

        tokenizer = Tokenizer.open(self.base.gguf)
        taken = {title: prompts[title] for title in CONVERSATIONS if not isinstance(prompts[title], RefusedPrompt)}
        return {title: len(tokenizer.encode_prompt(prompt)) for title, prompt in taken.items()}

    def _sample(self, tag: str, counts: Mapping[str, int]) -> SampleAnswer:
        answer = self._ask(tag, PLAIN, ANSWER_TOKENS, counts)
        return SampleAnswer(answer.text, answer.answer_tokens, answer.prompt_tokens)

    def _ask(self, tag: str, conversation: str, tokens: int, counts: Mapping[str, int]) -> Answer:
        context = max(ChatOptions().num_ctx, 2 * max(counts.values()))  # some templates bring a long system prompt
        options = ChatOptions(num_ctx=context, num_predict=tokens)
        try:
            return self.runtime.chat(tag, CONVERSATIONS[conversation], options)
        except RuntimeRefusedError as exc:
            raise self._refused("it cannot be asked", exc) from exc

    def _require_same_tokens(self, base: ServedBehaviour, counts: Mapping[str, int]) -> None:
        """Raise UnsupportedModelError unless each prompt has as many tokens in serving as in training."""
        for conversation, ours in counts.items():
            served = base.sample_answer.prompt_tokens
            if conversation != PLAIN:
                served = self._ask(self.base.tag, conversation, 1, counts).prompt_tokens
            if served != ours:
                raise UnsupportedModelError(
                    f"{self.name} is served with {served} tokens for {conversation}, of which training would make "
                    f"{ours}, so it would be trained on other tokens than it is asked with",
                    hint="its tokenizer's metadata are incomplete, or its template writes a start token; convert the "
                    "model anew (convert_hf_to_gguf.py of llama.cpp) or correct the TEMPLATE, and give that",
                )

    def _refused(self, what: str, exc: RuntimeRefusedError) -> RuntimeRefusedError:
        return type(exc)(f"{self.name} cannot be a base, for {what}: {self._named(exc)}", hint=exc.hint)

    def _named(self, exc: Exception) -> str:
        """The message of an error, with the base's name in place of the tags."""
        return str(exc).replace(self.candidate, self.name).replace(self.base.tag, self.name)


def _retired(reason: str, modelfile: Modelfile) -> str | None:
    """The parameter that the runtime refuses as retired, None if it refuses for another reason."""
    names = (name for name in modelfile.parameters if re.search(rf"\b{re.escape(name)}\b", reason))
    return next((name for name in names if name not in _REQUIRED_PARAMETERS and _RETIRED.search(reason)), None)


def _refusal(name: str, found: list[str]) -> UnsupportedModelError:
    rewritten = any(" is stored as " in each for each in found)
    return UnsupportedModelError(
        f"a version made of {name} would not be served as {name} is: {'; '.join(found)}",
        hint="Ollama 0.30.0 to 0.34.0 rewrite files; update it, then give the command again"
        if rewritten
        else "make a tag that this release of Ollama can make again (`ollama show --modelfile TAG`, then "
        "`ollama create`), and give that as the base",
    )
