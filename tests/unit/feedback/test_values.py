"""Values as tables, data bases and programs write them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.feedback import strict_json
from adapterd.feedback.formats import OffScaleError, ReadingOptions, Scale, parse
from adapterd.feedback.formats.options import OURS
from adapterd.record import FailureTag, FeedbackRecord
from tests.support.readings import AT, examples, reading, refusal

BASE = {"prompt": "Price?", "output": "o", "correction": "c"}


def record(**fields: Any) -> FeedbackRecord:
    (found,) = reading({**BASE, **fields}).records
    return found


@pytest.mark.parametrize(
    "name", ["source_id", "output_type", "rating", "created_at", "failure_tags", "system", "input"]
)
@pytest.mark.parametrize("value", [None, "", "  ", [], {}])
def test_an_empty_cell_is_absent(name: str, value: Any) -> None:
    assert record(**{name: value}) == record()


@pytest.mark.parametrize("value", [True, "true", "yes", 1, "qwen3:14b", ["a model"], {"by": "a model"}])
def test_a_record_that_a_model_made_is_refused(value: Any) -> None:
    assert "a model made this record, and feedback is what people say" in refusal({**BASE, "synthetic": value})
    assert "a model made this record" in refusal({**BASE, "Synthetic": value})


@pytest.mark.parametrize("value", [False, "false", "No", None, ""])
def test_a_record_that_no_model_made_is_read(value: Any) -> None:
    assert record(synthetic=value) == record()


def test_an_empty_correction_is_absent_and_a_blank_one_a_fault() -> None:
    assert examples({"prompt": "p", "output": "fine", "rating": 5, "correction": ""}) == ["fine"]
    assert refusal({**BASE, "correction": "  "}) == "correction is empty"


@pytest.mark.parametrize("name", ["output", "correction", "rejected"])
def test_an_answer_that_a_table_wrote_for_an_empty_cell_is_refused(name: str) -> None:
    assert "is what tables write for an empty cell" in refusal({**BASE, name: "NaN"})


@pytest.mark.parametrize("rating", [4, 4.0, "4", "4.0", " 4 "])
def test_a_rating_may_be_written_in_many_ways(rating: Any) -> None:
    assert record(rating=rating).rating == 4


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3, "3"),
        (True, "true"),
        (False, "false"),
        (2.5, "2.5"),
        ({}, "{}"),
        ([], "[]"),
        ({"a": [1, None]}, '{"a": [1, null]}'),
    ],
)
def test_any_json_is_an_answer(value: Any, written: str) -> None:
    assert record(output=value, correction="c").output == written
    assert record(correction=value).correction == written


@pytest.mark.parametrize("number", ["19.90", "1e2", "0.1234567890123456789", "-0.0", "12345678901234567890123", "1E+5"])
def test_numbers_of_an_answer_stay_as_they_were_written(number: str) -> None:
    value = strict_json.decode(f'{{"prompt": "p", "output": "o", "correction": {{"price": [{number}]}}}}')
    (found,) = parse(value, received_at=AT).records
    assert found.correction == f'{{"price": [{number}]}}'


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_json_that_is_written_as_it_was_is_the_same_json(value: Any) -> None:
    assert strict_json.decode(strict_json.dumps_as_written(value)) == value


@pytest.mark.parametrize(
    "tags",
    [
        "missed_entity,format_error",
        ["Missed Entity", "FORMAT-ERROR"],
        " Missed entity , format_error",
        "missed_entity,format error",
    ],
)
def test_failure_tags_may_be_written_in_many_ways(tags: Any) -> None:
    assert record(failure_tags=tags).failure_tags == (FailureTag.MISSED_ENTITY, FailureTag.FORMAT_ERROR)


@pytest.mark.parametrize(("value", "text"), [(4711.0, "4711"), (4711, "4711"), ("4711.0", "4711.0"), ("a", "a")])
def test_a_source_id_from_a_table_is_the_number_that_it_was(value: Any, text: str) -> None:
    assert record(source_id=value).source_id == text


NOON = datetime(2026, 2, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        1771588800, 1771588800.0, 1771588800000, 1771588800000000, "1771588800", "1771588800000", "1771588800.0",
        "2026-02-20T12:00:00Z", "2026-02-20 12:00:00", "2026-02-20 12:00:00 UTC", "2026-02-20T13:00:00+01:00",
        "2026-02-20T12:00:00.000000000Z", "Fri, 20 Feb 2026 12:00:00 GMT", "Fri, 20 Feb 2026 07:00:00 -0500",
        {"$date": "2026-02-20T12:00:00Z"}, {"$date": 1771588800000}, {"$date": {"$numberLong": "1771588800000"}},
    ],
)  # fmt: skip
def test_a_time_may_be_written_in_many_ways(value: Any) -> None:
    assert record(created_at=value).created_at == NOON


@pytest.mark.parametrize("name", ["timestamp", "ts", "date", "time", "created", "updated_at", "createdAt", "datetime"])
def test_a_time_may_have_other_names(name: str) -> None:
    assert record(**{name: "2026-02-20T12:00:00Z"}).created_at == NOON


def test_created_at_goes_before_other_times() -> None:
    assert record(updated_at="2026-02-25", timestamp="2026-02-24", created_at=1771588800).created_at == NOON


def test_milliseconds_as_text_are_not_the_year_1712() -> None:
    assert record(created_at="1712121212345").created_at == datetime(2024, 4, 3, 5, 13, 32, 345000, tzinfo=UTC)


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", 0])
def test_a_time_that_was_never_set_is_absent(value: Any) -> None:
    assert record(created_at=value).created_at == AT


@pytest.mark.parametrize("value", ["yesterday", 17, True, [2026], {"date": 1}, "20:15", 1e300])
def test_what_is_no_time_is_refused_with_what_is_wanted(value: Any) -> None:
    assert "must be a time as in 2026-11-20T10:00:00Z, or seconds since 1970" in refusal({**BASE, "created_at": value})


def test_a_time_to_come_is_that_of_the_arrival_and_told() -> None:
    found = reading({**BASE, "created_at": "2099-01-01"})
    assert found.is_clamped
    assert [each.created_at for each in found.records] == [AT]
    assert not reading(BASE).is_clamped


@pytest.mark.parametrize(
    ("scale", "ratings"),
    [
        ("1..10", {1: 1, 3: 1, 5: 2, 7: 3, 8: 4, 9: 4, 10: 5}),
        ("0..1", {0: 1, 0.5: 3, 0.7: 3, 0.75: 4, 1: 5}),
        ("-1..1", {-1: 1, 0: 3, 1: 5}),
        ("0-100", {0: 1, 74: 3, 75: 4, 100: 5}),
        ("1 to 3", {1: 1, 2: 3, 3: 5}),
    ],
)
def test_a_scale_that_is_stated_is_brought_to_ours_without_gain(scale: str, ratings: dict[float, int]) -> None:
    options = ReadingOptions.of({}, scale, [])
    for given_rating, ours in ratings.items():
        (found,) = reading({"prompt": "p", "output": "o", "rating": given_rating}, options).records
        assert found.rating == ours, given_rating


@pytest.mark.parametrize("stated", [10, 10.0, "10", "1..10", [1, 10]])
def test_a_record_may_state_its_scale(stated: Any) -> None:
    bad, good = ({"prompt": "p", "output": "o", "rating": each, "rating_scale": stated} for each in (5, 9))
    assert (examples(bad), examples(good)) == ([], ["o"])


@pytest.mark.parametrize("rating", [0, 6, "7", -1, 10])
def test_a_rating_beyond_its_scale_is_of_a_scale_that_nobody_stated(rating: Any) -> None:
    with pytest.raises(OffScaleError, match=r"beyond 1\.\.5; state the scale with --scale"):
        reading({"prompt": "p", "output": "o", "rating": rating, "unknown_thing": True})


def test_a_rating_beyond_a_stated_scale_is_no_rating_either() -> None:
    with pytest.raises(OffScaleError):
        reading({"prompt": "p", "output": "o", "rating": 11}, ReadingOptions.of({}, "1..10", []))


@given(st.floats(1, 10), st.floats(1, 10))
def test_a_better_rating_is_never_brought_below_a_worse_one(one: float, other: float) -> None:
    scale = Scale(1, 10)
    assert 1 <= scale.rating(min(one, other)) <= scale.rating(max(one, other)) <= 5
    assert [OURS.rating(each) for each in range(1, 6)] == [1, 2, 3, 4, 5]


def test_options_come_back_from_their_json() -> None:
    options = ReadingOptions.of({"rating": "score"}, "0..10", ["b", "a"])
    assert ReadingOptions.from_json(options.to_json()) == options
    assert ReadingOptions.from_json(options.to_json()).digest == options.digest != ReadingOptions().digest
