import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import load_adapters

from adapterd.errors import StageError
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.formats.encoded import EncodedExample
from adapterd.training.checkpoints.checkpoint import CheckpointFile
from adapterd.training.choice.kept_adapters import KeptAdapters
from adapterd.training.data import CompletionBatch, Dataset, training_batches, whole_model
from adapterd.training.learning_rate import TrainingSchedule
from adapterd.training.loop import PACE_STEPS, Trainer
from adapterd.training.progress import Criterion, TrainingProgress, TrainingResult
from adapterd.training.recipe import Recipe
from tests.support.tolerances import assert_close, rounding
from tests.support.typed import known, scalar, total
from tests.unit.training.tiny_llama import TERMS, adapted, random_examples, tiny_llama

LEARNABLE = Dataset(random_examples(21, seed=1, low=0, high=8), random_examples(6, seed=2, low=0, high=8))


def trained(out: Path, data: Dataset = LEARNABLE, **options: Any) -> tuple[TrainingResult, list[TrainingProgress]]:
    out.mkdir(exist_ok=True)
    keeps, spent_s = options.pop("keeps", False), options.pop("spent_s", 0.0)
    settings = Recipe(**{"rank": 4, "layers": 2, "learning_rate": 1e-2, "patience": 99} | options)
    told: list[TrainingProgress] = []
    trainer = Trainer(
        adapted(settings), data, settings, out, told.append, CheckpointFile(out, {}), spent_s=spent_s, keeps=keeps
    )
    return trainer.run(), told


def loss_with(folder: Path, examples: tuple[EncodedExample, ...]) -> float:
    batch = CompletionBatch.of(examples)
    model = load_adapters(tiny_llama(), str(folder))
    return scalar(batch.loss(model, whole_model, Recipe()))


def test_training_lowers_the_validation_loss(tmp_path: Path) -> None:
    result, told = trained(tmp_path)
    assert (result.steps, result.criterion) == (18, Criterion.VALIDATION_LOSS)
    assert known(result.best_validation_loss) < known(result.first_validation_loss) - 0.2
    assert result.train_tokens == 3 * sum(len(example.ids) for example in LEARNABLE.train)
    assert [progress.step for progress in told] == list(range(19))
    assert [progress.epoch for progress in told] == [1] + [1] * 6 + [2] * 6 + [3] * 6
    assert told[-1].remaining_s == 0
    assert all(progress.tokens_per_s > 0 and progress.peak_memory_bytes > 0 for progress in told[1:])


def test_validation_comes_first_and_last_and_about_four_times_an_epoch(tmp_path: Path) -> None:
    result, _ = trained(tmp_path)
    measured = [point.step for point in result.curve if point.validation_loss is not None]
    assert measured == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]


def test_the_best_adapter_is_kept_not_the_last(tmp_path: Path) -> None:
    """Few random examples are first learned (which ids occur at all), then learned by heart."""
    data = Dataset(LEARNABLE.train[:4], LEARNABLE.validation)
    result, _ = trained(tmp_path, data, epochs=40, batch_size=2, learning_rate=3e-2)
    losses = {p.step: p.validation_loss for p in result.curve if p.validation_loss is not None}
    assert 0 < result.best_step < result.steps
    assert losses[result.best_step] == min(losses.values()) == result.best_validation_loss
    assert losses[result.steps] > result.best_validation_loss + 0.1
    assert loss_with(tmp_path, data.validation) == pytest.approx(result.best_validation_loss, rel=rounding(TERMS))


def test_the_best_adapters_and_the_last_are_left_to_choose_among(tmp_path: Path) -> None:
    data = Dataset(LEARNABLE.train[:4], LEARNABLE.validation)
    options = {"epochs": 40, "batch_size": 2, "learning_rate": 3e-2}
    result, _ = trained(tmp_path, data, keeps=True, **options)
    losses = {p.step: p.validation_loss for p in result.curve if p.step and p.validation_loss is not None}
    kept = KeptAdapters(tmp_path)
    assert set(kept.steps()) == {*sorted(losses, key=lambda step: losses[step])[:2], result.steps}
    for step in kept.steps():
        found = loss_with(kept.folder(step), data.validation)
        assert found == pytest.approx(losses[step], rel=rounding(TERMS))
    assert (tmp_path / WEIGHTS).read_bytes() == (kept.folder(result.best_step) / WEIGHTS).read_bytes()


