"""What a run is made with: a change of it begins another run, a change of anything else does not."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import time
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import FeedbackSettings, GateRule, ModelSettings, ScheduleSettings, VersionsSettings
from adapterd.hours import Hours
from adapterd.runs.plan import GivenAdapter, plan_fingerprint
from adapterd.runs.version_numbers import Increment

MODEL = ModelSettings(
    base="tiny:1", base_digest="sha256:00", feedback=FeedbackSettings(Path("/in")), schema=Path("/s.json")
)
BASE = BaseModel("m:base", Path("/blobs/sha256-00"), "sha256:00", Modelfile())
GIVEN = GivenAdapter(Path("/adapter"), "sha256:11", Increment.PATCH)
UNSET = {
    "every_hours": 6.0, "max_age_days": 7.0, "quiet_hours": Hours(time(8), time(18)), "embedding": "nomic:1",
    "encoder": "base", "epochs": 5, "learning_rate": 2e-4, "primary": "jaccard", "provider": "local",
    "scale": "1..10", "keep_days": 30.0, "done_by": time(6, 30), "teacher": "big", "documents": Path("/documents"),
    "judge": "big", "rubric": Path("/rubric.md"),
}  # fmt: skip
NOT_MADE_WITH = ("feedback", "schedule", "teaching", "judging", "versions", "watch")


def another(value: Any, name: str) -> Any:
    """A value of the same kind that is not equal."""
    if value is None:
        return UNSET[name]
    if isinstance(value, StrEnum):
        return next(each for each in type(value) if each is not value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, "10.0.0.1")
    if isinstance(value, frozenset):
        return value | {"mood"}
    if isinstance(value, dict):
        return {"exact": GateRule(min=0.5)} if name == "gates" else {"rating": "score"}
    return value / "x" if isinstance(value, Path) else value + type(value)(1)


def changed(settings: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The settings with one leaf changed, for every leaf, with its path."""
    for each in fields(settings):
        value = getattr(settings, each.name)
        if is_dataclass(value) and not isinstance(value, Hours):
            inner = changed(value, f"{path}{each.name}.")
        else:
            inner = iter([(f"{path}{each.name}", another(value, each.name))])
        for where, new in inner:
            yield where, replace(settings, **{each.name: new})


CHANGED = dict(changed(MODEL))


def print_of(settings: ModelSettings = MODEL, base: BaseModel = BASE, **more: Any) -> str:
    return plan_fingerprint("m", settings, base, **more)


def test_equal_settings_make_the_same() -> None:
    assert print_of(replace(MODEL), replace(BASE)) == print_of()


@pytest.mark.parametrize("path", [path for path in CHANGED if not path.startswith(NOT_MADE_WITH)])
def test_whatever_a_run_is_made_with_makes_another(path: str) -> None:
    assert print_of(CHANGED[path]) != print_of()


@pytest.mark.parametrize("path", [path for path in CHANGED if path.startswith(NOT_MADE_WITH)])
def test_how_feedback_is_read_when_it_begins_and_what_follows_it_makes_no_difference(path: str) -> None:
    assert print_of(CHANGED[path]) == print_of()


def test_every_setting_of_either_kind_is_among_these() -> None:
    assert {f"schedule.{each.name}" for each in fields(ScheduleSettings)} < CHANGED.keys()
    assert {f"versions.{each.name}" for each in fields(VersionsSettings)} < CHANGED.keys()
    assert {"base", "base_digest", "task", "training.rank", "merging.steps", "dataset.max_tokens"} < CHANGED.keys()


def test_another_model_or_base_or_another_way_of_prompting_it_makes_another() -> None:
    prints = {
        print_of(),
        plan_fingerprint("n", MODEL, BASE),
        print_of(base=replace(BASE, digest="sha256:22")),
        print_of(base=replace(BASE, modelfile=Modelfile(system="Be brief."))),
        print_of(base=replace(BASE, prompting="another")),
    }
    assert len(prints) == 5


def test_where_the_base_is_stored_makes_no_difference() -> None:
    assert print_of(base=replace(BASE, gguf=Path("/moved"))) == print_of()


def test_an_adapter_that_is_given_is_part_of_it() -> None:
    prints = {
        print_of(),
        print_of(given=GIVEN),
        print_of(given=replace(GIVEN, digest="sha256:33")),
        print_of(given=replace(GIVEN, increment=Increment.MINOR)),
    }
    assert len(prints) == 4
    assert print_of(given=replace(GIVEN, source=Path("/elsewhere"))) == print_of(given=GIVEN)
