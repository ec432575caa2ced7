"""What a removal takes along that is neither a record nor a file."""

import json

from adapterd.config import Settings
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.screening import held_records, release, scan_new
from adapterd.personal_data.scan import scan_lines
from adapterd.removal.outliving import forget_removed
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import NewPrompt
from tests.unit.removal.conftest import MODEL

RECORD = {"prompt": "Who is jane@example.org?", "correction": "The mayor."}


def take_back(store: Store, home: Home, settings: Settings, criteria: Criteria) -> None:
    remove(store, home, settings, MODEL, select(store, home, MODEL, criteria))


def test_a_record_that_was_released_and_removed_is_held_when_it_is_let_in_again(
    store: Store, home: Home, settings: Settings
) -> None:
    feedback = settings.models[MODEL].feedback
    take_posted(store, MODEL, [RECORD])
    scan_new(store, MODEL, feedback, scan=scan_lines)
    release(store, MODEL, feedback, [1])
    take_back(store, home, settings, Criteria(ids=("1",)))
    assert store.rows("SELECT 1 FROM screenings") == []
    barred = store.removals.hashes(MODEL)
    forget_removed(home, MODEL, barred)
    store.removals.forget(MODEL, barred)
    assert take_posted(store, MODEL, [RECORD]).accepted == 1
    scan_new(store, MODEL, feedback, scan=scan_lines)
    assert len(held_records(store, MODEL, feedback)) == 1


def test_a_wanted_text_goes_from_the_keys_of_other_prompts(store: Store, home: Home, settings: Settings) -> None:
    messages = json.dumps([{"role": "user", "content": "Who met?"}])
    store.prompts.add(MODEL, [NewPrompt("p", messages, ("Jane-Doe-7", "8"), "requests.csv")])
    take_back(store, home, settings, Criteria(matching="jane-doe"))
    assert [row["key"] for row in store.rows("SELECT key FROM prompt_keys")] == ["8"]
    assert store.prompts.counts(MODEL).prompts == 1


def test_a_key_stays_that_is_the_source_of_a_removed_record(store: Store, home: Home, settings: Settings) -> None:
    messages = json.dumps([{"role": "user", "content": "Who met?"}])
    store.prompts.add(MODEL, [NewPrompt("p", messages, ("7",), "requests.csv")])
    take_posted(store, MODEL, [{**RECORD, "source_id": "7"}])
    take_back(store, home, settings, Criteria(ids=("1",)))
    assert [row["key"] for row in store.rows("SELECT key FROM prompt_keys")] == ["7"]
