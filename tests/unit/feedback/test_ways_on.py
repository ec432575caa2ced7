"""The ways on that refusals name: each is accepted as it is typed, and lifts the refusal that named it."""

import copy
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterctl.reading_options import read_options
from adapterd.config.choices import FeedbackTurns
from adapterd.errors import InputError
from adapterd.feedback.formats import FORMATS, FeedbackFormat, ReadingOptions
from adapterd.feedback.ways_on import Ways, ignore, mapping, named_in, plain_path
from tests.support.readings import chat, examples, reading, refusal

NAMES = [
    "score", "isHelpful", "thumb", "user feedback", "Reviewer-Mood", "expected_output", "better answer", "documents",
    "background", "weight", "verdict", "reviews", "note", "x", "👍", "a.b", "stars", "images", "split", "label's", "$x",
    "grade[0]", "評価", "is_correct", "chosen_by", "rating",
]  # fmt: skip
VALUES = [
    True, False, 0, 1, 4, 7, 0.5, -1, "good", "bad", "👎", "spam", "3", "7/10", "The mill is old.", "Elder.", ["a"],
    ["bad"], [{"score": 1}], [{"score": 1}, {"score": 5}], {"score": 3}, {"value": "wrong", "by": "Ann"},
    {"text": "The mill."}, [{"text": "The mill."}, {"text": "A fair."}], '{"score": 1}', {"by": {"mood": "bad"}},
]  # fmt: skip
_OPTION = re.compile(r"--(?:map|ignore|scale) (?:'(?:[^']|'\"'\"')*'|\"[^\"]*\"|[^\s;,()])+")
_SCALE = "-10..10"


def ways(said: str) -> list[str]:
    """The options of a refusal that stand alone, as they are typed."""
    return [each for each in _OPTION.findall(said) if not each.startswith("--scale")]


