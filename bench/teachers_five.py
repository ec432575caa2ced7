"""Five corrections alone, and with a teacher: `python -m bench.teachers_five`, kept in bench/teachers.json.

On SmolLM2 through a real Ollama. The teacher is SmolLM2 as well, tuned on corrections that the student never sees. The
student has a frozen set of 60 cases that people wrote, five corrections, and 200 prompts in its pool; once it learns
from the five alone, once from what the teacher makes of the prompts, too.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapterd.config import RuntimeKind, Task
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.demo.newsroom import NewsItem, items
from adapterd.formats.evaluation import EVALUATION
from adapterd.home import Home
from adapterd.store import Store
from bench import results
from bench.first_night import begin
from bench.ollama import ollama_binary

FILE = Path(__file__).parent / "teachers.json"
TUTOR, ALONE, TAUGHT = "tutor", "alone", "taught"
TUTORED, CASES, CORRECTIONS, POOL = 60, 60, 5, 200
OF_TUTOR = (
    "evaluation.guard=false", "evaluation.consistency_seeds=0", "evaluation.latency_questions=0",
    "evaluation.reference_nll=false",
)  # fmt: skip
"""How good the teacher is besides is not what is measured."""
LEAST = ("dataset.min_examples=4",)
"""Five corrections are fewer than a run wants by itself."""


def five(changes: Sequence[str] = ()) -> dict[str, Any]:
    """How both students do on the frozen set, and what came of the prompts; `changes` are settings of all runs."""
    every = items(TUTORED + CASES + CORRECTIONS + POOL, seed=77)
    of_tutor, rest = every[:TUTORED], every[TUTORED:]
    cases, corrections, pool = rest[:CASES], rest[CASES : CASES + CORRECTIONS], rest[CASES + CORRECTIONS :]
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage, TUTOR, Task.JSON, [*changes, *OF_TUTOR])
        _correct(stage, TUTOR, of_tutor)
        stage.adapterctl("retrain", TUTOR)
        stage.adapterctl("config", "set", "teachers.tutor.model", TUTOR)
        stage.adapterctl("config", "set", "teachers.tutor.temperature", "0.0")
        found: dict[str, Any] = {"tutor": _told(stage, TUTOR)}
        for student in (ALONE, TAUGHT):
            begun = time.monotonic()
            begin(stage, student, Task.JSON, [*changes, *LEAST, "teaching.shown=0"])
            stage.adapterctl("eval", "freeze", student, "--from", str(_written(stage, cases)))
            _correct(stage, student, corrections)
            if student == TAUGHT:
                file = stage.folder / "prompts.jsonl"
                file.write_text("".join(json.dumps({"prompt": each.prompt}) + "\n" for each in pool), "utf-8")
                stage.adapterctl("prompts", "import", str(file), "-m", student)
                said = json.loads(stage.adapterctl("teach", student, "--json"))
                found["yield"] = {name: said["yield"][name] for name in ("made", "kept")}
            stage.adapterctl("retrain", student)
            minutes = round((time.monotonic() - begun) / 60, 1)
            found[student if student == ALONE else "with_teacher"] = {**_told(stage, student), "minutes": minutes}
    return found


def _correct(stage: DemoEnvironment, model: str, given: Sequence[NewsItem]) -> None:
    stage.adapterctl("feedback", "import", str(_written(stage, given)), "-m", model)


def _written(stage: DemoEnvironment, given: Sequence[NewsItem]) -> Path:
    file = stage.folder / f"{len(given)}-corrections.jsonl"
    lines = (json.dumps({"prompt": each.prompt, "correction": each.answer}) + "\n" for each in given)
    file.write_text("".join(lines), "utf-8")
    return file


def _told(stage: DemoEnvironment, model: str) -> dict[str, Any]:
    home = Home(stage.home)
    with Store(home.database) as store:
        version = store.versions.all(model)[-1]
    judged = EVALUATION.read(home.version(model, version.version)) or {}
    ours, base = (judged["scores"][name]["metrics"] for name in ("candidate", "base"))
    return {
        "cases": judged["scores"]["candidate"]["prompts"], "field_f1": round(ours["field_f1"], 4),
        "field_f1_base": round(base["field_f1"], 4), "json_valid": ours["json_valid"], "guard": ours.get("guard"),
        "state": str(version.state), "reason": version.reason,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.teachers_five", description=__doc__)
    parser.add_argument("--set", action="append", default=[], dest="changes", help="a setting; the result is not kept")
    given = parser.parse_args(arguments)
    found = five(given.changes)
    print(json.dumps({"five": found}), flush=True)
    if not given.changes:
        results.write({"five": found}, FILE)


if __name__ == "__main__":
    main()
