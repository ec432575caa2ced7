"""Training killed again and again: `python -m bench.resume` prints how far its adapter is from an undisturbed one's.

SmolLM2, adapters on 4 of 30 blocks, real signals at seeded moments: 0 to 1 s after a step that chance chose.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mlx.core as mx

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.demo.environment import small_model
from adapterd.training.checkpoints.checkpoint import Pace
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress
from adapterd.training.train import train
from bench.training import ROOT, environment, write_examples

KILLS, SEED = 20, 7
EXAMPLES, LENGTH = 240, (60, 20)
SETTINGS = TrainingSettings(layers=4, epochs=3, batch_size=4, learning_rate=5e-4, dropout=0.05, patience=1000)
EVERY_STEP = Pace(0.0, float("inf"), float("inf"))


def resume() -> dict[str, Any]:
    """How often it was killed, the steps done twice, and the largest difference of weights and of losses at the end."""
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_examples(folder / "data", EXAMPLES, *LENGTH)
        steps, _ = _live(folder, "whole", None, chance)
        kills, told = 0, list[int]()
        for after in [chance.randrange(1, 4) for _ in range(KILLS)]:
            heard, killed = _live(folder, "killed", after, chance)
            told += heard
            kills += killed
        told += _live(folder, "killed", None, chance)[0]
        whole, other = (_adapter(folder / each) for each in ("whole", "killed"))
        losses = [_losses(folder / each) for each in ("whole", "killed")]
    return {
        "kills": kills,
        "steps": len(steps),
        "steps_done_again": len(told) - len(set(told)),
        "max_diff": max(float(mx.abs(whole[key] - other[key]).max().item()) for key in whole),  # type: ignore[arg-type]
        "max_loss_diff": max(abs(one - other) for one, other in zip(*losses, strict=True)),
    }


def _live(folder: Path, out: str, steps: int | None, chance: random.Random) -> tuple[list[int], bool]:
    """Train in a child, killed up to a second after so many steps; the steps that it told of, and whether it was."""
    command = [sys.executable, "-m", "bench.resume", str(folder), out]
    child = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    told: list[int] = []
    if child.stdout is None:
        raise AssertionError("opened with a pipe")
    for line in child.stdout:
        told.append(int(line))
        if len(told) == steps:
            time.sleep(chance.random())
            child.kill()
    if child.wait() and steps is None:
        raise RuntimeError(f"training ended with status {child.returncode}")
    return told, child.returncode < 0


def _adapter(folder: Path) -> dict[str, mx.array]:
    found: Any = mx.load(str(folder / "adapters.safetensors"))
    return dict(found)


def _losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [point["loss"] for point in map(json.loads, lines) if point["loss"] is not None]


def main() -> None:
    """Measure; as a child, train and tell each step."""
    if len(sys.argv) == 1:
        print(json.dumps(resume()))
        return
    folder, out = Path(sys.argv[1]), sys.argv[2]

    def tell(progress: TrainingProgress) -> None:
        if progress.step and not progress.doing:
            print(progress.step, flush=True)

    train(
        GgufFile.open(small_model()), folder / "data", SETTINGS, folder / out, tell,
        base_digest="small", cache=HiddenStateCache(folder / "states", 1 << 30), pace=EVERY_STEP,
    )  # fmt: skip


if __name__ == "__main__":
    main()
