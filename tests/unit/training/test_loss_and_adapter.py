import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import load_adapters

from adapterd.config import Modules, TrainingSettings
from adapterd.errors import InputError
from adapterd.formats.encoded import EncodedExample
from adapterd.training.adapter_layers import attach_adapter, load_adapter_weights, save_adapter
from adapterd.training.data import CompletionBatch, whole_model
from adapterd.training.mistakes.own_mistake import OwnMistake
from tests.support.tolerances import assert_close, rounding
from tests.unit.training.tiny_llama import TERMS, adapted, random_examples, tiny_llama

SETTINGS = TrainingSettings(rank=4, alpha=8.0, layers=1)


def naive_sum(model: nn.Module, example: EncodedExample) -> mx.array:
    """All logits of one unpadded example, then the losses of its completion."""
    ids = mx.array([example.ids])
    losses = nn.losses.cross_entropy(model(ids[:, :-1]), ids[:, 1:])[0]
    summed: mx.array = losses[example.prompt_tokens - 1 :].sum()
    return summed


def test_the_loss_is_the_full_computations_at_completions() -> None:
    model, examples = tiny_llama(), random_examples(5, seed=2)
    batch = CompletionBatch.of(examples)
    expected = sum(naive_sum(model, example).item() for example in examples) / batch.targets.size
    loss = batch.loss(model, whole_model, SETTINGS).item()
    assert loss == pytest.approx(expected, rel=rounding(TERMS))


def test_the_loss_of_the_ends_of_turn_is_that_of_the_last_ids_alone() -> None:
    model, examples = tiny_llama(), random_examples(5, seed=2)
    batch = CompletionBatch.of(examples)
    loss, of_ends = (each.item() for each in batch.validation_losses(model, whole_model))
    alone = [naive_sum(model, replace(example, prompt_tokens=len(example.ids) - 1)).item() for example in examples]
    assert of_ends == pytest.approx(sum(alone) / len(alone), rel=rounding(TERMS))
    assert loss == pytest.approx(batch.loss(model, whole_model, SETTINGS).item(), rel=rounding(TERMS))


def test_what_is_wrong_costs_what_it_is_likely() -> None:
    """Of an own mistake the loss is -ln(1 - p) at its places, times its weight; beside it an example's own loss."""
    model, [example, asked] = tiny_llama(), random_examples(2, seed=3)
    places = tuple(range(asked.prompt_tokens + 1, len(asked.ids)))
    mistake = OwnMistake(asked.ids, asked.prompt_tokens, "own", weight=2.0, places=places)
    logits = model(mx.array([asked.ids]))[0]
    likely = np.array(mx.softmax(logits.astype(mx.float32), axis=-1))
    of_mistake = sum(-math.log(1 - likely[place - 1, asked.ids[place]]) for place in places)
    batch = CompletionBatch.of([example, mistake])
    weight = len(example.targets) + 2 * len(places)
    assert batch.weight == weight
    expected = (naive_sum(model, example).item() + 2 * of_mistake) / weight
    assert batch.loss(model, whole_model, SETTINGS).item() == pytest.approx(expected, rel=2 * rounding(TERMS))
    pieces = batch.divided(2)
    assert sum(piece.loss(model, whole_model, SETTINGS).item() * piece.weight for piece in pieces) == pytest.approx(
        expected * weight, rel=2 * rounding(TERMS)
    )


def test_what_is_said_for_certain_has_a_finite_gradient() -> None:
    model, batch = tiny_llama(), CompletionBatch.of([OwnMistake((1, 2, 3, 4), 2, "own", places=(2,))])
    model.unfreeze()
    certain = 1e4 * model.model.embed_tokens.weight[3].reshape(1, 1, -1)

    def loss(model: nn.Module) -> mx.array:
        return batch.loss(model, lambda _model, batch: mx.repeat(certain, batch.inputs.shape[1], axis=1), SETTINGS)

    found, gradient = nn.value_and_grad(model, loss)(model)
    assert 10 < found.item() < 20
    assert all(mx.isfinite(values).all().item() for _, values in tree_flatten(gradient))


