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
from adapterd.merging.draft import Draft
from adapterd.merging.examples import Example
from adapterd.merging.kept_update import ADAPTER_SUFFIX, Retention, _factors, comparable, fits, measure
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


def draft_of(base: Path) -> Draft:
    shutil.copyfile(base, base.with_name("draft.partial"))
    return Draft(GgufFile.open(base), base.with_name("draft.partial"))


def merged_exactly(base: Path, adapter: Path, share: float = 1.0) -> Draft:
    """With so large a share of the adapter."""
    draft = draft_of(base)
    for update in read_adapter(adapter, draft.base):
        values = draft.base.values(update.tensor) + share * update.delta()
        draft.replace(update.tensor, values.astype("<f4").tobytes())
    return draft


def measured(draft: Draft, adapter: Path) -> Retention:
    return measure(draft, read_adapter(adapter, draft.base), EXAMPLES)


def with_two_factors(path: Path) -> Path:
    """A phi3 file that computes otherwise in a context longer than 512 tokens."""
    factors = {"rope_factors_short.weight": np.ones(8), "rope_factors_long.weight": np.linspace(1, 40, 8)}
    metadata = {"phi3.rope.scaling.original_context_length": 512, "phi3.context_length": 4096}
    return write_tiny_gguf(path, architecture="phi3", metadata=metadata, tensors=factors)


