from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from adapterd.base.gguf.ggml import TensorType, quantize
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.quants import QUANT_TYPES, BlockScales, has_minimums, pack, rescale, unpack
from adapterd.errors import InputError

TYPES = sorted(QUANT_TYPES)
every_type = pytest.mark.parametrize("type_name", TYPES)

FLOAT16_AT = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where a block has its float16 numbers; at 0 in the types that are not named."""

RANGES = {
    "Q4_0": (-8, 7, 32),
    "Q4_1": (0, 15, 32),
    "Q5_0": (-16, 15, 32),
    "Q5_1": (0, 31, 32),
    "Q8_0": (-128, 127, 32),
    "Q4_K": (0, 15, 32),
    "Q5_K": (0, 31, 32),
    "Q6_K": (-32, 31, 16),
    "IQ4_NL": (-127, 113, 32),
    "IQ4_XS": (-127, 113, 32),
}
LEVELS = dict.fromkeys(("IQ4_NL", "IQ4_XS"), (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113))
"""The quants of the types that have not all integers of their range."""

BITS_OF_A_COLUMN = [
    ("Q4_0", 5, {2 + 5: 0x0F}),
    ("Q4_0", 16 + 5, {2 + 5: 0xF0}),
    ("Q4_1", 31, {4 + 15: 0xF0}),
    ("Q5_0", 5, {6 + 5: 0x0F, 2: 1 << 5}),
    ("Q5_0", 16 + 5, {6 + 5: 0xF0, 2 + 2: 1 << 5}),
    ("Q5_1", 15, {8 + 15: 0x0F, 4 + 1: 1 << 7}),
    ("Q8_0", 9, {2 + 9: 0xFF}),
    ("Q4_K", 64 + 32 + 4, {16 + 32 + 4: 0xF0}),
    ("Q5_K", 64 + 32 + 4, {48 + 32 + 4: 0xF0, 16 + 4: 1 << 3}),
    ("Q6_K", 128 + 64 + 8, {64 + 8: 0xF0, 128 + 32 + 8: 0x30}),
    ("Q6_K", 32 + 1, {32 + 1: 0x0F, 128 + 1: 0x0C}),
    ("IQ4_NL", 5, {2 + 5: 0x0F}),
    ("IQ4_NL", 16 + 5, {2 + 5: 0xF0}),
    ("IQ4_XS", 64 + 4, {8 + 32 + 4: 0x0F}),
    ("IQ4_XS", 64 + 16 + 4, {8 + 32 + 4: 0xF0}),
]
"""By ggml's own loops (dequantize_row_* in ggml-quants.c): the bits of a block that a column's quant takes."""


@pytest.fixture(scope="module")
def smollm2(smollm2_path: Path) -> GgufFile:
    return GgufFile.open(smollm2_path)


def dequantized(raw: np.ndarray, type_name: str) -> np.ndarray:
    return np.asarray(gguf.dequantize(raw, gguf.GGMLQuantizationType[type_name]), np.float32)


def finite(raw: np.ndarray, type_name: str) -> np.ndarray:
    """The bytes with the top bit taken off the exponent of every float16 that is not a finite number."""
    blocks = raw.reshape(-1, TensorType.named(type_name).block_bytes).copy()
    for start in FLOAT16_AT.get(type_name, (0,)):
        exponents = blocks[:, start + 1]
        exponents[(exponents & 0x7C) == 0x7C] &= 0xBF
    return blocks.reshape(raw.shape)


def with_scale(raw: np.ndarray, type_name: str, scale: float) -> np.ndarray:
    """The bytes with every float16 of every block, minimums too, set to `scale`."""
    blocks = raw.reshape(-1, TensorType.named(type_name).block_bytes).copy()
    for start in FLOAT16_AT.get(type_name, (0,)):
        blocks[:, start : start + 2] = np.array([scale], "<f2").view(np.uint8)
    return blocks.reshape(raw.shape)


@st.composite
def tensors(draw: st.DrawFn, type_name: str) -> np.ndarray:
    """Any bytes a tensor of this type may have: any quants, any scales that are finite."""
    rows, blocks = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (rows, blocks * TensorType.named(type_name).block_bytes)
    return finite(draw(arrays.arrays(np.uint8, shape)), type_name)


def quants_of(type_name: str) -> "st.SearchStrategy[int]":
    low, high, _ = RANGES[type_name]
    return st.sampled_from(LEVELS[type_name]) if type_name in LEVELS else st.integers(low, high)


def random_tensor(type_name: str, *, rows: int = 4, columns: int = 512, seed: int = 0) -> np.ndarray:
    """Normal values, quantised by ggml."""
    values = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)
    return quantize(values, type_name)


def random_bytes(type_name: str, seed: int = 0) -> np.ndarray:
    shape = (64, 4 * TensorType.named(type_name).block_bytes)
    return finite(np.random.default_rng(seed).integers(0, 256, shape, np.uint8), type_name)


def assert_round_trip(raw: np.ndarray, type_name: str) -> tuple[BlockScales, np.ndarray]:
    """Packing what was unpacked gives the same bytes, and the scales the values that gguf reads, to the bit."""
    scales, quants = unpack(raw, type_name)
    low, high, group = RANGES[type_name]
    assert (scales.low, scales.high, scales.block_size) == (low, high, group)
    assert quants.dtype == np.int16
    assert scales.scale.dtype == scales.minimum.dtype == np.float32
    assert scales.scale.shape == scales.minimum.shape == (len(raw), quants.shape[1] // group)
    assert low <= quants.min() <= quants.max() <= high
    np.testing.assert_array_equal(pack(raw, quants, type_name), raw)
    values = scales.dequantize(quants)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values.view(np.uint32), dequantized(raw, type_name).view(np.uint32))
    return scales, quants


def test_the_ten_types_are_known() -> None:
    assert set(RANGES) == QUANT_TYPES


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_tensor_comes_back_byte_for_byte(type_name: str, data: st.DataObject) -> None:
    assert_round_trip(data.draw(tensors(type_name)), type_name)


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_codes_come_back_and_leave_the_scales(type_name: str, data: st.DataObject) -> None:
    raw = data.draw(tensors(type_name))
    before, quants = unpack(raw, type_name)
    chosen = data.draw(arrays.arrays(np.int16, quants.shape, elements=quants_of(type_name)))
    after, back = unpack(pack(raw, chosen, type_name), type_name)
    np.testing.assert_array_equal(back, chosen)
    np.testing.assert_array_equal(after.scale.view(np.uint32), before.scale.view(np.uint32))
    np.testing.assert_array_equal(after.minimum.view(np.uint32), before.minimum.view(np.uint32))


@every_type
def test_many_random_blocks_come_back(type_name: str) -> None:
    assert_round_trip(random_bytes(type_name), type_name)


@every_type
@pytest.mark.parametrize("scale", [0.0, -0.0, -0.125, 65504.0, -65504.0, 6e-8])
def test_scales_may_be_zero_negative_or_extreme(type_name: str, scale: float) -> None:
    assert_round_trip(with_scale(random_bytes(type_name), type_name, scale), type_name)


@every_type
def test_tensor_that_ggml_quantised_is_packed_to_the_same_bytes(type_name: str) -> None:
    assert_round_trip(random_tensor(type_name, rows=300), type_name)


@pytest.mark.parametrize(
    ("name", "type_name"),
    [
        ("blk.0.attn_q.weight", "Q4_1"),
        ("blk.15.ffn_down.weight", "Q4_1"),
        ("blk.29.ffn_gate.weight", "Q4_1"),
        ("token_embd.weight", "Q8_0"),
    ],
)
def test_a_real_model_comes_back(smollm2: GgufFile, name: str, type_name: str) -> None:
    tensor = smollm2.tensors[name]
    assert tensor.type_name == type_name
    raw = smollm2.raw(name).reshape(tensor.shape[0], -1)[:4096]
    scales, quants = assert_round_trip(raw, type_name)
    assert scales.shape == quants.shape == (len(raw), tensor.shape[1])


@pytest.mark.parametrize(("type_name", "column", "bits"), BITS_OF_A_COLUMN)
def test_a_code_has_its_own_bits_and_no_others(type_name: str, column: int, bits: dict[int, int]) -> None:
    raw = random_bytes(type_name)
    _, lowest = unpack(raw, type_name)
    highest = lowest.copy()
    block = TensorType.named(type_name)
    lowest[7, block.block_values + column], highest[7, block.block_values + column] = RANGES[type_name][:2]
    expected = np.zeros_like(raw)
    for place, mask in bits.items():
        expected[7, block.block_bytes + place] = mask
    np.testing.assert_array_equal(pack(raw, lowest, type_name) ^ pack(raw, highest, type_name), expected)


@every_type
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_one_code_changes_one_value(type_name: str, data: st.DataObject) -> None:
    raw = random_tensor(type_name)
    scales, quants = unpack(raw, type_name)
    row, column = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 511))
    group = RANGES[type_name][2]
    code = data.draw(quants_of(type_name).filter(lambda code: code != quants[row, column]))
    changed = quants.copy()
    changed[row, column] = code
    before, after = dequantized(raw, type_name), dequantized(pack(raw, changed, type_name), type_name)
    np.testing.assert_array_equal(np.argwhere(before != after), [(row, column)])
    np.testing.assert_array_equal(after, scales.dequantize(changed))
    where = (row, column // group)
    assert after[row, column] == np.float32(scales.scale[where] * np.float32(code)) + scales.minimum[where]


@every_type
def test_packing_leaves_its_arguments_alone(type_name: str) -> None:
    raw = random_tensor(type_name)
    _, quants = unpack(raw, type_name)
    raw.flags.writeable = quants.flags.writeable = False
    packed = pack(raw, quants, type_name)
    assert packed.flags.writeable
    assert not np.shares_memory(packed, raw)


@every_type
def test_bytes_and_codes_may_be_views(type_name: str) -> None:
    raw = random_tensor(type_name)
    _, quants = unpack(raw[::2], type_name)
    np.testing.assert_array_equal(quants, unpack(raw, type_name)[1][::2])
    np.testing.assert_array_equal(pack(raw[::2], np.asfortranarray(quants), type_name), raw[::2])


@every_type
@pytest.mark.parametrize("integers", [np.int8, np.int32, np.int64])
def test_codes_may_be_any_integers(type_name: str, integers: type) -> None:
    raw = random_tensor(type_name)
    scales, quants = unpack(raw, type_name)
    np.testing.assert_array_equal(pack(raw, quants.astype(integers), type_name), raw)
    np.testing.assert_array_equal(scales.dequantize(quants.astype(integers)), dequantized(raw, type_name))


@every_type
@pytest.mark.parametrize("beyond", [1, 256, 1 << 16])
@pytest.mark.parametrize("sign", [-1, 1])
def test_codes_out_of_range_are_refused(type_name: str, beyond: int, sign: int) -> None:
    raw = random_tensor(type_name)
    quants = unpack(raw, type_name)[1].astype(np.int32)
    low, high, _ = RANGES[type_name]
    wrong = low - beyond if sign < 0 else high + beyond
    quants[2, 300] = wrong
    known = ", ".join(map(str, LEVELS[type_name])) if type_name in LEVELS else f"{low}…{high}"
    with pytest.raises(ValueError, match=f"^{type_name} has quants {known}, not {wrong}$"):
        pack(raw, quants, type_name)


@pytest.mark.parametrize("type_name", LEVELS)
def test_an_integer_between_two_levels_is_refused(type_name: str) -> None:
    raw = random_tensor(type_name)
    quants = unpack(raw, type_name)[1]
    quants[2, 300] = -50
    with pytest.raises(ValueError, match=f"^{type_name} has quants .*, not -50$"):
        pack(raw, quants, type_name)


@every_type
def test_values_are_rounded_to_the_nearest_quant(type_name: str) -> None:
    scales = unpack(random_tensor(type_name), type_name)[0]
    low, high, _ = RANGES[type_name]
    known = np.array(LEVELS.get(type_name, range(low, high + 1)), np.float32)
    values = np.random.default_rng(2).uniform(low - 9, high + 9, 999).astype(np.float32)
    rounded = values.copy()
    scales.round(rounded)
    assert set(rounded) <= set(known)
    np.testing.assert_array_equal(np.abs(rounded - values), np.abs(known[:, None] - values).min(0))


def test_unsigned_codes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="Q4_0 has quants -8…7, not 255"):
        pack(random_tensor("Q4_0"), np.full((4, 512), 255, np.uint8), "Q4_0")


def test_codes_that_are_not_integers_are_refused() -> None:
    raw = random_tensor("Q4_0")
    scales, quants = unpack(raw, "Q4_0")
    with pytest.raises(ValueError, match="quants are integers of the shape"):
        pack(raw, quants.astype(np.float32), "Q4_0")
    with pytest.raises(ValueError, match="quants are integers of the shape"):
        scales.dequantize(quants.astype(np.float32))


@every_type
def test_codes_of_another_shape_are_refused(type_name: str) -> None:
    raw = random_tensor(type_name)
    scales, quants = unpack(raw, type_name)
    for wrong in (quants.T, quants[:2], quants[:, :256], quants.reshape(-1)):
        with pytest.raises(ValueError, match=r"quants are integers of the shape \(4, 512\)"):
            pack(raw, wrong, type_name)
        with pytest.raises(ValueError, match=r"quants are integers of the shape \(4, 512\)"):
            scales.dequantize(wrong)


@every_type
def test_bytes_that_are_not_rows_of_blocks_are_refused(type_name: str) -> None:
    raw = random_tensor(type_name)
    _, quants = unpack(raw, type_name)
    wrong_ones: tuple[Any, ...] = (raw[:, :-1], raw.reshape(-1), raw.view(np.int8))
    for wrong in wrong_ones:
        with pytest.raises(ValueError, match=f"is not rows of {type_name} blocks"):
            unpack(wrong, type_name)
        with pytest.raises(ValueError, match=f"is not rows of {type_name} blocks"):
            pack(wrong, quants, type_name)


@pytest.mark.parametrize("type_name", ["F32", "F16", "Q2_K", "IQ3_S", "nonsense"])
def test_other_types_are_refused(type_name: str) -> None:
    with pytest.raises(InputError, match=f"{type_name} has no quants"):
        unpack(np.zeros((1, 256), np.uint8), type_name)
    with pytest.raises(InputError, match=f"{type_name} has no quants"):
        pack(np.zeros((1, 256), np.uint8), np.zeros((1, 256), np.int16), type_name)


@every_type
@pytest.mark.parametrize("scale", [np.inf, -np.inf, np.nan])
def test_a_scale_that_is_no_number_is_refused(type_name: str, scale: float) -> None:
    with pytest.raises(InputError, match="scale that is not a finite number"):
        unpack(with_scale(random_bytes(type_name), type_name, scale), type_name)


@every_type
def test_a_tensor_of_no_rows_is_a_tensor(type_name: str) -> None:
    raw = random_tensor(type_name)[:0]
    scales, quants = unpack(raw, type_name)
    assert scales.shape == quants.shape == (0, 512)
    assert pack(raw, quants, type_name).shape == raw.shape


def factors_for(raw: np.ndarray, type_name: str, seed: int = 1) -> list[np.ndarray]:
    """Some near one, for each number of each block."""
    shape = (len(raw), raw.shape[1] // TensorType.named(type_name).block_bytes)
    random = np.random.default_rng(seed)
    return [random.uniform(0.9, 1.1, shape).astype(np.float32) for _ in range(1 + has_minimums(type_name))]


def without_float16(raw: np.ndarray, type_name: str) -> np.ndarray:
    blocks = raw.reshape(-1, TensorType.named(type_name).block_bytes)
    return np.delete(blocks, [at + byte for at in FLOAT16_AT.get(type_name, (0,)) for byte in (0, 1)], axis=1)


def test_types_with_minimums_are_known() -> None:
    assert {name for name in TYPES if has_minimums(name)} == {"Q4_1", "Q5_1", "Q4_K", "Q5_K"}
    with pytest.raises(InputError, match="F16 has no quants"):
        has_minimums("F16")


@every_type
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_factors_of_one_change_nothing(type_name: str, data: st.DataObject) -> None:
    raw = data.draw(tensors(type_name))
    ones = [np.ones_like(factor) for factor in factors_for(raw, type_name)]
    np.testing.assert_array_equal(rescale(raw, ones, type_name), raw)


@every_type
def test_rescaling_multiplies_scales_and_minimums_and_leaves_codes(type_name: str) -> None:
    raw = random_tensor(type_name)
    factors = factors_for(raw, type_name)
    (before, quants), (after, same) = unpack(raw, type_name), unpack(rescale(raw, factors, type_name), type_name)
    np.testing.assert_array_equal(same, quants)
    groups_of_a_block = before.scale.shape[1] // factors[0].shape[1]
    for ours, theirs, factor in zip(
        (before.scale, before.minimum), (after.scale, after.minimum), factors, strict=False
    ):
        np.testing.assert_allclose(theirs, ours * np.repeat(factor, groups_of_a_block, axis=1), rtol=1e-3)
    if not has_minimums(type_name):
        np.testing.assert_array_equal(after.minimum, before.minimum)


@every_type
def test_rescaling_changes_the_float16_numbers_only(type_name: str) -> None:
    raw = random_bytes(type_name)
    rescaled = rescale(raw, factors_for(raw, type_name), type_name)
    assert (rescaled != raw).any()
    np.testing.assert_array_equal(without_float16(rescaled, type_name), without_float16(raw, type_name))


@every_type
@pytest.mark.parametrize("factor", [2.0, -2.0, np.inf, np.nan])
def test_a_product_that_is_no_float16_leaves_the_number(type_name: str, factor: float) -> None:
    raw = with_scale(random_bytes(type_name), type_name, 60_000.0)
    factors = [np.full_like(each, factor) for each in factors_for(raw, type_name)]
    np.testing.assert_array_equal(rescale(raw, factors, type_name), raw)


def test_scales_and_minimums_have_factors_of_their_own() -> None:
    raw = random_tensor("Q4_1")
    doubled, same = np.full((4, 16), 2, np.float32), np.ones((4, 16), np.float32)
    before, after = unpack(raw, "Q4_1")[0], unpack(rescale(raw, [same, doubled], "Q4_1"), "Q4_1")[0]
    np.testing.assert_array_equal(after.scale, before.scale)
    np.testing.assert_array_equal(after.minimum, 2 * before.minimum)


@every_type
def test_rescaling_leaves_its_arguments_alone(type_name: str) -> None:
    raw = random_tensor(type_name)
    factors = factors_for(raw, type_name)
    for each in (raw, *factors):
        each.flags.writeable = False
    assert not np.shares_memory(rescale(raw, factors, type_name), raw)


@every_type
def test_factors_of_another_shape_or_number_are_refused(type_name: str) -> None:
    raw = random_tensor(type_name)
    factors = factors_for(raw, type_name)
    wrong = [[], [*factors, factors[0]], [each[:2] for each in factors], [each[:, :1] for each in factors]]
    for each in (*wrong, [factor.reshape(-1) for factor in factors]):
        with pytest.raises(ValueError, match=f"{type_name} takes {len(factors)} factors of the shape"):
            rescale(raw, each, type_name)
    with pytest.raises(ValueError, match=f"is not rows of {type_name} blocks"):
        rescale(raw[:, :-1], factors, type_name)
    with pytest.raises(InputError, match="F32 has no quants"):
        rescale(raw, factors, "F32")
