"""The pass-through's command line: `python -m adapterd.capture --listen HOST:PORT --upstream HOST:PORT --home HOME`."""

import argparse
import asyncio
import socket
import sys
from pathlib import Path

from adapterd.capture.passthrough.outbox import Outbox
from adapterd.capture.passthrough.relay import Relaying
from adapterd.capture.passthrough.server import serve, told
from adapterd.capture.wire.routes import is_recorded
from adapterd.system.python import module_command


def _address(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.create_server((host, port), family=family, backlog=1024)
    found.setblocking(False)
    return found


def _say(line: str) -> None:
    if sys.stdout:  # closed by whoever began this
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def run() -> None:
    """Relay until a signal."""
    parser = argparse.ArgumentParser(prog="adapterd-capture", description=__doc__)
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--upstream", type=_address, required=True, metavar="HOST:PORT", help="where Ollama answers")
    parser.add_argument("--home", type=Path, required=True, metavar="FOLDER")
    given = parser.parse_args()
    try:
        listening = _listening(*given.listen)
    except OSError as exc:
        host, port = given.listen
        sys.exit(f"cannot listen at {host}:{port}: {exc.strerror}; is it capture's own or Ollama's address?")
    host, port = given.upstream
    outbox = Outbox(module_command("adapterd.capture.recorder", str(given.home), f"{host}:{port}"))
    shared = Relaying(host, port, is_recorded, outbox.put, lambda: told(shared, outbox))
    where = "{}:{}".format(*listening.getsockname()[:2])
    asyncio.run(serve(listening, shared, outbox, lambda: _say(f"listening at {where}")))
