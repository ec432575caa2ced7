"""Proving a base before anything is trained: what a version inherits is registered once with the base's own file, and
compared with the base.

Whatever the runtime would refuse, lose or change at the end of a night shows here in the first seconds. It is done at
`init`, and again before a run when the runtime or the base is another than the one that it was done with.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Answer, ChatOptions, Message, Role
from adapterd.config import Settings
from adapterd.errors import AdapterdError, RuntimeRefusedError, UnsupportedModelError
from adapterd.home import Home, make_private
from adapterd.lifecycle import child
from adapterd.lifecycle.deploy import tags_lock
from adapterd.lifecycle.parity import Observed, Reply, differences, undated
from adapterd.lifecycle.plain import dumps, from_plain
from adapterd.lifecycle.runtimes import fingerprint, pinned_base, runtime_for
from adapterd.serving.runtime import Runtime, ServedModel
from adapterd.serving.tags import ModelTags
from adapterd.system.files import write_atomic

QUESTION = Message(Role.USER, "Naïve “cafés” in 東京: 12345.67 people\n\n\tdon't agree 🙂 — what is 2+2?")
"""Letters, digits, spaces and signs that tokenizers treat differently."""
CONVERSATIONS = {
    "a plain question": (QUESTION,),
    "a question with a system prompt": (Message(Role.SYSTEM, "Answer briefly."), QUESTION),
    "a second question": (
        Message(Role.USER, "What is the capital of France?"), Message(Role.ASSISTANT, "Paris."), QUESTION
    ),
}  # fmt: skip
PLAIN = "a plain question"
ANSWER_TOKENS = 16
_THINKING, _REFUSED = "thinking", "refused: "
_WAYS = {"": None, ", thinking on": True, ", thinking off": False}
_KEPT_ALWAYS = ("stop",)
"""Without these a model would be served otherwise than it answered so far."""
_RETIRED = re.compile("no longer|unsupported|not supported|deprecated|removed|unknown", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """What a base was proven with: the runtime's release, the digest of the base's tag, the template in use there.

    `left_out` are parameters of the base that the runtime takes no more; `prompting` is the identity of how it prompts
    the base, whatever the day.
    """

    runtime: str
    digest: str
    template: str
    left_out: tuple[str, ...]
    prompting: str

    def is_of(self, runtime: Runtime, served: ServedModel) -> bool:
        """Whether it would come out the same now."""
        return (self.runtime, self.digest, self.template) == _identity(runtime, served)

    def completed(self, base: BaseModel) -> BaseModel:
        """The base with what its versions inherit."""
        modelfile = base.modelfile
        for name in self.left_out:
            modelfile = modelfile.without_parameter(name)
        return replace(base, modelfile=modelfile, prompting=self.prompting)

    def notes(self, base: BaseModel) -> Iterator[str]:
        """What a person should know of it."""
        for name in self.left_out:
            value = base.modelfile.parameters.get(name)
            yield (
                f"versions do without the base's parameter {name} = {value}, which {self.runtime} takes from older "
                "tags only; it matters only to applications that ask with a temperature above 0"
            )


def proven_base(
    home: Home,
    settings: Settings,
    runtime: Runtime,
    model: str,
    base: BaseModel,
    tell: Callable[[str], object] = lambda _sentence: None,
) -> BaseModel:
    """The pinned base with what its versions inherit, proven anew if the runtime or the base is another than before.

    Raises UnsupportedModelError or RuntimeRefusedError if a version of it could not be served as it is.
    """
    served = runtime.show(base.tag)
    proof = _kept(home, model)
    if proof is None or not proof.is_of(runtime, served):
        proof = child.call(_prove_pinned, home, settings, model)
        keep(home, model, proof)
        for sentence in proof.notes(base):
            tell(sentence)
    return proof.completed(base)


def _prove_pinned(home: Home, settings: Settings, model: str) -> Proof:
    runtime = runtime_for(settings, home)
    return prove(home, runtime, model, pinned_base(runtime, model, settings.models[model]))


def prove(home: Home, runtime: Runtime, model: str, base: BaseModel, name: str = "") -> Proof:
    """Make `NAME:candidate` as a version would be made, but of the base's own file, and compare it with the base's tag.

    The candidate is gone afterwards, whatever comes. `name` is what a person calls the base. Raises
    UnsupportedModelError or RuntimeRefusedError with what would be lost or changed.
    """
    name, candidate = name or base.tag, ModelTags(model).candidate
    with _trial(home, runtime, candidate, base, name) as left_out:
        there = _observe(runtime, base.tag, name)
        made = _observe(runtime, candidate, name)
        if there.reply != made.reply and made.reply == _reply(runtime, base.tag):
            there = replace(there, reply=made.reply)  # it is the base that does not say the same twice
        if found := list(differences(there, made, left_out)):
            raise _refusal(name, found)
        _require_same_tokens(runtime, base, there, name)
    prompting = fingerprint(dumps({title: undated(prompt) for title, prompt in there.prompts.items()}))
    return Proof(*_identity(runtime, there.served), left_out, prompting)


def keep(home: Home, model: str, proof: Proof) -> None:
    """Write down what the base was proven with."""
    file = home.base_proof(model)
    make_private(file.parent)
    write_atomic(file, dumps(proof))


def _kept(home: Home, model: str) -> Proof | None:
    try:
        return from_plain(json.loads(home.base_proof(model).read_bytes()), Proof)
    except Exception:  # missing, damaged or of another release: it is proven anew
        return None


def _identity(runtime: Runtime, served: ServedModel) -> tuple[str, str, str]:
    return f"{runtime.name} {runtime.version()}", served.digest, fingerprint(served.template_in_use or "")


@contextmanager
def _trial(home: Home, runtime: Runtime, tag: str, base: BaseModel, name: str) -> Iterator[tuple[str, ...]]:
    """The candidate while it is needed; gives the parameters that had to be left out."""
    try:
        yield _create(home, runtime, tag, base, name)
    finally:
        with suppress(AdapterdError), tags_lock(home):
            runtime.delete(tag)


def _create(home: Home, runtime: Runtime, tag: str, base: BaseModel, name: str) -> tuple[str, ...]:
    modelfile: Modelfile = base.modelfile
    left_out: list[str] = []
    while True:
        try:
            with tags_lock(home):
                runtime.create(tag, base.gguf, base.digest, modelfile)
        except RuntimeRefusedError as exc:
            reason = str(exc).replace(tag, name)
            retired = _retired(reason, modelfile)
            if retired is None:
                raise type(exc)(f"no version of {name} could be registered: {reason}", hint=exc.hint) from exc
            modelfile = modelfile.without_parameter(retired)
            left_out.append(retired)
        else:
            return tuple(left_out)


def _retired(reason: str, modelfile: Modelfile) -> str | None:
    """The parameter that the runtime says it takes no more."""
    names = (name for name in modelfile.parameters if re.search(rf"\b{re.escape(name)}\b", reason))
    return next((name for name in names if name not in _KEPT_ALWAYS and _RETIRED.search(reason)), None)


def _observe(runtime: Runtime, tag: str, name: str) -> Observed:
    """What a tag is made of, how it is prompted, and what it answers; the tag is called by the base's name in it."""
    served = runtime.show(tag)
    thinks = served.capabilities is None or _THINKING in served.capabilities
    prompts = dict(_prompts(runtime, tag, name, thinks=thinks))
    if (refused := prompts[PLAIN]).startswith(_REFUSED):
        raise UnsupportedModelError(
            f"{name} cannot be asked: {refused.removeprefix(_REFUSED)}",
            hint="its chat template does not take a plain question; give a base with another one",
        )
    return Observed(served, prompts, _reply(runtime, tag))


