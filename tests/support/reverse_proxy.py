"""A small reverse proxy before a real Ollama: under a path, with a name and a password, elsewhere.

It also takes requests as clients send them to an HTTP proxy (`GET http://HOST/PATH`), so that an address can be asked
which nobody has.
"""

import base64
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class ReverseProxy:
    """Forwards what is below `prefix` to `target`, if it brings `user` and `password`; in answers `hidden`, the store
    of the server, is called /elsewhere. `refused` are the requests that were not forwarded, `passed` the others."""

    target: str
    prefix: str = ""
    user: str | None = None
    password: str = ""
    hidden: str | None = None
    refused: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    url: str = ""

    def allows(self, authorization: str | None) -> bool:
        if self.user is None:
            return True
        return authorization == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def forward(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, str, bytes]:
        """Ask the server; what it answers."""
        place = urlsplit(self.target)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=300)
        try:
            connection.request(method, path, body or None, {"Content-Type": kind} if kind else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if self.hidden:
            content = content.replace(self.hidden.encode(), b"/elsewhere")
        return answer.status, answer.headers.get("Content-Type", ""), content


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ReverseProxy

    def log_message(self, *_: Any) -> None:
        pass

    def go(self) -> None:
        body, path, proxy = self._body(), self.path, self.proxy
        path = urlsplit(path).path if "://" in path else path
        asked = f"{self.command} {path}"
        if not proxy.allows(self.headers.get("Authorization")):
            proxy.refused.append(asked)
            self._say(401, "text/html", b"<html>401 Authorization Required</html>")
        elif not path.startswith(f"{proxy.prefix}/"):
            proxy.refused.append(asked)
            self._say(404, "text/html", b"<html>not here</html>")
        else:
            proxy.passed.append(asked)
            kind = self.headers.get("Content-Type", "")
            self._say(*proxy.forward(self.command, path.removeprefix(proxy.prefix), body, kind))

    do_GET = do_POST = do_HEAD = do_DELETE = go  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _say(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away."""


@contextmanager
def reverse_proxy(proxy: ReverseProxy) -> Iterator[ReverseProxy]:
    """The proxy at work, at `proxy.url`, until the block ends."""
    server = _QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
