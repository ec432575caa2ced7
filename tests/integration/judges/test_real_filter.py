"""SmolLM2 in a real Ollama as a teacher and, under another tag, as the judge of its examples; both are unloaded behind.

So small a model is no judge of anything: what it decides is not looked at, only that each example is decided on once.
"""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from adapterd import config
from adapterd.base.modelfile import Modelfile
from adapterd.config import Settings
from adapterd.home import Home
from adapterd.judges.examples import judge_of_examples
from adapterd.runs.planning.unload import unloaded_after
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.store import Store
from adapterd.store.teaching.examples import UNJUDGED, ExampleState, NewExample
from adapterd.teachers.prepare import prepare
from adapterd.teachers.request import Kind
from adapterd.teachers.teach import Taught
from adapterd.teachers.work import Ended
from tests.unit.teachers.test_teach import MODEL, QUESTIONS, pool

if TYPE_CHECKING:
    from pathlib import Path

    from adapterd.serving.server import PrivateOllama

pytestmark = pytest.mark.ollama
TEACHER, JUDGE = "a-teacher:1", "a-strict-judge:1"
CONFIG = """
runtime = "embedded"
ollama.host = "{host}"
[teachers.small]
model = "{teacher}"
num_ctx = 2048
num_predict = 24
parallel = 1
[judges.strict]
model = "{judge}"
num_ctx = 2048
num_predict = 24
parallel = 1
max_calls = 2
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
teaching.judge = "strict"
"""


@pytest.fixture(scope="module")
def filtering_host(ollama_server: "PrivateOllama", smollm2_path: "Path") -> Iterator[str]:
    """The address of an Ollama that has teacher and judge."""
    runtime = OllamaRuntime(ollama_server.host, timeout_s=120)
    for tag in (TEACHER, JUDGE):
        runtime.create(tag, smollm2_path, file_digest(smollm2_path), Modelfile(system=tag))
    yield ollama_server.host
    for tag in (TEACHER, JUDGE):
        runtime.delete(tag)


def test_each_example_is_decided_on_once_and_the_memory_is_given_back(
    filtering_host: str, home: Home, store: Store
) -> None:
    text = CONFIG.format(host=filtering_host, teacher=TEACHER, judge=JUDGE)
    home.config_file.write_text(text, encoding="utf-8")
    for number in range(2):
        asked = ({"role": "user", "content": f"What is {number} + {number}?"},)
        new = NewExample(
            "answer", "small", TEACHER, f"p{number}", asked, str(2 * number), ExampleState.UNSURE, filter=UNJUDGED
        )
        assert store.teaching.examples.add(MODEL, new)
    settings, runtime = config.load(home), OllamaRuntime(filtering_host)
    runtime.unload(TEACHER)  # another test may have loaded the same file
    until(lambda: not runtime.loaded())
    pool(store, QUESTIONS[0])
    with unloaded_after(settings, MODEL):
        first = taught(store, home, settings)
        assert first.judged
        assert (first.earlier.made, first.judged.outcome.ended) == (1, Ended.CALLS)
        assert taught(store, home, settings).earlier.made == 1
        assert runtime.loaded()
    states = [each.state for each in store.teaching.examples.all(MODEL) if each.filter == "judge"]
    assert len(states) == 2
    until(lambda: not runtime.loaded())


def taught(store: Store, home: Home, settings: Settings) -> Taught:
    judge = judge_of_examples(store, home, settings, MODEL)
    return prepare(store, home, settings, MODEL, judge=judge, kinds=[Kind.ANSWER]).ask("teach")


def until(done: Callable[[], bool]) -> None:
    """Wait until this holds; Ollama ends a runner behind its answer."""
    deadline = monotonic() + 60
    while not done():
        assert monotonic() < deadline
        sleep(0.1)
