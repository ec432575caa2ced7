"""The file that the parts of a model are joined in is there for as long as it is needed, and no longer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapterd.config import Settings
from adapterd.deployment.whole_file import is_joined, whole_file
from adapterd.home import Home
from adapterd.housekeeping import leftovers
from tests.support.split_gguf import in_parts
from tests.support.tiny_gguf import write_tiny_gguf


def unfinished(home: Home, later: timedelta) -> list[str]:
    """What `gc` would take of this home's files that nobody finished, so much later."""
    return [each.what for each in leftovers.of_processes(home, Settings(), datetime.now(UTC) + later)]


def test_a_joined_file_is_left_alone_however_long_it_is_needed(home: Home, tmp_path: Path) -> None:
    home.create()
    parts = in_parts(write_tiny_gguf(tmp_path / "tiny.gguf", layers=1))
    with whole_file(home, parts, "big:1") as whole:
        assert is_joined(whole)
        assert unfinished(home, timedelta(days=3)) == []
    assert not whole.exists()


def test_one_whose_process_died_is_taken_after_an_hour(home: Home) -> None:
    home.create()
    left = home.root / ".joined-1.partial"
    left.write_bytes(b"GGUF")
    assert unfinished(home, timedelta(minutes=50)) == []
    assert unfinished(home, timedelta(minutes=70)) == [left.name]
