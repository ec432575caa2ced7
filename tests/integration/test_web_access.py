"""Who may post over HTTP: the user over the Unix socket, applications with a token, nobody else; and what is told.

Real servers, sockets, users and curl.
"""

import contextlib
import errno
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from adapterctl.main import cli
from adapterd.config import HttpSettings
from adapterd.errors import ConfigError
from adapterd.home import HOME_VARIABLE, Home
from adapterd.serving.server import free_port
from adapterd.store import Store
from adapterd.system.locks import exclusive
from adapterd.web import FeedbackServer, server
from adapterd.web.applications import add_token, revoke_token
from adapterd.web.listening import refusals
from adapterd.web.listening.connections import MAX_CONNECTIONS
from adapterd.web.protocol import TimeoutProtocol

MODEL = "news"
NOBODY = 65534
NEEDS_ROOT = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can be somebody else, by setpriv"
)
NEEDS_CURL = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
RECORD = {"prompt": "Who met?", "output": "The mayor.", "correction": "The council."}


class Place:
    """A home at a short path, a server that stands for the daemon, and what a person sees of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = Home(root / "home")
        self.home.create()
        monkeypatch.setenv(HOME_VARIABLE, str(self.home.root))
        self._running = contextlib.ExitStack()

    def start(self, *, tcp: bool = True, **changes: Any) -> FeedbackServer:
        settings = HttpSettings(**{"port": 0, **changes})
        self.server = FeedbackServer(self.home, settings, lambda: [MODEL], tcp=tcp)
        self._running.enter_context(exclusive(self.home.daemon_lock, timeout_s=5, busy="held"))
        self.server.start()
        self._running.callback(self.server.stop)
        asked = f"[http]\nenabled = {str(tcp).lower()}\nport = {self.server.port}\n"
        self.home.config_file.write_text(f'runtime = "embedded"\n{asked}')
        return self.server

    def stop(self) -> None:
        self._running.close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/v1/feedback"

    def post(self, token: str, record: dict[str, Any]) -> httpx.Response:
        return httpx.post(self.address, json=record, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def post_locally(self, record: dict[str, Any], **headers: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.home.socket)), timeout=30) as local:
            return local.post("http://localhost/v1/feedback", json=record, headers=headers)

    def give(self, *words: str, answer: str = "") -> Any:
        """Give a command of adapterctl."""
        return CliRunner().invoke(cli, words, input=answer, catch_exceptions=False)

    @contextlib.contextmanager
    def store(self) -> Iterator[Store]:
        with Store(self.home.database) as opened:
            yield opened

    def token(self, name: str) -> str:
        with self.store() as store:
            return add_token(store, name)

    def applications(self) -> list[str | None]:
        with self.store() as store:
            return [row.application for row in store.feedback.all(MODEL)]


@pytest.fixture
def web_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    made = Place(root, monkeypatch)
    yield made
    made.stop()
    shutil.rmtree(root)


def wait_until(holds: Callable[[], object], within_s: float = 60) -> None:
    """Look again and again until it holds; a slow machine gets a minute."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def somebody_else(code: str, *words: object) -> list[str]:
    """The command line of a Python program of another user."""
    return ["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", code, *map(str, words)]


def test_the_user_posts_over_the_unix_socket_without_a_token(web_place: Place) -> None:
    web_place.start(tcp=False)
    assert web_place.post_locally({**RECORD, "application": "as the record says"}).status_code == 202
    assert web_place.applications() == ["as the record says"]
    assert not (web_place.home.root / "http-token").exists()
    assert web_place.give("token", "list").stdout.startswith("no application has a token")


@NEEDS_CURL
def test_curl_posts_over_the_unix_socket(web_place: Place) -> None:
    web_place.start(tcp=False)
    words = [
        "curl",
        "-sS",
        "--fail-with-body",
        "--unix-socket",
        str(web_place.home.socket),
        "http://localhost/v1/feedback",
    ]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(RECORD)]
    assert json.loads(subprocess.run(words, check=True, capture_output=True).stdout)["accepted"] == 1


@NEEDS_CURL
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_curl_posts_over_tcp_with_a_token_that_no_process_list_shows(web_place: Place, host: str) -> None:
    port = web_place.start().port
    if host == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no ::1")
    words = ["curl", "-sS", "--fail-with-body", "-H", "@-", f"http://{host}:{port}/v1/feedback"]
    words += ["-H", "Content-Type: application/json", "-d", json.dumps(RECORD)]
    header = f"Authorization: Bearer {web_place.token('app')}\n".encode()
    assert json.loads(subprocess.run(words, input=header, check=True, capture_output=True).stdout)["accepted"] == 1
    assert web_place.applications() == ["app"]


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as asked:
        try:
            asked.bind(("::1", 0))
        except OSError:
            return False
        return True


