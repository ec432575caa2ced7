import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from adapterd.capture.captures import Capture, Captures, Counted, Kept
from adapterd.capture.set_aside import set_aside, those_aside
from adapterd.errors import DamagedStoreError, StoreError

HELLO = Capture(
    id="01A", at=1000.0, dialect="ollama-chat", model="smol", digest="abc", template_hash="def", prompt_hash="p",
    answer_hash="a", turns=[{"role": "user", "content": "Hi \x1b[31m"}], answer="Hello", thoughts="", calls=[],
    options={"temperature": 0.5, "stop": ["x"]}, tools=[{"type": "function"}], schema={"type": "object"}, reason="stop",
    complete=True, error=None, prompt_tokens=3, answer_tokens=2, logprob=-0.5, logprob_tokens=2, first_byte_s=0.1,
    seconds=0.2, faults=["echo"], kept="sample", repeats=0, bytes=100,
)  # fmt: skip


def of(number: int, **changes: object) -> Capture:
    return replace(HELLO, **{"id": f"{number:03}", "at": 1000.0 + number, **changes})  # type: ignore[arg-type]


def test_what_is_stored_comes_back_whole(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(HELLO)
        captures.add(replace(HELLO, answer="once by its id"))
    with Captures(tmp_path / "captures.db") as captures:
        assert captures.last(10) == [HELLO]
        assert captures.get("01A") == HELLO
        assert captures.get("a") == HELLO
        assert captures.get("b") is None
    assert (tmp_path / "captures.db").stat().st_mode & 0o777 == 0o600


def test_the_newest_come_first(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        for number in (2, 1, 3):
            captures.add(of(number, model="smol" if number != 1 else "other"))
        assert [each.id for each in captures.last(2)] == ["003", "002"]
        assert [each.id for each in captures.last(5, "other")] == ["001"]


def test_the_last_of_a_prompt_since_a_moment(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        for number in range(3):
            captures.add(of(number))
        found = captures.of_prompt("smol", "p", 1001.0)
        assert found is not None
        assert found.id == "002"
        assert captures.of_prompt("smol", "p", 1003.0) is None
        assert captures.of_prompt("other", "p", 0.0) is None


def of_day(day: str = "2026-12-01", digest: str = "abc", answers: int = 1, **faults: int) -> Counted:
    return Counted(day, "smol", digest, answers, faults)


def test_one_takes_the_place_of_another(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.take("001", of_day(broken=1), of(1))
        captures.take("002", of_day(), of(2, repeats=1), former="001")
        assert [(each.id, each.repeats) for each in captures.last(5)] == [("002", 1)]
        assert captures.counted("2026-12-01") == [of_day(answers=2, broken=1)]


def test_one_that_is_given_again_counts_once(tmp_path: Path) -> None:
    """A recorder may be killed between storing an exchange and saying so."""
    with Captures(tmp_path / "captures.db") as captures:
        for _ in range(2):
            captures.take("001", of_day(cut=1), of(1))
        for _ in range(2):
            captures.take("002", of_day(), None, why="not in the sample")
        assert captures.counted("2026-12-01") == [of_day(answers=2, cut=1)]
        assert (captures.kept().count, captures.left_out()) == (1, {"not in the sample": 1})


def test_what_goes_changes_no_count(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.take("001", of_day(echo=1), of(1))
        captures.remove(["001"])
        captures.take("002", of_day("2026-12-02"), of(2))
        captures.remove_old(5000.0, 0)
        assert captures.counted("2026-12-01") == [of_day(echo=1), of_day("2026-12-02")]
        assert captures.counted("2026-12-02") == [of_day("2026-12-02")]
        captures.remove_counts("2026-12-02")
        assert captures.counted("2026-12-01") == [of_day("2026-12-02")]
        captures.remove_model("smol")
        assert captures.counted("2026-12-01") == []


def test_a_file_of_before_the_counts_gets_them(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(HELLO)
    with sqlite3.connect(tmp_path / "captures.db") as old:
        for statement in (
            "DROP TABLE answers_by_day", "DROP TABLE last_taken", "DROP INDEX captures_by_time",
            "DROP INDEX captures_with_faults", "DROP INDEX captures_by_chance",
            "CREATE INDEX captures_by_time ON captures (at)", "PRAGMA user_version = 0",
        ):  # fmt: skip
            old.execute(statement)
    old.close()
    with Captures(tmp_path / "captures.db") as captures:
        assert captures.last(5) == [HELLO]
        captures.take("002", of_day(), of(2))
        assert captures.counted("2026-12-01") == [of_day()]


def test_the_oldest_go_first(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        for number in range(10):
            captures.add(of(number))
        assert captures.remove_old(1003.0, 10**9) == 3
        assert captures.remove_old(0.0, 250) == 5
        assert [each.id for each in captures.last(9)] == ["009", "008"]
        assert captures.kept() == Kept(2, 200, 1008.0, 1009.0)
        assert captures.remove(["009", "nobody"]) == 1
        assert captures.remove_old(0.0, 0) == 1
        assert captures.kept() == Kept(0, 0, None, None)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        for reason in ("a", "b", "b"):
            captures.leave_out(reason)
        assert captures.left_out() == {"b": 2, "a": 1}


def test_what_was_removed_is_not_in_the_file(tmp_path: Path) -> None:
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(of(1, answer="hidden-4711"))
        captures.remove(["001"])
    assert not any(b"hidden-4711" in file.read_bytes() for file in tmp_path.iterdir())


def test_text_of_any_kind_is_stored_as_it_is(tmp_path: Path) -> None:
    text = "\x00\x1b]0;x\x07 \u202e \U0001f600 '; DROP TABLE captures; --"
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(of(1, answer=text, turns=[{"role": "user", "content": text}]))
        [found] = captures.last(1)
    assert (found.answer, found.turns[0]["content"]) == (text, text)


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 30, b"SQLite format 3\0" + bytes(200)]
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "captures.db").write_bytes(content)
    with pytest.raises(StoreError, match=r"captures\.db"):
        Captures(tmp_path / "captures.db")


def test_its_columns_are_plain(tmp_path: Path) -> None:
    """Others may read them with any SQLite."""
    with Captures(tmp_path / "captures.db") as captures:
        captures.add(HELLO)
    with sqlite3.connect(tmp_path / "captures.db") as plain:
        turns, complete = plain.execute("SELECT turns, complete FROM captures").fetchone()
    plain.close()
    assert (json.loads(turns), complete) == (HELLO.turns, 1)


def test_damage_is_told_apart_from_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "captures.db").write_bytes(b"no database at all, but long enough to be one" * 30)
    with pytest.raises(DamagedStoreError, match="file is not a database"):
        Captures(tmp_path / "captures.db")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError) as caught:
        Captures(tmp_path / "folder.db")
    assert not isinstance(caught.value, DamagedStoreError)


def test_the_quick_check_finds_a_page_that_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "captures.db"
    with Captures(file) as captures:
        for number in range(200):
            captures.add(of(number, answer="x" * 1000))
        captures.require_sound()
    data = bytearray(file.read_bytes())
    data[8 * 4096 : 12 * 4096] = b"\xff" * (4 * 4096)
    file.write_bytes(data)
    with Captures(file) as captures, pytest.raises(DamagedStoreError, match=r"captures\.db"):
        captures.require_sound()


def test_files_that_were_set_aside_have_names_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "captures.db"
    for number in range(3):
        file.write_text(str(number))
        (tmp_path / "captures.db-wal").write_text("")
        set_aside(file)
    assert [each.read_text() for each in those_aside(file)] == ["0", "1", "2"]
    assert not file.exists()
    assert not (tmp_path / "captures.db-wal").exists()
