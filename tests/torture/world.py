"""The world that is tormented: a home with a small model, an Ollama of its own, and a daemon that is always started
again, as launchd and systemd do."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import tomli_w

from adapterd.base.modelfile import Modelfile
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama, free_port
from tests.acceptance.person import MODEL, SMALL, Person, settings
from tests.support.tiny_gguf import write_tiny_gguf
from tests.torture.ready import CHATML, ollama_binary

RESTART_AFTER_S = 1.0
"""A daemon that ends at once is not started again at once."""
END_TIMEOUT_S = 20
ASK_TIMEOUT_S = 120
BASE_TAG = "tiny:1"
QUICK = (
    *SMALL,
    "merging.min_retention=0.0",
    "merging.steps=4",
    "evaluation.num_predict=4",
    "evaluation.require_improved=0",
    "gates.json_valid.critical=false",
    "gates.field_f1.critical=false",
    'schedule.cron="* * * * *"',
    "schedule.min_new_records=5",
    "schedule.idle_minutes=0",
    "versions.keep=2",
)
"""No critical metric has to be proven better, so a version whose file is another one is promoted, and what is live
changes with almost every run."""


class Keeper:
    """Starts the daemon, and starts it again whenever it ends, until `stop`."""

    def __init__(self, person: Person, log: Path) -> None:
        self._person = person
        self._log = log
        self._process: subprocess.Popen[str] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """The daemon's process id, if it runs at the moment."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def tracebacks(self) -> int:
        """How often the daemon met something that nobody had thought of."""
        return self._log.read_text(encoding="utf-8", errors="replace").count("Traceback (most recent call last)")

    def start(self) -> None:
        self._thread.start()

    def signal(self, number: int) -> bool:
        """Send a signal to the daemon; False if there was none."""
        process = self._process
        if process is None or process.poll() is not None:
            return False
        process.send_signal(number)
        return True

    def stop(self) -> None:
        """End the daemon for good."""
        self._stopped.set()
        self.signal(signal.SIGTERM)
        self._thread.join(END_TIMEOUT_S)
        if self._thread.is_alive():
            self.signal(signal.SIGKILL)
            self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            with self._log.open("a", encoding="utf-8") as output:
                self._process = self._person.start(module="adapterd", output=output)
            self.starts += 1
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            if time.monotonic() - began < RESTART_AFTER_S:
                self._stopped.wait(RESTART_AFTER_S)


@dataclass(frozen=True)
class World:
    """Where everything is. `inbox` is outside of the home, as an application's own folder would be."""

    folder: Path
    person: Person
    ollama: PrivateOllama
    inbox: Path
    port: int
    keeper: Keeper = field(compare=False)

    @property
    def home(self) -> Home:
        return self.person.home

    @property
    def runtime(self) -> OllamaRuntime:
        return OllamaRuntime(self.ollama.host, timeout_s=ASK_TIMEOUT_S)

    def manifest(self, label: str) -> Path:
        """The file that says what the tag of the model is made of."""
        return self.ollama.folder / "models" / "manifests" / "registry.ollama.ai" / "library" / MODEL / label

    @property
    def blobs(self) -> set[str]:
        """The names of the files in Ollama's store."""
        return {path.name for path in (self.ollama.folder / "models" / "blobs").glob("sha256-*")}

    def worker(self) -> int | None:
        """The process id of the stage that is at work, if there is one."""
        pid = self.keeper.pid
        return next(iter(_below(pid, "adapterd.worker")), None) if pid else None

    def runners(self) -> list[int]:
        """The process ids of Ollama's own processes, each of which holds a model."""
        servers = _below(os.getpid(), f"{self.ollama.binary} serve")
        return [runner for server in servers for runner in _below(server, "--model|runner")]


def _below(pid: int, pattern: str) -> list[int]:
    """The processes below this one whose command line has the pattern."""
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [each.pid for each in children if re.search(pattern, " ".join(each.cmdline()))]
    except psutil.Error:
        return []


@dataclass(frozen=True)
class Where:
    """Where the home and Ollama's store are, if not in the world's own folder, and how the base is given: as a tag, as
    most people do, or as a file, of which the runtime then has no other tag."""

    home: Path | None = None
    store: Path | None = None
    base_is_file: bool = False


@contextmanager
def world(keep: Path | None = None, where: Where = Where()) -> Iterator[World]:
    """A model that was just made, with nothing to learn from yet; the daemon is not started.

    All processes end with the block, and what they wrote goes, unless there is a folder to keep it in.
    """
    with ExitStack() as ends:
        folder = keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        folder.mkdir(parents=True, exist_ok=True)
        ollama = ends.enter_context(PrivateOllama(ollama_binary(), where.store or folder / "ollama"))
        person, port = Person(Home(where.home or folder / "home")), free_port()
        made = World(folder, person, ollama, folder / "inbox", port, Keeper(person, folder / "daemon.log"))
        _init(made, base_is_file=where.base_is_file)
        ends.callback(_end, made.keeper)
        yield made


def _end(keeper: Keeper) -> None:
    if keeper.starts:
        keeper.stop()


def _init(made: World, *, base_is_file: bool) -> None:
    metadata = {"tokenizer.chat_template": CHATML, "llama.context_length": 2048}
    file = write_tiny_gguf(made.folder / "tiny.gguf", type_name="Q4_1", metadata=metadata)
    if not base_is_file:
        made.runtime.create(BASE_TAG, file, file_digest(file), Modelfile())
    said = made.person.run(
        "init", MODEL, "--base", file if base_is_file else BASE_TAG, "--task", "json", "--host", made.ollama.host,
        "--feedback", made.inbox, *settings(*QUICK),
    )  # fmt: skip
    if said.code:
        raise RuntimeError(said.stderr)
    general = {"runs": {"retries": 100}, "http": {"enabled": True, "port": made.port, "requests_per_minute": 10_000}}
    _configure(made.home, general)


def _configure(home: Home, general: Mapping[str, Mapping[str, Any]]) -> None:
    """Set what concerns all models."""
    table = tomllib.loads(home.config_file.read_text(encoding="utf-8"))
    for section, values in general.items():
        table[section] = {**table.get(section, {}), **values}
    home.config_file.write_text(tomli_w.dumps(table), encoding="utf-8")
