"""The shapes in which applications hand in feedback, read into one kind of record.

native     {"prompt": …, "output": …, "rating": …, "correction": …}, or "messages" in place of "prompt"
OpenAI     {"messages": [{"role": …, "content": …}, …]}
Alpaca     {"instruction": …, "input": …, "output": …}
ShareGPT   {"conversations": [{"from": …, "value": …}, …]}

The last three carry no judgement: what the assistant says there is what it should say, so it is a correction. As soon
as one of the native fields judges it, it is the model's output instead, whatever the shape.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from adapterd.chat import Message, Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.record import FeedbackRecord

T = TypeVar("T")
Fields = Mapping[str, object]

OUTPUT = ("output", "output_json")
CORRECTION = ("correction", "chosen")
REJECTED = ("rejected_output", "rejected_output_json", "rejected")
JUDGEMENT = ("rating", "failure_tags", "correction_notes", *CORRECTION, *REJECTED)

_CHAT_ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}
_SHAREGPT_ROLES = _CHAT_ROLES | {"human": Role.USER, "gpt": Role.ASSISTANT}


def parse(value: object, *, received_at: datetime, now: datetime | None = None) -> FeedbackRecord:
    """The record in a decoded JSON value; raises InputError with a sentence that says why there is none.

    `received_at` (aware) stands in where the value has no `created_at`, or one later than `now` (`received_at` unless
    it is given): nothing is created after it arrived, so a clock that is ahead, or a lie, gains nothing by it.
    """
    fields = _present(value)
    prompt, said = _prompt_and_answer(fields)
    output, correction = _output_and_correction(fields, said)
    rejected = _answer(fields, REJECTED)
    if output is None and correction is None and rejected is None:
        raise InputError("there is nothing to learn from: no output, correction or rejected_output")
    return FeedbackRecord(
        prompt,
        output=output,
        rating=checks.rating(fields["rating"]) if "rating" in fields else None,
        failure_tags=checks.failure_tags(fields["failure_tags"]) if "failure_tags" in fields else (),
        correction=correction,
        correction_notes=_named(fields, "correction_notes", checks.any_text),
        rejected_output=rejected,
        source_id=_named(fields, "source_id", checks.label),
        output_type=_named(fields, "output_type", checks.label),
        created_at=_created_at(fields, received_at, now or received_at),
    )


def _created_at(fields: Fields, received_at: datetime, now: datetime) -> datetime:
    given = _named(fields, "created_at", checks.moment)
    return given if given is not None and given <= now else min(received_at, now)


def _present(value: object) -> Fields:
    if not isinstance(value, dict):
        raise InputError(f"a record must be a JSON object, not {checks.shown(value)}")
    return {name: field for name, field in value.items() if field is not None} if None in value.values() else value


def _named(fields: Fields, name: str, read: Callable[[str, object], T]) -> T | None:
    return read(name, fields[name]) if name in fields else None


def _output_and_correction(fields: Fields, said: str | None) -> tuple[str | None, str | None]:
    """What the model said and what it should have said, given what the conversation itself ends with."""
    correction = _answer(fields, CORRECTION)
    if correction is not None and not correction.strip():
        raise InputError("correction is empty")
    if said is None:
        return _answer(fields, OUTPUT), correction
    if any(name in fields for name in JUDGEMENT):
        return said, correction
    return None, said


def _answer(fields: Fields, names: tuple[str, ...]) -> str | None:
    """The answer given under one of several names; raises InputError if it is given twice."""
    found: str | None = None
    for name in names:
        if name in fields:
            if found:
                raise InputError(f"{found} and {name} are both given; they mean the same")
            found = name
    return checks.answer(found, fields[found]) if found else None


def _prompt_and_answer(fields: Fields) -> tuple[Prompt, str | None]:
    """The messages up to the last user turn, and the assistant turn after it, if there is one."""
    name, turns = _turns(fields)
    turns = _with_system(fields, name, turns)
    said = turns.pop().content if turns and turns[-1].role is Role.ASSISTANT else None
    if not turns or turns[-1].role is not Role.USER:
        raise InputError(f"{name} must have a user turn before the answer")
    if said is not None and name != "instruction" and any(output in fields for output in OUTPUT):
        raise InputError(f"{name} already ends with the answer, and output is given as well")
    _append(turns, fields, "input" if name == "instruction" else "inputs")
    return tuple(turns), said


def _turns(fields: Fields) -> tuple[str, list[Message]]:
    """The conversation of whatever shape it is, and the field that it was read from."""
    if "conversations" in fields:
        return "conversations", _conversation(fields, "conversations", ("from", "value"), _SHAREGPT_ROLES)
    if "messages" in fields:
        return "messages", _conversation(fields, "messages", ("role", "content"), _CHAT_ROLES)
    for name in ("prompt", "instruction"):
        if name in fields:
            turns = [Message(Role.USER, checks.text(name, fields[name]))]
            return name, turns + (_alpaca_answer(fields) if name == "instruction" else [])
    raise InputError("none of messages, prompt, instruction and conversations is there")


def _alpaca_answer(fields: Fields) -> list[Message]:
    said = _answer(fields, OUTPUT)
    return [] if said is None else [Message(Role.ASSISTANT, checks.text("output", said))]


def _conversation(fields: Fields, name: str, keys: tuple[str, str], roles: Mapping[str, Role]) -> list[Message]:
    items = fields[name]
    if not isinstance(items, list) or not items:
        raise InputError(f"{name} must be a list of turns, not {'empty' if items == [] else checks.shown(items)}")
    return [_turn(f"{name}[{index}]", item, keys, roles) for index, item in enumerate(items)]


def _turn(name: str, item: object, keys: tuple[str, str], roles: Mapping[str, Role]) -> Message:
    if not isinstance(item, dict):
        raise InputError(f"{name} must be an object with {keys[0]} and {keys[1]}, not {checks.shown(item)}")
    speaker, content = item.get(keys[0]), item.get(keys[1])
    if item.get("tool_calls") or item.get("function_call"):
        raise InputError(f"{name} calls a tool; only text can be learnt")
    if not isinstance(speaker, str) or speaker not in roles:
        raise InputError(f"{name}.{keys[0]} is {checks.shown(speaker)}, which is not one of: {', '.join(roles)}")
    if isinstance(content, list | dict):
        raise InputError(f"{name}.{keys[1]} is {checks.shown(content)}; only text can be learnt")
    return Message(roles[speaker], checks.text(f"{name}.{keys[1]}", content))


def _with_system(fields: Fields, name: str, turns: list[Message]) -> list[Message]:
    if fields.get("system", "") == "":
        return turns
    if turns[0].role is Role.SYSTEM:
        raise InputError(f"system is given, and {name} begins with a system turn as well")
    return [Message(Role.SYSTEM, checks.text("system", fields["system"])), *turns]


def _append(turns: list[Message], fields: Fields, name: str) -> None:
    """Put what the prompt is about below the last user turn."""
    if name in fields and (added := checks.answer(name, fields[name])).strip():
        turns[-1] = Message(Role.USER, f"{turns[-1].content}\n\n{added}")
