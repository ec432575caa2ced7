"""Which answer is marked next, what a mark says, and what counts of it."""

from pathlib import Path

import pytest

from adapterd.chat import Answer, Message, Role
from adapterd.errors import InputError, NotFoundError
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.metrics.metric import Question
from adapterd.evidence.kept_answers import answer_hash, case_hash
from adapterd.evidence.marked import marked, scores_of
from adapterd.home import Home
from adapterd.review.marking import Item, Marking, undo_last
from adapterd.runs.measuring.figures import with_marks
from adapterd.store import Store
from tests.support.hand_clock import HandClock
from tests.support.kept_answers import keep_answers
from tests.unit.evidence.played import MODEL, Played

REFERENCE = "It rains. It is cold."


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    """1.0.0 is live, 1.1.0 newer; both answer question 0 the same, and one was asked of 1.1.0 alone."""
    home = Home(tmp_path)
    played = Played.begun(store, HandClock())
    for version, cases in (("1.0.0", 4), ("1.1.0", 5)):
        played.candidate(version)
        answers = [
            (
                f"question {number}",
                REFERENCE,
                {"candidate": f"{version if number else 'same'} says {number}", "base": "b"},
            )
            for number in range(cases)
        ]
        keep_answers(home, MODEL, version, answers)
    played.promote("1.0.0")
    return home


def mark_all(marking: Marking, ticked: tuple[int, ...] = (0, 1), *, on_topic: bool = True) -> None:
    for item in marking.items.values():
        if not item.is_marked:
            marking.mark(item, ticked, on_topic=on_topic)


def one(store: Store) -> Item:
    found = Marking.of(store, MODEL).next()
    assert found
    return found


def test_newest_and_live_are_marked_together_and_the_same_answer_once(home: Home, store: Store) -> None:
    marking = Marking.of(store, MODEL)
    assert (set(marking.versions), marking.left) == ({"1.1.0", "1.0.0"}, 8)
    seen, item = [], marking.next()
    while item:
        seen.append(item)
        marking.mark(item, [0], on_topic=True)
        marking = Marking.of(store, MODEL)
        item = marking.next(item.key)
    assert len({each.key for each in seen}) == len(seen) == 8
    cases = [each.given.case for each in seen]
    assert cases == sorted(cases)  # both answers to a case come one after the other
    for version, count in (("1.0.0", 4), ("1.1.0", 5)):
        found = marked(store, MODEL, version)
        assert (found.fact_coverage.value, found.fact_coverage.cases, found.topic_drift.cases) == (0.5, count, count)
    assert marked(store, MODEL, "2.0.0").fact_coverage.cases == 0


def test_one_version_is_marked_alone_the_base_too(home: Home, store: Store) -> None:
    assert len(Marking.of(store, MODEL, "1.0.0").items) == 4
    assert {each.given.text for each in Marking.of(store, MODEL, "base").items.values()} == {"b"}
    assert Marking.of(store, MODEL, "base-000000000000").items == {}
    with pytest.raises(NotFoundError, match=r"no version \.\./1\.0\.0"):
        Marking.of(store, MODEL, "../1.0.0")


@pytest.mark.parametrize("action", ["rebase", "repin"])
def test_of_the_base_only_answers_of_the_one_in_use_are_marked(home: Home, store: Store, action: str) -> None:
    given_up = store.versions.begin_intent(MODEL, action, "sha256:given-up")
    store.versions.finish_intent(given_up, "undone")
    assert len(Marking.of(store, MODEL, "base").items) == 5
    store.versions.finish_intent(store.versions.begin_intent(MODEL, action, "sha256:new"))
    assert Marking.of(store, MODEL, "base").items == {}
    store.versions.add(MODEL, "2.0.0", run_id="r", digest="d", base_digest="sha256:new")
    keep_answers(home, MODEL, "2.0.0", [("question 0", REFERENCE, {"candidate": "c", "base": "of the new base"})])
    assert [each.given.text for each in Marking.of(store, MODEL, "base").items.values()] == ["of the new base"]


def test_nothing_is_marked_where_nothing_is_kept(store: Store) -> None:
    assert Marking.of(store, MODEL).next() is None
    with pytest.raises(NotFoundError, match="nothing was marked"):
        undo_last(store, MODEL)


def test_what_is_skipped_comes_again_when_all_others_are_marked(home: Home, store: Store) -> None:
    first = one(store)
    marking = Marking.of(store, MODEL)
    for item in list(marking.items.values())[1:]:
        assert marking.next(item.key) is not item
        marking.mark(item, [], on_topic=True)
    last = Marking.of(store, MODEL)
    assert last.next(list(last.items)[-1]) == last.items[first.key] == last.next(first.key)


