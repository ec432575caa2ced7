"""One of several processes that train together, started by `mlx.launch`:
`python -P -m adapterd.training.distributed.worker FILE`.

Rank 0 has the run's folder. The others get everything but the base from it; the base has to be on their machines, too.
Each ends when its standard input does. Rank 0 speaks on standard output, in JSON lines; any rank says its errors there.
"""

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.config import TrainingSettings, settings_converter
from adapterd.errors import AdapterdError, InputError
from adapterd.home import Home
from adapterd.system.files import sha256_file
from adapterd.training.adapter_layers import CONFIG, WEIGHTS
from adapterd.training.checkpoint import CHECKPOINT
from adapterd.training.hidden_state_cache import KeptStates
from adapterd.training.process_group import Ranks
from adapterd.training.progress import TrainingProgress
from adapterd.training.train import train

LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Assignment:
    """What is to be trained, as rank 0's machine names it. `parent` is the process that asked for it, `base_mark` the
    base's inode there, its size in bytes, and when it was written, in ns, `context_tokens` what it is served with."""

    gguf: str
    base_digest: str
    base_mark: list[int]
    context_tokens: int | None
    dataset: str
    settings: dict[str, Any]
    out: str
    states: str
    states_bytes: int
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
        states: Path,
        start: Path | None,
    ) -> "Assignment":
        """One by this process."""
        return cls(
            gguf=str(gguf),
            base_digest=base_digest,
            base_mark=_mark(gguf),
            context_tokens=context_tokens,
            dataset=str(dataset),
            settings=settings_converter().unstructure(settings),
            out=str(out),
            states=str(states),
            states_bytes=int(settings.cache_gb * 1e9),
            start=str(start) if start else None,
            parent=os.getpid(),
        )


def main() -> int:
    """Train; the exit status is 0 only if nothing went wrong."""
    ranks = Ranks.launched()
    given = Path(sys.argv[1])
    assignment = Assignment(**json.loads(ranks.from_first(given.read_bytes() if ranks.rank == 0 else b"")))
    threading.Thread(target=_end_with_parent, args=(assignment.parent, ranks), daemon=True).start()
    try:
        result = _train(assignment, ranks)
    except AdapterdError as exc:
        _say({"error": {"kind": type(exc).__name__, "message": _named(str(exc), ranks), "hint": exc.hint}})
        return 1
    except Exception as exc:  # as the worker does: a person is told, the log has the rest
        _say({"error": {"kind": "StageError", "message": _named(f"{type(exc).__name__}: {exc}", ranks), "hint": ""}})
        raise
    if ranks.rank == 0:
        _say({"result": result})
    return 0


def _train(assignment: Assignment, ranks: Ranks) -> dict[str, Any]:
    settings = settings_converter().structure(assignment.settings, TrainingSettings)
    with tempfile.TemporaryDirectory() as scratch:
        if ranks.rank == 0:
            dataset, out, start = (Path(each or "") for each in (assignment.dataset, assignment.out, assignment.start))
        else:
            dataset, out, start = (Path(scratch) / name for name in ("dataset", "out", "start"))
        _hand_out(dataset, sorted(dataset.glob("*.jsonl")), ranks)
        _hand_out(out, [out / CHECKPOINT], ranks)
        if assignment.start:
            _hand_out(start, [start / WEIGHTS, start / CONFIG], ranks)
        base = _base(assignment, ranks)
        states = KeptStates(_states_folder(assignment), assignment.states_bytes)
        result = train(
            base, dataset, settings, out, _report if ranks.rank == 0 else lambda _: None,
            base_digest=assignment.base_digest, states=states, start=start if assignment.start else None, ranks=ranks,
        )  # fmt: skip
    return asdict(result)


def _hand_out(folder: Path, files: list[Path], ranks: Ranks) -> None:
    """Rank 0's files of these, to all the others; `files` are only looked at in rank 0."""
    names = [file.name for file in files if file.is_file()]
    names = json.loads(ranks.from_first(json.dumps(names).encode()))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        content = ranks.from_first((folder / name).read_bytes() if ranks.rank == 0 else b"")
        if ranks.rank:
            (folder / name).write_bytes(content)


def _states_folder(assignment: Assignment) -> Path:
    """Where rank 0 keeps states; on a machine that has no such place, where adapterd itself would."""
    theirs = Path(assignment.states)
    return theirs if theirs.parent.parent.is_dir() else Home.locate().states


def _base(assignment: Assignment, ranks: Ranks) -> GgufFile:
    """The base on this machine: the same path, or Ollama's blob of that digest; raises InputError where some rank has
    none, or another file there."""
    hexadecimal = assignment.base_digest.removeprefix("sha256:")
    models = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    places = [Path(assignment.gguf), models / "blobs" / f"sha256-{hexadecimal}"]
    found = next((place for place in places if place.is_file()), None)
    fault = ""
    if found is None:
        fault = f"rank {ranks.rank} has no base: {' and '.join(map(str, places))} are not there"
    elif _mark(found) != assignment.base_mark and sha256_file(found) != hexadecimal:
        fault = f"rank {ranks.rank} has another base: {found} is not {assignment.base_digest}"
    if fault := ranks.first_fault(fault):
        raise InputError(fault, hint="pull the same base on every machine of training.hosts")
    return GgufFile.open(found or places[0], context_tokens=assignment.context_tokens)


def _mark(file: Path) -> list[int]:
    """What is the same only for the very same file, so that it need not be read to know it."""
    status = file.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _report(progress: TrainingProgress) -> None:
    _say({"progress": {"share": round(progress.step / progress.steps, 4), **asdict(progress)}})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _named(message: str, ranks: Ranks) -> str:
    return message if ranks.rank == 0 else f"rank {ranks.rank}: {message}"


def _end_with_parent(parent: int, ranks: Ranks) -> None:
    """`mlx.launch` closes our standard input when it goes, but does not notice when the one goes that started it."""
    if ranks.rank == 0:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    while os.read(0, 1):
        pass
    os._exit(3)


def _end_with(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(3)
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    sys.exit(main())
