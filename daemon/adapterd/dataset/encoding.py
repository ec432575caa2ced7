"""Examples become token ids, by the served template and the served tokenizer (law 1).

At serving time the runtime renders the prompt, tokenises that text, and the model then emits one token after the
other. So prompt and completion are tokenised apart, and joined as ids: the same ids in training and in serving.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Message, Render, Role
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.thoughts import Thoughts, always
from adapterd.formats.encoded import EncodedExample, EncodedPair

_MARK = "MARKED-ANSWER"


@dataclass(frozen=True)
class TokenStatistics:
    """Lengths in tokens of the examples of a set, those left out as too long not counted."""

    examples: int
    too_long: int
    prompt_median: float
    prompt_max: int
    completion_median: float
    completion_max: int
    total: int


def encode(
    examples: Sequence[Example],
    render: Render,
    tokenizer: Tokenizer,
    end_of_turn: int,
    apart: Callable[[], bool] = always,
) -> Iterator[EncodedExample]:
    """Encode one after the other, so that a caller can report progress; `apart` says whether thoughts that a prompt
    has opened are delivered apart from the content."""
    thoughts = Thoughts(render, tokenizer, apart)
    for example in examples:
        text = render(example.messages)
        prompt = tokenizer.encode_prompt(text)
        ids = (*prompt, *thoughts.completion(text, example.completion), end_of_turn)
        yield EncodedExample(ids, len(prompt), example.record, example.output_type)


def encode_pairs(
    pairs: Iterable[PreferencePair],
    render: Render,
    tokenizer: Tokenizer,
    end_of_turn: int,
    apart: Callable[[], bool] = always,
) -> Iterator[EncodedPair]:
    """Encode one after the other, as examples are."""
    thoughts = Thoughts(render, tokenizer, apart)
    for pair in pairs:
        text = render(pair.messages)
        prompt = tokenizer.encode_prompt(text)
        chosen, rejected = (
            (*prompt, *thoughts.completion(text, said), end_of_turn) for said in (pair.chosen, pair.rejected)
        )
        yield EncodedPair(chosen, rejected, len(prompt), pair.record, pair.imitate)


def end_of_turn(render: Render, tokenizer: Tokenizer) -> int:
    """The id that ends an answer: the one right after an answer inside a rendered conversation, if it ends
    generation; else what the tokenizer's metadata name. Without it a model never stops (ollama #3759)."""
    ask = Message(Role.USER, "Yes?")
    text = render((ask, Message(Role.ASSISTANT, _MARK), ask))
    _, found, after = text.partition(_MARK)
    beginning = len(tokenizer.encode_prompt(""))  # where the model wants a begin-of-sequence token
    ids = tokenizer.encode_prompt(after.lstrip())[beginning:] if found else []
    return ids[0] if ids and tokenizer.is_end_of_generation(ids[0]) else tokenizer.end_of_turn_id


def statistics(kept: Sequence[EncodedExample], too_long: int) -> TokenStatistics:
    """Summarise a set."""
    prompts = [example.prompt_tokens for example in kept] or [0]
    completions = [example.completion_tokens for example in kept] or [0]
    return TokenStatistics(
        examples=len(kept),
        too_long=too_long,
        prompt_median=median(prompts),
        prompt_max=max(prompts),
        completion_median=median(completions),
        completion_max=max(completions),
        total=sum(prompts) + sum(completions),
    )
