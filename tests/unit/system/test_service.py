"""What both service managers have in common: what they are told, whom they serve, and that twice is as good as once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.errors import AdapterdError, InputError, NotFoundError
from adapterd.system.commands import run_command
from adapterd.system.launchd import LaunchdService
from adapterd.system.service import service_for
from adapterd.system.service_manager import Service, ServiceSpec
from adapterd.system.systemd import SystemdService
from tests.unit.system.service_managers import PYTHON, Launchd, Systemd

COMMANDS = ("install", "uninstall", "start", "stop", "restart")
Make = Callable[[ServiceSpec], Service]


def with_launchd(home: Path) -> Make:
    launchd = Launchd()
    return lambda spec: LaunchdService(spec, launchd, sleep=lambda _: pytest.fail("launchd is quick here"))


def with_systemd(home: Path) -> Make:
    systemd = Systemd(home / ".config" / "systemd" / "user")
    return lambda spec: SystemdService(spec, systemd)


both = pytest.mark.parametrize("manager", [with_launchd, with_systemd])


class TestSpec:
    def test_a_relative_program_is_refused(self, spec: ServiceSpec) -> None:
        with pytest.raises(InputError, match="'python3' is not an absolute path"):
            replace(spec, program=("python3", "-m", "adapterd"))

    @pytest.mark.parametrize(
        "name", ["a\nb", "a\rb", "a\x00", "a\x7f", "a\x85", "a\ufffe", "a\uffff", "a\udc80", "a ", "a\u2003", "a\\"]
    )
    def test_a_path_that_no_service_file_can_hold_is_refused(self, spec: ServiceSpec, name: str) -> None:
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, home=Path("/home") / name)
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, log_folder=Path("/home") / name)
        with pytest.raises(InputError, match="cannot stand in a service file"):
            replace(spec, program=(PYTHON, name))


class TestServiceFor:
    def test_macos_has_launchd_and_linux_systemd(self, spec: ServiceSpec) -> None:
        assert service_for(spec, "darwin", uid=501) == LaunchdService(spec, run_command)
        assert service_for(spec, "linux", uid=1000) == SystemdService(spec, run_command)

    def test_another_platform_is_told(self, spec: ServiceSpec) -> None:
        with pytest.raises(AdapterdError, match="no service manager is known for the platform 'win32'") as caught:
            service_for(spec, "win32", uid=1000)

        assert "foreground" in caught.value.hint

    @pytest.mark.parametrize("platform", ["darwin", "linux"])
    def test_sudo_is_refused(self, spec: ServiceSpec, platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUDO_USER", "ada")
        with pytest.raises(AdapterdError, match="never runs as root") as caught:
            service_for(spec, platform, uid=0)

        assert caught.value.hint == "do it as ada, without sudo"

    def test_root_is_refused_on_macos(self, spec: ServiceSpec) -> None:
        with pytest.raises(AdapterdError, match="never runs as root") as caught:
            service_for(spec, "darwin", uid=0)

        assert caught.value.hint == "log in as the user whose models it is for"

    @pytest.mark.parametrize("sudo_user", ["root", ""])
    def test_a_root_who_logged_in_as_root_may_on_linux(
        self, spec: ServiceSpec, sudo_user: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SUDO_USER", sudo_user)

        assert service_for(spec, "linux", uid=0) == SystemdService(spec)

    def test_a_user_who_became_one_by_sudo_may(self, spec: ServiceSpec, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUDO_USER", "root")

        assert service_for(spec, "darwin", uid=501)


@both
class TestTwice:
    @settings(max_examples=25, deadline=None)
    @given(commands=st.lists(st.sampled_from(COMMANDS), max_size=12))
    def test_whatever_was_commanded_before_a_command_gives_what_it_says(
        self, manager: Callable[[Path], Make], commands: list[str]
    ) -> None:
        with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            patch.setenv("HOME", folder)
            patch.delenv("XDG_CONFIG_HOME", raising=False)
            service = manager(Path(folder))(ServiceSpec((PYTHON,), Path(folder) / "state", Path(folder) / "logs"))
            installed = running = False
            for command in commands:
                try:
                    getattr(service, command)()
                    installed = command == "install" or (installed and command != "uninstall")
                    running = command in ("install", "start", "restart")
                except NotFoundError:
                    assert not installed
                    assert command in ("start", "restart")
                found = service.status()
                assert (found.installed, found.running, found.outdated) == (installed, running, False)
                assert (found.pid is not None) == running

    @pytest.mark.parametrize("command", ["start", "stop", "uninstall"])
    def test_given_twice_it_does_nothing_more(
        self, manager: Callable[[Path], Make], command: str, spec: ServiceSpec, user: Path
    ) -> None:
        service = manager(user)(spec)
        service.install()
        getattr(service, command)()
        once = service.status()
        getattr(service, command)()

        assert service.status() == once

    @pytest.mark.parametrize("command", ["install", "restart"])
    def test_given_twice_it_starts_the_daemon_afresh_and_all_else_is_the_same(
        self, manager: Callable[[Path], Make], command: str, spec: ServiceSpec, user: Path
    ) -> None:
        service = manager(user)(spec)
        service.install()
        getattr(service, command)()
        once = service.status()
        getattr(service, command)()
        twice = service.status()

        assert twice.pid != once.pid
        assert replace(twice, pid=once.pid) == once


@both
class TestOutdated:
    def test_a_file_that_this_version_installed_is_up_to_date(
        self, manager: Callable[[Path], Make], spec: ServiceSpec, user: Path
    ) -> None:
        service = manager(user)(spec)
        service.install()

        assert not service.status().outdated

    def test_a_file_of_another_version_python_or_home_is_outdated_until_it_is_installed_again(
        self, manager: Callable[[Path], Make], spec: ServiceSpec, user: Path
    ) -> None:
        service = manager(user)
        service(spec).install()
        for other in (replace(spec, program=("/new/python", "-m", "adapterd")), replace(spec, home=user / "other")):
            assert service(other).status().outdated
            service(other).install()
            assert not service(other).status().outdated

    def test_nothing_is_not_outdated(self, manager: Callable[[Path], Make], spec: ServiceSpec, user: Path) -> None:
        assert not manager(user)(spec).status().outdated

    def test_a_file_that_cannot_be_read_is(
        self, manager: Callable[[Path], Make], spec: ServiceSpec, user: Path
    ) -> None:
        service = manager(user)(spec)
        service.status().file.mkdir(parents=True)

        assert service.status().outdated
