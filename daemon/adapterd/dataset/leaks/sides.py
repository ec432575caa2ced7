"""On which side of the split sources and conversations are."""

from collections import Counter
from collections.abc import Sequence

from adapterd.config import Sources
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.leaks.groups import Member, groups_of

TOO_LARGE = 0.25
"""The share of the examples from which on a group that is partly in a frozen set is trained on all the same, unless it
would have had a place in the set."""
MOST_LEFT_OUT = 0.5
"""The share of the examples that may be left out of training because their groups are in a frozen set."""


class Groups:
    """What belongs together among the usable examples and the frozen cases: a source or a conversation, if these are
    to be on one side; else every prompt is for itself."""

    def __init__(self, usable: Sequence[Example], cases: Sequence[EvaluationCase], sources: Sources) -> None:
        oldest_first = sorted(usable, key=lambda each: (each.first_at or each.created_at, each.record))
        self._one_side = sources is Sources.ONE_SIDE
        members = [
            *(Member(each.messages, each.completion, each.source_id, each.conversation_id) for each in oldest_first),
            *(Member(each.messages, each.reference, each.source_id, each.conversation_id) for each in cases),
        ]
        numbers = groups_of(members) if self._one_side else list(range(len(members)))
        self.of_prompt = {each.prompt_hash: number for each, number in zip(oldest_first, numbers, strict=False)}
        self._of_case = dict(zip(((each.record, each.id) for each in cases), numbers[len(oldest_first) :], strict=True))
        sizes = Counter(numbers)
        self._names = [
            each.source_id or each.conversation_id or (each.prompt_hash if sizes[number] > 1 else None)
            for each, number in zip(oldest_first, numbers, strict=False)
        ]

    def name_of(self, example: Example) -> str | None:
        """The name of a group, which stays the same while more arrives; the source of a prompt that is for itself."""
        number = self.of_prompt.get(example.prompt_hash)
        if not self._one_side or number is None or number >= len(self._names):
            return example.source_id
        return self._names[number]

    def without_evaluated(
        self, examples: Sequence[Example], cases: Sequence[EvaluationCase], places: int
    ) -> tuple[list[Example], int]:
        """The examples without those of evaluated groups, and how many these are.

        A group that is too large for one of the `places` of a set, and a quarter of the examples, stays; of the others
        the smallest are left out first, as long as enough examples remain.
        """
        evaluated = self._evaluated(cases)
        sizes = Counter(self.of_prompt[each.prompt_hash] for each in examples)
        too_large = max(places, TOO_LARGE * len(examples))
        left_out, left = set[int](), int(MOST_LEFT_OUT * len(examples))
        for group, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
            if group in evaluated and size <= min(left, too_large):
                left_out.add(group)
                left -= size
        remaining = [each for each in examples if self.of_prompt[each.prompt_hash] not in left_out]
        return remaining, len(examples) - len(remaining)

    def shared(self, examples: Sequence[Example], cases: Sequence[EvaluationCase]) -> list[str]:
        """The names of the groups that are evaluated, and among these examples all the same."""
        evaluated = self._evaluated(cases)
        return sorted({self._named(each) for each in examples if self.of_prompt[each.prompt_hash] in evaluated})

    def _named(self, example: Example) -> str:
        return example.source_id or example.conversation_id or f"record {example.record[:12]}"

    def _evaluated(self, cases: Sequence[EvaluationCase]) -> set[int]:
        if not self._one_side:
            return set()
        known = {self._of_case.get((each.record, each.id)) for each in cases}
        known |= {self.of_prompt.get(each.id) for each in cases}
        return {each for each in known if each is not None}


def sides_of_pairs(
    pairs: Sequence[PreferencePair],
    train: Sequence[Example],
    validation: Sequence[Example],
    judged: Sequence[EvaluationCase],
    sources: Sources,
) -> tuple[list[PreferencePair], dict[str, bool]]:
    """The pairs that do not belong to a frozen case alone, and of their prompts those whose side is known: whether the
    examples that they belong to validate."""
    sides = {example.prompt_hash: True for example in validation} | {example.prompt_hash: False for example in train}
    examples, together = [*train, *validation], sources is Sources.ONE_SIDE
    members = [
        *(Member(each.messages, each.completion, each.source_id, each.conversation_id) for each in examples),
        *(Member(each.messages, each.reference, each.source_id, each.conversation_id) for each in judged if together),
        *(Member(each.messages, each.chosen, each.source_id, each.conversation_id) for each in pairs),
    ]
    numbers = groups_of(members)
    of_pairs = dict(zip((pair.prompt_hash for pair in pairs), numbers[len(members) - len(pairs) :], strict=True))
    of_groups = {number: sides[each.prompt_hash] for number, each in zip(numbers, examples, strict=False)}
    evaluated = set(numbers[len(examples) : len(members) - len(pairs)]) - of_groups.keys()
    known = {
        prompt: sides.get(prompt, of_groups.get(group, False))
        for prompt, group in of_pairs.items()
        if prompt in sides or group in of_groups
    }
    return [pair for pair in pairs if of_pairs[pair.prompt_hash] not in evaluated], known
