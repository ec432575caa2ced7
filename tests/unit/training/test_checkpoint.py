import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.config import GradientCheckpointing, TrainingSettings
from adapterd.training.checkpoints.checkpoint import CHECKPOINT, Checkpoint, CheckpointFile, Pace, identity

IDENTITY = {"format": 1, "settings": {"rank": 4}}
ALWAYS = Pace(0.0, math.inf, math.inf)


def checkpoint(step: int = 3) -> Checkpoint:
    arrays = {"model/a": mx.arange(6, dtype=mx.float32).reshape(2, 3), "optimizer/step": mx.array(step, mx.uint64)}
    return Checkpoint({"step": step, "best": {"loss": math.inf}}, arrays, {"metrics.jsonl": b"{}\n" * step, "no": b""})


def written(folder: Path, step: int = 3) -> CheckpointFile:
    file = CheckpointFile(folder, IDENTITY, ALWAYS)
    file.keep(lambda: checkpoint(step), validated=False)
    return file


def plain(kept: Checkpoint | None) -> Any:
    assert kept is not None
    arrays = {name: (array.tolist(), array.dtype) for name, array in kept.arrays.items()}
    return kept.state, arrays, kept.files


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path)
    assert plain(CheckpointFile(tmp_path, IDENTITY).read()) == plain(checkpoint())


def test_a_new_checkpoint_replaces_the_last_one(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.keep(lambda: checkpoint(4), validated=False)
    assert plain(file.read()) == plain(checkpoint(4))
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_missing_checkpoint_is_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert CheckpointFile(tmp_path, IDENTITY).read() is None
    assert caplog.messages == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    return written(folder).path.read_bytes()


@settings(deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_checkpoint_with_a_changed_byte_is_not_used(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, where: float, change: int
) -> None:
    damaged = bytearray(whole)
    damaged[int(where * len(whole))] ^= change
    assert_unusable(tmp_path_factory.mktemp("damaged"), bytes(damaged))


@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_checkpoint_that_is_cut_short_is_not_used(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    assert_unusable(tmp_path_factory.mktemp("cut"), whole[: int(share * len(whole))])


def assert_unusable(folder: Path, content: bytes) -> None:
    (folder / CHECKPOINT).write_bytes(content)
    assert CheckpointFile(folder, IDENTITY).read() is None


def test_the_log_says_why_a_checkpoint_cannot_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = written(tmp_path)
    file.path.write_bytes(file.path.read_bytes()[:-1])
    assert file.read() is None
    file.path.unlink()
    file.path.mkdir()
    assert file.read() is None
    damaged, unreadable = caplog.messages
    assert damaged == f"training begins anew, as the checkpoint {file.path} cannot be used: it is damaged"
    assert "Is a directory" in unreadable


def test_a_checkpoint_of_another_training_is_not_used_and_the_difference_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(tmp_path)
    other = {"format": 1, "settings": {"rank": 8}, "examples": "new"}
    assert CheckpointFile(tmp_path, other).read() is None
    assert caplog.messages[0].endswith("it was made with another settings, another examples")


def dataset(folder: Path, train: str = "a\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.jsonl").write_text(train)
    (folder / "validation.jsonl").write_text("b\n")
    return folder


def test_base_examples_and_settings_make_the_identity(tmp_path: Path) -> None:
    recipe = TrainingSettings()
    same = identity("sha256:1", dataset(tmp_path / "one"), recipe)
    assert same == identity("sha256:1", dataset(tmp_path / "two"), replace(recipe))
    others = {
        "base model": identity("sha256:2", tmp_path / "one", recipe),
        "settings": identity("sha256:1", tmp_path / "one", replace(recipe, seed=1)),
        "examples": identity("sha256:1", dataset(tmp_path / "three", "c\n"), recipe),
        "number of blocks computed beforehand": identity("sha256:1", tmp_path / "one", recipe, 3),
    }
    for name, other in others.items():
        assert {key for key in same if same[key] != other[key]} == {name}
    assert same == identity("sha256:1", tmp_path / "one", replace(recipe, cache_gb=1.0, hosts=("10.0.0.1",)))
    assert same == identity(
        "sha256:1", tmp_path / "one", replace(recipe, gradient_checkpointing=GradientCheckpointing.ON)
    )
    means = {"cache_gb", "gradient_checkpointing", "hosts", "provider", "data_may_leave"}
    assert json.loads(json.dumps(same))["settings"].keys() == asdict(recipe).keys() - means


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def kept_at(folder: Path, moments_s: list[float], *, cost_s: float, validated: bool, pace: Pace) -> list[float]:
    """Those of the moments at which a checkpoint was written."""
    clock = Clock()
    file = CheckpointFile(folder, IDENTITY, pace, clock)
    moments: list[float] = []

    def snapshot(at_s: float) -> Callable[[], Checkpoint]:
        def take() -> Checkpoint:
            moments.append(at_s)
            clock.now_s += cost_s
            return checkpoint()

        return take

    for at_s in moments_s:
        clock.now_s = 100 + at_s
        file.keep(snapshot(at_s), validated=validated)
    return moments


def test_a_checkpoint_is_written_every_so_many_seconds(tmp_path: Path) -> None:
    pace = Pace(every_s=20, share=0.01, bytes_per_s=math.inf)
    assert kept_at(tmp_path, [5, 19, 20, 39, 40.1, 60.2], cost_s=0.1, validated=False, pace=pace) == [20, 40.1, 60.2]


def test_a_checkpoint_is_written_at_every_validation(tmp_path: Path) -> None:
    pace = Pace(every_s=20, share=0.01, bytes_per_s=math.inf)
    assert kept_at(tmp_path, [0, 5, 10.1], cost_s=0.01, validated=True, pace=pace) == [0, 5, 10.1]


def test_checkpoints_are_fewer_where_writing_takes_long(tmp_path: Path) -> None:
    pace = Pace(every_s=20, share=0.01, bytes_per_s=math.inf)
    assert kept_at(tmp_path, [0, 99, 101, 150], cost_s=1.0, validated=True, pace=pace) == [0, 101]


def test_checkpoints_are_fewer_where_they_are_large(tmp_path: Path) -> None:
    size_bytes = written(tmp_path).path.stat().st_size
    pace = Pace(every_s=1, share=1.0, bytes_per_s=size_bytes / 30)
    assert kept_at(tmp_path, [1, 29, 31, 60, 61.1], cost_s=0.0, validated=False, pace=pace) == [1, 31, 61.1]


def test_training_continues_without_checkpoints_that_cannot_be_written_and_logs_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full() -> Checkpoint:
        raise OSError(28, "No space left on device")

    file = written(tmp_path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            file.keep(full, validated=True)
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.messages[0]
    assert plain(file.read()) == plain(checkpoint())
