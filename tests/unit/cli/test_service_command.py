"""What `adapterctl service` has the service manager run."""

import sys
from typing import Any

import pytest

from adapterd.system.service_manager import ServiceSpec


def test_the_service_takes_nothing_from_the_folder_it_works_in(
    adapterctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That folder is the home, into which more than programs of ours may write."""
    asked: list[ServiceSpec] = []

    def note(spec: ServiceSpec) -> Any:
        asked.append(spec)
        raise SystemExit

    monkeypatch.setattr("adapterd.system.service.service_for", note)
    adapterctl("service", "install")
    assert [spec.program for spec in asked] == [(sys.executable, "-P", "-m", "adapterd", "--service")]
