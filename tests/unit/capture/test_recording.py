"""Which conversations are recorded, and as what."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapterd.capture.captures import Captures
from adapterd.capture.model_facts import FRESH_S, AskedModels, ModelFacts
from adapterd.capture.recording import Recording, answer_hash
from adapterd.chat import Message, Role
from adapterd.config import CaptureSettings, FeedbackSettings, ModelSettings, PersonalData, Settings, Task
from adapterd.errors import NotFoundError
from adapterd.personal_data.scan import scan_text
from adapterd.record import prompt_hash
from tests.unit.capture.test_dialects import exchange, ndjson

Take = Callable[..., bool]
_IDS = count(1)


@pytest.fixture
def captures(tmp_path: Path) -> Iterator[Captures]:
    with Captures(tmp_path / "captures.db") as found:
        yield found


def recording(captures: Captures, settings: Settings | None = None, chance: float = 0.0) -> Recording:
    class Chance(Random):
        def random(self) -> float:
            return chance

    return Recording(
        captures, settings or Settings(),
        lambda model: ModelFacts(f"digest of {model}", {"temperature": 0.1, "top_k": 5}, "t"),
        lambda text: [(kind, text[span.start : span.end]) for kind, span in scan_text(text)], Chance(),
    )  # fmt: skip


def chat(answer: str = "Hello", prompt: str = "Hi", model: str = "smol", at: float = 1000.0, **end: Any) -> Any:
    """An exchange with this answer; `end` changes its last line, `asked` the request."""
    asked = {"model": model, "messages": [{"role": "user", "content": prompt}], **end.pop("asked", {})}
    done = {"message": {"content": ""}, "done": True, "done_reason": "stop", **end}
    chunks = [{"message": {"content": answer}, "done": False}, *([done] if done["done"] else [])]
    return replace(
        exchange("/api/chat", asked, ndjson(*chunks), "application/x-ndjson"), started_at=at, id=f"{next(_IDS):026}"
    )


def of_model(name: str = "news", **settings: Any) -> Settings:
    return Settings(models={name: ModelSettings(base="b", base_digest="sha256:x", **settings)})


def test_a_conversation_is_recorded_with_what_it_was_asked_of(captures: Captures) -> None:
    assert recording(captures).take(chat(asked={"options": {"temperature": 0.5}}))
    [found] = captures.last(5)
    assert (found.model, found.digest, found.template_hash) == ("smol", "digest of smol", "t")
    assert found.options == {"temperature": 0.5, "top_k": 5}
    assert found.answer_hash == answer_hash(" Hello\n")
    assert found.prompt_hash == prompt_hash((Message(Role.USER, "Hi"),))
    assert (found.kept, found.faults) == ("sample", [])
    assert 7 < found.bytes < 200


def test_a_share_is_sampled(captures: Captures) -> None:
    settings = Settings(capture=CaptureSettings(sample=0.3))
    assert recording(captures, settings, chance=0.29).take(chat("a"))
    assert not recording(captures, settings, chance=0.3).take(chat("b", "other"))
    assert captures.left_out() == {"an answer that is not in the sample": 1}


@pytest.mark.parametrize(
    ("answered", "kept", "faults"),
    [
        (chat(done=False), "broken", ["broken"]),
        (chat(done_reason="length"), "cut", ["cut"]),
        (chat("no JSON", asked={"format": "json"}), "schema", ["json"]),
        (chat('{"a": 1}', asked={"format": {"required": ["b"]}}), "schema", ["schema"]),
        (chat(logprobs=[{"logprob": -2.0}, {"logprob": -1.5}]), "low_logprob", []),
    ],
)
def test_some_are_always_kept(captures: Captures, answered: Any, kept: str, faults: list[str]) -> None:
    settings = Settings(capture=CaptureSettings(sample=0.0))
    assert recording(captures, settings).take(answered)
    [found] = captures.last(1)
    assert (found.kept, found.faults) == (kept, faults)


def test_one_that_is_asked_again_soon_is_kept(captures: Captures) -> None:
    everything, nothing = Settings(), Settings(capture=CaptureSettings(sample=0.0))
    assert recording(captures, everything).take(chat(at=1000.0))
    assert recording(captures, nothing).take(chat("Other", at=1100.0))
    assert not recording(captures, nothing).take(chat("Third", at=1300.0))
    assert [each.kept for each in captures.last(5)] == ["again", "sample"]


def test_every_answer_of_a_recorded_model_is_counted_kept_or_not(captures: Captures) -> None:
    """Else the rates would be those of what the rules keep."""
    settings = Settings(capture=CaptureSettings(sample=0.0, models=frozenset({"smol"})))
    taking = recording(captures, settings)
    for number, answer in enumerate(("fine", "also fine", "sk-ant-REDACTED")):
        taking.take(chat(answer, f"prompt {number}", at=1000.0 + number))
    taking.take(chat("cu", "prompt 4", "smol:latest", at=1004.0, done_reason="length"))
    taking.take(chat("not asked for", "prompt 5", "other", at=1005.0))
    assert captures.kept().count == 1
    assert [(each.model, each.answers, each.faults) for each in captures.counted("1970-01-01")] == [
        ("smol", 3, {}), ("smol", 1, {"cut": 1})
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (" ", "empty"),
        ("yes it is so. " * 20, "repetition"),
        ("<think>hm</think>Hello", "think_leak"),
    ],
)
def test_faults_that_show_by_themselves(captures: Captures, answer: str, fault: str) -> None:
    recording(captures).take(chat(answer))
    assert captures.last(1)[0].faults == [fault]


def test_an_echo_is_a_fault(captures: Captures) -> None:
    prompt = "Please tell me in one sentence what the minister said about the budget of next year."
    recording(captures).take(chat(f"Sure. {prompt}", prompt))
    assert captures.last(1)[0].faults == ["echo"]


def test_a_models_own_task_and_schema_are_asked_for(captures: Captures, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": ["a"]}))
    for at, model in enumerate(("news", "news:latest", "news:1.2.0")):
        recording(captures, of_model(task=Task.JSON)).take(chat("none", model=model, at=at))
        recording(captures, of_model(task=Task.JSON, schema=schema)).take(chat("{}", "b", model=model, at=10 + at))
    assert [each.faults for each in captures.last(9)].count(["json"]) == 3
    assert [each.faults for each in captures.last(9)].count(["schema"]) == 3


@pytest.mark.parametrize("model", ["smol", "smol:latest"])
def test_only_the_named_models_are_recorded(captures: Captures, model: str) -> None:
    settings = Settings(capture=CaptureSettings(models=frozenset(["smol"])))
    assert recording(captures, settings).take(chat(model=model))
    assert not recording(captures, settings).take(chat(model="smol:1.0"))
    assert captures.left_out() == {"a model that is not to be recorded": 1}


KEY = "AKIA" + "QYLPMN5HHHFPZAM2"


@pytest.mark.parametrize(
    "private",
    [chat(f"the key is {KEY}"), chat(prompt="write to ada.lovelace@example.org"), chat("DE89 3704 0044 0532 0130 00")],
)
def test_secrets_and_personal_data_are_never_stored(captures: Captures, tmp_path: Path, private: Any) -> None:
    assert not recording(captures).take(private)
    assert captures.last(5) == []
    [reason] = captures.left_out()
    assert reason.startswith("a conversation with secrets or personal data: ")
    assert not any(b"lovelace" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"function": {"description": f"the key is {KEY}"}}]},
        {"options": {"stop": [f"the key is {KEY}"]}},
        {"format": {"description": f"the key is {KEY}"}},
        {"messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [{"function": {"name": "say", "arguments": {"what": f"key {KEY}"}}}]},
        ]},
    ],
)  # fmt: skip
def test_whatever_is_stored_is_screened(captures: Captures, asked: Any) -> None:
    assert not recording(captures).take(chat(asked=asked))
    assert captures.last(5) == []


def test_a_schema_that_cannot_be_read_stops_nothing(captures: Captures, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text("no JSON")
    assert not recording(captures, of_model(schema=tmp_path / "schema.json")).take(chat(model="news"))
    assert recording(captures, of_model(schema=tmp_path / "schema.json")).take(chat(model="other"))
    assert captures.left_out() == {"a model whose schema cannot be read": 1}


def test_what_a_model_allows_is_stored(captures: Captures) -> None:
    mail = chat(prompt="write to ada@example.org", model="news")
    allowed = of_model(feedback=FeedbackSettings(allow=("*@example.org",)))  # type: ignore[arg-type]
    everything = of_model(feedback=FeedbackSettings(personal_data=PersonalData.ALLOW))
    assert recording(captures, allowed).take(mail)
    assert recording(captures, everything).take(replace(mail, id="2"))
    assert not recording(captures, allowed).take(chat(prompt="write to ada@example.com", model="news"))


def test_nothing_is_stored_without_settings(captures: Captures) -> None:
    found = recording(captures)
    found.settings = None
    assert not found.take(chat())
    assert captures.left_out() == {"settings that cannot be read": 1}


def test_a_retry_takes_the_place_of_what_broke_off(captures: Captures) -> None:
    found = recording(captures)
    for at in (1000.0, 1001.0):
        found.take(chat("He", at=at, done=False))
    found.take(chat(at=1002.0))
    found.take(chat("Hello again", at=1003.0))
    assert [(each.answer, each.repeats) for each in captures.last(9)] == [("Hello again", 0), ("Hello", 2)]


def test_a_model_is_asked_for_once_in_a_while() -> None:
    now, asked = [0.0], list[str]()

    def show(model: str) -> Any:
        asked.append(model)
        raise NotFoundError("it is gone")

    facts = AskedModels(show, lambda: now[0])
    assert [facts("a"), facts("a"), facts("b")] == [ModelFacts()] * 3
    now[0] = FRESH_S + 0.1
    assert facts("a") == ModelFacts()
    assert asked == ["a", "b", "a"]
