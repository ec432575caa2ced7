"""Where the address of Ollama comes from."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from adapterd import config
from adapterd.config.addresses.ollama_host import HostSource, named_host
from adapterd.errors import ConfigError
from adapterd.home import Home
from adapterd.insight.status import status

USUAL = "http://127.0.0.1:11434"
SECRET = "s3cret-pass"


def configure(home: Home, host: str) -> None:
    home.config_file.write_text(f"[ollama]\nhost = {json.dumps(host)}\n")


def test_without_any_word_it_is_the_usual_one(home: Home) -> None:
    settings = config.load(home)
    assert settings.ollama.host == USUAL
    assert named_host(home, settings).source is HostSource.DEFAULT


@pytest.mark.parametrize("written", ["", "[ollama]\ntimeout_s = 5.0\n"])
def test_the_environment_tells_where_the_configuration_does_not(
    home: Home, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    home.config_file.write_text(written)
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:1234")
    settings = config.load(home)
    assert settings.ollama.host == "http://127.0.0.1:1234"
    found = named_host(home, settings)
    assert (found.in_words, found.source, found.note) == (
        "http://127.0.0.1:1234 (from OLLAMA_HOST)", HostSource.ENVIRONMENT, "",
    )  # fmt: skip


def test_the_configuration_is_stronger_and_that_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, "http://studio:1")
    monkeypatch.setenv("OLLAMA_HOST", "studio:2")
    settings = config.load(home)
    assert settings.ollama.host == "http://studio:1"
    found = named_host(home, settings)
    assert found.source is HostSource.CONFIGURATION
    assert (
        found.note == "OLLAMA_HOST says http://studio:2, and ollama.host in the configuration is used: http://studio:1"
    )


def test_the_same_address_in_other_words_is_no_contradiction(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, USUAL)
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0")
    assert named_host(home, config.load(home)).note == ""


def test_a_wrong_address_in_the_environment_stops_no_command_that_needs_no_runtime(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", f"http://me:{SECRET}@studio:port")
    seen = status(home, config.load(home))
    assert seen.runtime.fault is not None
    assert "its port is not a number" in seen.runtime.fault
    assert SECRET not in repr(seen)
    assert seen.runtime.address_from is HostSource.ENVIRONMENT


@pytest.mark.parametrize("options", [("show",), ("show", "ollama", "--docs"), ("get", "ollama.host")])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_password_is_not_shown_with_the_settings(
    adapterctl: Callable[..., Result], home: Home, options: tuple[str, ...], form: tuple[str, ...]
) -> None:
    configure(home, f"http://me:{SECRET}@127.0.0.1:9")
    said = adapterctl("config", *options, *form).output
    assert SECRET not in said
    assert "http://me:***@127.0.0.1:9" in said


def test_setting_it_does_not_show_it_and_keeps_it(adapterctl: Callable[..., Result], home: Home) -> None:
    said = adapterctl("config", "set", "ollama.host", f"http://me:{SECRET}@127.0.0.1:9").output
    assert SECRET not in said
    assert config.load(home).ollama.host == f"http://me:{SECRET}@127.0.0.1:9"
    assert SECRET not in adapterctl("config", "set", "ollama.host", f"http://me:{SECRET}@127.0.0.1:9").output


def test_a_setting_that_is_no_address_is_refused(adapterctl: Callable[..., Result], home: Home) -> None:
    with pytest.raises(ConfigError, match=r"ollama\.host: 'http://me:\*\*\*@studio:port' is not an address"):
        adapterctl("config", "set", "ollama.host", f"http://me:{SECRET}@studio:port")
    assert not home.config_file.exists()


def test_the_settings_name_the_environment_as_the_source(
    adapterctl: Callable[..., Result], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "studio")
    shown = adapterctl("config", "show").stdout.splitlines()
    lines: dict[str, Any] = {line.split()[0]: line.split()[1:] for line in shown}
    assert lines["ollama.host"] == ['"http://studio:11434"', "OLLAMA_HOST"]
