"""Ollama is updated between two evaluations, and inside of a run: like is compared with like, and a run is mended.

Releases before 0.30 made prompts by the template of the Modelfile; OLLAMA_GO_TEMPLATE has a newer one do the same, so
that a server without it is the update.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.store import Store
from tests.acceptance.conftest import feed
from tests.acceptance.person import MODEL, SMALL, Person, settings
from tests.support.ollama_proxy import OllamaProxy, proxy_of
from tests.support.tiny_gguf import write_tiny_gguf

pytestmark = [pytest.mark.ollama, pytest.mark.long]
TEMPLATE = "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
JINJA = (
    "{%- if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{%- if tools %}{%- for tool in tools %}{{ tool | tojson }}{%- endfor %}{%- endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% if m.tool_calls %}{% for t in m.tool_calls %}"
    "<tool_call>{{ t.function | tojson }}</tool_call>{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PATIENCE_S = 1200
QUESTIONS = 2
"""In the frozen set of so little feedback."""


class Updated(PrivateOllama):
    """A server that is of an old release until it is updated."""

    old = True

    def environment(self) -> dict[str, str]:
        old = {"OLLAMA_GO_TEMPLATE": "1"} if self.old else {}
        return {**super().environment(), **old}

    def update(self) -> None:
        self.stop()
        self.old = False
        self.start()


@pytest.fixture
def updated(ollama_binary: Path, tmp_path: Path) -> Iterator[Updated]:
    with Updated(ollama_binary, tmp_path / "ollama") as server:
        gguf = write_tiny_gguf(
            tmp_path / "tiny.gguf", type_name="Q4_1",
            metadata={"tokenizer.chat_template": JINJA, "llama.context_length": 2048},
        )  # fmt: skip
        OllamaRuntime(server.host).create("seed:latest", gguf, file_digest(gguf), Modelfile(template=TEMPLATE))
        yield server


@pytest.fixture
def renewed(updated: Updated) -> Iterator[OllamaProxy]:
    with proxy_of(updated.host) as made:
        yield made


@pytest.fixture
def begun(renewed: OllamaProxy, tmp_path: Path) -> Person:
    person = Person(Home(tmp_path / "home"), patience_s=PATIENCE_S)
    said = person.run(
        "init", MODEL, "--base", "seed", "--task", "json", "--host", renewed.host, *settings(*SMALL, "merging.steps=2")
    )
    assert said.code == 0, said
    return feed(person, tmp_path / "news")


def test_answers_of_another_release_are_not_compared_with(
    begun: Person, renewed: OllamaProxy, updated: Updated
) -> None:
    assert begun.run("retrain").code == 0
    renewed.asked.clear()
    assert begun.run("eval", "run", "1.0.0").code == 0
    assert renewed.asked == {}  # all is known
    renewed.version = "0.99.0"
    assert begun.run("eval", "run", "1.0.0").code == 0
    assert renewed.asked == {f"{MODEL}:1.0.0": QUESTIONS, f"{MODEL}:base": QUESTIONS}
    renewed.asked.clear()
    updated.update()  # the same number, other prompts
    said = begun.run("eval", "run", "1.0.0")
    assert said.code == 0, said
    assert renewed.asked == {f"{MODEL}:1.0.0": QUESTIONS, f"{MODEL}:base": QUESTIONS}


def test_a_run_that_an_update_meets_begins_anew_by_itself(
    begun: Person, renewed: OllamaProxy, updated: Updated
) -> None:
    def update_before_the_candidate_is_registered(path: str, body: bytes) -> None:
        if updated.old and path == "/api/create" and json.loads(body)["model"] == f"{MODEL}:1.0.0":
            updated.update()
            renewed.version = "0.99.0"

    renewed.before = update_before_the_candidate_is_registered
    said = begun.run("retrain")
    assert said.code == 0, said
    assert "became ollama 0.99.0 while the run was going on, and makes other prompts" in said.stderr
    assert "num_ctx" not in said.stdout + said.stderr
    with Store(begun.home.database) as store:
        runs = [(run.state, run.version) for run in store.runs.newest(MODEL, 10)]
    assert [state for state, _ in runs] == ["held", "abandoned"]
    assert [each["version"] for each in begun.json("versions")] == [runs[0][1]]
    assert begun.json("status")["models"][0]["served_as_recorded"] is True
