"""Which learning rate for which amount of data: `python -m bench.recipe` prints the best validation losses on SmolLM2.

The newsroom's articles, the adapter on 8 of 30 blocks, three epochs; each rate begins at the same first weights, and is
judged by the same unseen articles.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapterd.base.gguf_file import GgufFile
from adapterd.base.tokenizer import Tokenizer
from adapterd.config import TrainingSettings
from adapterd.demo.newsroom import items
from adapterd.demo.stage import small_model
from adapterd.training.prefix import KeptStates
from adapterd.training.train import train
from bench import results
from bench.training import ROOT, environment

SIZES, RATES, UNSEEN = (40, 120), (1e-4, 3e-4, 1e-3, 3e-3), 24
SETTINGS = TrainingSettings(layers=8, epochs=3, batch_size=4, patience=1000)


def recipe() -> dict[str, dict[str, Any]]:
    """By number of examples, by rate: the first and the best validation loss in nats a token, and the rate that it was
    trained at, which is a lower one where the training diverged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {str(size): {f"{rate:g}": _best(folder, size, rate) for rate in RATES} for size in SIZES}


def _best(folder: Path, size: int, rate: float) -> dict[str, Any]:
    data, out = folder / f"data-{size}", folder / f"{size}-{rate:g}"
    if not data.exists():
        _write(data, size)
    settings = replace(SETTINGS, learning_rate=rate)
    states = KeptStates(folder / "states", 1 << 30)
    result = train(
        GgufFile.open(small_model()), data, settings, out, lambda _: None, base_digest="small", states=states
    )  # fmt: skip
    found = {"first": result.first_validation_loss, "best": result.best_validation_loss}
    return {**{key: round(value or 0.0, 4) for key, value in found.items()}, "rate": result.learning_rate}


def _write(folder: Path, size: int) -> None:
    """So many examples to train on, as SmolLM2's template renders them, and those to validate with."""
    tokenizer = Tokenizer.open(small_model())
    lines = []
    for number, item in enumerate(items(size + UNSEEN, seed=21)):
        prompt = tokenizer.encode_prompt(f"<|im_start|>user\n{item.prompt}<|im_end|>\n<|im_start|>assistant\n")
        ids = [*prompt, *tokenizer.encode_continuation(item.answer), tokenizer.end_of_turn_id]
        lines.append(json.dumps({"ids": ids, "prompt_tokens": len(prompt), "record": str(number)}))
    folder.mkdir()
    (folder / "validation.jsonl").write_text("\n".join(lines[:UNSEEN]), encoding="utf-8")
    (folder / "train.jsonl").write_text("\n".join(lines[UNSEEN:]), encoding="utf-8")


def main() -> None:
    """Measure and keep it; the work is a child's, which has the fast BLAS."""
    if "--child" in sys.argv:
        print(json.dumps(recipe()))
        return
    command = [sys.executable, "-m", "bench.recipe", "--child"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    results.write({"recipe": found})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
