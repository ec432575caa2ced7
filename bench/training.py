"""The child of the training bench: `python -m bench.training stock|ours` prints tokens per second as JSON."""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import mlx.core as mx
import mlx.optimizers as optim
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.trainer import TrainingArgs
from mlx_lm.tuner.trainer import train as stock_train
from mlx_lm.tuner.utils import linear_to_lora_layers

from adapterd.base.gguf_file import GgufFile
from adapterd.base.mlx_model import load_mlx_model
from adapterd.config import TrainingSettings
from adapterd.demo.stage import small_model
from adapterd.training.loop import train

PROMPT, COMPLETION, EXAMPLES, BATCH, LAYERS = 400, 100, 24, 2, 8


def examples() -> list[tuple[list[int], int]]:
    """(ids, prompt tokens): random ids, for only time is measured."""
    mx.random.seed(0)
    rows: list[list[int]] = mx.random.randint(100, 40_000, (EXAMPLES, PROMPT + COMPLETION)).tolist()  # type: ignore[assignment]
    return [(row, PROMPT) for row in rows]


class Speed(TrainingCallback):  # type: ignore[misc]
    """Keeps what mlx-lm's trainer itself reports; it does not count validation."""

    def on_train_loss_report(self, train_info: dict[str, float]) -> None:
        self.iterations_per_s = train_info["iterations_per_second"]


def stock() -> float:
    """Tokens per second of mlx-lm's trainer over one epoch."""
    model = load_mlx_model(GgufFile.open(small_model()), dtype=mx.float32)
    linear_to_lora_layers(model, LAYERS, {"rank": 16, "scale": 2.0, "dropout": 0.0})
    steps = EXAMPLES // BATCH
    speed = Speed()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArgs(
            batch_size=BATCH, iters=steps, val_batches=1, steps_per_report=steps, steps_per_eval=10_000,
            steps_per_save=10_000, adapter_file=str(Path(folder) / "adapters.safetensors"),
        )  # fmt: skip
        with contextlib.redirect_stdout(sys.stderr):
            stock_train(model, optim.Adam(1e-4), examples(), None, arguments, training_callback=speed)
    return speed.iterations_per_s * BATCH * (PROMPT + COMPLETION)


def ours() -> float:
    """Tokens per second of our loop over the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            json.dumps({"ids": ids, "prompt_tokens": n, "record": str(i)}) for i, (ids, n) in enumerate(examples())
        ]
        (folder / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
        (folder / "validation.jsonl").write_text("", encoding="utf-8")
        settings = TrainingSettings(layers=LAYERS, epochs=1, batch_size=BATCH, learning_rate=1e-4, patience=1000)
        result = train(GgufFile.open(small_model()), folder, settings, folder, lambda _: None)
    return result.tokens_per_s


def main() -> None:
    """Measure one of the two and print it."""
    tokens_per_s = {"stock": stock, "ours": ours}[sys.argv[1]]()
    print(json.dumps({"tokens_per_s": round(tokens_per_s, 1), "peak_gb": round(mx.get_peak_memory() / 1e9, 2)}))


if __name__ == "__main__":
    main()
