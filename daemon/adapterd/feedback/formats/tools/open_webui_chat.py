"""A chat as Open WebUI keeps it: a tree of messages, each with its parent, since an answer can be made anew."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from adapterd.chat import Message, Prompt, Role
from adapterd.errors import InputError
from adapterd.feedback import checks, ways_on
from adapterd.feedback.formats.messages import ROLES, with_thought
from adapterd.feedback.formats.options import ReadingOptions
from adapterd.feedback.formats.unknown_fields import Aside, is_empty
from adapterd.feedback.ways_on import PLACE

_OF_A_CHAT = frozenset({
    "id", "title", "models", "params", "options", "history", "messages", "tags", "timestamp", "files", "system",
    "originalChatId", "branchPointMessageId", "chat", "user_id", "updated_at", "created_at", "share_id", "archived",
    "pinned", "meta", "folder_id", "tasks", "summary", "last_read_at", "features", "toolIds", "currentId",
})  # fmt: skip
_OF_A_MESSAGE = frozenset({
    "id", "parentId", "childrenIds", "role", "content", "timestamp", "model", "modelName", "modelIdx", "models",
    "done", "userContext", "info", "usage", "statusHistory", "status", "lastSentence", "selectedModelId", "followUps",
    "annotation", "feedbackId", "originalContent", "merged", "error", "files", "sources", "citations", "embeds",
    "code_executions", "user", "favorite", "arena", "completed_at", "output", "features", "toolIds", "tool_ids",
    "variables", "context",
})  # fmt: skip
_CONTEXT = ("files", "sources", "citations", "context", "code_executions")
"""What was put before the model beside the text: an answer to it cannot be learned from the text alone."""
_TOPICS = ("meta", "tags")
"""What a chat is about, in the words of a model or a person."""
_THOUGHT = re.compile(r'<details type="reasoning"[^>]*>\s*<summary>.*?</summary>(.*?)</details>\s*', re.DOTALL)
_CALL = re.compile(r'<details type="(\w+)"')


@dataclass(frozen=True)
class Node:
    """A message of the tree, and where it stands."""

    path: str
    fields: Mapping[str, object]


@dataclass(frozen=True)
class Chat:
    """The messages of a chat by their ids, and its system prompt."""

    id: str | None
    nodes: Mapping[str, Node]
    system: tuple[Message, ...]
    options: ReadingOptions
    aside: Aside

    @classmethod
    def of(cls, path: str, value: object, options: ReadingOptions, aside: Aside) -> Self:
        """The chat in an object, also where it stands within the row of the database that it was exported from."""
        if not isinstance(value, Mapping):
            raise InputError(f"{path} must be an object, not {checks.shown(value)}")
        aside.check(value, _OF_A_CHAT, options, path)
        inner = value.get("chat")
        if isinstance(inner, Mapping):
            found = cls.of(f"{path}.chat", inner, options, aside)
            return cls(found.id or _id(value), found.nodes, found.system, options, aside)
        if not is_empty(value.get("files")) and not options.ignores(f"{path}.files"):
            ignored = ways_on.ignore(f"{path}.files")
            raise InputError(
                f"{path}.files has documents; only text can be trained on; if they mean nothing: {ignored}"
            )
        aside.check({name: value[name] for name in _TOPICS if name in value}, (), options, path)
        if isinstance(history := value.get("history"), Mapping):
            aside.check(history, ("messages", "currentId"), options, f"{path}.history")
        return cls(_id(value), _nodes(path, value), _system(path, value), options, aside)

    def node(self, message_id: object) -> Node | None:
        """The message of this id."""
        return self.nodes.get(message_id) if isinstance(message_id, str) else None

    def answers(self) -> Iterator[Node]:
        """The answers of the tree, of every branch."""
        return (node for node in self.nodes.values() if node.fields.get("role") == "assistant")

    def answer(self, node: Node) -> str:
        """What the assistant says there, with its thought in front; raises InputError."""
        if node.fields.get("role") != "assistant":
            raise InputError(f"{node.path} is judged, and it is not the assistant's")
        return self._text(node, node.fields.get("content"), is_answer=True)

    def original(self, node: Node) -> str | None:
        """What the model said before a person rewrote it; None if nobody did."""
        original = node.fields.get("originalContent")
        if is_empty(original) or original == node.fields.get("content"):
            return None
        return self._text(node, original, is_answer=True)

    def prompt(self, node: Node) -> Prompt:
        """The turns that lead to a message, from the root of the tree; raises InputError."""
        turns: list[Message] = []
        above = self._parent(node)
        while above is not None:
            turns.insert(0, self._turn(above))
            if len(turns) > len(self.nodes):
                raise InputError(f"{node.path}: the parents of its messages lead in a circle")
            above = self._parent(above)
        if not turns or turns[-1].role is not Role.USER:
            raise InputError(f"{node.path} must answer a message of the user")
        if self.system and turns[0].role is Role.SYSTEM:
            raise InputError(f"{node.path}: there are two system prompts, in the chat and in its parameters")
        return (*self.system, *turns)

    def _parent(self, node: Node) -> Node | None:
        parent = node.fields.get("parentId")
        if parent is None:
            return None
        found = self.node(parent)
        if found is None:
            raise InputError(f"{node.path}.parentId is {checks.shown(parent)}, which is no message of the chat")
        return found

    def _turn(self, node: Node) -> Message:
        role = node.fields.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise InputError(f"{node.path}.role is {checks.shown(role)}, which is not one of: {', '.join(ROLES)}")
        return Message(ROLES[role], self._text(node, node.fields.get("content"), is_answer=False))

    def _text(self, node: Node, content: object, *, is_answer: bool) -> str:
        self.aside.check(node.fields, _OF_A_MESSAGE, self.options, node.path, may_be_mapped=False)
        for name in _CONTEXT:
            if not is_empty(node.fields.get(name)) and not self.options.ignores(f"{node.path}.{name}"):
                raise InputError(
                    f"{node.path}.{name} has what the model was shown beside the text; only text can be trained on; "
                    f"{ways_on.if_nothing(f'{node.path}.{name}')}"
                )
        return _without_details(
            f"{node.path}.content", checks.text(f"{node.path}.content", content), is_answer=is_answer
        )


def _without_details(path: str, text: str, *, is_answer: bool) -> str:
    """The text without Open WebUI's folded thoughts: they go in front of an answer, and out of an earlier turn."""
    thoughts = [_unquoted(found) for found in _THOUGHT.findall(text)]
    plain = _THOUGHT.sub("", text).strip() if thoughts else text
    if call := _CALL.search(plain):
        raise InputError(f"{path} has {call[1].replace('_', ' ')}; only text can be trained on")
    if not plain:
        raise InputError(f"{path} is a thought without an answer")
    return with_thought("\n\n".join(thoughts), plain) if thoughts and is_answer else plain


