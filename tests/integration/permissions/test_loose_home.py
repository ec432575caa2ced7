"""A home that others may change is refused by every command and by the daemon; the sentence says how it is mended."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapterd.home import HOME_VARIABLE, Home
from adapterd.store import Store
from adapterd.system.permissions import home as permissions
from tests.support.without_rights import SOMEBODY_ELSE, give_away, without_rights

ADAPTERCTL = Path(sys.executable).parent / "adapterctl"
ADAPTERD = Path(sys.executable).parent / "adapterd"
CONFIG = '[models.m]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'
COMMANDS = [
    ("status",), ("status", "--check"), ("history",), ("config", "show"), ("feedback", "list"), ("gc",), ("rollback",),
    ("logs",), ("service", "status"), ("retrain",), ("pause",), ("versions",),
]  # fmt: skip


@pytest.fixture
def lived_in(home: Home) -> Home:
    """A home with a configuration and a database."""
    home.config_file.write_text(CONFIG)
    home.config_file.chmod(0o600)
    Store(home.database).close()
    home.inbox("m").mkdir(parents=True, mode=0o700)
    return home


def give(home: Home, *command: str | Path) -> "subprocess.CompletedProcess[str]":
    """What a command says to somebody who meets permissions."""
    environment = {**os.environ, HOME_VARIABLE: str(home.root), "COLUMNS": "200"}
    environment.pop("SUDO_USER", None)
    return subprocess.run(
        without_rights(*command), env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_home_that_others_may_change_is_refused_by_every_command(lived_in: Home, command: tuple[str, ...]) -> None:
    lived_in.root.chmod(0o777)
    said = give(lived_in, ADAPTERCTL, *command)
    assert said.returncode == 3, said
    assert f"chmod 700 {lived_in.root}" in said.stderr
    lived_in.root.chmod(0o700)
    assert "can be changed by other users" not in give(lived_in, ADAPTERCTL, *command).stderr


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o722, 0o720, 0o702])
def test_the_daemon_does_not_start_in_a_home_that_others_may_change(lived_in: Home, mode: int) -> None:
    lived_in.root.chmod(mode)
    said = give(lived_in, ADAPTERD)
    assert (said.returncode, "chmod 700" in said.stderr) == (3, True), said


def test_as_a_service_the_daemon_says_so_once_and_waits(lived_in: Home) -> None:
    lived_in.root.chmod(0o770)
    environment = {**os.environ, HOME_VARIABLE: str(lived_in.root)}
    argv = without_rights(ADAPTERD, "--service")
    with subprocess.Popen(argv, env=environment, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stderr is not None
        said = [daemon.stderr.readline() for _ in range(2)]
        assert ("can be changed by other users" in said[0], "chmod 700" in said[1]) == (True, True)
        assert daemon.poll() is None
        daemon.terminate()
        assert daemon.wait(120) == 0
        assert daemon.stderr.read() == ""


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o711])
def test_a_home_that_others_may_only_look_into_is_used(lived_in: Home, mode: int) -> None:
    lived_in.root.chmod(mode)
    assert give(lived_in, ADAPTERCTL, "history").returncode == 0


@pytest.mark.parametrize("name", ["config.toml", "http-token", "state.db", "state.db-wal"])
@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_a_file_that_others_may_change_is_refused(lived_in: Home, name: str, mode: int) -> None:
    file = lived_in.root / name
    file.touch()
    file.chmod(mode)
    lived_in.root.chmod(0o711)
    said = give(lived_in, ADAPTERCTL, "history")
    assert said.returncode == 3, said
    assert f"chmod 600 {file}" in said.stderr
    file.chmod(0o600)
    assert give(lived_in, ADAPTERCTL, "history").returncode == 0


@pytest.mark.parametrize("name", ["config.toml", "http-token", "state.db", "state.db-wal"])
@pytest.mark.parametrize("mode", [0o664, 0o666])
def test_a_file_as_a_umask_of_002_makes_it_is_used_in_a_home_that_nobody_else_enters(
    lived_in: Home, name: str, mode: int
) -> None:
    file = lived_in.root / name
    file.touch()
    file.chmod(mode)
    said = give(lived_in, ADAPTERCTL, "history")
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize("how", ["a link", "a second name"])
def test_a_file_that_others_reach_elsewhere_is_refused_in_a_private_home_too(lived_in: Home, how: str) -> None:
    elsewhere = lived_in.root.with_name("elsewhere.toml")
    lived_in.config_file.touch()
    lived_in.config_file.rename(elsewhere)
    elsewhere.chmod(0o664)
    if how == "a link":
        lived_in.config_file.symlink_to(elsewhere)
    else:
        os.link(elsewhere, lived_in.config_file)
    said = give(lived_in, ADAPTERCTL, "history")
    assert said.returncode == 3, said
    assert f"chmod 600 {lived_in.config_file}" in said.stderr


@pytest.mark.parametrize(("name", "mode"), [("config.toml", 0o000), ("state.db", 0o400), ("state.db", 0o000)])
def test_a_file_that_is_closed_to_its_owner_is_named_with_the_mode_that_opens_it(
    lived_in: Home, name: str, mode: int
) -> None:
    (lived_in.root / name).chmod(mode)
    said = give(lived_in, ADAPTERCTL, "history")
    assert said.returncode == 3, said
    assert f"chmod u+rw {lived_in.root / name}" in said.stderr


def test_a_home_that_cannot_be_written_is_named(lived_in: Home) -> None:
    lived_in.root.chmod(0o500)
    said = give(lived_in, ADAPTERCTL, "history")
    assert (said.returncode, f"chmod u+rwx {lived_in.root}" in said.stderr) == (3, True), said
    lived_in.root.chmod(0o700)


@pytest.mark.parametrize("what", ["the home", "its database"])
def test_no_chmod_is_advised_for_a_disk_that_is_mounted_read_only(
    lived_in: Home, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    closed = lived_in.root if what == "the home" else lived_in.database
    monkeypatch.setattr(os, "access", lambda path, _: path != closed)
    (finding,) = permissions.look_at_home(lived_in)
    assert finding.refused
    assert ("read-only" in finding.hint, "chmod" in finding.hint) == (True, False)


def test_a_home_below_a_closed_folder_is_refused(lived_in: Home) -> None:
    lived_in.root.parent.chmod(0o000)
    said = give(lived_in, ADAPTERCTL, "history")
    lived_in.root.parent.chmod(0o700)
    assert (said.returncode, "cannot be reached" in said.stderr) == (3, True), said


def test_a_home_of_another_user_is_refused(lived_in: Home) -> None:
    give_away(lived_in.root)
    lived_in.root.chmod(0o755)
    said = give(lived_in, ADAPTERCTL, "status")
    assert said.returncode == 3, said
    assert f"belongs to user {SOMEBODY_ELSE}" in said.stderr


def test_root_does_not_work_in_the_home_of_a_user(lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(lived_in.root)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (finding,) = permissions.look_at_home(lived_in)
    assert finding.refused
    assert finding.hint == f"give the command as user {SOMEBODY_ELSE}, without sudo"


def test_a_user_is_told_how_a_home_becomes_theirs(lived_in: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY_ELSE + 1)
    monkeypatch.setattr(permissions, "_keeps_permissions", lambda folder: True)  # files made here are not that user's
    (finding,) = permissions.look_at_home(lived_in)
    assert finding.refused
    assert f"sudo chown -R {SOMEBODY_ELSE + 1} {lived_in.root}" in finding.hint


def test_sudo_makes_no_home_of_roots_in_the_folder_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ada").mkdir()
    give_away(tmp_path / "ada")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "ada")
    (finding,) = permissions.look_at_home(Home(tmp_path / "ada" / "Library" / "adapterd"))
    assert finding.refused
    assert finding.hint == "give the command as ada, without sudo"
    monkeypatch.delenv("SUDO_USER")
    assert permissions.look_at_home(Home(tmp_path / "ada" / "Library" / "adapterd")) == []


def test_a_linked_home_is_used(lived_in: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(lived_in.root)
    assert give(Home(tmp_path / "link"), ADAPTERCTL, "history").returncode == 0
    lived_in.root.chmod(0o777)
    assert give(Home(tmp_path / "link"), ADAPTERCTL, "history").returncode == 3


def test_help_is_shown_whatever_the_home_is(lived_in: Home) -> None:
    lived_in.root.chmod(0o777)
    for words in (("--help",), ("status", "--help"), ("service", "--help"), ("--version",)):
        assert give(lived_in, ADAPTERCTL, *words).returncode == 0


def test_doctor_says_what_is_loose_and_goes_on(lived_in: Home) -> None:
    lived_in.root.chmod(0o777)
    said = give(lived_in, ADAPTERCTL, "doctor")
    assert f"chmod 700 {lived_in.root}" in said.stdout
    assert "python" in said.stdout


@pytest.mark.parametrize("command", [("status",), ("history", "m"), ("doctor",)], ids=" ".join)
def test_an_inbox_that_everybody_may_write_into_is_warned_of(lived_in: Home, command: tuple[str, ...]) -> None:
    lived_in.inbox("m").chmod(0o1777)
    said = give(lived_in, ADAPTERCTL, *command)
    assert f"chmod o-w {lived_in.inbox('m')}" in said.stderr + said.stdout
    assert said.returncode == (1 if command == ("doctor",) else 0)
    lived_in.inbox("m").chmod(0o2770)
    assert "chmod o-w" not in str(give(lived_in, ADAPTERCTL, *command))


def test_warnings_are_json_where_the_command_prints_json(lived_in: Home) -> None:
    lived_in.inbox("m").chmod(0o777)
    said = give(lived_in, ADAPTERCTL, "status", "--json")
    assert said.stderr.startswith('{"warning": ')
    assert said.stdout.startswith("{")


class TestFileSystemWithoutPermissions:
    """exFAT and some shares: everything has one owner and one mode, and chmod changes nothing or is refused."""

    @pytest.fixture(params=["nothing changes", "refused"])
    def without_permissions(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, lived_in: Home
    ) -> Home:
        """A home as such a file system shows it."""
        real_fstat = os.fstat

        def fchmod(descriptor: int, mode: int) -> None:
            if request.param == "refused":
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        def fstat(descriptor: int) -> os.stat_result:
            found = real_fstat(descriptor)
            return os.stat_result((found.st_mode | 0o777, *found[1:]))

        monkeypatch.setattr(os, "fchmod", fchmod)
        monkeypatch.setattr(os, "fstat", fstat)
        lived_in.root.chmod(0o777)
        lived_in.config_file.chmod(0o777)
        return lived_in

    def test_is_said_and_not_refused(self, without_permissions: Home) -> None:
        (finding,) = permissions.require_own_home(without_permissions)
        assert "keeps no permissions" in finding.text
        assert "chmod" not in finding.hint
