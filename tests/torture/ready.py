"""What several scenarios begin with: a model whose versions were never trained, in an Ollama of its own."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from adapterd.deployment.deploy import Deployer
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.server import PrivateOllama
from adapterd.store import Store
from tests.acceptance.person import MODEL, Person
from tests.support.kept_model import add_version
from tests.support.tiny_gguf import write_tiny_gguf

ROOT = Path(__file__).resolve().parents[2]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@dataclass(frozen=True)
class Ready:
    """A person with the model, and the Ollama that serves it."""

    person: Person
    runtime: OllamaRuntime

    def deployer(self, store: Store) -> Deployer:
        """What changes the tags, recording it there."""
        return Deployer(store, self.person.home, self.runtime)


@contextmanager
def ready(versions: Sequence[str], keep: Path | None = None) -> Iterator[Ready]:
    """The model on its base, with these versions registered and none of them live; all of it goes at the end, unless
    there is a folder to keep it in."""
    with ExitStack() as ends:
        folder = keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        folder.mkdir(parents=True, exist_ok=True)
        server = ends.enter_context(PrivateOllama(ollama_binary(), folder / "ollama"))
        person, runtime = Person(Home(folder / "home")), OllamaRuntime(server.host, timeout_s=120)
        said = person.run("init", MODEL, "--base", tiny(folder, "base"), "--host", server.host)
        if said.code:
            raise RuntimeError(said.stderr)
        with Store(person.home.database) as store:
            for version in versions:
                add_version(store, person.home, runtime, MODEL, version, tiny(folder, version))
        yield Ready(person, runtime)


def take_posts(person: Person) -> None:
    """Have the next daemon take feedback over HTTP, at any port that is free and as much as comes."""
    for old, new in (
        ("enabled = false", "enabled = true"),
        ("port = 11480", "port = 0"),
        ("_minute = 600", "_minute = 1000000"),
    ):
        person.correct(old, new)


def ollama_binary() -> Path:
    """A real `ollama`; raises CalledProcessError where it cannot be had."""
    found = subprocess.run([ROOT / "scripts/ensure-ollama"], stdout=subprocess.PIPE, text=True, check=True)
    return Path(found.stdout.splitlines()[-1])


def tiny(folder: Path, name: str) -> Path:
    """A model of some kilobytes, like no other one."""
    metadata = {"tokenizer.chat_template": CHATML, "general.name": name}
    return write_tiny_gguf(folder / f"{name}.gguf", type_name="Q4_1", metadata=metadata)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The median and what 99 of 100 stay below, rounded."""
    return {"p50": round(quantiles(values, n=2)[0], 2), "p99": round(quantiles(values, n=100)[98], 2)}
