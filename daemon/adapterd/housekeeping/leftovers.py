"""What finished runs and dead processes left in the home, and nobody needs any more."""

import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from pathlib import Path

from adapterd.config import Settings
from adapterd.deployment.config_file import DRAFT_PREFIX, DRAFT_SUFFIX
from adapterd.formats.metrics_log import METRICS
from adapterd.formats.run_folder import PLAN, RESULTS
from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.runs import Run
from adapterd.system.locks import is_held

FILES_THAT_STAY = (PLAN, RESULTS, "*.log", METRICS)
"""Files that explain a run that is over; the others are stored elsewhere, or can be made again."""
UNFINISHED = ".*.partial"
"""What `files.atomic_path` calls a file that has not got its name yet."""
NOT_FINISHED = "whoever wrote it did not finish"
DEAD_AFTER = timedelta(hours=1)
"""A file that is to be written in one step is left untouched for so long only by a dead process."""
ANSWERS_STAY = timedelta(days=30)
DRAFTS_STAY = timedelta(days=7)


@dataclass(frozen=True)
class Leftover:
    """Files and folders that go together: `what` names them for people, `size_bytes` is what they give back."""

    what: str
    why: str
    paths: tuple[Path, ...]
    size_bytes: int
    model: str | None = None


def of_runs(store: Store, home: Home) -> Iterator[Leftover]:
    """The large files of runs that are over, what dead workers of the others did not finish, and the folders of runs
    that never began."""
    folders = _folders(home)
    working = is_held(home.run_lock)  # looked at before the store, else a run that begins now would seem never begun
    for folder in folders:
        run = _run(store, folder.name)
        if run is None and not working and not _is_there(folder / RESULTS):
            yield Leftover(f"run {folder.name}", "it never began", (folder,), size_of([folder]))
        elif run and not run.state.open and (paths := tuple(_removable(folder))):
            yield Leftover(f"files of run {run.id}", f"it is over ({run.state})", paths, size_of(paths), run.model)
        elif run and run.state.open and not working and (paths := tuple(sorted(folder.rglob(UNFINISHED)))):
            yield Leftover(f"unfinished files of run {run.id}", NOT_FINISHED, paths, size_of(paths), run.model)


def _is_there(path: Path) -> bool:
    """Whether there is such a file; no where it may not be looked for, in a folder of somebody else's."""
    try:
        return path.exists()
    except PermissionError:
        return False


def runs(store: Store, home: Home) -> list[Run]:
    """The runs whose folders are there."""
    return [run for folder in _folders(home) if (run := _run(store, folder.name))]


def of_processes(home: Home, settings: Settings, now: datetime) -> Iterator[Leftover]:
    """Files that their writers did not come to finish. What lies in an inbox is not ours."""
    inboxes = [model.feedback.folder for model in settings.models.values() if model.feedback.folder]
    others = (home.root / "runs", home.root / "feedback", *inboxes)
    for file in sorted(home.root.rglob(UNFINISHED)):
        ours = not any(file.is_relative_to(folder) for folder in others)
        if ours and file.is_file() and is_dead(file, now):
            what = str(file.relative_to(home.root))
            yield Leftover(what, NOT_FINISHED, (file,), size_of([file]))


def is_dead(file: Path, now: datetime | None = None) -> bool:
    """Whether only a dead process leaves a file untouched for so long: one that is to be written in one step, or that
    its writer holds the lock of for as long as it is needed (`locks.claimed`)."""
    if _touched(file) >= (now or datetime.now(UTC)) - DEAD_AFTER:
        return False
    try:
        return not is_held(file)
    except OSError:  # not for this user to open, and so none of our processes holds it
        return True


def of_evaluations(home: Home, now: datetime) -> Iterator[Leftover]:
    """Answers in the cache that are too old to be used again."""
    cached = home.answers.glob("*.json")
    old = tuple(file for file in cached if _touched(file) < now - ANSWERS_STAY)
    if old:
        why = f"given more than {ANSWERS_STAY.days} days ago"
        yield Leftover(f"{len(old)} answers of evaluations", why, old, size_of(old))


def of_drafts(home: Home, now: datetime) -> Iterator[Leftover]:
    """Texts of `adapterctl config edit` that were not used, and that nobody came back to."""
    for file in sorted(home.root.glob(f"{DRAFT_PREFIX}*{DRAFT_SUFFIX}")):
        if _touched(file) < now - DRAFTS_STAY:
            why = f"an edit of the configuration that was not used, older than {DRAFTS_STAY.days} days"
            yield Leftover(file.name, why, (file,), size_of([file]))


def of_states(home: Home, settings: Settings) -> Iterator[Leftover]:
    """What the layers below the adapter made of examples, for bases that no model is trained on any more."""
    bases = {model.base_digest.removeprefix("sha256:") for model in settings.models.values()}
    for folder in sorted(home.states.glob("*-*-*")):
        base = folder.name.partition("-")[0]
        if base not in bases and folder.is_dir():
            yield Leftover(
                f"states of base {base[:12]}", "no model is trained on that base", (folder,), size_of([folder])
            )


def remove(paths: Iterable[Path]) -> None:
    """Remove files, and folders with all that is in them."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def size_of(paths: Iterable[Path]) -> int:
    """What removing these files and folders gives back, in bytes; a file with another name elsewhere gives nothing."""
    found = 0
    for file in (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])):
        with suppress(FileNotFoundError):
            status = file.lstat()
            found += status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    return found


def _removable(folder: Path) -> Iterator[Path]:
    """What may go of a run's folder; a whole folder where nothing in it stays."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and any(map(_stays, path.rglob("*"))):
            yield from _removable(path)
        elif not _stays(path):
            yield path


def _stays(path: Path) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in FILES_THAT_STAY)


def _folders(home: Home) -> list[Path]:
    return sorted(path for path in (home.root / "runs").glob("*") if path.is_dir())


def _run(store: Store, run_id: str) -> Run | None:
    try:
        return store.runs.get(run_id)
    except KeyError:
        return None


def _touched(file: Path) -> datetime:
    """When anything of the file last changed, its name and times included; now, if it is gone."""
    try:
        return datetime.fromtimestamp(file.stat().st_ctime, UTC)
    except FileNotFoundError:
        return datetime.now(UTC)
