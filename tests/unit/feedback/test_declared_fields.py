"""Fields that are declared as one of ours: what stands beside them, and in their place, still counts."""

import shlex
import sys
from typing import Any

import pytest

from adapterd.feedback.checks import MAX_DEPTH
from adapterd.feedback.formats import ReadingOptions
from adapterd.feedback.formats.declared.paths import as_declared
from tests.support.readings import chat, examples, reading, refusal


def mapped(*ignored: str, **fields: str) -> ReadingOptions:
    return ReadingOptions.of(fields, None, ignored)


@pytest.mark.parametrize(
    ("fields", "record"),
    [
        ({"rating": "feedback.score"}, {"messages": chat(), "feedback": "bad"}),
        ({"rating": "feedback.score"}, {"messages": chat(), "feedback": 1}),
        ({"rating": "feedback.score"}, {"messages": chat(), "feedback": ["bad"]}),
        ({"rating": "feedback.score"}, {"messages": chat(), "feedback": [{"id": "a-17"}, "bad"]}),
        ({"rating": "feedback.score"}, {"messages": chat(), "feedback": '["bad"]'}),
        ({"rating": "review.score"}, {"messages": chat(), "review": [False]}),
        ({"rating": "review.score"}, {"messages": chat(), "review": [[False]]}),
        ({"rating": "review.score"}, {"prompt": "When?", "completion": "Never.", "review": -1}),
        ({"rating": "messages.review.score"}, {"messages": chat(review="terrible")}),
        ({"source_id": "review.id"}, {"messages": chat(), "review": ["bad", 1]}),
        ({"input": "docs.text"}, {"messages": chat(), "docs": "The mill is old."}),
        ({"input": "docs.text"}, {"messages": chat(), "docs": ["The mill is old.", {"text": "A fair."}]}),
    ],
)
def test_a_verdict_in_the_place_of_declared_objects_stops_the_record(
    fields: dict[str, str], record: dict[str, Any]
) -> None:
    assert "which could be" in refusal(record, mapped(**fields))


@pytest.mark.parametrize(
    "review",
    [
        {"score": 5, "id": "a-17"},
        [{"score": 5}, {"id": "a-17"}],
        [[{"score": 5}], None],
        '[{"score": 5, "id": "a-17"}]',
    ],
)
def test_metadata_in_the_objects_of_a_declared_field_is_kept_aside(review: Any) -> None:
    assert examples({"messages": chat(), "review": review}, mapped(rating="review.score")) == ["At nine."]


@pytest.mark.parametrize("levels", [MAX_DEPTH + 2, 400, 20_000])
@pytest.mark.parametrize("begin", ["[", '{"a": '])
@pytest.mark.parametrize("ours", ["rating", "input", "label", "source_id"])
def test_lists_and_objects_that_are_nested_too_deeply_are_refused(ours: str, begin: str, levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value] if begin == "[" else {"a": value}
    said = refusal({"messages": chat(), "meta": value}, mapped(**{ours: "meta.score"}))
    assert "nested" in said
    assert said.endswith(("deep", "deeply"))


def test_declared_fields_are_found_as_deep_as_records_may_be_nested() -> None:
    value: Any = {"score": 5}
    for _ in range(MAX_DEPTH - 2):
        value = [value]
    assert examples({"messages": chat(), "meta": value}, mapped(rating="meta.score")) == ["At nine."]


def test_values_that_are_nested_too_deeply_are_not_compared() -> None:
    value: Any = [1]
    for _ in range(100_000):
        value = [value]
    record = {"messages": chat(), "reviews": [{"score": value}, {"score": 5}]}
    assert refusal(record, mapped(rating="reviews.score")) == "the record is nested too deeply"


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ("score[quality]", "score[speed]"), ("score[1]", "score[2]"), ("[score]", "[mood]"), ("score", "score[speed]"),
        ("score[speed]", "score"), ("reviews[0].score", "reviews[1].score"), ("score[v1.0]", "score[v1.1]"),
        ("a.score", "b.score"),
    ],
)  # fmt: skip
def test_names_with_brackets_and_dots_are_taken_and_ignored_as_they_are_written(bad: str, good: str) -> None:
    record = {"messages": chat(), bad: 1, good: 5}
    assert examples(record, mapped(bad, rating=good)) == ["At nine."]
    assert examples(record, mapped(good, rating=bad)) == []
    assert refusal(record, mapped(rating=good)).startswith(f"{bad} is 1, which could be a verdict")
    assert refusal(record, mapped(good)).startswith(f"{bad} is 1, which could be a verdict")
    ways = refusal(record, mapped(good))
    assert f"--map {shlex.quote(f'rating={bad}')} " in ways
    assert f"--ignore {shlex.quote(bad)}" in ways


