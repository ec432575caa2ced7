"""How much of an adapter a file keeps, as llama.cpp says."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import LlamaModel, rounds_activations
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.errors import InputError
from adapterd.formats.encoded import EncodedExample
from adapterd.merging import retention
from adapterd.merging.candidate_file import CandidateFile
from adapterd.merging.retention import (
    ADAPTER_SUFFIX,
    Retention,
    comparable_files,
    fits_context,
    measure_retention,
    tensors_to_dequantize,
)
from adapterd.merging.updates import read_adapter
from tests.support.tiny_adapter import few_words, save_factors, write_adapter
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf

EXAMPLES = few_words(3)
ROUNDED_KEYS = 5e-3
"""llama.cpp keeps keys and values as 16-bit floats here: of the logits' standard deviation."""


@pytest.fixture(params=["llama", "qwen2", "gemma3", "phi3"])
def base_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "base.gguf", architecture=request.param)


@pytest.fixture
def llama_path(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "base.gguf")


def candidate_of(base: Path) -> CandidateFile:
    shutil.copyfile(base, base.with_name("candidate.partial"))
    return CandidateFile(GgufFile.open(base), base.with_name("candidate.partial"))


def merged_exactly(base: Path, adapter: Path, share: float = 1.0) -> CandidateFile:
    """With so large a share of the adapter."""
    candidate = candidate_of(base)
    for update in read_adapter(adapter, candidate.base):
        values = candidate.base.values(update.tensor) + share * update.delta()
        candidate.write(update.tensor, values.astype("<f4").tobytes())
    return candidate


def measured(candidate: CandidateFile, adapter: Path) -> Retention:
    return measure_retention(candidate, read_adapter(adapter, candidate.base), EXAMPLES)


def with_two_factors(path: Path) -> Path:
    """A phi3 file that computes otherwise in a context longer than 512 tokens."""
    factors = {"rope_factors_short.weight": np.ones(8), "rope_factors_long.weight": np.linspace(1, 40, 8)}
    metadata = {"phi3.rope.scaling.original_context_length": 512, "phi3.context_length": 4096}
    return write_tiny_gguf(path, architecture="phi3", metadata=metadata, tensors=factors)


@pytest.mark.parametrize(("served", "opened"), [(None, 16), (512, 16), (513, 513), (4096, 513)])
def test_retention_is_measured_with_the_served_rotary_factors(
    tmp_path: Path, served: int | None, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, contexts = with_two_factors(tmp_path / "base.gguf"), []
    candidate = replace(candidate_of(base), base=GgufFile.open(base, context_tokens=served))
    opens = LlamaModel.open

    def noting(path: Path, *, context_tokens: int, **options: Any) -> Any:
        contexts.append(context_tokens)
        return opens(path, context_tokens=context_tokens, **options)

    monkeypatch.setattr(LlamaModel, "open", noting)
    measured(candidate, write_adapter(tmp_path / "adapter", base))
    assert set(contexts) == {opened}


@pytest.mark.parametrize("rounding", [True, False])
def test_retention_of_a_file_that_reads_images_is_that_of_its_language_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounding: bool
) -> None:
    """Which llama.cpp reads with the keys of Ollama's converter completed, and without the tokens for images."""
    monkeypatch.setattr(retention, "rounds_activations", lambda: rounding)
    keys = {"gemma3.attention.layer_norm_rms_epsilon": None, "gemma3.mm.tokens_per_image": 256}
    images = {"v.blk.1.attn_q.weight": np.ones((8, 8)), "mm.mm_input_projection.weight": np.ones((8, 64))}
    base = write_tiny_gguf(
        tmp_path / "base.gguf", architecture="gemma3", metadata=keys, tensors=images, more_tokens=3, type_name="F16"
    )
    adapter = write_adapter(tmp_path / "adapter", base)
    unchanged = measured(candidate_of(base), adapter)
    assert unchanged.kept == pytest.approx(0, abs=1e-6)
    assert unchanged.expanded is rounding
    candidate = candidate_of(base)
    for update in read_adapter(adapter, candidate.base):
        candidate.write(update.tensor, (candidate.base.values(update.tensor) + update.delta()).astype("<f2").tobytes())
    assert (measured(candidate, adapter).kept or 0) > 0.99
    assert [path.name for path in tmp_path.glob("*.gguf*")] == ["base.gguf"]


