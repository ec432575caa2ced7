"""Feedback over HTTP, with a real server, a real store and real sockets."""

import ast
import contextlib
import json
import logging
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, openapi
from schemathesis.openapi.checks import RejectedPositiveData

from adapterd.config import HttpSettings
from adapterd.errors import StoreError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.store import Store
from adapterd.store.feedback import StoredFeedback
from adapterd.web import FeedbackServer, server, writer
from adapterd.web.app import BODIES_AT_ONCE
from adapterd.web.applications import add_token
from adapterd.web.listening.connections import MAX_CONNECTIONS, MAX_OF_APPLICATION
from adapterd.web.protocol import TimeoutProtocol
from tests.support.web_bodies import bodies

ROOT = Path(__file__).resolve().parents[2]
MODEL = "newsbrief-synth"
JSON = {"Content-Type": "application/json"}
UNLIMITED = 1_000_000
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
TASKS = Path("/proc/self/task")


def wait_until(holds: Callable[[], object], within_s: float = 60) -> None:
    """Look again and again until it holds; a slow machine gets a minute."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def record(number: int, **fields: Any) -> dict[str, Any]:
    return {"prompt": f"prompt {number}", "output": "x", **fields}


class Place:
    """A home with a server that can be stopped and started again, and a client that has the token."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root / "home")
        self.home.create()
        self.models = [MODEL]
        self._running = contextlib.ExitStack()

    def start(self, **changes: Any) -> None:
        self.server = FeedbackServer(self.home, HttpSettings(**{"port": 0, **changes}), lambda: self.models)
        self.server.start()
        self._running.callback(self.server.stop)
        self.client = self._running.enter_context(httpx.Client(base_url=self.address, headers=self.token, timeout=30))

    def stop(self) -> None:
        self._running.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {(self.home.root / 'http-token').read_text().strip()}"}

    def post(self, value: Any, **query: Any) -> httpx.Response:
        return self.send(json.dumps(value).encode(), **query)

    def send(self, body: Any, headers: dict[str, str] = JSON, **query: Any) -> httpx.Response:
        return self.client.post("/v1/feedback", content=body, params=query, headers=headers)

    def rows(self, model: str = MODEL) -> list[StoredFeedback]:
        with Store(self.home.database) as store:
            return store.feedback.all(model)

    def hashes(self) -> list[str]:
        return [row.content_hash for row in self.rows()]

    def connect(self) -> socket.socket:
        return self._running.enter_context(socket.create_connection(("127.0.0.1", self.server.port), timeout=20))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    place.start()
    yield place
    place.stop()


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.stop()


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            found += piece
    return found


