"""What an annotator was shown, in the fields that whoever set up the form chose: a prompt and the model's answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps

from adapterd.chat import Prompt
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.answers import JUDGEMENT, content_of
from adapterd.feedback.formats.conversations import INPUTS
from adapterd.feedback.formats.feedback_format import Content, Fields
from adapterd.feedback.formats.options import ReadingOptions, spelled
from adapterd.feedback.formats.ratings import rating_in
from adapterd.feedback.formats.tools.exchanges import ASKED, ExchangeReader, is_blank
from adapterd.feedback.formats.unknown_fields import Aside
from adapterd.feedback.ways_on import within

ANSWERS = (
    "output", "response", "answer", "completion", "model_output", "model_response", "model_answer", "generated_text",
    "generation", "llm_output", "llm_response",
)  # fmt: skip
_CONVERSATIONS = ("messages", "conversations")
SHOWN = frozenset((*ASKED, *INPUTS, *ANSWERS, *_CONVERSATIONS, "system", "history"))
"""The names of fields that people were shown."""
_MIDDLE = 3


@dataclass(frozen=True)
class Shown:
    """The prompt and the answer that people were asked about; the answer is the model's, and no demonstration."""

    prompt: Prompt
    output: str | None
    aside: Aside


_Read = Callable[[Fields, ReadingOptions], Sequence[Content]]


def beside(read: _Read) -> _Read:
    """The reader of an export that says within what is said of an answer; what is declared beside it counts as well.

    It raises InputError for a verdict or a system prompt beside the export that nobody has declared.
    """

    @wraps(read)
    def reader(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
        undeclared = [name for name in (*JUDGEMENT, "weight", "system") if name not in options.fields]
        refuse_beside(fields, undeclared)
        said = {name: fields[name] for name in JUDGEMENT if name in fields}
        contents = read(fields, options)
        if said and not contents:
            raise InputError(
                f"{_named(said, options)} is said beside an export that has no answer, and in which nobody said "
                f"anything; {ways_on.if_nothing(options.path_of(next(iter(said))))}"
            )
        return [with_said(each, said, options) for each in contents]

    return reader


def with_said(content: Content, said: Fields, options: ReadingOptions) -> Content:
    """The content with what is said beside it in the fields that all formats share; raises InputError for another
    verdict or another answer than it has itself."""
    if not said:
        return content
    if content.demonstration is not None:
        found = content_of(said, content.prompt, content.demonstration)
    else:
        output = {} if content.output is None else {"output": content.output}
        found = content_of({**said, **output}, content.prompt, None)
    rating = rating_in(said, options) if found.rating is None else found.rating
    both = [each for each in (content.rating, rating) if each is not None]
    if len({each > _MIDDLE for each in both}) > 1:
        raise InputError(f"{_named(said, options)} and a verdict within the export say otherwise of the same answer")
    notes = [each for each in (content.correction_notes, said.get("correction_notes")) if isinstance(each, str)]
    return content._replace(
        output=found.output,
        demonstration=found.demonstration,
        correction=_one(content.correction, found.correction, said, options),
        rejected_output=_one(content.rejected_output, found.rejected_output, said, options),
        rating=min(both, default=None),
        correction_notes="\n".join(notes) or None,
    )


def _one(within: str | None, beside: str | None, said: Fields, options: ReadingOptions) -> str | None:
    if within is not None and beside is not None and within != beside:
        raise InputError(f"{_named(said, options)} and the export have another answer each; which one is meant?")
    return beside if within is None else within


def _named(said: Fields, options: ReadingOptions) -> str:
    return " and ".join(ways_on.shown(options.fields.get(name, name)) for name in said)


def refuse_beside(fields: Fields, names: Iterable[str]) -> None:
    """Raise InputError if one of these fields stands beside an export of a tool."""
    found = next((name for name in names if name in fields), None)
    if found:
        raise InputError(
            f"{found} is {checks.shown(fields[found])} beside an export of a tool, which says that within; which is "
            f"meant? If it means nothing: {ways_on.ignore(found)}"
        )


def shown(path: str, value: Mapping[str, object], options: ReadingOptions) -> Shown:
    """What was shown; raises InputError with a sentence that names the field that is not understood."""
    given = {
        name: each for name, each in value.items() if not is_blank(each) and not options.ignores(within(path, name))
    }
    theirs = _declared(path, given, options)
    ours = {name: each for each, name in theirs.items()}
    fields = {ours.get(name, name): each for name, each in given.items()}
    reader = ExchangeReader(options)
    answers = [name for name in ANSWERS if name in fields]
    if len(answers) > 1:
        first, second = (theirs.get(name, name) for name in answers[:2])
        raise InputError(
            f"{path or 'the row'} has {first} and {second}, both answers: leave one out with "
            f"{ways_on.ignore(within(path, second))}"
        )
    output = reader.answer(within(path, answers[0]), fields.pop(answers[0])) if answers else None
    talk = next((name for name in _CONVERSATIONS if name in fields), None)
    if output is None and talk and _ends_with_answer(fields[talk]):
        turns = fields[talk]
        assert isinstance(turns, list)
        output, fields[talk] = reader.answer(within(path, talk), turns[-1:]), turns[:-1]
    if talk and talk != "messages":
        fields["messages"] = fields.pop(talk)
    return Shown(reader.prompt(path, fields), output, reader.aside)


def _declared(path: str, given: Fields, options: ReadingOptions) -> dict[str, str]:
    """The fields that were declared to be one of ours, by our names; raises InputError if ours stands beside one.

    A field is declared by its name, or by its path in the record.
    """
    found = {}
    for ours, theirs in options.fields.items():
        name = _named_so(path, given, theirs) if ours in SHOWN else None
        if name is not None and name != ours:
            found[ours] = name
    for ours, name in found.items():
        if ours in given and ours not in found.values():
            place = within(path, name)
            raise InputError(
                f"{ways_on.shown(place)} is to be {ours}, and {ours} stands beside it; leave one out: "
                f"{ways_on.ignore(place)}"
            )
    return found


def _named_so(path: str, given: Fields, theirs: str) -> str | None:
    """The field that a declaration means, with exactly this name, or the only one that is spelled alike."""
    exact = [name for name in given if theirs in (name, f"{path}.{name}")]
    if exact:
        return exact[0]
    wanted = spelled(theirs)
    alike = [name for name in given if wanted in (spelled(name), spelled(f"{path}.{name}"))]
    return alike[0] if len(alike) == 1 else None


def _ends_with_answer(turns: object) -> bool:
    if not isinstance(turns, list) or len(turns) < 2 or not isinstance(turns[-1], Mapping):
        return False
    return turns[-1].get("role", turns[-1].get("from")) in ("assistant", "gpt", "model")


def a_list(path: str, value: object) -> list[object]:
    """The value if it is a list; raises InputError."""
    if not isinstance(value, list):
        raise InputError(f"{path} must be a list, not {checks.shown(value)}")
    return value


def demonstrated(prompt: Prompt, answer: str | None, aside: Aside) -> Content:
    """The content of an item of a data set, whose answer is the expected one."""
    return Content(prompt, demonstration=answer, is_unjudged=aside.is_unjudged, metadata=frozenset(aside.metadata))
