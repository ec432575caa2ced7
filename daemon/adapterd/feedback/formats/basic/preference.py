"""Preferences as TRL and UltraFeedback have them: a prompt, a chosen answer and a rejected one, as text or messages."""

from collections.abc import Sequence

from adapterd.chat import Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answers import OUTPUT, PREFERRED_TO, answer_in, content_of, refuse_output
from adapterd.feedback.formats.conversations import finished, prompt_of, system_of
from adapterd.feedback.formats.feedback_format import GOOD, Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import TurnReader, are_messages, split_answer
from adapterd.feedback.formats.options import OURS, ReadingOptions, Scale

_SCORES = (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"), ("chosen_rating", "rejected_rating"))
_SCALES = (Scale(1, 10), Scale(1, 10), OURS)
"""The scales of these scores: UltraFeedback's, and of ratings ours."""
_PAIR = ("chosen", "rejected")
_ALSO = frozenset(name for names in _SCORES for name in names)


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    _check_scores(fields)
    prompt, reader = prompt_of(fields, "prompt", options)
    if "messages" in fields:
        _check_messages(fields["messages"], fields["chosen"], options)
    if any(name in fields for name in OUTPUT):
        return [finished(content_of(fields, prompt, None), reader)]
    better, worse = (answer_in(fields, (name,), prompt, reader) for name in _PAIR)
    return [finished(_content(fields, prompt, better, worse, options), reader)]


def _content(fields: Fields, prompt: Prompt, better: str | None, worse: str | None, options: ReadingOptions) -> Content:
    """A pair whose better answer is a demonstration, unless the record says more about it, or its score is low."""
    rest = {name: value for name, value in fields.items() if name not in _PAIR}
    name = PREFERRED_TO[0] if _is_good(fields, options) else _PAIR[1]
    return content_of({**rest, name: worse}, prompt, checks.text("chosen", better))


def _is_good(fields: Fields, options: ReadingOptions) -> bool:
    """Whether the scores, if there are any, say that the better answer is a good one, and not only better."""
    for (name, _), scale in zip(_SCORES, _SCALES, strict=True):
        number = checks.number(fields.get(name))
        if number is not None:
            known = options.scale or scale
            return known.holds(number) and known.rating(number) >= GOOD - 1
    return True


def _check_scores(fields: Fields) -> None:
    """Raise InputError where the scores beside a pair say that the rejected answer is the better one."""
    for better, worse in _SCORES:
        if better in fields or worse in fields:
            found = [checks.number(fields.get(name)) for name in (better, worse)]
            if None in found:
                raise InputError(f"{better} and {worse} must be two numbers")
            if found[0] < found[1]:  # type: ignore[operator]
                raise InputError(f"{worse} is higher than {better}: which answer is the better one?")


def _check_messages(value: object, chosen: object, options: ReadingOptions) -> None:
    """UltraFeedback repeats the chosen conversation as `messages`; raises InputError if these are others."""
    if not isinstance(value, list) or TurnReader(options).turns("messages", value)[-1].message.content != (
        split_answer("chosen", chosen)[1] if are_messages(chosen) else chosen
    ):
        raise InputError("messages and chosen end with different answers")


def _read_implicit(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    _check_scores(fields)
    reader = TurnReader(options)
    (asked, better), (also_asked, worse) = (split_answer(name, fields[name], reader) for name in _PAIR)
    if asked != also_asked:
        raise InputError("chosen and rejected begin with different turns, so that there is no prompt for both")
    if not asked or asked[-1].role is not Role.USER:
        raise InputError("chosen must have a user turn before the answer")
    refuse_output(fields, "chosen")
    prompt = (*system_of(fields, "chosen", [*asked]), *asked)
    return [finished(_content(fields, prompt, better, worse, options), reader)]


def _has_messages(fields: Fields) -> bool:
    return are_messages(fields["chosen"]) and are_messages(fields["rejected"])


PREFERENCE = FeedbackFormat(
    name="Preference",
    description="TRL's and UltraFeedback's: a prompt, a chosen answer and a rejected one, as text or messages.",
    marks=("prompt", "chosen", "rejected"),
    read=_read,
    schema=schema.record_of({"prompt": schema.PROMPT, "messages": {}, **schema.output_and_inputs()}),
    example={"prompt": "Who met?", "chosen": "The council.", "rejected": "The mayor."},
    also=_ALSO,
)
IMPLICIT_PREFERENCE = FeedbackFormat(
    name="ImplicitPreference",
    description="TRL's, with the prompt within: a chosen conversation and a rejected one that differ in the last turn.",
    marks=("chosen", "rejected"),
    looks_so=_has_messages,
    read=_read_implicit,
    schema=schema.record_of({}),
    example={
        "chosen": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The council."}],
        "rejected": [{"role": "user", "content": "Who met?"}, {"role": "assistant", "content": "The mayor."}],
    },
    also=_ALSO,
)
