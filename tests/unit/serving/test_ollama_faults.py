"""What becomes of a server that is not there, is not Ollama, or fails in the middle: a sentence, never a traceback."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.errors import (
    NoSpaceError,
    NotFoundError,
    RuntimeFailedError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
)
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.server import free_port

ASKED = (Message(Role.USER, "hello"),)
DIGEST = "sha256:" + "0" * 64

OPERATIONS: dict[str, Callable[[OllamaRuntime, Path], Any]] = {
    "version": lambda runtime, _: runtime.version(),
    "tags": lambda runtime, _: runtime.tags(),
    "show": lambda runtime, _: runtime.show("m:1"),
    "create": lambda runtime, file: runtime.create("m:1", file, DIGEST, Modelfile()),
    "copy": lambda runtime, _: runtime.copy("m:1", "m:2"),
    "delete": lambda runtime, _: runtime.delete("m:1"),
    "load": lambda runtime, _: runtime.load("m:1"),
    "render": lambda runtime, _: runtime.render("m:1", ASKED),
    "chat": lambda runtime, _: runtime.chat("m:1", ASKED, ChatOptions()),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))


class Server:
    """Answers every request in the same way, and remembers what was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.silent = 200, b"", threading.Event()
        self.silent.set()
        self.asked: list[tuple[str, dict[str, Any]]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.asked.append((self.path, json.loads(sent) if sent[:1] == b"{" else {}))
                server.silent.wait()
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(server.body)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else server.body)

            do_GET = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        class QuietServer(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that did not wait is what some tests are about."""

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._http.server_port}"

    def says(self, body: str | bytes, status: int = 200) -> OllamaRuntime:
        self.status, self.body = status, body.encode() if isinstance(body, str) else body
        return OllamaRuntime(self.host, timeout_s=5)

    def close(self) -> None:
        self.silent.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def faulty_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


@every_operation
def test_when_nobody_listens_it_says_where_and_how_to_start_ollama(operation: Callable[..., Any], file: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(RuntimeUnavailableError, match=nobody) as caught:
        operation(OllamaRuntime(nobody), file)
    assert "ollama serve" in caught.value.hint


@every_operation
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>my router</html>"), (200, "[1, 2]"), (404, "<html>no such page</html>"), (502, "Bad Gateway")],
)
def test_when_something_else_answers_it_says_that_this_is_not_ollama(
    operation: Callable[..., Any], faulty_server: Server, file: Path, status: int, body: str
) -> None:
    with pytest.raises(RuntimeUnavailableError, match="is not Ollama") as caught:
        operation(faulty_server.says(body, status), file)
    assert "ollama.host" in caught.value.hint
    assert "<html>" not in str(caught.value)


@pytest.mark.parametrize("body", ['{"models": [{"id": "gpt"}]}', '{"models": "none"}', '{"data": []}'])
def test_a_list_of_models_in_another_shape_is_not_ollamas(faulty_server: Server, body: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="is not Ollama"):
        faulty_server.says(body).tags()


@every_operation
def test_a_server_that_keeps_silent_is_given_up_after_the_timeout(
    operation: Callable[..., Any], faulty_server: Server, file: Path
) -> None:
    faulty_server.silent.clear()
    with pytest.raises(RuntimeUnavailableError, match=r"within 0\.05 s") as caught:
        operation(OllamaRuntime(faulty_server.host, timeout_s=0.05), file)
    assert "timeout_s" in caught.value.hint


@pytest.mark.parametrize("host", ["http://127.0.0.1:port", "http://[::1", "http://a b", "ftp://127.0.0.1", ""])
def test_an_address_that_is_none_is_a_sentence(host: str) -> None:
    with pytest.raises(RuntimeUnavailableError):
        OllamaRuntime(host).tags()


@pytest.mark.parametrize("name", ["show", "copy", "delete", "load", "render", "chat"])
def test_a_404_with_a_reason_is_a_missing_tag(faulty_server: Server, file: Path, name: str) -> None:
    runtime = faulty_server.says('{"error": "model \'m:1\' not found"}', status=404)
    with pytest.raises(NotFoundError, match="m:1"):
        OPERATIONS[name](runtime, file)


@every_operation
def test_a_refusal_carries_ollamas_reason(operation: Callable[..., Any], faulty_server: Server, file: Path) -> None:
    with pytest.raises(RuntimeRefusedError, match="unexpected EOF"):
        operation(faulty_server.says('{"error": "unexpected EOF"}', status=500), file)


@every_operation
def test_a_full_disk_of_the_server_is_told_apart_for_it_may_pass(
    operation: Callable[..., Any], faulty_server: Server, file: Path
) -> None:
    full = '{"error": "write /models/manifests/registry.ollama.ai/library/m/1: no space left on device"}'
    with pytest.raises(NoSpaceError, match=r"Ollama has no room for .*no space left") as caught:
        operation(faulty_server.says(full, status=500), file)
    assert caught.value.transient
    assert "adapterctl gc" in caught.value.hint


@pytest.mark.parametrize("name", ["create", "chat"])
def test_an_error_in_the_middle_of_a_stream_is_a_refusal(faulty_server: Server, file: Path, name: str) -> None:
    runtime = faulty_server.says(
        '{"status": "parsing GGUF", "message": {"content": "Pa"}}\n{"error": "disk is full"}\n'
    )
    with pytest.raises(RuntimeRefusedError, match="disk is full") as caught:
        OPERATIONS[name](runtime, file)
    assert "200" not in str(caught.value)


def test_an_error_of_llama_server_is_told_without_its_wrapping(faulty_server: Server) -> None:
    inner = json.dumps({"error": {"code": 400, "message": "request (530 tokens) exceeds the available context size"}})
    runtime = faulty_server.says(json.dumps({"error": inner}), status=400)
    with pytest.raises(RuntimeRefusedError) as caught:
        runtime.chat("m:1", ASKED, ChatOptions())
    assert str(caught.value) == (
        "Ollama refused m:1: request (530 tokens) exceeds the available context size (status 400)"
    )


@pytest.mark.parametrize("body", ['{"message": {"content": "Par"}}\n', ""])
def test_half_an_answer_is_never_taken_for_a_whole_one(faulty_server: Server, body: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="broke off"):
        faulty_server.says(body).chat("m:1", ASKED, ChatOptions())


def _pieces(*pieces: str) -> str:
    return "".join(f"{json.dumps({'message': {'content': piece}})}\n" for piece in pieces)


REPEATED = {"error": "prediction aborted, token repeat limit reached"}


@pytest.mark.parametrize(
    "body",
    [
        _pieces("a", *["0"] * 100) + json.dumps(REPEATED),
        _pieces("a", *["0"] * 30),
        _pieces("a", *["0", "0 "] * 15),
    ],
    ids=["since 0.34", "before", "spaces do not count"],
)
def test_an_answer_that_ollama_stopped_for_repeating_a_token_is_a_cut_answer(faulty_server: Server, body: str) -> None:
    answer = faulty_server.says(body).chat("m:1", ASKED, ChatOptions())
    assert answer.text.startswith("a00")
    assert answer.done_reason == "repeat"
    assert answer.truncated
    assert answer.answer_tokens == body.count("message")
    assert answer.total_s > 0


@pytest.mark.parametrize(
    "error",
    [
        "failed to parse JSON: invalid character '<' looking for beginning of value",
        "invalid character ']' after object key:value pair",
        "error parsing tool call: raw='{', err=unexpected end of JSON input",
        "XML syntax error on line 1: unexpected EOF",
        "EOF",
    ],
)
def test_an_answer_with_a_call_of_a_tool_that_ollama_cannot_read_is_a_cut_answer(
    faulty_server: Server, error: str
) -> None:
    answer = faulty_server.says(_pieces("I call ") + json.dumps({"error": error})).chat("m:1", ASKED, ChatOptions())
    assert (answer.text, answer.done_reason, answer.truncated) == ("I call ", "unparsed", True)


@pytest.mark.parametrize(
    "error",
    [
        "an error was encountered while running the model: unexpected EOF",
        "an error was encountered while running the model: CUDA error: out of memory",
        'POST predict: Post "http://127.0.0.1:36345/completion": EOF',
        "model runner has unexpectedly stopped",
    ],
)
def test_a_model_that_ended_in_the_middle_is_a_failure_and_no_answer(faulty_server: Server, error: str) -> None:
    with pytest.raises(RuntimeFailedError, match="Ollama failed at m:1"):
        faulty_server.says(_pieces("Par") + json.dumps({"error": error})).chat("m:1", ASKED, ChatOptions())


def test_an_answer_that_was_stopped_before_a_word_of_it_was_said_is_cut_and_empty(faulty_server: Server) -> None:
    answer = faulty_server.says(json.dumps(REPEATED), status=500).chat("m:1", ASKED, ChatOptions())
    assert (answer.text, answer.truncated) == ("", True)


def _thoughts(*pieces: str) -> str:
    return "".join(f"{json.dumps({'message': {'content': '', 'thinking': piece}})}\n" for piece in pieces)


def test_thoughts_that_repeat_a_token_are_a_cut_answer_and_others_that_broke_off_are_none(
    faulty_server: Server,
) -> None:
    answer = faulty_server.says(_thoughts(*["hm"] * 40)).chat("m:1", ASKED, ChatOptions())
    assert (answer.text, answer.done_reason, answer.answer_tokens) == ("", "repeat", 40)
    runtime = faulty_server.says(_thoughts(*map(str, range(40))))
    with pytest.raises(RuntimeUnavailableError, match="broke off"):
        runtime.chat("m:1", ASKED, ChatOptions())


def test_an_eof_before_anything_came_is_a_failure(faulty_server: Server) -> None:
    with pytest.raises(RuntimeFailedError, match="EOF"):
        faulty_server.says('{"error": "EOF"}').chat("m:1", ASKED, ChatOptions())


@pytest.mark.parametrize("pieces", [[""] * 40, ["0"] * 29, ["0"] * 60 + ["1"], ["0", "1"] * 40])
def test_an_answer_that_broke_off_elsewhere_is_none(faulty_server: Server, pieces: list[str]) -> None:
    with pytest.raises(RuntimeUnavailableError, match="broke off"):
        faulty_server.says(_pieces(*pieces)).chat("m:1", ASKED, ChatOptions())


def test_an_answer_may_hold_characters_that_python_takes_for_line_ends(faulty_server: Server) -> None:
    parts = [{"message": {"content": "a\u0085b\u2028"}}, {"message": {"content": "c"}, "done": True}]
    body = "\n".join(json.dumps(part, ensure_ascii=False) for part in parts)
    assert faulty_server.says(body).chat("m:1", ASKED, ChatOptions()).text == "a\u0085b\u2028c"


def test_every_option_is_sent_and_nothing_may_be_cut(faulty_server: Server) -> None:
    faulty_server.says('{"done": true}').chat("m:1", ASKED, ChatOptions(num_ctx=512, num_predict=7, seed=3))
    (_, asked), *_ = faulty_server.asked
    assert asked["options"] == {"num_ctx": 512, "num_predict": 7, "temperature": 0.0, "seed": 3, "repeat_penalty": 1.0}
    assert (asked["truncate"], asked["shift"]) == (False, False)


@pytest.mark.parametrize(("think", "sent"), [(None, {}), (True, {"think": True}), (False, {"think": False})])
def test_to_think_or_not_is_said_only_where_somebody_decided_it(
    faulty_server: Server, think: bool | None, sent: dict[str, bool]
) -> None:
    faulty_server.says('{"done": true}').chat("m:1", ASKED, ChatOptions(think=think))
    faulty_server.says('{"_debug_info": {"rendered_template": "x"}}').render("m:1", ASKED, think=think)
    for _, asked in faulty_server.asked[-2:]:
        assert {name: value for name, value in asked.items() if name == "think"} == sent


def test_an_ollama_that_does_not_render_is_too_old(faulty_server: Server) -> None:
    runtime = faulty_server.says('{"version": "0.1.0", "done": true}')
    with pytest.raises(RuntimeRefusedError, match=r"Ollama 0\.1\.0 does not say") as caught:
        runtime.render("m:1", ASKED)
    assert "newer" in caught.value.hint


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    faulty_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert faulty_server.says('{"models": null}').tags() == {}
