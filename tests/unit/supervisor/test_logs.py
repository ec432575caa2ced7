"""The daemon's log: what is written is read back, over rotation, half lines, garbage and a full disk."""

import contextlib
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapterd.supervisor import logs
from adapterd.supervisor.logs import FILE, OLDER_FILES, Line, follow, log_to, read
from tests.support.foreign_text import acts

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
Log = logging.Logger


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def log(folder: Path) -> Iterator[Log]:
    """A logger of its own that writes into the folder."""
    with logger(folder) as made:
        yield made


@contextlib.contextmanager
def logger(folder: Path) -> Iterator[Log]:
    made, handler = Log("adapterd", logging.DEBUG), log_to(folder)
    made.addHandler(handler)
    try:
        yield made
    finally:
        with contextlib.suppress(OSError):  # what could not be written is not written now, either
            handler.close()


def raw(text: str, **more: object) -> bytes:
    """A line as it stands in the file."""
    return json.dumps({"at": AT.isoformat(), "level": "info", "text": text, **more}).encode() + b"\n"


def texts(folder: Path, last: int = 1000) -> list[str]:
    return [line.text for line in read(folder, last=last)]


def looks(folder: Path, *steps: Callable[[], object]) -> list[list[str]]:
    """What a follower sees of these steps: one before each look, and what that look finds."""
    waiting = list(steps)
    seen: list[list[str]] = []

    def sleep(_: float) -> None:
        if not waiting:
            raise InterruptedError
        waiting.pop(0)()
        seen.append([])

    with contextlib.suppress(InterruptedError):
        for line in follow(folder, sleep=sleep):
            seen[-1].append(line.text)
    return seen


def followed(folder: Path, *steps: Callable[[], object]) -> list[str]:
    """All that it sees, in two more looks than there are steps."""
    return [text for look in looks(folder, *steps, nothing, nothing) for text in look]


def nothing() -> None:
    """Time passes."""


def appends(file: Path, data: bytes) -> Callable[[], None]:
    def append() -> None:
        with file.open("ab") as handle:
            handle.write(data)

    return append


def test_a_line_is_one_object_of_json(folder: Path, log: Log) -> None:
    log.info("%s: %d records taken\n, ü", "news", 3, extra={"model": "news"})
    (line,) = (folder / FILE).read_text(encoding="utf-8").splitlines()
    values = json.loads(line)
    assert values.keys() == {"at", "level", "text", "model"}
    assert (values["level"], values["text"], values["model"]) == ("info", "news: 3 records taken\n, ü", "news")
    assert datetime.fromisoformat(values["at"]).utcoffset() == UTC.utcoffset(None)


def test_log_lines_are_read_back_as_they_were_written(folder: Path, log: Log) -> None:
    record = log.makeRecord("adapterd", logging.WARNING, "f", 1, "low", (), None, extra={"model": "m"})
    record.created = AT.timestamp()
    log.handle(record)
    assert read(folder, last=10) == [Line(AT, "warning", "low", model="m")]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_every_level_has_its_name(folder: Path, log: Log, level: str) -> None:
    getattr(log, level)("said")
    assert [line.level for line in read(folder, last=1)] == [level]


def test_a_fault_comes_with_its_trace(folder: Path, log: Log) -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("the look failed")
    (line,) = read(folder, last=1)
    assert (line.level, line.text) == ("error", "the look failed")
    assert line.trace is not None
    assert line.trace.splitlines()[0].startswith("Traceback")
    assert line.trace.endswith("ValueError: odd")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(TEXT, min_size=1, max_size=4))
def test_any_text_stays_on_its_line(folder: Path, log: Log, said: list[str]) -> None:
    for text in said:
        log.info("%s", text)
    assert texts(folder, last=len(said)) == said


def test_a_name_of_ill_formed_bytes_costs_no_line(folder: Path, log: Log) -> None:
    log.info("cannot read %s", b"\xffeed".decode(errors="surrogateescape"))
    (text,) = texts(folder)
    assert text.startswith("cannot read ")
    assert text.endswith("eed")
    text.encode()


