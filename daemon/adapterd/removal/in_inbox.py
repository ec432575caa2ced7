"""The places of text that feedback comes through: our copies in the inbox, and the quarantine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from adapterd.feedback.kinds import ENDINGS
from adapterd.feedback.listing import name_of
from adapterd.feedback.own_copies import cut, hash_of_piece, is_ours, unwanted_in
from adapterd.intake.own_copies import cut_from_copy
from adapterd.removal.removed import Scene
from adapterd.store.feedback import Quarantined

RAW = ".raw"


def own_copies(scene: Scene, change: bool) -> Iterator[str]:
    """Files that `feedback add` and `import` put into the inbox."""
    for path in _files_below(scene.inbox):
        if not is_ours(path):
            continue
        if name_of(str(path)) in scene.removed.whole_files:
            yield f"the copy {path.name}"
            if change:
                path.unlink(missing_ok=True)
                scene.store.feedback.forget_file(scene.model, name_of(str(path)))
            continue
        goes, name = scene.going_in(path), name_of(str(path))
        if change:
            numbers = list(cut_from_copy(scene.store, scene.model, path, name, goes).numbers)
        else:
            numbers, _ = unwanted_in(path, goes)
        if numbers:
            yield f"{len(numbers)} of the records in {path.name}"
        elif not path.name.lower().endswith(ENDINGS) and name_of(str(path)) in scene.removed.files:
            yield f"the copy {path.name}, which cannot be divided"
            if change:
                path.unlink(missing_ok=True)
                scene.store.feedback.forget_file(scene.model, name_of(str(path)))


def quarantine(scene: Scene, change: bool) -> Iterator[str]:
    """Bytes that are kept of what cannot be used: single pieces, and copies of whole files."""
    folder = scene.home.quarantine / scene.model
    noted = scene.store.feedback.quarantined(scene.model)
    for path in _files_below(folder):
        if path.suffix == RAW:
            if scene.removed.has_text(path.read_bytes()) or _is_removed(scene, path):
                yield f"a piece in quarantine, {path.name}"
                if change:
                    _forget(scene, path, noted)
        elif _is_of_removed_notes(scene, path, noted):
            yield f"the copy of a file in quarantine, {path.name}"
            if change:
                path.unlink(missing_ok=True)
        elif numbers := unwanted_in(path, scene.going_in(path))[0]:
            yield f"{len(numbers)} pieces of a file in quarantine, {path.name}"
            if change and cut(path, scene.going_in(path)).is_gone:
                _forget(scene, path, noted)
            elif change:
                gone = {(f"{scene.model}/{path.name}", number) for number in numbers}
                scene.store.feedback.forget_pieces(each.id for each in noted if (each.kept, each.line) in gone)


def _is_of_removed_notes(scene: Scene, path: Path, noted: list[Quarantined]) -> bool:
    """Whether a copy of a whole file is of one that something goes of, and no note refers to the copy any more."""
    kept = f"{scene.model}/{path.name}"
    of_removed = {
        f"{hashlib.sha256(file.encode()).hexdigest()[:16]}{Path(file).suffix}" for file in scene.removed.files
    }
    return path.name in of_removed and all(each.kept != kept for each in noted)


def _is_removed(scene: Scene, path: Path) -> bool:
    return hash_of_piece(path.read_bytes()) in scene.removed.hashes


def _forget(scene: Scene, path: Path, noted: list[Quarantined]) -> None:
    kept = f"{scene.model}/{path.name}"
    path.unlink(missing_ok=True)
    scene.store.feedback.forget_pieces(each.id for each in noted if each.kept == kept)


def _files_below(folder: Path) -> list[Path]:
    found = folder.rglob("*") if folder.is_dir() else ()
    return sorted(path for path in found if path.is_file() and not path.is_symlink() and not path.name.startswith("."))
