"""What stands beside an answer: context is read or refused, metadata is kept aside."""

from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.formats.field_names import Kind, kind_of
from tests.support.readings import chat, examples, reading, refusal


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"prompt": "Name the town.", "input": "A fair in Lowmere.", "correction": "x"}, "A fair in Lowmere."),
        ({"prompt": "Name the town.", "context": "Rain on Midmere.", "correction": "x"}, "Rain on Midmere."),
        ({"prompt": "Name the town.", "contexts": ["Rain.", "Snow."], "correction": "x"}, "Rain.\n\nSnow."),
        ({"prompt": "Name the town.", "inputs": {"text": "Fog."}, "correction": "x"}, '{"text": "Fog."}'),
        ({"instruction": "Name the river.", "inputs": "Boats on the Elder.", "output": "x"}, "Boats on the Elder."),
        ({"instruction": "Name the river.", "context": "Ice.", "response": "x", "category": "qa"}, "Ice."),
        ({"question": "Which river?", "contexts": ["Ice."], "answer": "x"}, "Ice."),
        ({"messages": chat("Which river?"), "context": "Ice."}, "Ice."),
    ],
)
def test_what_is_asked_about_is_in_the_prompt(record: dict[str, Any], prompt: str) -> None:
    (found,) = reading(record).records
    assert found.messages[-1].content.endswith(f"\n\n{prompt}")


def test_what_is_asked_about_stands_in_one_field() -> None:
    record = {"prompt": "Name it.", "input": "a", "context": "b", "correction": "x"}
    assert refusal(record) == "input and context are both given; what is asked about stands in one field"


@pytest.mark.parametrize(
    "where", [{"instruction": "And the second?", "output": "x"}, {"prompt": "And the second?", "output": "x"}]
)
def test_history_becomes_turns(where: dict[str, Any]) -> None:
    (record,) = reading({**where, "history": [["Name the first wood.", "The Ash."], ["Good.", "Yes."]]}).records
    assert [m.content for m in record.messages] == [
        "Name the first wood.", "The Ash.", "Good.", "Yes.", "And the second?",
    ]  # fmt: skip


def test_history_may_be_turns() -> None:
    (record,) = reading({"prompt": "And now?", "output": "x", "history": chat("When?", "At nine.")}).records
    assert [m.content for m in record.messages] == ["When?", "At nine.", "And now?"]


@pytest.mark.parametrize("history", ["before", ["a"], [["a"]], [["a", ""]], [{"role": "tool", "content": "a"}]])
def test_a_history_of_another_kind_is_refused(history: Any) -> None:
    assert refusal({"instruction": "And then?", "output": "x", "history": history}).startswith("history")


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "What is it?", "images": ["iVBOR="]}, chat()[1]]},
        {"messages": chat("<image>How many?"), "images": ["harbour.jpg"]},
        {"messages": chat("<image>How many?")},
        {"messages": chat("What is said?\n<audio>")},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, chat()[1]]},
        {"instruction": "What colour?", "input": "", "output": "Red.", "images": ["boat.jpg"]},
        {"prompt": "What is it?", "audio_path": "a.wav", "output": "A pier.", "rating": 5},
        {"messages": chat(tool_calls=[{"id": "1"}])},
    ],
)
def test_only_text_is_taken(record: dict[str, Any]) -> None:
    assert "only text can be trained on" in refusal(record)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("document", "x"), ("passage", "x"), ("article_text", "x"), ("tools", [{"name": "f"}]),
        ("functions", [{"a": 1}]),
        ("background", "x"), ("retrieved_chunks", ["x"]), ("user_input", "x"), ("thinking", "so"),
        ("systemMessage", "x"),
        ("sentence", "x"), ("source", "The mill was built in 1912 by the county and burned down."), ("choices", ["a"]),
        ("blob", "A line.\nAnd another one.\nAnd a third."), ("variables", {"town": "Lowmere"}), ("上下文", "磨坊"),
        ("payload", {"inner": {"text": "The mill is old."}}), ("note_to_model", "Be brief."), ("x", "The mill is old."),
    ],
)  # fmt: skip
def test_what_could_be_context_stops_the_record(field: str, value: Any) -> None:
    assert field in refusal({"prompt": "p", "output": "o", "rating": 5, field: value})
    assert field in refusal({"messages": chat(), field: value})


@pytest.mark.parametrize("value", [None, "", " ", [], {}, [None, ""], {"a": None}])
def test_context_that_is_empty_is_not_there(value: Any) -> None:
    assert examples({"messages": chat(), "images": value, "documents": value, "tools": value}) == ["At nine."]


