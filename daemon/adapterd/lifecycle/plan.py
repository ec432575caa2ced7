"""What a run will do, written down before it begins, so that every process and every continuation sees the same."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from adapterd.base.model import BaseModel
from adapterd.config import ModelSettings, Settings
from adapterd.home import Home, make_private
from adapterd.lifecycle.plain import dumps, from_plain
from adapterd.lifecycle.runtimes import fingerprint
from adapterd.store import Store
from adapterd.store.runs import Run
from adapterd.system.files import write_atomic

PLAN, RECORDS, RESULTS = "plan.json", "records.jsonl", "results.json"


@dataclass(frozen=True)
class Plan:
    """Everything that the stages of one run need to know. `live` is the version that the candidate is compared with,
    `evaluation_cases` the frozen set in force (empty before the first), `judged` the prompt hashes of all sets."""

    run_id: str
    model: str
    version: str
    base: BaseModel
    settings: ModelSettings
    general: Settings
    live: str
    evaluation_cases: list[dict[str, Any]] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)


def plan_fingerprint(model: str, settings: ModelSettings, base: BaseModel) -> str:
    """The identity of what a run is made with: a failed run goes on only if this has not changed since."""
    return fingerprint(dumps([model, settings, base.digest]))


def new_run_id(now: datetime) -> str:
    """Sorts by time, and two runs of the same second still differ."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def open_plan(home: Home, run: Run) -> Plan:
    """The plan of a run that was begun earlier."""
    import json

    return from_plain(json.loads((home.run(run.id) / PLAN).read_text(encoding="utf-8")), Plan)


def write_plan(folder: Path, plan: Plan, store: Store, last_feedback_id: int) -> None:
    """Keep the plan, and a snapshot of the records it is made for, in the run's folder."""
    make_private(folder)
    rows = store.feedback.all(plan.model, up_to_id=last_feedback_id)
    write_atomic(folder / RECORDS, "".join(row.record + "\n" for row in rows))
    write_atomic(folder / PLAN, dumps(plan))
