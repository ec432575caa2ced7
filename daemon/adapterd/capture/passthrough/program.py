"""The pass-through's command line: `python -m adapterd.capture --listen HOST:PORT --upstream HOST:PORT --home HOME`."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

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


class _Given(NamedTuple):
    """What the command line says."""

    listen: tuple[str, int]
    upstream: tuple[str, int]
    home: Path


def _given(arguments: Sequence[str]) -> _Given:
    """The command line. As services are begun it is read here: argparse would stay in memory."""
    names, values = tuple(arguments[::2]), arguments[1::2]
    if names == ("--listen", "--upstream", "--home") and len(values) == len(names):
        with suppress(ValueError):
            return _Given(_address(values[0]), _address(values[1]), Path(values[2]))
    import argparse

    parser = argparse.ArgumentParser(prog="adapterd-capture", description=__doc__)
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--upstream", type=_address, required=True, metavar="HOST:PORT", help="where Ollama answers")
    parser.add_argument("--home", type=Path, required=True, metavar="FOLDER")
    return _Given(**vars(parser.parse_args(arguments)))


def run() -> None:
    """Relay until a signal."""
    given = _given(sys.argv[1:])
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
