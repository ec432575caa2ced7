"""A judge whose findings are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapterd.base.gguf.llama_model import GreedyAnswer
from adapterd.formats.encoded import EncodedExample
from adapterd.training.choice.by_answers import AnswerScore


def _says_nothing(_example: EncodedExample) -> GreedyAnswer:
    return GreedyAnswer((), complete=True)


@dataclass
class KnownAnswers:
    """Finds the `score` of each folder; `says` is what an adapter answers to the prompt of an example. `asked` are the
    folders whose answers were wanted, with the examples."""

    score: Callable[[Path], AnswerScore]
    says: Callable[[EncodedExample], GreedyAnswer] = _says_nothing
    asked: list[tuple[Path, list[EncodedExample]]] = field(default_factory=list)

    def __call__(self, adapter: Path) -> AnswerScore:
        return self.score(adapter)

    def answers(self, adapter: Path, examples: Sequence[EncodedExample]) -> list[GreedyAnswer]:
        self.asked.append((adapter, list(examples)))
        return [self.says(example) for example in examples]
