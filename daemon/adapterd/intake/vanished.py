"""Whether files that are missing were deleted, or the share or disk that they are on is not there.

A folder on which nothing is mounted is empty, and so says as little of its files as one that cannot be looked into. A
file was deleted if its folder is on the device on which the file was read; a device whose number changed, as it may
when a machine starts, is known by other files that are still there. Of a file whose device is not known (a JSON
document) the folder itself has to be there, and another file on its device in it or below it: if the folder is gone as
well, a disk may have been mounted there whose folder went with it.
"""

import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from adapterd.store import Store


def deleted(store: Store, model: str, inbox: Path, missing: Collection[str]) -> list[str]:
    """Those of the missing files that were deleted; all are below the inbox."""
    if not missing:
        return []
    read = {file.path: _device_in(file.inode) for file in store.feedback.files(model)}
    there = {path: device for path in read if (device := _device_of(Path(path))) is not None}
    now_on = defaultdict[int, set[int]](set)
    for path, device in there.items():
        if (before := read[path]) is not None:
            now_on[before].add(device)

    used = _folders_of(there)

    def was_deleted(name: str) -> bool:
        before = read.get(name)
        if before is None:
            folder = Path(name).parent
            return (str(folder), _device_of(folder)) in used
        device = _device_of(_folder_of(inbox, name))
        return device == before or device in now_on[before]

    return [name for name in missing if was_deleted(name)]


def _folders_of(there: Mapping[str, int]) -> set[tuple[str, int | None]]:
    """Every folder above these files, with the device of a file in it or below it."""
    found = set[tuple[str, int | None]]()
    for path, device in there.items():
        for folder in map(str, Path(path).parents):
            if (folder, device) in found:
                break
            found.add((folder, device))
    return found


def _folder_of(inbox: Path, name: str) -> Path:
    """The folder that a file was in; of one that is gone as well, the next one above that is there."""
    above = Path(name).relative_to(inbox).parents
    return next((inbox / each for each in above if (inbox / each).is_dir()), inbox)


def _device_in(inode: str) -> int | None:
    device, colon, _ = inode.partition(":")
    return int(device) if colon else None


def _device_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_dev  # noqa: PTH116 - thousands of times
    except OSError:
        return None
