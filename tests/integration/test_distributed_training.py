"""Distributed training by two processes on one machine: the adapter is that of one process, and no process is left."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import Preferences, TrainingSettings
from adapterd.errors import InputError, StageError
from adapterd.system.files import sha256_file
from adapterd.training.distributed.launch import free_ports, hosts_file, launch_command, train_distributed
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.train import train
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.typed import load_weights

WORKER = "adapterd.training.distributed.worker"
TWO = ("127.0.0.1", "127.0.0.1")
SETTINGS = TrainingSettings(rank=4, layers=2, epochs=2, batch_size=4, learning_rate=3e-3, patience=99)
PARENT = """
import sys
from pathlib import Path
from adapterd.config import TrainingSettings
from adapterd.training.distributed.launch import train_distributed
folder = Path(sys.argv[1])
settings = TrainingSettings(rank=4, layers=2, epochs=1000, patience=1000, hosts=("127.0.0.1", "127.0.0.1"))
train_distributed(
    folder / "base.gguf", folder / "dataset", settings, folder / "out", lambda _: print("step", flush=True),
    base_digest="x", cache=folder / "states",
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `base.gguf`, and in `dataset/` examples and pairs; the last batches are short ones."""
    write_tiny_gguf(tmp_path / "base.gguf", layers=SETTINGS.layers + 1)
    random = np.random.default_rng(5)
    (tmp_path / "dataset").mkdir()
    for name, count in (("train", 13), ("validation", 5)):
        rows = [random.integers(0, 512, random.integers(8, 24)).tolist() for _ in range(count)]
        lines = [json.dumps({"ids": row, "prompt_tokens": 4, "record": f"{name}-{i}"}) for i, row in enumerate(rows)]
        (tmp_path / "dataset" / f"{name}.jsonl").write_text("\n".join(lines))
    for name, count in (("pairs", 5), ("validation_pairs", 3)):
        lines = []
        for number in range(count):
            prompt, *answers = (random.integers(0, 512, 6).tolist() for _ in range(3))
            chosen, rejected = (prompt + answer for answer in answers)
            lines.append(json.dumps(
                {"chosen": chosen, "rejected": rejected, "prompt_tokens": 6, "record": f"{name}-{number}"}
            ))  # fmt: skip
        (tmp_path / "dataset" / f"{name}.jsonl").write_text("\n".join(lines))
    return tmp_path


def trained_by_two(place: Path, settings: TrainingSettings) -> TrainingResult:
    return train_distributed(
        place / "base.gguf", place / "dataset", replace(settings, hosts=TWO), place / "two", lambda _: None,
        base_digest=sha256_file(place / "base.gguf"), cache=place / "states",
    )  # fmt: skip


def losses(result: TrainingResult) -> list[float]:
    return [value for point in result.curve for value in (point.loss, point.validation_loss) if value]


@pytest.mark.parametrize("preferences", Preferences)
def test_two_ranks_train_the_adapter_that_one_process_trains(folder: Path, preferences: Preferences) -> None:
    settings = replace(SETTINGS, preferences=preferences)
    alone = train(
        GgufFile.open(folder / "base.gguf"), folder / "dataset", settings, folder / "one", lambda _: None,
        cache=HiddenStateCache(folder / "states", 1 << 30),
    )  # fmt: skip
    found = trained_by_two(folder, settings)
    assert found.steps == alone.steps == (8 if preferences is Preferences.OFF else 12)
    np.testing.assert_allclose(losses(found), losses(alone), rtol=2e-4)
    one, two = (load_weights(folder / name / "adapters.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(np.allclose(np.array(one[name]), np.array(two[name]), atol=2e-3) for name in one)


def test_the_progress_of_rank_0_is_reported(folder: Path) -> None:
    heard: list[TrainingProgress] = []
    digest = sha256_file(folder / "base.gguf")
    train_distributed(
        folder / "base.gguf", folder / "dataset", replace(SETTINGS, hosts=TWO), folder / "two",
        heard.append, base_digest=digest, cache=folder / "states",
    )  # fmt: skip
    assert (heard[-1].step, heard[-1].steps) == (8, 8)
    assert [progress.step for progress in heard if not progress.doing] == list(range(9))


def test_an_error_of_a_rank_is_raised(folder: Path) -> None:
    (folder / "dataset" / "validation.jsonl").write_text("{}")
    with pytest.raises(InputError, match=r"validation.jsonl line 1 is not an example"):
        trained_by_two(folder, SETTINGS)


def test_ranks_that_cannot_be_started_are_an_error(folder: Path) -> None:
    with pytest.raises(StageError, match="without a result"):
        train_distributed(
            folder / "base.gguf", folder / "dataset", replace(SETTINGS, hosts=("127.0.0.1", "127.0.0.256")),
            folder / "two", lambda _: None, base_digest="x", cache=folder / "states",
        )  # fmt: skip


def test_ranks_end_with_the_process_that_launched_them(folder: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    while parent.stdout.readline() == "":
        assert parent.poll() is None
    children = psutil.Process(parent.pid).children(recursive=True)
    assert (
        len([child for child in children if "adapterd.training.distributed.worker" in " ".join(child.cmdline())]) >= 2
    )
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_the_first_host_is_this_machine() -> None:
    found = hosts_file(("192.168.2.11", "192.168.2.12", "192.168.2.11"))
    assert [host["ssh"] for host in found["hosts"]] == ["127.0.0.1", "192.168.2.12", "127.0.0.1"]
    assert [host["ips"] for host in found["hosts"]] == [["192.168.2.11"], ["192.168.2.12"], ["192.168.2.11"]]


def test_the_command_runs_mlx_launch(tmp_path: Path) -> None:
    command = launch_command(tmp_path, 4000)
    assert Path(command[0]).name == "mlx.launch"
    assert Path(command[0]).exists()
    assert command[command.index("--starting-port") + 1] == "4000"
    assert command[command.index("--") + 1 :][-2:] == [
        "adapterd.training.distributed.worker",
        str(tmp_path / "assignment.json"),
    ]


def test_no_rank_imports_what_lies_in_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Neither here nor on another machine, where it would begin in a home folder with an environment of its own."""
    command = launch_command(tmp_path, 4000)
    end = command.index("--")
    assert command[end + 1 :][:3] == [sys.executable, "-P", "-m"]
    assert command[command.index("--cwd", 0, end) + 1] == "/"
    assert "PYTHONSAFEPATH=1" in command[:end]


def test_free_ports_are_free() -> None:
    import socket

    first = free_ports(3)
    with socket.socket() as taken:
        taken.bind(("", first + 1))
        assert free_ports(3) > first + 1


def test_a_distributed_training_leaves_no_temporary_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    trained_by_two(folder, SETTINGS)
    deadline = time.monotonic() + 10
    while list(scratch.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(scratch.iterdir()) == []
    assert sorted(file.name for file in (folder / "two").iterdir()) == [
        "adapter_config.json", "adapters.safetensors", "checkpoint.safetensors", "metrics.jsonl",
    ]  # fmt: skip
