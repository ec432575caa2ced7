"""What every feedback format of the registry keeps to, whether its records come by file or by HTTP."""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
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
from adapterd.feedback.kinds import ENDINGS
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.intake.ingest import ingest
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.web.post import read_post
from tests.support.exports import correction_within
from tests.support.teaching import example_of
from tests.support.web_bodies import odd_values

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PAGE = Path(__file__).parents[3] / "docs" / "feedback-formats.md"
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
    assert len({frozenset((*each.marks, *each.columns)) for each in FORMATS}) == len(FORMATS)


@every_format
def test_a_format_has_marks_and_says_in_one_line_how_it_looks(chosen: FeedbackFormat) -> None:
    assert chosen.marks or (chosen.columns and chosen.looks_so)
    assert chosen.description.endswith(".")
    assert "\n" not in chosen.description


@every_format
def test_the_example_is_of_its_own_format(chosen: FeedbackFormat) -> None:
    assert format_of(chosen.example) is chosen
    assert is_record(dict(chosen.example))


@every_format
def test_the_example_has_a_prompt_and_an_answer_to_train_on(chosen: FeedbackFormat) -> None:
    (record,) = parse(chosen.example, received_at=AT).records
    assert record.messages
    assert record.correction or record.rejected_output


@every_format
def test_the_example_is_allowed_by_its_own_schema(chosen: FeedbackFormat) -> None:
    assert allows(chosen.name, chosen.example)
    assert allows("Record", chosen.example)


@every_format
def test_nothing_of_the_example_is_left_over(chosen: FeedbackFormat) -> None:
    assert parse(chosen.example, received_at=AT).metadata == frozenset()


@every_format
@pytest.mark.parametrize(
    "verdict", [{"rating": 1}, {"label": False}, {"kto_tag": "false"}, {"thumbs": "down"}, {"weight": 0}]
)
def test_an_answer_that_was_found_bad_is_no_example(chosen: FeedbackFormat, verdict: dict[str, Any]) -> None:
    said = {name: value for name, value in chosen.example.items() if name not in ("rating", "correction")}
    for record in _records({**said, **verdict}):
        assert record.correction in (None, *_corrections(chosen))
        assert example_of(record) is None or record.correction in _corrections(chosen)


@every_format
@pytest.mark.parametrize("column", ["rating", "label", "score", "thumbsUp", "human_verdict"])
def test_a_column_for_verdicts_without_a_value_makes_no_demonstration(chosen: FeedbackFormat, column: str) -> None:
    said = {name: value for name, value in chosen.example.items() if name not in ("rating", "correction")}
    for record in _records({**said, column: None}):
        assert example_of(record) is None or record.correction in _corrections(chosen)


def _corrections(chosen: FeedbackFormat) -> tuple[str, ...]:
    """The answers of an example that are corrections in so many words, whatever is said of another answer."""
    if within := correction_within(chosen):
        return (within,)
    return tuple(str(chosen.example[name]) for name in ("corrected", "ground_truth") if name in chosen.example)


def _records(value: Any) -> tuple[FeedbackRecord, ...]:
    try:
        return parse(value, received_at=AT).records
    except InputError:
        return ()


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
        assert format_of(both) is next(each for each in FORMATS if each.fits(both))


@every_format
def test_a_field_named_records_does_not_make_a_record_a_list_of_them(chosen: FeedbackFormat) -> None:
    record = {**chosen.example, "records": [1]}
    assert read_post(json.dumps(record).encode()).records == [record]


def content_of(record: Mapping[str, object], ending: str) -> bytes:
    """A file of one record, such as its ending says; cells of a table that are not text are JSON."""
    written = io.StringIO()
    if ".json" in ending or ".ndjson" in ending:
        json.dump(dict(record), written)
    else:
        cells = [value if isinstance(value, str) else json.dumps(value) for value in record.values()]
        csv.writer(written, delimiter="\t" if ".tsv" in ending else ",").writerows([[*record], cells])
    content = written.getvalue().encode()
    return gzip.compress(content) if ending.endswith(".gz") else content


