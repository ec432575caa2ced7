"""What teachers made, as it is exported beside what people said: what a run would train on."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.curation.synthetic import answers_now, synthetic_beside
from adapterd.dataset.examples import Example
from adapterd.dataset.export import Better, Part, StatedPair
from adapterd.formats.synthetic import TeacherExample
from adapterd.record import FeedbackRecord


@dataclass
class OfTeachers:
    """The examples that teachers `made`, and what people said of their prompts and of the records that they were made
    from, as far as that was seen.

    Once `items` was called, `left_out` counts what a run would not train on, by reason."""

    made: Sequence[TeacherExample] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)
    _people: dict[str, str] = field(default_factory=dict)
    _prompts: frozenset[str] = frozenset()
    _records: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._prompts = frozenset(each.prompt_hash for each in self.made)
        self._records = frozenset(record for each in self.made for record in each.records)

    def see(self, records: Iterable[FeedbackRecord], examples: Collection[Example]) -> None:
        """Note which prompts people answered, and how, by records with all that was said of the same prompts."""
        self._said |= self._prompts.intersection(each.prompt_hash for each in examples)
        self._people |= answers_now((each for each in records if each.content_hash in self._records), examples)

    def items(
        self,
        cases: Sequence[EvaluationCase],
        settings: DatasetSettings,
        unusable: Callable[[Example], str],
        validating: AbstractSet[str],
        held: AbstractSet[str],
    ) -> Iterator[tuple[Example | StatedPair, Part]]:
        """What a run would train on, with the set that it is in. `cases` are those of all sets there ever were;
        `validating` are the prompts that validate of those of people, `held` the records that must not be taught."""
        chosen = synthetic_beside(
            self.made, said=self._said, people=self._people, held=held,
            judged_hashes={each.prompt_hash for each in cases}, judged=cases, validating=len(validating),
            settings=settings, unusable=unusable,
        )  # fmt: skip
        self.left_out = {f"made by teachers, and {reason}": n for reason, n in chosen.left_out.items()}
        yield from ((each, Part.TRAIN) for each in chosen.train)
        yield from ((each, Part.VALIDATION) for each in chosen.validation)
        validates = validating | {each.prompt_hash for each in chosen.validation}
        for pair in chosen.pairs:
            part = Part.VALIDATION if pair.prompt_hash in validates else Part.TRAIN
            yield StatedPair(pair, Better.BETTER), part