def _unquoted(block: str) -> str:
    import html  # its table of names stays in the daemon's memory

    lines = html.unescape(block).strip().splitlines()
    return "\n".join(line.removeprefix(">").removeprefix(" ") for line in lines)


def _nodes(path: str, chat: Mapping[str, object]) -> dict[str, Node]:
    history = chat.get("history")
    tree = history.get("messages") if isinstance(history, Mapping) else None
    if isinstance(tree, Mapping) and tree:
        return {str(key): _node(f"{path}.history.messages{_place(str(key))}", node) for key, node in tree.items()}
    items = chat.get("messages")
    if not isinstance(items, list) or not items:
        raise InputError(f"{path} has neither history.messages nor messages")
    nodes: dict[str, Node] = {}
    before: str | None = None
    for place, item in enumerate(items):
        node = _node(f"{path}.messages[{place}]", item)
        key = str(node.fields.get("id") or f"#{place}")
        if key in nodes:
            raise InputError(f"{node.path}.id is {checks.shown(key)}, which an earlier message has as well")
        nodes[key] = node if "parentId" in node.fields else Node(node.path, {**node.fields, "parentId": before})
        before = key
    return nodes


def _place(key: str) -> str:
    """Where a message stands among the others: what it has is named for all of them."""
    return f"[{key}]" if PLACE.fullmatch(f"[{key}]") else f".{checks.field(key)}"


def _node(path: str, value: object) -> Node:
    if not isinstance(value, Mapping):
        raise InputError(f"{path} must be a message, not {checks.shown(value)}")
    return Node(path, value)


def _id(value: Mapping[str, object]) -> str | None:
    found = value.get("id")
    return found if isinstance(found, str) and found.strip() else None


def _system(path: str, chat: Mapping[str, object]) -> tuple[Message, ...]:
    params = chat.get("params")
    found = [
        value for value in (chat.get("system"), params.get("system") if isinstance(params, Mapping) else None) if value
    ]
    if len(set(map(str, found))) > 1:
        raise InputError(f"{path}.system and {path}.params.system are two system prompts; which one is meant?")
    return tuple(Message(Role.SYSTEM, checks.text(f"{path}.system", value)) for value in found[:1])
