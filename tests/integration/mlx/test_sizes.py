"""How large a model is by its file's header: what MLX has in memory once it is loaded."""

from pathlib import Path

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.model import BlockwiseModel, load_mlx_model
from adapterd.base.mlx.sizes import FP32, ModelSizes, Precision
from tests.support.tiny_gguf import write_tiny_gguf


def loaded_bytes(path: Path, *, quantized: bool) -> int:
    model = load_mlx_model(GgufFile.open(path), dtype=mx.float32, quantized=quantized)
    return sum(value.nbytes for _, value in tree_flatten(model.parameters()))


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_weights_are_as_large_as_they_are_told(tmp_path: Path, architecture: str, quantized: bool) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", architecture=architecture, layers=4, type_name="Q4_0")
    told = ModelSizes.of(GgufFile.open(path), Precision(4, quantized)).weight_bytes()
    assert told == pytest.approx(loaded_bytes(path, quantized=quantized), rel=0.001)


def test_hidden_states_of_gemma4_carry_keys_and_values(tmp_path: Path) -> None:
    file = GgufFile.open(write_tiny_gguf(tmp_path / "tiny.gguf", architecture="gemma4", layers=4))
    sizes = ModelSizes.of(file, FP32)
    assert sizes.width == BlockwiseModel(file, dtype=mx.float32).width
    assert sizes.carried > 0
    assert [block.keys > 0 for block in sizes.blocks] == [True, True, False, False]


def test_blocks_that_guess_ahead_are_not_counted(tmp_path: Path) -> None:
    plain, more = (
        GgufFile.open(write_tiny_gguf(tmp_path / f"{ahead}.gguf", architecture="qwen35", layers=4, ahead=ahead))
        for ahead in (0, 1)
    )
    assert ModelSizes.of(plain, FP32) == ModelSizes.of(more, FP32)
