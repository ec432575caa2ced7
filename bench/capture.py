"""What capture changes and costs: `python -m bench.capture [replay] [overhead]`, kept in bench/capture.json.

`replay` sends the same requests through the pass-through and around it to a real Ollama, in every dialect, streaming
and not, and compares status, headers and bodies, apart from times and ids. `overhead` measures what is added to the
first byte and to each line of streams, against going direct, in turns in the same run; how the memory of the
pass-through grows over 10,000 requests; and the memory of daemon and pass-through when nothing happens.
"""

import argparse
import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from adapterd.config import RuntimeKind
from adapterd.config.addresses.ollama_address import OllamaAddress
from adapterd.demo.environment import open_environment, register_base
from bench import results
from bench.ollama import ollama_binary

FILE = Path(__file__).parent / "capture.json"
TAG = "smollm2:135m"
STREAMS, LINES, INTERVAL_S, ROUNDS = 64, 40, 0.1, 12
REQUESTS, AT_ONCE, IDLE_S = 10_000, 8, 60.0
_VARYING = re.compile(
    rb'"(created_at|created|id|item_id|response_id|request_id|total_duration|load_duration|prompt_eval_duration|eval_duration|'
    rb'prompt_eval_cached_count|cached_tokens|cache_read_input_tokens|completed_at)":("[^"]*"|[0-9.]+|null)'
)
_NOT_COMPARED = frozenset(("date", "x-adapterd-capture", "content-length"))
"""`Content-Length` varies with the digits of durations; that of bodies without any is compared with the body itself."""

Request = tuple[str, str, dict[str, Any] | None]
Answer = tuple[int, list[tuple[str, str]], bytes]


def requests() -> Iterator[Request]:
    """In each dialect a chat, streaming and not, with options; then what is refused, and what is no conversation."""
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    more = [{"role": "system", "content": "Answer in one word."}, *messages]
    native = {"options": {"temperature": 0, "num_predict": 12, "seed": 1}}
    for stream in (True, False):
        yield "POST", "/api/chat", {"model": TAG, "messages": messages, "stream": stream, **native}
        yield "POST", "/api/chat", {
            "model": TAG, "messages": more, "stream": stream, "logprobs": True, "top_logprobs": 2, **native,
        }  # fmt: skip
        yield "POST", "/api/chat", {
            "model": TAG, "messages": messages, "stream": stream, "format": {"type": "object"}, **native,
        }  # fmt: skip
        yield "POST", "/api/generate", {"model": TAG, "prompt": "Paris is", "stream": stream, **native}
        openai = {"temperature": 0, "max_tokens": 12, "seed": 1, "stream": stream}
        yield "POST", "/v1/chat/completions", {"model": TAG, "messages": messages, **openai}
        yield "POST", "/v1/chat/completions", {
            "model": TAG, "messages": more, **openai, "stream_options": {"include_usage": True} if stream else None,
        }  # fmt: skip
        yield "POST", "/v1/completions", {"model": TAG, "prompt": "Paris is", **openai}
        yield "POST", "/v1/responses", {
            "model": TAG, "input": "What is the capital of France?", "temperature": 0, "max_output_tokens": 12,
            "stream": stream,
        }  # fmt: skip
        yield "POST", "/v1/messages", {
            "model": TAG, "messages": messages, "max_tokens": 12, "temperature": 0, "stream": stream,
        }  # fmt: skip
    for path in ("/api/chat", "/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/generate"):
        yield "POST", path, {"model": "nobody", "messages": messages, "input": "x", "prompt": "x", "max_tokens": 3}
    yield "POST", "/api/chat", {"model": TAG, "messages": messages, "think": True}
    yield "POST", "/api/chat", {"model": TAG, "messages": messages, "tools": [{"type": "function"}]}
    yield "POST", "/api/chat", {"model": TAG, "messages": []}
    yield "POST", "/api/embed", {"model": TAG, "input": "x"}
    yield "POST", "/api/show", {"model": TAG}
    for path in ("/", "/api/version", "/api/tags", "/v1/models", "/api/nothing"):
        yield "GET", path, None
    yield "HEAD", "/", None


def replay() -> dict[str, Any]:
    """How many requests were answered otherwise through the pass-through than around it."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        register_base(stage, TAG)
        assert stage.server is not None
        direct = OllamaAddress.parse(stage.server.host).port
        with pass_through(Path(name) / "home", direct) as (through, _):
            different, asked = [], list(requests())
            for method, path, body in asked:
                answered(direct, method, path, body)  # so that both find the prompt in Ollama's cache
                around, passed = (answered(port, method, path, body) for port in (direct, through))
                if around != passed:
                    different.append({"request": [method, path, body], "around": str(around), "through": str(passed)})
    dialects = {path for method, path, _ in asked if method == "POST" and path not in ("/api/embed", "/api/show")}
    return {"dialects": len(dialects), "requests": len(asked), "different": len(different), "which": different[:3]}


def answered(port: int, method: str, path: str, body: dict[str, Any] | None) -> Answer:
    """Status, headers and body of an answer, without what differs from one time to the next."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request(
        method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"}
    )
    found = connection.getresponse()
    data = found.read()
    connection.close()
    headers = [(name, value) for name, value in found.getheaders() if name.lower() not in _NOT_COMPARED]
    return found.status, headers, _VARYING.sub(rb'"\1":0', data)


