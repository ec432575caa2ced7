"""The hidden state cache: computed once, read in every epoch, evicted, damaged, and left out."""

import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
import pytest

from adapterd.base.architectures import ARCHITECTURES
from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel, hidden_states, load_mlx_model
from adapterd.formats.encoded import EncodedExample
from adapterd.formats.hidden_states import records_in
from adapterd.training import hidden_state_cache
from adapterd.training.data import CompletionBatch
from adapterd.training.hidden_state_cache import FrozenBlocks, HiddenStateCache
from tests.support.tiny_gguf import write_tiny_gguf

LAYERS, BELOW = 4, 3
DIGEST = "sha256:" + "5" * 64
PLENTY = 1 << 30
EXAMPLES = [
    EncodedExample(tuple(np.random.default_rng(number).integers(20, 500, length).tolist()), 4, f"record-{number}")
    for number, length in enumerate((9, 24, 16))
]


class Asked(NamedTuple):
    """How many of how many were done, each time somebody was told."""

    done: int
    out_of: int


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GgufFile:
    path = tmp_path_factory.mktemp("base") / "tiny.gguf"
    return GgufFile.open(write_tiny_gguf(path, architecture=request.param, layers=LAYERS))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> GgufFile:
    return GgufFile.open(write_tiny_gguf(tmp_path_factory.mktemp("llama") / "tiny.gguf", layers=LAYERS))


def frozen_blocks_of(
    base: GgufFile, kept: HiddenStateCache, digest: str = DIGEST, dtype: mx.Dtype = mx.float32
) -> FrozenBlocks:
    return FrozenBlocks(BlockwiseModel(base, dtype=dtype), BELOW, kept.of(digest, BELOW))


def computed_by(prefix: FrozenBlocks, examples: list[EncodedExample] = EXAMPLES) -> tuple[bool, list[Asked]]:
    told: list[Asked] = []
    return prefix.prepare(examples, lambda *numbers: told.append(Asked(*numbers))), told


def files(kept: HiddenStateCache) -> Iterator[Path]:
    return kept.folder.glob("*/*")


def test_the_blocks_above_compute_from_cached_states_what_the_whole_model_does(base: GgufFile, tmp_path: Path) -> None:
    prefix = frozen_blocks_of(base, HiddenStateCache(tmp_path, PLENTY))
    assert computed_by(prefix)[0]
    batch = CompletionBatch.of(EXAMPLES)
    model = load_mlx_model(base, dtype=mx.float32)
    with Blocks.only(model, BELOW) as above:
        ours = np.array(prefix.forward_by(above)(model, batch)).reshape(-1, model.args.hidden_size)
    whole = np.array(hidden_states(model, batch.inputs)[:, batch.start :]).reshape(ours.shape)
    learned = np.array(batch.positions)
    np.testing.assert_allclose(ours[learned], whole[learned], rtol=0.01, atol=0.01)


def test_hidden_states_are_computed_once_for_all_trainings(llama: GgufFile, tmp_path: Path) -> None:
    kept = HiddenStateCache(tmp_path, PLENTY)
    assert computed_by(frozen_blocks_of(llama, kept), EXAMPLES[:2]) == (True, [Asked(0, 2), Asked(1, 2)])
    assert computed_by(frozen_blocks_of(llama, kept)) == (True, [Asked(0, 1)])
    assert computed_by(frozen_blocks_of(llama, kept)) == (True, [])


def test_a_file_names_the_records_that_its_ids_are_of(llama: GgufFile, tmp_path: Path) -> None:
    kept = HiddenStateCache(tmp_path, PLENTY)
    same_ids = replace(EXAMPLES[0], record="record-again")
    computed_by(frozen_blocks_of(llama, kept), [*EXAMPLES[:2], same_ids])
    named = {records_in(file) for file in files(kept)}
    assert named == {frozenset({"record-0", "record-again"}), frozenset({"record-1"})}


def test_hidden_states_are_cached_by_base_and_number_of_blocks(llama: GgufFile, tmp_path: Path) -> None:
    kept = HiddenStateCache(tmp_path, PLENTY)
    computed_by(frozen_blocks_of(llama, kept))
    assert len(computed_by(frozen_blocks_of(llama, kept, digest="sha256:" + "6" * 64))[1]) == len(EXAMPLES)
    fewer = FrozenBlocks(BlockwiseModel(llama, dtype=mx.float32), BELOW - 1, kept.of(DIGEST, BELOW - 1))
    assert len(computed_by(fewer)[1]) == len(EXAMPLES)


@pytest.mark.parametrize("kept_bytes", [1, PLENTY], ids=["one text at a time", "all together"])
def test_hidden_states_are_the_same_where_only_one_block_fits_into_memory(
    llama: GgufFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int
) -> None:
    monkeypatch.setattr(hidden_state_cache, "KEPT_BYTES", kept_bytes)
    whole, apart = (HiddenStateCache(tmp_path / name, PLENTY) for name in ("whole", "apart"))
    source = BlockwiseModel(llama, dtype=mx.float32)
    loaded: list[set[str]] = []
    load = source._loader.fill

    def fill(names: Iterable[str]) -> None:
        loaded.append(blocks_in(names))
        load(names)

    monkeypatch.setattr(source._loader, "fill", fill)
    computed_by(frozen_blocks_of(llama, whole))
    parts = [range(index, index + 1) for index in range(BELOW)]
    assert computed_by(FrozenBlocks(source, BELOW, apart.of(DIGEST, BELOW), parts=parts))[0]
    assert max(map(len, loaded)) == 1
    for example in EXAMPLES:
        ours, theirs = (kept.of(DIGEST, BELOW).path(example.ids[:-1]).read_bytes() for kept in (apart, whole))
        assert ours == theirs