@pytest.mark.parametrize("typed", ["messages[1].score", "messages.score", "Messages[0].Score"])
def test_places_in_lists_may_be_typed_and_mean_all_of_them(typed: str) -> None:
    assert examples({"messages": chat(score=1)}, mapped(rating=typed)) == []
    assert examples({"messages": chat(score=5)}, mapped(rating=typed)) == ["At nine."]
    assert examples({"messages": chat(score=1)}, mapped(typed)) == ["At nine."]
    assert (
        examples(
            {"messages": [{**chat()[0]}, {**chat(score=5)[1], "score[a]": 1}]},
            mapped(typed, rating="messages.score[a]"),
        )
        == []
    )


@pytest.mark.parametrize("score", [5, '"5"', [5]])
def test_a_name_with_a_bracket_is_not_taken_from_a_field_without_it(score: Any) -> None:
    record = {"messages": chat(), "score": score}
    assert refusal(record, mapped(rating="score[speed]")).startswith("score")
    assert refusal(record, mapped("score[speed]")).startswith("score")


@pytest.mark.parametrize(
    ("theirs", "record"),
    [
        ("user.score", {"user.score": 1, "user": {"score": 3}}),
        ("user.score", {"user.score": 1, "user": '{"score": 3}'}),
        ("meta.user.score", {"meta": {"user.score": 1, "user": {"score": 3}}}),
        ("meta.user.score", {"meta": [{"user.score": 1, "user": {"score": 3}}]}),
    ],
)
def test_a_path_that_means_two_fields_is_refused(theirs: str, record: dict[str, Any]) -> None:
    record = {"messages": chat(), **record}
    for options in (mapped(rating=theirs), mapped(theirs), mapped(theirs, rating=theirs)):
        said = refusal(record, options)
        assert said.startswith(f"{theirs} stands in two fields of the record")
        assert "another name in the file" in said
        assert "--map" not in said


@pytest.mark.parametrize(
    ("theirs", "beside"), [("score", "Score"), ("user.score", "User.Score"), ("user.score", "USER.score")]
)
def test_no_field_is_ignored_for_one_that_differs_in_capitals(theirs: str, beside: str) -> None:
    record = {"messages": chat(), theirs: 1, beside: 5}
    assert refusal(record, mapped(beside, rating=theirs)).startswith(f"{beside} stands in two fields")
    assert refusal(record, mapped(theirs, rating=beside)).startswith(f"{theirs} stands in two fields")


def test_an_element_and_a_field_of_the_same_name_are_not_both_ignored() -> None:
    record = {"messages": chat(), "score[1]": 5, "score": [1, 1]}
    assert refusal(record, mapped("score[1]")).startswith("score[1] stands in two fields of the record")
    assert refusal(record, mapped(rating="score[1]")).startswith("score")


def test_an_empty_field_beside_a_declared_one_of_the_same_path_says_nothing() -> None:
    record = {"messages": chat(), "user.score": None, "user": {"score": 1}}
    assert examples(record, mapped(rating="user.score")) == []
    assert refusal(record, mapped(rating="user.score")) == ""
    assert examples(record, mapped("user.score")) == ["At nine."]


