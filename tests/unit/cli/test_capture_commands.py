"""What `adapterctl capture` says and does."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from adapterd.capture.captures import Captures, Counted
from adapterd.capture.rates import DAY_S, day_of
from adapterd.config import Settings, load
from adapterd.errors import ConfigError, NotFoundError
from adapterd.home import Home
from adapterd.serving.server import free_port
from adapterd.store import Store
from adapterd.store.reviews.choices import NewChoice, Vote
from tests.support.scripted_server import ScriptedServer, scripted
from tests.unit.capture.test_captures import HELLO

Command = Callable[..., Result]
COUNTS = {"connections": 9, "requests": 7, "open": 1, "answering": 0, "stored": 6, "dropped": 1, "restarts": 0}
BODY = json.dumps({**COUNTS, "waiting": 0}).encode()


@pytest.fixture
def answering() -> Iterator[ScriptedServer]:
    """Something that counts as a pass-through does."""
    with scripted(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY), BODY]) as server:
        yield server


@pytest.fixture
def recorded(home: Home) -> None:
    with Captures(home.captures) as captures:
        captures.add(HELLO)
        captures.add(replace(HELLO, id="01B", at=2000.0, model="other", answer="\x1b[31mred", faults=[]))
        captures.leave_out("a model that is not to be recorded")


def configure(home: Home, text: str) -> None:
    home.config_file.write_text(text)


def test_status_says_what_goes_through_and_what_is_recorded(
    adapterctl: Command, as_json: Callable[..., Any], home: Home, recorded: None, answering: ScriptedServer
) -> None:
    configure(home, f"[capture]\nport = {answering.port}\n")
    said = adapterctl("capture", "status").stdout
    assert "7 requests since its start" in said
    assert "2 conversations" in said
    assert "1 × a model that is not to be recorded" in said
    told = as_json("capture", "status")
    assert (told["counts"]["dropped"], told["kept"]["count"], told["upstream"]) == (1, 2, "127.0.0.1:11434")


def test_status_says_where_nothing_goes_through(adapterctl: Command, home: Home) -> None:
    configure(home, f"[capture]\nport = {free_port()}\n")
    said = adapterctl("capture", "status").stdout
    assert "no (adapterctl capture on)" in said
    assert "0 conversations" in said
    assert not home.captures.exists()


def test_status_shows_rates_by_file_and_by_day(adapterctl: Command, as_json: Callable[..., Any], home: Home) -> None:
    today, long_ago = day_of(time.time()), day_of(time.time() - 40 * DAY_S)
    with Captures(home.captures) as captures:
        captures.take("1", Counted(today, "smol", "sha256abc", 50, {"cut": 4}), None, why="not in the sample")
        captures.take("2", Counted(today, "smol", "sha256def", 10, {}), None, why="not in the sample")
        captures.take("3", Counted(long_ago, "smol", "sha256old", 10, {"json": 9}), None, why="not in the sample")
    said = adapterctl("capture", "status").stdout
    assert "smol 60" in said
    assert "4 of 50" in said
    assert "4 of 60" in said
    assert "3.2 % to 18.8 %" in said
    assert "json" not in said
    told = as_json("capture", "status")
    assert [(each["digest"], each["count"]) for each in told["versions"]] == [("sha256abc", 4), ("sha256def", 0)]
    assert [(each["day"], each["answers"]) for each in told["by_day"]] == [(today, 60)]
    assert {each["fault"] for each in as_json("capture", "status", "--days", "60")["versions"]} == {"cut", "json"}


def test_status_shows_an_alert_while_it_is_open(adapterctl: Command, as_json: Callable[..., Any], home: Home) -> None:
    with Captures(home.captures) as captures:
        for number in range(30):
            counted = Counted(day_of(time.time() - (30 - number) * DAY_S), "smol", "a", 50, {"cut": 25 * (number > 25)})
            captures.take(str(number), counted, None, why="not in the sample")
    assert "alert: smol: the rate of cut has left its band: " in adapterctl("capture", "status").stdout
    [alert] = as_json("capture", "status")["alerts"]
    assert (alert["model"], alert["fault"], alert["digests"]) == ("smol", "cut", ["a"])


def test_list_shows_the_newest_first(adapterctl: Command, as_json: Callable[..., Any], recorded: None) -> None:
    said = adapterctl("capture", "list").stdout
    assert said.index("01B") < said.index("01A")
    assert "\x1b[31m" not in said
    assert [each["id"] for each in as_json("capture", "list", "--model", "smol")] == ["01A"]
    assert adapterctl("capture", "list", "--limit", "1").stdout.count("01") == 1


def test_show_tells_one_by_its_id_or_its_answer(
    adapterctl: Command, as_json: Callable[..., Any], recorded: None
) -> None:
    said = adapterctl("capture", "show", "01A").stdout
    assert "Hello" in said
    assert "echo" in said
    assert "\x1b[31m" not in said
    assert as_json("capture", "show", "01B")["model"] == "other"
    with pytest.raises(NotFoundError, match="no conversation 'x' is recorded"):
        adapterctl("capture", "show", "x")


def test_remove_removes_for_good(adapterctl: Command, as_json: Callable[..., Any], recorded: None) -> None:
    assert "1 removed, 1 not found" in adapterctl("capture", "remove", "01A", "nobody").stdout
    assert [each["id"] for each in as_json("capture", "list")] == ["01B"]


def test_remove_reaches_choices_that_nobody_has_made(adapterctl: Command, home: Home, recorded: None) -> None:
    with Store(home.database) as store:
        for prompt, vote in ((HELLO.prompt_hash, None), ("of another", None), (HELLO.prompt_hash, Vote.TIE)):
            new = NewChoice(prompt, [], "1.1.0", str(vote), "a", "1.0.0", "d", "b", ours_first=True)
            store.choices.add("m", new, vote)
        adapterctl("capture", "remove", "01A")
        assert {(each.prompt_hash, each.vote) for each in store.choices.all("m")} == {
            ("of another", None), (HELLO.prompt_hash, Vote.TIE),
        }  # fmt: skip


def test_commands_make_no_file(adapterctl: Command, home: Home) -> None:
    assert "nothing is recorded" in adapterctl("capture", "list").stdout
    assert "0 removed" in adapterctl("capture", "remove", "x").stdout
    assert not home.captures.exists()


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("https://ollama.example", "to an http address"),
        ("http://127.0.0.1:11434/ollama", "to an http address"),
        ("http://ada:secret@127.0.0.1:11434", "to an http address"),
        ("http://127.0.0.1:11481", "name the same place"),
    ],
)
def test_an_address_that_cannot_be_passed_on_to_is_named(adapterctl: Command, home: Home, host: str, why: str) -> None:
    configure(home, f'[ollama]\nhost = "{host}"\n')
    for command in ("on", "status", "run"):
        with pytest.raises(ConfigError, match=why) as caught:
            adapterctl("capture", command)
        assert "secret" not in str(caught.value)


def test_it_can_be_switched_off_whatever_the_configuration_says(
    adapterctl: Command, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Manager:
        def uninstall(self) -> None:
            done.append("uninstalled")

    monkeypatch.setattr("adapterd.system.service.service_for", lambda _: Manager())
    configure(home, "[ollama\nhost = no TOML")
    assert "off: requests are not passed on" in adapterctl("capture", "off").stdout
    assert done == ["uninstalled"]


@pytest.mark.parametrize("host", ["127.0.0.1:11481", "http://localhost:11481", "localhost:11481"])
def test_an_ollama_host_that_names_capture_is_for_applications(
    home: Home, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """What adapterd asks goes around capture."""
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert load(home).ollama.host == Settings().ollama.host
    configure(home, "[capture]\nport = 11499\n")
    assert "11481" in load(home).ollama.host


def test_the_database_is_not_taken_for_somebody_elses(home: Home, recorded: None) -> None:
    assert [entry for entry in home.root.iterdir() if not _is_ours(entry)] == []


def _is_ours(entry: Path) -> bool:
    from adapterd.home import OWN_ENTRIES

    return any(entry.match(pattern) for pattern in OWN_ENTRIES)
