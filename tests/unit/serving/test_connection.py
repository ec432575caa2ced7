"""Every request goes to the address as it was given, with its name, its password and its path, and no failure tells the
password."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.errors import RuntimeUnavailableError
from adapterd.serving.ollama import OllamaRuntime
from tests.support.reverse_proxy import ReverseProxy, reverse_proxy

SECRET = "s3cret-pass"
ELSEWHERE = "192.0.2.1:11434"
ASKED = (Message(Role.USER, "hello"),)
DIGEST = "sha256:" + "0" * 64
OPERATIONS: dict[str, Callable[[OllamaRuntime, Path], Any]] = {
    "version": lambda runtime, _: runtime.version(),
    "tags": lambda runtime, _: runtime.tags(),
    "loaded": lambda runtime, _: runtime.loaded(),
    "show": lambda runtime, _: runtime.show("m:1"),
    "create": lambda runtime, file: runtime.create("m:1", file, DIGEST, Modelfile()),
    "copy": lambda runtime, _: runtime.copy("m:1", "m:2"),
    "delete": lambda runtime, _: runtime.delete("m:1"),
    "load": lambda runtime, _: runtime.load("m:1"),
    "unload": lambda runtime, _: runtime.unload("m:1"),
    "render": lambda runtime, _: runtime.render("m:1", ASKED),
    "chat": lambda runtime, _: runtime.chat("m:1", ASKED, ChatOptions()),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
WORDS = {
    "/api/version": b'{"version": "0.34.2"}',
    "/api/tags": b'{"models": []}',
    "/api/ps": b'{"models": []}',
    "/api/chat": b'{"done": true, "message": {"content": "x"}, "_debug_info": {"rendered_template": "x"}}',
}


class Canned(ReverseProxy):
    """Answers by itself what Ollama would."""

    def forward(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, str, bytes]:
        if path.startswith("/api/blobs/"):
            return (404, "", b"") if method == "HEAD" else (201, "", b"")
        return 200, "application/json", WORDS.get(path, b"{}")


@pytest.fixture
def proxy() -> Iterator[ReverseProxy]:
    with reverse_proxy(Canned("", prefix="/ollama", user="me", password=SECRET)) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def at(url: str, userinfo: str = f"me:{SECRET}@") -> OllamaRuntime:
    return OllamaRuntime(url.replace("http://", f"http://{userinfo}") + "/ollama", timeout_s=30)


@every_operation
def test_every_verb_brings_name_password_and_path(
    operation: Callable[..., Any], proxy: ReverseProxy, file: Path
) -> None:
    operation(at(proxy.url), file)
    assert proxy.refused == []
    assert proxy.passed


@every_operation
@pytest.mark.parametrize("userinfo", ["", f"me:not-{SECRET}@", f"{SECRET}@"])
def test_a_proxy_that_wants_another_password_is_named_so_without_telling_ours(
    operation: Callable[..., Any], proxy: ReverseProxy, file: Path, userinfo: str
) -> None:
    with pytest.raises(RuntimeUnavailableError, match="asks for a name and a password") as caught:
        operation(at(proxy.url, userinfo), file)
    assert "http://USER:PASSWORD@HOST:PORT" in caught.value.hint
    assert SECRET not in str(caught.value) + caught.value.hint


@every_operation
def test_no_failure_tells_the_password(operation: Callable[..., Any], file: Path, free_tcp_port: int) -> None:
    with pytest.raises(RuntimeUnavailableError, match=r"http://me:\*\*\*@127\.0\.0\.1") as caught:
        operation(at(f"http://127.0.0.1:{free_tcp_port}"), file)
    assert SECRET not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_no_proxy_is_used_for_this_machine_whatever_it_is_called(
    proxy: ReverseProxy, variable: str, free_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{free_tcp_port}")
    for name in ("127.0.0.1", "localhost", "0.0.0.0"):
        assert at(proxy.url.replace("127.0.0.1", name)).tags() == {}


@every_operation
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_on_the_way_is_used_for_other_machines(
    operation: Callable[..., Any], proxy: ReverseProxy, file: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxy.url)
    operation(at(f"http://{ELSEWHERE}"), file)
    assert proxy.refused == []
    assert proxy.passed


@every_operation
def test_a_proxy_that_fails_is_named_with_the_way_round_it(
    operation: Callable[..., Any], file: Path, free_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://us:{SECRET}@127.0.0.1:{free_tcp_port}")
    with pytest.raises(RuntimeUnavailableError) as caught:
        operation(at(f"http://{ELSEWHERE}"), file)
    assert f"through the proxy http://us:***@127.0.0.1:{free_tcp_port}" in str(caught.value)
    assert "NO_PROXY=192.0.2.1" in caught.value.hint
    assert SECRET not in str(caught.value) + caught.value.hint


@every_operation
@pytest.mark.parametrize("proxy_url", ["socks5://127.0.0.1:1", "gopher://127.0.0.1:1", "http://[::1"])
def test_a_proxy_of_a_kind_that_cannot_be_used_is_a_sentence(
    operation: Callable[..., Any], file: Path, proxy_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy_url)
    with pytest.raises(RuntimeUnavailableError) as caught:
        operation(OllamaRuntime(ELSEWHERE, timeout_s=5), file)
    assert proxy_url in str(caught.value)
    assert "NO_PROXY=192.0.2.1" in caught.value.hint


def test_a_proxy_that_does_not_know_the_server_is_named(proxy: ReverseProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with pytest.raises(RuntimeUnavailableError, match=r"is not Ollama \(status 404\)") as caught:
        OllamaRuntime(f"http://me:{SECRET}@{ELSEWHERE}", timeout_s=30).tags()
    assert f"through the proxy {proxy.url}" in str(caught.value)
    assert "NO_PROXY=192.0.2.1" in caught.value.hint


def test_an_address_without_a_port_is_asked_where_its_scheme_says_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    monkeypatch.setattr("adapterd.config.addresses.ollama_address._PORTS", {"http": free_tcp_port, "https": 443})
    with pytest.raises(RuntimeUnavailableError) as caught:
        OllamaRuntime("http://127.0.0.1", timeout_s=5).tags()
    assert f"has no port, so {free_tcp_port} was asked" in caught.value.hint
    assert "http://127.0.0.1:11434" in caught.value.hint


def test_a_server_that_redirects_is_named_with_where_it_points(proxy: ReverseProxy) -> None:
    def redirect(*_: object) -> tuple[int, str, bytes]:
        return 308, "text/html", b"<html>moved</html>"

    proxy.forward = redirect  # type: ignore[assignment,method-assign]
    with pytest.raises(RuntimeUnavailableError, match="points to ") as caught:
        at(proxy.url).tags()
    assert "ollama.host" in caught.value.hint


def test_https_where_none_is_spoken_is_told(proxy: ReverseProxy) -> None:
    with pytest.raises(RuntimeUnavailableError, match="WRONG_VERSION_NUMBER") as caught:
        OllamaRuntime(proxy.url.replace("http:", "https:"), timeout_s=30).tags()
    assert "http://HOST:PORT" in caught.value.hint


def test_a_file_is_sent_with_its_length(proxy: ReverseProxy, file: Path) -> None:
    assert at(proxy.url).push_blob(file, DIGEST) == "upload"
    assert proxy.passed[-1] == f"POST /ollama/api/blobs/{DIGEST}"
