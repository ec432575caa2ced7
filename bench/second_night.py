"""A night after the first: `python -m bench.second_night [SET …]`, kept in bench/recipe.json.

As in `bench.first_night`, but a tenth of the records come after the first version was decided on, and there is a second
run. What is kept is how the second version answers beside the first, and what was decided.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapterd.config import RuntimeKind
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.formats.evaluation import EVALUATION
from adapterd.home import Home
from adapterd.store import Store
from bench import results
from bench.first_night import FILE, MODEL, PRIMARY, begin
from bench.ollama import ollama_binary
from bench.recipe_sets import SETS, RecipeSet, Record

KEY = "second_night"
CHOSEN = ("classes",)
LATER = 0.1


def second_night(which: RecipeSet, records: Sequence[Record]) -> dict[str, Any]:
    """What the first and the second version answer, and what was decided on each."""
    first = round(len(records) * (1 - LATER))
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage, MODEL, which.task, ())
        nights = [_night(stage, which, part, number) for number, part in enumerate((records[:first], records[first:]))]
    return {"first": nights[0], "second": nights[1]}


def _night(stage: DemoEnvironment, which: RecipeSet, records: Sequence[Record], number: int) -> dict[str, Any]:
    file = stage.folder / f"corrections-{number}.jsonl"
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    stage.adapterctl("feedback", "import", str(file))
    started = time.monotonic()
    stage.adapterctl("retrain")
    minutes = round((time.monotonic() - started) / 60, 1)
    with Store(Home(stage.home).database) as store:
        versions = store.versions.all(MODEL)
    assert len(versions) == number + 1
    version = max(versions, key=lambda each: each.created_at)
    scores = (EVALUATION.read(Home(stage.home).version(MODEL, version.version)) or {})["scores"]
    asked = {name: score["metrics"] for name, score in scores.items() if not name.startswith("free_")}
    return {
        "examples": len(records), "version": version.version, "state": str(version.state), "reason": version.reason,
        "primary": {name: metrics.get(PRIMARY[which.task]) for name, metrics in asked.items()},
        "guard": {name: metrics.get("guard") for name, metrics in asked.items()},
        "minutes": minutes,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.second_night", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", default=CHOSEN, help="which, of those that need no files")
    for name in parser.parse_args(arguments).sets:
        done = results.read(FILE).get(KEY, {})
        done[name] = second_night(SETS[name], SETS[name].taken(None))
        print(json.dumps({name: done[name]}), flush=True)
        results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()
