"""What crosses a process comes out as it went in."""

import json
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import (
    BaseChange,
    FeedbackSettings,
    ModelSettings,
    OllamaSettings,
    RuntimeKind,
    ScheduleSettings,
    Settings,
    Task,
    TrainingSettings,
)
from adapterd.dataset.encoding import TokenStatistics
from adapterd.dataset.result import DatasetResult
from adapterd.evaluation.evaluate import Scores
from adapterd.hours import Hours
from adapterd.merging.merge import MergeResult
from adapterd.runs.plan import RunPlan
from adapterd.runs.stages import ServingResult
from adapterd.runs.tag_evaluation import EvaluationResult
from adapterd.serialization import dumps, from_plain, to_plain
from adapterd.training.progress import TrainingResult

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PATHS = TEXT.map(lambda name: Path("/p") / name.replace("\0", ""))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.dictionaries(
    TEXT, st.recursive(st.none() | st.integers() | FLOATS | TEXT, st.lists, max_leaves=4), max_size=3
)
PARAMETERS = st.booleans() | st.integers() | FLOATS | TEXT
SPANS = st.builds(Hours, start=st.sampled_from([time(0), time(22, 30)]), end=st.sampled_from([time(6), time(23, 59)]))
TIMES = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))

st.register_type_strategy(Path, PATHS)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(float, FLOATS)

MODELFILES = st.builds(
    Modelfile,
    template=st.none() | TEXT,
    parameters=st.dictionaries(TEXT, PARAMETERS | st.lists(PARAMETERS, max_size=3).map(tuple), max_size=4),
    messages=st.lists(st.builds(Message, st.sampled_from(Role), TEXT), max_size=2).map(tuple),
    licenses=st.lists(TEXT, max_size=2).map(tuple),
)
MODELS = st.builds(
    ModelSettings,
    feedback=st.builds(FeedbackSettings, st.none() | PATHS),
    task=st.sampled_from(Task),
    schema=st.none() | PATHS,
    training=st.builds(TrainingSettings, rank=st.integers(1, 64), alpha=st.floats(0.001, 100)),
    schedule=st.builds(
        ScheduleSettings,
        cron=TEXT,
        every_hours=st.none() | st.floats(0.01, 8_784),
        max_age_days=st.none() | st.floats(0.01, 3_660),
        on_base_change=st.sampled_from(BaseChange),
        quiet_hours=st.none() | SPANS,
    ),
)
PLANS = st.builds(
    RunPlan,
    base=st.builds(BaseModel, modelfile=MODELFILES),
    settings=MODELS,
    general=st.builds(
        Settings,
        runtime=st.sampled_from(RuntimeKind),
        ollama=st.builds(OllamaSettings, host=TEXT, timeout_s=st.floats(1, 1000)),
        models=st.dictionaries(TEXT, MODELS, max_size=2),
    ),
    evaluation_cases=st.lists(PLAIN, max_size=2),
    judged=st.lists(TEXT, max_size=3),
)
STATISTICS = st.builds(TokenStatistics)
RESULTS = {
    DatasetResult: st.builds(
        DatasetResult, train=STATISTICS, validation=STATISTICS, evaluation_cases=st.lists(PLAIN, max_size=2)
    ),
    TrainingResult: st.builds(TrainingResult),
    MergeResult: st.builds(MergeResult),
    ServingResult: st.builds(ServingResult),
    EvaluationResult: st.builds(EvaluationResult),
    Scores: st.builds(Scores),
}


@dataclass(frozen=True)
class Awkward:
    """One of everything that JSON has no word for."""

    at: datetime
    path: Path
    maybe_path: Path | None
    maybe_at: datetime | None
    pair: tuple[int, str]
    many: tuple[Path, ...]
    by_name: dict[str, Path]
    role: Role
    optional: str | None = None
    nested: tuple[Message, ...] = field(default=())


def through_json(value: Any) -> Any:
    """The value as another process reads it."""
    return from_plain(json.loads(dumps(value)), type(value))


def kinds(value: Any) -> Any:
    """The value with the type of everything in it, since True == 1 == 1.0 and (1,) reads back as [1] at times."""
    if hasattr(value, "__dataclass_fields__"):
        return type(value), [kinds(getattr(value, each.name)) for each in fields(value)]
    if isinstance(value, dict):
        return dict, [(name, kinds(inner)) for name, inner in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [kinds(inner) for inner in value]
    return type(value)


@settings(deadline=None)
@given(PLANS)
def test_a_plan_reads_back_as_it_was_written(plan: RunPlan) -> None:
    again = through_json(plan)
    assert again == plan
    assert kinds(sorted_parameters(again)) == kinds(sorted_parameters(plan))


def sorted_parameters(plan: RunPlan) -> list[Any]:
    return [sorted(plan.base.modelfile.parameters.items(), key=lambda item: item[0]), plan.settings, plan.base.tag]


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_the_result_of_a_stage_reads_back_as_it_was(kind: type, data: st.DataObject) -> None:
    result = data.draw(RESULTS[kind])
    assert through_json(result) == result


@settings(deadline=None)
@given(st.builds(Awkward, at=TIMES, maybe_at=st.none() | TIMES))
def test_types_that_json_does_not_have_read_back_as_they_were(value: Awkward) -> None:
    again = through_json(value)
    assert again == value
    assert kinds(again)[1][:6] == kinds(value)[1][:6]


@given(PLANS)
@settings(deadline=None, max_examples=30)
def test_plain_values_are_what_json_can_hold(plan: RunPlan) -> None:
    assert json.loads(json.dumps(to_plain(plan))) == json.loads(dumps(plan))


@pytest.mark.parametrize("value", [True, 0, 1, 1.0, 0.5, "1", "", ("a",), ("a", 1, True, 0.5), ()])
def test_a_parameter_of_a_modelfile_keeps_its_type(value: Any) -> None:
    again = through_json(Modelfile(parameters={"p": value})).parameters["p"]
    assert (again, kinds(again)) == (value, kinds(value))


def test_equal_values_give_equal_text_whatever_their_order() -> None:
    assert dumps({"b": 1, "a": Path("/ü")}) == dumps({"a": Path("/ü"), "b": 1}) == '{"a":"/ü","b":1}'


def test_a_list_of_anything_can_be_written() -> None:
    settings_ = ModelSettings(base="b", base_digest="d", schema=Path("/s"))
    written = json.loads(dumps(["m", settings_, "digest"]))
    assert (written[0], written[1]["schema"], written[1]["task"], written[2]) == ("m", "/s", "generation", "digest")


def test_a_field_that_came_later_changes_no_identity_while_it_is_empty() -> None:
    """Else every run that was planned before would count as another one."""
    assert "projectors" not in dumps([Modelfile()])
    plain = Modelfile(projectors=("sha256:aa",))
    assert json.loads(dumps(plain))["projectors"] == ["sha256:aa"]
    assert through_json(plain) == plain