def test_the_gradient_of_a_batch_is_that_of_its_examples() -> None:
    model, examples = adapted(SETTINGS), random_examples(5, seed=2)
    model.model.layers[-1].mlp.up_proj.lora_b = mx.random.normal((4, 48))
    batch = CompletionBatch.of(examples)
    _, gradient = nn.value_and_grad(model, lambda model: batch.loss(model, whole_model, SETTINGS))(model)
    _, expected = nn.value_and_grad(
        model, lambda model: sum(naive_sum(model, example) for example in examples) / batch.targets.size
    )(model)
    for (name, mine), (_, theirs) in zip(tree_flatten(gradient), tree_flatten(expected), strict=True):
        assert_close(mine, theirs, 2 * TERMS, name=name)


def test_a_new_adapter_changes_nothing() -> None:
    ids = mx.array([[1, 2, 3]])
    assert mx.array_equal(adapted(SETTINGS)(ids), tiny_llama()(ids)).item()


@pytest.mark.parametrize(("layers", "blocks"), [(1, {"1"}), (2, {"0", "1"}), (99, {"0", "1"})])
def test_the_top_blocks_learn_in_all_projections(layers: int, blocks: set[str]) -> None:
    model = adapted(TrainingSettings(rank=4, layers=layers))
    names = [name.split(".") for name, _ in tree_flatten(model.trainable_parameters())]
    assert {name[2] for name in names} == blocks
    projections = {f"{p}_proj" for p in ("q", "k", "v", "o", "gate", "up", "down")}
    assert {name[4] for name in names} == projections
    assert {name[5] for name in names} == {"lora_a", "lora_b"}


def test_the_seed_decides_the_first_weights() -> None:
    def start(seed: int) -> mx.array:
        factor: mx.array = adapted(TrainingSettings(rank=4, seed=seed)).model.layers[1].mlp.up_proj.lora_a
        return factor

    assert mx.array_equal(start(1), start(1)).item()
    assert not mx.array_equal(start(1), start(2)).item()


def test_mlx_lm_loads_what_was_saved(tmp_path: Path) -> None:
    settings = TrainingSettings(rank=4, alpha=6.0, layers=99)
    model = adapted(settings)
    for layer in model.layers:
        layer.mlp.down_proj.lora_b = mx.random.normal((4, 32))
    save_adapter(model, settings, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"adapters.safetensors", "adapter_config.json"}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["fine_tune_type"], config["num_layers"]) == ("lora", 2)
    assert config["lora_parameters"] == {"rank": 4, "alpha": 6.0, "scale": 1.5, "dropout": 0.0}
    loaded = load_adapters(tiny_llama(), str(tmp_path))
    ids = mx.array([[1, 2, 3]])
    assert mx.array_equal(loaded(ids), model(ids)).item()
    assert not mx.array_equal(loaded(ids), tiny_llama()(ids)).item()


