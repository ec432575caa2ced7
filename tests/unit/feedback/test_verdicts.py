"""Whatever a verdict is called: an answer that somebody disliked, or that nobody judged, is not imitated."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.dataset.judgements import LEFT_AS_IT_WAS
from adapterd.dataset.statements import resolve
from adapterd.feedback.formats import FORMATS, FeedbackFormat, ReadingOptions
from tests.support.exports import correction_within
from tests.support.readings import chat, examples, pairs, reading, refusal

SHAREGPT = [{"from": "human", "value": "When does the mill open?"}, {"from": "gpt", "value": "At nine."}]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": chat(), "label": False},
        {"messages": chat(), "label": "false"},
        {"messages": chat(), "kto_tag": False},
        {"messages": chat(), "thumbs": "down"},
        {"messages": chat(), "thumb": "👎"},
        {"messages": chat(), "Label": False},
        {"messages": chat(), "KTO-Tag": False},
        {"conversations": SHAREGPT, "label": False},
        {"instruction": "When?", "input": "The mill opens at ten.", "output": "At nine.", "kto_tag": False},
        {"prompt": "When?", "completion": "At nine.", "label": False},
        {"query": "When?", "response": "At nine.", "label": False},
        {"question": "When?", "answer": "At nine.", "rating": 1},
        {"conversation": [{"input": "When?", "output": "At nine."}], "rating": 2},
    ],
)
def test_a_verdict_that_is_known_makes_the_answer_bad(record: dict[str, Any]) -> None:
    assert examples(record) == []
    assert [each.rating in (1, 2) for each in reading(record).records] == [True]


@pytest.mark.parametrize("name", ["label", "kto_tag", "thumbs"])
def test_a_good_verdict_makes_the_answer_an_example(name: str) -> None:
    assert examples({"messages": chat(), name: "up" if name == "thumbs" else True}) == ["At nine."]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", "bad"), ("label", 0), ("feedback", {"score": 0, "comment": "wrong"}), ("score", 0), ("liked", "no"),
        ("thumbsUp", False), ("is-helpful", False), ("RewardModelScore", 0.1), ("human_vote", "-1"), ("stars", "1/5"),
        ("annotation", {"rating": -1}), ("meta", {"review": {"verdict": "bad"}}),
        ("extra", [{"name": "k", "value": 0}]),
        ("mood", 2), ("flag", True), ("emotion", "👎"), ("bewertung", "schlecht"), ("评分", 1), ("ocena", "zła"),
        ("info", '{"rating": -1}'), ("tags", ["thumbs_down"]), ("category", "wrong"), ("loss_mask", [0]), ("rank", 2),
        ("weight", -1.0), ("weight", 0.3), ("importance", 0.0), ("chance", "12 %"), ("state", "rejected"),
        ("reported", True), ("toxicity", "high"), ("qualität", "niedrig"), ("do_not_train", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["record", "turn", "metadata"])
def test_a_verdict_that_is_not_known_stops_the_record_with_its_name(place: str, field: str, value: Any) -> None:
    extra = {field: value}
    record = {
        "record": {"messages": chat(), **extra},
        "turn": {"messages": chat(**extra)},
        "metadata": {"messages": chat(), "metadata": extra},
    }[place]
    assert field in refusal(record)


def test_a_refusal_names_the_field_and_the_ways_on() -> None:
    sentence = refusal({"messages": chat(), "feedback": {"score": 2}})
    assert sentence.startswith("feedback.score is 2, which could be a verdict: ")
    for way in (
        "--map rating=feedback.score",
        "[models.NAME.feedback.fields]",
        "--scale 1..10",
        "--ignore feedback.score",
    ):
        assert way in sentence


@pytest.mark.parametrize(
    "options",
    [
        ReadingOptions.of({"rating": "feedback.score"}, "0..10", []),
        ReadingOptions.of({}, None, ["feedback"]),
        ReadingOptions.of({}, None, ["score"]),
        ReadingOptions.of({}, None, ["feedback.score"]),
    ],
)
def test_the_ways_on_lead_on(options: ReadingOptions) -> None:
    assert examples({"messages": chat(), "feedback": {"score": 9}}, options) == ["At nine."]


def test_a_field_that_is_mapped_is_judged_on_the_scale_that_is_stated() -> None:
    options = ReadingOptions.of({"rating": "feedback.score"}, "0..10", [])
    assert examples({"messages": chat(), "feedback": {"score": 2}}, options) == []


@pytest.mark.parametrize("theirs", ["messages.annotation.rating", "messages[1].annotation.rating"])
def test_a_verdict_in_the_turn_of_the_answer_may_be_mapped(theirs: str) -> None:
    options = ReadingOptions.of({"rating": theirs}, "-1..1", [])
    record = {"messages": chat(annotation={"rating": -1})}
    assert (examples(record, options), reading(record, options).records[0].rating) == ([], 1)
    assert examples({"messages": chat(annotation={"rating": 1})}, options) == ["At nine."]
    earlier = [*chat(said="Never.", annotation={"rating": -1}), *chat(annotation={"rating": 1})]
    assert examples({"messages": earlier}, options) == ["At nine."]


def test_a_mapped_field_beside_ours_is_refused() -> None:
    options = ReadingOptions.of({"rating": "score"}, None, [])
    assert refusal({"messages": chat(), "score": 4, "rating": 1}, options).startswith(
        "score is to be rating, and rating"
    )


@pytest.mark.parametrize(
    "record",
    [
        {"messages": chat(weight=0)},
        {"messages": chat(weight="0")},
        {"messages": chat(loss=False)},
        {"messages": chat(weight=None)},
        {"messages": chat(), "weight": 0.0},
        {"messages": chat(annotation=None)},
        {"messages": chat(), "rating": None, "correction": None},
        {"messages": chat(), "rating": ""},
        {"instruction": "When?", "output": "At nine.", "rating": None, "failure_tags": None},
        {"instruction": "When?", "output": "At nine.", "failure_tags": []},
        {"conversations": SHAREGPT, "score": None},
        {"conversations": SHAREGPT, "feedback": {"score": None, "comment": ""}},
        {"prompt": "When?", "completion": "At nine.", "human_verdict": ""},
        {"query": "When?", "response": "At nine.", "corrected": None},
    ],
)
def test_an_answer_that_nobody_judged_is_no_demonstration(record: dict[str, Any]) -> None:
    assert examples(record) == []
    assert reading(record).not_judged == 1


def test_what_is_ignored_leaves_other_empty_verdicts_as_they_are() -> None:
    options = ReadingOptions.of({}, None, ["mood"])
    assert examples({"messages": chat(), "mood": 3, "human_verdict": None}, options) == []


@pytest.mark.parametrize("turn", [{"weight": 1}, {"loss": True}, {"weight": 1.0, "loss": True}, {"name": "bot"}])
def test_a_weight_of_one_is_a_demonstration(turn: dict[str, Any]) -> None:
    assert examples({"messages": chat(**turn)}) == ["At nine."]


@pytest.mark.parametrize("turn", [{"weight": 0.5}, {"weight": 2}, {"weight": -1}, {"weight": 0, "loss": True}])
def test_any_other_weight_is_refused(turn: dict[str, Any]) -> None:
    assert "weight" in refusal({"messages": chat(**turn)})


@pytest.mark.parametrize(
    "record",
    [
        {"messages": chat(weight=0), "rating": 5},
        {"messages": chat(), "weight": 0, "label": True},
        {"prompt": "p", "output": "o", "correction": "c", "weight": 0},
        {"prompt": "p", "chosen": "c", "rejected": "r", "weight": "0"},
    ],
)
def test_a_record_that_teaches_and_has_no_weight_is_a_contradiction(record: dict[str, Any]) -> None:
    assert "does not teach" in refusal(record)


@pytest.mark.parametrize(
    ("record", "example"),
    [
        ({"messages": chat(), "Correction": "At ten.", "Rating": 1}, "At ten."),
        ({"messages": chat(), "correctionNotes": "late", "CORRECTION": "At ten."}, "At ten."),
        ({"instruction": "When?", "output": "At nine.", "reflection": "No.", "corrected": "At ten."}, "At ten."),
        ({"question": "When?", "answer": "At nine.", "contexts": ["c"], "ground_truth": "At ten."}, "At ten."),
        ({"Prompt": "When?", "Output": "At nine.", "Correction": "At ten."}, "At ten."),
    ],
)
def test_a_correction_that_is_known_by_its_name_is_taught(record: dict[str, Any], example: str) -> None:
    assert examples(record) == [example]


@pytest.mark.parametrize(
    "name",
    ["corrected", "corrected_output", "expected_output", "gold", "target", "idealAnswer", "edited_text", "revision",
     "better", "reference", "fixed_by_editor_text", "truth", "should_be", "solution", "rewrite"],
)  # fmt: skip
def test_another_answer_under_another_name_stops_the_record(name: str) -> None:
    assert name in refusal({"messages": chat(), name: "At ten."})


def test_the_same_field_in_two_spellings_is_refused() -> None:
    assert (
        refusal({"messages": chat(), "rating": 5, "Rating": 1})
        == "Rating and rating are both given; they mean the same"
    )


@pytest.mark.parametrize("output", ["barn hot", '{"who": "Finn", "n": 1}'])
@pytest.mark.parametrize(
    "verdict", [{"rating": 1}, {"rating": 2}, {"failure_tags": ["hallucination"]}, {"label": False}]
)
def test_a_form_that_was_left_as_it_was_is_a_bad_verdict_only(output: str, verdict: dict[str, Any]) -> None:
    correction: Any = {"n": 1, "who": "Finn"} if output.startswith("{") else "barn  hot "
    record = {"prompt": "p", "output": output, "correction": correction, **verdict}
    liked = {"prompt": "p", "output": output, "rating": 5}
    said = resolve([*reading(liked).records, *reading(record).records])
    assert (said.examples, said.pairs) == ([], [])
    assert str(said.teachings[1]) == f"refused: {LEFT_AS_IT_WAS}"


def test_a_form_keeps_no_thought_and_its_own_form_of_unicode() -> None:
    record = {"prompt": "p", "output": "<think>\nhm\n</think>\n\nCaf\u00e9", "correction": "Cafe\u0301", "rating": 1}
    assert resolve(reading(record).records).examples == []


def test_a_correction_that_confirms_an_answer_is_an_example() -> None:
    assert examples({"prompt": "p", "output": "At ten.", "correction": "At ten."}) == ["At ten."]


@pytest.mark.parametrize("split", ["test", "TEST", "validation", "dev", "eval", "held-out", 3])
@pytest.mark.parametrize("name", ["split", "Split", "partition", "data_split"])
def test_what_is_not_for_training_is_refused(name: str, split: Any) -> None:
    assert "only what is for training is taken" in refusal({"messages": chat(), name: split})


def test_what_is_for_training_is_taken() -> None:
    assert examples({"messages": chat(), "split": "TRAIN"}) == ["At nine."]


@pytest.mark.parametrize(
    "record",
    [
        {"messages": chat(), "rejected_response": "Soon."},
        {"messages": chat(), "rejected_message": {"role": "assistant", "content": "Soon."}, "split": "TRAIN"},
    ],
)
def test_a_worse_answer_beside_a_conversation_gives_a_pair(record: dict[str, Any]) -> None:
    assert (examples(record), pairs(record)) == (["At nine."], [("At nine.", "Soon.")])


NEGATIVE = st.sampled_from(
    [{"rating": 1}, {"rating": "2"}, {"rating": 2.0}, {"label": False}, {"kto_tag": "False"}, {"thumbs": "down"},
     {"rating": 3, "rating_scale": 10}, {"failure_tags": "hallucination"},
     {"rating": 1, "failure_tags": ["truncation"]},
     {"score": 0}, {"feedback": {"liked": False}}, {"verdict": "bad"}, {"weight": 0}]
)  # fmt: skip
METADATA = st.dictionaries(
    st.sampled_from(["id", "model", "user", "url", "latency_ms", "metadata"]),
    st.sampled_from(["a7", 12, "qwen2.5", {"id": 3}]),
    max_size=2,
)


@given(st.sampled_from(FORMATS), NEGATIVE, METADATA)
@settings(max_examples=120)
def test_no_record_with_a_negative_verdict_yields_an_example(
    chosen: FeedbackFormat, verdict: dict[str, Any], metadata: dict[str, Any]
) -> None:
    own = {name: value for name, value in chosen.example.items() if name not in ("rating", "correction")}
    record = {**metadata, **own, **verdict}
    right = [own[name] for name in ("corrected", "ground_truth") if name in own] or [correction_within(chosen)]
    assert refusal(record) or examples(record) in ([], right)
