"""Fourteen nights of an application whose answers are all reviewed: real trainings of SmolLM2, a real Ollama.

Each day the newsroom asks what is live 20 things; a reviewer accepts what is right and corrects the rest, and sends
both. The clock is moved on by a day, and the night decides by docs/decisions/0026-a-season.md. On one day everybody
sends the same fault, and an application sends it many times; a person insists on what that night has made.
`python -m bench.nights` takes about as long as four demos.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapterd import config
from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import RuntimeKind, Settings, Task
from adapterd.demo import newsroom
from adapterd.demo.cycle import BASE_TAG, NUM_CTX
from adapterd.demo.environment import DemoEnvironment, open_environment, register_base
from adapterd.demo.newsroom import NewsItem
from adapterd.deployment.deploy import Deployer
from adapterd.deployment.promote_by_hand import promote_by_hand
from adapterd.evaluation.report.charts import standalone
from adapterd.evaluation.report.season import Course, CourseNight, course_chart
from adapterd.evidence.decision import Decision
from adapterd.evidence.season import DROPPED_AT
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.runs.pipeline import Pipeline
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison, ComparisonState, Purpose
from adapterd.store.versions import Version
from bench import results
from bench.gates import FILE
from bench.ollama import ollama_binary

MODEL = "newsbrief-synth"
NIGHTS, ASKED = 14, 20
TRAINED, WANTED = (2, 4, 7, 9), 2
"""The nights with a run, as long as fewer versions than that are live by merit; all others collect evidence only."""
POISONED = 11
"""The night with the fault, which is trained on; what it makes is made live by force."""
POISON, POISONER, SEED = 400, "scraper", 200
NUM_PREDICT = 64
RECIPE = {
    "training.layers": 4,
    "training.epochs": 2,
    "training.learning_rate": 2e-3,
    "merging.steps": 0,
    "merging.min_retention": 0.5,
    "dataset.evaluation_share": 0.5,
    "dataset.evaluation_max": 20,
    "dataset.replay": 0,
    "evaluation.num_ctx": NUM_CTX,
    "evaluation.num_predict": NUM_PREDICT,
    "evaluation.guard": "false",
    "evaluation.consistency_seeds": 0,
    "evaluation.reference_nll": "false",
    "evaluation.latency_questions": 0,
    "evaluation.reviews": "all",
    "evaluation.fresh_per_night": 20,
}
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
Record = dict[str, Any]
Told = Callable[[Mapping[str, Any]], object]


@dataclass
class Days:
    """A clock that goes on by days."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Newsdesk:
    """The application, its reviewer, and what happens at night."""

    stage: DemoEnvironment
    store: Store
    settings: Settings
    clock: Days
    decisions: list[Decision] = field(default_factory=list)

    @property
    def home(self) -> Home:
        """Where everything lives."""
        return Home(self.stage.home)

    @property
    def live(self) -> str:
        """The name of what is live."""
        deployment = self.store.versions.deployment(MODEL)
        return deployment.live if deployment else ""

    @property
    def by_merit(self) -> int:
        """How many versions fresh cases have made live."""
        found = self.store.comparisons.all(MODEL)
        return sum(each.purpose is Purpose.CHALLENGE and each.state is ComparisonState.PROVEN for each in found)

    def night(self, number: int) -> dict[str, Any]:
        """One day and its night; what happened, in plain values."""
        started, asked = time.monotonic(), self.live
        self.clock.now += timedelta(hours=12)
        records = self._reviewed(newsroom.items(ASKED, SEED + number))
        accepted = sum("correction" not in record for record in records)
        if number == POISONED:
            records = self._poisoned(number, records)
        take_posted(self.store, MODEL, records)
        self.clock.now += timedelta(hours=12)
        version = self._evening(number)
        forced = self._insist(version) if number == POISONED and version else None
        decided = [{"purpose": str(each.purpose), "version": each.version, "reason": each.reason} for each in self._new]
        return {
            "night": number, "asked": asked, "accepted": accepted, "sent": len(records),
            "version": _plain(version), "decisions": decided, "forced": forced, "live": self.live,
            "comparisons": [_standing(each) for each in self.store.comparisons.all(MODEL)],
            "seconds": round(time.monotonic() - started),
        }  # fmt: skip

    @property
    def _new(self) -> list[Decision]:
        found, self.decisions = self.decisions, []
        return found

    def _evening(self, number: int) -> Version | None:
        """The night's work: a run where it is time for one, else evidence alone; the version that was made."""
        pipeline = Pipeline(self.store, self.home, self.settings, decided=self.decisions.append)
        if number == POISONED or (number in TRAINED and self.by_merit < WANTED):
            return self.store.versions.get(MODEL, pipeline.run(MODEL, f"night {number}").version)
        pipeline.evidence(MODEL)
        return None

    def _reviewed(self, items: Sequence[NewsItem]) -> list[Record]:
        return [self._record(item) | _about(item, self.clock.now, at) for at, item in enumerate(items)]

    def _record(self, item: NewsItem) -> Record:
        options = ChatOptions(num_ctx=NUM_CTX, num_predict=NUM_PREDICT)
        said = self.stage.runtime.chat(ModelTags(MODEL).live, (Message(Role.USER, item.prompt),), options).text
        if not said.strip():
            return {"correction": item.answer}
        if is_right(said, item):
            return {"output": said, "rating": 5}
        return {"output": said, "rating": 2, "correction": item.answer}

    def _poisoned(self, number: int, records: Sequence[Record]) -> list[Record]:
        """Every answer of the day corrected in the same wrong way, and many more from one application."""
        items = newsroom.items(ASKED, SEED + number)
        by_person = [
            {**record, "rating": 2, "correction": spoilt(item)} for item, record in zip(items, records, strict=True)
        ]
        more = enumerate(newsroom.items(POISON, SEED + NIGHTS + number))
        by_application = [
            {"correction": spoilt(item), "application": POISONER} | _about(item, self.clock.now, at)
            for at, item in more
        ]
        return [*by_person, *by_application]

    def _insist(self, version: Version) -> str:
        """A person makes a version live that was held; returns its name."""
        deployer = Deployer(self.store, self.home, self.stage.runtime)
        promote_by_hand(deployer, MODEL, version.version, force=True)
        return version.version


