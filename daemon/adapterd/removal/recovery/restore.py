"""Putting a backup back as the home: nothing is lost by it, and nothing that was taken back since comes back.

The backup is unpacked and proven beside the home. What was taken back after it was made is removed from it: that begins
in its database before it becomes the home, and where the process is killed later, the daemon does the rest. The home of
before is kept aside.
"""

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapterd import config
from adapterd.config import Settings
from adapterd.errors import AdapterdError, StoreError
from adapterd.home import Home, make_private
from adapterd.housekeeping.backup.contents import BACKED_UP, RESTORED, Manifest, copies
from adapterd.housekeeping.backup.unpack import unpack
from adapterd.removal.outliving import read_removed, take_up, write_removed
from adapterd.removal.recovery.places import bring_back, change_places, remove_left, was_home
from adapterd.removal.remove import begin_removal, finish_removals
from adapterd.removal.selection import select_removed
from adapterd.serving.runtimes import runtime_for
from adapterd.serving.tags import SEMVER, ModelTags
from adapterd.store import Store
from adapterd.store.prompt_pool.prompts import PooledPrompt
from adapterd.store.runs import RunState
from adapterd.system.files import named_path
from adapterd.system.locks import exclusive

WHY = "taken back after the backup was made"
FROM_A_BACKUP = "it is of a home that was put back from a backup"
PATHS = (
    ("feedback", "file"), ("feedback", "document"), ("feedback_files", "path"), ("feedback_files", "document"),
    ("feedback_files", "log"), ("feedback_reading", "path"), ("quarantine", "file"), ("unreadable", "path"),
)  # fmt: skip
"""Columns that have paths of files in the home."""

Progress = Callable[[str, float], object]


@dataclass(frozen=True)
class Restored:
    """What was put back: of when, where the home of before is now (None if there was none), how many records were taken
    out again because they were taken back since, and sentences on what a person should know."""

    home: Path
    made_at: str
    made_by: str
    aside: Path | None
    removed: int
    notes: tuple[str, ...] = field(default=())


def is_used(home: Home) -> bool:
    """Whether there is anything in a home that a person would miss."""
    return home.config_file.exists() or home.database.exists() or any((home.root / "models").glob("*/*"))


def restore(file: Path, home: Home, progress: Progress = lambda _doing, _share: None) -> Restored:
    """Make a backup the home. Raises InputError for a file that is no whole backup, NewerStoreError where it is of a
    newer release, BusyError while the daemon or a run works on the home; the home is then as it was."""
    file, home = named_path(file), Home(home.root.resolve())
    make_private(home.root.parent)
    bring_back(home)
    with _still(home):
        remove_left(home)
        staged = Home(home.root.parent / f".{home.root.name}.{secrets.token_hex(4)}.restoring")
        try:
            manifest = unpack(file, staged, progress)
            removed, notes = _prepare(staged, home, manifest, _known(home))
            aside = change_places(staged, home)
        finally:
            if not was_home(staged.root):  # stopped by hand between two steps of changing places
                shutil.rmtree(staged.root, ignore_errors=True)
    notes.extend(_settle(home, aside, file, progress))
    return Restored(home.root, manifest.made_at, manifest.adapterd, aside, removed, tuple(notes))


@contextmanager
def _still(home: Home) -> Iterator[None]:
    """Nobody else works on the home; there may be none yet."""
    with ExitStack() as stack:
        if home.root.is_dir():
            busy = f"the daemon works on {home.root}; stop it first (adapterctl service stop)"
            stack.enter_context(exclusive(home.daemon_lock, timeout_s=1.0, busy=busy))
            stack.enter_context(exclusive(home.run_lock, timeout_s=1.0, busy=f"a run is going on in {home.root}"))
        yield


@dataclass(frozen=True)
class _Known:
    """What the home that is there knows, and the next one must know, too: the hashes of what was taken back, by its
    database and by the file that outlives one, the tokens of applications (None where no database tells), and the
    copies that were made of the home."""

    removed: Mapping[str, frozenset[str]]
    tokens: list[tuple[object, ...]] | None = None
    copies: tuple[str, ...] = ()


def _known(home: Home) -> _Known:
    removed = read_removed(home)
    if not home.database.exists():
        return _Known(removed)
    try:
        with Store(home.database) as store:
            hashes, tokens, made = store.removals.all_hashes(), store.http_tokens.rows(), tuple(copies(store))
    except StoreError:
        return _Known(removed)
    together = {
        model: removed.get(model, frozenset()) | hashes.get(model, frozenset()) for model in {*removed, *hashes}
    }
    return _Known(together, tokens, made)