def test_example_that_needs_the_other_rotary_factors_is_not_measured(tmp_path: Path) -> None:
    path = with_two_factors(tmp_path / "base.gguf")
    short, long = few_words(1, length=512), few_words(1, length=513)
    sides = {tokens: GgufFile.open(path, context_tokens=tokens) for tokens in (512, 1024)}
    assert [fits_context(sides[512], each) for each in (*short, *long)] == [True, False]
    assert [fits_context(sides[1024], each) for each in (*short, *long)] == [True, True]


def test_retention_of_the_unchanged_base_is_zero(base_path: Path, tmp_path: Path) -> None:
    retention = measured(candidate_of(base_path), write_adapter(tmp_path / "adapter", base_path))
    assert retention.kept == pytest.approx(0, abs=1e-6)
    assert retention.kl_base == pytest.approx(retention.kl_candidate)
    assert retention.kl_base > 1e-3
    assert (retention.examples, retention.tokens) == (3, 30)


def test_retention_of_an_exact_merge_is_one(base_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base_path, blocks=(0, 1))
    retention = measured(merged_exactly(base_path, adapter), adapter)
    assert retention.kept is not None
    assert retention.kept == pytest.approx(1, abs=1e-3)
    assert retention.top1 == 1


def test_retention_of_half_an_adapter_is_between_zero_and_one(llama_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    kept = measured(merged_exactly(llama_path, adapter, 0.5), adapter).kept
    assert kept is not None
    assert 0.5 < kept < 0.9


def test_retention_of_the_opposite_update_is_negative(llama_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    kept = measured(merged_exactly(llama_path, adapter, -1.0), adapter).kept
    assert kept is not None
    assert kept < -1


def test_retention_of_an_adapter_without_effect_is_none(llama_path: Path, tmp_path: Path) -> None:
    retention = measured(candidate_of(llama_path), write_adapter(tmp_path / "adapter", llama_path, size=0.0))
    assert (retention.kept, retention.top1) == (None, 1.0)


def test_retention_counts_only_completions(llama_path: Path, tmp_path: Path) -> None:
    candidate, adapter = candidate_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    updates = read_adapter(adapter, candidate.base)
    (example,) = few_words(1, length=12, prompt_tokens=11)
    short, long = (measure_retention(candidate, updates, [replace(example, prompt_tokens=count)]) for count in (11, 1))
    assert (short.tokens, long.tokens) == (1, 11)
    assert short.kl_base != pytest.approx(long.kl_base)


def test_reported_share_rises_to_one(llama_path: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    candidate = candidate_of(llama_path)
    measure_retention(
        candidate,
        read_adapter(write_adapter(tmp_path / "adapter", llama_path), candidate.base),
        EXAMPLES,
        shares.append,
    )
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_llama_cpp_applies_the_adapter_as_mlx_does(base_path: Path, tmp_path: Path) -> None:
    """So what the merge is measured by is the adapter that was trained."""
    adapter = write_adapter(tmp_path / "adapter", base_path, blocks=(0, 1), size=0.15)
    file, ids = GgufFile.open(base_path), EXAMPLES[0].ids
    write_lora(
        tmp_path / "adapter.lora", file.architecture, (each.in_llama_cpp() for each in read_adapter(adapter, file))
    )
    with LlamaModel.open(base_path, context_tokens=len(ids), lora=tmp_path / "adapter.lora") as model:
        found = {adapted: model.logits(ids, 0, adapted=adapted) for adapted in (True, False)}
    for adapted, wanted in ((True, mlx_logits(base_path, ids, adapter)), (False, mlx_logits(base_path, ids))):
        assert np.sqrt(np.mean((found[adapted] - wanted) ** 2)) / wanted.std() < ROUNDED_KEYS
    assert np.sqrt(np.mean((found[True] - found[False]) ** 2)) / found[False].std() > 20 * ROUNDED_KEYS


def test_lora_file_is_private_and_removed(llama_path: Path, tmp_path: Path) -> None:
    candidate, adapter = candidate_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    file, modes = candidate.path.with_suffix(ADAPTER_SUFFIX), []
    updates = read_adapter(adapter, candidate.base)
    measure_retention(candidate, updates, EXAMPLES, lambda _: modes.append(file.stat().st_mode & 0o777))
    assert set(modes) == {0o600}
    assert not file.exists()


def test_candidate_that_llama_cpp_cannot_read_is_named(llama_path: Path, tmp_path: Path) -> None:
    candidate = candidate_of(llama_path)
    candidate.path.write_bytes(b"GGUF, or not")
    updates = read_adapter(write_adapter(tmp_path / "adapter", llama_path), candidate.base)
    with pytest.raises(InputError, match=f"{candidate.path} cannot be loaded by llama.cpp"):
        measure_retention(candidate, updates, EXAMPLES)
    assert not candidate.path.with_suffix(ADAPTER_SUFFIX).exists()


def test_retention_of_one_module_and_one_token_is_measured(llama_path: Path, tmp_path: Path) -> None:
    adapter = save_factors(tmp_path / "adapter", {"model.layers.0.self_attn.v_proj": (32, 64)}, size=0.2)
    candidate = merged_exactly(llama_path, adapter)
    retention = measure_retention(
        candidate, read_adapter(adapter, candidate.base), [EncodedExample((30, 31), 1, "record")]
    )
    assert retention.tokens == 1
    assert retention.kept == pytest.approx(1, abs=1e-3)


def test_retention_is_reported_by_output_type(llama_path: Path, tmp_path: Path) -> None:
    candidate, adapter = candidate_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    updates = read_adapter(adapter, candidate.base)
    assert measure_retention(candidate, updates, EXAMPLES).by_type == {}
    types = ("brief", None, "brief")
    of_types = [replace(example, output_type=name) for example, name in zip(EXAMPLES, types, strict=True)]
    found = measure_retention(candidate, updates, of_types).by_type
    assert found.keys() == {"brief", "other"}
    assert found["other"] == pytest.approx(measure_retention(candidate, updates, of_types[1:2]).kept or 0, abs=1e-6)


@pytest.mark.skipif(not rounds_activations(), reason="llama.cpp computes on a GPU here")
def test_retention_is_measured_without_rounded_activations(tmp_path: Path) -> None:
    """A file and its copy with fp32 tensors say the same; llama.cpp on a CPU says something else for them."""
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q8_0")
    adapter = write_adapter(tmp_path / "adapter", base, blocks=(0, 1))
    candidate = candidate_of(base)
    updates = read_adapter(adapter, candidate.base)
    with comparable_files(candidate, tensors_to_dequantize(candidate, updates)) as (served, _):
        found = {path: logits_of(path, EXAMPLES[0].ids) for path in (base, served)}
    wanted = mlx_logits(base, EXAMPLES[0].ids)
    errors = {path: float(np.abs(logits - wanted).max()) for path, logits in found.items()}
    assert errors[served] < errors[base] / 3
    assert measure_retention(candidate, updates, EXAMPLES).expanded


def logits_of(path: Path, ids: Sequence[int]) -> np.ndarray[Any, Any]:
    with LlamaModel.open(path, context_tokens=len(ids)) as model:
        return model.logits(ids, 0)


def test_dequantized_copies_are_removed(llama_path: Path, tmp_path: Path) -> None:
    candidate, adapter = candidate_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    before = set(tmp_path.iterdir())
    measured(candidate, adapter)
    assert set(tmp_path.iterdir()) == before


def test_files_themselves_are_measured_without_disk_space_for_copies(
    llama_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.merging.retention.MAX_DEQUANTIZED_BYTES", 0)
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    retention = measured(merged_exactly(llama_path, adapter), adapter)
    assert not retention.expanded
    assert retention.kept == pytest.approx(1, abs=1e-3)
