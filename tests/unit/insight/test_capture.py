"""What `status` and `doctor` tell of capture, and what the history has of it."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from adapterd.capture.captures import Captures, Counted
from adapterd.capture.set_aside import set_aside
from adapterd.config import CaptureSettings, Settings
from adapterd.config.addresses.ollama_address import HOST_VARIABLE
from adapterd.home import Home
from adapterd.housekeeping.backup.contents import copies
from adapterd.insight.capture import state
from adapterd.insight.capture.noted import ALERT, note_capture
from adapterd.insight.capture.state import capture_checks, capture_status
from adapterd.serving.server import free_port
from adapterd.store import Store
from tests.support.scripted_server import scripted
from tests.unit.capture.test_captures import of

TODAY = date.today()  # noqa: DTZ011 - as the counts have it
SETTINGS = Settings(capture=CaptureSettings(port=free_port()))


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOST_VARIABLE, raising=False)
    monkeypatch.setattr(state, "_is_installed", lambda _: False)


@pytest.fixture
def with_capture() -> Iterator[Settings]:
    """A pass-through that dropped two."""
    body = json.dumps({"requests": 7, "dropped": 2}).encode()
    with scripted(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]) as server:
        yield Settings(capture=CaptureSettings(port=server.port))


def gone_up(home: Home, *, days: int = 30) -> None:
    """Counts of a model whose answers are cut since three days."""
    with Captures(home.captures) as captures:
        for number in range(days):
            day = (TODAY - timedelta(days=days - number)).isoformat()
            counted = Counted(day, "news:1.0.0", "a", 50, {"cut": 25 if number >= days - 3 else 1})
            captures.take(str(number), counted, None, why="not in the sample")


def test_capture_that_is_not_used_is_not_told_of(home: Home) -> None:
    found = capture_status(home, SETTINGS)
    assert not found.is_used
    assert found.faults == found.notes == []
    assert list(capture_checks(home, SETTINGS)) == [("ok", "is off", "")]
    assert not home.captures.exists()


def test_one_that_answers_tells_what_it_dropped(home: Home, with_capture: Settings) -> None:
    with Captures(home.captures) as captures:
        captures.add(of(1))
    found = capture_status(home, with_capture)
    assert (found.is_answering, found.requests, found.dropped, found.records) == (True, 7, 2, 1)
    levels = [(level, said) for level, said, _ in capture_checks(home, with_capture)]
    assert levels[0][0] == "ok"
    assert levels[1] == ("warning", "2 conversations were dropped since capture started")


@pytest.mark.parametrize("is_named", [False, True])
def test_one_that_should_answer_and_does_not_is_a_fault(
    home: Home, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    if is_named:
        monkeypatch.setenv(HOST_VARIABLE, f"127.0.0.1:{SETTINGS.capture.port}")
    else:
        monkeypatch.setattr(state, "_is_installed", lambda _: True)
    [(said, hint)] = capture_status(home, SETTINGS).faults
    assert said.endswith("OLLAMA_HOST names it" if is_named else "its service is installed")
    assert hint.startswith("adapterctl capture on")
    assert [level for level, *_ in capture_checks(home, SETTINGS)] == ["fault"]


def test_a_damaged_database_is_told(home: Home) -> None:
    home.captures.write_bytes(b"no database at all" * 300)
    [(said, hint)] = capture_status(home, SETTINGS).faults
    assert "file is not a database" in said
    assert "keeps it aside" in hint
    set_aside(home.captures)
    found = capture_status(home, SETTINGS)
    assert found.faults == []
    assert "captures.db was damaged and is kept aside: captures.db.damaged-" in found.notes[0][0]


def test_a_file_that_is_much_too_large_is_told(home: Home) -> None:
    with Captures(home.captures) as captures:
        captures.add(of(1, answer="x" * 3_000_000))
    small = Settings(capture=CaptureSettings(port=SETTINGS.capture.port, keep_gb=0.001))
    assert any("more than capture.keep_gb" in said for _, said, _ in capture_checks(home, small))
    assert not any("more than capture.keep_gb" in said for _, said, _ in capture_checks(home, SETTINGS))


def test_an_alert_needs_attention_and_is_in_the_history_once(home: Home, store: Store) -> None:
    gone_up(home)
    [(said, _)] = capture_status(home, SETTINGS).faults
    assert said.startswith("news:1.0.0: the rate of cut has left its band")
    assert [level for level, *_ in capture_checks(home, SETTINGS)] == ["ok", "warning"]
    for expected in ([said], [], []):
        assert note_capture(store, home, SETTINGS) == expected
    [event] = store.events.latest()
    assert (event.kind, event.text, event.detail["fault"]) == (ALERT, said, "cut")


def test_a_damaged_database_is_in_the_history_once_and_a_copy_that_removals_name(home: Home, store: Store) -> None:
    home.captures.write_text("damaged")
    aside = set_aside(home.captures)
    assert len(note_capture(store, home, SETTINGS)) == 1
    assert note_capture(store, home, SETTINGS) == []
    assert copies(store) == [str(aside)]
    aside.unlink()
    assert copies(store) == []


def test_nothing_is_noted_where_nothing_was_captured(home: Home, store: Store, tmp_path: Path) -> None:
    assert note_capture(store, home, SETTINGS) == []
    assert store.events.latest() == []
