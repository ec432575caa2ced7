"""A first night beside mlx-lm's own trainer: `python -m bench.peers_night [SET …]`, kept in bench/recipe.json.

One frozen set and the same other records for both. Ours is a run with no setting touched. The peers are `mlx_lm.lora`
at its defaults, and at the best of three learning rates by its own validation loss; then the adapter is fused into the
16-bit weights, converted and quantised as the base is. All answer the frozen set and the guard set through Ollama.
What mlx-lm trained is kept beside the builds, so a measurement that was stopped goes on.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile
from adapterd.config import RuntimeKind, load
from adapterd.dataset.cases import EvaluationCase
from adapterd.demo.environment import PARAMETERS, DemoEnvironment, open_environment
from adapterd.home import Home
from adapterd.runs.tag_evaluation import Evaluator
from adapterd.serving.runtimes import file_digest, pinned_base
from adapterd.store import Store
from bench import results
from bench.first_night import BASE, FILE, MODEL, PRIMARY, begin
from bench.models import Kind, cache_folder, narrow_f16
from bench.ollama import ollama_binary
from bench.peers import float32_folder, hugging_face_folder, merge_as_peers
from bench.recipe_sets import SETS, RecipeSet, Record
from bench.training import environment

KEY = "peers_night"
CHOSEN = ("classes",)
KIND: Kind = "Q4_1"
RATES = (1e-5, 1e-4, 1e-3)
"""The first is mlx-lm's default."""
JUDGED, VALIDATED = 0.2, 0.1
DEFAULT, BEST, OURS = "mlx-lm at its defaults", "mlx-lm at its best rate", "ours"
SHOWN = ("json_valid", "truncated", "guard")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
VALIDATION = re.compile(r"^\s*\d+\s+val\s+([\d.]+|nan)", re.MULTILINE)


def peers_night(which: RecipeSet, records: Sequence[Record]) -> dict[str, Any]:
    """How ours and mlx-lm's two answer the same cases, by who it is."""
    judged = round(len(records) * JUDGED)
    cases, learned = records[:judged], records[judged:]
    losses = {rate: _validation_loss(_adapter(learned, rate)) for rate in RATES}
    chosen = {DEFAULT: RATES[0], BEST: min(RATES, key=lambda rate: losses[rate])}
    with (
        tempfile.TemporaryDirectory() as name,
        open_environment(Path(name) / "stage", RuntimeKind.OLLAMA, ollama_binary()) as stage,
    ):
        begin(stage, MODEL, which.task, ())
        stage.adapterctl("eval", "freeze", MODEL, "--from", str(_lines(cases, stage.folder / "cases.jsonl")))
        stage.adapterctl("feedback", "import", str(_lines(learned, stage.folder / "corrections.jsonl")))
        stage.adapterctl("retrain")
        tags = {who: _registered(stage, learned, rate) for who, rate in chosen.items()}
        found = _asked(stage, which, tags)
    rates = {who: {"learning_rate": rate, "validation_loss": losses[rate]} for who, rate in chosen.items()}
    return {who: {**each, **rates.get(who, {})} for who, each in found.items()}


def _lines(records: Sequence[Record], file: Path) -> Path:
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), "utf-8")
    return file


def _adapter(records: Sequence[Record], rate: float) -> Path:
    """What `mlx_lm.lora` makes of the records at this rate, everything else at its defaults; with its `log.txt`."""
    chats = [{"messages": [_message("user", each["prompt"]), _message("assistant", each["correction"])]}
             for each in records]  # fmt: skip
    digest = hashlib.sha256(json.dumps(chats).encode()).hexdigest()[:12]
    folder = cache_folder() / f"peers-night-{digest}-{rate:g}"
    log = folder / "log.txt"
    if not log.exists():
        data, validated = folder / "data", round(len(chats) * VALIDATED)
        data.mkdir(parents=True, exist_ok=True)
        _lines(chats[:validated], data / "valid.jsonl")
        _lines(chats[validated:], data / "train.jsonl")
        model = float32_folder(hugging_face_folder(narrow_f16()))
        command = [sys.executable, "-m", "mlx_lm", "lora", "--train", "--model", model, "--data", data]
        command += ["--adapter-path", folder, "--learning-rate", str(rate)]
        done = subprocess.run(
            [str(part) for part in command], env={**environment(), "HF_HUB_OFFLINE": "1"}, check=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        log.write_text(done.stdout, encoding="utf-8")
    return folder


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _validation_loss(adapter: Path) -> float:
    """The last one; one that is not finite is the highest."""
    said = COLOURS.sub("", (adapter / "log.txt").read_text(encoding="utf-8"))
    loss = float(VALIDATION.findall(said)[-1])
    return loss if loss == loss else float("inf")


def _registered(stage: DemoEnvironment, records: Sequence[Record], rate: float) -> str:
    """The tag of what was trained at this rate, merged as the peers do."""
    tag, work = f"peer:{rate:g}", stage.folder / f"peer-{rate:g}"
    work.mkdir()
    merge_as_peers(hugging_face_folder(narrow_f16()), _adapter(records, rate), KIND, work, environment())
    file = work / "merged.gguf"
    stage.runtime.create(tag, file, file_digest(file), Modelfile(parameters=PARAMETERS))
    return tag


def _asked(stage: DemoEnvironment, which: RecipeSet, peers: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    home = Home(stage.home)
    settings = load(home).models[MODEL]
    with Store(home.database) as store:
        [version] = store.versions.all(MODEL)
        frozen = store.evaluation_sets.newest(MODEL)
    assert frozen is not None
    cases = [EvaluationCase.from_dict(case) for case in frozen.cases]
    briefly = replace(settings.evaluation, consistency_seeds=0, latency_questions=0, reference_nll=False)
    gguf = pinned_base(stage.runtime, MODEL, settings, home).gguf
    evaluator = Evaluator(home, stage.runtime, replace(settings, evaluation=briefly), gguf)
    tags = {OURS: f"{MODEL}:{version.version}", **peers, "base": BASE}
    scores = evaluator.collect_answers(tags, cases, "", lambda *_, **__: None).scores()
    return {
        who: {"cases": len(cases), "primary": round(each.metrics[PRIMARY[which.task]], 4)}
        | {name: round(value, 4) for name in SHOWN if (value := each.metrics.get(name)) is not None}
        | ({"state": str(version.state)} if who == OURS else {})
        for who, each in scores.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers_night", description=__doc__)
    parser.add_argument("sets", nargs="*", metavar="SET", default=CHOSEN, help="which, of those that need no files")
    for name in parser.parse_args(arguments).sets:
        done = results.read(FILE).get(KEY, {})
        done[name] = peers_night(SETS[name], SETS[name].taken(None))
        print(json.dumps({name: done[name]}), flush=True)
        results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()
