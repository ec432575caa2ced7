"""The inbox: a folder into which applications put files, whenever and however they like."""

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.listing import ENDINGS, InboxFile, inbox_file, name_of, stamp_of, walk
from adapterd.feedback.settling import LONGEST_WAIT_S, SettleTracker, reread_s
from adapterd.system.files import clone_open, write_atomic

MAX_NAME_BYTES = 128  # of an imported file's own name: file systems take 255, and temporary names are longer

Known = Callable[[str], tuple[int, int] | None]


@dataclass(frozen=True)
class Pending:
    """New and changed files, longest unchanged first; those in `unsettled` may still be being written.

    `refused` has by name the reasons why something is not read: it is a link out of the inbox, a pipe, or the like.
    """

    ready: tuple[InboxFile, ...]
    unsettled: tuple[Path, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def pending(
    folder: Path, known: Known, *, now: float, settle_s: float = 1.0, tracker: SettleTracker | None = None
) -> Pending:
    """The files in the folder and below it whose stamp is not the one that is known for their name.

    `now` is in seconds since the epoch. A file is settled when its time of change is `settle_s` seconds from now,
    on either side: a clock that is ahead must not hide it for ever. With a `tracker`, a file of lines that never
    settles is returned after a while, too, and a large file that is known is returned less often.
    Raises InputError if there is no such folder.
    """
    changed, refused = _changed(folder, known)
    if tracker is None:
        states = [file if abs(now - file.mtime_ns / 1e9) >= settle_s else None for file in changed]
    else:
        tracker.observe(folder, changed)
        states = [_if_due(tracker, folder, file, known, now=now, settle_s=settle_s) for file in changed]
    return Pending(
        ready=tuple(file for file in states if file),
        unsettled=tuple(file.path for file, state in zip(changed, states, strict=True) if not state),
        refused=refused,
    )


def _changed(folder: Path, known: Known) -> tuple[list[InboxFile], dict[str, str]]:
    changed: list[InboxFile] = []
    refused: dict[str, str] = {}
    for path, found in walk(folder):
        name = name_of(path)
        if isinstance(found, str):
            refused[name] = found
        elif known(name) != stamp_of(found):
            changed.append(inbox_file(path, found, folder))
    return sorted(changed, key=lambda file: (file.mtime_ns, file.path)), refused


def _if_due(
    tracker: SettleTracker, folder: Path, file: InboxFile, known: Known, *, now: float, settle_s: float
) -> InboxFile | None:
    """The file if it is to be read now: it has settled, or is overdue."""
    needed_s = max(settle_s, min(reread_s(file), LONGEST_WAIT_S)) if known(file.name) else settle_s
    is_settled = tracker.is_settled(folder, file, age_s=now - file.mtime_ns / 1e9, needed_s=needed_s)
    if not is_settled and not (file.has_lines and tracker.is_overdue(folder, file)):
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


def import_file(folder: Path, source: Path) -> Path:
    """Copy a file into the inbox in one step, named by its content, so that importing it again changes nothing.

    Raises InputError for an ending that is not read, or if the copy is impossible.
    """
    if source.suffix.lower() not in ENDINGS:
        raise InputError(f"{source} is none of: {', '.join(ENDINGS)}", hint="feedback is JSON or JSON Lines")
    try:
        with source.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            target = folder / f"import-{digest[:16]}-{_short(source.name).lstrip('.')}"
            if not target.exists():
                clone_open(stream, target)
    except OSError as exc:
        raise InputError(f"{source} cannot be copied into {folder}: {exc.strerror}") from exc
    return target


def _short(name: str) -> str:
    """The last MAX_NAME_BYTES of a name, with its suffix."""
    return os.fsencode(name)[-MAX_NAME_BYTES:].decode(errors="ignore")
