"""Open WebUI's exports: of feedback (each a verdict with a snapshot of its chat), and of chats with their verdicts."""

from collections.abc import Mapping, Sequence

from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats import schema
from adapterd.feedback.formats.feedback_format import BAD, GOOD, Content, FeedbackFormat, Fields, Schema
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.tools.exchanges import an_object
from adapterd.feedback.formats.tools.open_webui_chat import Chat, Node
from adapterd.feedback.formats.tools.records import beside
from adapterd.feedback.formats.unknown_fields import Aside, is_empty
from adapterd.feedback.ways_on import PLACE

_OF_A_VERDICT = ("rating", "reason", "comment", "details", "tags", "model_id", "sibling_model_ids")
_FAULTS = (
    "dont_like_style", "too_verbose", "not_helpful", "not_factually_correct", "didnt_fully_follow_instructions",
    "refused_when_it_shouldnt_have", "being_lazy",
)  # fmt: skip
"""The reasons that Open WebUI offers with a thumb down."""
_OF_DETAILS = ("rating",)
_OF_META = ("arena", "chat_id", "message_id", "message_index", "model_id", "base_models", "tags")
_BEST, _LOWEST_GOOD = 10, 6
"""Open WebUI's scale of details: 1 to 5 are offered to a thumb down, 6 to 10 to a thumb up."""


