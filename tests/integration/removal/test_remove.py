"""Removing records from a home that has all there is: sets, answers, versions, caches and an unfinished run."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapterd.config import Settings
from adapterd.errors import BusyError
from adapterd.formats.run_folder import DATASET, RECORDS
from adapterd.home import Home
from adapterd.removal.places import PLACES
from adapterd.removal.remove import InTheWayError, finish_removals, preview, remove
from adapterd.removal.selection import Criteria, Selection, select
from adapterd.removal.upkeep import look_after
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback, StoredFeedback
from adapterd.store.prompt_pool.prompts import NewPrompt
from adapterd.store.runs import RunState
from adapterd.system.locks import exclusive
from tests.integration.removal.conftest import MODEL
from tests.support.marked_text import files_with

LIVE = "1.1.0"


@pytest.fixture
def chosen(store: Store, home: Home) -> Selection:
    """A record that was trained on, and one that is a case of both frozen sets."""
    case = store.evaluation_sets.all(MODEL)[0].cases[0]["record"]
    return select(store, home, MODEL, Criteria(ids=("1", case)))


def files(home: Home) -> dict[Path, bytes]:
    """Every file but the database."""
    found = (path for path in home.root.rglob("*") if path.is_file() and not path.name.startswith("state.db"))
    return {path: path.read_bytes() for path in found}


def prompts(selection: Selection) -> list[str]:
    return [json.loads(row.record)["messages"][-1]["content"] for row in selection.records]


def test_prompts_are_in_no_file_of_the_home(store: Store, home: Home, settings: Settings, chosen: Selection) -> None:
    said = prompts(chosen)
    assert all(files_with(prompt, home.root) for prompt in said)
    remove(store, home, settings, MODEL, chosen)
    assert [files_with(prompt, home.root) for prompt in said] == [[], []]


def test_preview_changes_nothing_and_names_the_places(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    before = files(home)
    report = preview(store, home, settings, MODEL, chosen)
    assert {"copies in the inbox", "frozen evaluation sets", "runs", "folders of versions"} <= report.found.keys()
    assert files(home) == before
    assert store.removals.unfinished() == []
    assert {row.id for row in chosen.records} <= {row.id for row in store.feedback.all(MODEL)}


def test_a_set_is_replaced_by_a_version_of_it_without_the_case(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    before = store.evaluation_sets.all(MODEL)
    remove(store, home, settings, MODEL, chosen)
    after = store.evaluation_sets.all(MODEL)
    assert [len(each.cases) for each in after] == [len(each.cases) - 1 for each in before]
    assert [each.number for each in after] == [each.number for each in before]
    assert store.evaluation_sets.successors(MODEL) == {
        old.content_hash: new.content_hash for old, new in zip(before, after, strict=True)
    }


def test_scores_are_computed_again_from_the_answers_that_are_left(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    remove(store, home, settings, MODEL, chosen)
    version, in_force = store.versions.get(MODEL, LIVE), store.evaluation_sets.newest(MODEL)
    assert version is not None
    assert in_force is not None
    assert version.metrics["evaluation_hash"] == in_force.content_hash
    assert version.metrics["scores"]["candidate"]["prompts"] == len(in_force.cases)
    kept = json.loads((home.version(MODEL, LIVE) / "evaluation.json").read_text(encoding="utf-8"))
    assert (kept["scores"], kept["evaluation_hash"]) == (version.metrics["scores"], in_force.content_hash)
    assert kept["decision"] == "not proven"


def test_versions_that_know_a_record_are_marked(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    report = remove(store, home, settings, MODEL, chosen)
    assert report.versions == store.removals.marks(MODEL)
    assert {name: (mark.learned, mark.judged) for name, mark in report.versions.items()} == {
        "1.0.0": (1, 1),
        "1.1.0": (1, 1),
        "1.1.1": (0, 1),  # an adapter from elsewhere: it was only judged here
    }


def test_an_unfinished_run_that_has_a_record_is_given_up(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    run = store.runs.latest(MODEL)
    assert run is not None
    assert (home.run(run.id) / DATASET).is_dir()
    assert remove(store, home, settings, MODEL, chosen).run == run.id
    assert store.runs.get(run.id).state is RunState.ABANDONED
    assert not (home.run(run.id) / DATASET).exists()
    assert not (home.run(run.id) / RECORDS).exists()


def test_caches_whose_records_cannot_be_told_are_emptied(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    remove(store, home, settings, MODEL, chosen)
    assert list(home.states.rglob("*.safetensors")) == []
    assert list(home.answers.glob("*.json")) == []


def test_places_hold_nothing_when_they_are_visited_again(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    remove(store, home, settings, MODEL, chosen)
    assert preview(store, home, settings, MODEL, chosen).found == {}


def test_the_id_of_a_removed_record_is_not_given_again(store: Store, home: Home, settings: Settings) -> None:
    newest = max(store.feedback.all(MODEL), key=lambda row: row.id)
    last = max(newest.id, *(row.id for row in store.feedback.all("labels")))
    remove(store, home, settings, MODEL, Selection((newest,)))
    store.feedback.add(MODEL, _like(newest))
    assert store.feedback.last_id(MODEL) > last


def _like(row: StoredFeedback) -> NewFeedback:
    return NewFeedback(f"{row.content_hash}-2", row.prompt_hash, row.record, row.created_at, "http", 1)


def test_a_removal_waits_while_a_run_goes_on_and_is_finished_later(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    said = prompts(chosen)
    with exclusive(home.run_lock, timeout_s=1, busy=""), pytest.raises(BusyError, match="not trained on any more"):
        remove(store, home, settings, MODEL, chosen, wait_s=0.05)
    assert not {row.id for row in chosen.records} & {row.id for row in store.feedback.all(MODEL)}
    assert len(store.removals.unfinished()) == 1
    finish_removals(store, home, settings)
    assert store.removals.unfinished() == []
    assert [files_with(prompt, home.root) for prompt in said] == [[], []]


class KilledError(Exception):
    """Stands for the end of the process at that moment."""


@pytest.mark.parametrize("number", range(len(PLACES)), ids=[place.name for place in PLACES])
def test_a_removal_that_was_killed_in_a_place_is_finished_by_the_next(
    store: Store, home: Home, settings: Settings, chosen: Selection, number: int
) -> None:
    said = prompts(chosen)

    def dies(place: str, _share: float) -> None:
        if place == PLACES[number].name:
            raise KilledError

    with pytest.raises(KilledError):
        remove(store, home, settings, MODEL, chosen, progress=dies)
    finish_removals(store, home, settings)
    assert [files_with(prompt, home.root) for prompt in said] == [[], []]
    in_force, live = store.evaluation_sets.newest(MODEL), store.versions.get(MODEL, LIVE)
    assert in_force is not None
    assert live is not None
    assert live.metrics["evaluation_hash"] == in_force.content_hash


def test_a_removal_that_was_killed_before_the_database_is_compact_is_finished_by_the_next(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    said = prompts(chosen)

    def dies(_place: str, share: float) -> None:
        if share == 1:
            raise KilledError

    with pytest.raises(KilledError):
        remove(store, home, settings, MODEL, chosen, progress=dies)
    assert len(store.removals.unfinished()) == 1
    finish_removals(store, home, settings)
    assert [files_with(prompt, home.root) for prompt in said] == [[], []]


def test_another_reader_of_the_database_does_not_keep_the_text(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    with closing(sqlite3.connect(home.database)) as other:
        other.execute("SELECT count(*) FROM feedback").fetchone()
        remove(store, home, settings, MODEL, chosen)
        assert [files_with(prompt, home.root) for prompt in prompts(chosen)] == [[], []]


def test_the_daemon_finishes_what_was_begun(store: Store, home: Home, settings: Settings, chosen: Selection) -> None:
    def dies(_place: str, _share: float) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        remove(store, home, settings, MODEL, chosen, progress=dies)
    assert look_after(store, home, settings) == ["finished 1 removals of feedback"]
    assert store.removals.unfinished() == []
    assert [files_with(prompt, home.root) for prompt in prompts(chosen)] == [[], []]


def test_prompts_of_the_pool_go_with_the_record(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    for number, row in enumerate(chosen.records):
        messages = json.dumps(json.loads(row.record)["messages"])
        store.prompts.add(MODEL, [NewPrompt(row.prompt_hash, messages, (f"key-{number}",), "import")])
    remove(store, home, settings, MODEL, chosen)
    assert store.rows("SELECT 1 FROM prompts UNION ALL SELECT 1 FROM prompt_keys") == []


def test_where_nothing_is_selected_caches_of_an_earlier_release_stay(
    store: Store, home: Home, settings: Settings
) -> None:
    before = files(home)
    nothing = select(store, home, MODEL, Criteria(matching="nobody ever wrote this"))
    assert preview(store, home, settings, MODEL, nothing).found == {}
    remove(store, home, settings, MODEL, nothing)
    after = files(home)
    assert {path: after.get(path) for path in before} == before


def test_a_file_in_the_way_is_named_and_the_removal_is_finished_later(
    store: Store, home: Home, settings: Settings, chosen: Selection
) -> None:
    in_the_way = home.version(MODEL, LIVE) / "answers/not-a-file.jsonl"
    in_the_way.mkdir()
    with pytest.raises(InTheWayError, match=f"not everywhere gone yet: .*{in_the_way.name}"):
        remove(store, home, settings, MODEL, chosen)
    assert not {row.id for row in chosen.records} & {row.id for row in store.feedback.everything(MODEL)}
    in_the_way.rmdir()
    finish_removals(store, home, settings)
    assert [files_with(prompt, home.root) for prompt in prompts(chosen)] == [[], []]
