"""Work that is killed (kill -9) and done again, against a scripted teacher which counts what it is asked.

`killed` is used by `python -m bench.teachers_speed`, and in small by the tests. The work runs in a process of its own,
with the product's client, journal and commits; the teacher answers after a moment of chance and counts each prompt.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from adapterd.chat import ChatOptions, Message, Role
from adapterd.store import Store
from adapterd.store.teaching.requests import RequestState
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.request import Kind, TeacherRequest
from adapterd.teachers.work import Planned, ask_all

MODEL, PARALLEL = "m", 4
LONGEST_S = 120.0


def planned(count: int) -> list[Planned]:
    """So many requests."""
    return [
        Planned(TeacherRequest(Kind.ANSWER, (Message(Role.USER, f"prompt {number}"),), ChatOptions()))
        for number in range(count)
    ]


@dataclass
class Counted:
    """What a teacher was asked, and how often: each prompt, when its whole request was there."""

    slowest_s: float
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    def take(self, prompt: str) -> float:
        """Count it; returns how long the answer takes."""
        with self.lock:
            self.asked[prompt] += 1
            return self.chance.uniform(0, self.slowest_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that is killed breaks its connections off."""


@contextmanager
def counting_teacher(slowest_s: float) -> Iterator[tuple[str, Counted]]:
    """A teacher that speaks OpenAI's API and counts; gives its base URL."""
    counted = Counted(slowest_s)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            time.sleep(counted.take(prompt))
            message = {"role": "assistant", "content": f"answer to {prompt}"}
            data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            try:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", counted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def killed(times: int, requests: int, *, slowest_s: float = 0.05, seed: int = 3) -> dict[str, Any]:
    """Kill the work so often at moments of chance, then let it end.

    `asked_twice` are prompts that the teacher was asked again after their reply was committed, `lost` those without
    their right reply at the end, `in_flight` requests that were sent again because a kill came before their reply was
    committed. Belongs where `requests` outlast the kills.
    """
    chance, twice, kills = random.Random(seed), set[str](), 0
    with tempfile.TemporaryDirectory() as name, counting_teacher(slowest_s) as (url, counted):
        path = Path(name) / "state.db"
        Store(path).close()
        known: dict[str, int] = {}
        for _ in range(times):
            process = _started(path, url, requests)
            _wait_for_more(path, process)
            time.sleep(chance.uniform(0, 0.2))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()
            twice |= {prompt for prompt, before in known.items() if counted.asked[prompt] > before}
            known |= {prompt: counted.asked[prompt] for prompt in _answered(path) if prompt not in known}
        done = _started(path, url, requests)
        if done.wait(LONGEST_S):
            raise RuntimeError(f"the work ended with status {done.returncode}")
        twice |= {prompt for prompt, before in known.items() if counted.asked[prompt] > before}
        answers = _answered(path)
    right = {prompt for prompt, text in answers.items() if text == f"answer to {prompt}"}
    return {
        "kills": kills, "requests": requests, "parallel": PARALLEL, "answered_before_the_last": len(known),
        "asked_twice": len(twice), "lost": requests - len(right),
        "in_flight": sum(counted.asked.values()) - requests,
    }  # fmt: skip


def _started(path: Path, url: str, requests: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "bench.teachers_kills", str(path), url, str(requests)]
    root = Path(__file__).parent.parent
    paths = os.pathsep.join([str(root), *filter(None, sys.path)])
    return subprocess.Popen(command, cwd=root, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.DEVNULL)


def _wait_for_more(path: Path, process: "subprocess.Popen[bytes]") -> None:
    """Until the work has kept a reply more, or has ended."""
    before, until = len(_answered(path)), time.monotonic() + LONGEST_S
    while process.poll() is None and len(_answered(path)) == before:
        if time.monotonic() > until:
            process.kill()
            raise TimeoutError("nothing more is answered")
        time.sleep(0.02)


def _answered(path: Path) -> dict[str, str]:
    """The committed replies, by prompt."""
    with Store(path) as store:
        return {
            each.request["messages"][-1]["content"]: str((each.reply or {})["text"])
            for each in store.teaching.requests.all(MODEL)
            if each.state is RequestState.ANSWERED
        }


async def _work(path: Path, url: str, requests: int) -> None:
    with Store(path) as store:
        async with OpenAITeacher("big", "big-1", url) as teacher:
            await ask_all(planned(requests), teacher, store, MODEL, parallel=PARALLEL)


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
