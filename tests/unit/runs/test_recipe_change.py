"""What the next training does otherwise because a version was held."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.config import DatasetSettings, GateRule, ModelSettings, Settings, TrainingSettings
from adapterd.home import Home
from adapterd.runs.plan import GivenAdapter, RunPlan, open_plan, write_plan
from adapterd.runs.planning.after_held import MOST_TRIES, faults_of, told, with_recipe_change
from adapterd.runs.recipe_change import Fault, RecipeChange
from adapterd.runs.stages import STAGES
from adapterd.runs.version_numbers import Increment
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.store.versions import VersionState

MODEL = "m"
SETTINGS = ModelSettings(base="tiny:1", base_digest="sha256:00")
TRAINED = {"epochs": 2, "learning_rate": 1.3e-3}
FAILED, UNPROVEN, PASSED = "failed", "unproven", "passed"


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    with Store(home.database) as opened:
        yield opened


def plan(number: int, settings: ModelSettings = SETTINGS) -> RunPlan:
    base = BaseModel("m:base", Path("/blobs/sha256-00"), "sha256:00", Modelfile())
    return RunPlan(f"r{number}", MODEL, f"1.{number}.0", base, settings, Settings(), "base")


def over(
    store: Store,
    home: Home,
    planned: RunPlan,
    found: Mapping[str, str],
    state: VersionState = VersionState.HELD,
    trained: Mapping[str, Any] = TRAINED,
) -> None:
    """The run is over; its version did with the metrics, or rules, what is said of them."""
    findings = [{"metric": name, "rule": "", "outcome": outcome, "sentence": ""} for name, outcome in found.items()]
    write_plan(home.run(planned.run_id), planned, store)
    store.runs.start(planned.run_id, MODEL, reason="test", fingerprint="f", last_feedback_id=0)
    store.runs.set_version(planned.run_id, planned.version)
    store.runs.start_stage(planned.run_id, "training", "k")
    made = planned.made_with.training
    result = {
        "epochs": made.epochs or trained.get("epochs"),
        "learning_rate": made.learning_rate or trained.get("learning_rate"),
    }
    store.runs.finish_stage(planned.run_id, "training", result=result if trained else {})
    store.versions.add(MODEL, planned.version, run_id=planned.run_id, digest="sha256:1", base_digest="sha256:00")
    store.versions.set_state(MODEL, planned.version, state, "", {"findings": findings})
    store.runs.set_state(planned.run_id, RunState.HELD if state is VersionState.HELD else RunState.PROMOTED)


def after(store: Store, home: Home, *found: str, settings: ModelSettings = SETTINGS) -> RunPlan:
    over(store, home, plan(0, settings), dict.fromkeys(found, FAILED))
    return with_recipe_change(store, home, plan(1, settings))


def test_the_first_run_is_made_as_the_settings_say(store: Store, home: Home) -> None:
    assert with_recipe_change(store, home, plan(0)).recipe_change is None


@pytest.mark.parametrize(
    ("found", "epochs", "rate", "replay", "said"),
    [
        (("guard",), None, 6.5e-4, 0.4, "held for forgetting, so this run has training.learning_rate = 0.00065"),
        (("truncated",), 4, 6.5e-4, 0.2, "held for answers that run on"),
        (("repetition", "truncated"), 4, 6.5e-4, 0.2, "held for answers that run on, so"),
        (("similarity",), 4, None, 0.2, "held for too little gain, so this run has training.epochs = 4 ("),
        (("guard", "improvement"), 4, 6.5e-4, 0.4, "held for forgetting and too little gain"),
    ],
)
def test_what_it_was_held_for_changes_the_recipe(
    store: Store, home: Home, found: Sequence[str], epochs: int | None, rate: float | None, replay: float, said: str
) -> None:
    settings = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, primary="similarity"))
    planned = after(store, home, *found, settings=settings)
    made = planned.made_with
    assert (made.training.epochs, made.training.learning_rate) == (epochs, rate)
    assert made.dataset.replay == replay
    assert f"{MODEL}: 1.0.0 was {said}" in told(planned)
    assert f"(changed recipe 1 of at most {MOST_TRIES})" in told(planned)


def test_what_no_recipe_changes_is_no_lesson(store: Store, home: Home) -> None:
    assert after(store, home, "canaries", "retention", "latency").recipe_change is None


def test_what_passed_or_is_open_was_not_at_fault() -> None:
    findings = [{"metric": "guard", "outcome": UNPROVEN}, {"metric": "truncated", "outcome": PASSED}]
    assert faults_of(findings, "rouge_l") == []
    assert faults_of([*findings, {"metric": "improvement", "outcome": UNPROVEN}], "rouge_l") == [Fault.NO_GAIN]


def test_the_tries_are_counted_and_end(store: Store, home: Home) -> None:
    planned, rates, epochs = plan(0), [], []
    for number in range(1, MOST_TRIES + 4):
        over(store, home, planned, {"guard": FAILED, "improvement": UNPROVEN})
        planned = with_recipe_change(store, home, plan(number))
        rates.append(planned.made_with.training.learning_rate)
        epochs.append(planned.made_with.training.epochs)
    assert rates == [pytest.approx(6.5e-4), pytest.approx(3.25e-4), pytest.approx(1.625e-4), None, None, None]
    assert epochs == [4, 8, 16, None, None, None]
    assert "was held, too, after 3 changed recipes" in told(planned)
    assert planned.made_with == planned.settings


@pytest.mark.parametrize("state", [VersionState.PROMOTED, VersionState.WAITING, VersionState.CHALLENGER])
def test_a_recipe_that_was_not_held_stays(store: Store, home: Home, state: VersionState) -> None:
    tried = after(store, home, "guard")
    over(store, home, tried, {}, state)
    planned = with_recipe_change(store, home, plan(2))
    assert planned.recipe_change == tried.recipe_change
    over(store, home, planned, {}, state)
    assert with_recipe_change(store, home, plan(3)).recipe_change == tried.recipe_change


def test_a_held_version_after_a_good_one_is_one_more_try(store: Store, home: Home) -> None:
    tried = after(store, home, "guard")
    over(store, home, tried, {}, VersionState.PROMOTED)
    over(store, home, with_recipe_change(store, home, plan(2)), {"guard": FAILED})
    lesson = with_recipe_change(store, home, plan(3)).recipe_change
    assert lesson is not None
    assert lesson.tries == 2
    assert lesson.learning_rate == pytest.approx(3.25e-4)


@pytest.mark.parametrize(
    "changed",
    [
        replace(SETTINGS, training=TrainingSettings(rank=8)),
        replace(SETTINGS, dataset=DatasetSettings(replay=0.1)),
        replace(SETTINGS, training=TrainingSettings(epochs=5)),
    ],
)
def test_another_recipe_of_a_person_is_not_changed(store: Store, home: Home, changed: ModelSettings) -> None:
    over(store, home, plan(0), {"guard": FAILED})
    assert with_recipe_change(store, home, plan(1, changed)).recipe_change is None


def test_other_gates_are_no_other_recipe(store: Store, home: Home) -> None:
    over(store, home, plan(0), {"guard": FAILED})
    assert with_recipe_change(
        store, home, plan(1, replace(SETTINGS, gates={"guard": GateRule(margin=0.2)}))
    ).recipe_change


def test_what_the_settings_say_stays(store: Store, home: Home) -> None:
    settings = replace(
        SETTINGS, training=TrainingSettings(epochs=3, learning_rate=1e-3), dataset=DatasetSettings(replay=0)
    )
    planned = after(store, home, "guard", "improvement", settings=settings)
    assert planned.made_with == settings
    assert told(planned) == ""


def test_another_base_begins_anew(store: Store, home: Home) -> None:
    over(store, home, plan(0), {"guard": FAILED})
    other = plan(1)
    other = replace(other, base=replace(other.base, digest="sha256:11"))
    assert with_recipe_change(store, home, other).recipe_change is None


def test_a_given_adapter_and_one_taken_over_have_none(store: Store, home: Home) -> None:
    over(store, home, plan(0), {"guard": FAILED})
    given = replace(plan(1), given=GivenAdapter(Path("/a"), "sha256:2", Increment.PATCH))
    assert with_recipe_change(store, home, given).recipe_change is None
    assert with_recipe_change(store, home, replace(plan(1), reuses="r0")).recipe_change is None


@pytest.mark.parametrize("broken", ["{", "[]", '{"run_id": 1}'])
def test_a_plan_that_cannot_be_read_is_no_lesson(store: Store, home: Home, broken: str) -> None:
    over(store, home, plan(0), {"guard": FAILED})
    (home.run("r0") / "plan.json").write_text(broken)
    assert with_recipe_change(store, home, plan(1)).recipe_change is None


def test_a_training_that_does_not_say_its_recipe_is_no_lesson(store: Store, home: Home) -> None:
    over(store, home, plan(0), {"guard": FAILED}, trained={})
    assert with_recipe_change(store, home, plan(1)).recipe_change is None


def test_the_plan_keeps_its_lesson_and_its_stages_depend_on_it(store: Store, home: Home) -> None:
    planned = after(store, home, "guard")
    write_plan(home.run("r1"), planned, store)
    run = store.runs.start("r1", MODEL, reason="test", fingerprint="f", last_feedback_id=0)
    assert open_plan(home, run).recipe_change == planned.recipe_change
    results = {"dataset": {"content_hash": "h", "evaluation_hash": "e"}}
    for stage in STAGES:
        if stage.name in ("dataset", "training"):
            assert stage.key(planned, results) != stage.key(replace(planned, recipe_change=None), results)
            unchanged = replace(planned, recipe_change=RecipeChange("1.0.0", 3, []))
            assert stage.key(unchanged, results) == stage.key(replace(planned, recipe_change=None), results)