def _prompts(runtime: Runtime, tag: str, name: str, *, thinks: bool) -> Iterator[tuple[str, str]]:
    """(what is special about it, its prompt) of each conversation; a template may refuse some of them."""
    for title, messages in CONVERSATIONS.items():
        for words, think in _WAYS.items() if thinks else [("", None)]:
            try:
                yield title + words, runtime.render(tag, messages, think=think)
            except RuntimeRefusedError as exc:
                yield title + words, _REFUSED + str(exc).replace(tag, name)


def _reply(runtime: Runtime, tag: str) -> Reply:
    answer = _ask(runtime, tag, PLAIN, ANSWER_TOKENS)
    return Reply(answer.text, answer.answer_tokens, answer.prompt_tokens)


def _ask(runtime: Runtime, tag: str, conversation: str, tokens: int) -> Answer:
    return runtime.chat(tag, CONVERSATIONS[conversation], ChatOptions(num_predict=tokens))


def _require_same_tokens(runtime: Runtime, base: BaseModel, observed: Observed, name: str) -> None:
    """Raise UnsupportedModelError unless prompts are as many tokens when they are served as training makes of them."""
    from adapterd.base.tokenizer import Tokenizer

    tokenizer = Tokenizer.open(base.gguf)
    for conversation in CONVERSATIONS:
        prompt = observed.prompts[conversation]
        if prompt.startswith(_REFUSED):
            continue
        ours = len(tokenizer.encode_prompt(prompt))
        served = (
            observed.reply.prompt_tokens
            if conversation == PLAIN
            else _ask(runtime, base.tag, conversation, 1).prompt_tokens
        )
        if served != ours:
            raise UnsupportedModelError(
                f"{name} is served with {served} tokens for {conversation}, of which training would make {ours}, so it "
                "would be trained on other tokens than it is asked with",
                hint="its tokenizer's metadata are incomplete or its template writes a start token; convert the model "
                "anew (convert_hf_to_gguf.py of llama.cpp) or correct the TEMPLATE, and give that",
            )


def _refusal(name: str, found: list[str]) -> UnsupportedModelError:
    rewritten = any(" is stored as " in each for each in found)
    return UnsupportedModelError(
        f"a version made of {name} would not be served as {name} is: {'; '.join(found)}",
        hint="Ollama 0.30.0 to 0.34.0 rewrite files; update it, then give the command again"
        if rewritten
        else "make a tag that this release of Ollama can make again (`ollama show --modelfile TAG`, then "
        "`ollama create`), and give that as the base",
    )
