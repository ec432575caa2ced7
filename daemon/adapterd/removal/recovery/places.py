"""A home and what was unpacked beside it change places: in one step where the file system can.

After a kill at any moment nothing is lost, and giving the command again does the rest.
"""

import os
import shutil
import time
from glob import escape
from pathlib import Path

from adapterd.formats.lineage import LINEAGE
from adapterd.home import Home, make_private
from adapterd.serving.tags import SEMVER
from adapterd.system.files import exchange

CARRIED = ("embedded", "bin", "*token*")
"""What a backup does not have and the next home needs, by names and patterns in the home."""
ASIDE = ".before-restore-"


def change_places(staged: Home, home: Home) -> Path | None:
    """Make `staged` the home; returns where the home of before is now, None if there was none."""
    if not home.root.is_dir():
        staged.root.rename(home.root)
        return None
    _keep_numbers(home, staged)
    _carry(home, staged)
    aside = _aside(home)
    if exchange(staged.root, home.root):
        staged.root.rename(aside)
        return aside
    home.root.rename(aside)
    try:
        staged.root.rename(home.root)
    except OSError:
        aside.rename(home.root)
        raise
    return aside


def bring_back(home: Home) -> None:
    """Give the home its place back, where one was killed between taking it away and putting another there."""
    if os.path.lexists(home.root) or not _left(home):
        return
    if asides := _asides(home):
        asides[-1].rename(home.root)


def remove_left(home: Home) -> None:
    """Remove what killed ones have unpacked; a home of before among it gets its name."""
    for folder in _left(home):
        if was_home(folder):
            folder.rename(_aside(home))
        else:
            shutil.rmtree(folder)


def was_home(folder: Path) -> bool:
    """Whether a folder was the home, and not only unpacked: its lock was held while the places were changed."""
    return Home(folder).daemon_lock.exists()


def kept_beside(home: Home) -> list[Path]:
    """Homes of before beside the home, and what killed ones have unpacked there."""
    return [*_asides(home), *_left(home)]


def _asides(home: Home) -> list[Path]:
    return sorted(home.root.parent.glob(f"{escape(home.root.name)}{ASIDE}*"))


def _left(home: Home) -> list[Path]:
    return sorted(home.root.parent.glob(f".{escape(home.root.name)}.*.restoring"))


def _aside(home: Home) -> Path:
    """A name for the home of before that nothing has."""
    plain = home.root.with_name(f"{home.root.name}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}")
    found, number = plain, 1
    while os.path.lexists(found):
        number += 1
        found = plain.with_name(f"{plain.name}-{number}")
    return found


def _keep_numbers(home: Home, staged: Home) -> None:
    """Of versions that were made since, keep what they were made from: their numbers are not used again."""
    for file in home.root.glob(f"models/*/*/{LINEAGE.name}"):
        target = staged.version(file.parts[-3], file.parts[-2])
        if SEMVER.fullmatch(file.parts[-2]) and not target.exists():
            shutil.copyfile(file, make_private(target) / LINEAGE.name)


def _carry(home: Home, staged: Home) -> None:
    """Have what is carried in both, by a second name where the file system can: nothing is missing after a kill."""
    for path in (path for pattern in CARRIED for path in home.root.glob(pattern)):
        target = staged.root / path.name
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, target, symlinks=True, copy_function=_linked)
        else:
            _linked(path, target)


def _linked(source: Path | str, target: Path | str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
