"""Which learning rate, how many epochs: `python -m bench.recipe [ORCA]` measures them on SmolLM2 and prints JSON.

The newsroom's articles and, of the Orca preference set (a JSON Lines file), the preferred answers: short JSON, and long
prose. The adapter is on 8 of 30 blocks. Every training of a set begins at the same first weights, and is judged by the
same unseen examples.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.config import TrainingSettings
from adapterd.demo.environment import small_model
from adapterd.demo.newsroom import items
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.train import train
from bench import dpo, results
from bench.training import ROOT, environment

RATES, UNSEEN = (1e-4, 3e-4, 1e-3, 3e-3), 24
SETTINGS = TrainingSettings(layers=8, batch_size=4, patience=1000)
Example = dict[str, Any]


def newsroom(count: int) -> Iterator[dpo.Told]:
    """So many articles with the right answer."""
    for item in items(count, seed=21):
        yield [{"role": "user", "content": item.prompt}], item.answer, item.answer


def recipe(orca: Path | None) -> list[dict[str, Any]]:
    """By set, number of examples, epochs and rate: the validation loss before and the best one, in nats a token, and
    the rate that it was trained at, which is a lower one where the training diverged."""
    tokenizer = Tokenizer.open(small_model())
    given = {"newsroom": list(dpo.encoded(newsroom(120 + UNSEEN), tokenizer))}
    wanted: list[tuple[str, int, int, float]] = [
        *(("newsroom", 40, 3, rate) for rate in RATES),
        *(("newsroom", 40, epochs, 1e-3) for epochs in (1, 8)),
        *(("newsroom", 120, epochs, 1e-3) for epochs in (1, 3)),
    ]
    if orca:
        given["orca"] = list(islice(dpo.encoded(dpo.orca(orca), tokenizer), 40 + UNSEEN))
        wanted += [("orca", 40, 3, rate) for rate in RATES]
    with tempfile.TemporaryDirectory() as name:
        return [_measured(Path(name), given[one[0]], *one) for one in wanted]


def _measured(folder: Path, given: Sequence[Example], which: str, size: int, epochs: int, rate: float) -> Example:
    data, out = folder / f"{which}-{size}", folder / f"{which}-{size}-{epochs}-{rate:g}"
    if not data.exists():
        data.mkdir()
        (data / "validation.jsonl").write_text(_lines(given[:UNSEEN]), encoding="utf-8")
        (data / "train.jsonl").write_text(_lines(given[UNSEEN : UNSEEN + size]), encoding="utf-8")
    settings = replace(SETTINGS, learning_rate=rate, epochs=epochs)
    states = HiddenStateCache(folder / "states", 1 << 31)
    result = train(
        GgufFile.open(small_model()), data, settings, out, lambda _: None, base_digest="small", cache=states
    )  # fmt: skip
    found = {
        "set": which, "examples": size, "epochs": epochs, "rate": rate, "trained_at": result.learning_rate,
        "first": round(result.first_validation_loss or 0.0, 4), "best": round(result.best_validation_loss or 0.0, 4),
        "best_step": result.best_step, "steps": result.steps,
    }  # fmt: skip
    print(found, file=sys.stderr)
    return found


def _lines(examples: Sequence[Example]) -> str:
    return "\n".join(json.dumps({**example, "ids": example["chosen"]}) for example in examples)


def main() -> None:
    """Measure and keep it; the work is a child's, which has the fast BLAS."""
    parser = argparse.ArgumentParser(prog="python -m bench.recipe", description=__doc__)
    parser.add_argument("orca", type=Path, nargs="?")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(recipe(given.orca)))
        return
    command = [sys.executable, "-m", "bench.recipe", *sys.argv[1:], "--child"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    results.write({"recipe": found})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
