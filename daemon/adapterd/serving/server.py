"""A private Ollama server on a free port with its own model folder: for the demo, the tests and the benches.

A person's own Ollama is never touched by it: own address, own HOME, no cloud.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from adapterd.errors import RuntimeUnavailableError
from adapterd.serving.ollama import OllamaRuntime

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05


class PrivateOllama:
    """`with PrivateOllama(binary, folder) as server:` serves at `server.host` until the block ends."""

    def __init__(self, binary: Path, folder: Path, *, keep_alive: str = "5m") -> None:
        self.binary = binary
        self.folder = folder
        self.host = f"http://127.0.0.1:{free_port()}"
        self._keep_alive = keep_alive
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start serving, and return when the server answers; raises RuntimeUnavailableError if it does not."""
        for name in ("models", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binary, "serve"], env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                OllamaRuntime(self.host, timeout_s=5).version()
            except RuntimeUnavailableError:
                time.sleep(POLL_S)
            else:
                return
        self.stop()
        raise RuntimeUnavailableError(f"{self.binary} serve did not start; its log is {self.folder / 'serve.log'}")

    def stop(self) -> None:
        """End the server and its runners."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the server and its runners without a chance to tidy up (for fault tests)."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def environment(self) -> dict[str, str]:
        """The environment in which `ollama` talks to this server, and in which it serves."""
        return {
            **os.environ,
            "OLLAMA_HOST": self.host.removeprefix("http://"),
            "OLLAMA_MODELS": str(self.folder / "models"),
            "OLLAMA_KEEP_ALIVE": self._keep_alive,
            "OLLAMA_NO_CLOUD": "1",
            "OLLAMA_NOPRUNE": "1",
            "HOME": str(self.folder / "home"),
        }


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
