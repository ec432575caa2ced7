"""What goes, seen against what stays."""

import json
from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.reader import ParsedPiece, RejectedPiece
from adapterd.intake.http_intake import take_posted
from adapterd.removal.removed import Removed
from adapterd.removal.texts import REMOVED
from adapterd.store import Store
from adapterd.store.taken_back.removals import RECORD, TEXT, BeingRemoved
from tests.unit.removal.conftest import MODEL

GOES = {"prompt": "Who met in secret?", "correction": "accuracy", "source_id": "dossier 7"}
STAYS = {"prompt": "Who met in public?", "correction": "accuracy"}


@pytest.fixture
def removed(store: Store) -> Removed:
    """One record goes, and another one stays."""
    take_posted(store, MODEL, [GOES, STAYS])
    row = store.feedback.all(MODEL)[0]
    with store.transaction():
        store.removals.begin(MODEL, "test", going=[], hashes=[row.content_hash], versions={})
        store.feedback.forget([row.id])
    return Removed.of(store, MODEL, [BeingRemoved(RECORD, row.record, "http", 1)])


def piece(value: Any) -> ParsedPiece:
    return ParsedPiece(1, value, json.dumps(value).encode())


def test_texts_that_another_record_has_do_not_go(removed: Removed) -> None:
    assert removed.texts.texts == {"Who met in secret?", "dossier 7"}


def test_pieces_of_records_that_stay_stay(removed: Removed) -> None:
    options = ReadingOptions()
    assert removed.has_piece(piece(GOES), options)
    assert not removed.has_piece(piece(STAYS), options)
    assert removed.has_piece(RejectedPiece(1, "broken", b'{"prompt": "Who met in secret?'), options)
    assert removed.has_piece(RejectedPiece(1, "broken", b'{"prompt": "Who met in \\u0073ecret?'), options)
    assert not removed.has_piece(RejectedPiece(1, "broken", b'{"prompt": "Who met in public?'), options)


def test_our_own_words_stay_where_a_text_is_one_of_them(store: Store) -> None:
    take_posted(store, MODEL, [{"prompt": "Which metric?", "correction": "promoted"}])
    row = store.feedback.all(MODEL)[0]
    store.feedback.forget([row.id])
    removed = Removed.of(store, MODEL, [BeingRemoved(RECORD, row.record, "http", 1)])
    ours = {"state": "promoted", "promoted": 1, "settings": {"task": "promoted"}, "metrics": {"recall.promoted": 0.5}}
    assert removed.cleaned({**ours, "reason": "it says 'promoted'"}, {}) == {
        **ours,
        "metrics": {f"recall.{REMOVED}": 0.5},
        "reason": f"it says '{REMOVED}'",
    }


def test_a_wanted_text_is_found_without_regard_to_case_and_leaves_our_words_alone(store: Store) -> None:
    removed = Removed.of(store, MODEL, [BeingRemoved(TEXT, "Jörg STRASSE", "", 0)])
    assert removed.has_text("… jo\u0308rg straße …".encode())
    assert removed.texts.without("It was JÖRG Strasse.") == f"It was {REMOVED}."
    assert removed.texts.without("Es war Jörg Straße.") == REMOVED
    assert removed.cleaned({"reason": "jörg strasse"}, {}) == {"reason": "jörg strasse"}


def test_cases_and_notes_of_a_record_go_and_a_dataset_names_the_set_of_today(removed: Removed) -> None:
    going = next(iter(removed.hashes))
    case = {"messages": [{"role": "user", "content": "Who met in public?"}], "reference": "x", "record": "other"}
    result = {
        "content_hash": "1", "evaluation_hash": "old", "evaluation_cases": [case, {**case, "record": going}],
        "unusable": [{"record": going, "source_id": None, "reason": "odd"}],
    }  # fmt: skip
    assert removed.cleaned(result, {"old": "new"}) == {
        "content_hash": "1", "evaluation_hash": "new", "evaluation_cases": [case], "unusable": [],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["reference", "keywords", "key_facts", "source_id", "conversation_id", "origin"])
def test_a_case_goes_that_has_a_wanted_text_in_anything_that_somebody_wrote(store: Store, name: str) -> None:
    removed = Removed.of(store, MODEL, [BeingRemoved(TEXT, "Jane Doe", "", 0)])
    case = {"messages": [{"role": "user", "content": "Who met?"}], "reference": "The council.", "record": "r"}
    text = "It was jane doe."
    assert removed.has_case({**case, name: [text] if name in ("keywords", "key_facts") else text})
    assert not removed.has_case(case)


def test_a_text_of_which_nothing_is_seen_is_nowhere(store: Store) -> None:
    """Releases that took fewer characters for invisible may have begun its removal."""
    removed = Removed.of(store, MODEL, [BeingRemoved(TEXT, "\N{HANGUL FILLER}", "", 0)])
    assert removed.texts.wanted == ()
    assert not removed.has_text(b"any text")