def test_an_adapter_that_only_harms_is_not_kept(tmp_path: Path) -> None:
    """Then the untrained one remains, and training ends as soon as patience does."""
    data = Dataset(random_examples(20, seed=1, low=0, high=8), random_examples(6, seed=2, low=40, high=64))
    result, _ = trained(tmp_path, data, patience=2)
    assert (result.best_step, result.steps) == (0, 4)
    assert result.best_validation_loss == result.first_validation_loss
    assert loss_with(tmp_path, data.validation) == pytest.approx(result.first_validation_loss, rel=rounding(TERMS))


def test_a_training_ends_where_the_validation_loss_is_low_enough(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole")
    losses = {p.step: p.validation_loss for p in whole.curve if p.step and p.validation_loss is not None}
    step = next(step for step, loss in losses.items() if loss < known(whole.first_validation_loss) - 0.1)
    result, told = trained(tmp_path / "ended", enough=losses[step] + 1e-6)
    assert (result.steps, result.best_step) == (step, step)
    assert result.best_validation_loss == losses[step]
    assert told[-1].step == step < whole.steps
    assert result.notes == [f"ended before step 18, for the validation loss was below {losses[step] + 1e-6:g}"]


def test_an_adapter_that_begins_with_a_low_loss_is_trained_until_it_is_better(tmp_path: Path) -> None:
    result, _ = trained(tmp_path, enough=100.0)
    assert result.steps == result.best_step > 0


def test_without_validation_the_training_loss_is_the_criterion(tmp_path: Path) -> None:
    result, told = trained(tmp_path, Dataset(LEARNABLE.train, ()))
    assert result.criterion == Criterion.TRAINING_LOSS
    assert (result.first_validation_loss, result.best_validation_loss) == (None, None)
    assert result.best_step > 0
    assert told[0].step == 1
    assert math.isfinite(loss_with(tmp_path, LEARNABLE.train))


def test_the_same_seed_gives_the_same_losses(tmp_path: Path) -> None:
    curves = []
    for number, seed in enumerate((5, 5, 6)):
        (tmp_path / str(number)).mkdir()
        curves.append(trained(tmp_path / str(number), dropout=0.1, seed=seed)[0].curve)
    first, again, other = curves
    assert first == again
    assert first != other


def test_a_batch_computed_in_parts_teaches_the_same(tmp_path: Path) -> None:
    """Every completion token counts the same, however long the others are."""
    curves = []
    for tokens in (10_000, 1):
        (tmp_path / str(tokens)).mkdir()
        curves.append(trained(tmp_path / str(tokens), batch_tokens=tokens)[0].curve)
    for whole, in_parts in zip(*curves, strict=True):
        assert whole.loss is None or in_parts.loss == pytest.approx(whole.loss, rel=1e-4)
        if whole.validation_loss is not None:
            assert in_parts.validation_loss == pytest.approx(whole.validation_loss, rel=1e-4)


def test_the_steps_of_an_epoch_add_up_to_the_gradient_of_all_tokens() -> None:
    """Each as often as it counts, also across steps, and also where a batch is computed in parts or pieces."""
    settings = Recipe(rank=4, layers=2)
    model = adapted(settings)
    model.model.layers[-1].mlp.up_proj.lora_b = mx.random.normal((4, 48), key=mx.random.key(1))
    examples = [replace(e, weight=1.0 + 2 * (number % 3 == 0)) for number, e in enumerate(LEARNABLE.train)]
    gradient = nn.value_and_grad(model, lambda model, batch: batch.loss(model, whole_model, settings))

    def flat(gradients: Any, share: float = 1.0) -> np.ndarray:
        return share * np.concatenate([np.array(value).reshape(-1) for _, value in tree_flatten(gradients)])

    batches = list(training_batches(examples, 4, seed=0, epoch=1))
    pieces = [(piece, batch) for batch in batches for part in batch.parts(20) for piece in part.divided(2)]
    summed = total(flat(gradient(model, piece)[1], piece.weight / batch.weight) for piece, batch in pieces)
    loss, whole = gradient(model, CompletionBatch.of(examples))
    assert len(pieces) > len(batches) > 1
    # Within and between the tokens of all examples, there and back.
    terms = 2 * TERMS + sum(len(each.ids) for each in examples)
    assert_close(summed / len(batches), flat(whole), terms)
    assert np.mean([gradient(model, batch)[0].item() for batch in batches]) == pytest.approx(
        loss.item(), rel=rounding(terms)
    )


def test_the_reported_loss_is_a_mean_whatever_the_weights(tmp_path: Path) -> None:
    """So that steps can be compared, with each other and with validation."""
    settings = {"learning_rate": 1e-8, "epochs": 1, "batch_size": 1}
    data = [Dataset(tuple(replace(e, weight=w) for e in LEARNABLE.train), ()) for w in (1.0, 5.0)]
    mixed = tuple(replace(e, weight=1.0 + 4 * (n % 2)) for n, e in enumerate(LEARNABLE.train))
    told = []
    for number, each in enumerate((*data, Dataset(mixed, ()))):
        (tmp_path / str(number)).mkdir()
        told.append([point.loss for point in trained(tmp_path / str(number), each, **settings)[0].curve])
    for other in told[1:]:  # as far as steps of that size lead
        assert other == pytest.approx(told[0], rel=rounding(TERMS) + settings["learning_rate"] * len(LEARNABLE.train))


def test_validation_ignores_the_weights_of_training(tmp_path: Path) -> None:
    told = []
    for weight, size in ((1.0, 1), (7.0, 1), (7.0, 4)):
        (out := tmp_path / f"{weight} {size}").mkdir()
        validation = tuple(replace(e, weight=weight if n % 2 else 1.0) for n, e in enumerate(LEARNABLE.validation))
        result, _ = trained(out, Dataset(LEARNABLE.train, validation), batch_size=size, epochs=1)
        told.append(result.first_validation_loss)
    assert told[1:] == pytest.approx([told[0]] * 2, rel=rounding(TERMS))


def broken(token: int) -> Any:
    model = adapted(Recipe(rank=4, layers=2))
    weight = model.model.embed_tokens.weight
    weight[token] = math.nan
    model.model.embed_tokens.weight = weight
    return model


def test_a_loss_that_is_not_finite_names_step_and_records(tmp_path: Path) -> None:
    poisoned = EncodedExample((7, 7, 7), 2, "poisoned")
    data = Dataset((*(EncodedExample((1, 2, 3), 2, f"good-{i}") for i in range(4)), poisoned), ())
    model = broken(7)
    # The head is the embedding, so that every logit row would be poisoned; here only the input is to be.
    model.args.tie_word_embeddings = False
    model.lm_head = lambda hidden: hidden
    settings = Recipe(rank=4, layers=2, batch_size=1, epochs=1)
    with pytest.raises(StageError, match=r"at step \d the loss is nan .* records of that batch are poisoned"):
        Trainer(model, data, settings, tmp_path, lambda _: None, CheckpointFile(tmp_path, {})).run()


def test_a_validation_loss_that_is_not_finite_stops(tmp_path: Path) -> None:
    settings = Recipe(rank=4)
    with pytest.raises(StageError, match=r"after step 0 the validation loss is nan for the records record-2"):
        Trainer(broken(7), LEARNABLE, settings, tmp_path, lambda _: None, CheckpointFile(tmp_path, {})).run()


def test_metrics_are_written_line_by_line(tmp_path: Path) -> None:
    result, _ = trained(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(19))
    assert [line["loss"] for line in lines] == [point.loss for point in result.curve]
    assert [line["validation_loss"] for line in lines] == [point.validation_loss for point in result.curve]


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [float(TrainingSchedule(100, 1).learning_rate(1.0)(mx.array(step))) for step in range(100)]
    assert rates[0] > 0
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) == 5
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.01


