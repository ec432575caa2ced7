"""What the touched modules meet, and what base + adapter says, against the whole model with mlx-lm's own LoRA."""

from collections.abc import Generator, Sequence
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_lm.tuner.utils import load_adapters

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model
from adapterd.merging.examples import Batch, batches
from adapterd.merging.hessian import Calibration, Moments, block_of, put
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import few_words, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.tolerances import assert_close, rounding, through_blocks
from tests.support.typed import total

BATCHES = [*batches([*few_words(3), *few_words(2, length=9, prompt_tokens=3)], tokens=40)]


POSITIONS = 10
"""Of one batch of `states`, which a moment adds up."""
ROOT = 4
"""More roundings where positions have weights: their roots, and twice what they are multiplied with."""


def states(seed: int = 0) -> mx.array:
    """(examples, positions, columns)"""
    return mx.random.normal((2, 5, 8), key=mx.random.key(seed))


def second_moments(inputs: mx.array, weights: mx.array | None = None) -> np.ndarray:
    flat = np.array(inputs, np.float64).reshape(-1, inputs.shape[-1])
    share = np.ones(len(flat)) if weights is None else np.array(weights, np.float64).reshape(-1)
    return (flat * share[:, None]).T @ flat


def test_moments_are_summed_with_the_weight_of_each_position() -> None:
    moments, wanted, size = Moments(), np.zeros((8, 8)), np.zeros((8, 8))
    for seed in range(3):
        moments.weights = mx.random.uniform(shape=(2, 5), key=mx.random.key(10 + seed))
        moments.note("q", states(seed))
        wanted += second_moments(states(seed), moments.weights)
        size += second_moments(mx.abs(states(seed)), moments.weights)
    assert_close(moments.of("q"), wanted, 3 * (POSITIONS + ROOT), size)
    assert moments.of("q").dtype == np.float32


def test_without_weights_all_positions_count_alike() -> None:
    moments = Moments()
    moments.note("q", states())
    assert_close(moments.of("q"), second_moments(states()), POSITIONS, second_moments(mx.abs(states())))


def test_positions_without_weight_leave_no_trace() -> None:
    moments = Moments(mx.zeros((2, 5)))
    moments.note("q", states())
    assert not moments.of("q").any()


def test_modules_with_the_very_same_input_share_their_moments() -> None:
    moments = Moments()
    for seed in range(2):
        both, other = states(seed), states(seed)
        for module, inputs in (("q", both), ("k", both), ("v", both), ("o", other)):
            moments.note(module, inputs)
    assert moments.groups() == {"q": ["q", "k", "v"], "o": ["o"]}
    np.testing.assert_array_equal(moments.of("k"), moments.of("q"))
    wanted, size = (total(second_moments(of(states(seed))) for seed in range(2)) for of in (mx.array, mx.abs))
    assert_close(moments.of("v"), wanted, 2 * POSITIONS, size)


def test_blocks_have_numbers() -> None:
    assert block_of("model.layers.22.self_attn.q_proj") == 22


class Watched(nn.Module):  # type: ignore[misc]
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


def calibrated(base: GgufFile, adapter: Path, given: Sequence[Batch] = BATCHES) -> tuple[Calibration, list[Moments]]:
    source = BlockwiseModel(base, dtype=mx.float32)
    calibration = Calibration(source, base, read_adapter(adapter, base), given)
    return calibration, list(calibration.moments())


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


def test_it_says_what_the_adapted_model_says(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    model = adapted(base, adapter)
    for said, batch in zip(calibration.said, BATCHES, strict=True):
        assert_same_states(said, batch.of_completion(hidden_states(model, batch.ids)))


def test_what_enters_the_lowest_touched_block_is_the_bases(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    assert calibration.first == 1
    model = load_mlx_model(base, dtype=mx.float32)
    model.model.layers = [model.model.layers[0], Through(), Through(), Through()]
    model.model.norm = nn.Identity()
    for entering, batch in zip(calibration.entering, BATCHES, strict=True):
        assert_same_states(entering, hidden_states(model, batch.ids))


class Through(nn.Module):  # type: ignore[misc]
    """A block that does nothing."""

    use_sliding = False

    def __call__(self, states: mx.array, *_: object, **__: object) -> mx.array:
        return states


def test_moments_are_those_of_the_adapted_models_inputs(base: GgufFile, adapter: Path) -> None:
    calibration, of_blocks = calibrated(base, adapter)
    model = adapted(base, adapter)
    named = dict(model.named_modules())
    watched = {name: Watched(named[name]) for name in calibration.modules}
    put(model, dict(watched))
    for batch in BATCHES:
        mx.eval(hidden_states(model, batch.ids))
    assert [sorted(map(block_of, moments.groups())) for moments in of_blocks] == [[1] * 4, [3] * 4]
    for moments in of_blocks:
        for module in (name for group in moments.groups().values() for name in group):
            met = zip(watched[module]._met, BATCHES, strict=True)
            wanted = total(second_moments(inputs, batch.weights) for inputs, batch in met)
            # What goes in has errors of its own, which count twice in a square.
            bound = 2 * rounding(through_blocks(4)) + rounding(sum(batch.ids.size for batch in BATCHES))
            assert np.abs(moments.of(module) - wanted).max() <= bound * wanted.max()


def test_afterwards_the_model_is_the_base_again(base: GgufFile, adapter: Path) -> None:
    calibration, _ = calibrated(base, adapter)
    fresh, ids = load_mlx_model(base, dtype=mx.float32), BATCHES[0].ids
    with calibration.source.loaded(0, 4) as model:
        np.testing.assert_array_equal(np.array(hidden_states(model, ids)), np.array(hidden_states(fresh, ids)))


def test_it_is_the_base_again_if_it_is_broken_off(base: GgufFile, adapter: Path) -> None:
    source = BlockwiseModel(base, dtype=mx.float32)
    before = [id(module) for _, module in sorted(source.model.named_modules())]
    passing = Calibration(source, base, read_adapter(adapter, base), BATCHES).moments()
    assert isinstance(passing, Generator)
    next(passing)
    passing.close()
    assert [id(module) for _, module in sorted(source.model.named_modules())] == before


def test_an_adapter_on_the_lowest_block_has_nothing_below(base: GgufFile, tmp_path: Path) -> None:
    calibration, of_blocks = calibrated(base, write_adapter(tmp_path / "lowest", base.path, blocks=(0,)))
    assert (calibration.first, calibration.entering, len(of_blocks)) == (0, [None] * len(BATCHES), 1)
    assert_same_states(
        calibration.said[0],
        BATCHES[0].of_completion(hidden_states(adapted(base, tmp_path / "lowest"), BATCHES[0].ids)),
    )