def test_a_failing_save_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_llama()
    attach_adapter(model, SETTINGS)
    save_adapter(model, SETTINGS, tmp_path)
    before = (tmp_path / "adapters.safetensors").read_bytes()

    def fail(file: object, weights: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left")

    monkeypatch.setattr(mx, "save_safetensors", fail)
    with pytest.raises(OSError, match="no space"):
        save_adapter(model, SETTINGS, tmp_path)
    assert (tmp_path / "adapters.safetensors").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_an_example_of_weight_2_has_the_loss_of_two_examples() -> None:
    model, (first, second) = tiny_llama(), random_examples(2, seed=2)
    twice, weighted = (
        CompletionBatch.of([first, second, second]),
        CompletionBatch.of([first, replace(second, weight=2.0)]),
    )
    losses = [batch.loss(model, whole_model, SETTINGS).item() for batch in (twice, weighted)]
    assert losses[0] == pytest.approx(losses[1], rel=rounding(TERMS))
    assert twice.weight == weighted.weight
    assert losses[0] != pytest.approx(
        CompletionBatch.of([first, second]).loss(model, whole_model, SETTINGS).item(), rel=1e-3
    )


@pytest.mark.parametrize(
    ("modules", "learning"),
    [
        (Modules.ATTENTION, {"q_proj", "k_proj", "v_proj", "o_proj"}),
        (Modules.MLP, {"gate_proj", "up_proj", "down_proj"}),
    ],
)
def test_only_the_chosen_projections_learn_and_mlx_lm_knows(
    tmp_path: Path, modules: Modules, learning: set[str]
) -> None:
    settings = TrainingSettings(rank=4, layers=2, modules=modules)
    model = adapted(settings)
    names = {name.split(".")[4] for name, _ in tree_flatten(model.trainable_parameters())}
    assert names == learning
    for name, value in tree_flatten(model.trainable_parameters()):
        model.update(tree_unflatten([(name, value + 0.1)]))
    save_adapter(model, settings, tmp_path)
    ids = mx.array([[1, 2, 3]])
    assert mx.array_equal(load_adapters(tiny_llama(), str(tmp_path))(ids), model(ids)).item()


def test_an_adapter_starts_from_the_weights_of_another_one(tmp_path: Path) -> None:
    first = adapted(SETTINGS)
    first.model.layers[1].mlp.up_proj.lora_b = mx.random.normal((4, 48))
    save_adapter(first, SETTINGS, tmp_path)
    second = adapted(replace(SETTINGS, seed=7))
    load_adapter_weights(second, SETTINGS, tmp_path)
    ids = mx.array([[1, 2, 3]])
    assert mx.array_equal(second(ids), first(ids)).item()
    assert not mx.array_equal(first(ids), tiny_llama()(ids)).item()


@pytest.mark.parametrize("other", [{"rank": 8}, {"layers": 2}, {"alpha": 3.0}, {"modules": Modules.ATTENTION}], ids=str)
def test_an_adapter_of_another_kind_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    save_adapter(adapted(SETTINGS), SETTINGS, tmp_path)
    settings = replace(SETTINGS, **other)
    with pytest.raises(InputError, match="not of the kind that is to be trained: made for another base") as error:
        load_adapter_weights(adapted(settings), settings, tmp_path)
    assert error.value.hint == 'set training.start = "base"'


def test_a_damaged_adapter_to_start_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not hold a readable adapter"):
        load_adapter_weights(adapted(SETTINGS), SETTINGS, tmp_path)
    save_adapter(adapted(SETTINGS), SETTINGS, tmp_path)
    (tmp_path / "adapters.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="does not hold a readable adapter"):
        load_adapter_weights(adapted(SETTINGS), SETTINGS, tmp_path)


def renamed(folder: Path, change: Callable[[str], str]) -> None:
    weights: Any = mx.load(str(folder / "adapters.safetensors"))
    mx.save_safetensors(str(folder / "adapters.safetensors"), {change(name): each for name, each in weights.items()})


def test_an_adapter_with_the_old_names_of_gradient_checkpointing_is_loaded(tmp_path: Path) -> None:
    """As they were once kept."""
    first = adapted(SETTINGS)
    first.model.layers[1].mlp.up_proj.lora_b = mx.random.normal((4, 48))
    save_adapter(first, SETTINGS, tmp_path)
    renamed(tmp_path, lambda name: name.replace("layers.1.", "layers.1.block."))
    second = adapted(replace(SETTINGS, seed=7))
    load_adapter_weights(second, SETTINGS, tmp_path)
    ids = mx.array([[1, 2, 3]])
    assert mx.array_equal(second(ids), first(ids)).item()


def test_the_tensor_that_does_not_fit_is_named(tmp_path: Path) -> None:
    save_adapter(adapted(SETTINGS), SETTINGS, tmp_path)
    renamed(tmp_path, lambda name: name.replace("k_proj.lora_a", "k_proj.lora_c"))
    with pytest.raises(InputError, match=r"\(model\.layers\.1\.self_attn\.k_proj\.lora_a is missing\)") as caught:
        load_adapter_weights(adapted(SETTINGS), SETTINGS, tmp_path)
    assert caught.value.hint == 'set training.start = "base"'
