"""A Unix socket that only its owner can connect to."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapterd.errors import BusyError, ConfigError
from adapterd.system.sockets import peers
from adapterd.system.sockets.unix import LONGEST_PATH, listen_on_path, remove_own, socket_identity
from tests.support.without_rights import give_away

NOBODY = 65534


@pytest.fixture
def path() -> Iterator[Path]:
    """A short path, whatever the tests' own folder is called."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    yield folder / "s"
    shutil.rmtree(folder)


def left_behind(path: Path) -> None:
    """A socket as a process leaves it that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
        gone.bind(str(path))
        gone.listen()


def test_it_is_its_owners_only_and_takes_connections(path: Path) -> None:
    with listen_on_path(path) as listening, socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        client.connect(str(path))
        accepted, _ = listening.accept()
        with accepted:
            assert peers.unix_peer_user(accepted) == os.getuid()


def test_one_that_was_left_behind_is_replaced(path: Path) -> None:
    left_behind(path)
    before = socket_identity(path)
    with listen_on_path(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert before is not None


def test_one_that_answers_is_never_replaced(path: Path) -> None:
    with listen_on_path(path) as first:
        with pytest.raises(BusyError, match="another process listens"):
            listen_on_path(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            first.accept()[0].close()


def test_one_whose_queue_is_full_is_not_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as waiting:
        first.bind(str(path))
        first.listen(0)
        waiting.connect(str(path))
        with pytest.raises(BusyError, match="another process listens"):
            listen_on_path(path)


@pytest.mark.parametrize("kind", ["fifo", "folder", "file", "link to nothing", "link to a socket"])
def test_what_is_no_socket_is_left_alone_and_not_waited_for(path: Path, kind: str) -> None:
    other = path.with_name("other")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(other)
    if kind == "link to a socket":
        left_behind(other)
    with pytest.raises(ConfigError, match="is not a socket of yours"):
        listen_on_path(path)
    assert os.path.lexists(path)


def test_a_socket_of_another_user_is_left_alone(path: Path) -> None:
    left_behind(path)
    give_away(path)
    with pytest.raises(ConfigError, match="is not a socket of yours"):
        listen_on_path(path)
    assert path.exists()


def test_a_path_that_is_too_long_names_the_setting(path: Path) -> None:
    longest = path.with_name("s" * (LONGEST_PATH - len(str(path.parent)) - 1))
    listen_on_path(longest).close()
    with pytest.raises(ConfigError, match=f"{LONGEST_PATH + 1} bytes") as caught:
        listen_on_path(longest.with_name(longest.name + "s"))
    assert "http.socket_path" in caught.value.hint


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    path.parent.chmod(mode)
    with pytest.raises(ConfigError, match="others may write to it"):
        listen_on_path(path)


def test_a_folder_that_is_not_there_is_an_error_of_ours(path: Path) -> None:
    with pytest.raises(ConfigError, match="there cannot be a Unix socket"):
        listen_on_path(path.with_name("missing") / "s")


def test_only_its_own_name_is_removed_at_the_end(path: Path) -> None:
    first = listen_on_path(path)
    identity = socket_identity(path)
    assert identity is not None
    path.rename(path.with_name("moved"))
    left_behind(path)
    remove_own(path, first, identity)
    assert path.exists()
    path.with_name("moved").replace(path)
    remove_own(path, first, identity)
    assert not path.exists()


def test_the_credentials_of_macos_are_as_long_as_its_header_says() -> None:
    """struct xucred: a version, the user, a short, and 16 groups."""
    assert peers._XUCRED.size == 76
    assert peers._XUCRED.unpack(peers._XUCRED.pack(0, 501, 1, 20, *[0] * 15))[1] == 501


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells whose a TCP connection is")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_user_at_the_other_end_of_tcp_is_known(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        listening.listen()
        port = listening.getsockname()[1]
        with socket.create_connection((host, port)), listening.accept()[0] as accepted:
            assert peers.tcp_peer_user(accepted) == os.getuid()


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root to be somebody else")
def test_another_user_at_the_other_end_of_tcp_is_known() -> None:
    code = "import socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); c.recv(1)"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(60)
        port = str(listening.getsockname()[1])
        words = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", sys.executable, "-c", code, port]
        if subprocess.run([*words[:3], "true"], check=False, capture_output=True).returncode:
            pytest.skip("this root may not be somebody else")
        with subprocess.Popen(words) as other:
            with listening.accept()[0] as accepted:
                assert peers.tcp_peer_user(accepted) == NOBODY
            assert other.wait(60) == 0


def test_who_cannot_be_known_is_nobody() -> None:
    one, two = socket.socketpair()
    with one, two, socket.socket() as unconnected:
        assert [peers.tcp_peer_user(each) for each in (one, unconnected)] == [None, None]
