"""Which prompts have the material that an answer rests on, and which fields of JSON answers are not made of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from adapterd.evaluation.metrics.grounding.checked import Checked, Item, Support
from adapterd.evaluation.metrics.text_forms import words

MATERIAL = 40
"""Words of the shortest prompt that gives what an answer is made of."""
FREE_FIELDS, MANY = 0.4, 5
"""The share of the values of a JSON field that are not in the texts, from which on it is a judgement, and how many
values tell."""


A: Mapping[Item, str] = {
    Item.NUMBER: "a number", Item.NAME: "a name", Item.QUOTATION: "a quotation", Item.CITATION: "a citation",
}  # fmt: skip
"""What can be checked, as a sentence names one."""


def has_material(texts: Iterable[str]) -> bool:
    """Whether the texts of a prompt give what an answer is made of; who asks a short question asks what is known."""
    return sum(len(words(each)) for each in texts) >= MATERIAL


def free_fields(checked: Iterable[Sequence[Checked]]) -> set[str]:
    """The fields of JSON answers that are a judgement, such as a score or a category, by what several answers say."""
    there, missing = Counter[str](), Counter[str]()
    for found in checked:
        fields = {each.field for each in found if each.field}
        gone = {each.field for each in found if each.field and each.support is not Support.FOUND}
        there.update(fields)
        missing.update(gone)
    return {name for name, count in there.items() if count >= MANY and missing[name] >= FREE_FIELDS * count}


def choices(schema: Any) -> Iterator[str]:
    """The texts that a JSON Schema lets an answer choose from."""
    pending = [schema]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            listed = each.get("enum")
            values = (*(listed if isinstance(listed, list | tuple) else ()), each.get("const"))
            yield from (value for value in values if isinstance(value, str))
            pending += each.values()
        elif isinstance(each, list):
            pending += each
