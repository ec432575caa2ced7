"""Letting what was taken back be taken again: its text is gone, so a file names it that says it once more."""

from collections.abc import Iterator
from pathlib import Path

from adapterd.errors import InputError
from adapterd.feedback.formats import ReadingOptions, parse
from adapterd.feedback.listing import inbox_file
from adapterd.feedback.own_copies import hash_of_piece
from adapterd.feedback.reader import ParsedPiece, RejectedPiece, read_file
from adapterd.home import Home
from adapterd.removal.outliving import forget_removed, read_removed
from adapterd.store import Store


def let_in_again(store: Store, home: Home, model: str, file: Path, options: ReadingOptions) -> int:
    """Forget that the statements of a file were taken back; returns of how many of its pieces that was known.

    The next reading of a file takes them. Raises InputError if the file cannot be read.
    """
    barred = store.removals.hashes(model) | read_removed(home).get(model, frozenset())
    pieces = read_file(inbox_file(str(file.absolute()), file.stat())) if barred else iter(())
    found = [known for piece in pieces if (known := barred.intersection(_hashes(store, piece, options)))]
    if found:
        hashes = frozenset().union(*found)
        forget_removed(home, model, hashes)
        with store.transaction():
            store.removals.forget(model, hashes)
            text = f"{model}: {len(found)} statements that were taken back may be taken again"
            store.events.add("feedback.let_in_again", text, model=model)
    return len(found)


def _hashes(store: Store, piece: ParsedPiece | RejectedPiece, options: ReadingOptions) -> Iterator[str]:
    """The hashes by which a piece may be known: its bytes, and its statements and their prompts."""
    if piece.raw is not None:
        yield hash_of_piece(piece.raw)
    if isinstance(piece, RejectedPiece):
        return
    now = store.clock()
    try:
        records = parse(piece.value, options=options, received_at=now, now=now).records
    except InputError:
        return
    for record in records:
        yield from (record.content_hash, record.statement_hash, record.prompt_hash)
