"""Questions with answers, of which several may be about the same text."""

from collections.abc import Mapping, Sequence

from adapterd.chat import Message, Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.answer_shapes import answer_text
from adapterd.feedback.formats.answers import JUDGEMENT, OUTPUT, content_of
from adapterd.feedback.formats.conversations import finished, prompt_of, system_of, with_inputs
from adapterd.feedback.formats.feedback_format import Content, FeedbackFormat, Fields
from adapterd.feedback.formats.messages import are_messages
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.unknown_fields import Aside


def _read(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    prompt, reader = prompt_of(fields, "question", options)
    return [finished(content_of(fields, prompt, _one_answer("answer", fields["answer"])), reader)]


def _read_corrected(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    """RAGAS's: the answer is the model's, the ground truth what it should have been."""
    prompt, reader = prompt_of(fields, "question", options)
    output = _one_answer("answer", fields["answer"]) if "answer" in fields else None
    corrected = {**fields, "correction": _one_answer("ground_truth", fields["ground_truth"])}
    return [finished(content_of(corrected, prompt, output), reader)]


def _one_answer(name: str, value: object) -> str:
    """An answer, also where it is the only one of a list, and where SQuAD has its place in the text beside it."""
    if isinstance(value, Mapping) and value.keys() == {"text", "answer_start"}:
        value = value["text"]
    if isinstance(value, list) and not are_messages(value):
        texts = {_one_answer(name, each) for each in value}
        if len(texts) != 1:
            raise InputError(f"{name} has {len(texts)} different answers; which one is meant?")
        return texts.pop()
    return checks.text(name, answer_text(name, value))


def _read_list(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    if said := [name for name in (*JUDGEMENT, *OUTPUT) if name in fields]:
        raise InputError(f"{said[0]} stands beside several answers; it has to stand beside the one that it is about")
    items = fields["qas"]
    if not isinstance(items, list):
        raise InputError(f"qas must be a list of questions and answers, not {checks.shown(items)}")
    return [_listed(f"qas[{place}]", item, fields, options) for place, item in enumerate(items)]


def _listed(name: str, item: object, fields: Fields, options: ReadingOptions) -> Content:
    if not isinstance(item, Mapping):
        raise InputError(f"{name} must be an object with question and answer, not {checks.shown(item)}")
    aside = Aside()
    aside.check(item, ("question", "answer", "answers", "id"), options, name, may_be_mapped=False)
    asked = [Message(Role.USER, checks.text(f"{name}.question", item.get("question")))]
    prompt: Prompt = tuple(with_inputs([*system_of(fields, name, asked), *asked], fields))
    answer = _one_answer(f"{name}.answer", item.get("answer", item.get("answers")))
    return Content(prompt, demonstration=answer, is_unjudged=aside.is_unjudged, metadata=frozenset(aside.metadata))


def _text(*names: str) -> dict[str, object]:
    return {name: schema.answer("An answer.") for name in names}


QUESTION_ANSWER = FeedbackFormat(
    name="Question",
    description="A question, its answer, and the contexts that it is about.",
    marks=("question", "answer"),
    read=_read,
    schema=schema.record_of({"question": schema.TEXT, **_text("answer"), **schema.inputs()}, {"required": ["answer"]}),
    example={"question": "Who met?", "contexts": ["The council met on Monday."], "answer": "The council."},
)
CORRECTED_QUESTION = FeedbackFormat(
    name="GroundTruth",
    description="RAGAS's: a question, its contexts, the model's answer, and the one that is true.",
    marks=("question", "ground_truth"),
    read=_read_corrected,
    schema=schema.record_of(
        {"question": schema.TEXT, **_text("answer", "ground_truth"), **schema.inputs()}, {"required": ["ground_truth"]}
    ),
    example={"question": "Who met?", "contexts": ["The council met."], "answer": "I.", "ground_truth": "The council."},
)
QUESTION_LIST = FeedbackFormat(
    name="QuestionList",
    description="SQuAD's: a context, and questions about it with their answers as `qas`.",
    marks=("qas",),
    read=_read_list,
    schema=schema.record_of({"qas": {"type": "array"}, **schema.inputs()}, {"required": ["qas"]}),
    example={"context": "The council met.", "qas": [{"question": "Who met?", "answer": "The council."}]},
)
