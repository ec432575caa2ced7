"""Recorded conversations, a place of text."""

from collections.abc import Iterator

from adapterd.capture.captures import Capture, Captures
from adapterd.removal.removed import Removed, Scene

SAID = ("turns", "answer", "thoughts", "calls", "tools", "schema", "options", "error")
"""Fields of a capture that hold what somebody, or a model, wrote."""


def captures(scene: Scene, change: bool) -> Iterator[str]:
    """Conversations with the prompt of a record that goes, or with a text that goes, whichever model was asked."""
    if not scene.home.captures.is_file():
        return
    going = going_captures(scene)
    yield from (f"capture {each}" for each in going)
    if change:
        with Captures(scene.home.captures) as recorded:
            recorded.remove(going)


def going_captures(scene: Scene) -> list[str]:
    """The ids of the conversations that go."""
    if not scene.home.captures.is_file():
        return []
    with Captures(scene.home.captures) as recorded:
        return [each.id for each in recorded.all() if _goes(each, scene.removed)]


def _goes(capture: Capture, removed: Removed) -> bool:
    messages = [{"role": turn.get("role", ""), "content": turn.get("content", "")} for turn in capture.turns]
    said = [getattr(capture, name) for name in SAID]
    return removed.has_prompt(messages, None) or removed.texts.are_in_value(said)
