"""Balancing a training set: no group of examples is much larger than the others."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from statistics import median_low

from adapterd.chat import without_thought
from adapterd.config import Balance
from adapterd.dataset.examples import Example

MOST_LABELS = 50
"""With more different answers than this, answers are no labels."""
LONGEST_LABEL = 40
"""Characters; a longer answer is no label."""

SEVERAL = 3
"""A label that was given fewer times may be a slip, by which no other is measured."""


def balanced(newest_first: Sequence[Example], by: Balance, cap: float) -> list[Example]:
    """The examples without the oldest of every group that is larger than `cap` times the median group, of two in the
    middle the smaller one. Rare labels do not count for that. Examples that belong to no group stay."""
    group_of = grouping(newest_first, by)
    groups: dict[Hashable, list[Example]] = defaultdict(list)
    for example in newest_first:
        if (group := group_of(example)) is not None:
            groups[group].append(example)
    if len(groups) < 2:
        return list(newest_first)
    sizes = [len(members) for members in groups.values()]
    common = [size for size in sizes if size >= SEVERAL] if by is Balance.LABEL else sizes
    most = max(1, int(cap * median_low(common or sizes)))
    dropped = {id(example) for members in groups.values() for example in members[most:]}
    return [each for each in newest_first if id(each) not in dropped]


def grouping(examples: Sequence[Example], by: Balance) -> Callable[[Example], Hashable | None]:
    """What group an example belongs to, None for none."""
    if by is Balance.LABEL:
        labels = labels_of(examples)
        return lambda example: label_of(example) if label_of(example) in labels else None
    return lambda example: stratum_of(example, by)


def stratum_of(example: Example, by: Balance) -> str | None:
    """The stratum of the validation set that an example is in, None for none; other examples make no difference to it,
    so that it stays the same while they arrive."""
    if by is Balance.LABEL:
        label = label_of(example)
        return label if len(label) <= LONGEST_LABEL else None
    if by is Balance.OUTPUT_TYPE:
        return example.output_type
    return example.source_id if by is Balance.SOURCE else None


def labels_of(examples: Sequence[Example]) -> set[str]:
    """The different answers, where they are so few that they are labels; none otherwise."""
    labels = {label_of(example) for example in examples}
    return labels if len(labels) <= MOST_LABELS and 2 * len(labels) <= len(examples) else set()


def label_of(example: Example) -> str:
    """An answer as a label: without regard to case and white space."""
    return " ".join(without_thought(example.completion).casefold().split())
