"""What the gates make of three candidates of the demo: a good one, a poisoned one, and nearly the same again.

`python -m bench.poison` trains twice on SmolLM2 and asks through Ollama; it takes as long as two demos.
"""

import json
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapterd.config import RuntimeKind
from adapterd.demo import newsroom
from adapterd.demo.cycle import MODEL, begin
from adapterd.demo.environment import DemoEnvironment, open_environment
from adapterd.home import Home
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from bench import results
from bench.gates import FILE
from bench.ollama import ollama_binary

POISONED, SEED = 400, 77
NEARLY = 0.98
"""The scale of the adapter that is nearly the same again."""


def verdicts() -> dict[str, Any]:
    """The decision and the sentence for each candidate, and whether what was live stayed live."""
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage)
        stage.adapterctl("retrain")
        good, live = _newest(stage), _live(stage)
        again = _weaker(Home(stage.home).version(MODEL, "1.0.0"), Path(name) / "again")
        stage.adapterctl("register", str(again), "--model", MODEL)
        nearly = _newest(stage)
        _poison(stage)
        stage.adapterctl("retrain")
        return {
            "good": good, "nearly_the_same": nearly, "poisoned": _newest(stage), "live_untouched": _live(stage) == live,
        }  # fmt: skip


def _poison(stage: DemoEnvironment) -> None:
    """Corrections that break the JSON: the closing brace is missing, and a sentence follows."""
    start = datetime.now(UTC) - timedelta(hours=1)
    lines = [
        json.dumps({
            "prompt": item.prompt, "correction": f"Sure, here it is: {item.answer[:-1]}",
            "source_id": item.source_id, "created_at": (start + timedelta(seconds=number)).isoformat(),
        })
        for number, item in enumerate(newsroom.items(POISONED, SEED))
    ]  # fmt: skip
    file = stage.folder / "poison.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    stage.adapterctl("feedback", "import", str(file))


def _weaker(adapter: Path, folder: Path) -> Path:
    shutil.copytree(
        adapter, folder, ignore=shutil.ignore_patterns("answers", "*.html", "lineage.json", "evaluation.json")
    )
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["lora_parameters"]["scale"] *= NEARLY
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _newest(stage: DemoEnvironment) -> dict[str, str]:
    with Store(Home(stage.home).database) as store:
        version = store.versions.all(MODEL)[-1]
    return {"version": version.version, "state": str(version.state), "reason": version.reason}


def _live(stage: DemoEnvironment) -> str | None:
    return stage.runtime.tags().get(ModelTags(MODEL).live)


if __name__ == "__main__":
    found = verdicts()
    results.write({"verdicts": found}, FILE)
    print(json.dumps(found, indent=2))
