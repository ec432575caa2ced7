"""A training that is killed at any moment, again and again, ends with the very adapter of one that was left alone."""

import itertools
import json
import logging
import math
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings
from adapterd.training.checkpoints.checkpoint import CHECKPOINT, Pace
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.train import train
from tests.support.children import Processes, quick_children
from tests.support.tiny_gguf import write_tiny_gguf

HANGS_S = 120.0
KILLS = 7
EVERY_STEP = Pace(0.0, math.inf, math.inf)
VALIDATIONS = Pace(math.inf, math.inf, math.inf)
SETTINGS = TrainingSettings(rank=4, layers=2, epochs=3, batch_size=4, learning_rate=3e-3, patience=99)
RESULTS = {"adapters.safetensors", "adapter_config.json", "metrics.jsonl"}
LEFT = RESULTS | {CHECKPOINT}


@dataclass(frozen=True)
class Place:
    """A folder with `base.gguf` and `dataset/`, in which one adapter after another is trained."""

    folder: Path
    settings: TrainingSettings = SETTINGS
    pace: Pace = EVERY_STEP

    def train(self, out: str, tell: Connection | None = None) -> TrainingResult:
        """To the end, unless something happens; `tell` gets every step, then the result."""
        base = GgufFile.open(self.folder / "base.gguf")

        def report(progress: TrainingProgress) -> None:
            if tell and not progress.doing:
                tell.send(progress.step)

        result = train(
            base, self.folder / "dataset", self.settings, self.folder / out, report,
            cache=HiddenStateCache(self.folder / "states", 1 << 30), pace=self.pace,
        )  # fmt: skip
        if tell:
            tell.send(result)
        return result

    def left_in(self, out: str) -> tuple[bytes, list[tuple[Any, ...]]]:
        """The adapter, and of the metrics what does not depend on time and memory."""
        lines = [json.loads(line) for line in (self.folder / out / "metrics.jsonl").read_text().splitlines()]
        losses = [(line["step"], line["epoch"], line["loss"], line["validation_loss"]) for line in lines]
        return (self.folder / out / "adapters.safetensors").read_bytes(), losses


@dataclass
class Life:
    """The steps that a child told of, its result if it came that far, and how it ended."""

    steps: list[int] = field(default_factory=list)
    result: TrainingResult | None = None
    exit_code: int | None = None


@pytest.fixture
def training_place(tmp_path: Path) -> Place:
    write_tiny_gguf(tmp_path / "base.gguf", layers=SETTINGS.layers + 1)
    random = np.random.default_rng(5)
    (tmp_path / "dataset").mkdir()
    for name, count in (("train", 22), ("validation", 6)):
        rows = [random.integers(0, 512, random.integers(8, 24)).tolist() for _ in range(count)]
        lines = [json.dumps({"ids": row, "prompt_tokens": 4, "record": f"{name}-{i}"}) for i, row in enumerate(rows)]
        (tmp_path / "dataset" / f"{name}.jsonl").write_text("\n".join(lines))
    return Place(tmp_path)


@pytest.fixture(scope="module")
def processes() -> Processes:
    return quick_children("adapterd.training.train", "mlx_lm.models.llama")


def train_for(place: Place, out: str, processes: Processes, steps: int, seconds: float) -> Life:
    """Train in a child that is killed so many seconds after it did so many steps, if it is not done before."""
    said, tell = processes.Pipe(duplex=False)
    child = processes.Process(target=place.train, args=(out, tell))
    child.start()
    tell.close()
    life = Life()
    for told in _heard(said, child, steps, seconds):
        if isinstance(told, int):
            life.steps.append(told)
        else:
            life.result = told
    child.join()
    said.close()
    life.exit_code = child.exitcode
    return life


def _heard(said: Connection, child: BaseProcess, steps: int, seconds: float) -> Iterator[Any]:
    """All that the child says before its end, which comes so many seconds after so many steps, or by itself."""
    for heard in itertools.count():
        if not said.poll(seconds if heard > steps else HANGS_S):
            child.kill()
        try:
            yield said.recv()
        except EOFError:
            return


def timeless(result: TrainingResult) -> TrainingResult:
    return replace(result, seconds=0.0, tokens_per_s=0.0, peak_memory_bytes=0)


@pytest.mark.parametrize(
    ("pace", "dropout"),
    [
        pytest.param(EVERY_STEP, 0.1, id="every step, dropout"),
        pytest.param(VALIDATIONS, 0.0, id="validations"),
        pytest.param(EVERY_STEP, 0.0, id="every step", marks=pytest.mark.long),
        pytest.param(VALIDATIONS, 0.1, id="validations, dropout", marks=pytest.mark.long),
    ],
)
def test_a_training_killed_again_and_again_gives_the_same_adapter(
    training_place: Place, processes: Processes, dropout: float, pace: Pace
) -> None:
    training_place = replace(training_place, settings=replace(SETTINGS, dropout=dropout), pace=pace)
    expected = training_place.train("straight")
    random = np.random.default_rng(11)
    lives: list[Life] = []
    while not lives or lives[-1].result is None:
        life = train_for(training_place, "broken", processes, int(random.integers(1, 4)), random.uniform(0, 0.004))
        assert life.exit_code in (0, -signal.SIGKILL)
        lives.append(life)
    assert timeless(lives[-1].result) == timeless(expected)
    assert training_place.left_in("broken") == training_place.left_in("straight")
    assert {path.name for path in (training_place.folder / "broken").iterdir()} == LEFT
    assert [life.exit_code for life in lives].count(-signal.SIGKILL) >= KILLS
    for before, after in itertools.pairwise(lives):
        lost = before.steps[-1] - after.steps[0]
        assert 0 <= lost <= (1 if pace is EVERY_STEP else 2)


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """What a full disk does to a large file while small ones still fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_no_checkpoint_fits_training_goes_on_without(
    training_place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    expected = training_place.train("straight")
    adapter_bytes = len(training_place.left_in("straight")[0])
    with no_file_larger_than(2 * adapter_bytes), caplog.at_level(logging.WARNING):
        result = training_place.train("full")
    assert timeless(result) == timeless(expected)
    assert training_place.left_in("full") == training_place.left_in("straight")
    assert {path.name for path in (training_place.folder / "full").iterdir()} == RESULTS
    (said,) = caplog.messages
    assert f"{CHECKPOINT} cannot be written: " in said


def test_half_written_files_of_a_killed_process_are_removed(training_place: Place) -> None:
    out = training_place.folder / "out"
    out.mkdir()
    (out / f".{CHECKPOINT}.abc.partial").write_bytes(b"half")
    training_place.train("out")
    assert {path.name for path in out.iterdir()} == LEFT


def test_with_other_examples_it_begins_anew(training_place: Place, processes: Processes) -> None:
    life = train_for(training_place, "out", processes, 5, 0.0)
    assert life.exit_code == -signal.SIGKILL
    train_file = training_place.folder / "dataset" / "train.jsonl"
    train_file.write_text("\n".join(train_file.read_text().splitlines()[::-1]))
    life = train_for(training_place, "out", processes, 99, 0.0)
    assert life.steps == list(range(19))
    training_place.train("straight")
    assert training_place.left_in("out") == training_place.left_in("straight")
