"""An adapter is read as a whole: what is no factor, or has no counterpart, is named."""

from pathlib import Path

import mlx.core as mx
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.errors import InputError
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import write_adapter
from tests.support.tiny_gguf import write_tiny_gguf
from tests.support.typed import load_weights

UP = "model.layers.1.mlp.up_proj"


@pytest.fixture
def base(tmp_path: Path) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path / "base.gguf"))


def with_tensors(folder: Path, **tensors: mx.array) -> Path:
    """The adapter with other factors of one module."""
    weights = load_weights(folder / WEIGHTS)
    weights |= {f"{UP}.{name}": value for name, value in tensors.items()}
    mx.save_safetensors(str(folder / WEIGHTS), weights)
    return folder


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ({"lora_c": mx.ones(3)}, f"the adapter holds {UP}.lora_c, which is not a factor"),
        ({"bias": mx.ones(96)}, f"the adapter holds {UP}.bias, which is not a factor"),
        ({"lora_a": mx.ones((64, 3))}, rf"factors of {UP} do not fit each other: \(64, 3\) and \(4, 96\)"),
        ({"lora_b": mx.ones(96)}, rf"factors of {UP} do not fit each other: \(64, 4\) and \(96,\)"),
        ({"lora_b": mx.ones((4, 95))}, rf"the adapter's {UP} is \(95, 64\), the base's \(96, 64\)"),
    ],
    ids=["another factor", "a bias", "another rank", "a vector", "another base"],
)
def test_adapter_that_does_not_fit_is_refused_by_name(
    base: GgufFile, tmp_path: Path, tensors: dict[str, mx.array], fault: str
) -> None:
    folder = write_adapter(tmp_path / "adapter", base.path)
    assert len(read_adapter(folder, base)) == 7
    with pytest.raises(InputError, match=fault):
        read_adapter(with_tensors(folder, **tensors), base)