def head(place: Place, *more: str) -> bytes:
    lines = ["POST /v1/feedback HTTP/1.1", "Host: localhost", f"Authorization: {place.token['Authorization']}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *more, "", ""]).encode()


def assert_says_what_is_wrong(answer: httpx.Response, status: int, fault: str) -> None:
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert fault in said["error"]
    assert isinstance(said["hint"], str)


def test_one_record_is_stored_and_its_id_is_in_the_reply(web: Place) -> None:
    answer = web.post(record(1, rating=2))
    (row,) = web.rows()
    assert answer.status_code == 202
    reply = answer.json()
    assert (reply["ids"], reply["accepted"], reply["duplicates"]) == ([row.content_hash], 1, 0)
    assert sum(reply["teaches"].values()) == 1
    assert (row.file, row.line, row.rating) == ("http", 1, 2)


def test_many_records_are_stored_in_their_order(web: Place) -> None:
    listed = web.post([record(1), record(2)]).json()
    named = web.post({"model": MODEL, "records": [record(2), record(3)]}).json()
    assert listed["ids"] + named["ids"][1:] == web.hashes()
    assert (named["accepted"], named["duplicates"]) == (1, 1)


def test_posting_again_changes_nothing_even_after_a_restart(web: Place) -> None:
    first = web.post([record(1), record(2)]).json()
    web.stop()
    web.start()
    again = web.post([record(1), record(2)]).json()
    assert (again["ids"], again["accepted"], again["duplicates"]) == (first["ids"], 0, 2)
    assert set(again["teaches"].values()) == {0}
    assert len(web.rows()) == 2


BEYOND = (
    "rating is 9, which is beyond 1..5; state the scale with --scale, feedback.scale, or rating_scale in the records"
)


def test_a_faulty_record_keeps_the_whole_post_out(web: Place) -> None:
    answer = web.post([record(1), record(2, rating=9), {"prompt": "\ud800"}])
    assert_says_what_is_wrong(answer, 422, "2 of 3 records cannot be used; nothing was stored")
    assert answer.json()["faults"] == [
        {
            "index": 1,
            "reason": BEYOND,
        },
        {"index": 2, "reason": "prompt has half of a surrogate pair at position 1"},
    ]
    assert web.rows() == []


def test_two_who_post_at_once_lose_and_double_nothing(web: Place) -> None:
    def post(start: int) -> list[str]:
        ids: list[str] = []
        for number in range(start, start + 40):
            ids += web.post([record(number), record(number + 1)]).json()["ids"]
        return ids

    with ThreadPoolExecutor(2) as two:
        told = set().union(*two.map(post, (0, 20)))
    assert sorted(told) == sorted(web.hashes())
    assert len(told) == 61


def test_the_model_is_named_by_the_query_the_body_or_nobody(web: Place) -> None:
    assert web.post(record(1)).status_code == 202
    web.models = [MODEL, "other"]
    assert web.post(record(2), model="other").status_code == 202
    assert web.post({"model": "other", "records": [record(3)]}).status_code == 202
    assert len(web.rows("other")) == 2
    assert_says_what_is_wrong(web.post(record(4)), 400, "which model?")
    assert_says_what_is_wrong(web.post(record(4), model="none"), 404, "no model named 'none' is configured")
    assert_says_what_is_wrong(web.send(b"[]", model="é\x00"), 404, "no model named")


def test_a_query_that_says_something_else_is_refused(web: Place) -> None:
    assert_says_what_is_wrong(web.post(record(1), modle=MODEL), 400, "the query has 'modle'")
    assert_says_what_is_wrong(web.client.post("/v1/feedback?model=a&model=b", json=[]), 400, "two different models")


PAGE = (ROOT / "docs/feedback-api.md").read_text()
EXAMPLES = re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)
POSTING = [(language, code) for language, code in EXAMPLES if "/v1/feedback" in code]


@pytest.mark.parametrize(("language", "code"), POSTING, ids=[language for language, _ in POSTING])
def test_the_examples_in_the_documentation_work(web: Place, tmp_path: Path, language: str, code: str) -> None:
    if language == "sh" and not shutil.which("curl"):
        pytest.skip("there is no curl")
    with Store(web.home.database) as store:
        add_token(store, "newsroom", tmp_path / "newsroom-token")
    example = code.replace("11480", str(web.server.port))
    environment = os.environ | {HOME_VARIABLE: str(web.home.root), "HOME": str(tmp_path)}
    words = [sys.executable, "-c"] if language == "python" else ["sh", "-c"]
    ran = subprocess.run([*words, example], env=environment, capture_output=True, text=True, check=True)
    assert web.hashes() == (json.loads(ran.stdout)["ids"] if language == "sh" else ast.literal_eval(ran.stdout))
    assert len(web.hashes()) == 1
    assert len(code.strip().splitlines()) <= 10


def test_no_document_puts_a_token_into_a_process_list() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    arguments = re.compile(r"(-H|--header|--oauth2-bearer|-u)[ =]\S*\"?(Authorization: Bearer [^…]|\$\()")
    assert len(pages) > 20
    assert [page.name for page in pages if arguments.search(page.read_text(encoding="utf-8"))] == []


def test_a_body_that_is_no_json_is_refused(web: Place) -> None:
    assert_says_what_is_wrong(web.send(b"{"), 400, "the body is not JSON")
    assert_says_what_is_wrong(web.send(b"[1e999"), 400, "the body is not JSON")
    assert_says_what_is_wrong(web.send(b"\xff"), 400, "not UTF-8")
    assert_says_what_is_wrong(web.send(b"[" * 100_000), 400, "nested too deeply")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_kind_of_body_is_refused(web: Place, headers: dict[str, str]) -> None:
    assert_says_what_is_wrong(web.send(b"{}", headers), 415, "plain JSON")


