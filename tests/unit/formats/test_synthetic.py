"""Examples of teachers as lines of JSON."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapterd.chat import Message, Role
from adapterd.formats.synthetic import TeacherExample, read_synthetic, write_synthetic

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(st.tuples(TEXTS, TEXTS, st.none() | TEXTS), max_size=4))
def test_what_is_read_is_what_was_written(texts: list[tuple[str, str, str | None]]) -> None:
    made = [
        TeacherExample(
            place,
            (Message(Role.USER, asked),),
            said,
            "answer",
            "big",
            datetime(2026, 1, 2, tzinfo=UTC),
            worse,
            ("record",),
        )
        for place, (asked, said, worse) in enumerate(texts)
    ]
    lines = write_synthetic(made).split("\n")[:-1]
    assert len(lines) == len(made)
    assert list(read_synthetic(lines)) == made


def test_its_record_is_none_of_feedback() -> None:
    example = TeacherExample(7, (Message(Role.USER, "Who?"),), "Ada", "answer", "big", datetime(2026, 1, 2, tzinfo=UTC))
    assert example.record == "synthetic:7"