@pytest.mark.parametrize("ending", ENDINGS)
@every_format
def test_the_example_is_the_same_record_by_file_and_by_http(
    chosen: FeedbackFormat, ending: str, store: Store, tmp_path: Path
) -> None:
    home, inbox = Home(tmp_path), tmp_path / "inbox"
    inbox.mkdir()
    (inbox / f"one{ending}").write_bytes(content_of(chosen.example, ending))
    taken = ingest(store, home, "by-file", inbox, settle_s=0)
    posted = take_posted(store, "by-http", read_post(json.dumps([chosen.example]).encode()).records)
    assert (taken.accepted, taken.quarantined, posted.accepted) == (1, 0, 1)
    (by_file,), (by_http,) = store.feedback.all("by-file"), store.feedback.all("by-http")
    assert by_file.content_hash == by_http.content_hash == posted.ids[0]
    assert FeedbackRecord.from_json(by_file.record).messages == FeedbackRecord.from_json(by_http.record).messages
    assert (FeedbackRecord.from_json(by_http.record),) == parse(chosen.example, received_at=AT).records


@every_format
@settings(max_examples=30, deadline=None)
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
    ("field", "value"),
    [
        ("rating", 6),
        ("rating", "good"),
        ("failure_tags", ["bad"]),
        ("label", "spam"),
        ("source_id", 1.5),
        ("created_at", "yesterday"),
        ("weight", 0.5),
        ("verdict", "good"),
        ("isHelpful", True),
        ("extra", {"judge": {"points": 3}}),
        ("better_answer", "The council of the town."),
        ("images", ["boat.jpg"]),
        ("split", "test"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_every_format(chosen: FeedbackFormat, field: str, value: Any) -> None:
    with pytest.raises(InputError):
        parse({**chosen.example, field: value}, received_at=AT)


@every_format
def test_plain_metadata_is_kept_aside_in_every_format(chosen: FeedbackFormat) -> None:
    metadata = {
        "id": 17, "uuid": "0b9e-77aa", "url": "https://example.org/a?b=1", "model": "qwen2.5:7b", "latency_ms": 31,
        "usage": {"prompt_tokens": 12, "completion_tokens": 3}, "user": "jane", "language": "no", "split": "train",
        "app": {"version": "1.2", "session_id": "s-1"}, "question_type": "who",
    }  # fmt: skip
    assert parse({**chosen.example, **metadata}, received_at=AT).metadata == metadata.keys()


@every_format
def test_the_documentation_shows_the_format_and_its_example(chosen: FeedbackFormat) -> None:
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {chosen.name} |"))
    assert f"`{json.dumps(chosen.example, ensure_ascii=False)}`" in line
    assert all(f"`{mark}`" in line for mark in (*chosen.marks, *chosen.columns))


def test_a_format_with_two_marks_goes_before_a_format_with_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"prompt": schema.TEXT, "reply": schema.TEXT}
    two = FeedbackFormat(
        name="Two",
        description="A prompt and a reply.",
        marks=("prompt", "reply"),
        read=lambda found, _: [Content((Message(Role.USER, str(found["prompt"])),), correction=str(found["reply"]))],
        schema=schema.record_of(fields, {"required": ["reply"]}),
        example={"prompt": "a", "reply": "b"},
    )
    monkeypatch.setattr(registry, "FORMATS", (two, *FORMATS))
    monkeypatch.setattr(registry, "_MARKS", registry._MARKS | {"reply"})
    monkeypatch.setattr(registry, "_formats_with", registry._formats_with.__wrapped__)
    native = {"prompt": "a", "output": "c"}
    assert allows("Two", two.example)
    assert not allows("Two", native)
    assert parse(two.example, received_at=AT).records[0].correction == "b"
    assert parse({**native, "reply": None}, received_at=AT).records[0].output == "c"
    with pytest.raises(InputError, match="none of the known formats fits the fields output"):
        parse({"output": "x"}, received_at=AT)
