"""Argilla's rows in data sets of Hugging Face: of version 2 with a column for each question, and of version 1."""

from typing import Any

import pytest

from adapterd.feedback.formats import ReadingOptions
from tests.support.readings import examples, reading, refusal

SHOWN = {"prompt": "When is the fair?", "response": "Never.", "status": "completed", "_server_id": "e0ba74e8-bcd8"}
PLAIN_V1 = {"prompt": "When is the fair?", "response": "Never.", "external_id": None, "metadata": "{}"}


def column(
    question: str, *values: Any, users: list[str] | None = None, status: list[str | None] | None = None
) -> dict[str, Any]:
    return {
        f"{question}.responses": list(values),
        f"{question}.responses.users": users or [f"u{place}" for place in range(len(values))],
        f"{question}.responses.status": status or ["submitted"] * len(values),
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (column("label", "good"), ["Never."]),
        (column("label", "bad"), []),
        (column("label", "bad") | {"label.suggestion": "good", "label.suggestion.score": 0.9}, []),
        ({"label.suggestion": "good", "label.suggestion.agent": "judge", "label.suggestion.score": None}, []),
        ({"label.responses": None, "label.responses.users": None, "label.responses.status": None}, []),
        (column("correction", "On Monday."), ["On Monday."]),
        (column("quality", "good", "bad", status=["draft", "submitted"]), []),
        (column("quality", "good", status=["discarded"]), []),
        (
            {"quality.responses": "good", "quality.responses.users": "u", "quality.responses.status": "submitted"},
            ["Never."],
        ),
        ({"quality.responses": '["good"]', "quality.responses.status": '["submitted"]'}, ["Never."]),
        ({"quality.responses": ["good"]}, ["Never."]),
    ],
)
def test_a_row_teaches_what_was_submitted(said: dict[str, Any], expected: list[str]) -> None:
    assert reading({**SHOWN, **said}).format == "ArgillaRow"
    assert examples({**SHOWN, **said}) == expected


def test_answers_of_one_person_to_several_questions_are_one_statement() -> None:
    said = column("quality", "bad", "good", users=["ann", "bob"]) | column("correction", "On Monday.", users=["ann"])
    first, second = reading({**SHOWN, **said}).records
    assert (first.rating, first.correction, second.rating, second.correction) == (1, "On Monday.", 5, None)


def test_the_answer_to_a_question_is_told_from_the_field_of_the_same_name() -> None:
    row = {**SHOWN, **column("response", "On Monday.")}
    assert "--map correction=response.responses" in refusal(row)
    options = ReadingOptions.of({"correction": "response.responses"}, None, ())
    (found,) = reading(row, options).records
    assert (found.output, found.correction) == ("Never.", "On Monday.")
    assert reading(row, ReadingOptions.of({}, None, ["response.responses"])).not_judged == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (column("tone", "rude"), "tone.responses[0] is 'rude', and it is not known what tone.responses says"),
        (column("rating", 4), "rating.responses[0] is 4 on a scale that the file does not tell"),
        (column("ranking", [{"value": "a", "rank": 1}]), "ranking.responses[0] is a list"),
        ({"label.responses": "['good']"}, "label.responses is \"['good']\", a list as Python prints it"),
        (column("label", "good", users=["a", "b"]), "label.responses.users has 2 entries for 1 answers"),
        ({"label.responses": ["good"], "status": "pending"}, "label.responses[0].status is null"),
        (column("label", "good") | {"status": "discarded"}, "status is 'discarded'"),
        (column("label", "good") | {"documents": "The fair."}, "documents is 'The fair.'"),
        (column("label", "good") | {"score": 0.3}, "score is 0.3"),
        (column("label", "good") | {"rating": 1}, "rating is 1 beside an export of a tool"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(said: dict[str, Any], reason: str) -> None:
    assert refusal({**SHOWN, **said}).startswith(reason)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        ([{"user_id": "u", "value": "good", "status": "submitted"}], ["Never."]),
        ([{"user_id": None, "value": "bad", "status": "submitted"}], []),
        ({"user_id": ["u"], "value": ["good"], "status": ["submitted"]}, ["Never."]),
        ({"user_id": ["u"], "value": ["good"], "status": ["discarded"]}, []),
    ],
)
def test_a_row_of_version_1_says_the_same(quality: Any, expected: list[str]) -> None:
    row = {**PLAIN_V1, "quality": quality, "quality-suggestion": "good", "quality-suggestion-metadata": {"score": None}}
    assert reading(row).format == "ArgillaRow"
    assert examples(row) == expected
