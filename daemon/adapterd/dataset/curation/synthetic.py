"""What teachers made, beside what people said: it is trained on, and never frozen nor a reference."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from adapterd.config import DatasetSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.leaks.conversations import Judged, gives_away
from adapterd.dataset.leaks.near_duplicates import near_duplicates_of
from adapterd.formats.synthetic import TeacherExample
from adapterd.record import FeedbackRecord

FEW_VALIDATING = 20
"""Where people's examples that validate are fewer, some of the teachers' do, too: no one's loss would say much else."""

SAID_BY_PEOPLE = "prompts that people answered"
REPLACED = "made from what people said otherwise since"
HELD = "made from records that are held"
NEAR_FROZEN = "in a frozen set, or nearly the same"
GIVES_AWAY = "give a frozen case away"
UNUSABLE = "unusable or copied"
BEYOND = "beyond dataset.max_synthetic"


@dataclass(frozen=True)
class Synthetic:
    """The examples that are trained on and those that validate, the pairs, and how many were left out, by reason."""

    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    pairs: list[PreferencePair] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


def synthetic_beside(
    made: Sequence[TeacherExample],
    *,
    said: AbstractSet[str],
    people: Mapping[str, str],
    held: AbstractSet[str],
    judged_hashes: AbstractSet[str],
    judged: Sequence[EvaluationCase],
    validating: int,
    settings: DatasetSettings,
    unusable: Callable[[Example], str],
) -> Synthetic:
    """Choose among what teachers `made`. `said` are the prompts whose right answer people gave: theirs counts. `judged`
    are the cases of all sets there ever were, `judged_hashes` their prompts; `validating` examples of people validate.
    `people` is, by record, the right answer to its prompt as they say now, empty where they say of none; `held` are
    records that must not be taught.
    """
    left_out, examples, pairs = Counter[str](), list[Example](), list[PreferencePair]()
    newest_first = sorted(made, key=lambda each: (each.made_at, each.id), reverse=True)
    for each, reason in zip(newest_first, _leaks(newest_first, judged_hashes, judged), strict=True):
        example = _example(each)
        if not reason and each.rejected is None and example.prompt_hash in said:
            reason = SAID_BY_PEOPLE
        reason = reason or _of_its_records(each, people, held)
        if not reason and unusable(example):
            reason = UNUSABLE
        if not reason and len(examples) + len(pairs) >= settings.max_synthetic:
            reason = BEYOND
        if reason:
            left_out[reason] += 1
        elif each.rejected is None:
            examples.append(example)
        else:
            pairs.append(_pair(each, each.rejected))
    wanted = max(0, min(round(len(examples) * settings.validation_share), FEW_VALIDATING - validating))
    every = max(2, len(examples) // wanted) if wanted else len(examples) + 1
    validation = examples[every - 1 :: every][:wanted]
    taken = {id(each) for each in validation}
    return Synthetic([each for each in examples if id(each) not in taken], validation, pairs, dict(left_out))


def as_many_as_teach(
    made: Sequence[TeacherExample], said: AbstractSet[str], people: Mapping[str, str], held: AbstractSet[str], most: int
) -> int:
    """How many of the examples can be trained on beside what people `said`, at most: pairs are none."""
    own = [each for each in made if each.rejected is None and each.prompt_hash not in said]
    return min(most, sum(not _of_its_records(each, people, held) for each in own))


def answers_now(records: Iterable[FeedbackRecord], examples: Iterable[Example]) -> dict[str, str]:
    """By the content hash of each record the right answer to its prompt, empty where the examples have none."""
    answers = {each.prompt_hash: each.completion for each in examples}
    return {each.content_hash: answers.get(each.prompt_hash, "") for each in records}


def _of_its_records(each: TeacherExample, people: Mapping[str, str], held: AbstractSet[str]) -> str:
    """Why it must not be trained on, as what it was made from is not any more; empty if it is."""
    if not held.isdisjoint(each.records):
        return HELD
    is_replaced = any(people.get(record, each.answer) != each.answer for record in each.records)
    return REPLACED if each.answer_is_persons and is_replaced else ""


def _leaks(
    made: Sequence[TeacherExample], judged_hashes: AbstractSet[str], judged: Sequence[EvaluationCase]
) -> list[str]:
    """Of each why it must not be trained on, as it is too near what judges; empty for the others."""
    prompts = [each.messages for each in made]
    near = near_duplicates_of(prompts, [case.messages for case in judged])
    gives = gives_away(prompts, [Judged(case.messages, case.reference) for case in judged])
    return [
        NEAR_FROZEN if is_near or each.prompt_hash in judged_hashes else GIVES_AWAY if is_given else ""
        for each, is_near, is_given in zip(made, near, gives, strict=True)
    ]


def _example(each: TeacherExample) -> Example:
    return Example(
        each.messages, each.answer, each.record, each.prompt_hash, each.made_at, origin=f"teacher {each.teacher}"
    )


def _pair(each: TeacherExample, rejected: str) -> PreferencePair:
    return PreferencePair(each.messages, each.answer, rejected, each.record, each.prompt_hash, each.made_at)