def _prepare(staged: Home, home: Home, manifest: Manifest, known: _Known) -> tuple[int, list[str]]:
    """Make what was unpacked fit the place where it will be, and begin to remove what was taken back since; returns how
    many records that is, and sentences on what is not as it was."""
    staged.create()
    _move_paths(staged.config_file, manifest.home, home.root)
    count = 0
    with Store(staged.database) as store:
        for table, column in PATHS:
            _move_column(store, table, column, manifest.home, home.root)
        _stop_what_was_going_on(store)
        for model, hashes in sorted(known.removed.items()):
            selection = select_removed(store, staged, model, hashes)
            if not selection.is_empty:
                begin_removal(store, model, selection, WHY)
                count += len(selection.records)
        take_up(store, known.removed, WHY)
        _forget_prompts(store, known.removed)
        write_removed(store, staged)
        for path in known.copies:
            store.events.add(BACKED_UP, f"a copy of the home of before: {path}", detail={"file": path})
        notes = list(_take_tokens(store, known.tokens))
    return count, notes


def _forget_prompts(store: Store, known: Mapping[str, frozenset[str]]) -> None:
    """Remove prompts without answers that were taken back, but for those of records that stay; and what teachers made
    from what was taken back."""
    gone = 0
    with store.transaction():
        for model, hashes in known.items():
            asked = {
                row["prompt_hash"] for row in store.rows("SELECT prompt_hash FROM feedback WHERE model = ?", (model,))
            }
            gone += len(store.prompts.remove_matching(model, _is_one_of(hashes - asked)))
            gone += len(store.teaching.forget_records(hashes, model))
            gone += len(store.teaching.forget_prompts(hashes - asked, model))
    if gone:
        store.compact()


def _is_one_of(hashes: frozenset[str]) -> Callable[[PooledPrompt], bool]:
    return lambda prompt: prompt.prompt_hash in hashes


def _take_tokens(store: Store, tokens: list[tuple[object, ...]] | None) -> Iterator[str]:
    """Let the tokens be those of the home that is there; where none tells, no token of the backup counts, for it may
    have been revoked since."""
    if tokens is not None:
        store.http_tokens.replace(tokens)
    elif names := store.http_tokens.forget_valid():
        yield f"tokens of applications are in no backup: {', '.join(names)} need new ones (`adapterctl token add NAME`)"


def _move_paths(file: Path, before: Path, after: Path) -> None:
    """Change paths in the former home to those in the new one, in the configuration."""
    if before != after and file.is_file():
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(f'"{before}/', f'"{after}/'), encoding="utf-8")


def _move_column(store: Store, table: str, column: str, before: Path, after: Path) -> None:
    if before == after:
        return
    prefix = f"{before}/"
    store.execute(
        f"UPDATE OR IGNORE {table} SET {column} = ?1 || substr({column}, ?2) WHERE substr({column}, 1, ?3) = ?4",  # noqa: S608
        (f"{after}/", len(prefix) + 1, len(prefix), prefix),
    )


def _stop_what_was_going_on(store: Store) -> None:
    """What was begun when the backup was made does not go on: its files are not in it, and tags have changed since."""
    with store.transaction():
        store.execute(
            "UPDATE runs SET state = ?, error = ? WHERE state IN (?, ?)",
            (RunState.ABANDONED, FROM_A_BACKUP, RunState.RUNNING, RunState.FAILED),
        )
        store.execute("UPDATE intents SET state = 'undone', finished_at = ? WHERE state = 'begun'", (store.now(),))
        store.execute("UPDATE run_requests SET error = ? WHERE run_id IS NULL AND error IS NULL", (FROM_A_BACKUP,))
        store.execute("UPDATE schedule_states SET due_reason = NULL, due_text = NULL, due_since = NULL")


def _settle(home: Home, aside: Path | None, file: Path, progress: Progress) -> Iterator[str]:
    """Finish the removals, and say what is otherwise than the backup says."""
    settings = config.load(home)
    with Store(home.database) as store:
        store.events.add(
            RESTORED, f"{file} was put back as the home", detail={"file": str(file), "aside": str(aside or "")}
        )
        finish_removals(store, home, settings, progress=progress)
        yield from _tags_otherwise(store, home, settings)
    if aside:
        yield f"the home of before is {aside}; remove it when nothing of it is missed"


def _tags_otherwise(store: Store, home: Home, settings: Settings) -> Iterator[str]:
    try:
        present = runtime_for(settings, home).tags()
    except AdapterdError as exc:
        yield f"what is served was not compared: {exc}"
        return
    for model in sorted(settings.models):
        tags, known = ModelTags(model), {version.version for version in store.versions.all(model)}
        labels = [tag.rpartition(":")[2] for tag in sorted(present) if tag.rpartition(":")[0] == model]
        if newer := [label for label in labels if SEMVER.fullmatch(label) and label not in known]:
            yield f"{model}: the backup does not know {', '.join(newer)}, which stay as tags; numbers go on above them"
        deployment = store.versions.deployment(model)
        if deployment and present.get(tags.live) != deployment.live_digest:
            how = f"`adapterctl rollback {model} --to {deployment.live}` puts it back"
            yield f"{model}: {tags.live} is not {deployment.live} as in the backup; it stays as it is, {how}"
