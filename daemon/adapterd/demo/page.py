"""The demo with the page: two versions, an application that asks through capture, and the page to judge its answers."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapterd.capture.standing import counts_of
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import RuntimeKind
from adapterd.demo import newsroom
from adapterd.demo.cycle import MODEL, NUM_CTX, NUM_PREDICT, SECOND, SECOND_SEED, TERMINATED, begin, write_feedback
from adapterd.demo.environment import DemoEnvironment, open_environment, say
from adapterd.demo.newsroom import NewsItem
from adapterd.errors import RuntimeUnavailableError
from adapterd.home import Home
from adapterd.page.running import stop
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.server import free_port
from adapterd.serving.tags import ModelTags
from adapterd.system.python import module_command

ASKED, ASKED_SEED = 50, 500
START_S = 60.0


def run_demo_page(folder: Path, ollama: Path | None, *, browser: bool = True) -> None:
    """Prepare everything in `folder`, open the page, and wait until Ctrl-C. Raises AdapterdError if a step fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    with open_environment(folder, RuntimeKind.OLLAMA, ollama) as demo, with_page(demo):
        demo.adapterctl("retrain", "--follow")
        second_version(demo)
        ask_through_capture(demo, newsroom.items(ASKED, ASKED_SEED))
        demo.adapterctl("status")
        say("\n— Review the answers, choose blindly between two versions, promote, roll back. Ctrl-C ends all of it.")
        demo.adapterctl("open", *(() if browser else ("--no-browser",)))
        while True:
            time.sleep(3600)


@contextmanager
def with_page(demo: DemoEnvironment) -> Iterator[None]:
    """A model with its first feedback, and the daemon and capture running beside it."""
    if demo.server is None:
        raise RuntimeUnavailableError(
            "the page's demo needs Ollama, which capture stands in front of", hint="install it, or give --ollama FILE"
        )
    begin(demo)
    for key, value in (("capture.port", free_port()), ("page.port", 0)):
        demo.adapterctl("config", "set", key, str(value))
    with ExitStack() as ends:
        for module, *more in (("adapterd",), ("adapterctl", "capture", "run")):
            ends.enter_context(_running(demo, module_command(module, *more)))
        ends.callback(stop, Home(demo.home))
        _wait_for_capture(demo)
        yield


def second_version(demo: DemoEnvironment) -> None:
    """More feedback, and a version that learns all of it."""
    write_feedback(demo, SECOND, SECOND_SEED, datetime.now(UTC) - timedelta(days=1, hours=1))
    demo.adapterctl("retrain", "--follow")


def ask_through_capture(demo: DemoEnvironment, items: Sequence[NewsItem]) -> None:
    """As an application that knows one address: capture's."""
    address = capture_address(demo)
    say(f"\n— NewsBrief asks {len(items)} things at {address}")
    runtime, options = OllamaRuntime(address), ChatOptions(num_ctx=NUM_CTX, num_predict=NUM_PREDICT)
    for item in items:
        runtime.chat(ModelTags(MODEL).live, [Message(Role.USER, item.prompt)], options)


def capture_address(demo: DemoEnvironment) -> str:
    """Where applications ask, as `HOST:PORT`."""
    return f"127.0.0.1:{demo.adapterctl('config', 'get', 'capture.port').strip()}"


def _wait_for_capture(demo: DemoEnvironment) -> None:
    address, until = capture_address(demo), time.monotonic() + START_S
    while counts_of(address) is None:
        if time.monotonic() > until:
            raise RuntimeUnavailableError(f"capture does not answer at {address}")
        time.sleep(0.1)


@contextmanager
def _running(demo: DemoEnvironment, command: Sequence[str]) -> Iterator[None]:
    with (
        (demo.folder / f"{command[3]}.log").open("ab") as log,
        subprocess.Popen(command, cwd=demo.folder, env=demo.environment, stdout=log, stderr=log) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
