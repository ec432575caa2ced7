"""What was said already, or is near what judges: the filters `duplicate`, `near_duplicate` and `near_frozen`.

A variation is nearly the same as what it varies, and a worse answer has the prompt of the right one: neither is held
against the records that it was made from.
"""

from collections.abc import Sequence

from adapterd.chat import Message, Prompt, Role
from adapterd.dataset.same_answer import answer_key
from adapterd.evaluation.metrics.text_forms import folded
from adapterd.teachers.filters.shortlist import near_among
from adapterd.teachers.filters.verdict import Against, Finding, Found, drop, prompt_key
from adapterd.teachers.request import Candidate


def said_key(text: str) -> str:
    """The same for the same answer: JSON by its values, else in any case and white space."""
    bare = text.strip()
    return answer_key(bare) if bare.startswith(("{", "[")) else folded(bare)


def duplicate(candidates: Sequence[Candidate], against: Against) -> Found:
    """The prompt and the answer are another candidate's, or are kept already."""
    seen = set[tuple[str, str, str]]()
    found: Found = []
    for each in candidates:
        prompt = prompt_key(each.messages)
        whole = (prompt, said_key(each.answer), said_key(each.rejected) if each.rejected is not None else "")
        kept = each.rejected is None and any(
            said_key(known.answer) == whole[1] for known in against.by_prompt.get(prompt, ())
        )
        if each.rejected is not None and whole[1] == whole[2]:
            found.append(drop("the worse answer is the right one"))
        elif kept:
            found.append(drop("the same prompt with the same answer is kept already"))
        else:
            found.append(drop("another candidate is the same") if whole in seen else None)
        seen.add(whole)
    return found


def near_duplicate(candidates: Sequence[Candidate], against: Against) -> Found:
    """The prompt is nearly that of an earlier candidate, or of what is kept; the same prompt is left to
    `contradiction`. Of prompts with the same turns in front, such as instructions, the last turns have to be alike."""
    prompts = [each.messages for each in candidates]
    keys = [prompt_key(each) for each in prompts]
    found: Found = [None for _ in candidates]
    kept = [prompt_key(each.messages) for each in against.kept]
    asked: list[Prompt] = [each[-1:] for each in prompts]
    near_asked = [set(rows) for rows in against.near_asked.near(asked)]
    for place, rows in enumerate(against.near_kept.near(prompts)):
        own = set(candidates[place].records)
        if any(
            kept[row] != keys[place]
            and against.kept[row].record not in own
            and (row in near_asked[place] or prompts[place][:-1] != against.kept[row].messages[:-1])
            for row in rows
        ):
            found[place] = drop("the prompt is nearly one that is kept already")
    alike = set(near_among(asked))
    for place, other in near_among(prompts):
        apart = keys[place] != keys[other] and candidates[place].rejected is None
        is_near = (place, other) in alike or prompts[place][:-1] != prompts[other][:-1]
        if apart and is_near and found[place] is None and found[other] is None:
            found[place] = drop("the prompt is nearly that of another candidate")
    return found


def near_frozen(candidates: Sequence[Candidate], against: Against) -> Found:
    """The prompt or a source is near a prompt of a frozen set, or has all that is asked there in it, whatever was asked
    about it."""
    shortlist = against.near_frozen
    found: Found = [
        drop("the prompt is nearly one of a frozen set") if rows else None
        for rows in shortlist.near([each.messages for each in candidates])
    ]
    sources = list(dict.fromkeys(source for each in candidates for source in each.sources))
    texts: list[Prompt] = [(Message(Role.USER, source),) for source in sources]
    asked: list[Prompt] = [each.messages[-1:] for each in candidates]
    near = {source for source, rows in zip(sources, shortlist.near(texts), strict=True) if rows}
    near |= {source for source, is_in in zip(sources, against.asked_frozen.within(texts), strict=True) if is_in}
    last = [bool(rows) for rows in shortlist.near(asked)]
    has_all = against.asked_frozen.within(asked)
    return [
        _first(each, finding, alike or whole, near)
        for each, finding, alike, whole in zip(candidates, found, last, has_all, strict=True)
    ]


def _first(candidate: Candidate, finding: Finding | None, asked: bool, near: set[str]) -> Finding | None:
    if finding or not (asked or near.intersection(candidate.sources)):
        return finding
    what = "the question" if asked else "a source"
    return drop(f"{what} is nearly a prompt of a frozen set")
