"""Whose the examples are that a version is trained on: people's, or a teacher's."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from adapterd.formats.encoded import EncodedExample, EncodedPair
from adapterd.formats.synthetic import TeacherExample

PEOPLE = "people"


def whose(
    train: Iterable[EncodedExample], pairs: Iterable[EncodedPair], synthetic: Iterable[TeacherExample]
) -> dict[str, dict[str, Any]]:
    """Of people and of each teacher how many `examples` and `pairs` are trained on, and their `share` of all examples,
    or of all pairs where only these are trained on. `loss_share` is that of the target tokens, each with the weight of
    its example; None with pairs, whose loss is another one. General prompts with the base's answers are not among them.
    """
    teachers = {each.record: f"teacher {each.teacher}" for each in synthetic}
    examples, in_pairs, loss = Counter[str](), Counter[str](), dict[str, float]()
    for example in train:
        name = teachers.get(example.record, PEOPLE)
        examples[name] += 1
        loss[name] = loss.get(name, 0.0) + example.weight * example.completion_tokens
    for pair in pairs:
        in_pairs[teachers.get(pair.record, PEOPLE)] += 1
    counted, all_loss = examples or in_pairs, sum(loss.values())
    return {
        name: {
            "examples": examples[name], "pairs": in_pairs[name], "share": counted[name] / counted.total(),
            "loss_share": None if in_pairs else loss[name] / all_loss,
        }
        for name in sorted({*examples, *in_pairs}, key=lambda each: (each != PEOPLE, each))
    }  # fmt: skip
