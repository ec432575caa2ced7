"""Own mistakes: answers of the model in training that ran on, and how they become a training of a few steps."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

from adapterd.formats.encoded import EncodedExample
from adapterd.training.mistakes.repetition import begun_again

ANSWER_IDS = 160
"""Of a mistake so many ids are taken: whatever comes later follows from the repetitions before it."""
FEWEST_PLACES = 4
"""Fewer repetitions are in right answers, too."""
VISITS = 30
"""So often a mistake is unlearned, and an example beside it."""


@dataclass(frozen=True)
class OwnMistake(EncodedExample):
    """An answer of the model in training to the prompt of an example; what it says at the `places` it should not."""

    places: tuple[int, ...] = ()

    @property
    def targets(self) -> Sequence[int]:
        return self.places

    @property
    def imitated(self) -> bool:
        return False


def own_mistake(example: EncodedExample, ids: Sequence[int], is_word: Callable[[int], bool]) -> OwnMistake | None:
    """What is wrong with an answer to the example's prompt that was cut, by its ids; None where it does not repeat
    itself."""
    said, prompt = tuple(ids[:ANSWER_IDS]), example.ids[: example.prompt_tokens]
    places = begun_again(said, is_word)
    if len(places) < FEWEST_PLACES:
        return None
    after_prompt = tuple(len(prompt) + place for place in places)
    return OwnMistake((*prompt, *said), len(prompt), example.record, places=after_prompt)


def unlearning_examples(
    mistakes: Sequence[EncodedExample], examples: Sequence[EncodedExample]
) -> tuple[EncodedExample, ...]:
    """As many visits of mistakes as of examples from all over; a mistake weighs as much as an example does, however few
    of its ids carry loss."""
    beside = list(_spread(examples, VISITS))
    typical = sum(len(each.targets) for each in beside) / len(beside)
    weighing = [replace(each, weight=typical / len(each.targets)) for each in mistakes]
    return (*islice(cycle(weighing), VISITS), *beside)


def _spread(examples: Sequence[EncodedExample], count: int) -> Iterator[EncodedExample]:
    """So many, evenly spread over all; some several times where there are fewer."""
    return (examples[place * len(examples) // count] for place in range(count))
