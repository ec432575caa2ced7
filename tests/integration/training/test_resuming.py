"""A training that stopped goes on as if it had not."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapterd.formats.metrics_log import METRICS
from adapterd.training.checkpoints.checkpoint import CHECKPOINT, CheckpointFile, Pace
from adapterd.training.data import Dataset
from adapterd.training.loop import Trainer
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from tests.unit.training.tiny_llama import adapted, random_examples

DATA = Dataset(random_examples(21, seed=1, low=0, high=8), random_examples(6, seed=2, low=0, high=8))
EVERY_STEP = Pace(0.0, math.inf, math.inf)
VALIDATIONS = Pace(math.inf, math.inf, math.inf)
LEARNING = {"rank": 4, "layers": 2, "learning_rate": 1e-2, "patience": 99}


class StoppedError(Exception):
    """Stands in for the death of the process."""


def train(
    out: Path, *, stop_at: int | None = None, data: Dataset = DATA, pace: Pace = EVERY_STEP, **options: Any
) -> tuple[TrainingResult | None, list[TrainingProgress]]:
    """The result, None if it was stopped when it told of a step; and all it told."""
    told: list[TrainingProgress] = []

    def report(progress: TrainingProgress) -> None:
        told.append(progress)
        if progress.step == stop_at:
            raise StoppedError

    settings = Recipe(**LEARNING | options)
    try:
        checkpoints = CheckpointFile(out, {}, pace)
        result = Trainer(adapted(settings), data, settings, out, report, checkpoints, keeps=True).run()
    except StoppedError:
        return None, told
    return result, told


def left_in(folder: Path) -> dict[str, Any]:
    """The files but the checkpoint, of the metrics only what does not depend on time and memory."""
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in (METRICS, CHECKPOINT)]
    files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    losses = [(line["step"], line["epoch"], line["loss"], line["validation_loss"]) for line in lines]
    return files | {"metrics": losses}


def timeless(result: TrainingResult | None) -> TrainingResult:
    assert result is not None
    return replace(result, seconds=0.0, tokens_per_s=0.0, peak_memory_bytes=0)


@pytest.mark.parametrize(
    ("dropout", "data"), [(0.2, DATA), (0.0, Dataset(DATA.train, ()))], ids=["validated", "not validated"]
)
def test_a_training_stopped_at_every_step_ends_as_an_uninterrupted_one(
    tmp_path: Path, dropout: float, data: Dataset
) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    expected, _ = train(straight, data=data, dropout=dropout)
    for step in range(1, 19):
        result, told = train(broken, stop_at=step, data=data, dropout=dropout)
        first = max(step - 2, 0 if data.validation else 1)
        assert (result, [progress.step for progress in told]) == (None, list(range(first, step + 1)))
    result, _ = train(broken, data=data, dropout=dropout)
    assert timeless(result) == timeless(expected)
    assert left_in(broken) == left_in(straight)


def test_a_training_resumes_from_its_last_checkpoint_and_repeats_the_steps_after_it(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    expected, _ = train(straight)
    train(broken, stop_at=9, pace=VALIDATIONS)
    result, told = train(broken, pace=VALIDATIONS)
    assert [progress.step for progress in told] == list(range(8, 19))
    assert timeless(result) == timeless(expected)
    assert left_in(broken) == left_in(straight)


def test_the_best_adapter_comes_from_the_checkpoint(tmp_path: Path) -> None:
    """What was written after it belongs to steps that are done again, and maybe not with quite the same result."""
    train(tmp_path, stop_at=5)
    best = (tmp_path / "adapters.safetensors").read_bytes()
    (tmp_path / "adapters.safetensors").write_bytes(b"of a step after the checkpoint")
    (tmp_path / "metrics.jsonl").write_bytes(b'{"cut sho')
    train(tmp_path, stop_at=4)
    assert (tmp_path / "adapters.safetensors").read_bytes() == best
    assert [line[0] for line in left_in(tmp_path)["metrics"]] == list(range(5))


def test_the_time_left_counts_what_was_spent_before(tmp_path: Path) -> None:
    train(tmp_path, stop_at=12)
    kept = CheckpointFile(tmp_path, {}).read()
    assert kept is not None
    spent_s = kept.state["earlier_s"]
    assert spent_s > kept.state["stepping_s"] > 0
    result, told = train(tmp_path)
    assert result is not None
    assert told[0].step == 11
    assert spent_s / 11 * 7 <= told[0].remaining_s <= result.seconds / 11 * 7
    assert spent_s < result.seconds


def test_a_finished_training_does_no_more_steps(tmp_path: Path) -> None:
    """It died after its last step, before anybody heard the result."""
    harmful = Dataset(random_examples(20, seed=1, low=0, high=8), random_examples(6, seed=2, low=40, high=64))
    expected, _ = train(tmp_path, data=harmful, patience=2)
    result, told = train(tmp_path, data=harmful, patience=2)
    assert timeless(result) == timeless(expected)
    assert [progress.step for progress in told] == [4]


def test_a_training_with_a_damaged_checkpoint_begins_anew(tmp_path: Path) -> None:
    train(tmp_path, stop_at=5)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    result, told = train(tmp_path)
    assert result is not None
    assert [progress.step for progress in told] == list(range(19))
    assert [line[0] for line in left_in(tmp_path)["metrics"]] == list(range(19))


def test_a_shortened_training_that_was_stopped_ends_where_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight steps of 18, whatever these take."""
    monkeypatch.setattr(Trainer, "_steps_in_time", lambda _: 8)
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    broken.mkdir()
    expected, _ = train(straight)
    assert timeless(expected).steps == 8
    for stop_at in range(4, 8):
        train(broken, stop_at=stop_at)
    found, _ = train(broken)
    assert timeless(found) == timeless(expected)
    assert left_in(broken) == left_in(straight)