@NEEDS_ROOT
def test_another_user_is_refused_at_the_unix_socket_even_where_its_rights_were_opened(web_place: Place) -> None:
    web_place.start(tcp=False)
    for folder in (web_place.home.root.parent, web_place.home.root):
        folder.chmod(0o755)
    web_place.home.socket.chmod(0o666)
    code = (
        "import socket, sys; c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1]);"
        r"c.sendall(b'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'); print(c.makefile().read())"
    )
    said = subprocess.run(somebody_else(code, web_place.home.socket), check=True, capture_output=True, text=True).stdout
    assert said.startswith("HTTP/1.1 403 ")
    assert "the Unix socket is for the user who runs adapterd" in said


@NEEDS_ROOT
def test_another_user_does_not_even_reach_the_unix_socket(web_place: Place) -> None:
    web_place.start(tcp=False)
    web_place.home.root.parent.chmod(0o755)
    code = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    said = subprocess.run(somebody_else(code, web_place.home.socket), check=False, capture_output=True, text=True)
    assert "Permission denied" in said.stderr


def test_the_token_names_the_application_whatever_the_record_says(web_place: Place) -> None:
    web_place.start()
    for name in ("one", "two"):
        record = {**RECORD, "prompt": name, "application": "somebody important"}
        assert web_place.post(web_place.token(name), record).status_code == 202
    default = (web_place.home.root / "http-token").read_text().strip()
    assert web_place.post(default, {**RECORD, "prompt": "three"}).status_code == 202
    assert web_place.applications() == ["one", "two", "default"]
    assert web_place.post_locally({**RECORD, "prompt": "four"}, Authorization=f"Bearer {default}").status_code == 202
    assert web_place.applications()[3] == "default"
    with web_place.store() as store:
        assert json.loads(store.feedback.all(MODEL)[0].record)["claimed_application"] == "somebody important"
        assert store.feedback.origins(MODEL) == {"default": 2, "one": 1, "two": 1}


def test_a_revoked_token_posts_no_more_and_its_records_stay(web_place: Place) -> None:
    web_place.start()
    one, two = web_place.token("one"), web_place.token("two")
    assert [web_place.post(each, {**RECORD, "prompt": each}).status_code for each in (one, two)] == [202, 202]
    assert web_place.give("token", "revoke", "one", answer="n\n").exit_code != 0
    assert web_place.post(one, RECORD).status_code == 202
    assert web_place.give("token", "revoke", "one", answer="y\n").exit_code == 0
    assert [web_place.post(each, RECORD).status_code for each in (one, two)] == [401, 202]
    assert web_place.applications()[:2] == ["one", "two"]
    listed = {each["name"]: each for each in json.loads(web_place.give("token", "list", "--json").stdout)}
    assert (listed["one"]["posts"], listed["one"]["records"], listed["two"]["posts"]) == (2, 2, 2)
    assert listed["one"]["revoked_at"]
    assert listed["one"]["last_used"]


def test_a_token_that_is_revoked_while_a_post_is_on_its_way_stores_nothing(web_place: Place) -> None:
    web_place.start()
    token, body = web_place.token("one"), json.dumps(RECORD).encode()
    head = (
        f"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", web_place.server.port), timeout=60) as posting:
        posting.sendall(head.encode())
        assert b"100" in posting.recv(1000).splitlines()[0]  # the token was good
        with web_place.store() as store:
            revoke_token(store, web_place.home, "one")
        posting.sendall(body)
        assert b"401" in posting.recv(1000).splitlines()[0]
    assert web_place.applications() == []


