"""The versions side by side: what the store and the versions' folders say, whatever of it is missing."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapterd.config import EvaluationSettings, ModelSettings, Task
from adapterd.home import Home, make_private
from adapterd.insight.versions_table import Gain, PrimaryScore, VersionRow, list_versions
from adapterd.store import Store
from adapterd.store.versions import VersionState

SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00", task=Task.CLASSIFICATION)
BY_ACCURACY = PrimaryScore("accuracy", 0.8, None)
INTERVAL = {"low": 0.01, "high": 0.09, "level": 0.95}


@pytest.fixture
def store(store: Store) -> Store:
    """Two versions; the newer one was judged and is live."""
    for version in ("1.0.0", "1.1.0"):
        store.versions.add("m", version, run_id=f"run-{version}", digest="d", base_digest="sha256:00")
    metrics = {"scores": {"candidate": {"metrics": {"accuracy": 0.8, "macro_f1": 0.7}}}}
    store.versions.set_state("m", "1.1.0", VersionState.PROMOTED, "better", metrics)
    store.versions.deploy("m", "promote", live="1.1.0", live_digest="d", previous="1.0.0")
    return store


def keep(home: Home, name: str, content: dict[str, Any]) -> Path:
    """Put a file into the folder of 1.1.0."""
    file = make_private(home.version("m", "1.1.0")) / name
    file.write_text(json.dumps(content))
    return file


def compared(**against: float) -> dict[str, Any]:
    return {"comparisons": {"accuracy": {n: {"difference": d, "interval": INTERVAL} for n, d in against.items()}}}


def rows(store: Store, home: Home, settings: ModelSettings = SETTINGS) -> list[VersionRow]:
    return list_versions(store, home, "m", settings)


def test_the_newest_comes_first_with_its_role(store: Store, home: Home) -> None:
    assert [(row.version, row.state, row.role) for row in rows(store, home)] == [
        ("1.1.0", VersionState.PROMOTED, "live"),
        ("1.0.0", VersionState.CANDIDATE, "previous"),
    ]


def test_a_model_without_versions_has_no_rows(store: Store, home: Home) -> None:
    assert list_versions(store, home, "n", SETTINGS) == []


def test_pin_and_label_are_told(store: Store, home: Home) -> None:
    store.versions.pin("m", "1.0.0", pinned=True)
    store.versions.set_label("m", "1.0.0", "the first")
    assert [(row.pinned, row.label) for row in rows(store, home)] == [(False, None), (True, "the first")]


@pytest.mark.parametrize(("against", "over"), [({"live": 0.05, "base": 0.2}, "live"), ({"base": 0.05}, "base")])
def test_the_primary_score_comes_with_its_gain_over_what_was_live(
    store: Store, home: Home, against: dict[str, float], over: str
) -> None:
    keep(home, "evaluation.json", compared(**against))
    newest, oldest = rows(store, home)
    assert newest.primary == PrimaryScore("accuracy", 0.8, Gain(over, 0.05, 0.01, 0.09, 0.95))
    assert oldest.primary is None


def test_a_score_of_which_no_comparison_was_kept_stands_alone(store: Store, home: Home) -> None:
    assert rows(store, home)[0].primary == PrimaryScore("accuracy", 0.8, None)


def test_the_primary_metric_is_the_one_that_the_version_was_judged_by(store: Store, home: Home) -> None:
    keep(home, "lineage.json", {"settings": {"task": "classification", "evaluation": {"primary": "macro_f1"}}})
    assert rows(store, home)[0].primary == PrimaryScore("macro_f1", 0.7, None)


def test_the_present_primary_metric_is_taken_where_nothing_was_kept(store: Store, home: Home) -> None:
    settings = ModelSettings(base="b", base_digest="d", evaluation=EvaluationSettings(primary="macro_f1"))
    assert rows(store, home, settings)[0].primary == PrimaryScore("macro_f1", 0.7, None)


def test_the_base_is_told_by_its_tag_where_it_was_kept(store: Store, home: Home) -> None:
    keep(home, "lineage.json", {"base": {"tag": "tiny:1", "digest": "sha256:00"}})
    assert [(row.base, row.base_digest) for row in rows(store, home)] == [
        ("tiny:1", "sha256:00"), (None, "sha256:00"),
    ]  # fmt: skip


def test_the_size_is_that_of_folder_and_file_until_it_is_collected(store: Store, home: Home) -> None:
    folder = keep(home, "lineage.json", {}).stat().st_size
    store.runs.start("run-1.1.0", "m", reason="r", fingerprint="f", last_feedback_id=0)
    store.runs.start_stage("run-1.1.0", "merging", "k")
    store.runs.finish_stage("run-1.1.0", "merging", result={"digest": "d", "size_bytes": 1000})
    assert [row.size_bytes for row in rows(store, home)] == [folder + 1000, 0]
    store.versions.set_state("m", "1.1.0", VersionState.COLLECTED, "old")
    assert rows(store, home)[0].size_bytes == folder


@pytest.mark.parametrize("name", ["lineage.json", "evaluation.json"])
@pytest.mark.parametrize(
    "content", [b'{"half', b"[1]", b"[]", b"7", b"", b"\xff", b"[" * 100_000], ids=lambda content: repr(content[:8])
)
def test_a_damaged_file_leaves_a_blank_in_its_row_and_the_others_are_listed(
    store: Store, home: Home, name: str, content: bytes
) -> None:
    keep(home, name, {}).write_bytes(content)
    newest, oldest = rows(store, home)
    assert (newest.version, newest.base, newest.primary) == ("1.1.0", None, BY_ACCURACY)
    assert oldest.version == "1.0.0"


@pytest.mark.parametrize(
    ("lineage", "primary"),
    [
        ({"settings": {"task": "a newer one"}}, None),
        ({"settings": {"task": ["json"]}}, None),
        ({"settings": {"evaluation": {}}}, None),
        ({"settings": 7}, None),
        ({"settings": {"task": "classification", "evaluation": {"primary": ["f1"]}}}, BY_ACCURACY),
        ({"base": "tiny:1"}, BY_ACCURACY),
        ({"base": {"tag": {"of": "another form"}}}, BY_ACCURACY),
    ],
)
def test_a_lineage_of_another_form_leaves_blanks(
    store: Store, home: Home, lineage: dict[str, Any], primary: PrimaryScore | None
) -> None:
    keep(home, "lineage.json", lineage)
    assert [(row.base, row.primary) for row in rows(store, home)] == [(None, primary), (None, None)]


@pytest.mark.parametrize(
    "comparison",
    [7, {"difference": 0.1}, {"difference": "0.1", "interval": INTERVAL}, {"difference": 1, "interval": []}],
)
def test_a_comparison_of_another_form_is_left_out(store: Store, home: Home, comparison: object) -> None:
    keep(home, "evaluation.json", {"comparisons": {"accuracy": {"live": comparison}}})
    assert rows(store, home)[0].primary == PrimaryScore("accuracy", 0.8, None)
