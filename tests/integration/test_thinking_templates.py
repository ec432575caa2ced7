"""Models whose templates think: a tiny one is trained to one answer, served for real, and the answer is its content."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import TrainingSettings
from adapterd.dataset.encoding import encode, end_of_turn
from adapterd.dataset.examples import Example
from adapterd.merging.merge import merge
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.training.train import train
from tests.support.real_ollama import OLLAMA
from tests.support.tiny_gguf import write_tiny_gguf

if TYPE_CHECKING:
    from adapterd.serving.runtime import Runtime
    from adapterd.serving.server import PrivateOllama

ANSWER = "the city"
THOUGHT = "<think>\nso it is\n</think>\n\n"
SETTINGS = TrainingSettings(rank=16, alpha=32.0, layers=2, epochs=6, batch_size=4, learning_rate=0.01)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_TURNS = """\
{%- for m in messages %}
{%- set content = m.content.split('</think>')[-1] if m.role == 'assistant' else m.content %}
{{- '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>\\n' }}
{%- endfor %}
"""
QWQ = _TURNS + "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}"
OTHER_TAG = QWQ.replace("think>", "reasoning>")
QWEN3 = (
    _TURNS
    + """\
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}"""
)
GO_OPEN = """\
{{- range $i, $_ := .Messages }}{{- $last := eq (len (slice $.Messages $i)) 1 }}
{{- if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
{{ else if eq .Role "assistant" }}<|im_start|>assistant
{{ if .Thinking }}<think>
{{ .Thinking }}
</think>

{{ end }}{{ .Content }}{{ if not $last }}<|im_end|>
{{ end }}{{ end }}{{- if and (ne .Role "assistant") $last }}<|im_start|>assistant
<think>
{{ end }}{{- end }}"""
GO_HYBRID = GO_OPEN.replace(
    "assistant\n<think>\n{{ end }}{{- end }}",
    "assistant\n{{ if and $.IsThinkSet (not $.Think) }}<think>\n\n</think>\n\n{{ end }}{{ end }}{{- end }}",
)


@pytest.fixture(params=["embedded", OLLAMA])
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> "Runtime":
    if request.param == "embedded":
        return EmbeddedRuntime(tmp_path / "embedded")
    server: PrivateOllama = request.getfixturevalue("ollama_server")
    return OllamaRuntime(server.host)


Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Train a tiny model with a template to one completion, and ask it something that it was not trained on."""

    def trained_and_served(
        runtime: "Runtime", *, jinja: str = "", go: str | None = None, think: bool | None, completion: str
    ) -> str:
        metadata = {"tokenizer.chat_template": jinja} if jinja else {}
        base = write_tiny_gguf(tmp_path / "base.gguf", hidden=96, metadata=metadata)
        candidate, modelfile = tmp_path / "candidate.gguf", Modelfile(template=go)
        runtime.create("thinker:base", base, file_digest(base), modelfile)
        tokenizer = Tokenizer.open(base)

        def render(messages: object) -> str:
            return runtime.render("thinker:base", messages, think=think)  # type: ignore[arg-type]

        def apart() -> bool:
            options = ChatOptions(num_ctx=512, num_predict=3, think=think)
            return not runtime.chat("thinker:base", (Message(Role.USER, "Yes?"),), options).text

        examples = [
            Example((Message(Role.USER, f"{word} {other}"),), completion, "r", "p", NOW)
            for word in ("who", "what", "when", "where")
            for other in ("is", "was", "can", "has", "the", "a")
        ]
        lines = [
            json.dumps(vars(each)) + "\n"
            for each in encode(examples, render, tokenizer, end_of_turn(render, tokenizer), apart)
        ]
        data = tmp_path / "data"
        data.mkdir()
        (data / "train.jsonl").write_text("".join(lines[2:]))
        (data / "validation.jsonl").write_text("".join(lines[:2]))
        train(GgufFile.open(base), data, SETTINGS, tmp_path / "adapter", lambda _: None)
        merge(base, tmp_path / "adapter", candidate)
        runtime.create("thinker:candidate", candidate, file_digest(candidate), modelfile)
        options = ChatOptions(num_ctx=512, num_predict=60, think=think)
        return runtime.chat("thinker:candidate", (Message(Role.USER, "who the"),), options).text

    return trained_and_served


@pytest.mark.parametrize("completion", [ANSWER, THOUGHT + ANSWER], ids=["without a thought", "with one"])
@pytest.mark.parametrize("think", [None, True, False], ids=["default", "on", "off"])
@pytest.mark.parametrize("jinja", [QWQ, QWEN3], ids=["always open", "hybrid"])
def test_the_learned_answer_is_the_content_by_a_files_own_template(
    runtime: "Runtime", serve: Serve, jinja: str, think: bool | None, completion: str
) -> None:
    if think is False:
        completion = ANSWER  # thoughts are left out then
    said = serve(runtime, jinja=jinja, think=think, completion=completion)
    if runtime.name == "embedded" and jinja is QWEN3:
        said = said.removeprefix(THOUGHT)  # which nothing takes off where no prompt has opened it
    assert said.strip() == ANSWER


def test_an_answer_follows_at_once_where_no_thought_is_told_apart(runtime: "Runtime", serve: Serve) -> None:
    assert serve(runtime, jinja=OTHER_TAG, think=None, completion=ANSWER).strip() == ANSWER


@pytest.mark.ollama
@pytest.mark.parametrize("completion", [ANSWER, THOUGHT + ANSWER], ids=["without a thought", "with one"])
@pytest.mark.parametrize(("go", "think"), [(GO_OPEN, None), (GO_OPEN, False), (GO_HYBRID, None), (GO_HYBRID, False)])
def test_the_learned_answer_is_the_content_by_ollamas_templates(
    ollama_server: "PrivateOllama", serve: Serve, go: str, think: bool | None, completion: str
) -> None:
    if think is False:
        completion = ANSWER
    said = serve(OllamaRuntime(ollama_server.host), go=go, think=think, completion=completion)
    assert said.strip() == ANSWER
