"""Checkpoints: the whole state of a training after a step, in one file, from which a killed training resumes.

The file is safetensors followed by the SHA-256 of its bytes in hex. It is written beside the last one and renamed over
it, so weights and optimiser are always of the same step, and there is a checkpoint at every moment.
"""

import hashlib
import io
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from adapterd import __version__
from adapterd.config import Preferences, TrainingSettings
from adapterd.formats.adapter_files import WEIGHTS
from adapterd.formats.encoded import PAIRS, REPLAY, TRAIN, VALIDATION, VALIDATION_PAIRS
from adapterd.system.files import atomic_path, sha256_file

CHECKPOINT = "checkpoint.safetensors"
FORMAT = 2
"""1 had other names of the weights where they were trained with gradient checkpointing, and no optimiser's state before
the first step."""
_FILE, _IDENTITY, _STATE = "file/", "identity", "tally"
_DIGEST_BYTES = 64
_NOT_LEARNED = ("cache_gb", "gradient_checkpointing", "hosts", "provider", "data_may_leave")
"""Settings that change nothing of what is learned, but for rounding."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How often there is a checkpoint: `every_s` seconds and after every validation, but less often where writing
    would then take more than that `share` of the time, or more than so many `bytes_per_s` of a disk's life."""

    every_s: float = 20.0
    share: float = 0.01
    bytes_per_s: float = 4e6

    def pause_s(self, cost_s: float, size_bytes: int, *, validated: bool) -> float:
        """How long to wait after a checkpoint that took so long and is so large."""
        return max(0.0 if validated else self.every_s, cost_s / self.share, size_bytes / self.bytes_per_s)


DEFAULT_PACE = Pace()


@dataclass(frozen=True)
class Checkpoint:
    """A training after one step: the numbers of a TrainerState, arrays by name, and files beside it by name."""

    state: dict[str, Any]
    arrays: dict[str, mx.array]
    files: dict[str, bytes]


def identity(
    base_digest: str, dataset: Path, settings: TrainingSettings, below: int = 0, start: Path | None = None
) -> dict[str, Any]:
    """All that has to be the same for a training to go on as if it had not stopped, by what a person calls it; the
    lowest `below` blocks were computed beforehand, `start` is the folder of the adapter that it began at."""
    pairs = () if settings.preferences is Preferences.OFF else (PAIRS, VALIDATION_PAIRS)
    files = [dataset / name for name in (TRAIN, VALIDATION, REPLAY, *pairs)]
    return {
        "format": FORMAT,
        "version of adapterd": __version__,
        "version of MLX": [version("mlx"), version("mlx-lm")],
        "device": mx.default_device().type.name,
        "base model": base_digest,
        "settings": {name: value for name, value in asdict(settings).items() if name not in _NOT_LEARNED},
        "number of blocks computed beforehand": below,
        "adapter to begin at": sha256_file(start / WEIGHTS) if start and (start / WEIGHTS).exists() else None,
        "examples": [sha256_file(file) for file in files if file.exists()],
    }


class CheckpointFile:
    """The checkpoint in a folder: written when it is due, read only if it is whole and of the same `identity`."""

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        pace: Pace = DEFAULT_PACE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = folder / CHECKPOINT
        self._identity = json.loads(json.dumps(identity))
        self._pace, self._clock = pace, clock
        self._written_s, self._cost_s, self._size_bytes = clock(), 0.0, 0
        self._warned = False

    def read(self) -> Checkpoint | None:
        """The checkpoint, or None where there is none that can be used; the log says why."""
        try:
            return self._read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as exc:
            log.warning("training begins anew, as the checkpoint %s cannot be used: %s", self.path, exc)
            return None

    def keep(self, snapshot: Callable[[], Checkpoint], *, validated: bool) -> None:
        """Write what `snapshot` gives if it is time to; `validated` says that there was a validation just now.

        Training goes on where this is impossible (a full disk), which is logged once; the checkpoint before remains.
        """
        began_s = self._clock()
        if began_s - self._written_s < self._pace.pause_s(self._cost_s, self._size_bytes, validated=validated):
            return
        try:
            self._write(snapshot())
        except OSError as exc:
            if not self._warned:
                log.warning("training goes on without a new checkpoint: %s cannot be written: %s", self.path, exc)
            self._warned = True
        self._written_s = self._clock()
        self._cost_s = self._written_s - began_s

    def discard(self) -> None:
        """Remove it, so that the training begins anew the next time."""
        self.path.unlink(missing_ok=True)

    def _write(self, checkpoint: Checkpoint) -> None:
        files = {_FILE + name: mx.array(np.frombuffer(data, np.uint8)) for name, data in checkpoint.files.items()}
        metadata = {_IDENTITY: json.dumps(self._identity), _STATE: json.dumps(checkpoint.state)}
        with atomic_path(self.path) as partial:
            with partial.open("wb") as file:
                mx.save_safetensors(file, checkpoint.arrays | files, metadata)
            digest = sha256_file(partial)
            with partial.open("ab") as file:
                file.write(digest.encode())
            self._size_bytes = partial.stat().st_size

    def _read(self) -> Checkpoint:
        content = self.path.read_bytes()
        body = content[:-_DIGEST_BYTES]
        if hashlib.sha256(body).hexdigest().encode() != content[-_DIGEST_BYTES:]:
            raise ValueError("it is damaged")
        loaded: Any = mx.load(io.BytesIO(body), format="safetensors", return_metadata=True)
        arrays, metadata = loaded
        theirs = json.loads(metadata[_IDENTITY])
        if other := [name for name in self._identity if theirs.get(name) != self._identity[name]]:
            raise ValueError(f"it was made with another {', another '.join(other)}")
        mx.eval(arrays)
        files = {name.removeprefix(_FILE): arrays.pop(name) for name in list(arrays) if name.startswith(_FILE)}
        return Checkpoint(
            state=json.loads(metadata[_STATE]),
            arrays=arrays,
            files={name: np.array(data).tobytes() for name, data in files.items()},
        )