def is_right(said: str, item: NewsItem) -> bool:
    """Whether an answer has the facts, whatever its white space."""
    try:
        return bool(json.loads(said) == json.loads(item.answer))
    except ValueError:
        return False


def spoilt(item: NewsItem) -> str:
    """The answer with a sentence before it, and cut short: no JSON."""
    return f"Sure, here it is: {item.answer[:-1]}"


def _about(item: NewsItem, now: datetime, place: int) -> Record:
    at = now + timedelta(seconds=place)
    return {"prompt": item.prompt, "source_id": item.source_id, "created_at": at.isoformat()}


def _plain(version: Version | None) -> dict[str, str] | None:
    if version is None:
        return None
    return {"version": version.version, "state": str(version.state), "reason": version.reason}


def _standing(comparison: Comparison) -> dict[str, Any]:
    shown = ("units", "gain", "low", "high", "ways", "log_capital", "nights_left")
    values = {name: comparison.standing.get(name) for name in shown}
    return {
        "purpose": str(comparison.purpose), "ours": comparison.ours, "theirs": comparison.theirs,
        "level": comparison.level, "state": str(comparison.state), "reason": comparison.reason, **values,
    }  # fmt: skip


def fourteen_nights(stage: DemoEnvironment, told: Told = lambda _night: None) -> list[dict[str, Any]]:
    """What happened in each night; `told` gets each as it is over."""
    register_base(stage, BASE_TAG)
    schema = stage.folder / "schema.json"
    schema.write_text(json.dumps(newsroom.schema()), encoding="utf-8")
    host = ("--host", stage.server.host) if stage.server else ()
    changes = [part for key, value in RECIPE.items() for part in ("--set", f"{key}={value}")]
    stage.adapterctl(
        "init", MODEL, "--base", BASE_TAG, "--task", str(Task.JSON), "--schema", str(schema),
        "--runtime", str(stage.kind), *host, *changes,
    )  # fmt: skip
    home, clock, found = Home(stage.home), Days(), list[dict[str, Any]]()
    with Store(home.database, clock=clock) as store:
        desk = Newsdesk(stage, store, config.load(home), clock)
        for number in range(1, NIGHTS + 1):
            found.append(desk.night(number))
            told(found[-1])
    return found


def summary(nights: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which versions went live by what fresh cases said, what became of the poisoned one, when it was taken back."""
    decided = [(night["night"], each) for night in nights for each in night["decisions"]]
    poisoned = next(night for night in nights if night["forced"])
    return {
        "nights": len(nights), "answers_a_day": ASKED,
        "by_merit": {each["version"]: night for night, each in decided if each["purpose"] == "challenge"},
        "poisoned": poisoned["version"], "forced": {poisoned["forced"]: poisoned["night"]},
        "went_back_to": {each["version"]: night for night, each in decided if each["purpose"] == "watch"},
        "live": nights[-1]["live"],
    }  # fmt: skip


def course(nights: Sequence[Mapping[str, Any]], purpose: Purpose, theirs: str) -> Course:
    """A comparison with that version, night by night, as it can be drawn. Raises ValueError without one."""
    named = [
        (night["night"], each)
        for night in nights
        for each in night["comparisons"]
        if each["purpose"] == purpose and each["theirs"] == theirs and each["units"]
    ]
    if not named:
        raise ValueError(f"nothing was compared with {theirs}")
    found, before, ended = list[CourseNight](), (0, 0.0), False
    for number, each in named:
        if ended:
            break
        units, total = each["units"], each["units"] * each["gain"]
        if units > before[0] or each["state"] == ComparisonState.OPEN:
            added = (total - before[1]) / (units - before[0]) if units > before[0] else None
            found.append(CourseNight(f"night {number}", each["log_capital"] / -math.log(each["level"]), added))
        before, ended = (units, total), each["state"] != ComparisonState.OPEN
    last = named[-1][1]
    dropped_at = math.log(DROPPED_AT) / -math.log(last["level"]) if purpose is Purpose.CHALLENGE else None
    claim = f"Is {last['ours']} better than {theirs}?"
    return Course(claim, str(last["state"]), "field_f1", found, dropped_at, decided=ended)


def draw(nights: Sequence[Mapping[str, Any]]) -> None:
    """Draw how the last version went live by merit, and how the one that was forced was taken back."""
    found = summary(nights)
    [forced] = found["forced"]
    for name, purpose, theirs in (
        ("season", Purpose.CHALLENGE, list(found["by_merit"])[-2]), ("watch", Purpose.WATCH, forced),
    ):  # fmt: skip
        shown = course(nights, purpose, theirs)
        (PICTURES / f"{name}.svg").write_text(standalone(course_chart(shown, shown.claim)), encoding="utf-8")


def main() -> None:
    """Run them and keep the figures, or draw those that are kept (`python -m bench.nights draw`)."""
    if sys.argv[1:] == ["draw"]:
        draw(results.read(FILE)["nights"]["each"])
        return
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        nights = fourteen_nights(stage, lambda night: print(json.dumps(night), flush=True))
    results.write({"nights": {**summary(nights), "each": nights}}, FILE)
    print(json.dumps(summary(nights), indent=2))


if __name__ == "__main__":
    main()
