"""Training against mlx-lm's own trainer: `python -m bench.training` measures all and prints it as JSON.

Both train the same adapter (same seed) on the same examples in the same order, at the same rates: 400 ids of prompt and
100 of completion out of the newsroom's texts. Each measurement is a process of its own, `python -m bench.training WHO`.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.trainer import TrainingArgs
from mlx_lm.tuner.trainer import train as stock_train

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.mlx.model import load_mlx_model
from adapterd.demo.environment import small_model
from adapterd.demo.newsroom import items
from adapterd.formats.encoded import EncodedExample
from adapterd.system.blas import preload_environment
from adapterd.training.adapter_layers import attach_adapter
from adapterd.training.data import training_batches
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.learning_rate import TrainingSchedule
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from adapterd.training.train import train

ROOT = Path(__file__).parent.parent
PROMPT, COMPLETION, EXAMPLES, NEWER = 400, 100, 20, 2
SETTINGS = Recipe(layers=8, epochs=3, batch_size=2, learning_rate=1e-4, patience=1000)
CACHE_BYTES = 1 << 30


def training() -> dict[str, Any]:
    """Tokens per second of mlx-lm's trainer and of ours over all epochs, with a cold and a warm cache, with the fast
    BLAS; of mlx-lm's as it comes from the wheel, over one step; how far the losses are apart, and how many seconds it
    takes to the loss after one epoch and after all, ours with nothing kept before."""
    found = {who: _child(who) for who in ("stock", "ours", "wheel")}
    stock, ours = found["stock"], found["ours"]
    pairs = zip(stock["losses"], ours["losses"], strict=True)
    return {
        "stock_tok_s": stock["tokens_per_s"],
        "ours_tok_s": ours["tokens_per_s"],
        "ours_cached_tok_s": ours["cached_tokens_per_s"],
        "stock_wheel_tok_s": found["wheel"]["tokens_per_s"],
        "ratio": round(ours["tokens_per_s"] / stock["tokens_per_s"], 2),
        "ratio_cached": round(ours["cached_tokens_per_s"] / stock["tokens_per_s"], 2),
        "ratio_wheel": round(ours["tokens_per_s"] / found["wheel"]["tokens_per_s"], 1),
        "max_loss_diff": round(max(abs(one - other) for one, other in pairs), 6),
        "losses": [round(ours["losses"][0], 4), round(ours["losses"][-1], 4)],
        "stock_gb": stock["peak_gb"],
        "ours_gb": ours["peak_gb"],
        "ours_estimated_gb": ours["estimated_gb"],
        "epochs": SETTINGS.epochs,
        "seconds_one_epoch": {"stock": stock["seconds"][0], "ours": ours["seconds"][0]},
        "seconds_to_same_loss": {"stock": stock["seconds"][1], "ours": ours["seconds"][1]},
    }


def retrain() -> dict[str, float]:
    """Seconds of a training from nothing, and of the next one with a tenth of new examples."""
    seconds: dict[str, float] = _child("retrain")
    return seconds


def _child(who: str) -> Any:
    command = [sys.executable, "-m", "bench.training", who]
    variables = environment(fast=who != "wheel")
    done = subprocess.run(command, cwd=ROOT, env=variables, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def environment(*, fast: bool = True) -> dict[str, str]:
    """A child's variables, with the fast BLAS in front or without."""
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return plain | (preload_environment() if fast else {})


def write_examples(folder: Path, count: int, prompt: int, completion: int) -> None:
    """A dataset of so many examples of so many ids, none to validate with."""
    write_dataset(folder, examples(count, prompt, completion))


def write_dataset(folder: Path, given: list[EncodedExample]) -> None:
    """A dataset of these examples, none to validate with."""
    folder.mkdir()
    lines = [json.dumps({"ids": e.ids, "prompt_tokens": e.prompt_tokens, "record": e.record}) for e in given]
    (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "validation.jsonl").write_text("", encoding="utf-8")


def examples(count: int, prompt: int = PROMPT, completion: int = COMPLETION) -> list[EncodedExample]:
    """Stretches of what the newsroom writes."""
    tokenizer, ids = Tokenizer.open(small_model()), list[int]()
    length = prompt + completion
    for item in items(count * 8, seed=1):
        ids += tokenizer.encode_continuation(f"{item.prompt}\n{item.answer}\n")
    stretches = [tuple(ids[start : start + length]) for start in range(0, count * length, length)]
    return [EncodedExample(stretch, prompt, str(number)) for number, stretch in enumerate(stretches)]


