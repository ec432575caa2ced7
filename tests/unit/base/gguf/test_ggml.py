import gguf
import numpy as np
import pytest

from adapterd.base.gguf.ggml import quantize
from adapterd.base.gguf.gguf_file import SUPPORTED_TYPES
from adapterd.errors import StageError, UnsupportedModelError

RMS_ERRORS = {
    "F32": 0.0,
    "F16": 0.0003,
    "BF16": 0.002,
    "Q8_0": 0.006,
    "Q6_K": 0.02,
    "Q5_0": 0.05,
    "Q5_1": 0.05,
    "Q5_K": 0.05,
    "Q4_0": 0.1,
    "Q4_1": 0.1,
    "Q4_K": 0.1,
    "Q3_K": 0.2,
    "Q2_K": 0.4,
}
STABLE = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((600, 256)).astype(np.float32)


def dequantized(data: np.ndarray, type_name: str) -> np.ndarray:
    plain = {"F32": np.float32, "F16": np.float16}.get(type_name, np.uint8)
    return np.asarray(gguf.dequantize(data.view(plain), gguf.GGMLQuantizationType[type_name]), np.float32)


@pytest.mark.parametrize("type_name", sorted(SUPPORTED_TYPES))
def test_every_supported_type_can_be_written(values: np.ndarray, type_name: str) -> None:
    back = dequantized(quantize(values, type_name), type_name)
    assert back.shape == values.shape
    assert np.sqrt(np.mean((back - values) ** 2)) <= RMS_ERRORS[type_name]


@pytest.mark.parametrize("type_name", STABLE)
def test_quantising_what_was_quantised_changes_no_byte(values: np.ndarray, type_name: str) -> None:
    """These types find a block's scale from its extremes, which quantised values keep; K types search for it."""
    once = quantize(values, type_name)
    np.testing.assert_array_equal(quantize(dequantized(once, type_name), type_name), once)


@pytest.mark.parametrize("type_name", ["Q4_0", "Q6_K"])
def test_blocks_of_rows_are_independent(values: np.ndarray, type_name: str) -> None:
    apart = np.concatenate([quantize(values[start : start + 100], type_name) for start in range(0, 600, 100)])
    np.testing.assert_array_equal(quantize(values, type_name), apart)


def test_a_view_in_another_order_is_written_as_it_reads(values: np.ndarray) -> None:
    np.testing.assert_array_equal(quantize(values[:256].T, "Q8_0"), quantize(values[:256].T.copy(), "Q8_0"))


def test_a_row_of_part_blocks_is_refused(values: np.ndarray) -> None:
    with pytest.raises(UnsupportedModelError, match="needs multiples of 32"):
        quantize(values[:, :40], "Q4_0")


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(StageError, match="not finite"):
        quantize(np.full((1, 32), np.nan, np.float32), "Q8_0")


def test_a_type_that_needs_an_importance_matrix_is_refused(values: np.ndarray) -> None:
    with pytest.raises(UnsupportedModelError, match="IQ2_XXS"):
        quantize(values, "IQ2_XXS")
