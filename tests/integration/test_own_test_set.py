"""Somebody's own test set, by the commands: it is frozen and asked at once, or asked without freezing it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_old_home import LIVE, NEWS, PREVIOUS, OldHome, copied

OURS = [
    {"prompt": f"Who bought the {thing}?", "correction": json.dumps({"buyer": buyer}), "keywords": [buyer]}
    for thing, buyer in (("old kiln", "Ada"), ("ferry", "Bo"), ("north quarry", "Cy"))
]


@pytest.fixture(scope="module")
def with_versions(tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    """A home with two versions that were trained."""
    return copied(tmp_path_factory.mktemp("versions"))


def written(home: OldHome, name: str, values: list[Any]) -> str:
    file = Path(home.place) / name
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return str(file)


def test_a_file_is_asked_without_being_frozen(with_versions: OldHome) -> None:
    before = with_versions.json("eval", "list", NEWS)
    file = written(with_versions, "asked.jsonl", OURS)
    assert with_versions.json("compare", PREVIOUS, LIVE, "--data", file, "--model", NEWS)["metrics"]
    assert with_versions.json("eval", "list", NEWS) == before


def test_a_file_is_frozen_and_what_is_live_is_asked(with_versions: OldHome) -> None:
    frozen = with_versions.json("eval", "freeze", NEWS, "--from", written(with_versions, "ours.jsonl", OURS))
    assert (frozen["cases"], frozen["origins"], frozen["new"]) == (3, {"ours.jsonl": 3}, True)
    assert frozen["live"]["scores"]
    assert with_versions.json("eval", "list", NEWS)[-1]["hash"] == frozen["hash"]


def test_a_file_with_a_fault_freezes_nothing(with_versions: OldHome) -> None:
    before = with_versions.json("eval", "list", NEWS)
    file = written(with_versions, "faulty.jsonl", [OURS[0], {"prompt": "Who sold it?"}])
    done = with_versions.command("eval", "freeze", NEWS, "--from", file)
    assert done.returncode == 6
    assert "line 2: " in done.stderr
    assert with_versions.json("eval", "list", NEWS) == before


def test_cases_that_a_version_was_trained_on_are_refused(with_versions: OldHome) -> None:
    rows = with_versions.json("feedback", "list", "--limit", "1000", "--model", NEWS)
    taught = [row["record"] for row in rows if row["record"]["correction"]][-2:]
    again = [{"messages": each["messages"], "correction": each["correction"]} for each in taught]
    file = written(with_versions, "trained.jsonl", again)
    done = with_versions.command("eval", "freeze", NEWS, "--from", file)
    assert done.returncode == 6
    assert "line 1, a version was trained on its prompt" in done.stderr


def test_a_version_that_there_is_not_is_named_with_those_that_are(with_versions: OldHome) -> None:
    done = with_versions.command("compare", "9.9.9", "base", "--model", NEWS)
    assert done.returncode == 4
    assert f"{NEWS} has no version 9.9.9; there are: " in done.stderr
    assert LIVE in done.stderr


def test_cases_with_personal_data_are_left_out_and_named(with_versions: OldHome) -> None:
    asked = {"prompt": "Who answers?", "correction": "Write to jane.doe@mail-of-hers.org."}
    plain = {"prompt": "Who sold the pier?", "correction": "Di"}
    file = written(with_versions, "personal.jsonl", [asked, plain])
    frozen = with_versions.json("eval", "freeze", NEWS, "--from", file, "--no-run")
    assert frozen["cases"] == 1
    assert [each["reason"] for each in frozen["left_out"]] == ["line 1, it has an e-mail address"]