@pytest.mark.parametrize(("served", "opened"), [(None, 16), (512, 16), (513, 513), (4096, 513)])
def test_it_is_measured_with_the_rotary_factors_that_are_served(
    tmp_path: Path, served: int | None, opened: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, contexts = with_two_factors(tmp_path / "base.gguf"), []
    draft = replace(draft_of(base), base=GgufFile.open(base, context_tokens=served))
    opens = LlamaModel.open

    def noting(path: Path, *, context_tokens: int, lora: Path | None = None) -> Any:
        contexts.append(context_tokens)
        return opens(path, context_tokens=context_tokens, lora=lora)

    monkeypatch.setattr(LlamaModel, "open", noting)
    measured(draft, write_adapter(tmp_path / "adapter", base))
    assert set(contexts) == {opened}


def test_an_example_that_only_the_other_side_could_hold_is_not_measured(tmp_path: Path) -> None:
    path = with_two_factors(tmp_path / "base.gguf")
    short, long = few_words(1, length=512), few_words(1, length=513)
    sides = {tokens: GgufFile.open(path, context_tokens=tokens) for tokens in (512, 1024)}
    assert [fits(sides[512], each) for each in (*short, *long)] == [True, False]
    assert [fits(sides[1024], each) for each in (*short, *long)] == [True, True]


def test_the_base_itself_keeps_nothing(base_path: Path, tmp_path: Path) -> None:
    retention = measured(draft_of(base_path), write_adapter(tmp_path / "adapter", base_path))
    assert retention.kept == pytest.approx(0, abs=1e-6)
    assert retention.kl_base == pytest.approx(retention.kl_candidate)
    assert retention.kl_base > 1e-3
    assert (retention.examples, retention.tokens) == (3, 30)


def test_an_exact_merge_keeps_everything(base_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", base_path, blocks=(0, 1))
    retention = measured(merged_exactly(base_path, adapter), adapter)
    assert retention.kept is not None
    assert retention.kept == pytest.approx(1, abs=1e-3)
    assert retention.top1 == 1


def test_half_of_an_adapter_keeps_more_than_nothing_and_less_than_all(llama_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    kept = measured(merged_exactly(llama_path, adapter, 0.5), adapter).kept
    assert kept is not None
    assert 0.5 < kept < 0.9


def test_the_opposite_of_an_adapter_is_less_than_nothing(llama_path: Path, tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    kept = measured(merged_exactly(llama_path, adapter, -1.0), adapter).kept
    assert kept is not None
    assert kept < -1


def test_an_adapter_without_effect_has_nothing_to_keep(llama_path: Path, tmp_path: Path) -> None:
    retention = measured(draft_of(llama_path), write_adapter(tmp_path / "adapter", llama_path, size=0.0))
    assert (retention.kept, retention.top1) == (None, 1.0)


def test_only_completions_count(llama_path: Path, tmp_path: Path) -> None:
    draft, adapter = draft_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    updates = read_adapter(adapter, draft.base)
    (example,) = few_words(1, length=12, prompt_tokens=11)
    short, long = (measure(draft, updates, [replace(example, prompt_tokens=count)]) for count in (11, 1))
    assert (short.tokens, long.tokens) == (1, 11)
    assert short.kl_base != pytest.approx(long.kl_base)


def test_the_share_done_rises_to_one(llama_path: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    draft = draft_of(llama_path)
    measure(draft, read_adapter(write_adapter(tmp_path / "adapter", llama_path), draft.base), EXAMPLES, shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_llama_cpp_applies_the_adapter_as_mlx_does(base_path: Path, tmp_path: Path) -> None:
    """So what the merge is measured by is the adapter that was trained."""
    adapter = write_adapter(tmp_path / "adapter", base_path, blocks=(0, 1), size=0.15)
    file, ids = GgufFile.open(base_path), EXAMPLES[0].ids
    write_lora(tmp_path / "adapter.lora", file.architecture, map(_factors, read_adapter(adapter, file)))
    with LlamaModel.open(base_path, context_tokens=len(ids), lora=tmp_path / "adapter.lora") as model:
        found = {adapted: model.logits(ids, 0, adapted=adapted) for adapted in (True, False)}
    for adapted, wanted in ((True, mlx_logits(base_path, ids, adapter)), (False, mlx_logits(base_path, ids))):
        assert np.sqrt(np.mean((found[adapted] - wanted) ** 2)) / wanted.std() < ROUNDED_KEYS
    assert np.sqrt(np.mean((found[True] - found[False]) ** 2)) / found[False].std() > 20 * ROUNDED_KEYS


def test_the_adapters_file_is_private_and_gone_afterwards(llama_path: Path, tmp_path: Path) -> None:
    draft, adapter = draft_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    file, modes = draft.path.with_suffix(ADAPTER_SUFFIX), []
    updates = read_adapter(adapter, draft.base)
    measure(draft, updates, EXAMPLES, lambda _: modes.append(file.stat().st_mode & 0o777))
    assert set(modes) == {0o600}
    assert not file.exists()


def test_a_draft_that_llama_cpp_cannot_read_is_told_by_its_name(llama_path: Path, tmp_path: Path) -> None:
    draft = draft_of(llama_path)
    draft.path.write_bytes(b"GGUF, or not")
    updates = read_adapter(write_adapter(tmp_path / "adapter", llama_path), draft.base)
    with pytest.raises(InputError, match=f"{draft.path} cannot be loaded by llama.cpp"):
        measure(draft, updates, EXAMPLES)
    assert not draft.path.with_suffix(ADAPTER_SUFFIX).exists()


def test_one_module_and_one_token_are_enough(llama_path: Path, tmp_path: Path) -> None:
    adapter = save_factors(tmp_path / "adapter", {"model.layers.0.self_attn.v_proj": (32, 64)}, size=0.2)
    draft = merged_exactly(llama_path, adapter)
    retention = measure(draft, read_adapter(adapter, draft.base), [Example((30, 31), 1)])
    assert retention.tokens == 1
    assert retention.kept == pytest.approx(1, abs=1e-3)


def test_what_is_kept_is_told_by_output_type(llama_path: Path, tmp_path: Path) -> None:
    draft, adapter = draft_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    updates = read_adapter(adapter, draft.base)
    assert measure(draft, updates, EXAMPLES).by_type == {}
    types = ("brief", None, "brief")
    of_types = [replace(example, output_type=name) for example, name in zip(EXAMPLES, types, strict=True)]
    found = measure(draft, updates, of_types).by_type
    assert found.keys() == {"brief", "other"}
    assert found["other"] == pytest.approx(measure(draft, updates, of_types[1:2]).kept or 0, abs=1e-6)


@pytest.mark.skipif(not rounds_activations(), reason="llama.cpp computes on a GPU here")
def test_activations_are_not_rounded_where_it_is_measured(tmp_path: Path) -> None:
    """A file and its copy with fp32 tensors say the same; llama.cpp on a CPU says something else for them."""
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q8_0")
    adapter = write_adapter(tmp_path / "adapter", base, blocks=(0, 1))
    draft = draft_of(base)
    updates = read_adapter(adapter, draft.base)
    with comparable(draft, updates) as (served, _):
        found = {path: logits_of(path, EXAMPLES[0].ids) for path in (base, served)}
    wanted = mlx_logits(base, EXAMPLES[0].ids)
    errors = {path: float(np.abs(logits - wanted).max()) for path, logits in found.items()}
    assert errors[served] < errors[base] / 3
    assert measure(draft, updates, EXAMPLES).expanded


def logits_of(path: Path, ids: Sequence[int]) -> np.ndarray[Any, Any]:
    with LlamaModel.open(path, context_tokens=len(ids)) as model:
        return model.logits(ids, 0)


def test_nothing_is_left_of_the_copies(llama_path: Path, tmp_path: Path) -> None:
    draft, adapter = draft_of(llama_path), write_adapter(tmp_path / "adapter", llama_path)
    before = set(tmp_path.iterdir())
    measured(draft, adapter)
    assert set(tmp_path.iterdir()) == before


def test_without_room_for_copies_the_files_themselves_are_measured(
    llama_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapterd.merging.kept_update.EXPANDED_BYTES", 0)
    adapter = write_adapter(tmp_path / "adapter", llama_path)
    retention = measured(merged_exactly(llama_path, adapter), adapter)
    assert not retention.expanded
    assert retention.kept == pytest.approx(1, abs=1e-3)
