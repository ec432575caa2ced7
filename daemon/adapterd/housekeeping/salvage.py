"""What of a database that cannot be used is taken over into the one that is made anew, as far as it can be read.

Whatever comes out of a damaged file is looked at before it is believed.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from adapterd.housekeeping.backup.contents import COPY_NAMES, COPY_OF_HOME, RESTORED, copies
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.schema.soundness import is_whole, readable_rows

LOST_TABLES = {
    "http_tokens": "tokens of applications that are not named here (`adapterctl token add` gives them new ones)",
    "error_budgets": "what was spent of the error budgets of this year: they begin anew",
    "events": "the list of backups and copies that were made of this home, but for those that were found: "
    "`adapterctl feedback remove` cannot name them",
}
"""What is lost with a table that could not be read as a whole."""
_HASH = re.compile(r"[0-9a-f]{64}")


def lost_tables(old: Path) -> list[str]:
    """What is lost, or may be, since the old database could not be read as a whole."""
    return [what for table, what in LOST_TABLES.items() if not is_whole(old, table)]


def take_records(store: Store, model: str, old: Path, why: str) -> int:
    """Take over the records of a model, and what was taken back; returns how many records."""
    records = [row for row in readable_rows(old, "feedback") if row["model"] == model and _is(row, _read_record)]
    _insert(store, "feedback", records)
    hashes = [
        str(row["hash"])
        for row in readable_rows(old, "removed_statements")
        if row["model"] == model and _HASH.fullmatch(str(row["hash"]))
    ]
    if hashes:
        removal = store.removals.begin(model, why, going=(), hashes=hashes, versions={})
        store.removals.cleaned(removal)
        store.removals.done(removal)
    return len(records)


def take_tokens(store: Store, old: Path) -> tuple[str, ...]:
    """Take over the hashes of the tokens of applications; returns the names of those that count. Of two about one name,
    or one token, the revoked one is believed."""
    rows = [row for row in readable_rows(old, "http_tokens") if _is(row, _read_token)]
    _insert(store, "http_tokens", sorted(rows, key=lambda row: row["revoked_at"] is None))
    return tuple(each.name for each in store.http_tokens.all() if each.revoked_at is None)


def take_budgets(store: Store, old: Path) -> None:
    """Take over what is left of the error budgets, of two that are said of one the smaller. What was staked is spent:
    what it was staked on is not known."""
    rows = [{**row, "staked": 0.0} for row in readable_rows(old, "error_budgets") if _is(row, _read_budget)]
    _insert(store, "error_budgets", sorted(rows, key=lambda row: row["left_over"]))


def take_copies(store: Store, old: Path) -> None:
    """Take over the events that tell of backups, and of homes and databases that were kept aside."""
    told = [row for row in readable_rows(old, "events") if row["kind"] in COPY_OF_HOME and _is(row, _read_copy)]
    _insert(store, "events", sorted(told, key=lambda row: row["id"]))


def note_copies(store: Store, found: Iterable[Path]) -> None:
    """Note copies of what is in the home that were found where they are kept, and that no event tells of."""
    known = copies(store)
    for path in found:
        if str(path) not in known:
            store.events.add(RESTORED, f"{path} was kept aside", detail={"aside": str(path)})


def _insert(store: Store, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        store.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",  # noqa: S608
            list(row.values()),
        )


def _is(row: Mapping[str, Any], read: Callable[[Mapping[str, Any]], bool]) -> bool:
    """Whether a row is what it should be: the bytes of a damaged page may be anything."""
    with suppress(Exception):
        return read(row)
    return False


def _read_record(row: Mapping[str, Any]) -> bool:
    FeedbackRecord.from_json(row["record"])
    return isinstance(row["id"], int) and bool(row["created_at"]) and bool(row["received_at"])


def _read_token(row: Mapping[str, Any]) -> bool:
    datetime.fromisoformat(row["created_at"])
    if row["revoked_at"] is not None:
        datetime.fromisoformat(row["revoked_at"])
    return isinstance(row["name"], str) and bool(_HASH.fullmatch(row["hash"])) and row["in_file"] in (0, 1)


def _read_budget(row: Mapping[str, Any]) -> bool:
    Purpose(row["purpose"])
    datetime.fromisoformat(row["at"])
    return isinstance(row["model"], str) and isinstance(row["left_over"], float) and 0 <= row["left_over"] < 1


def _read_copy(row: Mapping[str, Any]) -> bool:
    datetime.fromisoformat(row["at"])
    detail = json.loads(row["detail"])
    paths = [detail.get(name, "") for name in COPY_NAMES]
    return isinstance(row["text"], str) and row["model"] is None and all(isinstance(path, str) for path in paths)
