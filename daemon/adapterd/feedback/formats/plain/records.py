"""Reads plain records: those whose fields have a plan, and values in which nothing is to be looked for.

It gives what the long way (`formats.parsing`) gives, or nothing: a record that is faulty, or that could mean anything
else, goes the long way.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapterd.chat import Message, Prompt, Role
from adapterd.feedback.checks import encodes, known_tags
from adapterd.feedback.formats.answer_shapes import may_be_message
from adapterd.feedback.formats.answers import EMPTY_CELLS
from adapterd.feedback.formats.feedback_format import Reading
from adapterd.feedback.formats.messages import plain_turn
from adapterd.feedback.formats.options import BEST, WORST
from adapterd.feedback.formats.plain.plans import Plan, plan_of
from adapterd.feedback.formats.unknown_fields import is_plain_id
from adapterd.feedback.formats.verdict_values import is_a_verdict
from adapterd.feedback.moments import moment_in
from adapterd.record import FailureTag, FeedbackRecord

_LONGEST_EMPTY_CELL = max(map(len, EMPTY_CELLS))
_UNSET_YEAR = "0001"
_NO_TAGS: tuple[FailureTag, ...] = ()


def read_plain(value: object, received_at: datetime, now: datetime) -> Reading | None:
    """What a decoded value says, None if it is not a plain record; the arguments are those of `parsing.parse`."""
    if type(value) is not dict:
        return None
    plan = plan_of(tuple(value))
    if plan is None or not _is_plain(value, plan):
        return None
    if plan.output_type and is_a_verdict(plan.output_type, value[plan.output_type]):
        return None
    said = _prompt_and_answer(value, plan)
    rating = value["rating"] if plan.has_rating else None
    tags = known_tags(value["failure_tags"]) if plan.has_tags else _NO_TAGS
    given = _moment(value["created_at"]) if plan.has_time else received_at
    if said is None or tags is None or given is None or (plan.has_rating and not _is_rating(rating)):
        return None
    prompt, answer = said
    is_late = given > now
    correction = value[plan.correction] if plan.correction else None
    record = FeedbackRecord.with_all(
        messages=prompt,
        output=None if plan.demonstrates else answer,
        rating=rating,
        failure_tags=tags,
        correction=answer if plan.demonstrates else correction,
        correction_notes=value[plan.notes] if plan.notes else None,
        rejected_output=value[plan.rejected] if plan.rejected else None,
        source_id=value[plan.source_id] if plan.source_id else None,
        output_type=value[plan.output_type] if plan.output_type else None,
        conversation_id=value[plan.conversation_id] if plan.conversation_id else None,
        application=None,
        claimed_application=None,
        created_at=min(received_at, now) if is_late else given,
    )
    is_judged = plan.judges or rating is not None or bool(tags)
    return Reading((record,), plan.format, 0 if is_judged else 1, plan.metadata, is_late and plan.has_time)


def _is_plain(value: Mapping[str, Any], plan: Plan) -> bool:
    """Whether there is nothing in the texts but what they say."""
    for name in plan.texts:
        text = value[name]
        if (
            type(text) is not str or not text or text.isspace() or "\0" in text
            or not (text.isascii() or encodes(text))
        ):  # fmt: skip
            return False
    for name in plan.answers:
        text = value[name]
        if (text[0] in "{[" and may_be_message(text)) or (len(text) <= _LONGEST_EMPTY_CELL and text in EMPTY_CELLS):
            return False
    return all(is_plain_id(value[name]) for name in plan.ids) if plan.ids else True


def _prompt_and_answer(value: Mapping[str, Any], plan: Plan) -> tuple[Prompt, str | None] | None:
    if plan.keys:
        return _turns(value[plan.prompt], plan.keys)
    text: str = value[plan.prompt]
    if text[0] in "{[":
        return None
    if plan.about and (about := value[plan.about]) not in (None, ""):
        if type(about) is not str or about.isspace() or "\0" in about or not (about.isascii() or encodes(about)):
            return None
        text = f"{text}\n\n{about}"
    return (Message(Role.USER, text),), value[plan.answer] if plan.answer else None


def _turns(given: object, keys: tuple[str, str]) -> tuple[Prompt, str] | None:
    """The turns before an answer, and the answer; None where they are no plain turns in that order."""
    if type(given) is not list or len(given) < 2:
        return None
    said = []
    for item in given:
        turn = plain_turn(item, keys)
        if turn is None:
            return None
        said.append(turn)
    if said[-1].role is not Role.ASSISTANT or said[-2].role is not Role.USER:
        return None
    answer = said.pop().content
    return tuple(said), answer


def _is_rating(value: object) -> bool:
    return type(value) is int and WORST <= value <= BEST


def _moment(value: object) -> datetime | None:
    return moment_in(value) if type(value) is str and not value.startswith(_UNSET_YEAR) else None
