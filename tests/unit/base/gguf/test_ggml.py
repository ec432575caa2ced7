import gguf
import numpy as np
import pytest

from adapterd.base.gguf.ggml import ADAPTABLE_TYPES, TensorType, dequantize, quantize
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
    "IQ4_NL": 0.1,
    "IQ4_XS": 0.1,
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


@pytest.mark.parametrize("type_name", sorted(ADAPTABLE_TYPES))
def test_every_adaptable_type_can_be_written(values: np.ndarray, type_name: str) -> None:
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


OTHERS = sorted(kind.name for kind in gguf.quants._type_traits if kind.name not in ADAPTABLE_TYPES)
"""All that gguf can read and an adapter cannot change."""


def random_bytes(type_name: str, rows: int = 3, blocks: int = 4) -> np.ndarray:
    """Rows of blocks with random bits, also in their scales."""
    size = (rows, blocks * TensorType.named(type_name).block_bytes)
    return np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)


@pytest.mark.parametrize("type_name", OTHERS)
def test_ggml_reads_other_types_as_gguf_does(type_name: str) -> None:
    data = random_bytes(type_name)
    with np.errstate(all="ignore"):
        expected = dequantized(data, type_name)
    found = dequantize(data, type_name)
    assert found.shape == (3, 4 * TensorType.named(type_name).block_values)
    assert ((found.view(np.uint32) == expected.view(np.uint32)) | (np.isnan(found) & np.isnan(expected))).all()


@pytest.mark.parametrize(("type_name", "levels"), [("Q1_0", [-1, 1]), ("Q2_0", [-1, 0, 1, 2])])
def test_what_gguf_cannot_read_is_read_by_ggml(type_name: str, levels: list[int]) -> None:
    data = random_bytes(type_name)
    data.reshape(-1, TensorType.named(type_name).block_bytes)[:, :2] = np.frombuffer(
        np.float16(0.5).tobytes(), np.uint8
    )
    assert np.unique(dequantize(data, type_name) / 0.5).tolist() == levels


def test_a_tensor_of_one_dimension_is_read(values: np.ndarray) -> None:
    data = random_bytes("MXFP4", rows=1)
    np.testing.assert_array_equal(dequantize(data[0], "MXFP4"), dequantize(data, "MXFP4")[0])


@pytest.mark.parametrize("number", [-1, 4, 31, 36, 43, 153, 2**32 - 1])
def test_a_number_that_no_type_has_is_not_known(number: int) -> None:
    assert TensorType.numbered(number) is None


def test_a_type_newer_than_gguf_is_found_by_number_and_by_name() -> None:
    newer = TensorType.numbered(42)
    assert newer is not None
    assert newer == TensorType.named("Q2_0")
    assert (newer.name, newer.has_values, newer.row_bytes(128)) == ("Q2_0", True, 36)


@pytest.mark.parametrize("type_name", ["I32", "F64", "Q8_K"])
def test_what_is_no_weight_is_not_read(type_name: str) -> None:
    assert not TensorType.named(type_name).has_values
    with pytest.raises(UnsupportedModelError, match=type_name):
        dequantize(np.zeros((1, TensorType.named(type_name).block_bytes), np.uint8), type_name)


def test_a_name_that_no_type_has_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="the tensor type nonsense is not known here"):
        TensorType.named("nonsense")
