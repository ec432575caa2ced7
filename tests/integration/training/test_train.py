"""What surrounds the loop: preparation, and what is done about a training that goes wrong."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.config import GradientCheckpointing, Preferences, TrainingSettings
from adapterd.errors import InputError, StageError
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.system.files import sha256_file
from adapterd.training import loop
from adapterd.training.checkpoints.checkpoint import CheckpointFile, Pace, identity
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.progress import TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from adapterd.training.train import RETRY_RATE_FACTOR, train
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import rounding, through_blocks
from tests.support.typed import known, load_weights, scalar

SETTINGS = TrainingSettings(rank=4, layers=2, epochs=2, batch_size=4, learning_rate=3e-3, patience=99)
NAME = "model/model.layers.2.self_attn.q_proj.lora_a"
OPTIMISER = "optimizer/model.layers.2.self_attn.q_proj.lora_a"


@pytest.fixture
def base(tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", layers=3))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    folder = tmp_path / "dataset"
    folder.mkdir()
    for name, count in (("train", 14), ("validation", 4)):
        prompts = [random.integers(0, 512, 6).tolist() for _ in range(count)]
        answers = [random.integers(0, 40, 6).tolist() for _ in range(count)]
        lines = [
            {"ids": prompt + answer, "prompt_tokens": 6, "record": f"{name}-{number}"}
            for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        pairs = "pairs" if name == "train" else "validation_pairs"
        lines = [
            {"chosen": p + a, "rejected": p + random.integers(400, 512, 5).tolist(), "prompt_tokens": 6, "record": name}
            for p, a in zip(prompts, answers, strict=True)
        ]
        (folder / f"{pairs}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def trained(
    base: GgufFile,
    dataset: Path,
    out: Path,
    settings: TrainingSettings = SETTINGS,
    states: HiddenStateCache | None = None,
) -> tuple[TrainingResult, list[TrainingProgress]]:
    told: list[TrainingProgress] = []
    return train(base, dataset, settings, out, told.append, cache=states), told


def test_the_hidden_state_cache_hardly_changes_the_losses(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    kept = HiddenStateCache(tmp_path / "states", 1 << 30)
    whole, _ = trained(base, dataset, tmp_path / "whole")
    first, told = trained(base, dataset, tmp_path / "first", states=kept)
    again, told_again = trained(base, dataset, tmp_path / "again", states=kept)
    assert [progress.doing for progress in told[:2]] == [
        "layers below the adapter, example 1 of 18", "layers below the adapter, example 2 of 18"
    ]  # fmt: skip
    assert not any(progress.doing for progress in told_again)
    assert again.curve == first.curve
    for one, other in zip(whole.curve, first.curve, strict=True):
        assert one.loss is None or other.loss == pytest.approx(one.loss, rel=2e-3)
    assert math.isfinite(whole.curve[-1].loss or math.nan)


def test_training_without_space_for_the_cache_is_training_without_a_cache(
    base: GgufFile, dataset: Path, tmp_path: Path
) -> None:
    whole, _ = trained(base, dataset, tmp_path / "whole")
    without, _ = trained(base, dataset, tmp_path / "without", states=HiddenStateCache(tmp_path / "states", 0))
    assert without.curve == whole.curve


def test_a_training_that_diverges_begins_again_at_a_lower_rate(
    base: GgufFile, dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "DIVERGED_GROWTH", 0.045)
    with caplog.at_level(logging.WARNING):
        result, _ = trained(base, dataset, tmp_path / "out", replace(SETTINGS, learning_rate=0.2))
    assert result.learning_rate == 0.2 * RETRY_RATE_FACTOR
    assert result.steps == 8
    (said,) = caplog.messages
    assert said.startswith("training begins again at a learning rate of 0.05: after step ")


LEARNING = replace(SETTINGS, learning_rate=2e-2, epochs=6)
"""So that a training that lost what it had learned could not be taken for one that went on."""
EVERY_STEP = Pace(0.0, math.inf, math.inf)


def at_step(step: int, fault: BaseException, told: list[TrainingProgress]) -> Callable[[TrainingProgress], None]:
    """A listener that notes what it hears, and raises the fault, once, when it hears of that step."""
    left = [fault]

    def report(progress: TrainingProgress) -> None:
        told.append(progress)
        if progress.step == step and left:
            raise left.pop()

    return report


def assert_same_losses(result: TrainingResult, undisturbed: TrainingResult) -> None:
    """Up to what another order of the sums makes of them in so many steps."""
    learned = undisturbed.curve[1].loss - undisturbed.curve[-1].loss  # type: ignore[operator]
    assert learned > 4, "else it makes no difference where a training begins"
    assert [point.step for point in result.curve] == [point.step for point in undisturbed.curve]
    for one, other in zip(undisturbed.curve, result.curve, strict=True):
        assert one.loss is None or other.loss == pytest.approx(one.loss, rel=1e-3)
        assert one.validation_loss is None or other.validation_loss == pytest.approx(one.validation_loss, rel=1e-3)


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory (00000008)"),
        RuntimeError("[malloc] Unable to allocate 123 bytes."),
        MemoryError(),
    ],
    ids=["Metal", "malloc", "Python"],
)
def test_a_training_that_runs_out_of_memory_resumes_with_smaller_micro_batches(
    base: GgufFile, dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    undisturbed, _ = trained(base, dataset, tmp_path / "undisturbed", LEARNING)
    told: list[TrainingProgress] = []
    with caplog.at_level(logging.WARNING):
        result = train(base, dataset, LEARNING, tmp_path / "out", at_step(20, fault, told), pace=EVERY_STEP)
    assert caplog.messages == [
        f"out of memory, training resumes with micro-batches of half the size: {str(fault) or 'memory ran out'}"
    ]
    assert [progress.step for progress in told] == [*range(21), *range(19, 25)], "from the last checkpoint on"
    assert_same_losses(result, undisturbed)


@pytest.mark.parametrize(("first", "second"), [("off", "on"), ("on", "off")])
def test_a_killed_training_resumes_with_or_without_gradient_checkpointing(
    base: GgufFile, dataset: Path, tmp_path: Path, first: str, second: str
) -> None:
    undisturbed, _ = trained(base, dataset, tmp_path / "undisturbed", LEARNING)
    killed, going_on = (
        replace(LEARNING, gradient_checkpointing=GradientCheckpointing(mode)) for mode in (first, second)
    )
    told: list[TrainingProgress] = []
    with pytest.raises(KeyboardInterrupt):
        train(base, dataset, killed, tmp_path / "out", at_step(13, KeyboardInterrupt(), []), pace=EVERY_STEP)
    result = train(base, dataset, going_on, tmp_path / "out", told.append)
    assert [progress.step for progress in told] == list(range(12, 25))
    assert_same_losses(result, undisturbed)


def test_gradient_checkpointing_is_used_where_it_is_wanted(
    base: GgufFile, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[bool] = []
    told: list[bool | None] = []
    only = Blocks.only

    def noted(*given: Any, gradient_checkpointing: bool = False, **more: Any) -> Any:
        used.append(gradient_checkpointing)
        return only(*given, gradient_checkpointing=gradient_checkpointing, **more)

    monkeypatch.setattr(Blocks, "only", noted)
    for wanted in ("auto", "on", "off"):
        settings = replace(SETTINGS, gradient_checkpointing=GradientCheckpointing(wanted))
        told.append(trained(base, dataset, tmp_path / wanted, settings)[0].gradient_checkpointing)
    assert used == told == [False, True, False]
    one, two, three = (load_weights(tmp_path / name / WEIGHTS) for name in ("auto", "on", "off"))
    assert one.keys() == two.keys() == three.keys()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda a: a.pop(NAME), f"{NAME} is missing"),
        (
            lambda a: a.update({"model/model.layers.2.block.x": a.pop(NAME)}),
            "model/model.layers.2.block.x has no place",
        ),
        (lambda a: a.pop(f"{OPTIMISER}.m"), f"{OPTIMISER}.m is missing"),
        (lambda a: a.update({f"{OPTIMISER}.x": mx.ones(1)}), f"{OPTIMISER}.x has no place in it"),
        (lambda a: a.update({NAME: mx.ones(3)}), rf"{NAME} is \(3,\) float32, not \(64, 4\) float32"),
        (lambda a: a.pop("random"), "random is missing"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_named_and_removed(
    base: GgufFile, dataset: Path, tmp_path: Path, change: Callable[[dict[str, mx.array]], object], fault: str
) -> None:
    """Whatever made it so, the training does not go on from anything else than what it was, and not fail for ever."""
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(base, dataset, SETTINGS, out, at_step(6, KeyboardInterrupt(), []), pace=EVERY_STEP)
    kept_as = identity(sha256_file(base.path), dataset, Recipe.of(SETTINGS, base, 14))
    file = CheckpointFile(out, kept_as, EVERY_STEP)
    kept = file.read()
    assert kept is not None
    change(kept.arrays)
    file.keep(lambda: kept, validated=True)
    with pytest.raises(
        StageError, match=f"checkpoint.safetensors: the checkpoint is not of this training: {fault}"
    ) as e:
        trained(base, dataset, out)
    assert "begins this training anew" in e.value.hint
    result, told = trained(base, dataset, out)
    assert [progress.step for progress in told] == list(range(result.steps + 1))


def test_another_error_is_not_taken_for_out_of_memory(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    def report(_: TrainingProgress) -> None:
        raise RuntimeError("[matmul] Last dimension of first input must match")

    with pytest.raises(RuntimeError, match="matmul"):
        train(base, dataset, SETTINGS, tmp_path / "out", report)


def test_a_training_that_diverges_twice_fails_and_says_what_to_do(
    base: GgufFile, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "DIVERGED_GROWTH", -1.0)
    with pytest.raises(StageError, match=r"after step \d+ the validation loss is .*, and was ") as caught:
        trained(base, dataset, tmp_path / "out")
    assert caught.value.hint == "lower training.learning_rate"


def test_preferences_are_learned_from_the_files(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, preferences=Preferences.DPO, learning_rate=1e-2, epochs=4)
    result, told = trained(base, dataset, tmp_path / "out", settings, HiddenStateCache(tmp_path / "states", 1 << 30))
    assert result.steps == 4 * 4, "every example is the better one of a pair, which teaches it"
    assert known(result.rewards_margins) > 0.05
    assert "reference log-likelihoods, pair 1 of 18" in [progress.doing for progress in told]


def test_without_pairs_preferences_change_nothing(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    plain, _ = trained(base, dataset, tmp_path / "plain")
    for name in ("pairs", "validation_pairs"):
        (dataset / f"{name}.jsonl").unlink()
    settings = replace(SETTINGS, preferences=Preferences.DPO)
    assert trained(base, dataset, tmp_path / "preferring", settings)[0].curve == plain.curve


def test_a_training_starts_from_another_adapter(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, learning_rate=2e-2, epochs=6)
    first, _ = trained(base, dataset, tmp_path / "first", settings)
    again = train(base, dataset, settings, tmp_path / "second", lambda _: None, start=tmp_path / "first")
    assert again.first_validation_loss == pytest.approx(
        first.best_validation_loss, rel=rounding(through_blocks(3) + 64)
    )
    assert known(first.first_validation_loss) > known(first.best_validation_loss) > known(again.best_validation_loss)


def test_the_base_is_the_reference_also_when_training_starts_from_an_adapter(
    base: GgufFile, dataset: Path, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, preferences=Preferences.DPO, learning_rate=1e-2)
    first, _ = trained(base, dataset, tmp_path / "first", settings)
    told: list[TrainingProgress] = []
    train(base, dataset, settings, tmp_path / "second", told.append, start=tmp_path / "first")
    margins = [progress.rewards_margins for progress in told if progress.rewards_margins is not None]
    assert margins[0] == pytest.approx(first.rewards_margins, rel=1e-3)


def test_weight_decay_keeps_weights_small(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    (dataset / "validation.jsonl").write_text("")

    def norm(name: str, decay: float) -> float:
        trained(base, dataset, tmp_path / name, replace(SETTINGS, weight_decay=decay))
        return sum(scalar(mx.square(value).sum()) for value in load_weights(tmp_path / name / WEIGHTS).values())

    assert norm("decayed", 1.0) < norm("plain", 0.0)


@pytest.mark.parametrize("weight", [0, -1, "NaN", "Infinity"])
def test_an_example_whose_weight_is_not_above_0_is_refused(
    base: GgufFile, dataset: Path, tmp_path: Path, weight: float | str
) -> None:
    line = f'{{"ids": [1, 2, 3], "prompt_tokens": 1, "record": "a", "weight": {weight}}}'
    (dataset / "train.jsonl").write_text(line)
    with pytest.raises(
        InputError, match=r"train.jsonl line 1 is not an example: its weight is .*, not a number above 0"
    ):
        trained(base, dataset, tmp_path / "out")


def test_an_example_longer_than_the_base_can_read_is_refused(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    line = {"ids": [1] * 513, "prompt_tokens": 1, "record": "long"}
    (dataset / "train.jsonl").write_text(json.dumps(line))
    with pytest.raises(InputError, match="the example of record long has 513 ids, and the base reads 512") as error:
        trained(base, dataset, tmp_path / "out")
    assert error.value.hint == "lower dataset.max_tokens"


def test_one_example_is_enough_to_train_on(base: GgufFile, dataset: Path, tmp_path: Path) -> None:
    (dataset / "train.jsonl").write_text('{"ids": [1, 2, 3], "prompt_tokens": 1, "record": "a"}')
    (dataset / "validation.jsonl").write_text("")
    result, _ = trained(base, dataset, tmp_path / "out", states=HiddenStateCache(tmp_path / "states", 1 << 30))
    assert result.steps == 2
    assert (tmp_path / "out" / WEIGHTS).exists()


@pytest.mark.parametrize(("prompt", "ids"), [(3, [1, 2, 3]), (0, [1, 2]), (9, [1, 2]), (1, [])])
def test_an_example_with_nothing_to_learn_is_named(
    base: GgufFile, dataset: Path, tmp_path: Path, prompt: int, ids: list[int]
) -> None:
    (dataset / "train.jsonl").write_text(json.dumps({"ids": ids, "prompt_tokens": prompt, "record": "a"}))
    with pytest.raises(InputError, match=r"train.jsonl line 1 is not an example: .* leave nothing to learn from"):
        trained(base, dataset, tmp_path / "out")