def test_who_cannot_be_known_at_the_unix_socket_is_another_user(
    web_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(_: object) -> int:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    web_place.start()
    with monkeypatch.context() as patched:
        patched.setattr("adapterd.web.protocol.unix_peer_user", gone)
        assert web_place.post_locally(RECORD).status_code == 403
    assert web_place.post_locally(RECORD).status_code == 202
    assert "Traceback" not in caplog.text


def test_a_store_that_is_locked_keeps_the_server_neither_from_starting_nor_from_having_a_port(
    web_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.store.database.BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("adapterd.web.server.BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr("adapterd.web.server.TRY_AGAIN_S", 0.05)
    port = web_place.start().port
    token = web_place.token("one")
    web_place.stop()
    with (
        socket.create_server(("127.0.0.1", port)) as taken,
        contextlib.closing(sqlite3.connect(web_place.home.database, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        web_place.start(port=port)
        assert web_place.post_locally(RECORD).status_code == 503
        taken.close()
        wait_until(lambda: listens(port))
        other.execute("ROLLBACK")
    assert web_place.post(token, RECORD).status_code == 202
    wait_until(lambda: str(port) in web_place.give("status", "--json").stdout)


def test_what_one_application_may_do_is_not_used_up_by_another(web_place: Place) -> None:
    web_place.start(requests_per_minute=1)
    one, two = web_place.token("one"), web_place.token("two")
    assert [web_place.post(each, RECORD).status_code for each in (one, one, two)] == [202, 429, 202]
    assert web_place.post_locally(RECORD).status_code == 202


def test_posts_and_refusals_are_in_the_history_and_in_status(
    web_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refusals, "SAVE_AFTER_S", 0.01)
    web_place.start()
    token = web_place.token("one")
    for number in range(3):
        web_place.post(token, {**RECORD, "prompt": f"{number}"})
    for _ in range(5):
        assert web_place.post("wrong", RECORD).status_code == 401
    assert httpx.get(web_place.address, headers={"Host": "evil.example"}).status_code == 421
    with web_place.store() as store:
        wait_until(lambda: sum(store.http_traffic.refusals_since_yesterday().values()) == 6)
    history = [event["text"] for event in json.loads(web_place.give("history", "--json").stdout)]
    assert "one: 3 posts, 3 new records" in history
    assert "refused over HTTP: 401 Unauthorized, 5 times" in history
    seen = json.loads(web_place.give("status", "--json").stdout)["http"]
    assert seen["refusals"] == {"401 Unauthorized": 5, "421 Misdirected Request": 1}
    assert (seen["last_poster"], seen["applications"]) == ("one", ["default", "one"])
    assert f"127.0.0.1:{web_place.server.port}" in seen["addresses"][0]
    assert "since yesterday 401 Unauthorized: 5" in web_place.give("status").stdout
    said = [each.getMessage() for each in caplog.records if "401" in each.getMessage()]
    assert len(said) == 1
    assert token not in caplog.text


@NEEDS_ROOT
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_squatted_port_is_a_fault_until_it_is_free(
    web_place: Place, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no ::1")
    monkeypatch.setattr("adapterd.web.server.TRY_AGAIN_S", 0.1)
    code = (
        "import socket, sys; s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET);"
        "s.bind((sys.argv[1], 0)); s.listen(); print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    words = somebody_else(code, host)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as squatter:
        assert squatter.stdout
        port = int(squatter.stdout.readline())
        web_place.start(port=port)
        check = web_place.give("status", "--check")
        assert check.exit_code == 10
        assert f"port {port} of {host} is taken by another program" in check.stdout
        assert "user nobody" in check.stdout
        doctor = {each["what"]: each for each in json.loads(web_place.give("doctor", "--json").stdout)}["http"]
        squatter.communicate()
    assert web_place.post_locally(RECORD).status_code == 202
    wait_until(lambda: "is taken" not in web_place.give("status", "--check").stdout)
    assert httpx.get(f"http://{'[::1]' if ':' in host else host}:{port}/healthz").status_code == 200
    assert doctor["level"] == "fault"


def test_a_squatted_port_is_told_by_doctor_before_the_daemon_starts(web_place: Place) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        web_place.home.config_file.write_text(f'runtime = "embedded"\n[http]\nenabled = true\nport = {port}\n')
        found = web_place.give("doctor", "--json")
    (check,) = [each for each in json.loads(found.stdout) if each["what"] == "http"]
    assert (check["level"], found.exit_code) == ("fault", 1)
    assert f"port {port} of 127.0.0.1 is taken" in check["detail"]
    assert "http.port" in check["hint"]


def test_a_socket_that_was_removed_is_a_fault_where_http_was_asked_for(web_place: Place) -> None:
    web_place.start()
    assert "feedback over HTTP" not in web_place.give("status", "--check").stdout
    web_place.home.socket.unlink()
    assert f"the Unix socket {web_place.home.socket} was removed" in web_place.give("status", "--check").stdout


def test_a_home_whose_path_is_too_long_says_which_setting_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    deep = root.joinpath("d" * 60, "e" * 60)
    deep.mkdir(parents=True)
    web_place = Place(deep, monkeypatch)
    try:
        web_place.start(tcp=False)
        (check,) = [each for each in json.loads(web_place.give("doctor", "--json").stdout) if each["what"] == "http"]
        assert check["level"] == "warning"
        assert "http.socket_path" in check["hint"]
        web_place.stop()
        web_place.start(tcp=False, socket_path=root / "s")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(root / "s"))) as local:
            assert local.get("http://localhost/healthz").status_code == 200
    finally:
        web_place.stop()
        shutil.rmtree(root)


def test_a_socket_that_was_left_behind_is_replaced_and_goes_at_the_end(web_place: Place) -> None:
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(web_place.home.socket))
        gone.listen()
    web_place.start(tcp=False)
    assert web_place.post_locally(RECORD).status_code == 202
    web_place.stop()
    assert not web_place.home.socket.exists()


@pytest.mark.parametrize("name", ["http-token", "adapterd.sock", "adapterd.sock.lock"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_something_else_at_one_of_its_places_never_hangs_the_start(web_place: Place, name: str, kind: str) -> None:
    path = web_place.home.root / name
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    started = threading.Thread(target=start, args=(web_place,), daemon=True)
    started.start()
    started.join(60)
    assert not started.is_alive()


def start(web_place: Place) -> None:
    with contextlib.suppress(ConfigError):
        web_place.start()


@NEEDS_ROOT
def test_another_users_idle_connections_close_only_their_own(web_place: Place) -> None:
    web_place.start()
    token = web_place.token("one")
    code = (
        "import socket, sys, time; port = int(sys.argv[1]);"
        "held = [socket.create_connection(('127.0.0.1', port)) for _ in range(int(sys.argv[2]))];"
        "print('there', flush=True); sys.stdin.read()"
    )
    ours = socket.create_connection(("127.0.0.1", web_place.server.port), timeout=30)
    words = somebody_else(code, web_place.server.port, 4 * MAX_CONNECTIONS)
    with ours, subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other.stdout.readline()
        assert web_place.post(token, RECORD).status_code == 202
        ours.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ours.recv(1 << 10).startswith(b"HTTP/1.1 200 ")
        other.communicate()


def test_who_has_shown_no_token_gets_less_time(web_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutProtocol, "unknown_timeout_s", 0.2)
    web_place.start()
    token = web_place.token("one")
    body = json.dumps(RECORD).encode()
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    known = f"{head}Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    with contextlib.ExitStack() as open_ones:
        slow, idle, begun = (
            open_ones.enter_context(socket.create_connection(("127.0.0.1", web_place.server.port), timeout=30))
            for _ in range(3)
        )
        slow.sendall(known)
        begun.sendall(head.encode())
        assert idle.recv(1) == b""
        assert begun.recv(1 << 10).startswith(b"HTTP/1.1 408 ")
        slow.sendall(body)
        assert slow.recv(1 << 10).startswith(b"HTTP/1.1 202 ")


def test_removing_by_application_takes_what_its_token_posted(web_place: Place) -> None:
    web_place.start()
    one, two = web_place.token("one"), web_place.token("two")
    web_place.post(one, {**RECORD, "application": "two"})
    web_place.post(two, {**RECORD, "prompt": "Who else?", "application": "one"})
    with web_place.store() as store:
        revoke_token(store, web_place.home, "one")
    config = web_place.home.config_file
    config.write_text(config.read_text() + f'[models.{MODEL}]\nbase = "b"\nbase_digest = "d"\n')
    listed = web_place.give("feedback", "list").stdout
    assert "one, http:1" in listed
    assert "two, http:1" in listed
    assert "application  one (the record says two)" in web_place.give("feedback", "show", "1").stdout
    web_place.give("feedback", "remove", "--from", "one", "--yes")
    assert web_place.applications() == ["two"]


def test_a_server_that_has_stopped_is_a_fault(web_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setattr("adapterd.web.writer._opened", broken)
    web_place.start()
    with pytest.raises(httpx.HTTPError):
        httpx.get(web_place.address)
    wait_until(lambda: "it has stopped" in web_place.give("status", "--check").stdout)


def test_a_token_file_that_cannot_be_used_is_a_fault_of_tcp_alone(
    web_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TRY_AGAIN_S", 0.05)
    (web_place.home.root / "http-token").write_text("short")
    web_place.start(port=free_port())
    assert web_place.post_locally(RECORD).status_code == 202
    said = web_place.give("status", "--check").stdout
    assert "does not hold one line" in said
    assert "adapterd.sock" not in said
    (web_place.home.root / "http-token").unlink()
    wait_until(lambda: "does not hold one line" not in web_place.give("status", "--check").stdout)
    token = (web_place.home.root / "http-token").read_text().strip()
    assert web_place.post(token, {**RECORD, "prompt": "Who else?"}).status_code == 202


def test_refusals_that_cannot_be_counted_now_hold_no_post_up_and_are_counted_later(
    web_place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refusals, "SAVE_AFTER_S", 0.01)
    web_place.start()
    token = web_place.token("one")
    with contextlib.closing(sqlite3.connect(web_place.home.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert web_place.post("wrong", RECORD).status_code == 401
        wait_until(lambda: "refused requests could not be counted" in caplog.text)
        other.execute("ROLLBACK")
    assert web_place.post(token, RECORD).status_code == 202
    assert web_place.post("wrong", RECORD).status_code == 401
    with web_place.store() as store:
        wait_until(lambda: store.http_traffic.refusals_since_yesterday() == {"401 Unauthorized": 2})
