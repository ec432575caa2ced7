"""What goes through is what came, byte by byte, whatever it is; and what is recorded is what was said."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.capture.passthrough.capture_id import HEADER, LENGTH
from adapterd.capture.set_aside import those_aside
from adapterd.capture.standing import counts_of
from adapterd.home import HOME_VARIABLE
from adapterd.serving.server import free_port
from tests.integration.capture.running import PassThrough, eventually, exchanged, pass_through, posted
from tests.support.scripted_server import ScriptedServer, scripted

OF_ID = re.compile(rb"%s: [0-9A-Z]{%d}\r\n" % (re.escape(HEADER), LENGTH))
CHAT = {"model": "smol", "messages": [{"role": "user", "content": "Hi"}]}
WORDS = ["The", "capital", "of", "France", "is", "Paris", "."]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def line(content: str, **more: object) -> bytes:
    return json.dumps({"model": "smol", "message": {"content": content}, "done": False, **more}).encode() + b"\n"


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"\r\n0\r\n\r\n"
"""Of a chunked answer; a head may end like the rest of it, where the id of its capture does with 0."""
LAST = line("", done=True, done_reason="stop", eval_count=7, prompt_eval_count=3)
STREAM = (
    STREAM_HEAD,
    *(part for word in WORDS for part in (chunk(line(word + " ")), 0.002)),
    chunk(LAST),
    b"0\r\n\r\n",
)


def whole(status: str, body: bytes, *more: str) -> bytes:
    head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def reply(request: bytes) -> Any:
    """What a server like Ollama answers, and unlike it."""
    path = request.split(b" ", 2)[1].partition(b"?")[0].decode()
    return {
        "/": [whole("200 OK", b"Ollama is running")],
        "/api/chat": list(STREAM),
        "/api/tags": [whole("200 OK", b'{"models":[]}', "Content-Type: application/json; charset=utf-8")],
        "/api/broken": [STREAM_HEAD, chunk(line("The ")), None],
        "/api/until-close": [b"HTTP/1.0 200 OK\r\n\r\nall ", 0.01, b"of it", None],
        "/api/nothing": [b"HTTP/1.1 204 No Content\r\n\r\n"],
        "/api/no-http": [b"SMTP says hello\r\n\r\n", None],
        "/api/closed": [None],
        "/api/interim": [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 0.01, whole("200 OK", b"late")],
        "/api/odd": [whole("299 What?", b"\x00\xff", "X-Odd: \xe4", "X-ODD: 2")],
    }.get(path, [whole("404 Not Found", b"404 page not found")])


def of_chat(steps: Callable[[], Any]) -> Callable[[bytes], Any]:
    """What is answered to chats; else what `reply` says."""
    return lambda request: steps() if b"POST /api/chat" in request else reply(request)


@pytest.fixture
def upstream() -> Iterator[ScriptedServer]:
    with scripted(reply) as server:
        yield server


@pytest.fixture
def through(upstream: ScriptedServer, tmp_path: Path) -> Iterator[PassThrough]:
    with pass_through(tmp_path / "home", upstream.port) as found:
        yield found


REQUESTS = {
    "root": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "http 1.0": b"GET / HTTP/1.0\r\n\r\n",
    "odd headers": b"GET /api/tags?x=%20 HTTP/1.1\r\nhOST:localhost\r\nX-A:  b \r\nx-a: c\r\nAuthorization: a\r\n\r\n",
    "head": b"HEAD /api/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "chat": posted("/api/chat", CHAT),
    "chat with a query": posted("/api/chat?a=b", CHAT),
    "expects": posted("/api/tags", CHAT, "Expect: 100-continue"),
    "chunked": b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunk(b'{"model":"smol",') + chunk(b'"messages":[{"role":"user","content":"Hi"}]}') + b"0\r\n\r\n",
    "large": posted("/api/blobs/sha256:x", "x" * 3_000_000),
    "broken": posted("/api/broken", CHAT),
    "until close": b"GET /api/until-close HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no content": b"DELETE /api/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no http": b"GET /api/no-http HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "closed": b"GET /api/closed HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "interim": b"GET /api/interim HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "odd": b"OPTIONS /api/odd HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\r\n",
    "two in one": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + posted("/api/chat", CHAT),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_the_bytes_are_those_of_the_server_both_ways(through: PassThrough, upstream: ScriptedServer, name: str) -> None:
    request = REQUESTS[name]
    direct = exchanged(upstream.port, request)
    passed = exchanged(through.port, request)
    assert OF_ID.sub(b"", passed) == direct
    same_route = [each for each in upstream.received if each.startswith(request[:20])]
    assert same_route == [request, request]  # the recorder asks for what the model is made of, too
    assert len(OF_ID.findall(passed)) == (b"/api/chat" in request)


def test_the_words_come_as_they_are_said(through: PassThrough) -> None:
    """Not when the answer is over: the first arrive before the last is sent."""
    with socket.create_connection(("127.0.0.1", through.port)) as connection:
        connection.sendall(posted("/api/chat", CHAT))
        arrived = []
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(1 << 16)
            arrived.append(data.count(b'"content"'))
    assert arrived[0] < len(WORDS)
    assert sorted(set(arrived)) == arrived or len(set(arrived)) > 2


def test_what_was_said_is_recorded_with_the_id_that_was_told(through: PassThrough) -> None:
    passed = exchanged(through.port, REQUESTS["chat"], until=END)
    [told] = OF_ID.findall(passed)
    [capture] = through.captures(1)
    assert capture.id == told.decode().split()[1]
    assert (capture.model, capture.answer, capture.reason) == ("smol", " ".join(WORDS) + " ", "stop")
    assert (capture.complete, capture.prompt_tokens, capture.answer_tokens) == (True, 3, 7)
    assert (capture.turns, capture.kept) == ([{"role": "user", "content": "Hi"}], "sample")
    assert 0 < capture.first_byte_s <= capture.seconds


def test_no_secret_of_a_request_is_kept(through: PassThrough) -> None:
    request = posted("/api/chat", CHAT, "Authorization: Bearer hidden-4711", "Cookie: hidden-4712")
    exchanged(through.port, request, until=END)
    through.captures(1)
    files = [file.read_bytes() for file in through.home.iterdir() if file.is_file()]
    assert files
    assert not any(b"hidden-47" in data for data in files)


def test_a_stream_that_breaks_is_recorded_as_broken_and_then_replaced(tmp_path: Path) -> None:
    """A retry of the same prompt is one conversation."""
    answers = [[STREAM_HEAD, chunk(line("The ")), None], list(STREAM)]
    with scripted(of_chat(lambda: answers.pop(0))) as server, pass_through(tmp_path / "home", server.port) as through:
        exchanged(through.port, posted("/api/chat", CHAT))
        [broken] = through.captures(1)
        assert (broken.complete, broken.answer, broken.faults) == (False, "The ", ["broken"])
        exchanged(through.port, posted("/api/chat", CHAT), until=END)
        [capture] = eventually(lambda: through.captures(1), lambda found: found[0].complete)
        assert (capture.complete, capture.repeats) == (True, 1)


def test_a_client_that_leaves_ends_the_answer(tmp_path: Path) -> None:
    steps = [STREAM_HEAD, chunk(line("The ")), 20.0, chunk(LAST)]
    with scripted(of_chat(lambda: steps)) as server, pass_through(tmp_path / "home", server.port) as through:
        with socket.create_connection(("127.0.0.1", through.port)) as connection:
            connection.sendall(posted("/api/chat", CHAT))
            connection.recv(1 << 16)
        assert eventually(lambda: server.gone, bool, 5.0) == 1
        [capture] = through.captures(1)
        assert not capture.complete


@pytest.mark.parametrize("name", ["root", "chat", "two in one"])
def test_a_client_that_only_listens_on_gets_all_of_its_answers(tmp_path: Path, name: str) -> None:
    """As `nc -N` does, and as Ollama answers it."""
    with (
        scripted(lambda request: [part for part in reply(request) if isinstance(part, bytes)]) as server,
        pass_through(tmp_path / "home", server.port) as through,
        socket.create_connection(("127.0.0.1", through.port)) as connection,
    ):
        connection.sendall(REQUESTS[name])
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10.0)
        passed = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert OF_ID.sub(b"", passed) == exchanged(server.port, REQUESTS[name])


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "8.8.8.8", "localhost.evil.example:11434"])
def test_a_name_that_is_not_this_machines_is_refused(through: PassThrough, upstream: ScriptedServer, host: str) -> None:
    """DNS rebinding: a page has its own name point here."""
    passed = exchanged(through.port, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert passed.startswith(b"HTTP/1.1 403 ")
    assert upstream.received == []


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1:11481", "[::1]:11481", "host.docker.internal", "mac.local", "192.168.1.7:11434", ""],
)
def test_names_that_ollama_answers_to_go_through(through: PassThrough, host: str) -> None:
    passed = exchanged(through.port, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert passed.endswith(b"Ollama is running")


@pytest.mark.parametrize(
    "request_",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\nA" + b"a" * 70_000],
)
def test_what_is_no_http_is_refused(through: PassThrough, upstream: ScriptedServer, request_: bytes) -> None:
    passed = exchanged(through.port, request_)
    assert passed.startswith(b"HTTP/1.1 4")
    assert b"adapterd capture: this is no HTTP request" in passed
    assert upstream.received == []


def test_an_ollama_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pass_through(tmp_path / "home", port) as through:
        passed = exchanged(through.port, REQUESTS["chat"])
        assert passed.startswith(b"HTTP/1.1 502 ")
        assert f"Ollama does not answer at 127.0.0.1:{port}".encode() in passed


def test_many_at_once(through: PassThrough) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(exchanged(through.port, REQUESTS["chat"], until=END)))
        for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({OF_ID.sub(b"", each) for each in found}) == 1
    assert len(through.captures(40)) == 40
    assert through.counts()["open"] == 1


def test_a_recorder_that_is_killed_costs_neither_answers_nor_records(through: PassThrough) -> None:
    count = 20
    for _ in range(count):
        for process in through.recorders():
            os.kill(process, signal.SIGKILL)
        assert exchanged(through.port, REQUESTS["chat"], until=END).endswith(b"0\r\n\r\n")
    captures = through.captures(count)
    assert len({each.id for each in captures}) == count
    assert through.counts()["dropped"] == 0


def test_a_home_that_cannot_be_written_does_not_stop_the_answers(upstream: ScriptedServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "captures.db").mkdir()  # not a file, for root too
    with pass_through(home, upstream.port) as through:
        for _ in range(3):
            assert exchanged(through.port, REQUESTS["chat"], until=END).endswith(b"0\r\n\r\n")
        assert eventually(lambda: through.counts()["restarts"], bool) >= 1


def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(upstream: ScriptedServer, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "captures.db").write_bytes(b"no database at all" * 300)
    with pass_through(home, upstream.port) as through:
        for _ in range(2):
            assert exchanged(through.port, REQUESTS["chat"], until=END).endswith(b"0\r\n\r\n")
        assert eventually(lambda: through.counts()["stored"], lambda count: count == 2) == 2
        assert len(through.captures(2)) == 2
        counts = through.counts()
    assert (counts["dropped"], counts["restarts"]) == (0, 0)
    [aside] = those_aside(home / "captures.db")
    assert aside.read_bytes() == b"no database at all" * 300


def test_answers_that_flow_are_finished_at_the_end(tmp_path: Path) -> None:
    steps = [STREAM_HEAD, chunk(line("The ")), 1.0, chunk(LAST), b"0\r\n\r\n"]
    with scripted(of_chat(lambda: steps)) as server, pass_through(tmp_path / "home", server.port) as through:
        found: list[bytes] = []
        thread = threading.Thread(target=lambda: found.append(exchanged(through.port, REQUESTS["chat"], until=END)))
        thread.start()
        time.sleep(0.3)
        through.process.send_signal(signal.SIGTERM)
        thread.join()
        assert found[0].endswith(b"0\r\n\r\n")
        through.process.wait(timeout=20)
        [capture] = through.captures(1)
        assert capture.complete


@pytest.mark.parametrize("streams", ["", " <&- >&- 2>&-"])
def test_one_in_a_terminal_leaves_nothing_when_it_is_killed(tmp_path: Path, streams: str) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(f"[capture]\nport = {port}\n")
    command = f'exec "$0" -m adapterctl capture run{streams}'
    with subprocess.Popen(["bash", "-c", command, sys.executable], env=os.environ | {HOME_VARIABLE: str(home)}) as one:
        try:
            assert eventually(lambda: counts_of(f"127.0.0.1:{port}"), lambda found: found is not None)
        finally:
            one.kill()
    assert eventually(lambda: counts_of(f"127.0.0.1:{port}"), lambda found: found is None) is None
