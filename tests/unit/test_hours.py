"""A time of day, and a span of hours, over midnight too."""

from datetime import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapterd.hours import Hours, parse_time

MINUTES = [time(hour, minute) for hour in range(24) for minute in range(60)]
TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
MOMENTS = st.times()


@st.composite
def spans(draw: st.DrawFn) -> Hours:
    start, end = draw(TIMES), draw(TIMES)
    assume(start != end)
    return Hours(start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("08:00-18:00", time(8), time(18)),
        ("22:00-06:30", time(22), time(6, 30)),
        ("8:05-9:00", time(8, 5), time(9)),
        ("00:00-23:59", time(0), time(23, 59)),
        ("23:59-00:00", time(23, 59), time(0)),
        ("  08:00 - 18:00\n", time(8), time(18)),
    ],
)
def test_a_span_is_read_as_people_write_it(text: str, start: time, end: time) -> None:
    assert Hours.parse(text) == Hours(start, end)


@pytest.mark.parametrize(
    "text",
    ["", "-", "08:00", "08:00-", "-18:00", "8-18", "08:00-18", "24:00-06:00", "08:60-09:00", "08:00-18:00-20:00",
     "08:00–18:00", "08:00:00-18:00:00", "08.00-18.00", "x08:00-18:00", "08:00-18:00x", "at night", "٠٨:00-18:00"],
)  # fmt: skip
def test_a_text_that_is_no_span_is_a_fault_that_quotes_it(text: str) -> None:
    with pytest.raises(ValueError, match="is not a span of hours such as 08:00-18:00") as caught:
        Hours.parse(text)
    assert str(caught.value).startswith(repr(text))


@pytest.mark.parametrize("text", ["00:00-00:00", "08:00-08:00", "8:00-08:00"])
def test_a_span_without_length_is_a_fault_that_tells_of_pause(text: str) -> None:
    with pytest.raises(ValueError, match=r"has no length.*adapterctl pause"):
        Hours.parse(text)


@given(st.text())
def test_any_text_is_a_span_or_a_value_error(text: str) -> None:
    try:
        found = Hours.parse(text)
    except ValueError:
        return
    assert found.start != found.end


@given(spans())
def test_a_span_written_down_reads_back_equal(span: Hours) -> None:
    assert Hours.parse(str(span)) == span


def test_a_span_is_written_with_two_digits_each() -> None:
    assert str(Hours.parse("8:05-9:00")) == "08:05-09:00"


@given(spans(), MOMENTS)
def test_every_moment_is_in_a_span_or_in_its_complement(span: Hours, at: time) -> None:
    assert (at in span) is not (at in Hours(span.end, span.start))


@pytest.mark.parametrize("text", ["08:00-18:00", "22:00-06:30", "00:00-23:59", "23:59-00:00", "12:00-00:00"])
def test_every_minute_of_a_day_is_counted_once(text: str) -> None:
    span = Hours.parse(text)
    inside = [at for at in MINUTES if at in span]
    assert len(inside) == (_minute(span.end) - _minute(span.start)) % len(MINUTES)
    assert [at for at in MINUTES if at in Hours(span.end, span.start)] == [at for at in MINUTES if at not in inside]


@given(spans())
def test_a_span_has_its_start_and_not_its_end(span: Hours) -> None:
    assert span.start in span
    assert span.end not in span


def test_the_last_second_before_the_end_is_still_inside() -> None:
    night = Hours.parse("22:00-06:30")
    assert time(6, 29, 59, 999_999) in night
    assert time(21, 59, 59) not in night
    assert time(0) in night


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


@given(TIMES)
def test_a_time_of_day_is_read_as_it_is_written(at: time) -> None:
    assert parse_time(f"{at:%H:%M}") == parse_time(f" {at.hour}:{at:%M}\n") == at


@pytest.mark.parametrize("text", ["", "6", "24:00", "06:60", "6.30", "06:30-07:00", "06:30:00", "noon"])
def test_a_text_that_is_no_time_of_day_is_a_fault_that_quotes_it(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day such as 06:30") as caught:
        parse_time(text)
    assert str(caught.value).startswith(repr(text))