def test_the_file_itself_acts_on_no_terminal(folder: Path, log: Log) -> None:
    log.info("the file \x1b]0;a\x07 \x9b2J \u202e is bad")
    assert acts((folder / FILE).read_text(encoding="utf-8")) == set()
    assert texts(folder) == ["the file \x1b]0;a\x07 \x9b2J \u202e is bad"]


def test_without_a_log_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert read(tmp_path, last=10) == []
    assert read(tmp_path / "gone", last=10) == []


@pytest.mark.parametrize(("last", "said"), [(0, ""), (1, "c"), (2, "bc"), (3, "abc"), (9, "abc")])
def test_the_last_lines_come_oldest_first(folder: Path, log: Log, last: int, said: str) -> None:
    for text in "abc":
        log.info(text)
    assert texts(folder, last=last) == list(said)


@pytest.mark.parametrize("last", range(8))
def test_the_last_lines_reach_back_over_several_files(folder: Path, last: int) -> None:
    for number, said in enumerate(("fg", "de", "", "abc")):
        name = FILE if number == 0 else f"{FILE}.{number}"
        (folder / name).write_bytes(b"".join(raw(text) for text in said))
    assert "".join(texts(folder, last=last)) == "abcdefg"[7 - last :]


def test_a_file_that_is_missing_among_them_hides_no_older_one(folder: Path) -> None:
    """Killed while files are put away, the daemon leaves a gap."""
    (folder / f"{FILE}.1").write_bytes(raw("newer"))
    (folder / f"{FILE}.3").write_bytes(raw("older"))
    assert texts(folder) == ["older", "newer"]


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines fill a file."""
    monkeypatch.setattr(logs, "FILE_BYTES", 300)


@pytest.mark.usefixtures("small_files")
def test_full_files_are_put_away_and_the_oldest_go(folder: Path) -> None:
    with logger(folder) as log:
        for number in range(60):
            log.info("line %d", number)
    files = sorted(file.name for file in folder.iterdir())
    assert files == [FILE, *(f"{FILE}.{number}" for number in range(1, OLDER_FILES + 1))]
    assert all(file.stat().st_size <= 300 for file in folder.iterdir())
    kept = texts(folder)
    assert kept == [f"line {number}" for number in range(60 - len(kept), 60)]
    assert texts(folder, last=5) == kept[-5:]


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"hello", b"\xff\xfe\x00", b"\0" * 50, b'{"at": "2026-', b"null", b"5", b"[]", b'["at"]', b"{}",
        b'{"at": 5, "level": "info", "text": "t"}', b'{"at": "noon", "level": "info", "text": "t"}',
        b'{"at": "2026-01-02T03:04:05Z", "level": "info"}', b"[" * 100_000, b'{"at": NaN, "level": 1, "text": 2}',
    ],
    ids=lambda garbage: garbage[:20].decode("latin-1"),
)  # fmt: skip
def test_log_lines_that_cannot_be_read_are_skipped(folder: Path, garbage: bytes) -> None:
    (folder / FILE).write_bytes(raw("before") + garbage + b"\n" + raw("after"))
    assert texts(folder) == ["before", "after"]


@given(st.lists(st.binary(max_size=40), max_size=4))
@settings(deadline=None, max_examples=50)
def test_whatever_bytes_are_there_nothing_is_raised(pieces: list[bytes]) -> None:
    found = list(logs._lines(b"\n".join([*pieces, raw("after")])))
    assert found[-1].text == "after"


def test_a_line_that_is_cut_short_is_passed_over(folder: Path) -> None:
    (folder / FILE).write_bytes(raw("before") + raw("cut short")[:-10])
    assert texts(folder) == ["before"]


def test_a_follower_sees_what_is_new_only(folder: Path, log: Log) -> None:
    def two_lines() -> None:
        log.info("two")
        log.info("three")

    log.info("old")
    seen = looks(folder, nothing, lambda: log.info("one"), nothing, two_lines)
    assert seen == [[], ["one"], [], ["two", "three"]]


def test_a_follower_waits_for_a_log_that_is_not_there_yet(folder: Path) -> None:
    first = appends(folder / FILE, raw("first"))
    assert followed(folder, nothing, first, nothing, appends(folder / FILE, raw("second"))) == ["first", "second"]


def test_a_follower_sees_a_line_when_it_is_whole(folder: Path) -> None:
    file, line = folder / FILE, raw("ü slow")
    cut = line.index(b"\\u") + 3
    seen = looks(folder, appends(file, line[:cut]), nothing, appends(file, line[cut:-1]), appends(file, b"\n" + line))
    assert seen == [[], [], [], ["ü slow", "ü slow"]]


def test_a_follower_that_comes_in_the_middle_of_a_line_sees_the_whole_of_it(folder: Path) -> None:
    line = raw("slow")
    (folder / FILE).write_bytes(raw("old") + line[:20])
    assert followed(folder, appends(folder / FILE, line[20:])) == ["slow"]


def test_a_follower_passes_over_what_cannot_be_read(folder: Path) -> None:
    file = folder / FILE
    assert followed(folder, appends(file, b"\xff\n[]\n"), appends(file, raw("fine"))) == ["fine"]


@pytest.mark.usefixtures("small_files")
def test_a_follower_goes_on_in_the_new_file_and_misses_nothing(folder: Path) -> None:
    with logger(folder) as log:
        log.info("old")
        said = [f"line {number}" for number in range(40)]
        steps = [lambda text=text: log.info(text) for text in said]
        assert followed(folder, *steps) == said


@pytest.mark.usefixtures("small_files")
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bursts=st.lists(st.integers(0, 3), max_size=12))
def test_a_follower_misses_nothing_however_the_lines_come(folder: Path, bursts: list[int]) -> None:
    """At most one file is filled between two looks."""
    said = iter(range(1000))
    written: list[str] = []

    def burst(count: int) -> None:
        for number in [next(said) for _ in range(count)]:
            written.append(f"line {number}")
            made.info(written[-1])

    with logger(folder) as made:
        assert followed(folder, *[lambda count=count: burst(count) for count in bursts]) == written


def test_a_follower_survives_the_moment_in_which_no_file_is_there(folder: Path) -> None:
    file = folder / FILE
    steps = [
        appends(file, raw("one")), lambda: file.rename(folder / f"{FILE}.1"), nothing, appends(file, raw("two"))
    ]  # fmt: skip
    file.write_bytes(raw("old"))
    assert followed(folder, *steps) == ["one", "two"]


def test_a_file_that_goes_between_two_questions_about_it_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / FILE).write_bytes(raw("old"))
    opened = Path.open

    def goes(path: Path, *args: object, **kwargs: object) -> object:
        if path == folder / FILE:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return opened(path, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", goes)
        assert read(folder, last=5) == []
        assert followed(folder) == []


def test_a_log_that_cannot_be_opened_does_not_stop_the_daemon(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    (folder / FILE).mkdir()
    with logger(folder) as log:
        log.error("nobody hears it")
        (folder / FILE).rmdir()
        log.error("but this they do")
    assert texts(folder) == ["but this they do"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_device_that_is_full_costs_lines_and_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    (folder / FILE).symlink_to("/dev/full")
    with logger(folder) as log:
        for _ in range(200):
            log.error("x" * 1000)


FULL = """
import logging, resource, sys
from pathlib import Path
from adapterd.supervisor import logs

folder, logs.FILE_BYTES = Path(sys.argv[1]), int(sys.argv[2])
logging.raiseExceptions = False
log = logging.Logger("adapterd")
log.addHandler(logs.log_to(folder))
log.info("before")
used = (folder / logs.FILE).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (used + 30, resource.RLIM_INFINITY))
for number in range(300):
    log.info("%d %s", number, "x" * 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for number in range(3):
    log.info("after %d", number)
"""


@pytest.mark.parametrize("file_bytes", [1 << 20, 250], ids=["one file", "files are put away"])
def test_when_there_is_room_again_lines_are_written_again(folder: Path, file_bytes: int) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, folder, str(file_bytes)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    said = texts(folder)
    assert said[0] == "before"
    assert said[-2:] == ["after 1", "after 2"]
