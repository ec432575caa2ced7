"""The hidden state cache: the outputs of the frozen blocks below the adapter, computed once and read in every epoch.

Those blocks are frozen, so their outputs for the same base and ids are the same in this training and in any later one.
Values are stored as fp16 where a model computes in fp32 and they fit (to 11 bits; the loss curve is the same to the
fourth digit, see bench), else as computed.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from adapterd.base.mlx.blocks import Blocks
from adapterd.base.mlx.model import BlockwiseModel
from adapterd.base.mlx.streams import SINGLE_STREAM, ParallelStreams
from adapterd.formats.encoded import EncodedExample
from adapterd.formats.hidden_states import metadata_of
from adapterd.system.files import atomic_path
from adapterd.training.data import CompletionBatch, Forward
from adapterd.training.memory import KEPT_BYTES
from adapterd.training.process_group import SINGLE_PROCESS, ProcessGroup

Ids = tuple[int, ...]
FORMAT = 1
SHARE_OF_FREE = 0.5
"""The share of the disk's free space that the cache may take."""
LARGEST = 32_768.0
"""Half of the fp16 range; some models have a few values that are a thousand times the others."""
_NAME = "states"
_OVERHEAD_BYTES = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HiddenStateCache:
    """A folder of hidden states for all bases, `limit_bytes` at most; the least recently used are evicted first."""

    folder: Path
    limit_bytes: int

    def of(self, base_digest: str, blocks: int) -> "BaseHiddenStates":
        """The hidden states after the lowest `blocks` blocks of a base."""
        return BaseHiddenStates(self, self.folder / f"{base_digest.removeprefix('sha256:')}-{blocks}-{FORMAT}")

    def free_space(self, in_use: Iterable[Path], wanted_bytes: int) -> bool:
        """Evict the least recently used files that are not `in_use` until `wanted_bytes` more fit; whether they do."""
        held = {path: path.stat() for path in self.folder.glob("*/*.safetensors")}
        free = shutil.disk_usage(self.folder).free
        spared = set(in_use)
        kept_bytes = sum(status.st_size for status in held.values())
        others = sorted((path for path in held if path not in spared), key=lambda path: held[path].st_mtime)
        others_bytes = sum(held[path].st_size for path in others)
        if kept_bytes - others_bytes + wanted_bytes > self.limit_bytes:
            return False
        if wanted_bytes > (free + others_bytes) * SHARE_OF_FREE:
            return False
        for path in others:
            if kept_bytes + wanted_bytes <= self.limit_bytes and wanted_bytes <= free * SHARE_OF_FREE:
                break
            path.unlink(missing_ok=True)
            kept_bytes -= held[path].st_size
            free += held[path].st_size
        return True


