"""What the blocks below the adapter make of an example: computed once, kept on disk, read in every epoch.

Those blocks are frozen, so their states never change for the same base and the same ids, in this training or in any
later one. Kept are fp16 values where a model computes in fp32 and they fit (to 11 bits; the loss curve is the same to
the fourth digit, see bench), else what was computed.
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
from adapterd.base.mlx.streams import ONE_LANE, Lanes
from adapterd.system.files import atomic_path
from adapterd.training.data import Batch, Example, Forward
from adapterd.training.process_group import ALONE, Ranks

Ids = tuple[int, ...]
FORMAT = 1
SHARE_OF_FREE = 0.5
"""Of the disk's free space, what states may take at most."""
LARGEST = 32_768.0
"""Half of what fp16 can hold; some models have a few values that are a thousand times the others."""
_NAME = "states"
_OVERHEAD_BYTES = 256

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeptStates:
    """A folder of states for all bases, `limit_bytes` at most; what was used longest ago goes first."""

    folder: Path
    limit_bytes: int

    def of(self, base_digest: str, blocks: int) -> "StatesOfBase":
        """Those that the lowest `blocks` blocks of a base make."""
        return StatesOfBase(self, self.folder / f"{base_digest.removeprefix('sha256:')}-{blocks}-{FORMAT}")

    def make_room(self, in_use: Iterable[Path], wanted_bytes: int) -> bool:
        """Remove what others used longest ago until there is room for so much more; whether there is."""
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
class StatesOfBase:
    """The states that some of the lowest blocks of one base make, by the ids they are made of."""

    kept: KeptStates
    folder: Path

    def path(self, ids: Sequence[int]) -> Path:
        """Where those of such ids are, or would be."""
        return self.folder / f"{hashlib.sha256(np.asarray(ids, np.uint32).tobytes()).hexdigest()}.safetensors"

    def read(self, ids: Sequence[int]) -> mx.array | None:
        """States (ids, width), or None where there are none that can be read."""
        path = self.path(ids)
        try:
            loaded: Any = mx.load(str(path))
            states: mx.array = loaded[_NAME]
            mx.eval(states)
        except (OSError, RuntimeError, ValueError, KeyError):
            return None
        return states if states.ndim == 2 and len(states) == len(ids) else None

    def use(self, ids: Sequence[int]) -> bool:
        """Say that they are used now; whether there are any that can be."""
        if self.read(ids) is None:
            return False
        os.utime(self.path(ids))
        return True

    def write(self, ids: Sequence[int], states: mx.array) -> None:
        """Keep states (ids, width)."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(self.path(ids)) as partial, partial.open("wb") as file:
            mx.save_safetensors(file, {_NAME: states})


class Prefix:
    """The frozen blocks below the adapter, `blocks` of them, for the examples of one training."""

    def __init__(self, source: BlockwiseModel, blocks: int, states: StatesOfBase, ranks: Ranks = ALONE) -> None:
        self.blocks = blocks
        self._source, self._states, self._ranks = source, states, ranks

    def prepare(
        self, examples: Sequence[Example], report: Callable[[int, int], object], lanes: Lanes = ONE_LANE
    ) -> bool:
        """Compute what is not kept yet, each example by itself, so that what others there are makes no difference.

        `report` gets how many of how many are done. Returns whether all are kept, by every rank: not so where there is
        no room.
        """
        return not self._ranks.first_fault("" if self._prepare(examples, report, lanes) else "no room")

    def _prepare(self, examples: Sequence[Example], report: Callable[[int, int], object], lanes: Lanes) -> bool:
        wanted = list(dict.fromkeys(map(_read, examples)))
        missing = [ids for ids in wanted if not self._states.use(ids)]
        if not self._room_for(missing, wanted):
            return False
        if not missing:
            return True
        # Ranks of one machine have one folder: each begins somewhere else, and leaves out what another one did.
        first = len(missing) * self._ranks.rank // self._ranks.size
        order = missing[first:] + missing[:first]

        def left() -> Iterator[Ids]:
            for done, ids in enumerate(order):
                report(done, len(missing))
                if self._ranks.size == 1 or not self._states.use(ids):
                    yield ids

        with self._source.loaded(0, self.blocks) as model, Blocks.only(model, 0, self.blocks) as blocks:
            for ids, states in lanes.map(lambda ids: (ids, blocks.run(mx.array([ids]), None)[0]), left()):
                if not self._keep(ids, states):
                    return False
        return True

    def forward_by(self, above: Blocks) -> Forward:
        """From the states to the top."""
        return lambda _model, batch: above.run(batch.inputs, self.states(batch), batch.start)

    def states(self, batch: Batch) -> mx.array:
        """States (examples, positions, width) before the adapter's first block, zeros behind the shorter examples."""
        rows = [self._of(example) for example in batch.examples]
        width = batch.inputs.shape[1]
        padded = [mx.pad(row, [(0, width - len(row)), (0, 0)]) for row in rows]
        return mx.stack(padded).astype(self._source.dtype)

    def _of(self, example: Example) -> mx.array:
        states = self._states.read(_read(example))
        if states is None:
            raise FileNotFoundError(f"{self._states.path(_read(example))} is gone or damaged while it is needed")
        return states

    def _room_for(self, missing: Sequence[Ids], wanted: Sequence[Ids]) -> bool:
        self._states.kept.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        value_bytes = self._source.width * 2
        missing_bytes = sum(len(ids) * value_bytes + _OVERHEAD_BYTES for ids in missing)
        if self._states.kept.make_room(map(self._states.path, wanted), missing_bytes):
            return True
        log.warning(
            "the states below the adapter are not kept, as there is no room for %.1f GB; training takes longer",
            missing_bytes / 1e9,
        )
        return False

    def _keep(self, ids: Ids, states: mx.array) -> bool:
        fits = states.dtype != mx.float32 or float(mx.abs(states).max().item()) >= LARGEST  # type: ignore[arg-type]
        try:
            self._states.write(ids, states if fits else states.astype(mx.float16))
        except OSError as exc:
            log.warning("the states below the adapter are not kept, training takes longer: %s", exc)
            return False
        return True


def _read(example: Example) -> Ids:
    """The ids that a model reads: the last one is only ever to be foretold."""
    return example.ids[:-1]
