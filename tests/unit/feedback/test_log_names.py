"""Which names rotated logs have, and what is read of them."""

import pytest

from adapterd.feedback.kinds import Layout, kind_of, log_name


@pytest.mark.parametrize(
    ("name", "log"),
    [
        ("log.jsonl", "log.jsonl"),
        ("log.jsonl.1", "log.jsonl"),
        ("log.jsonl.12.gz", "log.jsonl"),
        ("log.jsonl-20261130", "log.jsonl"),
        ("log.jsonl-20261130.gz", "log.jsonl"),
        ("log.jsonl-20261130-134500", "log.jsonl"),
        ("log.jsonl.2026-11-30", "log.jsonl"),
        ("log.jsonl.2026-11-30_13", "log.jsonl"),
        ("log.jsonl-1764510300", "log.jsonl"),
        ("log.jsonl-20261130-1764510300", "log.jsonl"),
        ("log.jsonl-20261130-1764510300.gz", "log.jsonl"),
        ("log.jsonl.2026-11-30.1", "log.jsonl"),
        ("log.jsonl.2026-11-30.12.gz", "log.jsonl"),
        ("log.2026-11-30.jsonl", "log.jsonl"),
        ("log-2026-11-30.jsonl.gz", "log.jsonl"),
        ("log-20261130.jsonl", "log.jsonl"),
        ("log.1.jsonl", "log.jsonl"),
        ("LOG.CSV.1", "LOG.CSV"),
        ("part-00001.jsonl", "part-00001.jsonl"),
        ("a.json.1", "a.json.1"),
    ],
)
def test_the_name_that_a_log_had_before_its_rotation(name: str, log: str) -> None:
    assert log_name(name) == log


@pytest.mark.parametrize(
    "name",
    [
        "a.jsonl.1",
        "a.ndjson-20261130",
        "a.JSONL.2026-11-30",
        "a.jsonl.3.gz",
        "a.jsonl.1.GZ",
        "a.jsonl-20261130-1764510300",
    ],
)
def test_rotated_logs_are_read_as_lines(name: str) -> None:
    kind = kind_of(name)
    assert kind is not None
    assert (kind.layout, kind.is_packed) == (Layout.LINES, name.lower().endswith(".gz"))


def test_rotated_tables_are_read_as_tables() -> None:
    assert kind_of("a.tsv.1") == kind_of("a.tsv")


@pytest.mark.parametrize(
    "name", ["a.json.1", "a.jsonl.bak", "a.jsonl.tmp", "a.jsonl~", "a.1", "a.jsonl.x1", "a.jsonl."]
)
def test_other_endings_are_not_read(name: str) -> None:
    assert kind_of(name) is None
