"""Our own copies of feedback, and what the store knows of them, after something was cut out of them."""

from pathlib import Path

from adapterd.feedback.listing import stamp_of
from adapterd.feedback.own_copies import Cut, Unwanted, cut, is_ours
from adapterd.home import Home
from adapterd.intake.file_intake import FileIntake
from adapterd.store import Store


def cut_from_copy(store: Store, model: str, path: Path, name: str, unwanted: Unwanted) -> Cut:
    """Cut unwanted pieces out of a copy in the inbox; `name` is the path as the store has it. Raises OSError."""
    done = cut(path, unwanted)
    if done.numbers:
        with store.transaction():
            if done.is_gone:
                store.feedback.forget_file(model, name)
            else:
                store.feedback.change_stamp(model, name, *stamp_of(path.stat()))
                if done.renumbered:
                    store.feedback.renumber(model, name, done.numbers)
    return done


def cut_own_copy(store: Store, home: Home, model: str, intake: FileIntake) -> None:
    """Cut what was taken back earlier out of a copy that was just made and read, and out of its copy in quarantine."""
    removed = frozenset(intake.removed_lines)
    if not removed:
        return
    if is_ours(intake.given.file.path):
        cut_from_copy(store, model, intake.given.file.path, intake.name, lambda piece: piece.line in removed)
    if intake.found.kept_whole:
        cut(home.quarantine / model / intake.found.kept_whole, lambda piece: piece.line in removed)
