"""Which records are plain by the names of their fields, and what each field of one is.

A plan is made once for the names in their order, and kept. There is none where a name could make a difference that only
the long way knows of: a weight, a thumb, a second time, a field that no format reads.
"""

from collections.abc import Mapping
from typing import NamedTuple

from adapterd.feedback.formats import registry
from adapterd.feedback.formats.answers import JUDGEMENT, SHARED
from adapterd.feedback.formats.field_names import snake
from adapterd.feedback.formats.messages import KEYS
from adapterd.feedback.formats.unknown_fields import may_be_id
from adapterd.feedback.moments import TIME_NAMES

MOST_PLANS = 1024
_MOST_NAMES, _LONGEST_NAME = 30, 50
"""A plan is kept for so many fields at most, with names of so many characters."""
_LABELS = ("source_id", "output_type", "conversation_id")
_JUDGED = ("rating", "failure_tags", "correction", "correction_notes", "rejected_output")
_JUDGEMENT = frozenset(JUDGEMENT)


class _Shape(NamedTuple):
    """Where a format has the prompt, the answer (None: in the turns, which have these `keys`), and a worse answer.

    `about` is what is asked about. Where a format `demonstrates`, its answer is the right one, unless the record says
    something about it.
    """

    prompt: str
    answer: str | None
    demonstrates: bool = True
    about: str | None = None
    worse: str | None = None
    keys: tuple[str, str] | None = None


_SHAPES: Mapping[str, _Shape] = {
    "Native": _Shape("prompt", "output", demonstrates=False),
    "Completion": _Shape("prompt", "completion"),
    "PromptResponse": _Shape("prompt", "response"),
    "Alpaca": _Shape("instruction", "output", about="input"),
    "Preference": _Shape("prompt", "chosen", worse="rejected"),
    "Chat": _Shape("messages", None, keys=KEYS[0]),
    "ShareGPT": _Shape("conversations", None, keys=KEYS[1]),
}
"""The formats of plain records, by their names."""


class Plan(NamedTuple):
    """What the fields of a plain record are: their names, None where it has no such field.

    `texts` are all that must be text, `answers` those of them that are answers. With `keys`, the names of who speaks
    and what is said, `prompt` has turns of which the last is the answer. The answer `demonstrates` where it is the
    right one. `ids` are kept aside, and are the `metadata`. Whatever the values are, a record that `judges` does.
    """

    format: str
    prompt: str
    keys: tuple[str, str] | None
    about: str | None
    texts: tuple[str, ...]
    answers: tuple[str, ...]
    answer: str | None
    demonstrates: bool
    correction: str | None
    notes: str | None
    rejected: str | None
    source_id: str | None
    output_type: str | None
    conversation_id: str | None
    has_rating: bool
    has_tags: bool
    has_time: bool
    judges: bool
    ids: tuple[str, ...]
    metadata: frozenset[str]


_PLANS: dict[tuple[str, ...], Plan | None] = {}


def plan_of(names: tuple[str, ...]) -> Plan | None:
    """The plan for records with fields of these names in this order, None if they are not plain."""
    try:
        return _PLANS[names]
    except KeyError:
        return _kept(names)


def _kept(names: tuple[str, ...]) -> Plan | None:
    if len(names) > _MOST_NAMES or max(map(len, names), default=0) > _LONGEST_NAME:
        return None
    if len(_PLANS) >= MOST_PLANS:
        _PLANS.clear()
    return _PLANS.setdefault(names, _made(names))


def _made(names: tuple[str, ...]) -> Plan | None:
    given = frozenset(names)
    chosen = registry.first_of(given)
    shape = _SHAPES.get(chosen.name) if chosen else None
    if chosen is None or shape is None or registry.first_of(given - {shape.about}) is not chosen:
        return None
    ours = {shape.prompt, shape.answer, shape.about, shape.worse, *_LABELS, "created_at"}
    ids = tuple(name for name in names if name not in (ours if shape.worse else ours.union(_JUDGED)))
    if not all(_is_kept_aside(name, chosen.known | SHARED) for name in ids):
        return None

    def there(name: str | None) -> str | None:
        return name if name in given else None

    answer, correction = there(shape.answer), there("correction")
    rejected, notes = there(shape.worse or "rejected_output"), there("correction_notes")
    source_id, output_type, conversation_id = (there(name) for name in _LABELS)
    has_answer = answer is not None or shape.keys is not None
    if not has_answer and correction is None and rejected is None:
        return None
    demonstrates = shape.demonstrates and has_answer and (bool(shape.worse) or _JUDGEMENT.isdisjoint(given))
    answers = tuple(filter(None, (answer, correction, rejected)))
    return Plan(
        chosen.name,
        shape.prompt,
        shape.keys,
        there(shape.about),
        (
            *(() if shape.keys else (shape.prompt,)),
            *answers,
            *filter(None, (notes, source_id, output_type, conversation_id)),
        ),
        answers,
        answer,
        demonstrates,
        correction,
        notes,
        rejected,
        source_id,
        output_type,
        conversation_id,
        has_rating="rating" in given,
        has_tags="failure_tags" in given,
        has_time="created_at" in given,
        judges=demonstrates or any((correction, rejected, notes)),
        ids=ids,
        metadata=frozenset(ids),
    )


def _is_kept_aside(name: str, known: frozenset[str]) -> bool:
    """Whether a field that no format reads may be an id, and is none of ours in another spelling."""
    spelled = snake(name)
    is_ours = name in known or spelled in known or spelled == "system_prompt"
    return not is_ours and name not in TIME_NAMES and spelled not in TIME_NAMES and may_be_id(name)
