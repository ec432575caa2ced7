"""The worker of a distributed training, one per rank, started by `mlx.launch`:
`python -P -m adapterd.training.distributed.worker FILE`.

Rank 0 has the run's folder. The others get everything but the base from it; the base has to be on their machines, too.
It speaks in the messages of `system.child.messages`: progress and result come from rank 0, errors from any rank.
"""

import json
import os
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings, settings_converter
from adapterd.errors import AdapterdError, InputError, StageError
from adapterd.formats.adapter_files import CONFIG, WEIGHTS
from adapterd.home import Home
from adapterd.system.child.messages import Channel, end_with_parent
from adapterd.system.files import sha256_file
from adapterd.training.checkpoints.checkpoint import CHECKPOINT
from adapterd.training.hidden_state_cache import HiddenStateCache
from adapterd.training.process_group import ProcessGroup
from adapterd.training.progress import TrainingProgress
from adapterd.training.train import train

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,255}")


@dataclass(frozen=True)
class Assignment:
    """What to train, with the paths of rank 0's machine. `parent` is the id of the process that launched the training,
    `base_mark` the base's inode, size in bytes and time of writing in ns there, `context_tokens` the context it is
    served with."""

    gguf: str
    base_digest: str
    base_mark: list[int]
    context_tokens: int | None
    dataset: str
    settings: dict[str, Any]
    out: str
    cache: str
    cache_bytes: int
    start: str | None
    parent: int

    @classmethod
    def of(
        cls,
        gguf: Path,
        base_digest: str,
        context_tokens: int | None,
        dataset: Path,
        settings: TrainingSettings,
        out: Path,
        cache: Path,
        start: Path | None,
    ) -> "Assignment":
        """An assignment whose parent is this process."""
        return cls(
            gguf=str(gguf),
            base_digest=base_digest,
            base_mark=_mark(gguf),
            context_tokens=context_tokens,
            dataset=str(dataset),
            settings=settings_converter().unstructure(settings),
            out=str(out),
            cache=str(cache),
            cache_bytes=int(settings.cache_gb * 1e9),
            start=str(start) if start else None,
            parent=os.getpid(),
        )


def main() -> int:
    """Train; the exit status is 0 only if nothing went wrong."""
    channel, group = Channel(), ProcessGroup.join()
    given = Path(sys.argv[1])
    assignment = Assignment(**json.loads(group.broadcast(given.read_bytes() if group.rank == 0 else b"")))
    # `mlx.launch` closes our standard input when it goes, but does not notice when the process goes that started it.
    end_with_parent(assignment.parent if group.rank == 0 else None)
    source = f"rank {group.rank}" if group.rank else ""
    try:
        result = _train(assignment, group, channel)
    except AdapterdError as exc:
        channel.send_error(exc, source=source)
        return 1
    except Exception as exc:  # a person reads one sentence, the log has the rest
        channel.send_error(StageError(f"{type(exc).__name__}: {exc}"), source=source)
        raise
    if group.rank == 0:
        channel.send_result(result)
    return 0


def _train(assignment: Assignment, group: ProcessGroup, channel: Channel) -> dict[str, Any]:
    settings = settings_converter().structure(assignment.settings, TrainingSettings)
    with tempfile.TemporaryDirectory() as scratch:
        if group.rank == 0:
            dataset, out, start = (Path(each or "") for each in (assignment.dataset, assignment.out, assignment.start))
        else:
            dataset, out, start = (Path(scratch) / name for name in ("dataset", "out", "start"))
        _broadcast_files(dataset, sorted(dataset.glob("*.jsonl")), group)
        _broadcast_files(out, [out / CHECKPOINT], group)
        if assignment.start:
            _broadcast_files(start, [start / WEIGHTS, start / CONFIG], group)
        base = _base(assignment, group)
        cache = HiddenStateCache(_cache_folder(assignment), assignment.cache_bytes)
        result = train(
            base, dataset, settings, out, partial(_report, channel) if group.rank == 0 else lambda _: None,
            base_digest=assignment.base_digest, cache=cache, start=start if assignment.start else None, group=group,
        )  # fmt: skip
    return asdict(result)


def _broadcast_files(folder: Path, files: list[Path], group: ProcessGroup) -> None:
    """Send those of the files that exist from rank 0 to all others; only rank 0 looks at `files`."""
    names = [file.name for file in files if file.is_file()]
    names = checked_names(json.loads(group.broadcast(json.dumps(names).encode())))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        content = group.broadcast((folder / name).read_bytes() if group.rank == 0 else b"")
        if group.rank:
            (folder / name).write_bytes(content)


def checked_names(names: Any) -> list[str]:
    """Names of files that another machine has sent; raises StageError for one that leads anywhere else."""
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_plain(name) for name in names):
        raise StageError(f"rank 0 sent names of files that lead out of their folder: {names!r:.200}")
    return names


def _is_plain(name: str) -> bool:
    return name not in (".", "..") and _PLAIN.fullmatch(name) is not None


def _cache_folder(assignment: Assignment) -> Path:
    """Rank 0's folder of the hidden state cache; on a machine that has no such place, that of its own home."""
    theirs = Path(assignment.cache)
    return theirs if theirs.parent.parent.is_dir() else Home.locate().states


def _base(assignment: Assignment, group: ProcessGroup) -> GgufFile:
    """The base on this machine: the same path, or Ollama's blob of that digest; raises InputError where some rank has
    none, or another file there."""
    hexadecimal = assignment.base_digest.removeprefix("sha256:")
    models = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    places = [Path(assignment.gguf), models / "blobs" / f"sha256-{hexadecimal}"]
    found = next((place for place in places if os.access(place, os.R_OK)), None)
    fault = ""
    if found is None:
        fault = f"rank {group.rank} has no base: {' and '.join(map(str, places))} are not there"
    elif _mark(found) != assignment.base_mark and sha256_file(found) != hexadecimal:
        fault = f"rank {group.rank} has another base: {found} is not {assignment.base_digest}"
    if fault := group.first_fault(fault):
        raise InputError(fault, hint="pull the same base on every machine of training.hosts")
    return GgufFile.open(found or places[0], context_tokens=assignment.context_tokens)


def _mark(file: Path) -> list[int]:
    """Equal marks mean the same file, which then need not be read."""
    status = file.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _report(channel: Channel, progress: TrainingProgress) -> None:
    channel.announce(**asdict(progress))


if __name__ == "__main__":
    sys.exit(main())
