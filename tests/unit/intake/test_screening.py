"""Records with secrets or personal data are held until they are released."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.chat import Message, Role
from adapterd.config import FeedbackSettings, PersonalData
from adapterd.errors import NotFoundError
from adapterd.intake.screening import held_records, release, scan_in_child, scan_new
from adapterd.personal_data import finding
from adapterd.personal_data.finding import Finding
from adapterd.personal_data.scan import scan_lines
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.feedback import NewFeedback

MODEL = "news"
HOLD = FeedbackSettings()
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db") as opened:
        yield opened


def give(store: Store, prompt: str, correction: str = "An answer.") -> FeedbackRecord:
    record = FeedbackRecord((Message(Role.USER, prompt),), correction=correction, created_at=AT)
    store.feedback.add(MODEL, NewFeedback.of(record, "in/a.jsonl", 1))
    return record


def scanned(store: Store, settings: FeedbackSettings = HOLD) -> list[str]:
    """The excerpts of what is held, after a scan."""
    scan_new(store, MODEL, settings, scan=scan_lines)
    return [each.excerpt for each in held_records(store, MODEL, settings)]


def test_record_with_an_address_is_held_and_masked(store: Store) -> None:
    give(store, "Who met?")
    give(store, "Summarise: write to jane@example.org today")
    assert scanned(store) == ["Summarise: write to [email] today"]
    (held,) = held_records(store, MODEL, HOLD)
    assert held.reason == "held: it has an e-mail address"


def test_secret_of_an_answer_is_never_in_what_is_shown(store: Store) -> None:
    give(store, "Which key?", "It is AKIAIOSFODNN7EXAMPLE and jane@example.org has it.")
    (excerpt,) = scanned(store)
    assert excerpt == "It is [secret] and [email] ha…"


def test_record_is_scanned_once(store: Store) -> None:
    seen: list[str] = []

    def scan(records: Sequence[str]) -> list[list[Finding]]:
        seen.extend(records)
        return scan_lines(records)

    give(store, "one")
    assert scan_new(store, MODEL, HOLD, scan=scan) == 1
    give(store, "two")
    assert scan_new(store, MODEL, HOLD, scan=scan) == 1
    assert scan_new(store, MODEL, HOLD, scan=scan) == 0
    assert len(seen) == 2


def test_newer_scanner_scans_again_and_keeps_what_was_released(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    give(store, "jane@example.org")
    scan_new(store, MODEL, HOLD, scan=scan_lines)
    release(store, MODEL, HOLD, [1])
    monkeypatch.setattr("adapterd.intake.screening.SCANNER", finding.SCANNER + 1)
    assert scan_new(store, MODEL, HOLD, scan=scan_lines) == 1
    assert held_records(store, MODEL, HOLD) == []


def test_released_record_is_not_held(store: Store) -> None:
    give(store, "jane@example.org")
    give(store, "john@example.org")
    scan_new(store, MODEL, HOLD, scan=scan_lines)
    assert [each.id for each in release(store, MODEL, HOLD, [2])] == [2]
    assert [each.id for each in held_records(store, MODEL, HOLD)] == [1]


def test_release_of_what_is_not_held_is_refused(store: Store) -> None:
    give(store, "Who met?")
    scan_new(store, MODEL, HOLD, scan=scan_lines)
    with pytest.raises(NotFoundError, match="record 1 is not held"):
        release(store, MODEL, HOLD, [1])


@pytest.mark.parametrize(
    ("allow", "held"),
    [
        ((), 3),
        (("email",), 1),
        (("*@example.org",), 2),
        (("*@EXAMPLE.org", "phone"), 1),
        (("+4930901*",), 2),
        (("secret",), 3),
    ],
)
def test_rules_release_what_they_name(store: Store, allow: tuple[str, ...], held: int) -> None:
    give(store, "Desk: desk (at) example.org")
    give(store, "Jane: jane@example.com")
    give(store, "Call +49 30 901-820")
    assert len(scanned(store, FeedbackSettings(allow=allow))) == held  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", ["*@example.org", "*@ｅｘａｍｐｌｅ.org"])
def test_a_rule_knows_an_address_with_a_soft_hyphen_and_of_another_width(store: Store, rule: str) -> None:
    give(store, "Jane: jane@exam\N{SOFT HYPHEN}ple.org")
    give(store, "Jane: ｊａｎｅ＠example．org")
    assert scanned(store, FeedbackSettings(allow=("secret", rule))) == []  # type: ignore[arg-type]
    assert len(scanned(store)) == 2


def test_nothing_is_scanned_where_everything_is_allowed(store: Store) -> None:
    give(store, "jane@example.org")
    allowed = FeedbackSettings(personal_data=PersonalData.ALLOW)
    assert scan_new(store, MODEL, allowed, scan=scan_lines) == 0
    assert held_records(store, MODEL, allowed) == []


def test_what_is_stored_of_a_finding_has_no_text_of_it(store: Store) -> None:
    give(store, "Write to jane.unmistakable@example.org")
    scan_new(store, MODEL, HOLD, scan=scan_lines)
    rows = [dict(row) for row in store.rows("SELECT * FROM screenings")]
    assert "unmistakable" not in str(rows)


def test_forgotten_records_are_scanned_again(store: Store) -> None:
    record = give(store, "jane@example.org")
    scan_new(store, MODEL, HOLD, scan=scan_lines)
    store.screenings.forget(MODEL, [record.content_hash])
    assert scan_new(store, MODEL, HOLD, scan=scan_lines) == 1


def test_child_finds_what_this_process_finds() -> None:
    record = FeedbackRecord((Message(Role.USER, "jane@example.org"),), correction="Yes.", created_at=AT).to_json()
    assert scan_in_child([record]) == scan_lines([record])
