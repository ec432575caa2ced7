"""A first night on data that nothing was tuned for: `python -m bench.first_night [--data FOLDER] [SET …]`.

`adapterctl init`, a file of corrections, `adapterctl retrain`, on SmolLM2 through a real Ollama, with no setting
touched. The sets are those of bench/recipe_sets.py; each is kept in bench/recipe.json as it is done, and one that is
there already is left out unless it is named.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapterd.config import RuntimeKind, Task
from adapterd.demo.environment import DemoEnvironment, open_environment, register_base
from adapterd.formats.evaluation import EVALUATION
from adapterd.home import Home
from adapterd.store import Store
from bench import results
from bench.ollama import ollama_binary
from bench.recipe_sets import SETS, RecipeSet, Record

FILE = Path(__file__).parent / "recipe.json"
KEY = "first_night"
MODEL, BASE = "first", "smollm2:135m"
PRIMARY = {Task.JSON: "field_f1", Task.CLASSIFICATION: "accuracy", Task.GENERATION: "rouge_l"}
SHOWN = ("json_valid", "truncated", "repetition", "guard")


def first_night(
    which: RecipeSet, records: Sequence[Record], changes: Sequence[str] = (), answers: Path | None = None
) -> dict[str, Any]:
    """What the first version does after one run, in plain values; `changes` are settings, as in `--set`. In `answers`
    are cached answers of earlier nights, the base's above all, which are not asked again; `minutes` has less then."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage, MODEL, which.task, changes)
        file = stage.folder / "corrections.jsonl"
        file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
        stage.adapterctl("feedback", "import", str(file))
        cached = Home(stage.home).answers
        if answers and answers.exists():
            shutil.copytree(answers, cached)
        started = time.monotonic()
        stage.adapterctl("retrain")
        minutes = round((time.monotonic() - started) / 60, 1)
        if answers:
            shutil.copytree(cached, answers, dirs_exist_ok=True)
        return {"examples": len(records), **_told(stage, which), "minutes": minutes}


def begin(stage: DemoEnvironment, model: str, task: Task, changes: Sequence[str]) -> None:
    """Register the base, and create a model of it with these settings."""
    register_base(stage, BASE)
    assert stage.server is not None
    wanted = [part for change in changes for part in ("--set", change)]
    stage.adapterctl("init", model, "--base", BASE, "--task", str(task), "--host", stage.server.host, *wanted)


def _told(stage: DemoEnvironment, which: RecipeSet) -> dict[str, Any]:
    home = Home(stage.home)
    with Store(home.database) as store:
        [version] = store.versions.all(MODEL)
        stages = {row.name: row for row in store.runs.stages(version.run_id)}
    judged = EVALUATION.read(home.version(MODEL, version.version)) or {}
    ours, base = (judged["scores"][name]["metrics"] for name in ("candidate", "base"))
    primary, training = PRIMARY[which.task], stages["training"].result or {}
    found = {"primary": ours.get(primary), "primary_before": base.get(primary)}
    found |= {name: ours.get(name) for name in SHOWN} | {"guard_before": base.get("guard")}
    return {
        **{name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()},
        "cases": judged["scores"]["candidate"]["prompts"], "state": str(version.state), "reason": version.reason,
        **{name: training.get(name) for name in ("steps", "best_step", "epochs", "learning_rate", "notes")},
        "validation_loss": [training.get("first_validation_loss"), training.get("best_validation_loss")],
        "seconds": {name: round(row.seconds or 0.0) for name, row in stages.items()},
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_night", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which of {', '.join(SETS)}; without: all not done yet")
    parser.add_argument("--data", type=Path, help="where wnut17 and ms_foundry are; without, no set that needs them")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="a setting; the result is not kept")
    given = parser.parse_args(arguments)
    done = results.read(FILE).get(KEY, {}) if FILE.is_file() else {}
    there = [name for name, each in SETS.items() if given.data or not each.from_files]
    for name in given.sets or [each for each in there if each not in done]:
        found = first_night(SETS[name], SETS[name].taken(given.data), given.changes)
        print(json.dumps({name: found}), flush=True)
        if not given.changes:
            done[name] = found
            results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()