class Told(TrainingCallback):  # type: ignore[misc]
    """Keeps what mlx-lm's trainer reports after each step; it does not count validation."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.seconds: list[float] = []

    def on_train_loss_report(self, train_info: dict[str, float]) -> None:
        self.losses.append(float(train_info["train_loss"]))
        self.seconds.append(1 / train_info["iterations_per_second"])


def stock(steps: int | None = None) -> dict[str, Any]:
    """mlx-lm's trainer, over all steps or so many."""
    given = examples(EXAMPLES)
    plan = TrainingSchedule.of(SETTINGS, len(given))
    steps = steps or plan.steps
    model = load_mlx_model(GgufFile.open(small_model()), dtype=mx.float32)
    attach_adapter(model, SETTINGS)
    optimizer = optim.Adam(plan.learning_rate(SETTINGS.learning_rate), bias_correction=True)
    told = Told()

    def in_our_order(**_: Any) -> Iterator[tuple[mx.array, mx.array]]:
        for epoch in range(1, SETTINGS.epochs + 1):
            for batch in training_batches(given, SETTINGS.batch_size, seed=SETTINGS.seed, epoch=epoch):
                ids = [example.ids for example in batch.examples]
                yield mx.array(ids), mx.array([[PROMPT, PROMPT + COMPLETION - 1]] * len(ids))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArgs(
            batch_size=SETTINGS.batch_size, iters=steps, val_batches=0, steps_per_report=1, steps_per_eval=10_000,
            steps_per_save=10_000, adapter_file=str(Path(folder) / "adapters.safetensors"),
        )  # fmt: skip
        with contextlib.redirect_stdout(sys.stderr):
            stock_train(model, optimizer, given, None, arguments, iterate_batches=in_our_order, training_callback=told)
    return {
        "tokens_per_s": round(steps * SETTINGS.batch_size * (PROMPT + COMPLETION) / sum(told.seconds), 1),
        "seconds": [round(sum(told.seconds[:count]), 1) for count in (plan.per_epoch, steps)],
        "losses": told.losses, "peak_gb": _peak_gb(),
    }  # fmt: skip


def ours() -> dict[str, Any]:
    """Our loop over the same, first with nothing kept, then with everything."""
    with tempfile.TemporaryDirectory() as name:
        cold, seconds = _train(Path(name), "cold", examples(EXAMPLES))
        peak_gb = _peak_gb()
        warm, _ = _train(Path(name), "warm", examples(EXAMPLES))
    return {
        "tokens_per_s": round(cold.train_tokens / seconds[cold.steps], 1),
        "seconds": [round(seconds[count], 1) for count in (cold.steps // SETTINGS.epochs, cold.steps)],
        "cached_tokens_per_s": round(warm.tokens_per_s, 1),
        "losses": [point.loss for point in cold.curve],
        "peak_gb": peak_gb,
        "estimated_gb": round((cold.estimated_memory_bytes or 0) / 1e9, 2),
    }


def again() -> dict[str, float]:
    """A training from nothing, and one with a tenth of new examples."""
    with tempfile.TemporaryDirectory() as name:
        given = examples(EXAMPLES + NEWER)
        (_, first), (_, second) = (
            _train(Path(name), which, chosen) for which, chosen in (("first", given[:EXAMPLES]), ("second", given))
        )
    first_s, second_s = (round(max(seconds.values()), 1) for seconds in (first, second))
    return {"first_s": first_s, "second_s": second_s, "examples": EXAMPLES, "new": NEWER}


def _train(folder: Path, name: str, given: list[EncodedExample]) -> tuple[TrainingResult, dict[int, float]]:
    """What our loop makes of the examples, and the seconds from when the model was there to the end of each
    step."""
    data = folder / f"{name}-data"
    write_dataset(data, given)
    began: list[float] = []
    ended: dict[int, float] = {}

    def report(progress: TrainingProgress) -> None:
        step_s = progress.step / progress.steps and progress.remaining_s / (progress.steps - progress.step or 1)
        began.append(time.perf_counter() - step_s)
        ended[progress.step] = time.perf_counter()

    result = train(
        GgufFile.open(small_model()), data, SETTINGS, folder / name, report,
        base_digest="small", cache=HiddenStateCache(folder / "states", CACHE_BYTES),
    )  # fmt: skip
    ended[result.steps] = time.perf_counter()
    return result, {step: end - began[0] for step, end in ended.items()}


def _peak_gb() -> float:
    return round(mx.get_peak_memory() / 1e9, 2)


WHO = {"stock": stock, "wheel": lambda: stock(1), "ours": ours, "retrain": again}


def main() -> None:
    """Measure one of them, or all, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=__doc__)
    parser.add_argument("who", nargs="?", choices=WHO)
    who = parser.parse_args().who
    print(json.dumps(WHO[who]() if who else {"training": training(), "retrain": retrain()}))


if __name__ == "__main__":
    main()
