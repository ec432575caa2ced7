"""A database is rebuilt from versions, runs and tags, and from what can be read of the old one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapterd.config import ModelSettings, Settings
from adapterd.errors import DamagedStoreError
from adapterd.home import Home
from adapterd.housekeeping import leftovers, salvage
from adapterd.housekeeping.backup.contents import BACKED_UP, RESTORED, copies
from adapterd.housekeeping.rebuild import Rebuilt, rebuild
from adapterd.intake.http_intake import take_posted
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose
from adapterd.store.runs import RunState
from adapterd.store.versions import VersionState
from tests.support.fakes import FakeRuntime

MODEL = "news"
SETTINGS = Settings(models={MODEL: ModelSettings(base="tiny:1", base_digest="sha256:base")})
PAGE = 4096
HASH = "ab" * 32
CASES = [
    {"id": "p1", "messages": [{"role": "user", "content": "?"}], "reference": "!", "record": "r", "source_id": None}
]
EVALUATION = {
    "decision": "promote", "reason": "better", "findings": [], "scores": {}, "baselines": {}, "comparisons": {},
    "evaluation_hash": "set",
}  # fmt: skip


@pytest.fixture
def tagged() -> FakeRuntime:
    runtime = FakeRuntime()
    runtime.add("news:base", "news:1.0.0", "news:1.2.0", "news:mine")
    runtime.copy("news:1.0.0", "news:latest")
    runtime.copy("news:base", "news:previous")
    return runtime


def write(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def used_home(home: Home) -> Home:
    """A home with two versions, of which 1.1.0 has lost its tag, many records and what was taken back."""
    for number, decision in (("1.0.0", "promote"), ("1.1.0", "hold")):
        folder, run = home.version(MODEL, number), f"r{number}"
        lineage = {"adapterd": "1", "libraries": {}, "run": run, "base": {"tag": "tiny:1", "digest": "sha256:base"},
                   "gguf_digest": "sha256:g", "settings": {}, "stages": {}}  # fmt: skip
        write(folder / "lineage.json", lineage)
        write(folder / "evaluation.json", {**EVALUATION, "decision": decision})
        write(home.run(run) / "plan.json", {"model": MODEL, "version": number, "last_feedback_id": 7})
        results = {"dataset": {"evaluation_cases": CASES, "evaluation_hash": "set"},
                   "merging": {"digest": "sha256:g", "size_bytes": 1}}  # fmt: skip
        write(home.run(run) / "results.json", results)
    write(home.run("given-up") / "plan.json", {"model": MODEL, "version": "1.2.0", "last_feedback_id": 9})
    with Store(home.database, anew=True) as store:
        take_posted(
            store,
            MODEL,
            [{"prompt": f"Who met {n}? {'x' * 900}", "correction": f"The council {n}."} for n in range(300)],
        )
        store.removals.begin(MODEL, "by hand", going=(), hashes=[HASH], versions={})
    return home


def gone(database: Path) -> None:
    database.unlink()


def empty(database: Path) -> None:
    database.write_bytes(b"")


def damaged_header(database: Path) -> None:
    database.write_bytes(b"\xff" * 100 + database.read_bytes()[100:])


def damaged_middle(database: Path) -> None:
    data = database.read_bytes()
    start = len(data) // PAGE // 2 * PAGE
    database.write_bytes(data[:start] + b"\xff" * 8 * PAGE + data[start + 8 * PAGE :])


def made(home: Home, runtime: FakeRuntime) -> Rebuilt:
    return rebuild(home, SETTINGS, runtime.tags(), lambda _: None)


@pytest.fixture(params=[gone, empty, damaged_header, damaged_middle])
def lost(request: pytest.FixtureRequest, used_home: Home) -> Home:
    request.param(used_home.database)
    return used_home


def test_versions_and_what_is_live_are_known_again(lost: Home, tagged: FakeRuntime) -> None:
    rebuilt = made(lost, tagged).models[MODEL]
    assert (rebuilt.live, rebuilt.previous, rebuilt.versions) == ("1.0.0", "base", ["1.0.0", "1.1.0", "1.2.0"])
    with Store(lost.database) as store:
        states = {each.version: each.state for each in store.versions.all(MODEL)}
        assert states == {
            "1.0.0": VersionState.PROMOTED, "1.1.0": VersionState.COLLECTED, "1.2.0": VersionState.HELD
        }  # fmt: skip
        deployment = store.versions.deployment(MODEL)
        assert deployment is not None
        assert deployment.live_digest == tagged.tags()["news:latest"]
        assert deployment.previous_digest == tagged.tags()["news:base"]
        assert store.versions.get(MODEL, "1.0.0").digest == tagged.tags()["news:1.0.0"]  # type: ignore[union-attr]


def test_runs_and_frozen_sets_are_known_again_and_no_folder_goes(lost: Home, tagged: FakeRuntime) -> None:
    made(lost, tagged)
    with Store(lost.database) as store:
        assert {run.id: run.state for run in store.runs.newest(MODEL, 10)} == {
            "r1.0.0": RunState.PROMOTED, "r1.1.0": RunState.HELD, "given-up": RunState.ABANDONED
        }  # fmt: skip
        assert [each.cases for each in store.evaluation_sets.all(MODEL)] == [CASES]
        assert [left.why for left in leftovers.of_runs(store, lost) if left.why == "it never began"] == []


def test_records_are_taken_over_as_far_as_they_can_be_read(used_home: Home, tagged: FakeRuntime) -> None:
    damaged_middle(used_home.database)
    rebuilt = made(used_home, tagged)
    assert 100 < rebuilt.models[MODEL].records < 300
    with Store(used_home.database) as store:
        assert store.feedback.count(MODEL) == rebuilt.models[MODEL].records
        assert store.removals.hashes(MODEL) == {HASH}
        assert store.row("PRAGMA integrity_check")[0] == "ok"  # type: ignore[index]


def test_the_old_one_is_kept_aside(lost: Home, tagged: FakeRuntime) -> None:
    before = lost.database.read_bytes() if lost.database.exists() else None
    aside = made(lost, tagged).aside
    assert (aside.read_bytes() if aside else None) == before


def test_what_is_told_of_the_tags_is_what_they_are_after_a_rollback(used_home: Home, tagged: FakeRuntime) -> None:
    empty(used_home.database)
    tagged.copy("news:previous", "news:latest")
    assert made(used_home, tagged).models[MODEL].live == "base"
    with Store(used_home.database) as store:
        assert store.versions.deployment(MODEL).live_digest == tagged.tags()["news:latest"]  # type: ignore[union-attr]


def test_a_live_tag_that_is_no_version_is_not_taken_for_one(used_home: Home, tagged: FakeRuntime) -> None:
    empty(used_home.database)
    tagged.copy("news:mine", "news:latest")
    made(used_home, tagged)
    with Store(used_home.database) as store:
        assert store.versions.deployment(MODEL).live_digest != tagged.tags()["news:latest"]  # type: ignore[union-attr]


ODD: dict[str, Callable[[Home], object]] = {
    "lineage that is none": lambda home: write(home.version(MODEL, "1.0.0") / "lineage.json", [1]),
    "a base that is none": lambda home: write(home.version(MODEL, "1.0.0") / "lineage.json", {
        "adapterd": 1, "libraries": 1, "run": 1, "base": 1, "gguf_digest": 1, "settings": 1, "stages": 1}),
    "an evaluation that is none": lambda home: write(home.version(MODEL, "1.0.0") / "evaluation.json", {"x": 1}),
    "a plan that is none": lambda home: write(home.run("r1.0.0") / "plan.json", []),
    "results that are none": lambda home: write(home.run("r1.0.0") / "results.json", {"dataset": 3, "merging": [1]}),
}  # fmt: skip


@pytest.mark.parametrize("spoil", ODD.values(), ids=ODD)
def test_what_is_damaged_too_is_passed_over(
    used_home: Home, tagged: FakeRuntime, spoil: Callable[[Home], object]
) -> None:
    empty(used_home.database)
    spoil(used_home)
    assert made(used_home, tagged).models[MODEL].versions == ["1.0.0", "1.1.0", "1.2.0"]
    with Store(used_home.database) as store:
        assert len(store.versions.all(MODEL)) == 3
        assert not any(run.state.open for run in store.runs.newest(MODEL, 10))
        assert store.versions.deployment(MODEL).live == "1.0.0"  # type: ignore[union-attr]


@pytest.mark.parametrize("files", [1, 3])
def test_a_repair_that_was_killed_is_finished_with_all_records(
    used_home: Home, tagged: FakeRuntime, files: int
) -> None:
    """Killed while the old one is moved aside, after so many of its files."""
    made_before = used_home.database.with_name(".state.db.rebuilt.partial")
    made_before.write_bytes(b"")
    for ending in ("-wal", "-shm"):
        used_home.database.with_name(f"state.db{ending}").write_bytes(b"")
    for ending in ("", "-wal", "-shm")[:files]:
        old = used_home.database.with_name(f"state.db{ending}")
        old.rename(used_home.database.with_name(f"state.db.damaged-20260601-030000{ending}"))
    with pytest.raises(DamagedStoreError):
        Store(used_home.database)
    rebuilt = made(used_home, tagged)
    assert rebuilt.models[MODEL].records == 300
    assert rebuilt.aside == used_home.database.with_name("state.db.damaged-20260601-030000")
    assert sorted(path.name for path in used_home.root.glob("state.db.damaged-*-shm")) != []
    with Store(used_home.database) as store:
        assert store.feedback.count(MODEL) == 300


@pytest.fixture
def known_home(used_home: Home, tmp_path: Path) -> Home:
    """A home that has given tokens, one of them revoked, and of which a backup was made and another home kept aside."""
    with Store(used_home.database) as store:
        for name, token in (("newsroom", "n" * 40), ("archive", "a" * 40)):
            store.http_tokens.put(name, token)
        store.http_tokens.revoke("archive")
        for name in ("backup.tar.gz", "home.before-restore-1"):
            (tmp_path / name).touch()
        store.events.add(BACKED_UP, "a backup was made", detail={"file": str(tmp_path / "backup.tar.gz")})
        store.events.add(RESTORED, "put back", detail={"file": "", "aside": str(tmp_path / "home.before-restore-1")})
    return used_home


def test_tokens_count_as_before_and_revoked_ones_do_not(known_home: Home, tagged: FakeRuntime) -> None:
    damaged_middle(known_home.database)
    rebuilt = made(known_home, tagged)
    assert rebuilt.tokens == ("newsroom",)
    assert not any("tokens" in what for what in rebuilt.lost)
    with Store(known_home.database) as store:
        assert (store.http_tokens.owner("n" * 40), store.http_tokens.owner("a" * 40)) == ("newsroom", None)
        assert {each.name: each.revoked_at is None for each in store.http_tokens.all()} == {
            "newsroom": True, "archive": False
        }  # fmt: skip


def test_backups_and_homes_that_were_kept_aside_are_still_named(
    known_home: Home, tagged: FakeRuntime, tmp_path: Path
) -> None:
    damaged_middle(known_home.database)
    rebuilt = made(known_home, tagged)
    assert not any("backups" in what for what in rebuilt.lost)
    with Store(known_home.database) as store:
        assert copies(store) == [
            str(tmp_path / "backup.tar.gz"), str(tmp_path / "home.before-restore-1"), str(rebuilt.aside)
        ]  # fmt: skip


@pytest.mark.parametrize("lose", [gone, empty, damaged_header])
def test_where_nothing_can_be_read_tokens_and_copies_are_among_what_is_lost(
    known_home: Home, tagged: FakeRuntime, lose: Callable[[Path], None]
) -> None:
    lose(known_home.database)
    rebuilt = made(known_home, tagged)
    assert rebuilt.tokens == ()
    assert {"tokens of applications", "the list of backups"} <= {
        begin for begin in ("tokens of applications", "the list of backups") for what in rebuilt.lost if begin in what
    }


def test_a_token_of_which_the_damaged_file_says_two_things_is_revoked(home: Home, tmp_path: Path) -> None:
    row = {"name": "a", "hash": "ab" * 32, "in_file": 0, "created_at": "2026-01-01T00:00:00+00:00", "revoked_at": None}
    rows = [row, {**row, "revoked_at": "2026-01-02T00:00:00+00:00"}]
    with Store(home.database) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(salvage, "readable_rows", lambda *_: rows)
        assert salvage.take_tokens(store, tmp_path) == ()


@pytest.mark.parametrize(
    "spoilt",
    [{"hash": "short"}, {"hash": 3}, {"name": 7}, {"name": None}, {"in_file": 9}, {"created_at": "then"},
     {"revoked_at": "now"}, {"created_at": b"\xff"}],
)  # fmt: skip
def test_a_token_row_of_which_something_is_damaged_counts_for_nobody(
    home: Home, tmp_path: Path, spoilt: dict[str, Any]
) -> None:
    row = {"name": "a", "hash": "ab" * 32, "in_file": 0, "created_at": "2026-01-01T00:00:00+00:00", "revoked_at": None}
    with Store(home.database) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(salvage, "readable_rows", lambda *_: [{**row, **spoilt}])
        assert salvage.take_tokens(store, tmp_path) == ()
        assert store.http_tokens.all() == []


@pytest.mark.parametrize(
    "spoilt", [{"detail": "{"}, {"detail": "[1]"}, {"detail": '{"file": 3}'}, {"at": "then"}, {"text": None}]
)
def test_an_event_of_which_something_is_damaged_is_not_taken_over(
    home: Home, tmp_path: Path, spoilt: dict[str, Any]
) -> None:
    row = {"id": 4, "at": "2026-01-01T00:00:00+00:00", "model": None, "kind": BACKED_UP, "text": "t", "detail": "{}"}
    with Store(home.database) as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr(salvage, "readable_rows", lambda *_: [{**row, **spoilt}])
        salvage.take_copies(store, tmp_path)
        assert store.events.latest() == []


def test_databases_that_were_kept_aside_are_named_though_the_list_is_lost(home: Home, tagged: FakeRuntime) -> None:
    earlier = home.database.with_name("state.db.damaged-20260101-010101")
    for ending in ("", "-wal"):
        earlier.with_name(earlier.name + ending).touch()
    home.database.write_bytes(b"")
    rebuilt = made(home, tagged)
    with Store(home.database) as store:
        assert copies(store) == [str(earlier), str(rebuilt.aside)]


def test_what_is_left_of_the_error_budgets_is_taken_over_without_what_was_staked(
    used_home: Home, tagged: FakeRuntime
) -> None:
    with Store(used_home.database) as store:
        store.comparisons.set_budget(MODEL, Purpose.CHALLENGE, 0.01, 0.005)
        store.comparisons.set_budget(MODEL, Purpose.WATCH, 7.0, 0.0)
    damaged_middle(used_home.database)
    made(used_home, tagged)
    with Store(used_home.database) as store:
        left = store.comparisons.budget(MODEL, Purpose.CHALLENGE)
        assert left is not None
        assert left[:2] == (0.01, 0.0)
        assert store.comparisons.budget(MODEL, Purpose.WATCH) is None  # no probability


def test_where_nothing_can_be_read_spent_budgets_are_among_what_is_lost(used_home: Home, tagged: FakeRuntime) -> None:
    gone(used_home.database)
    assert any("error budgets" in what for what in made(used_home, tagged).lost)
