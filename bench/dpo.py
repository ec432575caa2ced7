"""What preferences teach: `python -m bench.dpo orca FILE | demo` prints accuracy and margin on held-out pairs as JSON.

`orca` takes pairs of the Orca preference set (a JSON Lines file with input, preferred_output and non_preferred_output),
`demo` the newsroom's: right answers over wrong ones. Prompts are rendered as SmolLM2's template does.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import mlx.core as mx

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.model import load_mlx_model
from adapterd.config import Preferences, TrainingSettings
from adapterd.demo.environment import small_model
from adapterd.demo.newsroom import FAULTS, items
from adapterd.formats.encoded import VALIDATION_PAIRS
from adapterd.system.blas import preload_environment
from adapterd.training.adapter_layers import attach_adapter, load_adapter_weights
from adapterd.training.data import whole_model
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.preferences import PreferencePair, read_pairs, reference_margins
from adapterd.training.train import train
from bench import results

ROOT = Path(__file__).parent.parent
LONGEST, PAIRS, HELD_OUT = 384, 80, 0.25
SETTINGS = TrainingSettings(
    layers=8, epochs=2, batch_size=4, learning_rate=3e-4, patience=99, preferences=Preferences.DPO, sft_weight=0.1
)
Told = tuple[list[dict[str, str]], str, str]
"""Messages, the better and the worse answer."""


def orca(file: Path) -> Iterator[Told]:
    """The pairs of the Orca set."""
    for line in file.read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        better, worse = (pair[name][0]["content"] for name in ("preferred_output", "non_preferred_output"))
        yield pair["input"]["messages"], better, worse


def demo() -> Iterator[Told]:
    """Right answers over wrong ones of every kind that the newsroom's feedback has."""
    faults, chance = list(FAULTS.values()), random.Random(3)
    for number, item in enumerate(items(PAIRS, seed=11)):
        wrong = faults[number % len(faults)](json.loads(item.answer), chance)
        yield [{"role": "user", "content": item.prompt}], item.answer, wrong


def encoded(told: Iterator[Told], tokenizer: Tokenizer) -> Iterator[dict[str, Any]]:
    """The pairs as the dataset stage writes them, those that are too long left out."""
    end = tokenizer.end_of_turn_id
    for number, (messages, better, worse) in enumerate(told):
        turns = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in messages)
        prompt = tokenizer.encode_prompt(f"{turns}<|im_start|>assistant\n")
        chosen, rejected = ([*prompt, *tokenizer.encode_continuation(text), end] for text in (better, worse))
        if max(len(chosen), len(rejected)) <= LONGEST:
            yield {"chosen": chosen, "rejected": rejected, "prompt_tokens": len(prompt), "record": str(number)}


def learned(pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Train on the first pairs, and tell the last ones apart, before and after."""
    held_out = round(len(pairs) * HELD_OUT)
    sets = {"pairs": pairs[:-held_out], "validation_pairs": pairs[-held_out:]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, lines in sets.items():
            (folder / f"{file}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        examples = [{"ids": pair["chosen"], **pair} for pair in sets["pairs"]]
        (folder / "train.jsonl").write_text("\n".join(map(json.dumps, examples)))
        (folder / "validation.jsonl").write_text("")
        states = HiddenStateCache(folder / "states", 1 << 30)
        result = train(GgufFile.open(small_model()), folder, SETTINGS, folder / "out", lambda _: None, cache=states)
        held = list(read_pairs(folder / VALIDATION_PAIRS))
        likelier = [_likelier(held, adapter) for adapter in (None, folder / "out")]
        curve = [json.loads(line) for line in (folder / "out" / "metrics.jsonl").read_text().splitlines()]
    judged = [point for point in curve if point["rewards_accuracies"] is not None]
    return {
        "pairs": len(sets["pairs"]), "held_out": held_out, "steps": result.steps,
        "accuracy": [round(point["rewards_accuracies"], 3) for point in (judged[0], judged[-1])],
        "margin": [round(point["rewards_margins"], 3) for point in (judged[0], judged[-1])],
        "likelier": [round(share, 3) for share in likelier],
        "best_accuracy": round(result.rewards_accuracies or 0.0, 3), "seconds": round(result.seconds),
    }  # fmt: skip


def _likelier(pairs: Sequence[PreferencePair], adapter: Path | None) -> float:
    """The share of pairs whose better answer the model finds likelier than the worse one, by token."""
    model = load_mlx_model(GgufFile.open(small_model()), dtype=mx.float32)
    if adapter:
        attach_adapter(model, SETTINGS)
        load_adapter_weights(model, SETTINGS, adapter)
    model.eval()
    settings = replace(SETTINGS, length_normalised=True)
    margins = reference_margins(model, pairs, whole_model, settings, lambda _: None)
    return sum(margin > 0 for margin in margins) / len(margins)


def main() -> None:
    """Measure one set and keep it; the work is a child's, which has the fast BLAS."""
    parser = argparse.ArgumentParser(prog="python -m bench.dpo", description=__doc__)
    parser.add_argument("which", choices=["orca", "demo"])
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        told = orca(given.file) if given.which == "orca" else demo()
        print(json.dumps(learned(list(islice(encoded(told, Tokenizer.open(small_model())), PAIRS)))))
        return
    command = [sys.executable, "-m", "bench.dpo", *sys.argv[1:], "--child"]
    environment = {**os.environ, **preload_environment()}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    results.write({"dpo": {**results.read().get("dpo", {}), given.which: found}})
    print(json.dumps(found))


if __name__ == "__main__":
    main()
