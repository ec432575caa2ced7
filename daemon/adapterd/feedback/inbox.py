"""The inbox: a folder into which applications put files, whenever and however they like."""

import hashlib
import os
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.kinds import ENDINGS, kind_of, way_on
from adapterd.feedback.listing import InboxFile, PassedOver, inbox_file, look_at, name_of, stamp_of, walk
from adapterd.feedback.settling import LONGEST_WAIT_S, SettleTracker, reread_s
from adapterd.system.files import clone_open, open_given, write_atomic

MAX_PASSED_OVER = 100  # that are named one by one
MAX_NAME_BYTES = 128  # of an imported file's own name: file systems take 255, and temporary names are longer

Known = Callable[[str], tuple[int, int] | None]


@dataclass(frozen=True)
class Pending:
    """New and changed files, longest unchanged first; those in `unsettled` may still be being written.

    `refused` has by name the reasons why something is not read: it is a link out of the inbox, a pipe, or the like, or
    a file of another kind that has settled.
    """

    ready: tuple[InboxFile, ...]
    unsettled: tuple[Path, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def pending(
    folder: Path,
    known: Known,
    *,
    now: float,
    settle_s: float = 1.0,
    tracker: SettleTracker | None = None,
    paths: Collection[str] | None = None,
    follow_renames: Callable[[Sequence[InboxFile]], bool] = lambda _files: False,
    has_grown: Callable[[InboxFile], bool] = lambda _file: False,
) -> Pending:
    """The files in the folder and below it whose stamp is not the one that is known for their name.

    `now` is in seconds since the epoch. A file is settled when its time of change is `settle_s` seconds from now,
    on either side: a clock that is ahead must not hide it for ever. With a `tracker`, a file of lines that never
    settles is returned after a while, too, and a large file that is known is returned less often, unless it
    `has_grown` and no more. With `paths` no others are looked at. `follow_renames` gets what is new or changed; if it
    finds files under new names, `known` knows them then. Raises InputError if there is no such folder.
    """
    changed, passed_over, refused = _changed(folder, known, paths)
    if follow_renames(changed):
        changed = [file for file in changed if known(file.name) != file.stamp]
    refused |= _named(folder, {n: p.reason for n, p in passed_over.items() if abs(now - p.mtime_ns / 1e9) >= settle_s})
    if tracker is None:
        states = [file if abs(now - file.mtime_ns / 1e9) >= settle_s else None for file in changed]
    else:
        tracker.observe(folder, changed, paths)
        states = [
            _if_due(tracker, folder, file, now=now, settle_s=settle_s, rests=known(file.name) is not None,
                    has_grown=has_grown)
            for file in changed
        ]  # fmt: skip
    return Pending(
        ready=tuple(file for file in states if file),
        unsettled=tuple(file.path for file, state in zip(changed, states, strict=True) if not state),
        refused=refused,
    )


def _changed(
    folder: Path, known: Known, paths: Collection[str] | None
) -> tuple[list[InboxFile], dict[str, PassedOver], dict[str, str]]:
    changed: list[InboxFile] = []
    passed_over: dict[str, PassedOver] = {}
    refused: dict[str, str] = {}
    for path, found in walk(folder) if paths is None else look_at(folder, paths):
        name = name_of(path)
        if isinstance(found, PassedOver):
            passed_over[name] = found
        elif isinstance(found, str):
            refused[name] = found
        elif known(name) != stamp_of(found):
            changed.append(inbox_file(path, found, folder))
    return sorted(changed, key=lambda file: (file.mtime_ns, file.path)), passed_over, refused


def _named(folder: Path, reasons: Mapping[str, str]) -> dict[str, str]:
    """The reasons why files are passed over, by name; of very many, the first, and for the folder how many more."""
    more = len(reasons) - MAX_PASSED_OVER
    named = {name: reasons[name] for name in sorted(reasons)[:MAX_PASSED_OVER]}
    beyond = {name_of(str(folder)): f"{more:,} more files are not read for their endings"} if more > 0 else {}
    return named | beyond


def _if_due(
    tracker: SettleTracker,
    folder: Path,
    file: InboxFile,
    *,
    now: float,
    settle_s: float,
    rests: bool,
    has_grown: Callable[[InboxFile], bool],
) -> InboxFile | None:
    """The file if it is to be read now: it has settled, or is overdue. One that was read before and is to be read as a
    whole has to rest for longer."""
    age_s = now - file.mtime_ns / 1e9
    is_settled = tracker.is_settled(folder, file, age_s=age_s, needed_s=settle_s)
    has_new_lines = rests and (is_settled or tracker.is_overdue(folder, file, has_grown=True)) and has_grown(file)
    if rests and is_settled and not has_new_lines:
        needed_s = max(settle_s, min(reread_s(file), LONGEST_WAIT_S))
        is_settled = tracker.is_settled(folder, file, age_s=age_s, needed_s=needed_s)
    if not is_settled and not (file.has_lines and tracker.is_overdue(folder, file, has_grown=has_new_lines)):
        return None
    tracker.forget(folder, file)
    return file if is_settled else replace(file, is_growing=True)


def write_records(folder: Path, records: bytes, *, suffix: str = ".jsonl") -> Path:
    """Put records into the inbox as a new file (0600), in one step; raises InputError if that is impossible."""
    target = folder / f"feedback-{uuid.uuid4().hex}{suffix}"
    try:
        write_atomic(target, records)
    except OSError as exc:
        raise InputError(f"{folder} cannot be written: {exc.strerror}") from exc
    return target


def refuse_other_endings(source: Path) -> None:
    """Raise InputError for a file with an ending that is not read."""
    if kind_of(source.name) is None:
        raise InputError(f"{source} is none of: {', '.join(ENDINGS)}", hint=way_on(source.name))


def import_file(folder: Path, source: Path) -> Path:
    """Copy a file into the inbox in one step, named by its content, so that importing it again makes no other file.

    What is there already is read again, for a file of the same name may have been imported since. A copy out of which
    something was cut, for it was taken back, is made anew, so that it is known what is not taken again.

    Raises InputError for an ending that is not read, or if the copy is impossible.
    """
    refuse_other_endings(source)
    try:
        with open_given(source) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            target = folder / f"import-{digest[:16]}-{_short(source.name).lstrip('.')}"
            if target.exists() and target.stat().st_size == os.fstat(stream.fileno()).st_size:
                os.utime(target)
            else:
                clone_open(stream, target)
    except OSError as exc:
        raise InputError(f"{source} cannot be copied into {folder}: {exc.strerror}") from exc
    return target


def _short(name: str) -> str:
    """The last MAX_NAME_BYTES of a name, with its suffix."""
    return os.fsencode(name)[-MAX_NAME_BYTES:].decode(errors="ignore")
