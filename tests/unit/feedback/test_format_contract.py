"""What every feedback format of the registry keeps to, whether its records come by file or by HTTP."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from adapterd.chat import Message, Role
from adapterd.errors import InputError
from adapterd.feedback.formats import (
    FORMATS,
    Content,
    FeedbackFormat,
    format_of,
    is_record,
    parse,
    record_schemas,
    registry,
    schema,
)
from adapterd.feedback.listing import ENDINGS
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.web.post import read_post
from tests.support.web_bodies import TAGS, odd_values

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "feedback.md"
every_format = pytest.mark.parametrize("chosen", FORMATS, ids=[each.name for each in FORMATS])


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state.db", clock=lambda: AT) as opened:
        yield opened


def allows(name: str, record: Any) -> bool:
    schemas = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": record_schemas()}}
    return Draft202012Validator(schemas).is_valid(record)


def is_parsed(record: Any) -> bool:
    try:
        parse(record, received_at=AT)
    except InputError:
        return False
    return True


def test_names_and_marks_of_formats_are_distinct() -> None:
    assert len({each.name for each in FORMATS}) == len(FORMATS)
    assert len({frozenset(each.marks) for each in FORMATS}) == len(FORMATS)


@every_format
def test_a_format_has_marks_and_says_in_one_line_how_it_looks(chosen: FeedbackFormat) -> None:
    assert chosen.marks
    assert chosen.description.endswith(".")
    assert "\n" not in chosen.description


@every_format
def test_the_example_is_of_its_own_format(chosen: FeedbackFormat) -> None:
    assert format_of(chosen.example) is chosen
    assert is_record(dict(chosen.example))


@every_format
def test_the_example_has_a_prompt_and_an_answer_to_train_on(chosen: FeedbackFormat) -> None:
    record = parse(chosen.example, received_at=AT)
    assert record.messages
    assert record.correction or record.rejected_output


@every_format
def test_the_example_is_allowed_by_its_own_schema_and_by_no_other(chosen: FeedbackFormat) -> None:
    assert [each.name for each in FORMATS if allows(each.name, chosen.example)] == [chosen.name]
    assert allows("Record", chosen.example)


@every_format
def test_without_one_of_its_marks_the_example_is_not_of_the_format(chosen: FeedbackFormat) -> None:
    for mark in chosen.marks:
        for record in ({**chosen.example, mark: None}, {n: v for n, v in chosen.example.items() if n != mark}):
            assert not allows(chosen.name, record)
            present = {name: value for name, value in record.items() if value is not None}
            assert not chosen.fits(present)


@every_format
def test_a_record_with_the_marks_of_two_formats_is_of_the_earlier_one(chosen: FeedbackFormat) -> None:
    for other in FORMATS:
        both = {**other.example, **chosen.example}
        earlier = next(each for each in FORMATS if each.fits(both))
        assert format_of(both) is earlier
        assert not any(allows(each.name, both) for each in FORMATS if each is not earlier)


@every_format
def test_a_field_named_records_does_not_make_a_record_a_list_of_them(chosen: FeedbackFormat) -> None:
    record = {**chosen.example, "records": [1]}
    assert read_post(json.dumps(record).encode()).records == [record]


@pytest.mark.parametrize("ending", ENDINGS)
@every_format
def test_the_example_is_the_same_record_by_file_and_by_http(
    chosen: FeedbackFormat, ending: str, store: Store, tmp_path: Path
) -> None:
    home, inbox = Home(tmp_path), tmp_path / "inbox"
    inbox.mkdir()
    (inbox / f"one{ending}").write_text(json.dumps(chosen.example))
    taken = ingest(store, home, "by-file", inbox, settle_s=0)
    posted = take_posted(store, "by-http", read_post(json.dumps([chosen.example]).encode()).records)
    assert (taken.accepted, taken.quarantined, posted.accepted) == (1, 0, 1)
    (by_file,), (by_http,) = store.feedback.all("by-file"), store.feedback.all("by-http")
    assert by_file.content_hash == by_http.content_hash == posted.ids[0]
    assert FeedbackRecord.from_json(by_file.record).messages == FeedbackRecord.from_json(by_http.record).messages
    assert FeedbackRecord.from_json(by_http.record) == parse(chosen.example, received_at=AT)


@every_format
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_changed_example_that_the_parser_takes_is_allowed_by_the_schema(
    chosen: FeedbackFormat, data: st.DataObject
) -> None:
    names = sorted({*chosen.example, *chosen.schema["properties"], "rating", "failure_tags", "correction", "source_id"})
    changed = data.draw(st.dictionaries(st.sampled_from(names), odd_values(), max_size=3))
    record = {**chosen.example, **changed}
    if is_parsed(record):
        assert allows("Record", record), record


@every_format
@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("rating", 5, 6),
        ("failure_tags", TAGS, ["bad"]),
        ("correction", {"who": "the council"}, " "),
        ("rejected", "Nobody.", 3),
        ("source_id", 7, 1.5),
        ("created_at", "2026-01-01", 5),
        ("system", "Be brief.", "\n"),
    ],
)
def test_the_judgement_is_the_same_in_every_format(chosen: FeedbackFormat, field: str, good: Any, bad: Any) -> None:
    for value, expected in ((good, True), (bad, False)):
        record = {**chosen.example, field: value}
        assert is_parsed(record) is allows("Record", record) is expected, value


@every_format
def test_the_documentation_shows_the_format_and_its_example(chosen: FeedbackFormat) -> None:
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {chosen.name} |"))
    assert f"`{json.dumps(chosen.example, ensure_ascii=False)}`" in line
    assert all(f"`{mark}`" in line for mark in chosen.marks)


def test_a_format_with_two_marks_goes_before_a_format_with_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"prompt": schema.TEXT, "reply": schema.TEXT}
    two = FeedbackFormat(
        name="Two",
        description="A prompt and a reply.",
        marks=("prompt", "reply"),
        read=lambda found: Content((Message(Role.USER, str(found["prompt"])),), correction=str(found["reply"])),
        schema=schema.record_of(fields, {"required": ["reply"]}),
        example={"prompt": "a", "reply": "b"},
    )
    monkeypatch.setattr(registry, "FORMATS", (two, *FORMATS))
    native = {"prompt": "a", "output": "c"}
    assert [name for name in ("Two", "Native") if allows(name, two.example)] == ["Two"]
    assert [name for name in ("Two", "Native") if allows(name, native)] == ["Native"]
    assert parse(two.example, received_at=AT).correction == "b"
    assert parse({**native, "reply": None}, received_at=AT).output == "c"
    with pytest.raises(InputError, match="none of prompt with reply, conversations, messages, "):
        parse({"output": "x"}, received_at=AT)
