"""Forged feedback by the thousand, through every door, against a version that is good: none of it may go live.

A small real model learns from honest feedback, and its first version goes live. Then come forged records: answers that
are broken, dated 2099 or with the sources of honest ones, pairs turned round, verdicts on what the live version says,
the same again and again. They lie in the inbox, come over HTTP and by `feedback import` and `feedback add`. Runs learn
from them; their versions have to be held, and what is live has to stay live.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

from adapterd.config import RuntimeKind
from adapterd.demo import newsroom
from adapterd.demo.cycle import FIRST, FIRST_SEED, MODEL, begin
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.demo.newsroom import NewsItem
from adapterd.home import Home
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.web.server import TOKEN_FILE
from tests.acceptance.person import Person
from tests.torture.alone import alone
from tests.torture.ready import ollama_binary
from tests.torture.report import say

Record = dict[str, Any]
SEED = 77
BY_HAND = 20
"""So many come by `feedback add`, a process each."""
AGAIN = 20
"""Forged records about one prompt that was never asked before, on average: a run learns each prompt once, and the time
it takes follows from their number."""
QUICK = {
    "training.layers": 4,
    "training.learning_rate": 0.002,
    "dataset.evaluation_max": 20,
    "evaluation.num_predict": 64,
    "merging.steps": 0,
    "merging.min_retention": 0,
}
"""Settings with which a run takes a third of the demo's time; no answer needs more than fifty tokens. What the merge
keeps holds no version back here, so that it is the answers of a forged one by which it has to be held."""
HTTP = {"http.enabled": "true", "http.port": "0", "http.requests_per_minute": "1000000"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """How many."""
    parser.add_argument("--forged", type=int, default=2_000, help="forged records (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="runs that learn from them (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """How many records there were; how many versions went live that learned from them, and whether what was live did
    not stay live."""
    with ExitStack() as ends:
        folder = options.keep or Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        stage = ends.enter_context(open_environment(folder / "stage", RuntimeKind.OLLAMA, ollama_binary()))
        begin(stage)
        for key, value in QUICK.items():
            stage.adapterctl("config", "set", f"models.{MODEL}.{key}", str(value))
        stage.adapterctl("retrain")
        honest, live = _versions(stage), _live(stage)
        if VersionState.PROMOTED not in honest.values():
            raise RuntimeError("the honest version did not go live")
        forged = list(_forged(options.forged, options.seed))
        taken = []
        for part in range(options.rounds):
            taken.append(_give(stage, forged[part :: options.rounds], part))
            stage.adapterctl("retrain", "--now")
        new = {version: state for version, state in _versions(stage).items() if version not in honest}
        return {
            "records": len(forged), "promoted": sum(state is VersionState.PROMOTED for state in new.values()),
            "rolled_back": int(_live(stage) != live), "candidates": len(new), "taken": sum(taken),
        }  # fmt: skip


def _forged(count: int, seed: int) -> Iterator[Record]:
    random = Random(f"poison {seed}")
    known = newsroom.items(FIRST, FIRST_SEED)
    fresh = newsroom.items(max(1, count // AGAIN), SEED)
    for number in range(count):
        at = datetime.now(UTC) - timedelta(minutes=random.randrange(1, 9_000))
        yield _one(random, random.choice(fresh if number % 3 else known), at, random.choice(known))


def _one(random: Random, item: NewsItem, at: datetime, other: NewsItem) -> Record:
    broken = f"Sure, here it is: {item.answer[:-1]}"
    record: Record = {"prompt": item.prompt, "created_at": at.isoformat(), "source_id": item.source_id}
    forgery: Mapping[str, Any] = random.choice(
        (
            {"correction": broken, "created_at": "2099-01-01T00:00:00Z"},
            {"correction": broken, "source_id": other.source_id},
            {"correction": other.answer, "output": item.answer, "rating": 1},
            {"output": item.answer, "rating": 1},
            {"output": broken, "rating": 5},
            {"chosen": broken, "rejected": item.answer},
            {"output": broken, "rating": 5, "correction_notes": f"again {random.randrange(5)}"},
            {"output": broken, "rejected_output": item.answer},
        )
    )
    return record | dict(forgery)


def _give(stage: DemoEnvironment, records: Sequence[Record], part: int) -> int:
    """Bring the records in by all doors; returns how many of them were stored."""
    person = Person(Home(stage.home), stage.environment)
    before = _stored(stage)
    by_hand, rest = records[:BY_HAND], records[BY_HAND:]
    _write(stage.folder / "feedback" / f"forged-{part}.jsonl", rest[::3])
    imported = stage.folder / f"forged-{part}.jsonl"
    _write(imported, rest[1::3])
    stage.adapterctl("feedback", "import", str(imported))
    for record in by_hand:
        person.run("feedback", "add", "-", given=json.dumps(record))
    _post(person, rest[2::3])
    return _stored(stage) - before


def _post(person: Person, records: Sequence[Record]) -> None:
    """Over HTTP, to a daemon that takes feedback and begins no run."""
    for key, value in HTTP.items():
        person.run("config", "set", key, value)
    person.run("pause")
    with person.daemon() as daemon:
        port = re.search(r"feedback over HTTP at port (\d+)", daemon.said)
        assert port, daemon.said
        token = (person.home.root / TOKEN_FILE).read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
            for record in records:
                said = client.post(f"http://127.0.0.1:{port[1]}/v1/feedback", json=record)
                if said.status_code >= 500:
                    raise RuntimeError(f"{said.status_code} {said.text}")
    person.run("resume")


def _write(file: Path, records: Sequence[Record]) -> None:
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def _stored(stage: DemoEnvironment) -> int:
    with Store(Home(stage.home).database) as store:
        return store.feedback.count(MODEL)


def _versions(stage: DemoEnvironment) -> dict[str, VersionState]:
    with Store(Home(stage.home).database) as store:
        found = store.versions.all(MODEL)
    for version in found:
        say(f"poison: {version.version} {version.state}: {version.reason}")
    return {version.version: version.state for version in found}


def _live(stage: DemoEnvironment) -> str | None:
    return stage.runtime.tags().get(ModelTags(MODEL).live)


if __name__ == "__main__":
    alone(add_options, run)
