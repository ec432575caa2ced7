"""Prompts of recorded conversations go into the pool, each once, none that is frozen or was taken back."""

from dataclasses import replace

import pytest

from adapterd.capture.captures import Captures
from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.intake.prompt_intake import import_captured, remove_captured
from adapterd.record import prompt_hash
from adapterd.store import Store
from tests.unit.capture.test_captures import HELLO

MODEL = "news"


def record(home: Home, number: int, prompt: str, model: str = "news:latest", **changes: object) -> None:
    turns = changes.pop("turns", [{"role": "system", "content": "Be short."}, {"role": "user", "content": prompt}])
    hashed = prompt_hash((Message(Role.SYSTEM, "Be short."), Message(Role.USER, prompt)))
    made = replace(
        HELLO, **{"id": f"{number:026}", "model": model, "turns": turns, "prompt_hash": hashed, **changes}  # type: ignore[arg-type]
    )  # fmt: skip
    with Captures(home.captures) as captures:
        captures.add(made)


def test_each_prompt_is_taken_once_with_where_it_is_from(home: Home, store: Store) -> None:
    for number, prompt in enumerate(("Who met?", "Who met?", "When?")):
        record(home, number, prompt)
    record(home, 9, "Of another model", "other:latest")
    report = import_captured(store, home, MODEL)
    assert (report.rows, report.added, report.known, report.refused) == (3, 2, 1, ())
    newest, oldest = store.prompts.newest(MODEL, 9)
    assert (newest.messages[-1]["content"], newest.origin) == ("When?", "capture")
    assert oldest.messages[0] == {"role": "system", "content": "Be short."}
    known = store.prompts.known_by(MODEL, f"{1:026}")
    assert known is not None
    assert known[0] == oldest.prompt_hash
    assert import_captured(store, home, MODEL).added == 0
    assert len(store.events.latest()) == 1


def test_a_prompt_of_a_frozen_set_is_refused(home: Home, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(home, 1, "Who met?")
    frozen = {prompt_hash((Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Who met?")))}
    monkeypatch.setattr(type(store.prompts), "frozen_hashes", lambda *_: frozen)
    report = import_captured(store, home, MODEL)
    assert [each.reason for each in report.refused] == ["its prompt is in a frozen set"]
    assert store.prompts.newest(MODEL, 9) == []


def test_a_prompt_that_was_taken_back_is_refused(home: Home, store: Store) -> None:
    record(home, 1, "Who met?")
    hashed = prompt_hash((Message(Role.SYSTEM, "Be short."), Message(Role.USER, "Who met?")))
    store.removals.begin(MODEL, "by hand", going=(), hashes=[hashed], versions={})
    [refused] = import_captured(store, home, MODEL).refused
    assert "taken back" in refused.reason


@pytest.mark.parametrize(
    ("turns", "why"),
    [
        ([{"role": "user", "content": "see", "parts": 1}], "images or tool calls"),
        ([{"role": "tool", "content": "12"}], "images or tool calls"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "not the user's"),
        ([{"role": "user", "content": " "}], "asks nothing"),
        ([], "images or tool calls"),
    ],
)
def test_what_is_no_prompt_of_text_is_named(home: Home, store: Store, turns: object, why: str) -> None:
    record(home, 1, "x", turns=turns)
    [refused] = import_captured(store, home, MODEL).refused
    assert refused.place == f"capture {1:026}"
    assert why in refused.reason


def test_what_is_removed_by_its_capture_leaves_the_pool(home: Home, store: Store) -> None:
    for number, prompt in enumerate(("Who met?", "When?")):
        record(home, number, prompt)
    import_captured(store, home, MODEL)
    assert remove_captured(store, [f"{0:026}", "nobody"]) == 1
    assert [each.messages[-1]["content"] for each in store.prompts.newest(MODEL, 9)] == ["When?"]
    assert store.prompts.known_by(MODEL, f"{0:026}") is None
    assert [each.model for each in store.removals.unfinished()] == [MODEL]  # its text is in free pages until then
    assert remove_captured(store, ["nobody"]) == 0


def test_nothing_recorded_is_an_error(home: Home, store: Store) -> None:
    with pytest.raises(InputError, match="no conversation with news is recorded"):
        import_captured(store, home, MODEL)