def blocks_in(names: Iterable[str]) -> set[str]:
    """The blocks that some parameters belong to."""
    return {name.split(".")[2] for name in names if name.startswith("model.layers.")}


def test_hidden_states_do_not_depend_on_the_other_examples(llama: GgufFile, tmp_path: Path) -> None:
    alone, together = (HiddenStateCache(tmp_path / name, PLENTY) for name in ("alone", "together"))
    computed_by(frozen_blocks_of(llama, alone), EXAMPLES[:1])
    computed_by(frozen_blocks_of(llama, together))
    path = alone.of(DIGEST, BELOW).path(EXAMPLES[0].ids[:-1])
    assert path.read_bytes() == together.of(DIGEST, BELOW).path(EXAMPLES[0].ids[:-1]).read_bytes()


@pytest.mark.parametrize(
    ("dtype", "largest", "expected"),
    [
        (mx.float32, 3.0, mx.float16),
        (mx.float32, 5e4, mx.float32),
        (mx.float32, -5e4, mx.float32),
        (mx.bfloat16, 3.0, mx.bfloat16),
    ],
)
def test_values_beyond_fp16_are_stored_as_computed(
    llama: GgufFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: mx.Dtype, largest: float, expected: Any
) -> None:
    prefix, kept = (
        frozen_blocks_of(llama, HiddenStateCache(tmp_path, PLENTY), dtype=dtype),
        HiddenStateCache(tmp_path, PLENTY),
    )
    whole = Blocks.run

    def with_a_spike(self: Blocks, ids: mx.array, states: mx.array | None) -> mx.array:
        return whole(self, ids, states).astype(dtype).at[0, 0, 0].multiply(0).at[0, 0, 0].add(largest)

    monkeypatch.setattr(Blocks, "run", with_a_spike)
    computed_by(prefix, EXAMPLES[:1])
    states = kept.of(DIGEST, BELOW).read(EXAMPLES[0].ids[:-1])
    assert states is not None
    assert states.dtype == expected
    assert states[0, 0].item() == pytest.approx(largest, rel=1e-3)


@pytest.mark.parametrize("damage", [b"", b"half", None], ids=["empty", "no file of states", "cut short"])
def test_a_damaged_file_is_computed_again(llama: GgufFile, tmp_path: Path, damage: bytes | None) -> None:
    kept = HiddenStateCache(tmp_path, PLENTY)
    computed_by(frozen_blocks_of(llama, kept))
    path = kept.of(DIGEST, BELOW).path(EXAMPLES[1].ids[:-1])
    before = path.read_bytes()
    path.write_bytes(before[:-40] if damage is None else damage)
    assert computed_by(frozen_blocks_of(llama, kept)) == (True, [Asked(0, 1)])
    assert path.read_bytes() == before


def test_the_least_recently_used_files_are_evicted_first(llama: GgufFile, tmp_path: Path) -> None:
    kept = HiddenStateCache(tmp_path, PLENTY)
    computed_by(frozen_blocks_of(llama, kept))
    old, used, new = (kept.of(DIGEST, BELOW).path(example.ids[:-1]) for example in EXAMPLES)
    for age_s, path in ((300, old), (200, used), (100, new)):
        os.utime(path, (path.stat().st_atime - age_s,) * 2)
    more = EncodedExample(tuple(range(30, 44)), 4, "more")
    size = sum(path.stat().st_size for path in (used, new))
    assert computed_by(frozen_blocks_of(llama, replace(kept, limit_bytes=size + 2200)), [EXAMPLES[1], more])[0]
    assert not old.exists()
    assert used.exists()
    assert kept.of(DIGEST, BELOW).path(more.ids[:-1]).exists()


def test_without_space_nothing_is_cached_and_the_log_says_so(
    llama: GgufFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level(logging.WARNING):
        assert computed_by(frozen_blocks_of(llama, HiddenStateCache(tmp_path, 1000))) == (False, [])
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        assert computed_by(frozen_blocks_of(llama, HiddenStateCache(tmp_path, PLENTY))) == (False, [])
    assert list(files(HiddenStateCache(tmp_path, PLENTY))) == []
    assert all("no space" in message for message in caplog.messages)
    assert len(caplog.messages) == 2


def test_a_full_disk_disables_the_cache(
    llama: GgufFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mx, "save_safetensors", full)
    with caplog.at_level(logging.WARNING):
        assert computed_by(frozen_blocks_of(llama, HiddenStateCache(tmp_path, PLENTY)))[0] is False
    assert list(files(HiddenStateCache(tmp_path, PLENTY))) == []
    assert "No space left on device" in caplog.messages[0]