@dataclass(frozen=True)
class BaseHiddenStates:
    """The hidden states after some of the lowest blocks of one base, by ids."""

    cache: HiddenStateCache
    folder: Path

    def path(self, ids: Sequence[int]) -> Path:
        """The file for these ids."""
        return self.folder / f"{hashlib.sha256(np.asarray(ids, np.uint32).tobytes()).hexdigest()}.safetensors"

    def read(self, ids: Sequence[int]) -> mx.array | None:
        """Hidden states (ids, width), or None if there is no readable file."""
        path = self.path(ids)
        try:
            loaded: Any = mx.load(str(path))
            states: mx.array = loaded[_NAME]
            mx.eval(states)
        except (OSError, RuntimeError, ValueError, KeyError):
            return None
        return states if states.ndim == 2 and len(states) == len(ids) else None

    def use(self, ids: Sequence[int]) -> bool:
        """Mark the file as used now; whether there is a readable one."""
        if self.read(ids) is None:
            return False
        os.utime(self.path(ids))
        return True

    def write(self, ids: Sequence[int], states: mx.array, records: Iterable[str]) -> None:
        """Store hidden states (ids, width) with the content hashes of the records that the ids are of."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(self.path(ids)) as partial, partial.open("wb") as file:
            mx.save_safetensors(file, {_NAME: states}, metadata_of(records))


class FrozenBlocks:
    """The `blocks` frozen blocks below the adapter, with cached outputs for the examples of one training.

    `parts` are these blocks in ranges that fit into memory by themselves: through one range all examples go as they
    come, with more than one each goes through the next range once all have been through the one before.
    """

    def __init__(
        self,
        source: BlockwiseModel,
        blocks: int,
        states: BaseHiddenStates,
        group: ProcessGroup = SINGLE_PROCESS,
        parts: Sequence[range] = (),
    ) -> None:
        self.blocks = blocks
        self._parts = parts or (range(blocks),)
        self._source, self._states, self._group = source, states, group
        self._left_out: set[Ids] = set()

    def prepare(
        self,
        examples: Sequence[EncodedExample],
        report: Callable[[int, int], object],
        streams: ParallelStreams = SINGLE_STREAM,
        goes_on: Callable[[int], bool] = lambda _computed: True,
    ) -> bool:
        """Compute the outputs that are not cached yet, each example by itself, so that none depends on the others, in
        order, as long as it `goes_on`, which is asked with the number of those that were begun.

        `report` gets how many of how many are done. Returns whether all that were to be computed are cached in every
        process; they are not if the limit or the disk is too small.
        """
        return not self._group.first_fault("" if self._prepare(examples, report, streams, goes_on) else "no space")

    def has(self, example: EncodedExample) -> bool:
        """Whether an example that was to be prepared is not one for which there was no time."""
        return _input_ids(example) not in self._left_out

    def leave_out(self, examples: Iterable[EncodedExample]) -> None:
        """Examples that are not to be prepared."""
        self._left_out.update(map(_input_ids, examples))

    def _prepare(
        self,
        examples: Sequence[EncodedExample],
        report: Callable[[int, int], object],
        streams: ParallelStreams,
        goes_on: Callable[[int], bool],
    ) -> bool:
        records: dict[Ids, set[str]] = {}
        for example in examples:
            records.setdefault(_input_ids(example), set()).add(example.record)
        wanted = [ids for ids in records if ids not in self._left_out]
        missing = [ids for ids in wanted if not self._states.use(ids)]
        if not self._has_space_for(missing, wanted):
            return False
        if not missing:
            return True
        # ProcessGroup of one machine have one folder: each begins somewhere else, and leaves out what another one did.
        first = len(missing) * self._group.rank // self._group.world_size
        order = missing[first:] + missing[:first]

        def left() -> Iterator[Ids]:
            for done, ids in enumerate(order):
                if not goes_on(done):
                    self._left_out.update(order[done:])
                    return
                report(done, len(missing))
                if self._group.world_size == 1 or not self._states.use(ids):
                    yield ids

        return all(self._store(ids, states, records[ids]) for ids, states in self._outputs(left(), streams))

    def _outputs(self, texts: Iterable[Ids], streams: ParallelStreams) -> Iterator[tuple[Ids, mx.array]]:
        """Each text with its states (ids, width) after the frozen blocks."""
        size = self._source.width * self._source.dtype.size
        together = [texts] if len(self._parts) == 1 else batched_by_size(texts, lambda ids: len(ids) * size, KEPT_BYTES)
        for some in together:
            states: Iterable[tuple[Ids, mx.array | None]] = ((ids, None) for ids in some)
            for part in self._parts:
                through = self._through(part, states, streams)
                if part is self._parts[-1]:
                    yield from through
                else:
                    states = list(through)

    def _through(
        self, part: range, given: Iterable[tuple[Ids, mx.array | None]], streams: ParallelStreams
    ) -> Iterator[tuple[Ids, mx.array]]:
        start, end = part.start, part.stop
        with self._source.loaded(start, end) as model, Blocks.only(model, start, end) as blocks:

            def computed(pair: tuple[Ids, mx.array | None]) -> tuple[Ids, mx.array]:
                ids, before = pair
                return ids, blocks.run(mx.array([ids]), None if before is None else before[None])[0]

            yield from streams.map(computed, given)

    def forward_by(self, above: Blocks) -> Forward:
        """The forward pass from the cached states through the blocks above."""
        return lambda _model, batch: above.run(batch.inputs, self.states(batch), batch.start)

    def states(self, batch: CompletionBatch) -> mx.array:
        """Hidden states (examples, positions, width) before the adapter's first block, padded with zeros."""
        rows = [self._of(example) for example in batch.examples]
        width = batch.inputs.shape[1]
        padded = [mx.pad(row, [(0, width - len(row)), (0, 0)]) for row in rows]
        return mx.stack(padded).astype(self._source.dtype)

    def _of(self, example: EncodedExample) -> mx.array:
        states = self._states.read(_input_ids(example))
        if states is None:
            raise FileNotFoundError(f"{self._states.path(_input_ids(example))} is gone or damaged while it is needed")
        return states

    def _has_space_for(self, missing: Sequence[Ids], wanted: Sequence[Ids]) -> bool:
        self._states.cache.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        value_bytes = self._source.width * 2
        missing_bytes = sum(len(ids) * value_bytes + _OVERHEAD_BYTES for ids in missing)
        if self._states.cache.free_space(map(self._states.path, wanted), missing_bytes):
            return True
        log.warning(
            "hidden states are not cached, as there is no space for %.1f GB; training takes longer",
            missing_bytes / 1e9,
        )
        return False

    def _store(self, ids: Ids, states: mx.array, records: Iterable[str]) -> bool:
        fits = states.dtype != mx.float32 or float(mx.abs(states).max().item()) >= LARGEST  # type: ignore[arg-type]
        try:
            self._states.write(ids, states if fits else states.astype(mx.float16), records)
        except OSError as exc:
            log.warning("hidden states are not cached, training takes longer: %s", exc)
            return False
        return True


def batched_by_size(texts: Iterable[Ids], bytes_of: Callable[[Ids], int], limit_bytes: int) -> Iterator[list[Ids]]:
    """The texts in order, as many at a time as stay below the limit together, at least one."""
    some: list[Ids] = []
    held = 0
    for ids in texts:
        if some and held + bytes_of(ids) > limit_bytes:
            yield some
            some, held = [], 0
        some.append(ids)
        held += bytes_of(ids)
    if some:
        yield some


def _input_ids(example: EncodedExample) -> Ids:
    """The ids that the model reads; the last one is only a target."""
    return example.ids[:-1]
