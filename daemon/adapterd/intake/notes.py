"""The notes about the pieces of a file that cannot be used, and what is kept of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapterd.feedback import quarantine
from adapterd.feedback.following.open_file import OpenFile
from adapterd.feedback.listing import InboxFile
from adapterd.feedback.reader import RejectedPiece

PIECES_KEPT_APART = 20  # of one file, each synced to the disk; for more the whole file is kept once
MAX_NOTES = 10_000  # about one file; those beyond are counted in one note


@dataclass(frozen=True)
class Note:
    """A piece that cannot be used; its bytes are kept at `kept` below the quarantine (empty: there were none)."""

    line: int
    reason: str
    excerpt: str
    kept: str


class Notes:
    """Keeps the pieces of one file in the folder of the model; `noted` has the line and the place of each."""

    def __init__(self, folder: Path, model: str, file: InboxFile) -> None:
        self._folder = folder / model
        self._model = model
        self._file = file
        self._first_unnoted: int | None = None
        self._count = 0
        self.noted: list[tuple[int, str]] = []
        self.kept_whole: str | None = None

    def clear(self) -> None:
        """Forget what was noted: nothing of the file is taken."""
        self.noted.clear()
        self._first_unnoted = None

    def of(self, faults: Sequence[RejectedPiece], opened: OpenFile, *, is_last: bool) -> list[Note]:
        """The notes about these pieces of the file that is open, and with the last ones about those beyond
        MAX_NOTES."""
        self._count += len(faults)
        notes = [self.note(fault, opened) for fault in faults[: MAX_NOTES - len(self.noted)]]
        if len(notes) < len(faults) and self._first_unnoted is None:
            self._first_unnoted = faults[len(notes)].line
        if is_last and self._first_unnoted is not None:
            reason = f"from here on {self._count - len(self.noted):,} more cannot be used"
            notes.append(self.note(RejectedPiece(self._first_unnoted, reason, None), opened))
        return notes

    def note(self, fault: RejectedPiece, opened: OpenFile) -> Note:
        """The note about one piece, whose bytes are kept."""
        kept = self._keep(fault.raw, opened)
        self.noted.append((fault.line, kept))
        raw = fault.raw
        seen = quarantine.excerpt_of_file(self._file, opened) if raw is None else quarantine.excerpt(raw)
        return Note(fault.line, fault.reason.encode(errors="backslashreplace").decode(), seen, kept)

    def _keep(self, raw: bytes | None, opened: OpenFile) -> str:
        if raw is None or len(self.noted) >= PIECES_KEPT_APART:
            if self.kept_whole is None:  # once: of a file that grows every copy would be another
                self.kept_whole = quarantine.keep_file(self._folder, self._file, opened)
            name = self.kept_whole
        else:
            name = quarantine.keep(self._folder, raw)
        return f"{self._model}/{name}" if name else ""
