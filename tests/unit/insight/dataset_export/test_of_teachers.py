"""What teachers made is exported as a run would train on it, and never comes back as what a person said."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapterd.chat import Message, Role
from adapterd.config import DatasetSettings, ModelSettings
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.curation.synthetic import BEYOND, NEAR_FROZEN, REPLACED, SAID_BY_PEOPLE
from adapterd.dataset.examples import Example
from adapterd.dataset.export import EXPORT_FORMATS, ExampleFormat, PairFormat, Part, StatedPair, export_format
from adapterd.dataset.statements import resolve
from adapterd.errors import InputError
from adapterd.feedback.formats import SYNTHETIC, parse
from adapterd.formats.synthetic import TeacherExample
from adapterd.insight.dataset_export.export import NO_MARK, DatasetExport, Exporter
from adapterd.insight.dataset_export.of_teachers import OfTeachers
from adapterd.insight.dataset_export.taught import TaughtFeedback
from adapterd.record import FeedbackRecord
from adapterd.store import Store
from adapterd.store.new_feedback import NewFeedback

AT = datetime(2026, 1, 1, tzinfo=UTC)
TAUGHT = {Part.TRAIN, Part.VALIDATION}
SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00")
MADE = (
    TeacherExample(1, (Message(Role.USER, "Who rang?"),), "The clerk.", "answer", "big", AT),
    TeacherExample(2, (Message(Role.USER, "Who met?"),), "The council.", "worse", "big", AT, "The mayor."),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A model to which a person said who met, and not the mayor."""
    said = FeedbackRecord((Message(Role.USER, "Who met?"),), output="Nobody.", correction="The council.", created_at=AT)
    with Store(tmp_path / "state.db") as opened:
        opened.feedback.add_many("m", [NewFeedback.of(said, "f", 1)])
        yield opened


def exported(
    store: Store, name: str, made: tuple[TeacherExample, ...] = MADE, *, unmarked: bool = False
) -> tuple[DatasetExport, list[dict[str, Any]]]:
    taught = TaughtFeedback(store, "m", SETTINGS, of_teachers=OfTeachers(made))
    exporter = Exporter("m", export_format(name), lambda: taught.left_out, marks=bool(made), unmarked=unmarked)
    form, stream = export_format(name), io.BytesIO()
    exporter.form = replace(form, files={})
    result = exporter.to_stream(taught.items(TAUGHT, divide=bool(form.files)), stream)
    return result, [json.loads(line) for line in stream.getvalue().splitlines()]


WITH_MARK = [each.name for each in EXPORT_FORMATS if each.has_mark]
WITHOUT = [each.name for each in EXPORT_FORMATS if not each.has_mark]


@pytest.mark.parametrize("name", WITH_MARK)
def test_each_record_says_whether_a_model_made_it_and_is_read_again_only_if_none_did(store: Store, name: str) -> None:
    made, records = exported(store, name)
    assert [each[SYNTHETIC] for each in records] == [False, True]
    assert made.by == {"people": 1, "teachers": 1}
    assert made.unmarked == 0
    said, of_teacher = records
    taught_again = resolve(parse(said, received_at=AT).records).examples
    assert [each.completion for each in taught_again] == ["The council."]
    with pytest.raises(InputError, match="synthetic is true: a model made this record"):
        parse(of_teacher, received_at=AT)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_format_without_a_place_for_the_mark_has_what_people_said_alone(store: Store, name: str) -> None:
    made, records = exported(store, name)
    assert [SYNTHETIC in each for each in records] == [False]
    assert made.by == {"people": 1, "teachers": 0}
    assert sum(each.count for each in made.left_out if each.reason == NO_MARK) == 2


@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_written_unmarked_is_counted(store: Store, name: str) -> None:
    made, records = exported(store, name, unmarked=True)
    assert [SYNTHETIC in each for each in records] == [False, False]
    assert (made.by, made.unmarked) == ({"people": 1, "teachers": 1}, 1)
    assert made.not_known_right == 0


@pytest.mark.parametrize("form", EXPORT_FORMATS, ids=lambda form: form.name)
def test_without_teachers_no_record_has_a_mark(store: Store, form: ExampleFormat | PairFormat) -> None:
    made, records = exported(store, form.name, ())
    assert [SYNTHETIC in each for each in records] == [False]
    assert made.by == {"people": 1, "teachers": 0}


def test_what_a_run_would_not_train_on_is_left_out_and_counted(store: Store) -> None:
    asked = [
        "Who met?",  # which a person answered
        "The council met on Monday in the old mill to speak of the late ferry, did it not?",
        "Who rang?",
        "Who left?",
    ]
    made = [
        TeacherExample(number, (Message(Role.USER, prompt),), "Yes.", "answer", "big", AT)
        for number, prompt in enumerate(asked, start=1)
    ]
    frozen = replace(made[1], messages=(Message(Role.USER, asked[1].replace("did it not", "did it")),))
    case = EvaluationCase(frozen.prompt_hash, frozen.messages, "Yes.", "r")
    store.evaluation_sets.freeze("m", "h", [case.as_dict()])
    settings = replace(SETTINGS, dataset=DatasetSettings(max_synthetic=1))
    taught = TaughtFeedback(store, "m", settings, of_teachers=OfTeachers(made))
    found = [each.what for each in taught.items(TAUGHT, divide=False) if each.synthetic]
    assert [each.messages[-1].content for each in found if isinstance(each, Example)] == ["Who left?"]
    begin = "made by teachers, and "
    counted = {reason.removeprefix(begin): n for (_, reason), n in taught.left_out.items() if reason.startswith(begin)}
    assert counted == {SAID_BY_PEOPLE: 1, NEAR_FROZEN: 1, BEYOND: 1}


def test_a_variation_of_an_answer_that_was_replaced_since_is_left_out(store: Store) -> None:
    [(_, text)] = store.feedback.ever("m")
    said = FeedbackRecord.from_json(text)
    asked = (Message(Role.USER, "Which ones came together?"),)
    variation = TeacherExample(3, asked, "The council.", "variation", "big", AT, records=(said.content_hash,))
    result, records = exported(store, "trl", (variation,))
    assert result.by == {"people": 1, "teachers": 1}
    later = replace(said, correction="The jury.", created_at=AT.replace(year=2027))
    store.feedback.add_many("m", [NewFeedback.of(later, "f", 2)])
    result, records = exported(store, "trl", (variation,))
    assert [each[SYNTHETIC] for each in records] == [False]
    assert f"made by teachers, and {REPLACED}" in {each.reason for each in result.left_out}


def test_sets_are_divided_as_in_a_run_and_each_is_given_alone(store: Store) -> None:
    made = [
        TeacherExample(number, (Message(Role.USER, f"Who rang {number} times?"),), f"{number}.", "answer", "big", AT)
        for number in range(1, 41)
    ]
    found = {
        part: [
            each.what
            for each in TaughtFeedback(store, "m", SETTINGS, of_teachers=OfTeachers(made)).items({part}, divide=True)
            if each.synthetic
        ]
        for part in (Part.TRAIN, Part.VALIDATION)
    }
    assert sum(map(len, found.values())) == len(made)
    assert found[Part.VALIDATION]
    assert all(not isinstance(each, StatedPair) for some in found.values() for each in some)
    only_judges = TaughtFeedback(store, "m", SETTINGS, of_teachers=OfTeachers(made))
    store.evaluation_sets.freeze("m", "h", [])
    assert [*only_judges.items({Part.EVALUATION}, divide=True)] == []