@pytest.mark.parametrize("empty", [None, {}, [], "", "{}", [None], {"score": None}, [{}, {"score": None}]])
@pytest.mark.parametrize("ours", ["rating", "label", "correction", "rejected", "weight", "failure_tags"])
def test_an_answer_whose_declared_verdict_would_stand_in_something_empty_is_unjudged(ours: str, empty: Any) -> None:
    taught = mapped(**{ours: "fb.score"})
    assert examples({"messages": chat(), "fb": empty}, taught) == []
    assert examples({"messages": chat(fb=empty)}, mapped(**{ours: "messages.fb.score"})) == []
    assert examples({"messages": chat(), "meta": {"fb": empty}}, mapped(**{ours: "meta.fb.score"})) == []
    assert examples({"messages": chat()}, taught) == ["At nine."]


def test_a_verdict_beside_something_empty_counts() -> None:
    record = {"messages": chat(), "fb": None}
    assert examples({**record, "rating": 5}, mapped(rating="fb.score")) == ["At nine."]
    assert examples({**record, "fb": [None, {"score": 5}]}, mapped(rating="fb.score")) == ["At nine."]
    assert examples(record, mapped(source_id="fb.id")) == ["At nine."]


@pytest.mark.parametrize(
    ("ours", "theirs", "value"),
    [
        ("label", "ok", "maybe"), ("thumb", "ok", 3), ("weight", "train", 0.5), ("output_type", "kind", "bad"),
        ("application", "made by", "bad"), ("chosen", "sel", True), ("rejected", "sel", "true"),
        ("correction", "fix.it", False), ("label", "score[a]", "maybe"), ("output", "said", "At ten."),
    ],
)  # fmt: skip
def test_a_refusal_of_a_declared_field_names_the_field_of_the_record(ours: str, theirs: str, value: Any) -> None:
    name, _, inner = theirs.partition(".")
    record = {"messages": chat(), name: {inner: value} if inner else value}
    said = refusal(record, mapped(**{ours: theirs}))
    ignored = f"--ignore {shlex.quote(theirs)}"
    assert theirs in said
    assert said.endswith(ignored)
    assert examples(record, mapped(theirs, **{ours: theirs})) == ["At nine."]
    record = {"messages": chat(), ours: value}
    assert refusal(record, mapped(**{ours: theirs})) == refusal(record)
    assert refusal(record).endswith(f"--ignore {ours}")


def test_a_field_of_the_settings_may_be_called_otherwise_at_an_import() -> None:
    record = {"messages": chat(), "ok": "At ten."}
    settings = mapped(label="ok")
    assert "--map correction=ok" in refusal(record, settings)
    assert examples(record, mapped(correction="ok").over(settings)) == ["At ten."]
    assert examples({"messages": chat(), "ok": 2}, mapped(rating="OK").over(settings)) == []


def test_two_declared_verdicts_are_named_as_the_record_has_them() -> None:
    record = {"messages": chat(), "ok": True, "score": 5}
    said = refusal(record, mapped(label="ok", rating="score"))
    assert said == "ok and score are both given; one verdict is enough; leave one out: --ignore ok"


def test_the_contexts_of_many_turns_are_put_together_in_one_pass() -> None:
    def calls(answers: int) -> int:
        """The calls of functions by which a conversation of one question with so many answers is read."""
        turns = [
            chat()[0],
            *({"role": "assistant", "content": "At nine.", "docs": "The mill."} for _ in range(answers)),
        ]
        options, count = mapped(input="messages.docs"), 0

        def counted(_frame: object, _event: str, _what: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            as_declared({"messages": turns}, options)
        finally:
            sys.setprofile(None)
        return count

    assert calls(800) < 2.2 * calls(400)


def test_the_contexts_of_several_answers_go_below_their_question() -> None:
    said = [{"role": "assistant", "content": "At nine.", "docs": docs} for docs in ("First.", ["Second."], None)]
    for asked in ("When?", [{"type": "text", "text": "When?"}]):
        turns = [{"role": "user", "content": asked}, *said, *chat("Where?", docs="Third.")]
        (found,) = reading({"messages": turns}, mapped(input="messages.docs")).records
        assert found.messages[0].content == "When?\n\nFirst.\n\nSecond."
        assert found.messages[-1].content == "Where?\n\nThird."