def typed(before: ReadingOptions, way: str, *, scale: bool = False) -> ReadingOptions:
    """The options with one more that is typed, as the command line reads it."""
    option, value = shlex.split(way)
    mapped, ignored = ((value,), ()) if option == "--map" else ((), (value,))
    return read_options(mapped, _SCALE if scale else None, ignored).over(before)


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path to every object within a value."""
    if isinstance(value, dict):
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inside:
        yield from objects(each, (*path, name))


def with_field(record: Any, path: tuple[str | int, ...], name: str, value: Any) -> Any:
    changed = copy.deepcopy(record)
    at = changed
    for step in path:
        at = at[step]
    at[name] = value
    return changed


PLACES = [(each, path) for each in FORMATS for path in objects(each.example) if path[-2:] != ("history", "messages")]
"""Every object of every format; not the tree of a chat, whose keys are ids."""


@settings(max_examples=700, deadline=None)
@given(place=st.sampled_from(PLACES), name=st.sampled_from(NAMES), value=st.sampled_from(VALUES), data=st.data())
def test_each_way_on_that_a_refusal_names_lifts_it(
    place: tuple[FeedbackFormat, tuple[str | int, ...]], name: str, value: Any, data: st.DataObject
) -> None:
    chosen, path = place
    record = with_field(chosen.example, path, name, value)
    options = ReadingOptions(turns=data.draw(st.sampled_from(FeedbackTurns)))
    said = refusal(record, options)
    for way in ways(said):
        after = refusal(record, typed(options, way, scale="--scale" in said))
        assert after != said, way
        assert way not in ways(after), way


@settings(max_examples=300, deadline=None)
@given(place=st.sampled_from(PLACES), name=st.sampled_from(NAMES), value=st.sampled_from(VALUES))
def test_who_ignores_whatever_is_refused_gets_the_record(
    place: tuple[FeedbackFormat, tuple[str | int, ...]], name: str, value: Any
) -> None:
    chosen, path = place
    record = with_field(chosen.example, path, name, value)
    options = ReadingOptions()
    for _ in range(6):
        ignoring = [way for way in ways(refusal(record, options)) if way.startswith("--ignore")]
        if not ignoring:
            break
        options = typed(options, ignoring[-1])
    assert ways(refusal(record, options)) == []


@pytest.mark.parametrize(
    ("record", "way", "expected"),
    [
        ({"messages": chat(thumb="up")}, "--map rating=messages.thumb", ["At nine."]),
        ({"messages": chat(thumb="down")}, "--map rating=messages.thumb", []),
        ({"messages": chat(), "isHelpful": True}, "--map rating=isHelpful", ["At nine."]),
        ({"messages": chat(), "isHelpful": False}, "--map rating=isHelpful", []),
        ({"messages": chat(), "bucket": "incorrect"}, "--map rating=bucket", []),
        ({"messages": chat(), "meta": '{"verdict": "good"}'}, "--map rating=meta.verdict", ["At nine."]),
        ({"messages": chat(), "reviews": [{"ok": True}, {"ok": True}]}, "--map rating=reviews.ok", ["At nine."]),
        ({"messages": chat(), "gold": ["Lowmere", "Highmere"]}, "--map correction=gold", ['["Lowmere", "Highmere"]']),
        ({"messages": chat(better="At ten.")}, "--map correction=messages.better", ["At ten."]),
        ({"messages": chat(), "better answer": "At ten."}, "--map 'correction=better answer'", ["At ten."]),
        ({"messages": chat(), "remark_on_answer": "Rude."}, "--map correction=remark_on_answer", ["Rude."]),
        ({"prompt": "When?", "response": "At nine.", "label": "spam"}, "--map correction=label", ["spam"]),
    ],
)
def test_a_declared_field_counts_wherever_it_stands(record: dict[str, Any], way: str, expected: list[str]) -> None:
    assert way in ways(refusal(record))
    assert examples(record, typed(ReadingOptions(), way)) == expected


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"fields": {"prompt": "When?", "response": "Never.", "liked": False}, "status": "pending"},
            "--map rating=fields.liked",
        ),
        ({"data": {"prompt": "When?", "response": "Never.", "ok": False}, "inner_id": 1}, "--map rating=data.ok"),
        ({"input": {"question": "When?", "ok": False}, "output": "Never.", "sessionId": "s"}, "--map rating=input.ok"),
        (
            {"run_type": "llm", "inputs": {"question": "When?"}, "outputs": {"answer": "Never.", "judged": "bad"}},
            "--map rating=outputs.judged",
        ),
    ],
)
def test_a_declared_verdict_counts_within_the_objects_of_a_tool(record: dict[str, Any], said: str) -> None:
    assert said in ways(refusal(record))
    (found,) = reading(record, typed(ReadingOptions(), said)).records
    assert (found.output, found.rating) == ("Never.", 1)


@pytest.mark.parametrize("verdict", [{"rating": 5}, {"label": True}, {"correction": "At noon."}])
def test_a_declared_demonstration_of_a_tool_is_judged_by_what_is_declared(verdict: dict[str, Any]) -> None:
    ((ours, value),) = verdict.items()
    item = {"input": {"question": "When?", "said": value}, "expectedOutput": "At nine.", "datasetName": "d"}
    (found,) = reading(item, ReadingOptions.of({ours: "input.said"}, None, ())).records
    assert (found.output, found.rating, found.correction) == (
        "At nine.", None if ours == "correction" else 5, verdict.get("correction"),
    )  # fmt: skip


def test_a_declared_verdict_may_not_contradict_the_export() -> None:
    record = {
        "fields": {"prompt": "When?", "response": "Never.", "liked": False},
        "responses": [{"status": "submitted", "values": {"quality": {"value": "good"}}}],
    }
    options = ReadingOptions.of({"rating": "fields.liked"}, None, ())
    assert refusal(record, options).startswith("fields.liked and a verdict within the export say otherwise")


def test_the_prompt_and_the_answer_of_a_tool_may_be_declared() -> None:
    run = {"run_type": "llm", "inputs": {"ask": "When?"}, "outputs": {"said": "At nine.", "id": 7}}
    asked = ways(refusal(run))
    answered = ways(refusal(run, typed(ReadingOptions(), asked[0])))
    assert (asked, answered) == (["--map prompt=inputs.ask"], ["--map output=outputs.said"])
    (found,) = reading(run, typed(typed(ReadingOptions(), asked[0]), answered[0])).records
    assert (found.messages[0].content, found.output) == ("When?", "At nine.")


def test_each_judged_answer_teaches_by_the_verdict_in_its_own_turn() -> None:
    record = {
        "messages": [
            *chat("When?", "Never.", liked=False, better="At nine."), *chat("Where?", "Here.", liked=True),
            *chat("Why?", "Because."),
        ]
    }  # fmt: skip
    fields = {"rating": "messages.liked", "correction": "messages.better"}
    judged = ReadingOptions.of(fields, None, (), FeedbackTurns.JUDGED)
    assert examples(record, judged) == ["At nine.", "Here."]
    assert examples(record, ReadingOptions.of(fields, None, ())) == []


def test_a_verdict_of_earlier_turns_does_not_contradict_that_of_the_record() -> None:
    record = {"messages": [*chat("When?", "Never.", liked=False), *chat("Where?", "Here.")], "rating": 5}
    assert examples(record, ReadingOptions.of({"rating": "messages.liked"}, None, ())) == ["Here."]


def test_a_context_stays_with_the_turn_that_it_was_given_with() -> None:
    first, said = chat("When does it open?", "At nine.")
    parts = [{"type": "text", "text": "And the fair?"}]
    record = {
        "messages": [
            {**first, "docs": "The mill."}, said, {"role": "user", "content": parts},
            {"role": "assistant", "content": "On Monday.", "docs": ["A fair.", "A market."]},
        ]
    }  # fmt: skip
    options = ReadingOptions.of({"input": "messages.docs"}, None, ())
    (found,) = reading(record, options).records
    asked = [message.content for message in found.messages]
    assert asked == ["When does it open?\n\nThe mill.", "At nine.", "And the fair?\n\nA fair.\n\nA market."]


def test_all_parts_of_a_context_are_taken_and_none_is_dropped() -> None:
    record = {"prompt": "Which town?", "output": "Lowmere.", "rating": 5, "input": "First.", "documents": [
        {"text": "Second.", "id": 1}, {"text": "Third.", "id": 2}
    ]}  # fmt: skip
    assert "--map input=documents.text" in ways(refusal(record))
    (found,) = reading(record, ReadingOptions.of({"input": "documents.text"}, None, ())).records
    assert found.messages[0].content == "Which town?\n\nFirst.\n\nSecond.\n\nThird."


def test_values_that_differ_are_not_chosen_from() -> None:
    record = {"messages": chat(), "reviews": [{"ok": True}, {"ok": False}]}
    said = refusal(record, ReadingOptions.of({"rating": "reviews.ok"}, None, ()))
    assert said == ("reviews.ok has 2 values that differ; which one is meant? If it means nothing: --ignore reviews.ok")


@pytest.mark.parametrize("ignored", ["chosen.thumb", "thumb", "chosen[1].thumb"])
def test_fields_of_turns_are_ignored_in_every_list_of_turns(ignored: str) -> None:
    record = {"prompt": "When does the mill open?", "chosen": chat(thumb="up"), "rejected": "Never."}
    assert "--ignore chosen.thumb" in ways(refusal(record))
    assert examples(record, ReadingOptions.of({}, None, [ignored])) == ["At nine."]
    history = {"prompt": "And now?", "history": chat(thumb="up"), "correction": "At ten."}
    assert examples(history, ReadingOptions.of({}, None, [ignored.replace("chosen", "history")])) == ["At ten."]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "When?", "completion": [{"role": "assistant", "content": "At nine.", "rating": None}]},
        {"prompt": "When?", "chosen": [{"role": "assistant", "content": "At nine.", "score": None}], "rejected": "x"},
    ],
)
def test_a_verdict_without_a_value_in_the_turn_of_an_answer_makes_it_unjudged(record: dict[str, Any]) -> None:
    assert examples(record) == []


def test_the_answer_within_an_output_of_objects_may_be_declared() -> None:
    trace = {"input": "When?", "output": {"said": "At nine.", "id": 7}, "scores": [{"name": "good", "value": True}]}
    options = ReadingOptions.of({"output": "output.said"}, None, ())
    assert reading(trace, options).records[0].output == "At nine."


def test_what_nobody_can_type_is_to_be_renamed() -> None:
    assert "another name for it in the file" in refusal({"messages": chat(), "sc\nore": 1})


def test_one_of_ours_is_mapped_once() -> None:
    with pytest.raises(InputError, match="rating is mapped twice"):
        read_options(("rating=a", "rating=b"), None, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("is_bad", True), ("notGood", 1), ("errors", 3), ("toxicity", 4), ("thumbs_down", True), ("fails", 2),
        ("hallucinated", False), ("rejected_by_user", "yes"), ("flagged", True),
    ],
)  # fmt: skip
def test_what_says_how_bad_an_answer_is_is_not_offered_as_a_rating(field: str, value: Any) -> None:
    assert ways(refusal({"messages": chat(), field: value})) == [f"--ignore {field}"]


@pytest.mark.parametrize("inside", ["score", "value", "rating"])
def test_neither_is_the_value_of_an_object_that_says_so(inside: str) -> None:
    record = {"messages": chat(), "toxicity": {inside: 4}}
    assert ways(refusal(record)) == [f"--ignore toxicity.{inside}"]


@pytest.mark.parametrize("value", [True, False, "yes", "up"])
def test_yes_under_a_name_for_a_fault_is_no_praise(value: Any) -> None:
    options = ReadingOptions.of({"rating": "is_bad"}, None, ())
    said = refusal({"messages": chat(), "is_bad": value}, options)
    assert said.startswith("is_bad is ")
    assert "its name says that an answer is bad" in said
    trace = {"input": "When?", "output": "Never.", "scores": [{"name": "is_bad", "value": 1, "dataType": "BOOLEAN"}]}
    assert "its name says that an answer is bad" in refusal(trace, options)


@pytest.mark.parametrize("ours", ["rating", "label", "kto_tag", "thumbs", "thumb"])
@pytest.mark.parametrize(
    ("theirs", "more"),
    [
        ("is_bad", {"is_bad": True}),
        ("rejected", {"rejected": True}),
        ("thumbs_down", {"thumbs_down": "yes"}),
        ("toxicity", {"toxicity": 5}),
        ("errors", {"errors": "4"}),
        ("review.flagged", {"review": {"flagged": True}}),
        ("toxicity.score", {"toxicity": {"score": 5}}),
        ("hallucination.value", {"hallucination": {"value": 1.0}}),
    ],
)
def test_no_verdict_is_declared_under_a_name_for_a_fault(ours: str, theirs: str, more: dict[str, Any]) -> None:
    said = refusal({"messages": chat(), **more}, ReadingOptions.of({ours: theirs}, "0..5", ()))
    assert said.startswith(f"{theirs} is ")
    assert "its name says that an answer is bad" in said
    assert said.endswith(f"--ignore {theirs}")


def test_a_high_number_under_a_name_for_a_fault_is_no_praise_in_a_form() -> None:
    said = {"hallucination.responses": [5], "hallucination.responses.status": ["submitted"]}
    options = ReadingOptions.of({"rating": "hallucination.responses"}, "1..5", ())
    assert "its name says that an answer is bad" in refusal({"prompt": "When?", "response": "Never.", **said}, options)


def test_a_declared_verdict_of_an_object_for_good_answers_is_taken() -> None:
    record = {"messages": chat(), "quality": {"score": 2}}
    (found,) = reading(record, ReadingOptions.of({"rating": "quality.score"}, None, ())).records
    assert found.rating == 2


@pytest.mark.parametrize(
    ("field", "value", "way"),
    [
        ("worse_answer", "Never.", "--map rejected=worse_answer"),
        ("incorrect_response", "Never.", "--map rejected=incorrect_response"),
        ("best_answer", "At ten.", "--map correction=best_answer"),
        ("suggested_edit", {"text": "At ten."}, "--map correction=suggested_edit.text"),
        ("system_message", "Be brief.", "--map system=system_message"),
        ("chat_history", [["When?", "Never."]], "--map history=chat_history"),
        ("previous_messages", chat("When?", "Never."), "--map history=previous_messages"),
        ("ctx", "The mill is old.", "--map input=ctx"),
        ("title", "The mill burned down on Monday, and nobody knows why it did.", "--map input=title"),
        ("статус", "отклонено", "--map 'correction_notes=статус'"),
        ("source", "bad answers", "--map correction_notes=source"),
        ("mood", "thumbs_down", "--map rating=mood"),
        ("emoji", "👎🏽", "--map rating=emoji"),
        ("winner", "B", "--map correction_notes=winner"),
    ],
)
def test_a_way_on_fits_what_the_field_has(field: str, value: Any, way: str) -> None:
    record = {"prompt": "When does it open?", "output": "At nine.", "rating": 2, field: value}
    assert ways(refusal(record))[0] == way
    del record["rating"]
    assert refusal(record, typed(ReadingOptions(), way)) == ""


@pytest.mark.parametrize("said", [{"rejected": True}, {"rejected": "true"}, {"chosen": False}, {"correction": False}])
def test_true_or_false_where_an_answer_is_expected_is_a_verdict(said: dict[str, Any]) -> None:
    ((name, _),) = said.items()
    assert refusal({"messages": chat(), **said}).startswith(f"{name} is ")
    assert "could be a verdict" in refusal({"messages": chat(), **said})


def test_true_and_false_are_answers_where_the_others_are() -> None:
    record = {"prompt": "Is it open?", "chosen": True, "rejected": False}
    assert examples(record) == ["true"]
    assert examples({"messages": chat("Is it open?", "True"), "correction": False}) == ["false"]
    assert examples({"prompt": "Is it open?", "correction": False}) == ["false"]
    assert examples({"prompt": "Is it open?", "output": True, "correction": False}) == ["false"]


@pytest.mark.parametrize(
    ("record", "mapped"),
    [
        ({"ask": "When?", "reply": "At nine."}, ["--map prompt=ask", "--map output=reply"]),
        ({"input": "When?", "output": "At nine."}, ["--map prompt=input"]),
        ({"question": "When?", "chosen": "At nine.", "rejected": "Never."}, ["--map prompt=question"]),
        ({"text": "A good film.", "label": "positive"}, ["--map prompt=text", "--map correction=label"]),
    ],
)
def test_a_record_of_no_format_is_told_what_its_fields_may_be(record: dict[str, Any], mapped: list[str]) -> None:
    assert ways(refusal(record)) == mapped
    options = ReadingOptions()
    for way in mapped:
        options = typed(options, way)
    assert refusal(record, options) == ""


def test_an_output_beside_a_conversation_is_told_what_it_may_be() -> None:
    record = {"messages": chat(), "output": "At ten."}
    better, nothing = ways(refusal(record))
    assert examples(record, typed(ReadingOptions(), better)) == ["At ten."]
    assert examples(record, typed(ReadingOptions(), nothing)) == ["At nine."]


@pytest.mark.parametrize("name", [*NAMES, "a=b", "it's 'so'", "x,y", "(a)"])
@pytest.mark.parametrize("sentence", ["as with {} ([x]), or {}", "say {}", "{}; if nothing: {}, say", "{}, {}"])
def test_what_a_refusal_names_is_found_in_its_text(name: str, sentence: str) -> None:
    found = named_in(sentence.replace("{}", mapping("rating", name), 1).replace("{}", ignore(name)))
    assert found.fields == (("rating", plain_path(name)),)
    assert found.ignore == ((plain_path(name),) if sentence.count("{}") == 2 else ())


def test_a_text_that_names_none_has_none() -> None:
    assert named_in("the record is --mapped, --map, --map x, --ignore") == Ways()


def test_other_fields_of_a_refusal_are_found() -> None:
    said = refusal({"prompt": "Who?", "response": "x", "score": 7, "mood": "sad stuff", "looks_good": True})
    assert named_in(said) == Ways((("rating", "score"),), ("score",), ("mood", "looks_good"), scale=True)
