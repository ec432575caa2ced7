"""The daemon at work: it takes feedback in, trains when it is time, and goes when it is told to."""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.home import Home
from adapterd.store.runs import RunState
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Daemon, Person, descendants, is_alive, wait_until, write_news

VISIBLE_WITHIN_S = 15
"""The product promises 3 s; a busy test machine may take longer."""
ENDS_WITHIN_S = 5
DUE_WITHIN_S = 100
EVERY_MINUTE = ('cron = "0 3 * * *"', 'cron = "* * * * *"')
HEAVY = ("libmlx", "libllama", "numpy", "llama_cpp")


@pytest.fixture(scope="module")
def person_and_daemon(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Iterator[tuple[Person, Daemon]]:
    """Somebody with a daemon at work, which several tests share."""
    person = Person(Home(tmp_path_factory.mktemp("watched") / "home"))
    begin(person, tiny_path, "--runtime", "embedded")
    with person.daemon() as daemon:
        yield person, daemon


def records(person: Person) -> int:
    count: int = person.json("status")["models"][0]["records"]
    return count


def line(number: int) -> bytes:
    text = '{"prompt": "Title %d-%d?", "output": "A title", "rating": 5}\n'
    return (text % (number, time.monotonic_ns())).encode()


def loaded_by(pid: int) -> set[str]:
    """Which of the heavy libraries a process has loaded."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    return {name for name in HEAVY if f"/{name}" in maps}


def test_feedback_is_seen_soon(person_and_daemon: tuple[Person, Daemon], capsys: pytest.CaptureFixture[str]) -> None:
    person, _ = person_and_daemon
    before, seconds = records(person), []
    for number in range(3):
        (person.inbox / f"soon-{number}.jsonl").write_bytes(line(number))
        wanted = before + number + 1
        took_s = wait_until("the record is there", lambda: records(person) >= wanted, timeout_s=VISIBLE_WITHIN_S)  # noqa: B023
        seconds.append(took_s)
    with capsys.disabled():
        sys.stdout.write(f"\n  feedback is seen after {min(seconds):.1f} to {max(seconds):.1f} s ")


@pytest.mark.parametrize("pause_s", [0.3, 2.5])
def test_a_file_that_is_written_slowly_is_taken_whole(person_and_daemon: tuple[Person, Daemon], pause_s: float) -> None:
    person, _ = person_and_daemon
    before = records(person)
    half = len(line(1)) + 20
    data = line(1) + line(2)
    with (person.inbox / f"slow-{pause_s}.jsonl").open("wb", buffering=0) as file:
        file.write(data[:half])
        time.sleep(pause_s)
        file.write(data[half:])
    wait_until("both records are there", lambda: records(person) >= before + 2, timeout_s=VISIBLE_WITHIN_S)
    time.sleep(1)
    assert records(person) == before + 2
    assert person.json("feedback", "quarantine") == []


def test_a_broken_file_is_seen_soon_too(person_and_daemon: tuple[Person, Daemon]) -> None:
    person, daemon = person_and_daemon
    broken = person.inbox / "broken.jsonl"
    broken.write_bytes(b"{half\n")
    wait_until("it is in quarantine", lambda: person.json("feedback", "quarantine"), timeout_s=VISIBLE_WITHIN_S)
    assert "JSON" in person.json("feedback", "quarantine")[0]["reason"]
    assert "0 records taken, 1 quarantined" in daemon.said
    broken.write_bytes(b"")
    wait_until(
        "the correction is seen", lambda: person.json("feedback", "quarantine") == [], timeout_s=VISIBLE_WITHIN_S
    )


def test_a_second_daemon_is_refused(person_and_daemon: tuple[Person, Daemon]) -> None:
    person, first = person_and_daemon
    said = person.wait(person.start(module="adapterd"))
    assert said.code == 8, said
    assert said.complaint == f"another adapterd works on {person.home.root}"
    assert is_alive(first.process.pid)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("min_new_records = 10", 'min_new_records = "many"', "models.news.schedule.min_new_records"),
        ("[models.news]", "[models.news", "is not valid TOML"),
        ('cron = "0 3 * * *"', 'cron = "at three"', "models.news.schedule.cron"),
    ],
)
def test_a_broken_configuration_is_reported_and_the_old_one_stays(
    person_and_daemon: tuple[Person, Daemon], old: str, new: str, fault: str
) -> None:
    person, daemon = person_and_daemon
    before, said = records(person), len(daemon.said)
    good = person.correct(old, new)
    try:
        wait_until("the fault is told", lambda: "is not used" in daemon.said[said:], timeout_s=VISIBLE_WITHIN_S)
        assert fault in daemon.said[said:]
        (person.inbox / f"under-{time.monotonic_ns()}.jsonl").write_bytes(line(1))
        wait_until("feedback is taken", lambda: "1 records taken" in daemon.said[said:], timeout_s=VISIBLE_WITHIN_S)
    finally:
        person.home.config_file.write_text(good)
    wait_until("it is read again", lambda: "read again" in daemon.said[said:], timeout_s=VISIBLE_WITHIN_S)
    assert records(person) == before + 1


def test_a_model_that_is_added_is_looked_after(person_and_daemon: tuple[Person, Daemon], tiny_path: Path) -> None:
    person, _ = person_and_daemon
    assert person.run("init", "second", "--base", tiny_path).code == 0
    person.home.inbox("second").joinpath("first.jsonl").write_bytes(line(1))
    wait_until(
        "its feedback is there",
        lambda: person.json("status", "second")["models"][0]["records"] == 1,
        timeout_s=VISIBLE_WITHIN_S,
    )


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="only Linux tells what a process has loaded")
def test_an_idle_daemon_has_nothing_heavy_loaded(person_and_daemon: tuple[Person, Daemon]) -> None:
    _, daemon = person_and_daemon
    assert loaded_by(daemon.process.pid) == set()
    assert loaded_by(os.getpid()), "the test's own process has, or these names are wrong"


@pytest.mark.ollama
def test_the_daemon_does_what_a_person_asks_for(
    stranger: Person, ollama_host: str, tiny_path: Path, tmp_path: Path
) -> None:
    person = begin(stranger, tiny_path, "--host", ollama_host)
    with person.daemon() as daemon:
        feed(person, tmp_path / "application")
        told = person.run("retrain")
        assert told.code == 0, told
        assert "the daemon does it now" in told.stdout
        wait_until("the run goes on", lambda: "run begins (asked for by hand)" in daemon.said)

        followed = person.run("retrain", "--follow")
        assert followed.code == 0, followed
        assert f"{MODEL} 1.0.0" in followed.stdout
        assert "evaluation  done in" in followed.stderr
        assert daemon.said.count("run begins") == 1, "to follow a run is not to ask for another one"

        if Path("/proc/self/maps").is_file():
            assert loaded_by(daemon.process.pid) == set()
        before, tags = person.last_run()[0].id, person.tags()
        assert tags["1.0.0"]
        again = person.run("retrain", "--now", "--follow", "--json")
        assert again.code == 0, again
        assert json.loads(again.stdout)["version"] == "1.1.0"
        assert person.last_run()[0].id != before


def test_a_run_begins_when_it_is_time(person: Person, tmp_path: Path) -> None:
    person.correct(*EVERY_MINUTE)
    person.correct("min_new_records = 10", "min_new_records = 20")
    with person.daemon() as daemon:
        write_news(person.inbox)
        took_s = wait_until("a run has ended", lambda: f"{MODEL} 1.0.0: " in daemon.said, timeout_s=DUE_WITHIN_S)
        assert "run begins (scheduled, 24 new records)" in daemon.said, took_s
        model = person.json("status")["models"][0]
        assert (model["newest"], model["new_records"]) == ("1.0.0", 0)
        assert datetime.fromisoformat(model["next_run"]) > datetime.now(UTC)
        assert daemon.said.count("run begins") == 1


def test_the_daemon_ends_when_it_is_told_to(person: Person) -> None:
    with person.daemon() as daemon:
        daemon.process.terminate()
        assert daemon.process.wait(ENDS_WITHIN_S) == 0
    assert person.json("status")["daemon_running"] is False


def test_the_daemon_ends_in_the_midst_of_a_run_and_goes_on_when_it_is_started_again(
    stranger: Person, tiny_path: Path, tmp_path: Path
) -> None:
    person = begin(stranger, tiny_path, "--runtime", "embedded", changes=("training.epochs=6", "training.patience=99"))
    feed(person, tmp_path / "application")
    with person.daemon() as daemon:
        with person.begun("retrain", "--follow") as follower:
            wait_until("a step of training is done", lambda: person.is_at("training"))
            below = descendants(daemon.process.pid)
            assert any("adapterd.worker training" in command for command in below.values())
            daemon.process.terminate()
            assert daemon.process.wait(ENDS_WITHIN_S) == 0
            said = person.wait(follower)
        assert (said.code, said.complaint) == (7, "the daemon ended")
        wait_until("nothing of it is left", lambda: not any(map(is_alive, below)), timeout_s=ENDS_WITHIN_S)
    before, _ = person.last_run()
    assert person.json("status")["models"][0]["run"]["state"] == "interrupted"

    with person.daemon() as daemon:
        wait_until("the run has ended", lambda: f"{MODEL} 1.0.0: " in daemon.said)
        assert "run begins (continued after an interruption)" in daemon.said
    after, _ = person.last_run()
    assert after.id == before.id
    assert after.state in (RunState.PROMOTED, RunState.HELD)