def overhead() -> dict[str, Any]:
    """What is added to the first byte and to each line, in milliseconds; and memory, in megabytes."""
    firsts: dict[str, list[float]] = {"direct": [], "through": []}
    lines: dict[str, list[float]] = {"direct": [], "through": []}
    with tempfile.TemporaryDirectory() as name, upstream(LINES, INTERVAL_S) as direct:
        with pass_through(Path(name) / "home", direct) as (through, process):
            for _ in range(ROUNDS):
                for side, port in (("direct", direct), ("through", through)):
                    first, each = asyncio.run(_streams(port))
                    firsts[side] += first
                    lines[side] += each
        with upstream(3, 0.0) as quick, pass_through(Path(name) / "home", quick) as (through, process):
            asyncio.run(_many(through, REQUESTS // 10))
            before = _resident_mb(process)
            asyncio.run(_many(through, REQUESTS))
            growth = _resident_mb(process) - before
            idle = _idle_mb(Path(name) / "daemon", process)
    return {
        **{
            f"{what}_ms_p{share}": round((_share(found["through"], share) - _share(found["direct"], share)) * 1000, 3)
            for what, found in (("first_byte", firsts), ("line", lines))
            for share in (50, 99)
        },
        "direct": {"first_byte_ms_p50": _ms(median(firsts["direct"])), "line_ms_p50": _ms(median(lines["direct"]))},
        "streams": STREAMS, "lines": len(lines["through"]), "requests": REQUESTS,
        "rss_growth_mb": round(growth, 1), **idle,
    }  # fmt: skip


async def _streams(port: int) -> tuple[list[float], list[float]]:
    """The seconds to the first byte, and from each line's sending to its arrival, of streams at the same time."""
    found = await asyncio.gather(*(_stream(port, number / STREAMS * INTERVAL_S) for number in range(STREAMS)))
    return [first for first, _ in found], [each for _, lines in found for each in lines]


async def _stream(port: int, after_s: float) -> tuple[float, list[float]]:
    await asyncio.sleep(after_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(_chat())
    found = []
    first = 0.0
    while (line := await reader.readline()) != b"0\r\n":
        now = time.monotonic()
        first = first or now - began
        if line.startswith(b"{"):
            found.append(now - json.loads(line)["at"])
    writer.close()
    return first, found


def _chat() -> bytes:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 200}]}).encode()
    return b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def _many(port: int, count: int) -> None:
    async def some(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number):
            writer.write(_chat())
            await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()

    await asyncio.gather(*(some(count // AT_ONCE) for _ in range(AT_ONCE)))


def _idle_mb(home: Path, capture: psutil.Process) -> dict[str, float]:
    """The memory of a daemon with a model and of the pass-through a while after the last request, together and each."""
    (home / "feedback" / "news").mkdir(parents=True, mode=0o700)
    (home / "config.toml").write_text(f'[models.news]\nbase = "{TAG}"\nbase_digest = "sha256:{0:064}"\n')
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "adapterd"], env=_environment(home), stderr=subprocess.DEVNULL
    ) as started:
        time.sleep(IDLE_S)
        processes = [psutil.Process(started.pid), capture, *capture.children()]
        daemon, *passing = map(_resident_mb, processes)
        together = _together_mb(processes)
        started.send_signal(signal.SIGTERM)
    return {
        "idle_rss_mb": round(daemon + sum(passing), 1), "idle_together_mb": round(together, 1),
        "daemon_mb": round(daemon, 1), "capture_mb": round(sum(passing), 1),
    }  # fmt: skip


def _together_mb(processes: Sequence[psutil.Process]) -> float:
    """What processes take of the machine's memory: pages of a file that several of them map count once."""
    private, shared = 0, dict[str, int]()
    for process in processes:
        for mapped in process.memory_maps(grouped=True):
            own = mapped.private_clean + mapped.private_dirty
            private += own
            shared[mapped.path] = max(shared.get(mapped.path, 0), mapped.rss - own)
    return (private + sum(shared.values())) / 1e6


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ADAPTERD_HOME": str(home)}


@contextmanager
def pass_through(home: Path, port: int) -> Iterator[tuple[int, psutil.Process]]:
    """The port and the process of one in front of that port."""
    home.mkdir(exist_ok=True)
    command = [
        sys.executable, "-P", "-m", "adapterd.capture", "--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{port}",
        "--home", str(home),
    ]  # fmt: skip
    with _started(command) as (line, process):
        yield int(line.rpartition(":")[2]), process


@contextmanager
def upstream(lines: int, interval_s: float) -> Iterator[int]:
    """The port of something that answers with so many lines."""
    with _started([sys.executable, "-m", "bench.capture_upstream", str(lines), str(interval_s)]) as (line, _):
        yield int(line)


@contextmanager
def _started(command: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline(), psutil.Process(process.pid)
        finally:
            process.terminate()


def _resident_mb(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6


def _share(values: Sequence[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"replay": replay, "overhead": overhead}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.capture", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", default=tuple(PARTS), help=f"which of {', '.join(PARTS)}")
    for name in parser.parse_args(arguments).parts:
        found = PARTS[name]()
        print(json.dumps({name: found}), flush=True)
        results.write({name: found}, FILE)


if __name__ == "__main__":
    main()
