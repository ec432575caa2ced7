"""A chat template is a program that came with a file: whatever becomes of it, the runtime says so in a sentence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role, as_dicts
from adapterd.errors import RuntimeRefusedError
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.system.child.limited import LimitedChild
from tests.support.chat_templates import FAMILIES
from tests.support.tiny_gguf import write_tiny_gguf

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
ASKED = [Message(Role.USER, "Who?")]


@pytest.fixture
def embedded_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedRuntime:
    model = SimpleNamespace(metadata={}, chat_template=None)
    monkeypatch.setattr(EmbeddedRuntime, "_model", lambda *_: model)
    return EmbeddedRuntime(tmp_path)


def having(monkeypatch: pytest.MonkeyPatch, template: str) -> None:
    shown: Any = SimpleNamespace(modelfile=Modelfile(template=template))
    monkeypatch.setattr(EmbeddedRuntime, "show", lambda *_: shown)


@pytest.mark.parametrize(
    "template",
    [
        "{% if %}", "{{ 1 // 0 }}", "{{ 1 + 'a' }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ messages[9].content.x.y }}", "{{ raise_exception('no') }}", "{{ ''.__class__.__mro__ }}{{ 1 / 0 }}",
        "{{ 'a' * (10 ** 30) }}", "{{ 'a' * 2 ** 33 }}", "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
        "{% set n = namespace(x='a') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{{ '%0999999999d' % 1 }}", "{{ 9 ** (9 ** 9) }}", "{{ 'a' | center(2 ** 33) }}", "x" * (2 << 20),
    ],
)  # fmt: skip
def test_a_template_that_fails_is_refused(
    embedded_runtime: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch, template: str
) -> None:
    having(monkeypatch, template)
    with pytest.raises(RuntimeRefusedError, match=r"^the chat template of m:1 cannot be used: ."):
        embedded_runtime.render("m:1", ASKED)


def test_a_template_that_works_is_used(embedded_runtime: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    having(monkeypatch, "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}")
    assert embedded_runtime.render("m:1", ASKED) == "user: Who?"


def test_after_a_template_without_an_end_others_are_rendered(
    embedded_runtime: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    having(monkeypatch, ENDLESS)
    with pytest.raises(RuntimeRefusedError, match="takes longer than 2 s"):
        embedded_runtime.render("m:1", ASKED)
    having(monkeypatch, "{{ messages[0].content }}")
    assert embedded_runtime.render("m:1", ASKED) == "Who?"


def test_what_met_a_limit_is_not_tried_again(
    embedded_runtime: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Mock(side_effect=LimitedChild.ask)
    monkeypatch.setattr(LimitedChild, "ask", lambda *values: ask(*values))
    having(monkeypatch, ENDLESS)
    for _ in range(3):
        with pytest.raises(RuntimeRefusedError, match="takes longer than 2 s"):
            embedded_runtime.render("m:1", ASKED)
    assert ask.call_count == 1


@pytest.mark.parametrize("template", [*FAMILIES.values(), "{{ strftime_now('%d') | length }}{{ messages | tojson }}"])
@pytest.mark.parametrize("turns", [1, 3])
def test_prompts_are_those_of_llama_cpp_python(
    embedded_runtime: EmbeddedRuntime, monkeypatch: pytest.MonkeyPatch, template: str, turns: int
) -> None:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    having(monkeypatch, template)
    conversation = [Message((Role.USER, Role.ASSISTANT)[turn % 2], f"<b>é{turn}</b>") for turn in range(turns)]
    expected = Jinja2ChatFormatter(template, eos_token="", bos_token="")(messages=as_dicts(conversation)).prompt
    assert embedded_runtime.render("m:1", conversation) == expected


@pytest.mark.parametrize("writes", [True, False])
@pytest.mark.parametrize("adds", [None, True, False])
def test_a_prompt_has_one_start_token_at_most(tmp_path: Path, writes: bool, adds: bool | None) -> None:
    """A Llama's tokenizer adds one where the metadata say nothing."""
    template = ("{{ bos_token }}" if writes else "") + "{% for m in messages %}{{ m.content }}{% endfor %}"
    metadata = {"tokenizer.chat_template": template} | ({} if adds is None else {"tokenizer.ggml.add_bos_token": adds})
    file = write_tiny_gguf(tmp_path / "tiny.gguf", tokenizer="llama", layers=1, metadata=metadata)
    runtime = EmbeddedRuntime(tmp_path / "embedded")
    runtime.create("m:1", file, file_digest(file), Modelfile())
    ids = Tokenizer.open(file).encode_prompt(runtime.render("m:1", ASKED))
    assert ids[:2].count(1) == (1 if writes or adds is not False else 0)
    assert runtime.chat("m:1", ASKED, ChatOptions(num_predict=1)).prompt_tokens == len(ids)
