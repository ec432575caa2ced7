"""WNUT-17 as an entity task, from feedback to verdict through Ollama: `python -m bench.wnut17 FOLDER`.

The folder holds the files of the WNUT 2017 shared task (CC BY 4.0): wnut17train.conll and emerging.dev.conll.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from adapterd.config import RuntimeKind, Task
from adapterd.demo.environment import DemoEnvironment, open_environment, register_base
from adapterd.home import Home
from adapterd.store import Store
from bench import results
from bench.gates import FILE
from bench.ollama import ollama_binary

MODEL, BASE, FIRST = "entities", "smollm2:135m", "1.0.0"
TRAIN, CASES = 500, 200
METRIC = "entity_f1.entities"
RECIPE = {
    "training.layers": 8, "training.epochs": 2, "training.learning_rate": 1e-3, "dataset.evaluation_max": CASES,
    "dataset.evaluation_share": 0.5, "evaluation.num_ctx": 1024, "evaluation.num_predict": 96,
    f'gates."{METRIC}"': "{critical = true}",
}  # fmt: skip
INSTRUCTION = (
    "List the named entities of the text as one JSON object of the form "
    '{{"entities": {{"person": [], "location": []}}}}, with those of person, location, corporation, product, '
    "creative-work and group that occur.\n\nText: {}"
)
Sentence = list[tuple[str, str]]


def sentences(file: Path) -> Iterator[Sentence]:
    """The sentences of a CoNLL file as (word, tag) pairs."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for filled, group in groupby(lines, key=lambda line: bool(line.strip())):
        if filled:
            yield [(parts[0], parts[-1]) for line in group if len(parts := line.split("\t")) > 1]


def entities(sentence: Sentence) -> dict[str, list[str]]:
    """The entities of a sentence by their type."""
    found: dict[str, list[str]] = {}
    for word, tag in sentence:
        mark, _, kind = tag.partition("-")
        if mark == "B":
            found.setdefault(kind, []).append(word)
        elif mark == "I" and kind in found:
            found[kind][-1] += f" {word}"
    return found


def records(folder: Path) -> Iterator[dict[str, Any]]:
    """Feedback: corrections for training sentences with entities, and for every sixth without; newest those of the
    development set that have any."""
    training = list(sentences(folder / "wnut17train.conll"))
    named = [each for each in training if entities(each)]
    plain = [each for each in training if not entities(each)]
    chosen = (named[: TRAIN * 5 // 6] + plain[: TRAIN // 6])[:TRAIN]
    judging = [each for each in sentences(folder / "emerging.dev.conll") if entities(each)][:CASES]
    start = datetime.now(UTC) - timedelta(days=2)
    for number, sentence in enumerate(chosen + judging):
        yield {
            "prompt": INSTRUCTION.format(" ".join(word for word, _ in sentence)),
            "correction": json.dumps({"entities": entities(sentence)}, ensure_ascii=False),
            "created_at": (start + timedelta(seconds=number)).isoformat(),
        }


def wnut17(data: Path, report: Path | None = None) -> dict[str, dict[str, Any]]:
    """Train, prove, and ask once more; the report is copied where it is wanted."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        _begin(stage, data)
        stage.adapterctl("retrain")
        home = Home(stage.home)
        with Store(home.database) as store:
            took = {row.name: row.seconds for row in store.runs.stages(store.versions.all(MODEL)[0].run_id)}
        judged = json.loads((home.version(MODEL, FIRST) / "evaluation.json").read_text(encoding="utf-8"))
        started = time.perf_counter()
        stage.adapterctl("eval", "run", FIRST)
        again = time.perf_counter() - started
        if report:
            report.write_bytes(Path(stage.adapterctl("report", FIRST)).read_bytes())
    return {
        "wnut17": _figures(judged),
        "cache": {"first_s": round(took["evaluation"] or 0.0, 1), "second_s": round(again, 1)},
    }


def _begin(stage: DemoEnvironment, data: Path) -> None:
    register_base(stage, BASE)
    assert stage.server is not None
    changes = [part for key, value in RECIPE.items() for part in ("--set", f"{key}={value}")]
    stage.adapterctl("init", MODEL, "--base", BASE, "--task", str(Task.JSON), "--host", stage.server.host, *changes)
    file = stage.folder / "wnut17.jsonl"
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records(data)), "utf-8")
    stage.adapterctl("feedback", "import", str(file))


def _figures(judged: dict[str, Any]) -> dict[str, Any]:
    found = judged["comparisons"][METRIC]["base"]
    return {
        "base_f1": round(found["theirs"], 4), "tuned_f1": round(found["ours"], 4),
        "interval": [round(found["interval"][end], 4) for end in ("low", "high")],
        "cases": found["cases"], "decision": judged["decision"], "reason": judged["reason"],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files of the shared task are")
    parser.add_argument("--report", type=Path, help="keep the report here")
    chosen = parser.parse_args(arguments)
    found = wnut17(chosen.folder, chosen.report)
    results.write(found, FILE)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
