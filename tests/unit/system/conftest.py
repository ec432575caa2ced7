"""A user to install services for."""

from pathlib import Path

import pytest

from adapterd.system.service_manager import ServiceSpec
from tests.unit.system.service_managers import AWKWARD, PYTHON


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home of our own, with a path that is hard to quote."""
    home = tmp_path / AWKWARD
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    return home


@pytest.fixture
def spec(user: Path) -> ServiceSpec:
    return ServiceSpec((PYTHON, "-m", "adapterd"), home=user / "state", log_folder=user / "state" / "logs")
