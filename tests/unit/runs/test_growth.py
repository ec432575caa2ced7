"""A frozen set grows from run to run, through the pipeline and a real store."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapterd.base.gguf import tokenizer as tokenizer_module
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.base_proof import served_context
from adapterd.chat import Message, Prompt, Role, as_dicts, from_dicts
from adapterd.config import DatasetSettings, ModelSettings, Settings
from adapterd.dataset.leaks.growing import joins
from adapterd.errors import StageError
from adapterd.formats.evaluation import Bridge
from adapterd.home import Home
from adapterd.insight.unseen import TrainedPrompts
from adapterd.record import FeedbackRecord, prompt_hash
from adapterd.runs import pipeline as pipeline_module
from adapterd.runs import stages
from adapterd.runs.pipeline import Pipeline, RunOutcome
from adapterd.runs.plan import open_plan
from adapterd.runs.stage import Job
from adapterd.serialization import dumps, to_plain
from adapterd.store import Store
from adapterd.store.evaluation_sets import EvaluationSet
from adapterd.store.feedback import NewFeedback
from adapterd.store.teaching.examples import BY_PERSON, ExampleState, NewExample
from tests.support.fakes import FakeRuntime
from tests.support.hand_clock import HandClock
from tests.unit.dataset.leaks.test_sources import text
from tests.unit.dataset.letter_tokenizer import LetterTokenizer, render
from tests.unit.runs.scripted_workers import Workers

MODEL = "news"
SHARE = 0.3
BRIDGE = Bridge("base", 13, 5, "exact", 0.5, 0.25)


class Letters(LetterTokenizer):
    """Of a model that reads as much as it is given."""

    @property
    def context_length(self) -> int:
        return 100_000


class Rendering(FakeRuntime):
    """Renders prompts, too."""

    def render(
        self, _tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        assert think is None
        return render(tuple(messages))


@dataclass
class Season:
    """Feedback and runs of many nights: the dataset is divided as always, the other stages cost nothing."""

    store: Store
    home: Home
    clock: HandClock
    settings: ModelSettings
    workers: Workers = field(default_factory=Workers)
    taught: set[str] = field(default_factory=set)

    def give(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            record = FeedbackRecord(asking(number), correction=f"answer {number}", created_at=self.clock())
            self.store.feedback.add(MODEL, NewFeedback.of(record, "f", number))

    def retrain(self) -> RunOutcome:
        self.clock.move_on(24 * 3600)
        return Pipeline(self.store, self.home, Settings(models={MODEL: self.settings})).run(MODEL, "by hand")

    def work(self, stage: str, folder: Path, home: Home, **more: Any) -> dict[str, Any]:
        """The scripted workers, but for the dataset, which is real."""
        result = self.workers(stage, folder, home, **more)
        run = self.store.runs.latest(MODEL)
        assert run is not None
        if stage == "dataset":
            made = to_plain(stages.dataset(Job(open_plan(home, run), folder, home, {})))
            lines = [*self.lines(folder / "dataset/train.jsonl"), *self.lines(folder / "dataset/validation.jsonl")]
            self.taught |= {line["record"] for line in lines}
            return dict(json.loads(dumps(made)))
        if stage == "evaluation":  # as the real one, where a set has grown
            dataset = next(row.result for row in self.store.runs.stages(run.id) if row.name == "dataset")
            assert dataset is not None
            bridge = to_plain(BRIDGE) if dataset["joined"] or open_plan(home, run).joined else None
            return {**result, "evaluation_hash": dataset["evaluation_hash"], "bridge": bridge}
        return result

    @staticmethod
    def lines(file: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    @property
    def sets(self) -> list[EvaluationSet]:
        return self.store.evaluation_sets.all(MODEL)

    def waiting(self) -> list[str]:
        return list((self.store.runs.last_result(MODEL, "dataset") or {})["waiting"])


@pytest.fixture
def season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Season]:
    runtime, clock = Rendering(), HandClock()
    base = BaseModel(f"{MODEL}:base", tmp_path / "base.gguf", "sha256:base", Modelfile())
    for module, name, value in (
        (pipeline_module, "runtime_for", lambda *_: runtime),
        (pipeline_module, "pinned_base", lambda *_: base),
        (pipeline_module, "proven_base", lambda *_: base),
        (pipeline_module, "require_our_store", lambda *_: None),
        (Job, "runtime", runtime),
        (served_context, "require_judged_context", lambda *_: None),
        (served_context, "uses_long_factors", lambda *_: None),
        (tokenizer_module.Tokenizer, "open", lambda *_: Letters()),
    ):
        monkeypatch.setattr(module, name, value)
    home = Home(tmp_path / "home")
    home.create()
    settings = ModelSettings(
        base="b.gguf",
        base_digest=base.digest,
        dataset=DatasetSettings(replay=0.0, growing_share=SHARE, max_tokens=2000),
    )
    with Store(home.database, clock=clock) as store:
        found = Season(store, home, clock, settings)
        monkeypatch.setattr(pipeline_module, "run_stage", found.work)
        yield found


def asking(number: int) -> Prompt:
    return (Message(Role.USER, text(number)),)


def drawn(first: int, count: int, *, joining: bool = True) -> list[int]:
    """Prompts from a number on that the hash says will join, or will not."""
    found = (number for number in range(first, first + 1000) if joins(prompt_hash(asking(number)), SHARE) is joining)
    return [next(found) for _ in range(count)]


def asked(frozen: EvaluationSet) -> list[str]:
    return [prompt_hash(from_dicts(case["messages"])) for case in frozen.cases]


def test_a_set_grows_by_what_no_version_was_trained_on(season: Season) -> None:
    season.give(range(40))
    season.retrain()
    for first in range(100, 400, 100):
        season.give([*drawn(first, 3), *drawn(first, 4, joining=False)])
        season.retrain()
    first_set, second = season.sets
    assert (len(first_set.cases), len(second.cases), second.grown_from) == (8, 14, 1)
    assert second.cases[:8] == first_set.cases
    held = {*asked(second), *season.waiting()}
    assert {prompt_hash(asking(number)) for number in drawn(100, 3)} <= held
    assert len(season.waiting()) == 3
    assert not season.taught & {case["record"] for case in second.cases}
    assert not held & TrainedPrompts.of(season.store, MODEL).by_hash.keys()


@pytest.mark.parametrize("state", [ExampleState.KEPT, ExampleState.DROPPED])
def test_what_is_nearly_a_prompt_that_a_teacher_answered_does_not_join(season: Season, state: ExampleState) -> None:
    """Nor where a person has dropped the example since: an earlier version may have been trained on it."""
    season.give(range(40))
    season.retrain()
    near, *others = drawn(100, 4)
    messages = (Message(Role.USER, f"Please: {text(near)}"),)
    new = NewExample("answer", "big", "big:70b", prompt_hash(messages), as_dicts(messages), "answer", ExampleState.KEPT)
    example = season.store.teaching.examples.add(MODEL, new)
    assert example
    season.store.teaching.examples.decide(MODEL, example, state, BY_PERSON, None)
    season.give([near, *others, *drawn(100, 4, joining=False)])
    season.retrain()
    result = season.store.runs.last_result(MODEL, "dataset")
    assert result
    assert result["synthetic"] == (state is ExampleState.KEPT)
    assert set(season.waiting()) == {prompt_hash(asking(number)) for number in others}


def test_both_sets_are_compared_once_and_it_is_told(season: Season) -> None:
    season.give(range(40))
    season.retrain()
    season.give([*drawn(100, 5), *drawn(100, 4, joining=False)])
    outcome = season.retrain()
    assert season.sets[-1].bridge == to_plain(BRIDGE)
    assert outcome.notes[-1] == f"the evaluation set has grown; {BRIDGE.sentence()}"
    season.give(drawn(500, 4, joining=False))
    season.retrain()
    told = [event.text for event in season.store.events.latest(limit=1000) if event.kind == "evaluation.bridged"]
    assert told == [
        "news: the evaluation set has grown; 13 cases, 5 new: live (base) has exact 0.500 on the cases of the set "
        "before, 0.250 on all"
    ]


def test_what_waits_goes_on_waiting_when_a_run_fails(season: Season) -> None:
    season.give(range(40))
    season.retrain()
    season.give([*drawn(100, 2), *drawn(100, 4, joining=False)])
    season.workers.fault = ("training", StageError("out of luck"))
    with pytest.raises(StageError):
        season.retrain()
    waiting = season.waiting()
    assert len(waiting) == 2
    season.workers.fault = None
    season.give([*drawn(200, 3), *drawn(200, 4, joining=False)])
    assert season.retrain().continued
    assert season.waiting() == waiting
    season.retrain()
    assert set(waiting) <= set(asked(season.sets[-1]))


def test_a_set_that_a_person_chose_stays_as_it_is(season: Season) -> None:
    season.give(range(40))
    season.retrain()
    season.give([*drawn(100, 2), *drawn(100, 4, joining=False)])
    season.retrain()
    assert len(season.waiting()) == 2
    chosen = season.sets[0].cases
    season.store.evaluation_sets.freeze(MODEL, "by hand", chosen, by_hand=True)
    season.give(drawn(200, 8))
    season.retrain()
    assert season.sets[-1].cases == chosen
    assert season.waiting() == []


def test_what_an_unknown_training_may_have_seen_does_not_join(season: Season) -> None:
    """As after the database was made anew without its records."""
    season.give(range(40))
    season.retrain()
    season.store.execute("UPDATE runs SET last_feedback_id = 0")
    season.give([*drawn(100, 5), *drawn(100, 4, joining=False)])
    season.retrain()
    assert (len(season.sets), season.waiting()) == (1, [])


def test_a_small_first_set_says_how_long_it_takes(season: Season) -> None:
    for number in range(40):
        season.give([number])
        season.clock.move_on(24 * 3600 / 4)
    [note] = [note for note in season.retrain().notes if "is small" in note]
    assert note == (
        "the evaluation set is small, 8 cases: at the pace so far (4.1 new prompts a day, of which 30% join) it has "
        "56 in about 40 days, 200 in about 157 days"
    )
