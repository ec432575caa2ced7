"""Bases in the quantisations that people pull, mixed ones among them, go all the way through a real Ollama.

SmolLM2-135M, widened so that K-quants hold it (bench/models.py), in files by llama-quantize, as Ollama has them. The
adapter is trained once, on the narrow model, and registered for each base.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
from bench.models import Kind, quantised, widen_adapter

from adapterd.base.modelfile import Modelfile
from adapterd.home import Home
from adapterd.merging.verify import TensorReport
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, wait_until
from tests.support.real_ollama import CANNOT_BE_HAD, ROOT

pytestmark = pytest.mark.ollama

KINDS: dict[Kind, set[str]] = {
    "Q4_K_M": {"Q4_K", "Q6_K"},
    "Q5_K_M": {"Q5_K", "Q6_K"},
    "Q4_0": {"Q4_0"},
    "Q8_0": {"Q8_0"},
    "F16": {"F16"},
}
"""The types that the matrices of the last block, which the adapter changes, have in each."""
MOST_PULLED: Kind = "Q4_K_M"
CANDIDATE = f"{MODEL}:1.0.0"
LAST_BLOCK, PROJECTIONS = "blk.29.", 7
PARAMETERS = "191.15M"
RECORDS = 12
QUICK = ("dataset.validation_share=0.3", "merging.steps=2", "merging.min_retention=0", "evaluation.num_ctx=512")
ONE_THREAD = {"MKL_NUM_THREADS": "1"}
"""Two that wait for each other take several times as long, if anything else is going on."""
PROMPT = "Which two companies, and in which city?"


@dataclass(frozen=True)
class Registered:
    """A base in Ollama and what the adapter made of it."""

    kind: Kind
    base: str
    person: Person
    server: PrivateOllama

    def shown(self, tag: str) -> dict[str, Any]:
        """What Ollama's API says of a tag."""
        answer = httpx.post(f"{self.server.host}/api/show", json={"model": tag, "verbose": True}, timeout=60)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def printed(self, tag: str) -> dict[str, str]:
        """The lines about the model that `ollama show` prints for a person: values by their names."""
        command: list[str | Path] = [self.server.binary, "show", tag]
        done = subprocess.run(command, env=self.server.environment(), capture_output=True, text=True, check=True)
        section = done.stdout.partition("Model\n")[2].partition("\n\n")[0]
        return {
            name: value.strip() for name, _, value in (line.strip().partition(" ") for line in section.splitlines())
        }

    @cached_property
    def merging(self) -> dict[str, Any]:
        """What the version's lineage says of its merge."""
        found: dict[str, Any] = self.person.json("show", "1.0.0")["lineage"]["stages"]["merging"]
        return found


@pytest.fixture(scope="session")
def llama_quantize(ollama_binary: Path) -> None:
    """What makes the bases; it is built with Ollama."""
    command: list[str | Path] = [ROOT / "scripts/ensure-llama-tools", "--built", "llama-quantize"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode == CANNOT_BE_HAD:
        pytest.skip(found.stderr.strip().splitlines()[-1])
    assert found.returncode == 0, found.stderr


@pytest.fixture(scope="session")
def wide_adapter(llama_quantize: None, smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for all of the bases, trained by the product on the narrow model; what comes after is cut short."""
    folder = tmp_path_factory.mktemp("narrow")
    person = begin(Person(Home(folder / "home"), ONE_THREAD), smollm2_path, "--runtime", "embedded")
    with feed(person, folder / "application", count=RECORDS).begun("retrain") as command:
        wait_until("it is over", lambda: command.poll() is not None or person.has_finished("training"), timeout_s=240)
        assert command.poll() is None, person.wait(command)
    run, _ = person.last_run()
    return widen_adapter(person.home.run(run.id) / "adapter", folder / "wide")


@pytest.fixture(
    scope="module",
    params=[kind if kind == MOST_PULLED else pytest.param(kind, marks=pytest.mark.long) for kind in KINDS],
)
def registered(
    request: pytest.FixtureRequest,
    wide_adapter: Path,
    ollama_server: PrivateOllama,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Registered]:
    """Somebody who has registered the adapter for a base in this quantisation; one after the other."""
    kind: Kind = request.param
    base, folder = f"wide:{kind.lower()}", tmp_path_factory.mktemp(kind)
    with emptied(ollama_server) as ollama:
        ollama.create(base, quantised(kind, wide=True), file_digest(quantised(kind, wide=True)), Modelfile())
        person = Person(Home(folder / "home"), ONE_THREAD)
        begin(person, Path(base), "--host", ollama_server.host, changes=QUICK)
        said = feed(person, folder / "application", count=RECORDS).run("register", wide_adapter, "--model", MODEL)
        assert said.code == 0, said
        yield Registered(kind, base, person, ollama_server)


@contextmanager
def emptied(server: PrivateOllama) -> Iterator[OllamaRuntime]:
    """Afterwards nothing of ours is left in memory or in the store."""
    ollama = OllamaRuntime(server.host)
    try:
        yield ollama
    finally:
        for tag in [tag for tag in ollama.tags() if tag.startswith((f"{MODEL}:", "wide:"))]:
            httpx.post(f"{server.host}/api/generate", json={"model": tag, "keep_alive": 0}, timeout=60)
            ollama.delete(tag)


def test_the_candidate_answers(registered: Registered) -> None:
    answer = registered.person.json("run", "--version", "1.0.0", PROMPT)
    assert answer["text"].strip()


def test_ollama_says_the_same_of_candidate_and_base(registered: Registered) -> None:
    candidate, base = (registered.shown(tag)["details"] for tag in (CANDIDATE, registered.base))
    assert candidate == base
    assert base["quantization_level"] == registered.kind
    assert base["parameter_size"] == PARAMETERS


def test_a_person_sees_it_too(registered: Registered) -> None:
    candidate, base = registered.printed(CANDIDATE), registered.printed(registered.base)
    assert candidate == base
    assert (candidate["quantization"], candidate["parameters"]) == (registered.kind, PARAMETERS)


def test_the_candidate_is_matched_to_its_base(registered: Registered) -> None:
    report = TensorReport(**registered.merging["tensors"])
    assert report.matches, report
    candidate, base = (registered.shown(tag)["tensors"] for tag in (CANDIDATE, registered.base))
    assert len(candidate) == report.total
    assert candidate == base
    assert {each["type"] for each in base if each["name"].startswith(LAST_BLOCK) and len(each["shape"]) > 1} == (
        KINDS[registered.kind]
    )


def test_ollama_serves_the_file_that_was_merged(registered: Registered) -> None:
    base, candidate = (registered.person.runtime().show(tag).gguf for tag in (registered.base, CANDIDATE))
    assert candidate is not None
    assert candidate.name == registered.merging["digest"].replace(":", "-")
    assert candidate != base


def test_the_adapter_survives(registered: Registered) -> None:
    merging, rounded = registered.merging, registered.kind != "F16"
    assert (merging["touched"], merging["gptq_tensors"]) == (PROJECTIONS, PROJECTIONS if rounded else 0)
    assert merging["retention"]["kept"] > (0.5 if rounded else 0.99), "with two steps of distillation"
