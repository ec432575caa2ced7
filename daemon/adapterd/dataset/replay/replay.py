"""The base's own answers as examples (rehearsal by generated data: "pseudo-rehearsal", Robins 1995).

A LoRA adapter that learns one task answers everything as if it were that task. A share of general prompts with what the
untouched base says to them keeps it from that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import Prompt, Render
from adapterd.dataset.replay.prompts import replay_prompts
from adapterd.dataset.thoughts import Thoughts
from adapterd.formats.encoded import EncodedExample, general_per_epoch

ANSWER_TOKENS = 64
"""Of the longest answer; one that is cut there teaches no end."""
MOST_EPOCHS = 8
"""Of a training whose epochs are not said."""
RECORD = "replay"
"""What stands in place of a feedback record."""


@dataclass(frozen=True)
class BaseAnswer:
    """What the base said, and whether it came to its end."""

    text: str
    complete: bool


AskBase = Callable[[Prompt], BaseAnswer]


@dataclass(frozen=True)
class Replay:
    """Which share of the loss is to be of general prompts, how the base is asked, and how many epochs the training has,
    each with other prompts than the one before."""

    share: float
    ask: AskBase
    epochs: int = MOST_EPOCHS

    def examples(
        self,
        taught: Sequence[EncodedExample],
        render: Render,
        tokenizer: Tokenizer,
        end_of_turn: int,
        apart: Callable[[], bool],
        longest: int,
    ) -> list[EncodedExample]:
        """As many as all epochs of the training have, as far as there are prompts, weighing the share together. An
        empty answer, and one of more than `longest` ids with its prompt, is left out."""
        count = general_per_epoch(len(taught)) * self.epochs if self.share else 0
        thoughts, found = Thoughts(render, tokenizer, apart), list[EncodedExample]()
        for prompt in replay_prompts()[:count]:
            said = self.ask(prompt)
            if said.text.strip():
                text = render(prompt)
                ids = tokenizer.encode_prompt(text)
                end = (end_of_turn,) if said.complete else ()
                whole = (*ids, *thoughts.completion(text, said.text), *end)
                if len(ids) < len(whole) <= longest:
                    found.append(EncodedExample(whole, len(ids), RECORD))
        return _weighing(found, taught, self.share)


def _weighing(found: Sequence[EncodedExample], taught: Sequence[EncodedExample], share: float) -> list[EncodedExample]:
    """The examples with weights by which all of them have that share of the loss, or less where they are few: none
    weighs more than 1."""
    targets, of_taught = (sum(each.weight * each.completion_tokens for each in group) for group in (found, taught))
    weight = min(1.0, of_taught * share / (1 - share) / targets) if targets else 1.0
    return [replace(each, weight=weight) for each in found]