@pytest.mark.parametrize(
    "metadata",
    [
        {"id": 17}, {"_id": {"$oid": "65f0c2"}}, {"uuid": "0b9e-77aa"}, {"url": "https://example.org/a?b=1"},
        {"model": "qwen2.5:7b"}, {"model_name": "gpt-4o"}, {"provider": "ollama"}, {"tokens": 42}, {"latencyMs": 31},
        {"usage": {"prompt_tokens": 1, "total_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 0}}},
        {"options": {"temperature": 0, "top_k": 40, "num_ctx": 4096, "seed": 1}}, {"stream": False}, {"done": True},
        {"finish_reason": "stop"}, {"language": "no"}, {"user": "jane"}, {"user_id": 7}, {"sessionId": "s-1"},
        {"timestamps": {"started_at": "2026-01-01", "ended_at": 1767225600}}, {"source": "web"}, {"author": "Jane Doe"},
        {"category": "open_qa"}, {"tags": ["news", "local"]}, {"app_version": "1.2"}, {"generated_by": "gpt-4"},
        {"prompt_id": "p"}, {"feedback_id": "f-123456"}, {"question_type": "who"}, {"word_count": 12}, {"size": 4000},
        {"user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}, {"meta": '{"id": 3, "lang": "de"}'},
    ],
)  # fmt: skip
def test_plain_metadata_is_kept_aside_and_named(metadata: dict[str, Any]) -> None:
    found = reading({"messages": chat(), **metadata})
    assert found.metadata == metadata.keys()
    assert [record.correction for record in found.records] == ["At nine."]


def test_metadata_of_a_turn_is_named_by_the_conversation() -> None:
    assert reading({"messages": chat(id="m-1", model="qwen2.5:7b")}).metadata == {"messages"}


def test_a_number_that_is_no_verdict_on_any_scale_is_metadata() -> None:
    assert reading({"messages": chat(), "xyz": 4711}).metadata == {"xyz"}
    assert "xyz" in refusal({"messages": chat(), "xyz": 47})


def test_json_that_nests_without_end_is_refused() -> None:
    value: Any = 4711
    for _ in range(100):
        value = {"a": value}
    assert "nested more than" in refusal({"messages": chat(), "deep": value})


def test_what_is_ignored_is_neither_read_nor_named() -> None:
    options = ReadingOptions.of({}, None, ["images", "judge", "messages.extra"])
    record = {"messages": chat(extra={"deep": True}), "images": ["a.png"], "meta": {"judge": 1, "id": 5}}
    assert reading(record, options).metadata == {"meta"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("userRating", Kind.VERDICT), ("KTO-tag", Kind.VERDICT), ("is_good", Kind.VERDICT), ("thumbsup", Kind.VERDICT),
        ("gold_label_text", Kind.VERDICT), ("idealAnswer", Kind.CORRECTION), ("HISTORY", Kind.CONTEXT),
        ("image_url", Kind.CONTEXT), ("source_url", Kind.MEASURE), ("ratedAt", Kind.TIME), ("language", Kind.LABEL),
        ("data_split", Kind.SPLIT), ("qzx", Kind.UNKNOWN),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart_into_words(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind


def test_the_way_on_passes_over_nothing_but_the_field_that_is_named() -> None:
    said = refusal({"messages": chat(annotation={"rating": -1}), "rating": 1})
    assert said.endswith("--ignore messages.annotation.rating")
    options = ReadingOptions.of({}, None, ["messages.annotation.rating"])
    assert examples({"messages": chat(annotation={"rating": -1}), "rating": 1}, options) == []


def test_all_fields_that_stop_a_record_are_named_at_once() -> None:
    said = refusal({"prompt": "Which river?", "output": "Elder.", "score": 7, "isHelpful": True, "url": "x"})
    assert said.startswith("score is 7")
    assert said.endswith("--ignore score; say it of isHelpful as well")


@pytest.mark.parametrize("theirs", ["better answer", "Better-Answer", "Better answer"])
def test_mapped_name_may_differ_by_capitals_and_hyphens(theirs: str) -> None:
    given = {"prompt": "Which river?", "Better answer": "Elder."}
    (record,) = reading(given, options=ReadingOptions.of({"correction": theirs}, None, ())).records
    assert record.correction == "Elder."


@pytest.mark.parametrize("name", ["Date", "DATE", "Created-At", "Timestamp"])
def test_time_is_read_under_its_name_in_capitals(name: str) -> None:
    (record,) = reading({"prompt": "Which river?", "correction": "Elder.", name: "2020-03-03T10:00:00Z"}).records
    assert record.created_at.isoformat() == "2020-03-03T10:00:00+00:00"


@pytest.mark.parametrize("ignored", ["reviewer mood", "Reviewer-Mood", "reviewerMood", "reviewer_mood"])
def test_ignored_name_may_differ_by_capitals_and_hyphens(ignored: str) -> None:
    given = {"prompt": "Which river?", "correction": "Elder.", "Reviewer mood": "good", "mood": "good"}
    options = ReadingOptions.of({}, None, (ignored, "MOOD"))
    assert refusal(given, options) == ""
    assert "Reviewer mood" in refusal(given, ReadingOptions.of({}, None, ("mood",)))
