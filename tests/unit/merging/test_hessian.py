"""What the touched modules meet, and what base + adapter says, against the whole model with mlx-lm's own LoRA."""

from collections.abc import Generator, Sequence
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_lm.tuner.utils import load_adapters

from adapterd.base.architectures import block_of_module
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model
from adapterd.merging.examples import CalibrationBatch, batches
from adapterd.merging.hessian import Calibration, Hessians, replace_modules
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import few_words, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, rounding, through_blocks
from tests.support.typed import total

BATCHES = [*batches([*few_words(3), *few_words(2, length=9, prompt_tokens=3)], tokens=40)]


POSITIONS = 10
"""Of one batch of `states`, over which a Hessian is summed."""
ROOT = 4
"""More roundings where positions have weights: their roots, and twice what they are multiplied with."""


def states(seed: int = 0) -> mx.array:
    """(examples, positions, columns)"""
    return mx.random.normal((2, 5, 8), key=mx.random.key(seed))


def hessian_of(inputs: mx.array, weights: mx.array | None = None) -> np.ndarray:
    flat = np.array(inputs, np.float64).reshape(-1, inputs.shape[-1])
    share = np.ones(len(flat)) if weights is None else np.array(weights, np.float64).reshape(-1)
    return (flat * share[:, None]).T @ flat


def test_hessian_is_summed_with_the_weight_of_each_position() -> None:
    hessians, wanted, size = Hessians(), np.zeros((8, 8)), np.zeros((8, 8))
    for seed in range(3):
        hessians.weights = mx.random.uniform(shape=(2, 5), key=mx.random.key(10 + seed))
        hessians.add("q", states(seed))
        wanted += hessian_of(states(seed), hessians.weights)
        size += hessian_of(mx.abs(states(seed)), hessians.weights)
    assert_close(hessians.of("q"), wanted, 3 * (POSITIONS + ROOT), size)
    assert hessians.of("q").dtype == np.float32


def test_hessian_without_weights_counts_all_positions_alike() -> None:
    hessians = Hessians()
    hessians.add("q", states())
    assert_close(hessians.of("q"), hessian_of(states()), POSITIONS, hessian_of(mx.abs(states())))


def test_hessian_ignores_positions_of_weight_zero() -> None:
    hessians = Hessians(mx.zeros((2, 5)))
    hessians.add("q", states())
    assert not hessians.of("q").any()


def test_modules_with_the_same_input_share_one_hessian() -> None:
    hessians = Hessians()
    for seed in range(2):
        both, other = states(seed), states(seed)
        for module, inputs in (("q", both), ("k", both), ("v", both), ("o", other)):
            hessians.add(module, inputs)
    assert hessians.modules_by_input() == {"q": ["q", "k", "v"], "o": ["o"]}
    np.testing.assert_array_equal(hessians.of("k"), hessians.of("q"))
    wanted, size = (total(hessian_of(of(states(seed))) for seed in range(2)) for of in (mx.array, mx.abs))
    assert_close(hessians.of("v"), wanted, 2 * POSITIONS, size)


class InputSpy(nn.Module):  # type: ignore[misc]
    """A module that remembers what went in."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self._met: list[mx.array] = []

    def __call__(self, inputs: mx.array) -> mx.array:
        self._met.append(inputs)
        outputs: mx.array = self.inner(inputs)
        return outputs


@pytest.fixture(params=["llama", "qwen3", "gemma3", "phi3"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf", architecture=request.param, layers=4))


def calibrated(
    base: GgufFile, adapter: Path, given: Sequence[CalibrationBatch] = BATCHES
) -> tuple[Calibration, list[Hessians]]:
    source = BlockwiseModel(base, dtype=mx.float32)
    calibration = Calibration(source, base, read_adapter(adapter, base), given)
    return calibration, list(calibration.run())


def adapted(base: GgufFile, adapter: Path) -> nn.Module:
    model = load_adapters(load_mlx_model(base, dtype=mx.float32), str(adapter))
    model.eval()
    return model


def assert_same_states(found: mx.array | None, wanted: mx.array) -> None:
    assert found is not None
    assert_close(found, wanted, through_blocks(4))


@pytest.fixture
def adapter(base: GgufFile, tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "adapter", base.path, blocks=(1, 3))


def test_final_states_are_those_of_the_adapted_model(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    model = adapted(base, adapter)
    for said, batch in zip(calibration.final_states, BATCHES, strict=True):
        assert_same_states(said, batch.of_completion(hidden_states(model, batch.ids)))


def test_entry_states_are_those_of_the_base(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    assert calibration.first == 1
    model = load_mlx_model(base, dtype=mx.float32)
    model.model.layers = [model.model.layers[0], Through(), Through(), Through()]
    model.model.norm = nn.Identity()
    for entering, batch in zip(calibration.entry_states, BATCHES, strict=True):
        assert_same_states(entering, hidden_states(model, batch.ids))


class Through(nn.Module):  # type: ignore[misc]
    """A block that does nothing."""

    use_sliding = False

    def __call__(self, states: mx.array, *_: object, **__: object) -> mx.array:
        return states


def test_hessians_are_those_of_the_adapted_models_inputs(base: GgufFile, adapter: Path) -> None:
    calibration, of_blocks = calibrated(base, adapter)
    model = adapted(base, adapter)
    named = dict(model.named_modules())
    spies = {name: InputSpy(named[name]) for name in calibration.modules}
    replace_modules(model, dict(spies))
    for batch in BATCHES:
        mx.eval(hidden_states(model, batch.ids))
    assert [sorted(map(block_of_module, hessians.modules_by_input())) for hessians in of_blocks] == [[1] * 4, [3] * 4]
    for hessians in of_blocks:
        for module in (name for group in hessians.modules_by_input().values() for name in group):
            met = zip(spies[module]._met, BATCHES, strict=True)
            wanted = total(hessian_of(inputs, batch.weights) for inputs, batch in met)
            # What goes in has errors of its own, which count twice in a square.
            bound = 2 * rounding(through_blocks(4)) + rounding(sum(batch.ids.size for batch in BATCHES))
            assert np.abs(hessians.of(module) - wanted).max() <= bound * wanted.max()


def test_model_is_the_base_again_after_calibration(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    fresh, ids = load_mlx_model(base, dtype=mx.float32), BATCHES[0].ids
    with calibration.source.loaded(0, 4) as model:
        np.testing.assert_array_equal(np.array(hidden_states(model, ids)), np.array(hidden_states(fresh, ids)))


def test_model_is_the_base_again_after_an_interrupted_calibration(base: GgufFile, adapter: Path) -> None:
    source = BlockwiseModel(base, dtype=mx.float32)
    before = [id(module) for _, module in sorted(source.model.named_modules())]
    passing = Calibration(source, base, read_adapter(adapter, base), BATCHES).run()
    assert isinstance(passing, Generator)
    next(passing)
    passing.close()
    assert [id(module) for _, module in sorted(source.model.named_modules())] == before


def test_adapter_on_the_lowest_block_has_no_entry_states(base: GgufFile, tmp_path: Path) -> None:
    calibration, of_blocks = calibrated(base, write_adapter(tmp_path / "lowest", base.path, blocks=(0,)))
    assert (calibration.first, calibration.entry_states, len(of_blocks)) == (0, [None] * len(BATCHES), 1)
    assert_same_states(
        calibration.final_states[0],
        BATCHES[0].of_completion(hidden_states(adapted(base, tmp_path / "lowest"), BATCHES[0].ids)),
    )
