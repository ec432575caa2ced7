"""How a night grows with the feedback that there is: `python -m bench.growth`, kept in bench/recipe.json.

Messages of travellers with their classes (bench/recipe_sets.py, written with numbers so that no two are alike), on
SmolLM2 through a real Ollama. The training may take a quarter of an hour: what is asked is whether anything else grows,
not how long three hours are. An amount that is there already is left out.
"""

import json
import tempfile
import time
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from adapterd.config import RuntimeKind, Task
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.home import Home
from adapterd.intake.http_intake import take_posted
from adapterd.store import Store
from bench import results
from bench.first_night import FILE, begin
from bench.ollama import ollama_binary
from bench.process_watch import ProcessWatch
from bench.recipe_sets import CLASSES, TRIPS, Record

MODEL, KEY = "grown", "growth"
RECORDS = (10_000, 100_000, 1_000)
AT_ONCE = 1_000
SETTINGS = (
    "training.max_hours=0.25", "training.layers=4", "merging.steps=0", "merging.min_retention=0.5",
    "dataset.evaluation_max=20", "evaluation.num_predict=16", "evaluation.guard=false",
    "evaluation.reference_nll=false", "evaluation.latency_questions=0", "evaluation.consistency_seeds=0",
)  # fmt: skip


def messages(count: int) -> "list[Record]":
    """So many messages, each with a number and a day of its own."""
    chance, names = Random(9), list(CLASSES)
    found = []
    for number in range(count):
        label = chance.choices(names, weights=range(len(names), 0, -1))[0]
        trip = chance.choice(TRIPS).format(chance.randrange(1, 900))
        words = " ".join(chance.choices(_WORDS, k=12))
        text = f"{chance.choice(CLASSES[label]).format(trip)} ({words})"
        found.append({"prompt": f"Classify message {number}: {text}", "correction": label, "source_id": f"s-{number}"})
    return found


_WORDS = tuple(f"{a}{b}" for a in ("ba", "do", "fe", "gi", "ku", "la", "mo", "ni") for b in ("ra", "sel", "tu", "vor"))


def growth(count: int) -> dict[str, Any]:
    """One night with so many records, in a home of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage, MODEL, Task.CLASSIFICATION, SETTINGS)
        _fill(stage, count)
        started, watch = time.monotonic(), ProcessWatch()
        with watch.watching():
            stage.adapterctl("retrain")
        minutes = (time.monotonic() - started) / 60
        return {"night_minutes": round(minutes, 2), **_told(stage, watch)}


def _fill(stage: DemoEnvironment, count: int) -> None:
    every = iter(messages(count))
    with Store(Home(stage.home).database) as store:
        while some := list(islice(every, AT_ONCE)):
            take_posted(store, MODEL, some)


def _told(stage: DemoEnvironment, watch: ProcessWatch) -> dict[str, Any]:
    with Store(Home(stage.home).database) as store:
        [version] = store.versions.all(MODEL)
        rows = {row.name: row for row in store.runs.stages(version.run_id)}
    dataset, training = rows["dataset"], rows["training"]
    made, trained = dataset.result or {}, training.result or {}
    prepared = (training.seconds or 0.0) - trained["seconds"]
    [process] = watch.of("dataset")
    return {
        "dataset_s": round(dataset.seconds or 0.0, 1), "dataset_mb": round(process.resident / 1e6),
        "first_step_s": round((dataset.seconds or 0.0) + prepared, 1),
        "examples": made["train"]["examples"], "steps": trained["steps"], "notes": trained["notes"],
        "seconds": {name: round(row.seconds or 0.0) for name, row in rows.items()},
    }  # fmt: skip


def main() -> None:
    """Measure what is not measured yet, and keep it."""
    done = results.read(FILE).get(KEY, {})
    for count in RECORDS:
        if str(count) not in done:
            done[str(count)] = growth(count)
            print(json.dumps({count: done[str(count)]}), flush=True)
            results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()
