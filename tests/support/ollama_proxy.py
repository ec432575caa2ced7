"""A reverse proxy in front of a real Ollama: it answers /api/version as it is told to, and counts questions."""

import http.client
import http.server
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

TIMEOUT_S = 300
FORWARDED = ("content-type", "accept")


@dataclass
class OllamaProxy:
    """What the proxy does: `version` is what it answers (None: what Ollama does), `asked` counts questions by tag,
    `before` is called with every path and body before they are forwarded."""

    target: str
    host: str = ""
    version: str | None = None
    asked: Counter[str] = field(default_factory=Counter)
    before: Callable[[str, bytes], object] = lambda _path, _body: None


@contextmanager
def proxy_of(target: str) -> Iterator[OllamaProxy]:
    """A proxy that serves until the block ends."""
    proxy = OllamaProxy(target)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(proxy))
    proxy.host = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler_of(proxy: OllamaProxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def forward(self) -> None:
            body = self._body()
            proxy.before(self.path, body)
            if self.path == "/api/chat" and b"_debug_render_only" not in body:
                proxy.asked[json.loads(body)["model"]] += 1
            if self.path == "/api/version" and proxy.version:
                self._reply(200, json.dumps({"version": proxy.version}).encode(), "application/json")
                return
            where = urlsplit(proxy.target)
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=TIMEOUT_S)
            try:
                headers = {name: value for name, value in self.headers.items() if name.lower() in FORWARDED}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                self._reply(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
            finally:
                connection.close()

        do_GET = do_POST = do_HEAD = do_DELETE = forward  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().strip() or b"0", 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _reply(self, status: int, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler
