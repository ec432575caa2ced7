"""Pairs are written in an order, and with a word on the better answer, that say the same when they are read again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.dataset.export import Better, PairFormat, StatedPair, export_format, stated_pairs
from adapterd.dataset.statements import Resolution, resolve
from adapterd.feedback.formats import parse
from adapterd.record import FailureTag, FeedbackRecord

START = datetime(2026, 11, 1, 10, tzinfo=UTC)
ANSWERS = ("Ferry late", "Late ferry", '{"a": 1}', "<think>\nHm.\n</think>\n\nFerry late", "Caf\u00e9\nopens")
ANSWER = st.none() | st.sampled_from(ANSWERS)
RECORDS = st.lists(
    st.builds(
        lambda prompt, day, **said: FeedbackRecord(
            (Message(Role.USER, prompt),), created_at=START + timedelta(days=day), **said
        ),
        st.sampled_from(["Title?", "And this?"]),
        st.integers(0, 3),
        output=ANSWER,
        correction=ANSWER,
        rejected_output=ANSWER,
        rating=st.none() | st.sampled_from([1, 2, 5]),
        failure_tags=st.sampled_from([(), (), (FailureTag.TRUNCATION,)]),
    ),
    max_size=8,
)


def pair_format(name: str) -> PairFormat:
    found = export_format(name)
    assert isinstance(found, PairFormat)
    return found


def stated(taught: Resolution) -> list[StatedPair]:
    return list(stated_pairs(taught.examples, taught.pairs))


def read_again(form: PairFormat, pairs: list[StatedPair]) -> Resolution:
    """What the written pairs teach."""
    written = [form.write(each) for each in pairs if not form.fault(each)]
    return resolve(record for fields in written for record in parse(fields, received_at=START).records)


def kinds(taught: Resolution) -> set[tuple[str, str, str, bool]]:
    return {(each.prompt_hash, each.chosen, each.rejected, each.imitate) for each in taught.pairs}


@given(RECORDS)
def test_every_pair_of_trl_is_read_again_and_no_example_is_invented(records: list[FeedbackRecord]) -> None:
    taught = resolve(records)
    again = read_again(pair_format("trl-preference"), stated(taught))
    assert kinds(again) == kinds(taught)
    assert {(each.prompt_hash, each.completion) for each in again.examples} == {
        (each.pair.prompt_hash, each.pair.chosen) for each in stated(taught) if each.is_right
    }


@given(RECORDS)
def test_openai_has_no_pair_with_a_bad_answer_and_keeps_the_example(records: list[FeedbackRecord]) -> None:
    taught = resolve(records)
    again = read_again(pair_format("openai-preference"), stated(taught))
    assert kinds(again) == {each for each in kinds(taught) if each[-1]}
    found = {each.prompt_hash: each.completion for each in again.examples}
    for each in stated(taught):
        if each.is_right:
            assert found[each.pair.prompt_hash] == each.pair.chosen


@pytest.mark.parametrize(
    ("rating", "better", "thumbs"), [(5, Better.RIGHT, "up"), (None, Better.BETTER, ""), (2, Better.BAD, "down")]
)
def test_the_better_answer_is_right_bad_or_neither(rating: int | None, better: Better, thumbs: str) -> None:
    record = FeedbackRecord(
        (Message(Role.USER, "Title?"),), output="Ferry late", rejected_output="Ferry", rating=rating, created_at=START
    )
    (pair,) = stated(resolve([record]))
    assert pair.better is better
    assert pair_format("trl-preference").write(pair)["thumbs"] == thumbs
    assert bool(pair_format("openai-preference").fault(pair)) == (better is Better.BAD)