@beside
def _read_feedback(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    said, meta, snapshot = (an_object(name, fields.get(name, {})) for name in ("data", "meta", "snapshot"))
    if fields.get("type", "rating") != "rating":
        raise InputError(f"type is {checks.shown(fields['type'])}; of Open WebUI's feedback only ratings are known")
    aside = Aside()
    aside.check(meta, _OF_META, options, "meta")
    aside.check(snapshot, ("chat",), options, "snapshot")
    chat = Chat.of("snapshot.chat", snapshot.get("chat"), options, aside)
    node = chat.node(meta.get("message_id"))
    if node is None:
        raise InputError(f"meta.message_id is {checks.shown(meta.get('message_id'))}, which is no message of the chat")
    rating, notes = _verdict("data", said, options, aside)
    content = _judged(chat, node, rating, notes)
    return [_with_metadata(content, aside)]


@beside
def _read_chat(fields: Fields, options: ReadingOptions) -> Sequence[Content]:
    aside = Aside()
    chat = Chat.of("chat", fields["chat"], options, aside)
    found = [content for node in chat.answers() if (content := _of_answer(chat, node, options, aside))]
    return [_with_metadata(each, aside) for each in found]


def _of_answer(chat: Chat, node: Node, options: ReadingOptions, aside: Aside) -> Content | None:
    """What an answer of a chat says; None for one that nobody judged and that could not be learned either."""
    annotation = node.fields.get("annotation")
    rating, notes = (
        (None, None)
        if is_empty(annotation)
        else _verdict(f"{node.path}.annotation", an_object(f"{node.path}.annotation", annotation), options, aside)
    )
    if rating is not None or notes is not None:
        return _judged(chat, node, rating, notes)
    try:
        return _judged(chat, node, None, None)
    except InputError:
        return None


def _verdict(
    path: str, said: Mapping[str, object], options: ReadingOptions, aside: Aside
) -> tuple[int | None, str | None]:
    """The rating on our scale, and the notes; raises InputError for a verdict that contradicts itself."""
    is_in_a_tree = PLACE.search(path) is not None
    aside.check(said, _OF_A_VERDICT, options, path, may_be_mapped=not is_in_a_tree)
    aside.check({"tags": said.get("tags")}, (), options, path, may_be_mapped=not is_in_a_tree)
    thumb = _thumb(path, said.get("rating"))
    fine = _fine(path, said.get("details"), options, aside)
    if thumb is not None and fine is not None and (thumb > BAD) != (fine >= _LOWEST_GOOD):
        ignored = ways_on.ignore(f"{path}.details.rating")
        raise InputError(f"{path}.rating and {path}.details.rating contradict each other; leave one out: {ignored}")
    if GOOD in (thumb, _on_ours(thumb, fine)) and said.get("reason") in _FAULTS:
        raise InputError(f"{path}.rating and {path}.reason contradict each other")
    notes = [
        checks.any_text(f"{path}.{name}", said[name]) for name in ("reason", "comment") if not is_empty(said.get(name))
    ]
    return _on_ours(thumb, fine), ": ".join(notes) or None


def _thumb(path: str, value: object) -> int | None:
    if is_empty(value):
        return None
    number = checks.number(value)
    if number not in (1, -1):
        ignored = ways_on.if_nothing(f"{path}.rating")
        raise InputError(f"{path}.rating is {checks.shown(value)}; Open WebUI writes 1 or -1; {ignored}")
    return GOOD if number == 1 else BAD


def _fine(path: str, details: object, options: ReadingOptions, aside: Aside) -> float | None:
    if is_empty(details):
        return None
    inside = an_object(f"{path}.details", details)
    aside.check(inside, _OF_DETAILS, options, f"{path}.details", may_be_mapped=PLACE.search(path) is None)
    if is_empty(inside.get("rating")):
        return None
    number = checks.number(inside["rating"])
    if number is None or not number.is_integer() or not 1 <= number <= _BEST:
        ignored = ways_on.if_nothing(f"{path}.details.rating")
        raise InputError(
            f"{path}.details.rating is {checks.shown(inside['rating'])}; Open WebUI writes 1 to 10; {ignored}"
        )
    return number


def _on_ours(thumb: int | None, fine: float | None) -> int | None:
    if fine is None:
        return thumb
    if fine >= _LOWEST_GOOD:
        return GOOD if fine > 8 else GOOD - 1
    return BAD if fine < 3 else BAD + 1


def _judged(chat: Chat, node: Node, rating: int | None, notes: str | None) -> Content:
    """The content about an answer. One that a person has rewritten is the correction of what the model said."""
    answer, original = chat.answer(node), chat.original(node)
    prompt, time = chat.prompt(node), node.fields.get("timestamp")
    if original is None:
        return Content(
            prompt, output=answer, rating=rating, correction_notes=notes, conversation_id=chat.id, created_at=time
        )
    if rating is not None and rating < 4:
        raise InputError(f"{node.path} was rewritten and rated bad: which of the two answers is meant?")
    if rating is None:
        return Content(prompt, output=original, correction_notes=notes, conversation_id=chat.id, created_at=time)
    return Content(
        prompt, output=original, correction=answer, correction_notes=notes, conversation_id=chat.id, created_at=time
    )


def _with_metadata(content: Content, aside: Aside) -> Content:
    return content._replace(metadata=content.metadata | aside.metadata)


def _is_feedback(fields: Fields) -> bool:
    said = fields["data"]
    return isinstance(said, Mapping) and isinstance(fields["snapshot"], Mapping)


def _is_chat(fields: Fields) -> bool:
    chat = fields["chat"]
    return isinstance(chat, Mapping) and ("history" in chat or "messages" in chat)


_TREE: Schema = {
    "description": "A chat as Open WebUI keeps it: a tree of messages.",
    "type": "object",
    "properties": {"history": {"type": "object"}, "messages": {"type": "array"}, "title": {}, "params": {}},
}
OPEN_WEBUI_FEEDBACK = FeedbackFormat(
    name="OpenWebUIFeedback",
    description="Open WebUI's export of feedback: thumbs, and details from 1 to 10, each with a snapshot of its chat.",
    marks=("data", "snapshot"),
    looks_so=_is_feedback,
    read=_read_feedback,
    schema=schema.record_of(
        {
            "type": {"const": "rating"},
            "data": {"type": "object", "description": "`rating` is 1 or -1, `details.rating` is 1 to 10."},
            "meta": {"type": "object", "description": "`message_id` is the answer that is judged."},
            "snapshot": {"type": "object", "properties": {"chat": {"type": "object"}}},
        },
        {"required": ["data"]},
    ),
    example={
        "type": "rating",
        "data": {"rating": 1, "model_id": "m", "details": {"rating": 9}},
        "meta": {"message_id": "b", "chat_id": "c"},
        "snapshot": {
            "chat": {
                "chat": {
                    "messages": [
                        {"id": "a", "parentId": None, "role": "user", "content": "Who met?"},
                        {
                            "id": "b",
                            "parentId": "a",
                            "role": "assistant",
                            "content": "The council.",
                            "originalContent": "The mayor.",
                        },
                    ]
                }
            }
        },
    },
)
OPEN_WEBUI_CHAT = FeedbackFormat(
    name="OpenWebUIChat",
    description="Open WebUI's export of chats: a tree of messages, in which thumbs judge single answers.",
    marks=("chat",),
    looks_so=_is_chat,
    read=_read_chat,
    schema=schema.record_of({"chat": _TREE}, {"required": ["chat"]}),
    example={
        "chat": {
            "history": {
                "currentId": "b",
                "messages": {
                    "a": {"id": "a", "parentId": None, "role": "user", "content": "Who met?"},
                    "b": {
                        "id": "b",
                        "parentId": "a",
                        "role": "assistant",
                        "content": "The council.",
                        "originalContent": "The mayor.",
                        "annotation": {"rating": 1},
                    },
                },
            }
        },
    },
    also=frozenset({"archived", "pinned", "title", "summary", "tasks"}),
)