def test_a_body_that_is_too_large_is_refused_with_and_without_a_length(stopped: Place) -> None:
    stopped.start(max_body_mb=0.01)
    large = json.dumps(record(1, correction="x" * 10_000)).encode()
    assert_says_what_is_wrong(stopped.send(large), 413, "larger than 10000 bytes")
    assert_says_what_is_wrong(stopped.send(iter([large[:5000], large[5000:]])), 413, "larger than 10000 bytes")
    assert stopped.send(b" " * 9_000 + b"[]").status_code == 202
    assert stopped.rows() == []


def test_a_length_that_is_too_large_is_refused_before_the_body_is_sent(web: Place) -> None:
    connection = web.connect()
    connection.sendall(head(web, "Content-Length: 99999999999", "Expect: 100-continue", "Connection: close"))
    assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_too_many_records_are_refused(web: Place) -> None:
    assert_says_what_is_wrong(web.send(b"[" + b"1," * 10_000 + b"1]"), 413, "may have 10000 records")


def test_posts_are_limited_and_the_reply_says_when_to_retry(stopped: Place) -> None:
    stopped.start(requests_per_minute=2)
    answers = [stopped.post(record(number)) for number in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert_says_what_is_wrong(answers[2], 429, "too many posts")
    assert 0 < int(answers[2].headers["retry-after"]) <= 30
    assert len(stopped.rows()) == 2


def test_who_has_no_token_neither_posts_nor_uses_up_what_others_may(stopped: Place) -> None:
    stopped.start(requests_per_minute=1)
    for shown in ({}, {"Authorization": "Bearer wrong"}):
        answer = httpx.post(f"{stopped.address}/v1/feedback", json=record(1), headers=shown)
        assert_says_what_is_wrong(answer, 401, "token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert stopped.post(record(1)).status_code == 202


def test_names_and_pages_from_elsewhere_are_refused(web: Place) -> None:
    rebound = web.client.get("/healthz", headers={"Host": f"evil.example:{web.server.port}"})
    assert_says_what_is_wrong(rebound, 421, "Host")
    rebound = web.client.get("/metrics", headers={"Host": f"evil.example:{web.server.port}"})
    assert_says_what_is_wrong(rebound, 421, "Host")
    crossed = web.send(b"{}", {**JSON, "Origin": "https://evil.example"})
    assert_says_what_is_wrong(crossed, 403, "not on this machine")


def test_health_and_description_need_no_token(web: Place) -> None:
    health = httpx.get(f"{web.address}/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert httpx.get(f"{web.address}/openapi.json").json()["openapi"] == "3.1.0"
    metrics = httpx.get(f"{web.address}/metrics")
    assert (metrics.status_code, metrics.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert "adapterd_configuration_up 1" in metrics.text.splitlines()
    assert "server" not in health.headers


def test_other_addresses_and_methods_are_refused_in_json(web: Place) -> None:
    assert_says_what_is_wrong(web.client.get("/"), 404, "nothing at this address")
    assert_says_what_is_wrong(web.client.post("/v1/feedback/"), 404, "nothing at this address")
    wrong = web.client.delete("/v1/feedback")
    assert_says_what_is_wrong(wrong, 405, "DELETE cannot be done here")
    assert wrong.headers["allow"] == "POST"


def test_a_request_that_is_no_http_is_refused_in_json(web: Place) -> None:
    connection = web.connect()
    connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
    answer, _, body = everything(connection).partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"] == "the request is not HTTP as it should be"


def test_a_body_that_goes_wrong_is_answered_once(web: Place, caplog: pytest.LogCaptureFixture) -> None:
    connection = web.connect()
    connection.sendall(head(web, "Transfer-Encoding: chunked", "Origin: https://evil.example") + b"zz\r\n")
    assert everything(connection).count(b"HTTP/1.1 ") == 1
    assert web.client.get("/healthz").status_code == 200
    assert errors(caplog) == []


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_locked_store_is_reported_and_a_later_post_is_stored(stopped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BUSY_TIMEOUT_MS", 50)
    stopped.start()
    with contextlib.closing(sqlite3.connect(stopped.home.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = stopped.post(record(1))
        assert_says_what_is_wrong(answer, 503, "locked")
        assert str(stopped.home.root) not in answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert stopped.client.get("/healthz").status_code == 200
        other.execute("ROLLBACK")
    assert stopped.post(record(1)).json()["accepted"] == 1


def test_a_full_store_is_reported_and_has_nothing_of_the_post(stopped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def nearly_full(database: Path) -> Store:
        store = Store(database)
        store.execute("PRAGMA max_page_count = 60")
        return store

    monkeypatch.setattr(writer, "_opened", nearly_full)
    stopped.start()
    answer = stopped.post([record(number, correction="x" * 1000) for number in range(200)])
    assert_says_what_is_wrong(answer, 503, "full")
    assert str(stopped.home.root) not in answer.text
    assert stopped.rows() == []
    assert stopped.post(record(1)).status_code == 202


@pytest.fixture(params=["127.0.0.1", "::1"])
def taken(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    """A socket of another program on one of the loopback addresses."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as other:
        try:
            other.bind((request.param, 0))
        except OSError:
            pytest.skip(f"this machine has no {request.param}")
        other.listen()
        yield other


def states(place: Place) -> dict[str, str | None]:
    with Store(place.home.database) as store:
        return {each.place: each.fault for each in store.http_places.all()}


def test_a_port_that_is_taken_on_one_address_is_served_on_none_until_it_is_free(
    stopped: Place, taken: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "TRY_AGAIN_S", 0.05)
    host, port = taken.getsockname()[:2]
    stopped.start(port=port)
    assert f"port {port} of {host} is taken by another program" in (states(stopped)["tcp"] or "")
    assert f"process {os.getpid()}" in (states(stopped)["tcp"] or "")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(stopped.home.socket))) as local:
        assert local.get("http://adapterd/healthz").status_code == 200
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1" if ":" in host else "::1", port)).close()
    taken.close()
    wait_until(lambda: states(stopped)["tcp"] is None)
    assert stopped.post(record(1)).status_code == 202
    assert [line for line in errors(caplog) if "is taken" in line] == errors(caplog)
    assert len(errors(caplog)) == 1


def test_a_taken_port_is_had_later_although_nobody_has_connected_meanwhile(
    stopped: Place, taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TRY_AGAIN_S", 0.05)
    stopped.start(port=taken.getsockname()[1])
    taken.close()
    wait_until(lambda: states(stopped)["tcp"] is None)
    for host in ("127.0.0.1", "[::1]") if socket.has_ipv6 else ("127.0.0.1",):
        assert httpx.get(f"http://{host}:{stopped.server.port}/healthz").status_code == 200


def test_a_store_that_cannot_be_opened_is_an_error_of_ours(stopped: Place) -> None:
    stopped.home.database.write_bytes(b"no database" * 100)
    with pytest.raises(StoreError):
        stopped.start()


def test_the_server_listens_on_loopback_only_and_starts_again_on_its_port(web: Place) -> None:
    port = web.server.port
    assert web.post(record(1)).status_code == 202
    web.stop()
    web.start(port=port)
    assert web.server.port == port
    assert web.client.get("/healthz").status_code == 200


def test_a_post_that_breaks_off_is_not_stored_and_harms_nobody(web: Place) -> None:
    connection = web.connect()
    connection.sendall(head(web, "Content-Length: 1000") + json.dumps(record(1)).encode())
    connection.close()
    assert web.post(record(2)).status_code == 202
    assert len(web.rows()) == 1


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /v1/feed",
        HEALTH + b"GET /heal",
        HEALTH + HEALTH.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n{"),
    ],
)
def test_a_request_that_does_not_end_is_given_up(stopped: Place, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutProtocol, "timeout_s", 0.2)
    stopped.start()
    connection = stopped.connect()
    connection.sendall(begun)
    said = everything(connection)
    assert (b"HTTP/1.1 408 " in said) == begun.endswith((b"POST /v1/feed", b"GET /heal"))


def test_a_body_that_does_not_end_is_given_up(stopped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutProtocol, "timeout_s", 0.2)
    stopped.start()
    for kind in ("Content-Length: 1000", "Transfer-Encoding: chunked"):
        connection = stopped.connect()
        connection.sendall(head(stopped, kind))
        assert everything(connection).startswith(b"HTTP/1.1 408 ")
    assert stopped.client.get("/healthz").status_code == 200


def test_a_client_that_does_not_read_is_cut_off(stopped: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutProtocol, "timeout_s", 0.2)
    stopped.start()
    connection = stopped.connect()

    def ask_for_ever() -> None:
        while True:
            connection.sendall(HEALTH.replace(b"/healthz", b"/openapi.json") * 100)

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        ask_for_ever()


def test_idle_connections_without_a_token_keep_nobody_out(web: Place) -> None:
    known = web.client
    assert web.post(record(0)).status_code == 202
    with contextlib.ExitStack() as open_ones:
        idle = [
            open_ones.enter_context(socket.create_connection(("127.0.0.1", web.server.port), timeout=20))
            for _ in range(3 * MAX_CONNECTIONS)
        ]
        assert httpx.get(f"{web.address}/healthz").status_code == 200
        assert httpx.post(f"{web.address}/v1/feedback", json=record(1), headers=web.token).status_code == 202
        assert everything(idle[0]) == b""
    assert known.post("/v1/feedback", json=record(2)).status_code == 202
    assert len(web.rows()) == 3


def test_more_posts_at_once_than_an_application_may_have_are_told_to_wait(web: Place) -> None:
    begun = [web.connect() for _ in range(MAX_OF_APPLICATION)]
    for connection in begun:
        connection.sendall(head(web, "Content-Length: 1000", "Expect: 100-continue"))
    for connection in begun[:BODIES_AT_ONCE]:
        assert connection.recv(1 << 10).startswith(b"HTTP/1.1 100 ")
    answer = httpx.post(f"{web.address}/v1/feedback", json=record(1), headers=web.token)
    assert_says_what_is_wrong(answer, 503, "too many connections")
    assert int(answer.headers["retry-after"]) > 0
    with Store(web.home.database) as store:
        other = {"Authorization": f"Bearer {add_token(store, 'other')}"}
    assert httpx.post(f"{web.address}/v1/feedback", json=record(1), headers=other).status_code == 202
    assert httpx.get(f"{web.address}/healthz").status_code == 200


def test_the_server_ends_at_once_while_clients_stay_connected(stopped: Place) -> None:
    others = set(threading.enumerate())
    stopped.start()
    begun = stopped.connect()
    begun.sendall(head(stopped, "Content-Length: 1000"))
    stopped.client.get("/healthz")
    stopped.server.stop()
    assert everything(begun) == b""
    assert set(threading.enumerate()) <= others


@pytest.mark.skipif(not TASKS.is_dir(), reason="counts the wake-ups of single threads, which /proc tells")
def test_nothing_of_it_wakes_up_while_nobody_connects(stopped: Place) -> None:
    others = set(threading.enumerate())
    stopped.start()
    assert [stopped.post(value).status_code for value in (record(1), 3)] == [202, 422]
    stopped.client.close()
    threads = set(threading.enumerate()) - others
    assert {thread.name for thread in threads} == {"http", "http-store_0"}
    before = sum(map(wakeups, threads))
    threading.Event().wait(1.0)
    assert sum(map(wakeups, threads)) - before <= 2


def wakeups(thread: threading.Thread) -> int:
    lines = (TASKS / str(thread.native_id) / "status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


@pytest.fixture(scope="module")
def busy_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("web"))
    place.start(requests_per_minute=UNLIMITED)
    yield place
    place.stop()


@given(body=bodies())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_body_gets_an_answer_and_is_stored_as_it_says(busy_place: Place, body: bytes) -> None:
    with Store(busy_place.home.database) as store:
        before = store.feedback.last_id(MODEL)
        answer = busy_place.send(body)
        said = answer.json()
        assert answer.status_code in (202, 400, 404, 422), said
        assert store.feedback.count(MODEL, after_id=before) == said.get("accepted", 0)
        stored = {row["content_hash"] for row in store.rows("SELECT content_hash FROM feedback")}
        assert set(said.get("ids", [])) <= stored


def pieces() -> st.SearchStrategy[bytes]:
    """Requests, good ones and others, and what is none."""
    post = b"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]"
    framing = [
        b"Content-Length: -1",
        b"Content-Length: 2, 3",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
    ]
    asked = [HEALTH.replace(b"GET", method) for method in (b"GET", b"HEAD", b"TRACE", b"CONNECT", b"g\x00t")]
    aimed = [
        HEALTH.replace(b"/healthz", path) for path in (b"*", b"//", b"/%ff%00", b"http://evil.example/", b"/?" * 99)
    ]
    upgraded = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    framed = [post.replace(b"Content-Length: 2", line) for line in framing]
    whole = [
        HEALTH.replace(b"1.1", b"1.0"),
        HEALTH.replace(b"Host", b"Hast"),
        b"A" * 20_000,
        b"\r\n",
        b"2\r\n[]\r\n0\r\n",
    ]
    return st.sampled_from([post, upgraded, *asked, *aimed, *framed, *whole]) | st.binary(max_size=20)


@given(sent=st.lists(pieces(), min_size=1, max_size=4).map(b"".join), more=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_on_the_wire_leave_the_server_well(
    busy_place: Place, caplog: pytest.LogCaptureFixture, sent: bytes, more: st.DataObject
) -> None:
    with socket.create_connection(("127.0.0.1", busy_place.server.port), timeout=20) as connection:
        connection.sendall(sent[: more.draw(st.integers(0, len(sent)))])
        connection.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 5" not in everything(connection)
    assert busy_place.client.get("/healthz").status_code == 200
    assert errors(caplog) == []


@pytest.mark.parametrize("sort", GenerationMode)
def test_the_interface_keeps_to_its_own_description(busy_place: Place, sort: GenerationMode) -> None:
    described = openapi.from_url(f"{busy_place.address}/openapi.json")

    @given(described["/v1/feedback"]["POST"].as_strategy(generation_mode=sort))
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    def call(case: Case[Any]) -> None:
        answer = case.call(headers=busy_place.token)
        try:
            case.validate_response(answer)
        except* RejectedPositiveData:
            pass

    call()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["Content-Length: 4", "Transfer-Encoding: chunked"], b"400"),
        (["Transfer-Encoding: chunked", "Content-Type: text/plain"], b"415"),
        (["Transfer-Encoding: chunked", "Content-Encoding: identity", "Content-Encoding: gzip"], b"415"),
        (["Transfer-Encoding: chunked", "Content-Encoding: identity", "Content-Encoding: identity"], b"415"),
        (["Transfer-Encoding: chunked", "Content-Type: application/json"], b"415"),
        (["Transfer-Encoding: chunked", "Authorization: Bearer x"], b"400"),
        (["Transfer-Encoding: chunked", "Host: localhost"], b"400"),
        (["Transfer-Encoding: chunked", "Content-Encoding: identity"], b"202"),
    ],
)
def test_a_request_that_says_two_things_of_its_body_is_refused(web: Place, more: list[str], status: bytes) -> None:
    """One program on the way may believe the first, another the second."""
    body = json.dumps(record(1)).encode()
    connection = web.connect()
    connection.sendall(head(web, *more, "Connection: close") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    said = everything(connection)
    assert said.split(b" ")[1] == status
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1:{port}/healthz", "localhost", b"200"),
        ("HTTP://LOCALHOST:{port}/healthz", "evil.example", b"200"),
        ("http://[::1]:{port}/healthz?x=1", "localhost", b"200"),
        ("http://127.0.0.1/healthz", "localhost", b"200"),
        ("http://127.0.0.1:{port}", "localhost", b"404"),
        ("http://evil.example/healthz", "localhost", b"421"),
        ("https://127.0.0.1:{port}/healthz", "localhost", b"404"),
    ],
)
def test_a_target_with_a_host_is_as_good_as_its_path(web: Place, target: str, host: str, status: bytes) -> None:
    """The host of the target counts then, and not the header (RFC 9112, 3.2.2)."""
    asked = target.format(port=web.server.port)
    connection = web.connect()
    connection.sendall(f"GET {asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert everything(connection).split(b" ")[1] == status


def test_every_reply_has_the_date(web: Place) -> None:
    for answer in (web.client.get("/healthz"), web.client.get("/none"), web.post("x")):
        assert abs((parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC)).total_seconds()) < 120
