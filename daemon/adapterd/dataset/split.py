"""Who learns, who chooses, who judges: a temporal split without leaks.

The newest prompts judge (the frozen evaluation set), the newest of the rest choose the best step (validation), the
others are trained on. Once frozen, a set stays: none of its prompts is ever trained on, whatever arrives later.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from adapterd.chat import Prompt, as_dicts, from_dicts, without_thought
from adapterd.config import DatasetSettings
from adapterd.dataset.near_duplicates import nearly_among
from adapterd.dataset.teaching import Example, PreferencePair
from adapterd.errors import NotEnoughDataError

MIN_EXAMPLES = 10
LEAST_EXAMPLES = 2
"""One to learn from, and one to choose the best step by."""


@dataclass(frozen=True)
class EvaluationCase:
    """One case of a frozen set: what is asked, and what a good answer is. `id` is the prompt's hash."""

    id: str
    messages: Prompt
    reference: str
    record: str
    source_id: str | None = None

    def as_dict(self) -> dict[str, object]:
        """Plain values, for the store."""
        return {**vars(self), "messages": as_dicts(self.messages)}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "EvaluationCase":
        """The reverse of `as_dict`."""
        return cls(**{**values, "messages": from_dicts(values["messages"])})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Split:
    """The sets, and how many examples were left out: as duplicates, because they belong to a frozen set, or because
    they are nearly the same as one that does."""

    train: list[Example]
    validation: list[Example]
    evaluation: list[EvaluationCase]
    duplicates: int
    held_out: int
    near_duplicates: int


def content_hash(cases: Sequence[EvaluationCase]) -> str:
    """The identity of a frozen set: SHA-256 over its cases in order."""
    text = json.dumps([case.as_dict() for case in cases], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def split(
    examples: Iterable[Example],
    settings: DatasetSettings,
    *,
    frozen: Sequence[EvaluationCase],
    judged: AbstractSet[str],
) -> Split:
    """Divide the examples. `frozen` is the set in force (empty: one is made now), `judged` the prompt hashes of all
    sets there ever were. Raises NotEnoughDataError when fewer than MIN_EXAMPLES distinct prompts are left."""
    everything = list(examples)
    newest_first = newest_of_each_prompt(everything)
    usable = [example for example in newest_first if example.prompt_hash not in judged]
    if len(usable) < MIN_EXAMPLES:
        raise NotEnoughDataError(
            f"there are {len(usable)} examples with distinct prompts to learn from, and {MIN_EXAMPLES} are needed",
            hint="corrections and answers rated 4 or 5 teach; see `adapterctl feedback list`",
        )
    cases = list(frozen)
    if not cases:
        count = min(settings.evaluation_max, max(1, round(len(usable) * settings.evaluation_share)), len(usable) - 2)
        cases, usable = [case_of(example) for example in usable[:count]], usable[count:]
    usable, near_duplicates = _unlike(usable, cases)
    validating = min(max(1, round(len(usable) * settings.validation_share)), len(usable) - 1)
    return Split(
        train=usable[validating:],
        validation=usable[:validating],
        evaluation=cases,
        duplicates=len(everything) - len(newest_first),
        held_out=sum(example.prompt_hash in judged for example in newest_first),
        near_duplicates=near_duplicates,
    )


def _unlike(examples: Sequence[Example], cases: Sequence[EvaluationCase]) -> tuple[list[Example], int]:
    """The examples whose prompts are not nearly that of a case, and how many are; raises NotEnoughDataError where
    hardly any are left."""
    near = nearly_among([example.messages for example in examples], [case.messages for case in cases])
    unlike = [example for example, is_near in zip(examples, near, strict=True) if not is_near]
    if len(unlike) < LEAST_EXAMPLES:
        raise NotEnoughDataError(
            f"all but {len(unlike)} of {len(examples)} prompts are nearly the same as one of the evaluation set",
            hint="more varied feedback is needed; the set was made of the newest",
        )
    return unlike, len(examples) - len(unlike)


def split_pairs(
    pairs: Iterable[PreferencePair], sets: Split, judged: AbstractSet[str], settings: DatasetSettings
) -> tuple[list[PreferencePair], list[PreferencePair]]:
    """The pairs to train on and those to validate with: where the examples of their prompts are. None whose prompt is,
    or nearly is, in an evaluation set."""
    evaluated = judged | {case.id for case in sets.evaluation}
    unseen = [pair for pair in pairs if pair.prompt_hash not in evaluated]
    near = nearly_among([pair.messages for pair in unseen], [case.messages for case in sets.evaluation])
    usable = [pair for pair, is_near in zip(unseen, near, strict=True) if not is_near]
    trained, validated = ({example.prompt_hash for example in each} for each in (sets.train, sets.validation))

    def validates(pair: PreferencePair) -> bool:
        if pair.prompt_hash in trained or pair.prompt_hash in validated:
            return pair.prompt_hash in validated
        return int(pair.prompt_hash[:8], 16) / 16**8 < settings.validation_share

    return [pair for pair in usable if not validates(pair)], [pair for pair in usable if validates(pair)]


def newest_of_each_prompt(examples: Iterable[Example]) -> list[Example]:
    """One example per prompt, newest first; where two answers contradict each other, the later one was meant."""
    newest: dict[str, Example] = {}
    for example in sorted(examples, key=lambda e: e.created_at):
        newest[example.prompt_hash] = example
    return sorted(newest.values(), key=lambda example: (example.created_at, example.record), reverse=True)


def case_of(example: Example) -> EvaluationCase:
    """The case that an example makes."""
    return EvaluationCase(
        id=example.prompt_hash,
        messages=example.messages,
        reference=without_thought(example.completion),
        record=example.record,
        source_id=example.source_id,
    )
