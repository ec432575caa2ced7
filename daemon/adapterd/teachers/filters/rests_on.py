"""Whether an answer rests on its texts: the filters `grounded`, `refusal` and `copied`.

Without sources, the prompt is what an answer rests on, if it has material: whoever asks a short question asks for what
the model knows. A JSON field that is ungrounded more often than not (a score, a category) is a judgement and is not
checked; so is one that people fill with what the prompt does not have.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from adapterd.chat import Message, Prompt, Role
from adapterd.config import Task
from adapterd.dataset.curation.copied import share_copied
from adapterd.evaluation.metrics.grounding.checked import Checked, Item, Support, check, ground_of
from adapterd.evaluation.metrics.grounding.material import A, choices, free_fields, has_material
from adapterd.evaluation.metrics.refusals import refuses
from adapterd.evaluation.metrics.text_forms import folded, words
from adapterd.evaluation.metrics.text_metrics import cited
from adapterd.teachers.filters.verdict import Against, Finding, Found, drop, judged, of_each, texts_of, unsure
from adapterd.teachers.request import Candidate, Kind

HANDBOOK = 300
"""Words of the shortest system prompt of several prompts that gives what an answer is made of; a shorter one says how
to answer."""
PEOPLES = 300
"""Answers of people from which the fields are learned."""


def grounded(candidates: Sequence[Candidate], against: Against) -> Found:
    """Numbers, names and quotations of an answer are in its sources, citations name them."""
    if against.task is Task.CLASSIFICATION:
        return [None for _ in candidates]
    instructions = _instructions([*(each.messages for each in candidates), *(each.messages for each in against.kept)])
    checked = [_checked(each, instructions) for each in candidates]
    own = ((each.messages, each.answer) for each in against.kept[:PEOPLES] if each.by_person)
    free = free_fields([*checked, *(check(answer, ground_of(texts_of(prompt))) for prompt, answer in own)])
    allowed = frozenset(choices(against.schema.schema)) if against.schema else frozenset[str]()
    counted = [[each for each in found if each.field not in free and each.text not in allowed] for found in checked]
    return [_grounded(each, found) for each, found in zip(candidates, counted, strict=True)]


def _instructions(prompts: Iterable[Prompt]) -> set[str]:
    """The system prompts that several prompts have, and that are too short to be what answers are made of."""
    seen = Counter(turn.content for prompt in set(prompts) for turn in prompt if turn.role is Role.SYSTEM)
    return {text for text, count in seen.items() if count > 1 and len(words(text)) < HANDBOOK}


def _checked(candidate: Candidate, instructions: Collection[str]) -> list[Checked]:
    prompt = texts_of(candidate.messages)
    material = has_material(each for each in prompt if each not in instructions)
    if candidate.rejected is not None or (not candidate.sources and not material):
        return []
    return check(candidate.answer, ground_of((*candidate.sources, *prompt)))


def _grounded(candidate: Candidate, checked: Sequence[Checked]) -> Finding | None:
    strange = [name for name in _citations(candidate) if name not in set(map(folded, candidate.source_ids))]
    if strange:
        return drop(f"the answer cites what is none of its sources: {strange[0]}")
    has_to = candidate.kind in (Kind.GROUNDED, Kind.SYNTHESIS) and candidate.source_ids and not _is_json(candidate)
    if has_to and not _citations(candidate):
        return drop("the answer cites none of its sources")
    counted = [each for each in checked if each.item is not Item.CITATION]
    where = "its sources" if candidate.sources else "its prompt"
    for support, say in ((Support.MISSING, drop), (Support.UNSURE, unsure)):
        for each in counted:
            if each.support is support:
                surely = "is not in" if support is Support.MISSING else "is not surely in"
                return say(f"{A[each.item]} of the answer {surely} {where}: {each.text:.80}")
    return None


def _citations(candidate: Candidate) -> list[str]:
    """What the answer cites, where there are sources to cite."""
    return cited(candidate.answer) if candidate.source_ids and not _is_json(candidate) else []


def _is_json(candidate: Candidate) -> bool:
    return (
        candidate.answer.lstrip()[:1] in ("{", "[")
        and candidate.answer.rstrip()[-1:] in ("}", "]")
        and '"' in candidate.answer
    )


def _refusal(candidate: Candidate, against: Against) -> Finding | None:
    if candidate.rejected is not None or against.task in (Task.JSON, Task.CLASSIFICATION):
        return None
    says_no = refuses(candidate.answer)
    if candidate.kind is not Kind.REFUSAL:
        return drop("the answer says that it does not answer") if says_no else None
    if not says_no:
        return unsure("the answer does not say that its sources do not have it")
    question = texts_of(candidate.messages)[-1:]
    facts = [each for each in check(candidate.answer, ground_of(question)) if each.support is Support.MISSING]
    return drop(f"the answer refuses and states something all the same: {facts[0].text:.80}") if facts else None


def _copied(candidate: Candidate, against: Against) -> Finding | None:
    sources = (Message(Role.SYSTEM, each) for each in candidate.sources)
    messages: Prompt = (*sources, *candidate.messages)
    share = share_copied(messages, judged(candidate))
    if share <= against.max_copied:
        return None
    return drop(f"{share:.0%} of the answer is long passages of what it was given")


refusal, copied = of_each(_refusal), of_each(_copied)
