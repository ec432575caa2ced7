"""`make bench`: some minutes; `make bench-full` (`--full`): hours. Both print, and write bench/results.json.

Short or full, a key of results.json is replaced as a whole, but for the tables of retention, to which cells are added.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile
from adapterd.demo.environment import small_model
from adapterd.deployment.deploy import Deployer
from adapterd.home import Home
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.system.blas import preload_environment
from bench import results, tables
from bench.architectures import architectures
from bench.distributed import distributed
from bench.library import library
from bench.merging import merge_growth, merge_speed
from bench.ollama import ollama_binary
from bench.opening import opening
from bench.quantized_layers import exact_weights
from bench.quants import quants
from bench.resume import resume
from bench.training import retrain, training

ROOT = Path(__file__).parent.parent
SWAPS = 100
MODEL = "bench"


def main() -> None:
    """Measure, print, write, and put the tables into the docs."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="every quantisation, every size")
    full = parser.parse_args().full
    results.write({"machine": machine()})
    for name, measure in measurements(full).items():
        print(f"{name} …", flush=True)
        results.write({name: measure()})
        print(f"  {json.dumps(results.read()[name])}", flush=True)
    tables.main()
    print(f"written to {results.FILE.relative_to(ROOT)} and the docs")


def measurements(full: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    """What to measure, by its key in results.json."""
    return {
        "start_up": start_up,
        "opening": opening,
        "training": training,
        "retrain": retrain,
        "resume": resume,
        "distributed": distributed,
        "exact_weights": exact_weights,
        "rollback": rollback,
        "quants": quants,
        "architectures": architectures,
        "library": library,
        "merge_speed": merge_speed if full else lambda: results.read().get("merge_speed", {}) | merge_speed(["0.1B"]),
        **({"merge_growth": merge_growth} if full else {}),
        "retention": lambda: retention([] if full else ["Q4_1", "--scales", "0.25"]),
    }


def retention(chosen: list[str]) -> dict[str, Any]:
    """Measured by a child, which has the fast BLAS."""
    command = [sys.executable, "-m", "bench.retention", *chosen]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **preload_environment()}, check=True)
    tables_by_kind: dict[str, Any] = results.read()["retention"]
    return tables_by_kind


def machine() -> str:
    """This machine in plain words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def start_up() -> dict[str, float]:
    """Seconds until `adapterctl --help` and `status` are done, beside the interpreter alone."""
    with tempfile.TemporaryDirectory() as folder:
        run = partial(subprocess.run, env={"ADAPTERD_HOME": folder, "PATH": ""}, check=True, capture_output=True)
        adapterctl = [sys.executable, "-m", "adapterctl"]
        return {
            "python_s": _median_s(partial(run, [sys.executable, "-c", ""])),
            "help_s": _median_s(partial(run, [*adapterctl, "--help"])),
            "status_s": _median_s(partial(run, [*adapterctl, "status"])),
        }


def rollback() -> dict[str, float]:
    """Milliseconds of swap and check by us, beside the bare API calls (copy, then list)."""
    with tempfile.TemporaryDirectory() as folder, PrivateOllama(ollama_binary(), Path(folder) / "ollama") as server:
        runtime = OllamaRuntime(server.host)
        tags = ModelTags(MODEL)
        for tag, system in ((tags.base, "a"), (tags.version("1.0.0"), "b")):
            runtime.create(tag, small_model(), file_digest(small_model()), Modelfile(system=system))
        home = Home(Path(folder) / "home")
        home.create()
        with Store(home.database) as store:
            deployer = Deployer(store, home, runtime)
            deployer.start_with_base(MODEL)
            digest = runtime.tags()[tags.version("1.0.0")]
            store.versions.add(MODEL, "1.0.0", run_id="bench", digest=digest, base_digest="")
            swaps = []
            for _ in range(SWAPS):
                deployer.promote(MODEL, "1.0.0", "bench")
                swaps.append(deployer.rollback(MODEL).swap_ms)
        bare = []
        for turn in range(SWAPS):
            started = time.perf_counter()
            runtime.copy((tags.base, tags.version("1.0.0"))[turn % 2], tags.live)
            runtime.tags()
            bare.append((time.perf_counter() - started) * 1000)
    return {
        "swap_p50_ms": round(statistics.median(swaps), 2),
        "swap_p99_ms": round(statistics.quantiles(swaps, n=100)[98], 2),
        "bare_p50_ms": round(statistics.median(bare), 2),
        "bare_p99_ms": round(statistics.quantiles(bare, n=100)[98], 2),
    }


def _median_s(action: Callable[[], object], times: int = 7) -> float:
    took = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        took.append(time.perf_counter() - started)
    return round(statistics.median(took), 3)


if __name__ == "__main__":
    main()
