"""Which feedback is fresh, and which of it decides between two versions."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapterd.capture.passthrough.capture_id import new_id
from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings, Reviews, Sources
from adapterd.dataset.cases import EvaluationCase, case_of
from adapterd.dataset.statements import resolve
from adapterd.demo import newsroom
from adapterd.evaluation.e_process import SCORE
from adapterd.evidence.fresh_cases import FreshCase, fresh_cases, frozen_evidence, unit_of
from adapterd.intake.http_intake import take_posted
from adapterd.record import FeedbackRecord
from adapterd.serving.tags import BASE
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts, Purpose
from adapterd.store.feedback import StoredFeedback
from adapterd.store.reviews.reviews import Outcome, Review, Slice
from tests.unit.evidence.played import MODEL, PRIMARY, Played

ITEMS = newsroom.items(80, 3)
DECIDES, SHOWN = Counts.DECIDES, Counts.SHOWN
Record = dict[str, Any]


@pytest.fixture
def comparison(played: Played) -> Comparison:
    """1.1.0 challenges 1.0.0, which is live; 0.9.0 was live before."""
    for name in ("0.9.0", "1.0.0"):
        played.candidate(name)
        played.promote(name)
    return played.challenger("1.1.0")


def about(number: int, **more: object) -> Record:
    """What is sent of one of the prompts."""
    item = ITEMS[number]
    return {"prompt": item.prompt, "source_id": item.source_id, **more}


def demonstrated(number: int, **more: object) -> Record:
    return about(number, correction=ITEMS[number].answer, **more)


def corrected(number: int, **more: object) -> Record:
    return about(number, output="wrong", rating=1, correction=ITEMS[number].answer, **more)


def accepted(number: int, **more: object) -> Record:
    return about(number, output=ITEMS[number].answer, rating=5, **more)


def post(played: Played, *records: Record) -> None:
    played.clock.move_on()
    assert take_posted(played.store, MODEL, records).accepted == len(records)


def found(
    played: Played, comparison: Comparison, *, most: int = 30, reviews: Reviews = Reviews.MISTAKES, **more: Any
) -> list[FreshCase]:
    given = {"dataset": DatasetSettings(), **more}
    return fresh_cases(played.store, comparison, most=most, reviews=reviews, **given)


def counts(
    played: Played, comparison: Comparison, reviews: Reviews = Reviews.MISTAKES, **more: Any
) -> Mapping[int, Counts]:
    """Whether each prompt that is fresh decides, by its number."""
    numbers = {item.prompt: number for number, item in enumerate(ITEMS)}
    return {
        numbers[each.case.messages[0].content]: each.counts
        for each in found(played, comparison, reviews=reviews, **more)
    }


def ask(played: Played, comparison: Comparison, cases: list[FreshCase]) -> None:
    """All of them were asked, and each was a tie."""
    played.season.add(comparison, [_evidence(each) for each in cases])


def _evidence(fresh: FreshCase) -> CaseEvidence:
    case = fresh.case
    return CaseEvidence(case.id, case.record, fresh.origin, case.source_id, SCORE, fresh.counts, {PRIMARY: 0.0})


def test_only_what_came_after_it_began_is_fresh(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    post(played, demonstrated(0), demonstrated(1))
    comparison = played.challenger("1.1.0")
    post(played, demonstrated(2))
    assert counts(played, comparison) == {2: DECIDES}


def test_what_was_asked_of_a_known_prompt_again_is_not_fresh(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    post(played, demonstrated(0))
    comparison = played.challenger("1.1.0")
    post(played, about(0, correction="something else"), demonstrated(1))
    assert counts(played, comparison) == {1: DECIDES}


def test_a_case_is_asked_once(played: Played, comparison: Comparison) -> None:
    post(played, *map(demonstrated, range(4)))
    ask(played, comparison, found(played, comparison))
    assert found(played, comparison) == []
    post(played, about(0, correction="said anew"), demonstrated(5))
    assert counts(played, comparison) == {5: DECIDES}


def test_a_frozen_case_is_not_fresh(played: Played, comparison: Comparison) -> None:
    post(played, demonstrated(0), demonstrated(1))
    frozen = [each.case.as_dict() for each in found(played, comparison)][:1]
    played.store.evaluation_sets.freeze(MODEL, "hash", frozen)
    assert [each.case.id for each in found(played, comparison)] != [frozen[0]["id"]]
    assert len(found(played, comparison)) == 1


def test_what_is_nearly_a_known_prompt_is_not_fresh(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    text = ITEMS[0].prompt
    post(played, {"prompt": text, "correction": "a"})
    comparison = played.challenger("1.1.0")
    post(played, {"prompt": f"{text} ", "correction": "b"}, {"prompt": text.upper(), "correction": "c"})
    assert counts(played, comparison) == {}


@pytest.mark.parametrize("sources", list(Sources))
def test_what_is_of_a_known_source_is_fresh_only_where_sources_may_be_on_both_sides(
    played: Played, sources: Sources
) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    post(played, demonstrated(0, source_id="an article"))
    comparison = played.challenger("1.1.0")
    post(played, demonstrated(1, source_id="an article"), demonstrated(2))
    wanted = {2: DECIDES} if sources is Sources.ONE_SIDE else {1: DECIDES, 2: DECIDES}
    assert counts(played, comparison, dataset=DatasetSettings(sources=sources)) == wanted


def test_what_is_held_is_not_asked(played: Played, comparison: Comparison) -> None:
    post(played, demonstrated(0), demonstrated(1))
    first, _ = sorted(found(played, comparison), key=lambda each: each.case.messages[0].content == ITEMS[1].prompt)
    assert counts(played, comparison, held={first.case.record}) == {1: DECIDES}


def test_demonstrations_decide_and_corrections_of_a_third_version_do(played: Played, comparison: Comparison) -> None:
    before = played.store.versions.deployments(MODEL)[1].since
    assert played.store.versions.deployments(MODEL)[1].live == "0.9.0"
    post(played, demonstrated(0), corrected(1, created_at=before.isoformat()), corrected(2))
    assert counts(played, comparison) == {0: DECIDES, 1: DECIDES, 2: SHOWN}


def test_an_accepted_answer_of_a_third_version_is_no_reference(played: Played, comparison: Comparison) -> None:
    before = played.store.versions.deployments(MODEL)[1].since
    post(played, accepted(0, created_at=before.isoformat()))
    assert counts(played, comparison) == {}


def test_good_answers_beside_mistakes_do_not_show_that_all_are_reviewed(played: Played, comparison: Comparison) -> None:
    post(played, *map(corrected, range(5)), *map(accepted, range(5, 20)))
    assert counts(played, comparison) == dict.fromkeys(range(5), SHOWN)


@pytest.mark.parametrize(("reviews", "wanted"), [(Reviews.ALL, DECIDES), (Reviews.MISTAKES, SHOWN)])
def test_a_setting_says_which_answers_are_reviewed(
    played: Played, comparison: Comparison, reviews: Reviews, wanted: Counts
) -> None:
    post(played, *map(corrected, range(3)))
    assert counts(played, comparison, reviews) == dict.fromkeys(range(3), wanted)
    post(played, *map(accepted, range(3, 6)))
    expected = range(6) if wanted is DECIDES else range(3)
    assert counts(played, comparison, reviews) == dict.fromkeys(expected, wanted)


def test_the_watch_counts_the_answers_of_both_versions(played: Played) -> None:
    played.candidate("1.0.0")
    played.promote("1.0.0")
    played.season.settle()
    [watch] = played.of(Purpose.WATCH)
    assert (watch.ours, watch.theirs) == (BASE, "1.0.0")
    post(played, *map(corrected, range(3)))
    assert set(counts(played, watch).values()) == {SHOWN}


def test_what_is_only_better_than_another_answer_is_no_reference(played: Played, comparison: Comparison) -> None:
    post(played, about(0, correction="better", rejected_output="worse"), demonstrated(1))
    assert counts(played, comparison) == {1: DECIDES}


def test_an_answer_that_is_only_called_bad_is_no_case(played: Played, comparison: Comparison) -> None:
    post(played, about(0, output="wrong", rating=1), demonstrated(1))
    assert counts(played, comparison) == {1: DECIDES}


def test_the_last_statement_of_a_prompt_is_taken_and_a_mistake_stays_one(
    played: Played, comparison: Comparison
) -> None:
    post(played, corrected(0))
    post(played, about(0, correction="another"))
    [case] = found(played, comparison)
    assert (case.case.reference, case.counts) == ("another", SHOWN)


@pytest.mark.parametrize(("reviews", "wanted"), [(Reviews.ALL, DECIDES), (Reviews.MISTAKES, SHOWN)])
def test_an_answer_from_before_anything_was_live_may_be_that_of_the_base(
    played: Played, comparison: Comparison, reviews: Reviews, wanted: Counts
) -> None:
    post(played, corrected(0, created_at="1970-01-02T00:00:00+00:00"))
    assert counts(played, comparison, reviews) == {0: wanted}


def test_nearly_the_same_prompts_count_once_however_many_nights_they_come(
    played: Played, comparison: Comparison
) -> None:
    variants = [f"{ITEMS[0].prompt}{end}" for end in ("", " ", "!", " ?", " please")]
    post(played, *({"prompt": text, "correction": "a"} for text in variants[:3]))
    cases = found(played, comparison)
    assert len(cases) == 1
    ask(played, comparison, cases)
    post(played, *({"prompt": text, "correction": "a"} for text in variants[3:]), demonstrated(1))
    assert counts(played, comparison) == {1: DECIDES}


@pytest.mark.parametrize("end", ["!", " ?", " Thank you.", " please"])
def test_a_mistake_said_once_more_in_nearly_the_same_words_stays_one(
    played: Played, comparison: Comparison, end: str
) -> None:
    post(played, corrected(0), {"prompt": f"{ITEMS[0].prompt}{end}", "correction": ITEMS[0].answer})
    assert [each.counts for each in found(played, comparison)] == [SHOWN]


def test_turns_of_a_conversation_are_one_unit() -> None:
    turn = EvaluationCase("one", (Message(Role.USER, "And?"),), "a", "record", conversation_id="talk")
    assert unit_of(turn) == unit_of(replace(turn, id="two")) == "conversation talk"
    assert unit_of(replace(turn, source_id="article")) == "article"
    assert unit_of(replace(turn, conversation_id=None)) is None


def test_a_case_whose_record_is_not_in_force_any_more_decides_nothing(played: Played) -> None:
    post(played, corrected(0), demonstrated(1))
    comparison = played.challenger("1.0.0")
    cases = [case.as_dict() for case in map(_case, played.store.feedback.all(MODEL))]
    own = {**cases[0], "id": "own", "record": "own", "messages": [{"role": "user", "content": "One of my own?"}]}
    played.store.evaluation_sets.freeze(MODEL, "hash", [*cases, own])
    with played.store.transaction():
        played.store.feedback._database.execute("UPDATE feedback SET withdrawn_at = received_at")
    differences = {str(each["id"]): {PRIMARY: 0.5} for each in (*cases, own)}
    said = frozen_evidence(played.store, MODEL, "hash", differences, (comparison.ours, BASE), Reviews.ALL)
    assert [(each.case, each.counts) for each in said] == [("own", DECIDES)]


def test_a_night_has_so_many_cases_and_the_others_come_later(played: Played, comparison: Comparison) -> None:
    post(played, *map(demonstrated, range(25)))
    nights = []
    while cases := found(played, comparison, most=10):
        nights.append(len(cases))
        ask(played, comparison, cases)
    assert nights == [10, 10, 5]
    looks = played.store.comparisons.looks(comparison.id)
    assert len({case.case for look in looks for case in look.cases}) == 25


def test_no_application_gives_more_than_its_share_of_a_night(played: Played, comparison: Comparison) -> None:
    post(played, *(demonstrated(number, application="loud") for number in range(40)))
    post(played, *(demonstrated(number, application="quiet") for number in range(40, 60)))
    cases = found(played, comparison, most=20)
    assert sum(each.origin == "loud" for each in cases) == 10
    assert len(cases) == 20


def test_of_a_frozen_set_the_same_cases_decide(played: Played) -> None:
    post(played, demonstrated(0), corrected(1), about(2, correction="better", rejected_output="worse"))
    played.clock.move_on(timedelta(days=1).total_seconds())
    comparison = played.challenger("1.0.0")
    cases = [case.as_dict() for case in map(_case, played.store.feedback.all(MODEL))]
    played.store.evaluation_sets.freeze(MODEL, "hash", cases)
    differences = {str(each["id"]): {PRIMARY: 0.5} for each in cases}
    said = frozen_evidence(played.store, MODEL, "hash", differences, (comparison.ours, BASE), Reviews.MISTAKES)
    by_case = {each.case: each.counts for each in said}
    assert [by_case.get(str(each["id"])) for each in cases] == [DECIDES, SHOWN, None]
    assert frozen_evidence(played.store, MODEL, "none", differences, (comparison.ours, BASE), Reviews.MISTAKES) == []


def _case(row: StoredFeedback) -> EvaluationCase:
    return case_of(resolve([FeedbackRecord.from_json(row.record)]).examples[0])


def test_what_chance_chose_to_be_judged_decides_good_or_bad(played: Played, comparison: Comparison) -> None:
    records = [*map(corrected, range(4)), *map(accepted, range(4, 8))]
    posted = take_posted(played.store, MODEL, records)
    assert counts(played, comparison) == dict.fromkeys(range(4), SHOWN)
    for number, record in enumerate(posted.ids):
        is_random = number in (0, 4)
        review = Review(
            new_id(played.clock().timestamp() - 60 + number),
            Slice.RANDOM if is_random else Slice.DIRECTED, "", Outcome.BAD, record,
            chance=0.1 if number % 2 == 0 and number != 6 else 0.9, chosen_at=played.clock(), at=played.clock(),
        )  # fmt: skip
        assert played.store.reviews.add(MODEL, review)
    # 2 was chosen for another reason, and chance has come to it since; 6 it has not
    assert counts(played, comparison) == {0: DECIDES, 1: SHOWN, 2: DECIDES, 3: SHOWN, 4: DECIDES}
