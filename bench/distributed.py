"""One adapter by one process and by two: `python -m bench.distributed` prints their losses' difference, and seconds.

Both processes are on this machine, whose cores they share: what is measured is that the result is the same, not a gain.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.demo.environment import small_model
from adapterd.system.files import sha256_file
from adapterd.training.distributed.launch import train_distributed
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.train import train
from bench.training import ROOT, environment, write_examples

EXAMPLES, LENGTH = 24, (200, 50)
SETTINGS = TrainingSettings(layers=8, epochs=2, batch_size=4, learning_rate=5e-4, patience=1000)
TWO = ("127.0.0.1", "127.0.0.1")


def distributed() -> dict[str, Any]:
    """The largest difference of a step's loss, the losses at both ends, and the seconds of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_examples(folder / "data", EXAMPLES, *LENGTH)
        found = {who: _child(folder, who) for who in ("one", "two")}
    curves = [[point["loss"] for point in found[who]["curve"]] for who in ("one", "two")]
    return {
        "ranks": len(TWO), "batch_size": SETTINGS.batch_size, "steps": len(curves[0]),
        "max_loss_diff": max(abs(one - other) for one, other in zip(*curves, strict=True)),
        "losses": [round(curves[0][0], 4), round(curves[0][-1], 4)],
        **{f"{who}_s": round(found[who]["wall_s"], 1) for who in found},
    }  # fmt: skip


def _child(folder: Path, who: str) -> Any:
    command = [sys.executable, "-m", "bench.distributed", str(folder), who]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _train(folder: Path, who: str) -> dict[str, Any]:
    base, states = small_model(), folder / f"states-{who}"
    if who == "two":
        result = train_distributed(
            base, folder / "data", replace(SETTINGS, hosts=TWO), folder / who, lambda _: None,
            base_digest=sha256_file(base), cache=states,
        )  # fmt: skip
        return asdict(result)
    kept = HiddenStateCache(states, 1 << 30)
    return asdict(
        train(GgufFile.open(base), folder / "data", SETTINGS, folder / who, lambda _: None, cache=kept)
    )  # fmt: skip


def main() -> None:
    """Measure; as a child, train one way."""
    if len(sys.argv) == 1:
        print(json.dumps(distributed()))
        return
    started = time.perf_counter()
    result = _train(Path(sys.argv[1]), sys.argv[2])
    print(json.dumps(result | {"wall_s": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
