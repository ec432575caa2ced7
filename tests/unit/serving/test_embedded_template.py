"""A chat template is a program that came with a file: whatever becomes of it, the runtime says so in a sentence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.errors import RuntimeRefusedError
from adapterd.serving.embedded import EmbeddedRuntime

ASKED = [Message(Role.USER, "Who?")]


@pytest.fixture
def embedded_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedRuntime:
    model = SimpleNamespace(metadata={})
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
        "{{ 'a' * (10 ** 30) }}",
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
