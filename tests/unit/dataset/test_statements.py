"""What all statements about a prompt teach together: of each answer the last verdict counts."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.dataset.judgements import LEFT_AS_IT_WAS
from adapterd.dataset.statements import Resolution, Use, resolve
from adapterd.record import FailureTag, FeedbackRecord

START = datetime(2026, 11, 1, 10, tzinfo=UTC)
RECORD = FeedbackRecord((Message(Role.USER, "Title: the ferry is late."),), created_at=START)
TAGS = (FailureTag.STYLE_MISMATCH,)


def said(day: int = 0, **fields: Any) -> FeedbackRecord:
    return replace(RECORD, created_at=START + timedelta(days=day), **fields)


def examples(*records: FeedbackRecord) -> list[str]:
    return [example.completion for example in resolve(records).examples]


def pairs(*records: FeedbackRecord) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in resolve(records).pairs]


def uses(*records: FeedbackRecord) -> list[str]:
    return [str(teaching) for teaching in resolve(records).teachings]


@pytest.mark.parametrize(
    "verdict",
    [
        {"rating": 1},
        {"rating": 3},
        {"failure_tags": TAGS},
        {"rating": 5, "failure_tags": TAGS},
    ],
)
def test_what_was_good_and_is_bad_now_teaches_nothing(verdict: dict[str, Any]) -> None:
    once, now = said(output="Ferry sinks", rating=5), said(4, output="Ferry sinks", **verdict)
    assert examples(once, now) == []
    assert examples(now, once) == []


def test_what_was_bad_and_is_good_now_is_the_example() -> None:
    assert examples(said(output="Late ferry", rating=1), said(1, output="Late ferry", rating=4)) == ["Late ferry"]


@pytest.mark.parametrize("again", ["Cafe\u0301\nopens", "Caf\u00e9\r\nopens ", "\n Caf\u00e9\nopens"])
def test_a_verdict_is_about_the_answer_in_any_form_of_unicode_and_of_line_ends(again: str) -> None:
    assert examples(said(output="Caf\u00e9\nopens", rating=5), said(1, output=again, rating=1)) == []


def test_a_bad_answer_that_is_better_than_another_is_no_example() -> None:
    better = said(1, correction="Ferry", rejected_output="Boat")
    assert examples(said(output="Ferry", rating=1), better) == []
    assert [pair.imitate for pair in resolve([said(output="Ferry", rating=1), better]).pairs] == [False]


def test_a_correction_that_is_judged_bad_later_is_no_example() -> None:
    corrected = said(output="Ferry", correction="Ferry gone")
    assert examples(corrected, said(1, output="Ferry gone", rating=2)) == []
    assert pairs(corrected, said(1, output="Ferry gone", rating=2)) == []


def test_a_demonstration_that_is_judged_bad_later_is_no_example() -> None:
    assert examples(said(correction="Ferry gone"), said(1, output="Ferry gone", failure_tags=TAGS)) == []


def test_a_good_answer_that_is_corrected_later_gives_way_to_the_correction() -> None:
    assert examples(said(output="Ferry", rating=5), said(1, output="Ferry", correction="Ferry late")) == ["Ferry late"]


def test_behind_a_bad_answer_the_good_one_before_it_is_the_example() -> None:
    older, newer = said(output="Late ferry", rating=5), said(1, output="Ferry", rating=5)
    assert examples(older, newer) == ["Ferry"]
    assert examples(older, newer, said(2, output="Ferry", rating=1)) == ["Late ferry"]


def test_an_answer_that_is_said_again_after_another_one_is_the_example() -> None:
    first, second = said(correction="Late ferry"), said(1, correction="Ferry late")
    assert examples(first, second, said(2, correction="Late ferry")) == ["Late ferry"]


def test_of_two_annotators_at_the_same_time_the_one_who_arrived_later_counts() -> None:
    good, bad = said(output="Ferry", rating=5), said(output="Ferry", rating=1)
    assert examples(good, bad) == []
    assert examples(bad, good) == ["Ferry"]


def test_a_low_rating_does_not_take_away_a_correction_of_the_same_answer() -> None:
    corrected = said(output="Ferry", correction="Ferry late")
    assert examples(corrected, said(1, output="Ferry", rating=1)) == ["Ferry late"]
    assert pairs(corrected, said(1, output="Ferry", rating=1)) == [("Ferry late", "Ferry")]


def test_of_two_corrections_of_one_answer_the_later_is_preferred_to_it() -> None:
    once, now = said(output="Ferry", correction="Ferry late"), said(1, output="Ferry", correction="Late ferry")
    assert pairs(once, now) == [("Late ferry", "Ferry")]


def test_an_answer_that_is_approved_later_is_no_longer_the_worse_one() -> None:
    corrected = said(output="Ferry", correction="Ferry late")
    assert pairs(corrected, said(1, output="Ferry", rating=5)) == []
    assert examples(corrected, said(1, output="Ferry", rating=5)) == ["Ferry"]


@pytest.mark.parametrize("day", [0, 1])
@pytest.mark.parametrize("better", ["correction", "output"])
def test_a_pair_that_is_turned_round_replaces_the_earlier_one(better: str, day: int) -> None:
    answers: list[dict[str, Any]] = [
        {better: "A", "rejected_output": "B"},
        {better: "B", "rejected_output": "A"},
    ]
    one, other = said(0, **answers[0]), said(day, **answers[1])
    assert pairs(one, other) == [("B", "A")]
    assert [pair.imitate for pair in resolve([one, other]).pairs] == [True]


def test_a_correction_that_is_turned_round_replaces_the_earlier_one() -> None:
    assert pairs(said(output="A", correction="B"), said(1, output="B", correction="A")) == [("A", "B")]


def test_a_circle_of_preferences_is_opened_at_its_oldest() -> None:
    circle = [
        said(day, correction=better, rejected_output=worse)
        for day, (better, worse) in enumerate((("A", "B"), ("B", "C"), ("C", "A")))
    ]
    assert pairs(*circle) == [("B", "C"), ("C", "A")]
    assert examples(*circle) == ["B"]


def test_the_worse_one_of_a_pair_in_force_is_no_example() -> None:
    ranked = (said(correction="A", rejected_output="B"), said(correction="B", rejected_output="C"))
    assert pairs(*ranked) == [("A", "B"), ("B", "C")]
    assert examples(*ranked) == ["A"]


@pytest.mark.parametrize("verdict", [{"rating": 1}, {"rating": 3}, {"failure_tags": TAGS}])
def test_a_bad_answer_that_is_better_than_a_worse_one_is_not_imitated(verdict: dict[str, Any]) -> None:
    found = resolve([said(output="Ferry", rejected_output="Boat lol", **verdict)])
    assert [(pair.chosen, pair.imitate) for pair in found.pairs] == [("Ferry", False)]
    assert found.examples == []


def test_a_pair_of_an_answer_that_was_judged_bad_before_is_not_imitated() -> None:
    bad, better = said(output="Ferry", rating=1), said(1, output="Ferry", rejected_output="Boat lol")
    assert [(pair.chosen, pair.imitate) for pair in resolve([bad, better]).pairs] == [("Ferry", False)]


SAME_JSON = [
    ('{"who":"Ada","whom":"Ben"}', '{"whom": "Ben", "who": "Ada"}'),
    ('[{"a": 1, "b": 2}]', '[ {"b":2,"a":1} ]'),
    ('{"price": 19.90}', '{"price": 19.9}'),
    ('{"n": 1e2}', '{"n": 100}'),
    ('{"n": 0}', '{"n": -0.0}'),
    ('{"n": 12345678901234567890123.0}', '{"n": 12345678901234567890123}'),
    ('{"a": "\\u00e9"}', '{"a": "é"}'),
]
OTHER_JSON = [
    ('{"n": 1}', '{"n": "1"}'),
    ('{"n": 1}', '{"n": true}'),
    ('{"n": 0.1234567890123456789}', '{"n": 0.1234567890123456788}'),
    ("[1, 2]", "[2, 1]"),
    ("19.90", "19.9"),
    ('{"n": ["number", "1"]}', '{"n": 1}'),
    ('{"n": NaN}', '{"n":NaN}'),
    ('{"n": 1, "n": 1}', '{"n": 1}'),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME_JSON)
def test_the_same_json_is_no_pair_against_itself(one: str, other: str) -> None:
    assert pairs(said(output=one, correction=other)) == []
    assert examples(said(output=one, rating=5), said(1, output=other, rating=1)) == []
    assert examples(said(output=one, rating=1, correction=other)) == []


@pytest.mark.parametrize(("one", "other"), OTHER_JSON)
def test_other_values_are_another_answer(one: str, other: str) -> None:
    assert pairs(said(output=one, correction=other)) == [(other, one)]


@pytest.mark.parametrize("verdict", [{"rating": 1}, {"failure_tags": TAGS}, {"rating": 3}])
@pytest.mark.parametrize("correction", ["barn hot lol", " barn hot lol\n"])
def test_a_correction_that_was_left_as_the_bad_answer_is_refused(correction: str, verdict: dict[str, Any]) -> None:
    record = said(output="barn hot lol", correction=correction, **verdict)
    assert (examples(record), pairs(record)) == ([], [])
    assert uses(record) == [f"refused: {LEFT_AS_IT_WAS}"]


def test_a_correction_that_confirms_the_answer_is_an_example() -> None:
    assert examples(said(output="Late ferry", correction="Late ferry")) == ["Late ferry"]


def test_an_answer_that_is_better_than_itself_is_refused() -> None:
    record = said(correction='{"a": 1, "b": 2}', rejected_output='{"b": 2, "a": 1}')
    assert (examples(record), pairs(record)) == ([], [])
    assert resolve([record]).teachings[0].uses == (Use.REFUSED,)


def test_each_record_tells_what_it_teaches_now() -> None:
    assert uses(
        said(output="Ferry", rating=5),
        said(1, output="Ferry", correction="Ferry late"),
        said(2, output="Boat", rating=1),
        said(2, output="Ship"),
        replace(said(3, correction="x"), messages=(Message(Role.USER, "Another"),)),
    ) == ["replaced", "example + preference", "bad", "not judged", "example"]


def test_an_example_tells_when_its_prompt_got_its_first_good_answer() -> None:
    (example,) = resolve([said(2, correction="B"), said(1, output="A", rating=5), said(0, output="C")]).examples
    assert (example.completion, example.created_at, example.first_at) == (
        "B", START + timedelta(days=2), START + timedelta(days=1),
    )  # fmt: skip


answers = st.sampled_from([None, "A", "B", '{"a":1,"b":2}', '{"b": 2, "a": 1.0}'])
statements = st.builds(
    lambda day, output, rating, tags, correction, rejected: said(
        day, output=output, rating=rating, failure_tags=tags, correction=correction, rejected_output=rejected
    ),
    st.integers(0, 3), answers, st.sampled_from([None, 1, 3, 5]), st.sampled_from([(), (), TAGS]), answers, answers,
)  # fmt: skip
KEYS = {'{"b": 2, "a": 1.0}': '{"a":1,"b":2}'}


def _key(text: str | None) -> str | None:
    return KEYS.get(text or "", text)


def _disliked(record: FeedbackRecord) -> bool:
    return bool(record.failure_tags) or record.rating in (1, 3)


def _last_verdicts(records: Sequence[FeedbackRecord]) -> dict[str | None, bool]:
    """Of every answer that was judged whether the last verdict is a good one, told in the plainest way."""
    last: dict[str | None, bool] = {}
    for record in sorted(records, key=lambda each: each.created_at):
        output, correction, rejected = map(_key, (record.output, record.correction, record.rejected_output))
        if correction is not None:
            last[correction] = True
        if record.rating == 5 and correction is None:
            last[output] = True
        if correction not in (None, output) or _disliked(record):
            last[output] = False
        last[rejected] = False
    return last


@settings(max_examples=30, deadline=None)
@given(st.lists(statements, max_size=7))
def test_no_answer_whose_last_verdict_is_negative_is_imitated(records: list[FeedbackRecord]) -> None:
    found, last = resolve(records), _last_verdicts(records)
    texts = [each.completion for each in found.examples] + [each.chosen for each in found.pairs if each.imitate]
    assert [text for text in texts if last.get(_key(text)) is False and text not in _cleared(records)] == []
    assert [example for example in found.examples if not last.get(_key(example.completion))] == []


def _cleared(records: Sequence[FeedbackRecord]) -> set[str]:
    """Answers without a verdict of their own, which were worse than one and are better than another."""
    return {
        record.output for record in records
        if record.output and record.rejected_output and not record.correction and record.rating is None
    }  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(statements, max_size=7))
def test_no_pair_is_stated_both_ways_nor_against_itself(records: list[FeedbackRecord]) -> None:
    stated = {(_key(chosen), _key(rejected)) for chosen, rejected in pairs(*records)}
    assert {(one, other) for one, other in stated if (other, one) in stated} == set()


@settings(max_examples=30, deadline=None)
@given(st.lists(statements, max_size=6), st.randoms(use_true_random=False))
def test_with_different_times_the_order_of_arrival_makes_no_difference(
    records: list[FeedbackRecord], random: Random
) -> None:
    timed = [replace(record, created_at=START + timedelta(hours=hour)) for hour, record in enumerate(records)]
    shuffled = list(timed)
    random.shuffle(shuffled)
    assert taught(resolve(shuffled)) == taught(resolve(timed))


def taught(found: Resolution) -> tuple[set[object], set[object]]:
    return set(found.examples), set(found.pairs)
