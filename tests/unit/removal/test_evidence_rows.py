"""What a record said of two versions goes with the record."""

from adapterd.config import Settings
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.removal.remove import remove
from adapterd.removal.selection import Criteria, select
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Counts
from tests.support.compared_versions import PRIMARY, begin
from tests.unit.removal.conftest import MODEL


def test_evidence_of_a_removed_record_goes_and_that_of_others_stays(
    store: Store, home: Home, settings: Settings
) -> None:
    posts = [{"prompt": f"the question that {name}", "correction": name} for name in ("goes", "stays")]
    take_posted(store, MODEL, posts)
    comparison = begin(store, model=MODEL)
    hashes = {row.record: row.content_hash for row in store.feedback.everything(MODEL)}
    cases = [
        CaseEvidence(f"case {content}", content, "app", None, "score", Counts.DECIDES, {PRIMARY: 0.1})
        for content in hashes.values()
    ]
    store.comparisons.add_look(comparison.id, cases)
    store.comparisons.set_standing(comparison.id, {"against": None, "note": "kept"})

    report = remove(store, home, settings, MODEL, select(store, home, MODEL, Criteria(matching="that goes")))

    assert report.found["evidence of fresh cases"] == ["what 1 fresh cases said"]
    (look,) = store.comparisons.looks(comparison.id)
    assert [case.record for case in look.cases] == [content for text, content in hashes.items() if "that stays" in text]