def test_a_schedule_may_have_one_step(tmp_path: Path) -> None:
    result, _ = trained(tmp_path, Dataset(LEARNABLE.train[:1], LEARNABLE.validation), epochs=1)
    assert result.steps == 1


def test_a_training_ends_by_its_time_with_its_whole_schedule_in_the_steps_that_are_left(tmp_path: Path) -> None:
    result, told = trained(tmp_path, max_hours=1e-9)
    assert result.steps == PACE_STEPS
    assert [progress.steps for progress in told] == [18] * PACE_STEPS + [PACE_STEPS]
    assert result.notes == ["5 of 18 steps were planned, for training.max_hours is 1e-09"]
    assert result.curve[-1].validation_loss is not None


@pytest.mark.parametrize(("keeps", "steps"), [(False, 18), (True, PACE_STEPS)])
def test_time_is_left_to_ask_the_adapters_that_are_kept(tmp_path: Path, *, keeps: bool, steps: int) -> None:
    result, _ = trained(tmp_path, max_hours=10.0, spent_s=0.95 * 36_000, keeps=keeps)
    assert result.steps == steps


def test_a_training_with_time_enough_is_not_shortened(tmp_path: Path) -> None:
    result, _ = trained(tmp_path, max_hours=10.0)
    assert (result.steps, result.notes) == (18, [])