def test_facts_that_are_changed_later_leave_the_topic_alone(home: Home, store: Store) -> None:
    mark_all(Marking.of(store, MODEL), (0,), on_topic=False)
    marking = Marking.of(store, MODEL)
    marking.change_facts(next(iter(marking.items.values())), ("It rains.",))
    found, again = marked(store, MODEL, "1.1.0"), Marking.of(store, MODEL)
    assert (found.fact_coverage.cases, found.topic_drift.cases, found.outdated) == (4, 5, 1)
    assert "1 mark that was made with other facts" in found.notes
    assert {each.facts for each in again.items.values() if not each.is_marked} == {("It rains.",)}
    mark_all(again, (0,))
    found = marked(store, MODEL, "1.1.0")
    assert found.fact_coverage.value == pytest.approx((4 * 0.5 + 1) / 5)
    assert (found.outdated, found.notes) == (0, "")


def test_a_case_without_facts_counts_for_the_topic(home: Home, store: Store) -> None:
    marking = Marking.of(store, MODEL, "1.0.0")
    for item in marking.items.values():
        marking.change_facts(item, ())
    mark_all(Marking.of(store, MODEL, "1.0.0"), ())
    found = marked(store, MODEL, "1.0.0")
    assert (found.fact_coverage.value, found.topic_drift.value, found.topic_drift.cases) == (None, 0.0, 4)
    assert set(map(tuple, scores_of(store, MODEL).values())) == {("topic_drift",)}


def test_intervals_are_around_the_shares(home: Home, store: Store) -> None:
    mark_all(Marking.of(store, MODEL), (0,), on_topic=True)
    found = marked(store, MODEL, "1.1.0")
    for figure, value in ((found.fact_coverage, 0.5), (found.topic_drift, 0.0)):
        assert figure.value == value
        assert 0 <= figure.low <= value <= figure.high <= 1
        assert figure.low < figure.high
        assert "by 5 marked cases" in str(figure)


def test_marks_are_scores_of_the_very_answers_to_their_cases(home: Home, store: Store) -> None:
    item = one(store)
    Marking.of(store, MODEL).mark(item, [1], on_topic=False)
    assert scores_of(store, MODEL) == {item.key: {"topic_drift": 1.0, "fact_coverage": 0.5}}
    messages = tuple(Message(Role.USER, each["content"]) for each in item.given.messages)
    questions = [Question(item.given.id, messages, reference) for reference in (item.given.reference, "other")] * 2
    texts = [item.given.text, item.given.text, "another answer", "another answer"]
    given = Answers("m:1.0.0", "d", tuple(Answer(text, "stop", 1, 1, 0.1, 0.1) for text in texts))
    found = with_marks(questions, given, scores_of(store, MODEL))
    marks = {"topic_drift": 1.0, "fact_coverage": 0.5}
    assert [each.figures for each in found.answers] == [marks, {}, {}, {}]


def test_an_answer_is_marked_once_and_undone(home: Home, store: Store) -> None:
    item = one(store)
    Marking.of(store, MODEL).mark(item, [0, 0], on_topic=True)
    marking = Marking.of(store, MODEL)
    with pytest.raises(InputError, match="marked already"):
        marking.mark(marking.item(item.key), [1], on_topic=True)
    assert undo_last(store, MODEL).ticked == (0,)
    assert one(store).key == item.key
    assert store.rubrics.facts(MODEL) == {item.given.case: ("It rains.", "It is cold.")}


@pytest.mark.parametrize("places", [[2], [-1], [0, 99]])
def test_a_fact_that_there_is_not_is_refused(home: Home, store: Store, places: list[int]) -> None:
    with pytest.raises(InputError, match="a fact that there is not"):
        Marking.of(store, MODEL).mark(one(store), places, on_topic=True)
    assert store.rubrics.cases(MODEL) == set()


def test_an_answer_that_is_gone_is_said(home: Home, store: Store) -> None:
    with pytest.raises(NotFoundError, match="not there any more"):
        Marking.of(store, MODEL).item((case_hash([], ""), answer_hash("")))


def test_answers_that_cannot_be_read_are_said_and_count_nowhere(home: Home, store: Store) -> None:
    mark_all(Marking.of(store, MODEL))
    file = home.version(MODEL, "1.1.0") / "answers" / "frozen.jsonl"
    file.write_text('{"answers": []}\n')
    with pytest.raises(InputError, match="line 1 is not the answers to a case"):
        Marking.of(store, MODEL)
    assert marked(store, MODEL, "1.1.0").topic_drift.value is None
